"""From a graph to steps: clusters of elementwise work, each with at most one set of reduced axes, and operations that stand alone.

Movement is not a step: permute, broadcast, slice, flip and adding or dropping axes of length 1 only change how indices are formed.
A value is stored if a later step reads it, or reads it at another index; all others live in registers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ...graph.dims import Shape
from ...graph.ir import Graph, Node
from ...graph.nodes import item
from ...graph.types import identical, is_one
from ...primitives import index, movement, reduce
from ...primitives.elementwise import alias, detach

REDUCTIONS = (reduce.sum, reduce.prod, reduce.max, reduce.min)


@dataclass(eq=False)
class Cluster:
    """One loop nest over a domain (axes of length 1 left out): elementwise nodes, and reductions over the same axes of it."""

    domain: Shape
    axes: tuple[int, ...] | None = None
    nodes: list[Node] = field(default_factory=list)


@dataclass(eq=False)
class Single:
    """An operation with a loop nest of its own, a matrix product, or a loop over time."""

    node: Node


Step = Cluster | Single


def real_axes(shape: Shape) -> tuple[int, ...]:
    """The axes whose length is not literally 1."""
    return tuple(a for a, n in enumerate(shape) if not is_one(n))


def domain_of(shape: Shape) -> Shape:
    return tuple(shape[a] for a in real_axes(shape))


def only_units_differ(node: Node) -> bool:
    """Whether a reshape just adds or drops axes of length 1."""
    return identical(domain_of(node.type.shape), domain_of(node.args[0].type.shape))


def is_movement(node: Node) -> bool:
    """Whether a node is read through its argument, at other indices."""
    if node.is_constant:
        return False
    if node.op is movement.reshape:
        return only_units_differ(node)
    if node.op is item:
        return True
    return node.op in (movement.permute, movement.broadcast, movement.slice, movement.flip, alias, detach)


def is_leaf(node: Node) -> bool:
    """Numbers and counters: made where they are used."""
    return node.is_constant or node.op in (index.iota, index.extent)


def is_pointwise(node: Node) -> bool:
    return (node.op.elementwise and not is_movement(node)) or node.op is index.one_hot


def sources(node: Node) -> Iterator[tuple[Node, bool]]:
    """What the arguments are made of behind movement, and whether it is read at the same index (up to axes of length 1)."""
    for arg in node.args:
        same = node.op is not index.one_hot
        while is_movement(arg):
            same = (
                same
                and arg.op is not item
                and identical(domain_of(arg.type.shape), domain_of(arg.args[0].type.shape))
                and _keeps_order(arg)
            )
            arg = arg.args[0]
        yield arg, same


def _keeps_order(node: Node) -> bool:
    if node.op is movement.permute:
        real = [a for a in node.attrs["axes"] if not is_one(node.args[0].type.shape[a])]
        return real == sorted(real)
    return node.op is not movement.flip


@dataclass
class Schedule:
    steps: list[Step]
    stored: set[Node]
    last_use: dict[Node, int]


def schedule(graph: Graph) -> Schedule:
    """Steps in order of execution, the nodes that need storage, and the last step that reads each of them."""
    steps: list[Step] = []
    place: dict[Node, int] = {}
    for node in graph.nodes:
        if is_leaf(node) or is_movement(node):
            continue
        place[node] = _put(steps, node, place)
    stored = {o for o in graph.outputs if not is_leaf(o) and not is_movement(o)} | {n for n in place if isinstance(steps[place[n]], Single)}
    last_use: dict[Node, int] = {}
    for node, at in place.items():
        for source, same in sources(node):
            if source in place and not (same and place[source] == at and is_pointwise(source)):
                stored.add(source)
            last_use[source] = max(last_use.get(source, 0), at)
    stored |= {n for n in place if n.op in REDUCTIONS}
    for out in graph.outputs:
        source = next(iter(sources(_holder(out))))[0] if is_movement(out) else out
        stored.add(source)
        last_use[source] = len(steps)
    for node in sorted(place, key=place.__getitem__, reverse=True):
        if node.op is movement.reshape:  # a view keeps what it looks at
            source = next(iter(sources(node)))[0]
            last_use[source] = max(last_use[source], last_use.get(node, 0))
    return Schedule(steps, {n for n in stored if n in place}, last_use)


def _holder(out: Node) -> Node:
    """A stand-in consumer, to ask for the source of an output."""
    return Node(alias, (out,), {}, out.type, origin=out.origin)


def _put(steps: list[Step], node: Node, place: dict[Node, int]) -> int:
    """Add a node to a cluster that can take it, the one of its argument if possible, or to a new step. Gives its position."""
    pointwise, reduction = is_pointwise(node), node.op in REDUCTIONS
    earliest, preferred = 0, -1
    for source, same in sources(node):
        if source not in place:
            continue
        inside = same and is_pointwise(source) and (pointwise or reduction)
        earliest = max(earliest, place[source] if inside else place[source] + 1)
        preferred = max(preferred, place[source] if inside else -1)
    if not (pointwise or reduction):
        steps.append(Single(node))
        return len(steps) - 1
    shape = node.args[0].type.shape if reduction else node.type.shape
    domain = domain_of(shape)
    axes = tuple(real_axes(shape).index(a) for a in node.attrs["axes"] if not is_one(shape[a])) if reduction else None
    for at in (preferred, *range(len(steps) - 1, earliest - 1, -1)):
        step = steps[at] if at >= earliest else None
        if isinstance(step, Cluster) and identical(step.domain, domain) and (axes is None or step.axes in (None, axes)):
            step.axes = step.axes if axes is None else axes
            step.nodes.append(node)
            return at
    steps.append(Cluster(domain, axes, [node]))
    return len(steps) - 1
