"""Graphs with their loops unrolled, ready to be drawn: initial states stand as leaves of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

import minigrad as mg
from minigrad import Graph, Tensor, tree
from minigrad.autodiff import pullback
from minigrad.ir import Node, ancestors, rebuild
from minigrad.origin import Origin, override
from minigrad.tensor import abstract, inline

from . import text
from .errors import DrawingError


class LeafName(NamedTuple):
    """How a leaf is called; `start` is what an initial state is set to ("0", or "" for an array), None for any other leaf."""

    name: str
    start: str | None = None


@dataclass
class Unrolling:
    """The results of a computation, and the names of its leaves."""

    outputs: list[Tensor]
    title: str = ""
    leaves: Mapping[Node, LeafName] = field(default_factory=dict)


def is_computed(what: Any) -> bool:
    """Whether it is a tensor, or several."""
    return isinstance(what, Tensor) or (isinstance(what, (list, tuple)) and bool(what) and all(isinstance(t, Tensor) for t in what))


def graph_of(what: Any, args: Sequence[Any]) -> Graph:
    """The graph itself, or that of a function for these arguments."""
    if isinstance(what, Graph):
        return what
    if isinstance(what, Node):
        raise DrawingError("drawing: takes a tensor, a Graph, or a function and its arguments; got a Node: wrap it in mg.Tensor")
    if isinstance(what, Callable):  # type: ignore[arg-type]
        return mg.trace(what, *args)
    raise DrawingError(f"drawing: takes a tensor, a Graph, or a function and its arguments; got {type(what).__name__}")


def with_gradients(unrolling: Unrolling) -> Unrolling:
    """Its first result, which must be a scalar, and the gradients of its parameters (or else of all it is computed from)."""
    loss = unrolling.outputs[0]
    if loss.shape or not loss.type.is_float:
        raise DrawingError(f"drawing: backward=True needs a float scalar as first result, got {loss.type}")
    ends = [Tensor(n) for n in ancestors([loss.node], lambda n: False) if not n.args and n.type.is_float and n.op.name != "constant"]
    learned = [t for t in ends if t.node.op.name == "parameter" or "." in (t.node.name or "")]
    with override(Origin()):
        found = pullback([loss], [mg.ones_like(loss)], learned or ends)
    for leaf, gradient in zip(learned or ends, found, strict=True):
        if gradient is not None and gradient.node.name is None:
            gradient.node.name = f"∂{text.pretty((leaf.node.name or 'x').rpartition('.')[2])}"
    return Unrolling([loss, *(g for g in found if g is not None)], unrolling.title, unrolling.leaves)


def unroll(what: Any, args: Sequence[Any] = (), steps: int | None = None, values: bool = False) -> Unrolling:
    """A tensor (or several) as it is; a graph or function with every loop unrolled, with `values` computed for these arguments.

    Raises DrawingError for anything else, and where values are wanted and the arguments are not those of the graph.
    """
    if is_computed(what):
        return Unrolling([what], what.name or "") if isinstance(what, Tensor) else Unrolling(list(what))
    graph, starts = _separate_initial_states(graph_of(what, args))
    unrolled = mg.unroll(graph, steps, merge=False)
    count = len(graph.params) - len(starts)
    given = [LeafName(p.name or "x") for p in graph.params[:count]] + [
        _start(p.name, v) for p, v in zip(graph.params[count:], starts, strict=True)
    ]
    if not values:
        named = {p: g for p, g in zip(unrolled.params, given, strict=True) if g.start is not None}
        return Unrolling([Tensor(o) for o in unrolled.outputs], graph.name, named)
    leaves = [mg.tensor(leaf) for leaf in tree.leaves(list(args))]
    if len(leaves) != count:
        raise DrawingError(f"drawing: {graph.name} takes {count} arrays, got {len(leaves)}: gradients need example arguments")
    leaves += [mg.tensor(v) for v in starts]
    with override(Origin()):  # no line of the user's program makes these
        leaves = [mg.parameter(t, name=g.name) if t.type.is_float else t for t, g in zip(leaves, given, strict=True)]
    return Unrolling(inline(unrolled, leaves), graph.name, {t.node: g for t, g in zip(leaves, given, strict=True)})


def _start(name: str | None, value: np.ndarray) -> LeafName:
    words = text.constant(value.flat[0]) if value.size and (value == value.flat[0]).all() else ""
    return LeafName((name or "").rpartition(".")[2].rstrip("]"), words)


def _separate_initial_states(graph: Graph) -> tuple[Graph, list[np.ndarray]]:
    """The graph with a param more for each known initial state of a loop, and their values.

    Left in place they would be folded into the first step, which then looks unlike the others.
    """
    found: list[tuple[Node, np.ndarray]] = []

    def make(node: Node, args: tuple[Node, ...]) -> Node:
        if node.op.name == "scan":
            first, body = node.attrs["constants"], node.attrs["body"]
            new = list(args)
            for i in range(first, first + node.attrs["carries"]):
                if new[i].value is not None:
                    leaf = abstract(new[i].type, body.params[i].name).node
                    found.append((leaf, new[i].value))
                    new[i] = leaf
            args = tuple(new)
        return node if args == node.args else Node(node.op, args, node.attrs, node.type, name=node.name, origin=node.origin)

    new = rebuild(graph.outputs, {p: p for p in graph.params}, make)
    params = (*graph.params, *(leaf for leaf, _ in found))
    return Graph(params, tuple(new[o] for o in graph.outputs), graph.name), [value for _, value in found]


__all__ = ["LeafName", "Unrolling", "graph_of", "is_computed", "unroll", "with_gradients"]
