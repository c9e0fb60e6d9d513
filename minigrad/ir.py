"""The one intermediate representation: immutable nodes, and graphs as the only kind of program."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from .dims import Dim
from .errors import GraphError
from .origin import Origin, here, override
from .types import TensorType, same_type

if TYPE_CHECKING:
    from .tensor import Tensor
    from .tree import TreeDef

_ids = itertools.count()


@dataclass(frozen=True, eq=False)
class Primitive:
    """All that the engine knows of an operation.

    type      (*types, **attrs) -> TensorType, or a tuple of them; raises at the user's line
    numpy     (*arrays, **attrs) -> array(s): the meaning
    vjp       (cts, out, args, needs, **attrs) -> one cotangent or None per argument, built from tensors
    batch     vmap: (size, args, batched, **attrs) -> result with the batch axis first, as in the args that are batched;
              or the name of the attribute whose axes move up by one; None for elementwise
    complex   the NumPy rule for complex arguments where `numpy` is not analytic there (for the complex step)
    look      (kind, symbol) in a drawing
    domain    the interval each argument is tested on; `kinks` are points that tests keep away from
    examples  ((shapes, attrs), ...) to test an operation whose arguments do not simply share a shape
    cheap     done again rather than stored for the gradient, where that takes no more memory
    unique    never merged with an equal node;  lazy    stays an operation in graphs even where its value is known: a repeated number, 0…n
    """

    name: str
    type: Callable[..., Any]
    numpy: Callable[..., Any]
    vjp: Callable[..., Sequence[Any]] | None = None
    batch: Callable[..., Any] | str | None = None
    complex: Callable[..., Any] | None = None
    look: tuple[str, str] = ("op", "")
    domain: tuple[tuple[float, float], ...] = ((-3.0, 3.0),)
    kinks: tuple[float, ...] = ()
    examples: tuple[tuple[Any, dict[str, Any]], ...] = ()
    elementwise: bool = False
    cheap: bool = False
    unique: bool = False
    lazy: bool = False

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"

    if TYPE_CHECKING:  # bound in tensor.py, where tensors exist

        def __call__(self, *args: Tensor, **attrs: Any) -> Any: ...


class Node:
    """One operation on nodes made before it. `value` is its array when it is known already, `id` counts nodes in order of creation.

    `tracked` tells whether it depends on a parameter or an argument of a transformation: eager work on anything else leaves no history.
    `learned` marks what is a parameter again where it leaves a compiled function.
    """

    __slots__ = ("__weakref__", "args", "attrs", "grad", "id", "learned", "name", "op", "origin", "tracked", "type", "value")

    def __init__(
        self,
        op: Primitive,
        args: tuple[Node, ...],
        attrs: dict[str, Any],
        type: Any,
        value: Any = None,
        name: str | None = None,
        origin: Origin | None = None,
        tracked: bool = True,
    ):
        self.op, self.args, self.attrs, self.type, self.value, self.name = op, args, attrs, type, value, name
        self.origin = here() if origin is None else origin
        self.id = next(_ids)
        self.tracked, self.learned = tracked, False
        self.grad: Any = None

    @property
    def is_constant(self) -> bool:
        """Whether graphs take its value as given and do not look behind it."""
        return self.value is not None and not self.op.lazy

    def __repr__(self) -> str:
        return f"<{self.name or self.op.name} {self.type}>"


def ancestors(outputs: Iterable[Node], stop: Callable[[Node], bool]) -> list[Node]:
    """The nodes that outputs are made of, in order of creation; those for which `stop` holds are kept but not entered."""
    seen: set[Node] = set()
    stack = list(outputs)
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            if not stop(node):
                stack.extend(node.args)
    return sorted(seen, key=lambda n: n.id)


@dataclass(eq=False)
class Graph:
    """A program: params -> outputs. Values known while it was traced stand in it as constants.

    in_tree and out_tree are the structures of the Python arguments and result it was traced from, if it was.
    """

    params: tuple[Node, ...]
    outputs: tuple[Node, ...]
    name: str = "graph"
    in_tree: TreeDef | None = None
    out_tree: TreeDef | None = None
    cache: dict[Any, Any] = field(default_factory=dict, repr=False)

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """Every node below the outputs that is not a param, arguments first."""
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
        """Whether an operation in it depends on a run-time size."""
        return any(uses_sizes(n.attrs) for n in self.nodes)

    def bodies(self) -> list[Graph]:
        """The graphs held by its nodes (loop bodies, branches), not those within them."""
        return [g for n in self.nodes for g in n.attrs.values() if isinstance(g, Graph)]

    def __repr__(self) -> str:
        return f"<Graph {self.name}: {len(self.params)} params, {len(self.nodes)} nodes, {len(self.outputs)} outputs>"

    def __str__(self) -> str:
        from .text import show

        return show(self)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))


def uses_sizes(attrs: Mapping[str, Any]) -> bool:
    """Whether an operation with these attributes depends on a run-time size, by itself or by a graph that it holds."""
    return any(map(_has_size, attrs.values()))


def _has_size(value: Any) -> bool:
    if isinstance(value, Graph):
        return value.has_sizes
    return isinstance(value, Dim) or (isinstance(value, tuple) and any(map(_has_size, value)))


def rebuild(outputs: Iterable[Node], mapping: Mapping[Node, Node], make: Callable[[Node, tuple[Node, ...]], Node]) -> dict[Node, Node]:
    """Map every node below outputs: those in `mapping` as given, known values to themselves, the others through `make(node, new_args)`."""
    new = dict(mapping)
    for node in ancestors(outputs, lambda n: n in mapping or n.is_constant):
        if node in new:
            continue
        if node.is_constant:
            new[node] = node
            continue
        args = tuple(new[a] for a in node.args)
        with override(node.origin):
            new[node] = make(node, args)
        if new[node].name is None:
            new[node].name = node.name
    return new


def substitute(graph: Graph, mapping: Mapping[Node, Node], params: tuple[Node, ...]) -> Graph:
    """The graph with nodes replaced by others of the same type, taking `params`."""

    def make(node: Node, args: tuple[Node, ...]) -> Node:
        return node if args == node.args else Node(node.op, args, node.attrs, node.type, name=node.name, origin=node.origin)

    new = rebuild(graph.outputs, mapping, make)
    return Graph(params, tuple(new[o] for o in graph.outputs), graph.name, graph.in_tree, graph.out_tree)


def check(graph: Graph) -> None:
    """Type-check: every node's type is what its rule says, arguments come first, no input is free. Bodies too. Raises GraphError."""
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
    for body in graph.bodies():
        check(body)


def _same_types(a: Any, b: Any) -> bool:
    if isinstance(a, TensorType):
        return same_type(a, b)
    return len(a) == len(b) and all(map(same_type, a, b))


def digest(graph: Graph) -> str:
    """A hash of the structure: equal in every process for graphs that do the same in the same order."""
    number: dict[Node, int] = {}
    lines = []
    for node in (*graph.params, *graph.nodes):
        number[node] = len(number)
        if node.is_constant:
            what = f"{node.op.name} {hashlib.sha256(np.ascontiguousarray(node.value).tobytes()).hexdigest()}"
        else:
            attrs = sorted((k, _attr_digest(v, node.attrs)) for k, v in node.attrs.items())
            what = f"{node.op.name} {[number[a] for a in node.args]} {attrs}"
        lines.append(f"{what} {node.type}")
    lines.append(str([number[o] for o in graph.outputs]))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _attr_digest(value: Any, attrs: Mapping[str, Any]) -> str:
    """Of a graph its digest, of a gradient rule that of the graph it makes; all else as it prints."""
    if isinstance(value, Graph):
        return digest(value)
    if callable(value):
        from .primitives.control import rule_graph

        return digest(rule_graph(value, attrs["graph"]))
    return repr(value)
