"""The intermediate representation of programs: graphs of immutable nodes."""

from __future__ import annotations

import itertools
import os
import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from ..errors import GraphError
from ..origin import Origin, Place, located, override, place
from . import text
from .dims import Dim
from .types import TensorType, unify_types

if TYPE_CHECKING:
    from ..tree import TreeDef

GAP = 2**32  # numbers between two nodes, for a graph that is built later than its place among them: that of a gradient
_ids = itertools.count(step=GAP)
new_id = _ids.__next__  # gives a number above those of all nodes made before


@dataclass(frozen=True, eq=False)
class Operation:
    """An operation, with all its rules.

    type      the type rule: (*types, **attrs) -> TensorType, or a tuple of them; raises at the user's line
    numpy     the meaning: (*arrays, **attrs) -> array(s)
    vjp       the gradient rule: (cts, out, args, needs, **attrs) -> one cotangent or None per argument, built from tensors
    batch     the batching rule for vmap: (size, args, batched, **attrs) -> result; the batch axis of the result and of the batched
              args is the first one. Or the name of the attribute whose axes increase by one. None for elementwise operations
    complex   the NumPy rule for complex arguments, if `numpy` is not analytic there (for complex-step differentiation)
    kind      "pointwise", "affine", "reduce", "control", "index", "leaf", or "move", which is recomputed and never stored
    symbol    its name in a drawing
    scalar    for the compiler, of an elementwise operation: a function of the C library, or (S, *x) -> an expression of functions of S
    domain    the interval of each argument in tests; `kinks` are points that tests avoid
    examples  ((shapes, attrs), ...) for tests of an operation whose arguments do not all have the same shape
    cheap     recomputed rather than stored for the gradient, if that takes no more memory
    fold      (op, nodes, attrs, type) -> an existing or simpler node with the same value, or None
    unique    whether a node is never merged with an equal one
    lazy      whether a node stays an operation in graphs even if its value is known: a broadcast number, 0 … n-1
    """

    name: str
    type: Callable[..., Any]
    numpy: Callable[..., Any]
    vjp: Callable[..., Sequence[Any]] | None = None
    batch: Callable[..., Any] | str | None = None
    complex: Callable[..., Any] | None = None
    kind: str = "op"
    symbol: str = ""
    scalar: Callable[..., Any] | str | None = None
    domain: tuple[tuple[float, float], ...] = ((-3.0, 3.0),)
    kinks: tuple[float, ...] = ()
    examples: tuple[tuple[Any, dict[str, Any]], ...] = ()
    elementwise: bool = False
    cheap: bool = False
    fold: Callable[..., Node | None] | None = None
    unique: bool = False
    lazy: bool = False

    @cached_property
    def has_body(self) -> bool:
        """Whether its NumPy rule runs a graph: a loop, a branch, a call."""
        return self.kind == "control" and not self.elementwise

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"

    def __deepcopy__(self, memo: Any) -> Operation:
        return self


class Signature:
    """What nodes of one operation with equal attributes and types of arguments share: these, `args`, beside the rules of the operation the
    type of the result, and by the arguments that need a cotangent the gradient rule with its code, which eager nodes use."""

    __slots__ = ("args", "attrs", "has_body", "is_float", "op", "pulls", "type", "unique")

    def __init__(self, op: Operation, args: Sequence[TensorType], attrs: dict[str, Any], type: Any):
        self.op, self.args, self.attrs, self.type = op, args, attrs, type
        self.has_body, self.unique = op.has_body, op.unique
        self.is_float = not isinstance(type, TensorType) or type.is_float
        self.pulls: dict[tuple[bool, ...], tuple[Any, Callable[..., Any]]] = {}


class Node:
    """One operation applied to earlier nodes. `value` is its array, if it is known; `id` numbers nodes in order of creation.

    `tracked` tells whether it depends on a parameter or on an argument of a transformation. Eager results that do not are constants and
    keep no arguments. `learned` is True for a result of a compiled function that becomes a parameter, False for a buffer.
    """

    __slots__ = ("__weakref__", "_holder", "args", "attrs", "id", "learned", "name", "op", "place", "signature", "tracked", "type", "value")

    def __init__(
        self,
        op: Operation,
        args: tuple[Node, ...],
        attrs: dict[str, Any],
        type: Any,
        value: Any = None,
        name: str | None = None,
        origin: Place = None,
        tracked: bool = True,
    ):
        self.op = op
        self.args = args
        self.attrs = attrs
        self.type = type
        self.value = value
        self.name = name
        self.place = place(2) if origin is None else origin
        self.id = next(_ids)
        self.tracked = tracked
        self.learned: bool | None = None
        self.signature: Signature | None = None
        self._holder: weakref.ref[Any] | None = None

    @property
    def origin(self) -> Origin:
        """Where it comes from. Most are never asked for, so it is worked out at the first time."""
        if type(self.place) is not Origin:
            self.place = located(self.place)
        return self.place

    @property
    def holder(self) -> Any:
        """The tensor that holds a parameter's gradient. The node refers to it weakly: the graph of the gradient leads back to the node."""
        return None if self._holder is None else self._holder()

    @holder.setter
    def holder(self, tensor: Any) -> None:
        self._holder = weakref.ref(tensor)

    @property
    def bodies(self) -> list[Graph]:
        """The graphs among its attributes: loop bodies, branches."""
        return [v for v in self.attrs.values() if isinstance(v, Graph)]

    @property
    def is_constant(self) -> bool:
        """Whether graphs use its value and ignore its arguments."""
        return self.value is not None and not self.op.lazy

    def __repr__(self) -> str:
        return f"<{self.name or self.op.name} {self.type}>"


def count_nodes() -> int:
    """A number above the ids of all nodes until now, and below those of the next ones."""
    return next(_ids)


def ancestors(outputs: Iterable[Node], stop: Callable[[Node], bool] | None = None) -> list[Node]:
    """The nodes on which outputs depend, in order of creation. The arguments of a node are left out if `stop(node)` is true."""
    seen: dict[Node, None] = {}  # from later to earlier ones, mostly: they are soon sorted
    stack = list(outputs)
    while stack:
        node = stack.pop()
        if node not in seen:
            seen[node] = None
            if stop is None or not stop(node):
                stack.extend(node.args)
    return sorted(seen, key=attrgetter("id"))


@dataclass(eq=False)
class Graph:
    """A program: params -> outputs. Values that were known while tracing are constants of the graph.

    in_tree and out_tree are the structures of the Python arguments and results, if the graph was traced from a Python function.
    """

    params: tuple[Node, ...]
    outputs: tuple[Node, ...]
    name: str = "graph"
    in_tree: TreeDef | None = None
    out_tree: TreeDef | None = None
    cache: dict[Any, Any] = field(default_factory=dict, repr=False)

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """Every node on which the outputs depend, without the params. Arguments come first."""
        params = set(self.params)
        found = ancestors(self.outputs, lambda n: n in params or n.is_constant)
        return tuple(n for n in found if n not in params)

    @property
    def constants(self) -> tuple[Node, ...]:
        """The nodes whose values were known while tracing."""
        return tuple(n for n in self.nodes if n.is_constant)

    @property
    def in_types(self) -> tuple[TensorType, ...]:
        return tuple(p.type for p in self.params)

    @property
    def out_types(self) -> tuple[TensorType, ...]:
        return tuple(o.type for o in self.outputs)

    @cached_property
    def has_sizes(self) -> bool:
        """Whether an operation of the graph depends on a run-time size."""
        return any(uses_sizes(n.attrs) for n in self.nodes)

    @cached_property
    def bodies(self) -> list[Graph]:
        """The bodies of its nodes (loop bodies, branches), without the bodies inside these."""
        return [g for n in self.nodes for g in n.bodies]

    def __deepcopy__(self, memo: Any) -> Graph:
        return self  # its nodes do not change

    def __reduce__(self) -> Any:
        raise GraphError(f"{self.name}: a graph is not pickled. Pickle the function, and trace it again")

    def __repr__(self) -> str:
        return f"<Graph {self.name}: {len(self.params)} params, {len(self.nodes)} nodes, {len(self.outputs)} outputs>"

    def __str__(self) -> str:
        return text.show(self)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))


def _renew_locks() -> None:
    for name in ("nodes", "bodies", "has_sizes"):
        vars(Graph)[name].lock = threading.RLock()


if sys.version_info < (3, 12) and hasattr(os, "register_at_fork"):  # there a cached property has a lock, which another thread may hold
    os.register_at_fork(after_in_child=_renew_locks)


def uses_sizes(attrs: Mapping[str, Any]) -> bool:
    """Whether an operation with these attributes depends on a run-time size, directly or in one of its bodies."""
    return any(map(_has_size, attrs.values()))


def _has_size(value: Any) -> bool:
    if isinstance(value, Graph):
        return value.has_sizes
    return isinstance(value, Dim) or (isinstance(value, tuple) and any(map(_has_size, value)))


def rebuild(outputs: Iterable[Node], mapping: Mapping[Node, Node], make: Callable[[Node, tuple[Node, ...]], Node]) -> dict[Node, Node]:
    """A new node for every node on which outputs depend: the one in `mapping`, a constant itself, or the result of make(node, new_args)."""
    return rebuild_nodes(ancestors(outputs, lambda n: n in mapping or n.is_constant), mapping, make)


def rebuild_nodes(nodes: Iterable[Node], mapping: Mapping[Node, Node], make: Callable[[Node, tuple[Node, ...]], Node]) -> dict[Node, Node]:
    """The same for these nodes, which stand after their arguments."""
    new = dict(mapping)
    for node in nodes:
        if node in new:
            continue
        if node.is_constant:
            new[node] = node
            continue
        args = tuple([new[a] for a in node.args])
        with override(node.place):
            new[node] = made = make(node, args)
        if made.name is None:
            made.name = node.name
    return new


def substitute(graph: Graph, mapping: Mapping[Node, Node], params: tuple[Node, ...]) -> Graph:
    """The graph with these params and with nodes replaced by others of the same type."""

    def make(node: Node, args: tuple[Node, ...]) -> Node:
        return node if args == node.args else Node(node.op, args, node.attrs, node.type, name=node.name, origin=node.place)

    new = rebuild(graph.outputs, mapping, make)
    return Graph(params, tuple(new[o] for o in graph.outputs), graph.name, graph.in_tree, graph.out_tree)


def check(graph: Graph) -> None:
    """Check a graph and its bodies. Every node has the type that its type rule gives, arguments come first, every input is a param.

    Raises GraphError if one of these is false."""
    params = set(graph.params)
    if len(params) < len(graph.params):
        raise GraphError(f"{graph.name}: a param stands twice")
    for node in graph.nodes:
        if node.is_constant:
            continue
        if node.op.name == "input":
            raise GraphError(f"{graph.name}: {node!r} is an input but not a param")
        if any(a.id >= node.id for a in node.args):
            raise GraphError(f"{graph.name}: {node!r} comes before its argument")
        expected = node.op.type(*(a.type for a in node.args), **node.attrs)
        if not _same_types(expected, node.type):
            raise GraphError(f"{graph.name}: {node!r} should have type {expected}")
    for body in graph.bodies:
        check(body)


def _same_types(a: Any, b: Any) -> bool:
    if isinstance(a, TensorType):
        return unify_types(a, b)
    return len(a) == len(b) and all(map(unify_types, a, b))
