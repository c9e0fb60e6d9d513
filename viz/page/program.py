"""A graph as data for the script of the page, which computes it again, forward and in reverse.

Gradient rules travel as graphs: that of each operation is traced. So the script has for each primitive a rule of its meaning, and no other.
Equal operations share their types, attributes and gradient rule.
"""

from __future__ import annotations

import json
import zlib
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from minigrad.graph.ir import Graph, Node, ancestors
from minigrad.graph.nodes import interning
from minigrad.graph.types import TensorType
from minigrad.origin import override
from minigrad.primitives.rules import cotangent_type
from minigrad.table import TABLE
from minigrad.tensor import abstract, wrap
from minigrad.transforms.reverse import gradient_rule, reverse

REFUSED = ("kernel", "nextafter")  # the primitives that the script does not compute
DTYPES = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64")


class NotComputed(Exception):
    """The script cannot compute this graph; the message says why."""


class Program:
    """The nodes on which outputs depend, as data.

    A node is [signature, *arguments]. An argument is how many values it stands before the node, or −1 − k for leaf k. The params stand
    before the nodes. `number` gives the number of a node, or −1 − k.

    Raises NotComputed where the script lacks an operation or a dtype.
    """

    def __init__(self, outputs: Sequence[Node], loss: Node | None):
        self.signatures: dict[str, int] = {}
        self.pulls: dict[str, int] = {}
        self.leaves: dict[Node, int] = {}
        self.leaf_types: list[Any] = []
        nodes = ancestors(outputs)
        self.main, self.numbers = self._graph((), nodes, outputs, lambda n: not n.args)
        self.loss = loss
        self.rules = [-1] * len(self.numbers)
        if loss is not None:
            floats = [n for n in nodes if not n.args and n.type.is_float]
            reverse([loss], [True], floats, self._reverse, lambda a, b: True)

    def number(self, node: Node) -> int:
        return self.numbers[node] if node in self.numbers else -1 - self.leaves[node]

    def data(self) -> dict[str, Any]:
        """{"signatures", "leaves", "graph", "pulls": gradient rules, "rules": that of each node, or −1, "loss"} for JSON.

        A leaf is [dtype, shape, how many bytes].
        """
        return {
            "signatures": [json.loads(s) for s in self.signatures],
            "leaves": [[*type, len(_kept(n))] for n, type in zip(self.leaves, self.leaf_types, strict=True)],
            "graph": self.main,
            "pulls": [json.loads(p) for p in self.pulls],
            "rules": self.rules,
            "loss": None if self.loss is None else self.number(self.loss),
        }

    # ---- graphs

    def _graph(
        self, params: Sequence[Node], nodes: Sequence[Node], outputs: Sequence[Node], is_leaf: Callable[[Node], bool]
    ) -> tuple[dict[str, Any], dict[Node, int]]:
        """(the graph as data, node -> its number)."""
        numbers = {p: k for k, p in enumerate(params)}
        found = []
        for node in nodes:
            if is_leaf(node):
                if node not in self.leaves:
                    self.leaf_types.append(_types(node.type))
                    self.leaves[node] = len(self.leaves)
                continue
            here = numbers[node] = len(numbers)
            found.append([self._signature(node), *(here - numbers[a] if a in numbers else -1 - self.leaves[a] for a in node.args)])
        ends = [numbers[o] if o in numbers else -1 - self.leaves[o] for o in outputs]
        return {"params": len(params), "nodes": found, "outputs": ends}, numbers

    def closed(self, graph: Graph) -> dict[str, Any]:
        return self._graph(graph.params, graph.nodes, graph.outputs, lambda n: n.is_constant)[0]

    def _signature(self, node: Node) -> int:
        """The number of [operation, attributes, types of the results]."""
        name = node.op.name
        if name in REFUSED or name not in TABLE:
            raise NotComputed(f"the page has no rule for {name}")
        return _index(self.signatures, [name, {k: self._plain(v) for k, v in node.attrs.items()}, _types(node.type)])

    def _plain(self, value: Any) -> Any:
        if isinstance(value, Graph):
            return self.closed(value)
        if isinstance(value, np.dtype):
            return value.name
        if isinstance(value, tuple):
            return [self._plain(v) for v in value]
        if value is None or isinstance(value, (bool, int, str)):
            return value
        return int(value) if hasattr(value, "__index__") else None  # None for the rule of a call, which is not needed to compute it

    # ---- gradient rules

    def _reverse(self, node: Node, cts: list[Any], needs: tuple[bool, ...]) -> list[Any]:
        """Traces the gradient rule of a node; says which of its arguments get a cotangent."""
        rule = self._pull(node, needs)
        self.rules[self.numbers[node]] = _index(self.pulls, rule)
        return [True if k in rule["gives"] else None for k in range(len(needs))]

    def _pull(self, node: Node, needs: tuple[bool, ...]) -> dict[str, Any]:
        """The graph (cotangents…, results…, arguments…) -> cotangents of the arguments `gives`. Integer results have no cotangent."""
        several = not isinstance(node.type, TensorType)
        types = list(node.type) if several else [node.type]
        with interning(), override(node):
            cts = [abstract(cotangent_type(t)) if t.is_float else None for t in types]
            whole = Node(node.op, (), {}, node.type)
            out, args = wrap(whole), [abstract(a.type) for a in node.args]
            found = gradient_rule(node.op)(cts, out, args, needs, **node.attrs)
        gives = [k for k, (ct, need) in enumerate(zip(found, needs, strict=True)) if need and ct is not None]
        results = [o.node for o in out] if several else [whole]
        params = [t.node for t in cts if t is not None] + results + [a.node for a in args]
        outputs = tuple(found[k].node for k in gives)
        return {**self.closed(Graph(tuple(params), outputs)), "gives": gives}


def _index(table: dict[str, int], record: Any) -> int:
    return table.setdefault(json.dumps(record, separators=(",", ":")), len(table))


def _types(type: Any) -> Any:
    """[dtype, shape] of one result, or a list of them."""
    if not isinstance(type, TensorType):
        return [_types(t) for t in type]
    if type.dtype.name not in DTYPES:
        raise NotComputed(f"the page does not compute in {type.dtype.name}")
    return [type.dtype.name, [int(n) for n in type.shape]]


def _kept(leaf: Node) -> bytes:
    """The bytes of a leaf, first those that come first in each number, and so on; of one number where all are equal.

    First bytes of weights are alike, their signs and exponents, so that they deflate well beside each other.
    """
    array = np.asarray(leaf.value)
    one = array.size > 1 and array.dtype.kind != "V" and array.tobytes() == array.ravel()[:1].tobytes() * array.size
    kept = np.ascontiguousarray(array.ravel()[:1] if one else array.ravel(), array.dtype.newbyteorder("<"))
    return kept.view("u1").reshape(-1, kept.itemsize).T.tobytes()


def packed(program: Program, more: Mapping[str, Any]) -> str:
    """The data of a program and some more as JSON, its length before it and the leaves behind it, deflated, as base64."""
    head = json.dumps({**program.data(), **more}, separators=(",", ":")).encode()
    whole = len(head).to_bytes(4, "little") + head + b"".join(map(_kept, program.leaves))
    return b64encode(zlib.compress(whole, 9)).decode()
