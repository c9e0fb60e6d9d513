"""A pass for parts of a tensor. The gradient of a tensor of which parts were taken is a sum in which each part stands alone in zeros."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from functools import reduce
from typing import NamedTuple

from ..graph.dims import Extent, identical, typical
from ..graph.ir import Graph, Node
from ..graph.nodes import remake
from ..origin import override
from ..primitives import elementwise, movement
from ..primitives.rules import expand, like
from ..tensor import Tensor, scalar
from .rewrite import in_bodies, rebuilt


class Part(NamedTuple):
    """A term of a sum that is a tensor in zeros along one axis, from `start` to `stop`. `number` counts the terms."""

    number: int
    term: Node
    axis: int
    start: Extent
    stop: Extent


def join_parts(graph: Graph) -> Graph:
    """Tensors that stand in zeros along an axis, alone or beside each other in a sum, become concatenations with zeros."""
    graph = in_bodies(graph, join_parts)
    if not _has_pads(graph):
        return graph
    readers = Counter(a for n in graph.nodes for a in n.args) + Counter(graph.outputs)
    inner = {a for n in graph.nodes if n.op is elementwise.add for a in n.args if a.op is elementwise.add and readers[a] == 1}
    opened: set[Node] = set()

    def summed(node: Node, args: tuple[Node, ...]) -> Node:
        made = remake(node, args)
        if node in inner:
            opened.add(made)
        with override(node):
            return _joined(made, opened) if made.op is elementwise.add and node not in inner else made

    joined = rebuilt(graph, summed)
    return rebuilt(joined, _alone) if _has_pads(joined) else joined


def _has_pads(graph: Graph) -> bool:
    return any(n.op is movement.pad for n in graph.nodes)


def _alone(node: Node, args: tuple[Node, ...]) -> Node:
    made = remake(node, args)
    part = _part(0, made)
    with override(node):
        return made if part is None else _concatenated([part], lambda x: x).node


def _joined(total: Node, opened: Collection[Node]) -> Node:
    """The sum with its parts joined. The sums in `opened` are read by it alone."""
    terms, stack = [], [total]
    while stack:
        node = stack.pop()
        if node is total or node in opened:
            stack += reversed(node.args)
        else:
            terms.append(node)
    parts = sorted(filter(None, map(_part, range(len(terms)), terms)), key=lambda p: (p.axis, typical(p.start)))
    if len(parts) < 2:
        return total
    sums: dict[int, Tensor | None] = {n: Tensor(t) for n, t in enumerate(terms)}
    while parts:
        chain, parts = _beside(parts)
        if len(chain) > 1:
            sums |= dict.fromkeys((p.number for p in chain), None)
            sums[chain[0].number] = _concatenated(chain, lambda x: x + like(x, 0))  # −0 becomes 0, as in the sum
    kept = [t for t in sums.values() if t is not None]
    return total if len(kept) == len(terms) else reduce(elementwise.add, kept).node


def _part(number: int, term: Node) -> Part | None:
    if term.op is not movement.pad or any(term.attrs["interior"]):
        return None
    low, high, shape = term.attrs["low"], term.attrs["high"], term.args[0].type.shape
    padded = [a for a in range(len(shape)) if not (identical(low[a], 0) and identical(high[a], 0))]
    return Part(number, term, padded[0], low[padded[0]], low[padded[0]] + shape[padded[0]]) if len(padded) == 1 else None


def _beside(parts: Sequence[Part]) -> tuple[list[Part], list[Part]]:
    """Parts along the axis of the first one, each of which begins where the one before ends, or later, for all sizes; and the others."""
    found, others = [parts[0]], list[Part]()
    for part in parts[1:]:
        fits = part.axis == found[0].axis and _not_negative(part.start - found[-1].stop)
        (found if fits else others).append(part)
    return found, others


def _not_negative(n: Extent) -> bool:
    least = n if isinstance(n, int) else n.lower
    return least is not None and least >= 0


def _concatenated(parts: Sequence[Part], change: Callable[[Tensor], Tensor]) -> Tensor:
    """The parts, each changed, with zeros before, between and after them."""
    axis, whole = parts[0].axis, parts[0].term.type
    pieces: list[Tensor] = []
    at: Extent = 0

    def zeros(length: Extent) -> None:
        if not identical(length, 0):
            pieces.append(expand(scalar(0, whole.dtype), (*whole.shape[:axis], length, *whole.shape[axis + 1 :])))

    for part in parts:
        zeros(part.start - at)
        pieces.append(change(Tensor(part.term.args[0])))
        at = part.stop
    zeros(whole.shape[axis] - at)
    return movement.concat(*pieces, axis=axis)
