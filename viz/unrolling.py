"""Graphs with their loops unrolled, for drawing. The initial states of the loops are leaves of their own."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

import minigrad as mg
from minigrad import Graph, Tensor, tree
from minigrad.graph.ir import Node, ancestors, rebuild
from minigrad.ops.numbers import argument
from minigrad.origin import Origin, override
from minigrad.primitives import movement
from minigrad.tensor import abstract, inline
from minigrad.transforms.reverse import pullback

from . import text
from .errors import DrawingError
from .leaves import HIDDEN, assigned

_KEY = re.compile(r"\['(\w+)'\]")


class LeafName(NamedTuple):
    """The name of a leaf. Of an initial state also its value ("0", or "" for an array), and the step before the first one."""

    name: str
    start: str | None = None
    step: int = -1


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
            known = unrolling.leaves.get(leaf.node)
            name = text.pretty((leaf.node.name or "x").rpartition(".")[2])
            gradient.node.name = "∂" + (text.indexed(known.name, known.step) if known and known.start is not None else name)
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
    marked = _marked(graph_of(what, args), steps)
    graph, starts = marked.graph, marked.starts
    unrolled = mg.unroll(graph, steps, merge=False)
    count = len(graph.params) - len(starts)
    names = [marked.states.get(p) or LeafName(p.name or "x") for p in graph.params]
    if not values:
        started = {p: n for p, n in zip(unrolled.params, names, strict=True) if n.start is not None}
        return Unrolling([Tensor(o) for o in unrolled.outputs], graph.name, started)
    leaves = [Tensor(argument(leaf).node) for leaf in tree.leaves(list(args))]
    if len(leaves) != count:
        raise DrawingError(f"drawing: {graph.name} takes {count} arrays, got {len(leaves)}: gradients need example arguments")
    leaves += [mg.tensor(v) for v in starts]
    with override(Origin()):  # no source line creates these leaves
        leaves = [mg.parameter(t, name=p.name or "x") if t.type.is_float else t for t, p in zip(leaves, graph.params, strict=True)]
    return Unrolling(inline(unrolled, leaves), graph.name, {t.node: n for t, n in zip(leaves, names, strict=True)})


class _Marked(NamedTuple):
    """A graph whose loops show where their states begin.

    starts   the values of its last params, which are the constant initial states
    states   a node that starts a state and has no other reader -> the name of that state
    """

    graph: Graph
    starts: list[np.ndarray]
    states: dict[Node, LeafName]


def _marked(graph: Graph, steps: int | None) -> _Marked:
    """The graph with one more param for each constant initial state of a loop, and with x[0] as a slice also where x has one step.

    Without this the first step would look unlike the other steps: a constant is folded into it, and one step is all of x.
    """
    found: list[tuple[Node, np.ndarray]] = []
    states: dict[Node, LeafName] = {}
    readers = Counter(_shown(a) for n in graph.nodes if n.op.name not in HIDDEN for a in n.args)
    readers.update(map(_shown, graph.outputs))

    def make(node: Node, args: tuple[Node, ...]) -> Node:
        if node.op.name == "scan":
            first, body, length = node.attrs["constants"], node.attrs["body"], int(node.attrs["length"])
            last = first + node.attrs["carries"]
            before = (length if steps is None else min(length, steps)) if node.attrs["reverse"] else -1
            new = list(args)
            for i in range(first, last):
                name = _state_name(body, i, i - first)
                if new[i].value is not None:
                    leaf = abstract(new[i].type, name).node
                    states[leaf] = LeafName(name, _number(new[i].value), before)
                    found.append((leaf, new[i].value))
                    new[i] = leaf
                elif readers[_shown(node.args[i])] == 1:
                    states[_shown(node.args[i])] = LeafName(name, "", before)
            if length == 1:
                new[last:] = [x if _shown(x).args else _all_of(x) for x in new[last:]]
            args = tuple(new)
        return node if args == node.args else Node(node.op, args, node.attrs, node.type, name=node.name, origin=node.origin)

    new = rebuild(graph.outputs, {p: p for p in graph.params}, make)
    params = (*graph.params, *(leaf for leaf, _ in found))
    return _Marked(Graph(params, tuple(new[o] for o in graph.outputs), graph.name), [value for _, value in found], states)


def _number(value: np.ndarray) -> str:
    """The number that all elements of an initial state are; "" where they differ."""
    return text.constant(value.flat[0]) if value.size and (value == value.flat[0]).all() else ""


def _shown(node: Node) -> Node:
    """The node that a drawing shows in place of this one."""
    while node.op.name in HIDDEN and node.args:
        node = node.args[0]
    return node


def _all_of(x: Node) -> Node:
    """The slice that takes all of an array."""
    shape = tuple(x.type.shape)
    attrs = {"start": (0,) * len(shape), "stop": shape, "step": (1,) * len(shape)}
    return Node(movement.slice, (x,), attrs, x.type, name=x.name, origin=x.origin)


def _state_name(body: Graph, param: int, output: int) -> str:
    """The name of a state: of its new value, or of the variable that the step assigns, or else of the carry."""
    node = body.outputs[output]
    code, line = node.origin.code, node.origin.line
    if node.args and node.name is None and code is not None:
        last = [n for n in body.nodes if n.args and (n.origin.code, n.origin.line) == (code, line)][-1]
        variable = assigned(code.co_filename, line) if last is node else None
        if variable:
            return variable
    name = (node.name if node.args else None) or body.params[param].name or "state"
    return _KEY.sub(r".\1", name).lstrip(".")


__all__ = ["LeafName", "Unrolling", "graph_of", "is_computed", "unroll", "with_gradients"]
