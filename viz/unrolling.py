"""Graphs with their loops unrolled, for drawing. The initial states of the loops are leaves of their own."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any, NamedTuple

import numpy as np

import minigrad as mg
from minigrad import Graph, Tensor
from minigrad.graph.ir import Node, ancestors, rebuild
from minigrad.graph.nodes import interning, make
from minigrad.origin import Origin, override
from minigrad.primitives import movement
from minigrad.tensor import abstract, inline
from minigrad.transforms.reverse import reverse, vjp_of

from . import foreign, text
from .errors import DrawingError
from .leaves import assigned, is_hidden, shortened, shown
from .loops import with_steps

_KEY = re.compile(r"\['(\w+)'\]")


class LeafName(NamedTuple):
    """The name of a leaf. Of an initial state also its value ("0", or "" for an array), and the step before the first one."""

    name: str
    start: str | None = None
    step: int = -1


class GradientName(NamedTuple):
    """The name of a gradient, and the step of the value that it belongs to.

    part    it is the sum over some steps;  one    it is what one reader of the value gives, and has the name only where it leaves its step
    """

    name: str
    step: int | None = None
    part: bool = False
    one: bool = False


@dataclass
class Unrolling:
    """The results of an unrolled graph, its title, the names of leaves and gradients, and sentences about what is left out."""

    outputs: list[Tensor]
    title: str = ""
    leaves: Mapping[Node, LeafName] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    gradients: dict[Node, GradientName] = field(default_factory=dict)


def is_computed(what: Any) -> bool:
    """Whether it is a tensor, or a list of tensors."""
    return isinstance(what, Tensor) or (isinstance(what, (list, tuple)) and bool(what) and all(isinstance(t, Tensor) for t in what))


def graph_of(what: Any, args: Sequence[Any]) -> Graph:
    """The graph itself, also that of another library, or the trace of a function with these arguments. Raises DrawingError for others."""
    if isinstance(what, Graph):
        return what
    library = foreign.bridge(what)
    if library is not None:
        return library.graph(what)
    if isinstance(what, Node):
        raise DrawingError("drawing: takes a tensor, a Graph, or a function and its arguments; got a Node: wrap it in mg.Tensor")
    if isinstance(what, Callable):  # type: ignore[arg-type]
        return mg.trace(what, *args)
    raise DrawingError(f"drawing: takes a tensor, a Graph, or a function and its arguments; got {type(what).__name__}")


def with_gradients(unrolling: Unrolling) -> Unrolling:
    """The first result, which must be a float scalar, and its gradients with respect to the parameters.

    Where there are no parameters, the gradients are those of all float leaves. Gradients that are zero everywhere are left out.
    """
    loss = unrolling.outputs[0]
    if loss.shape or not loss.type.is_float:
        raise DrawingError(f"drawing: backward=True needs a float scalar as first result, got {loss.type}")
    below = ancestors([loss.node])
    foreign.require_real(below)
    ends = [n for n in below if not n.args and n.type.is_float and n.op.name != "constant"]
    leaves = [n for n in ends if n.op.name == "parameter" or "." in (n.name or "")] or ends
    names = dict(zip(ends, shortened([n.name or "x" for n in ends]), strict=True))
    reverse_mode = _Reverse()
    with interning(), override(Origin()):  # equal operations are one, as they are computed
        found = reverse([loss.node], [mg.ones_like(loss)], leaves, reverse_mode.rule, reverse_mode.sum, reverse_mode.watch)
    for leaf, gradient in zip(leaves, found, strict=True):
        if gradient is not None:
            known = unrolling.leaves.get(leaf)
            name = text.indexed(known.name, known.step) if known and known.start is not None else text.pretty(names[leaf])
            _name_sums(reverse_mode.names, gradient.node, f"∂{name}", lambda n, leaf=leaf: reverse_mode.sums.get(n) is leaf)
    zeros = f"gradients that are zero everywhere are left out, and all that follows from them: {reverse_mode.zeros:,} slices"
    outputs = [loss, *(g for g in found if g is not None)]
    names_ = unrolling.gradients | reverse_mode.names
    notes = [*unrolling.notes, zeros] if reverse_mode.zeros else unrolling.notes
    return replace(unrolling, outputs=outputs, notes=notes, gradients=names_)


class _Reverse:
    """Rules of reverse mode for drawings. A sum of cotangents belongs to the step of the last one, so that it runs from step to step.

    sums    a sum of cotangents -> the leaf or operation whose they are;  names    of cotangents of named values
    zeros   how many slices of cotangents are zero everywhere
    """

    def __init__(self) -> None:
        self.sums: dict[Node, Node | None] = {}
        self.value: Node | None = None  # the one whose cotangents are summed next
        self.names: dict[Node, GradientName] = {}
        self.zeros = 0

    def sum(self, before: Tensor, new: Tensor) -> Tensor:
        with override(new.node.place):
            total = before + new
        self.sums[total.node] = self.value
        return total

    def watch(self, reader: Node, position: int, ct: Tensor) -> None:
        """Name what a reader of a named value gives to the gradient of that value."""
        value = reader.args[position]
        self.value = shown(value)
        if value.name and value.args:
            name = f"∂{text.pretty(value.name)} by {reader.op.symbol}"
            self.names.setdefault(ct.node, GradientName(name, value.origin.step, one=True))

    def rule(self, node: Node, cts: list[Any], needs: tuple[bool, ...]) -> Sequence[Any]:
        """The cotangents of a node's arguments. Those of a concatenation are slices, and None where nothing but padding is sliced."""
        if node.name and len(cts) == 1:
            self.names[cts[0].node] = GradientName(f"∂{text.pretty(node.name)}", node.origin.step)
        if node.op.name != "concat":
            return vjp_of(node, cts, needs)
        axis, start, found = node.attrs["axis"], 0, []
        terms, self.value = self._terms(cts[0]), None
        with override(node):
            for arg, need in zip(node.args, needs, strict=True):
                stop = start + arg.type.shape[axis]
                parts = [p for p in (_slice(ct, axis, start, stop) for ct in terms) if need and p is not None]
                found.append(reduce(self.sum, parts) if parts else None)
                self.zeros += need and not parts
                start = stop
        return found

    def _terms(self, ct: Tensor) -> list[Tensor]:
        """The paddings that a cotangent is the sum of, or the cotangent itself."""
        found, stack = [], [ct.node]
        while stack:
            node = stack.pop()
            if node in self.sums:
                stack.extend(reversed(node.args))
            elif node.op.name == "pad":
                found.append(Tensor(node))
            else:
                return [ct]
        return found


def _slice(ct: Tensor, axis: int, start: int, stop: int) -> Tensor | None:
    """The part of a cotangent from `start` to `stop` along an axis; None where it is padding everywhere."""
    if ct.node.op.name == "pad":
        (inner,), low, gaps = ct.node.args, ct.node.attrs["low"], ct.node.attrs["interior"]
        size = inner.type.shape[axis]
        if not size or stop <= low[axis] or low[axis] + size + (size - 1) * gaps[axis] <= start:
            return None
        whole = tuple(stop - start if k == axis else n for k, n in enumerate(ct.shape))
        if low[axis] == start and tuple(inner.type.shape) == whole:
            return Tensor(inner)
        if size == ct.shape[axis]:  # the padding is along other axes
            part = Tensor(inner)[(slice(None),) * axis + (slice(start, stop),)]
            return Tensor(make(movement.pad, (part.node,), ct.node.attrs))
    return ct[(slice(None),) * axis + (slice(start, stop),)]


def _name_sums(names: dict[Node, GradientName], gradient: Node, name: str, is_sum: Callable[[Node], bool]) -> None:
    """Name a gradient, and the sums over some steps that it is made of: each reads the one before, and the first one what one step gives.

    Where the gradient is summed over a batch at last, the sums before are its rows.
    """
    names[gradient] = GradientName(name)
    node, rows = gradient, ""
    while node.args and (is_sum(node) or is_hidden(node) or node.op.name == "sum"):
        rows = " rows" if node.op.name == "sum" else rows
        node = node.args[-1 if node.op.name == "add_at" else 0]
        if is_sum(node) or not rows:
            names.setdefault(node, GradientName(f"{name}{rows}", part=True))


def _require_history(tensors: Sequence[Tensor]) -> None:
    """Raises DrawingError if no tensor has a history or can be differentiated, so that nothing but numbers would be drawn."""
    if all(t.node.op.name == "compiled" for t in tensors):
        fix = "draw the function: viz.unrolled(f, *args)"
        raise DrawingError(f"drawing: {tensors[0]!r} is the result of a compiled function, whose operations are not recorded; {fix}")
    if all(not t.node.args and t.node.op.name == "constant" for t in tensors):
        fix = "make one of its operands a parameter (mg.parameter), or draw the function: viz.unrolled(f, *args)"
        raise DrawingError(f"drawing: {tensors[0]!r} has no history, because operations on plain tensors are not recorded; {fix}")


def unroll(what: Any, args: Sequence[Any] = (), steps: int | None = None, values: bool = False) -> Unrolling:
    """Unroll the loops of a graph or a function. A tensor, or a list of tensors, is returned as it is.

    With `values` every node has its value for these arguments. Raises DrawingError for anything else, and for wrong arguments.
    """
    if is_computed(what):
        tensors, title = ([what], what.name or "") if isinstance(what, Tensor) else (list(what), "")
        _require_history(tensors)
        found, notes = with_steps([t.node for t in tensors])
        return Unrolling([Tensor(found.get(t.node, t.node)) for t in tensors], title, notes=notes)
    given = graph_of(what, args)
    library = foreign.bridge(what) is not None  # which knows the steps by all lines that an operation was called from
    found, notes = ({}, foreign.notes(what)) if library else with_steps(given.outputs)
    marked = _marked(Graph(given.params, tuple(found.get(o, o) for o in given.outputs), given.name), steps)
    graph, starts = marked.graph, marked.starts
    unrolled = _merged(mg.unroll(graph, steps, merge=False))
    count = len(graph.params) - len(starts)
    for param in unrolled.params[:count]:
        param.place = Origin()  # no source line of the user makes it
    names = [marked.states.get(p) or LeafName(p.name or "x") for p in graph.params]
    if not values:
        started = {p: n for p, n in zip(unrolled.params, names, strict=True) if n.start is not None}
        outputs = [Tensor(o) for o in unrolled.outputs]
        return Unrolling(outputs, graph.name, started, notes, _results(graph, unrolled.outputs))
    leaves = [*foreign.leaves(what, given, args), *map(mg.tensor, starts)]
    leaves = [_parameter(t, p) if t.type.is_float else t for t, p in zip(leaves, unrolled.params, strict=True)]
    outputs = inline(unrolled, leaves)
    known = {t.node: n for t, n in zip(leaves, names, strict=True)}
    return Unrolling(outputs, graph.name, known, notes, _results(graph, [o.node for o in outputs]))


def _summed(loop: Node) -> dict[int, str]:
    """{argument: name} of a loop that computes gradients, for each of its states that sums the gradient of what all steps read."""
    forward, last = loop.origin.vjp_of, loop.attrs["constants"] + loop.attrs["carries"]
    if forward is None or forward.op.name != "scan":
        return {}
    read = [shown(a) for a in forward.args[: forward.attrs["constants"]] if a.type.is_float]
    places = range(last - len(read), last)
    if places.start < loop.attrs["constants"] or any(loop.args[i].type.shape != a.type.shape for i, a in zip(places, read, strict=True)):
        return {}
    return {i: text.pretty(a.name or "x") for i, a in zip(places, read, strict=True)}


def _results(traced: Graph, outputs: Sequence[Node]) -> dict[Node, GradientName]:
    """The names of the results that are sums of a gradient over the steps of a loop, and of what single steps contribute to them."""
    names: dict[Node, GradientName] = {}
    for output, node in zip(traced.outputs, outputs, strict=True):
        output = output.args[0] if output.op.name == "cast" else output
        if output.op.name == "item" and output.args[0].op.name == "scan":
            loop = output.args[0]
            name = _summed(loop).get(loop.attrs["constants"] + output.attrs["index"])
            if name is not None:
                _name_sums(names, node, f"∂{name}", lambda n: n.op.name in ("add", "add_at"))
    return names


def _parameter(value: Tensor, param: Node) -> Tensor:
    """A leaf with this value, from the source line of a param."""
    with override(param.place):
        return mg.parameter(value, name=param.name or "x")


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
    leaves: dict[Any, Node] = {}  # one for a loop that runs again to keep what its gradient reads
    readers = Counter(shown(a) for n in graph.nodes if not is_hidden(n) for a in n.args)
    readers.update(map(shown, graph.outputs))

    def make(node: Node, args: tuple[Node, ...]) -> Node:
        if node.op.name == "scan":
            first, body, length = node.attrs["constants"], node.attrs["body"], int(node.attrs["length"])
            last = first + node.attrs["carries"]
            before = (length if steps is None else min(length, steps)) if node.attrs["reverse"] else -1
            new = list(args)
            sums = _summed(node)
            for i in range(first, last):
                name = f"∂{sums[i]}" if i in sums else _state_name(body, i, i - first)
                if new[i].value is not None:
                    key = (node.args, i, before)
                    if key not in leaves:
                        with override(new[i].place):
                            leaves[key] = abstract(new[i].type, name).node
                        states[leaves[key]] = LeafName(name, _number(new[i].value), before)
                        found.append((leaves[key], new[i].value))
                    new[i] = leaves[key]
                elif readers[shown(node.args[i])] == 1:
                    states[shown(node.args[i])] = LeafName(name, "", before)
            if length == 1:
                new[last:] = [x if shown(x).args else _all_of(x) for x in new[last:]]
            args = tuple(new)
        return _with_args(node, args)

    new = rebuild(graph.outputs, {p: p for p in graph.params}, make)
    params = (*graph.params, *(leaf for leaf, _ in found))
    return _Marked(Graph(params, tuple(new[o] for o in graph.outputs), graph.name), [value for _, value in found], states)


def _merged(graph: Graph) -> Graph:
    """The graph with equal operations of one step as one node, as they are computed. Equal operations of two steps stay two."""
    known: dict[Any, Node] = {}

    def make(node: Node, args: tuple[Node, ...]) -> Node:
        if node.op.unique:
            return _with_args(node, args)
        key = (node.op, args, *sorted(node.attrs.items()), node.origin.scopes)
        return known.setdefault(key, _with_args(node, args))

    new = rebuild(graph.outputs, {p: p for p in graph.params}, make)
    return Graph(graph.params, tuple(new[o] for o in graph.outputs), graph.name)


def _with_args(node: Node, args: tuple[Node, ...]) -> Node:
    return node if args == node.args else Node(node.op, args, node.attrs, node.type, name=node.name, origin=node.place)


def _number(value: np.ndarray) -> str:
    """The number that all elements of an initial state are; "" where they differ."""
    return text.constant(value.flat[0]) if value.size and (value == value.flat[0]).all() else ""


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
