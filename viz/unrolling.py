"""Graphs with their loops unrolled, for drawing. The initial states of the loops are leaves of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

import minigrad as mg
from minigrad import Graph, Tensor, tree
from minigrad.graph.ir import Node, ancestors, rebuild
from minigrad.ops.numbers import argument
from minigrad.origin import Origin, override
from minigrad.tensor import abstract, inline
from minigrad.transforms.reverse import pullback

from . import text
from .errors import DrawingError


class LeafName(NamedTuple):
    """The name of a leaf. `start` is the value of an initial state ("0", or "" for an array), and None for any other leaf."""

    name: str
    start: str | None = None


@dataclass
class Unrolling:
    """The results of an unrolled graph, its title, and the names of its leaves."""

    outputs: list[Tensor]
    title: str = ""
    leaves: Mapping[Node, LeafName] = field(default_factory=dict)


def is_computed(what: Any) -> bool:
    """Whether it is a tensor, or a list of tensors."""
    return isinstance(what, Tensor) or (isinstance(what, (list, tuple)) and bool(what) and all(isinstance(t, Tensor) for t in what))


def graph_of(what: Any, args: Sequence[Any]) -> Graph:
    """The graph itself, or the trace of a function with these arguments. Raises DrawingError for anything else."""
    if isinstance(what, Graph):
        return what
    if isinstance(what, Node):
        raise DrawingError("drawing: takes a tensor, a Graph, or a function and its arguments; got a Node: wrap it in mg.Tensor")
    if isinstance(what, Callable):  # type: ignore[arg-type]
        return mg.trace(what, *args)
    raise DrawingError(f"drawing: takes a tensor, a Graph, or a function and its arguments; got {type(what).__name__}")


def with_gradients(unrolling: Unrolling) -> Unrolling:
    """The first result, which must be a float scalar, and its gradients with respect to the parameters.

    Where there are no parameters, the gradients are those of all float leaves.
    """
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


def _require_history(tensors: Sequence[Tensor]) -> None:
    """Raises DrawingError if no tensor has a history or can be differentiated, so that nothing but numbers would be drawn."""
    if all(not t.node.args and t.node.op.name == "constant" for t in tensors):
        fix = "make one of its operands a parameter (mg.parameter), or draw the function: viz.unrolled(f, *args)"
        raise DrawingError(f"drawing: {tensors[0]!r} has no history, because operations on plain tensors are not recorded; {fix}")


def unroll(what: Any, args: Sequence[Any] = (), steps: int | None = None, values: bool = False) -> Unrolling:
    """Unroll the loops of a graph or a function. A tensor, or a list of tensors, is returned as it is.

    With `values` every node has its value for these arguments. Raises DrawingError for anything else, and for wrong arguments.
    """
    if is_computed(what):
        _require_history([what] if isinstance(what, Tensor) else what)
        return Unrolling([what], what.name or "") if isinstance(what, Tensor) else Unrolling(list(what))
    graph, starts = _separate_initial_states(graph_of(what, args))
    unrolled = mg.unroll(graph, steps, merge=False)
    count = len(graph.params) - len(starts)
    names = [LeafName(p.name or "x") for p in graph.params[:count]]
    names += [_start(p.name, v) for p, v in zip(graph.params[count:], starts, strict=True)]
    if not values:
        started = {p: n for p, n in zip(unrolled.params, names, strict=True) if n.start is not None}
        return Unrolling([Tensor(o) for o in unrolled.outputs], graph.name, started)
    leaves = [Tensor(argument(leaf).node) for leaf in tree.leaves(list(args))]
    if len(leaves) != count:
        raise DrawingError(f"drawing: {graph.name} takes {count} arrays, got {len(leaves)}: gradients need example arguments")
    leaves += [mg.tensor(v) for v in starts]
    with override(Origin()):  # no source line creates these leaves
        leaves = [mg.parameter(t, name=n.name) if t.type.is_float else t for t, n in zip(leaves, names, strict=True)]
    return Unrolling(inline(unrolled, leaves), graph.name, {t.node: n for t, n in zip(leaves, names, strict=True)})


def _start(name: str | None, value: np.ndarray) -> LeafName:
    """The name and the value of an initial state."""
    words = text.constant(value.flat[0]) if value.size and (value == value.flat[0]).all() else ""
    return LeafName((name or "").rpartition(".")[2].rstrip("]"), words)


def _separate_initial_states(graph: Graph) -> tuple[Graph, list[np.ndarray]]:
    """The graph with one more param for each constant initial state of a loop, and the values of these states.

    A constant would be folded into the first step, which would then look unlike the other steps.
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
