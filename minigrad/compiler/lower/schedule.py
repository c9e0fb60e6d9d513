"""The schedule of a graph: a list of steps. A step is a cluster (a fused loop nest) or a single operation.

A cluster holds elementwise operations, with reductions over one set of axes or with shifts. A shift has each element of a value at the next
place: the loop carries it in a register from one iteration to the next. Movements (permute, broadcast, slice, flip, and reshapes that add
or drop axes of length 1) are no steps: they only change the indices at which their argument is read. A value is stored in memory if
another step reads it, or if its own step reads it at another index; all other values are in registers.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import chain, takewhile
from typing import NamedTuple

from ...graph.dims import Dim, Shape
from ...graph.ir import Graph, Node
from ...graph.nodes import item
from ...graph.types import identical, is_one
from ...primitives import index, movement, reduce
from ...primitives.elementwise import alias, detach

REDUCTIONS = (reduce.sum, reduce.prod, reduce.max, reduce.min)
MOVEMENTS = frozenset((movement.permute, movement.broadcast, movement.slice, movement.flip, item, alias, detach))  # and some reshapes
LARGEST = 256  # the largest number of nodes of a cluster
LARGE = 64  # a cluster of more nodes is divided if it can be without storing more values
FAR = 4  # a shift is by at most so many places, for each of which there is a register


@dataclass(eq=False)
class Cluster:
    """One loop nest over a domain, a shape without axes of length 1: elementwise nodes, and reductions over `axes` of the domain or shifts
    of one direction along its last axis: 1 up, −1 down."""

    domain: Shape
    kind: tuple[int, ...] | int | None = None  # the axes, or the direction, or None: elementwise nodes alone
    nodes: list[Node] = field(default_factory=list)

    @property
    def axes(self) -> tuple[int, ...] | None:
        return self.kind if isinstance(self.kind, tuple) else None

    def admits(self, kind: tuple[int, ...] | int | None, count: int = 1) -> bool:
        """Whether so many nodes of a kind may join."""
        return len(self.nodes) + count <= LARGEST and (kind is None or self.kind in (None, kind))


@dataclass(eq=False)
class Single:
    """One operation that is not fused, such as a matrix product or a loop over time."""

    node: Node


Step = Cluster | Single
Reads = Callable[[Node], Sequence[tuple[Node, bool]]]  # `sources`, worked out once for each node


def real_axes(shape: Shape) -> tuple[int, ...]:
    """The axes whose length is not literally 1."""
    return tuple([a for a, n in enumerate(shape) if isinstance(n, Dim) or n != 1])


def domain_of(shape: Shape) -> Shape:
    return tuple([n for n in shape if isinstance(n, Dim) or n != 1])


def only_units_differ(node: Node) -> bool:
    """Whether a reshape only adds or drops axes of length 1."""
    return identical(domain_of(node.type.shape), domain_of(node.args[0].type.shape))


def is_movement(node: Node) -> bool:
    """Whether an element of a node is an element of its argument at another index."""
    if node.op is movement.reshape:
        return not node.is_constant and only_units_differ(node)
    return node.op in MOVEMENTS and not node.is_constant


def is_leaf(node: Node) -> bool:
    """Whether a node has no arguments and is computed where it is used: a constant, `iota` or `extent`."""
    return node.is_constant or node.op in (index.iota, index.extent)


class Shift(NamedTuple):
    """A concatenation of all but the last elements of a value after an `edge`, or of all but the first ones before it."""

    value: Node
    edge: Node
    by: int
    direction: int  # in which elements move: 1 up, −1 down


def shift_of(node: Node) -> Shift | None:
    """The node as a shift along the last axis of its domain, by a few places."""
    if node.op is not movement.concat or len(node.args) != 2:
        return None
    axis, shape = node.attrs["axis"], node.type.shape
    for edge, cut, direction in (*node.args, 1), (*node.args[::-1], -1):
        by = edge.type.shape[axis]
        if cut.op is movement.slice and not cut.is_constant and isinstance(by, int) and 1 <= by <= FAR and set(cut.attrs["step"]) == {1}:
            first = 0 if direction > 0 else by
            if identical((*cut.args[0].type.shape, cut.attrs["start"][axis]), (*shape, first)) and real_axes(shape)[-1:] == (axis,):
                return Shift(cut.args[0], edge, by, direction)
    return None


def is_pointwise(node: Node) -> bool:
    return (node.op.elementwise and not is_movement(node)) or node.op is index.one_hot or shift_of(node) is not None


def kind_of(node: Node) -> tuple[int, ...] | int | None:
    """The kind of a cluster that the node needs."""
    if node.op in REDUCTIONS:
        shape = node.args[0].type.shape
        return tuple(real_axes(shape).index(a) for a in node.attrs["axes"] if not is_one(shape[a]))
    shift = shift_of(node)
    return None if shift is None else shift.direction


def sources(node: Node) -> Iterator[tuple[Node, bool]]:
    """The node behind the movements of each argument, and whether it is read at the node's own index (up to axes of length 1), as the value
    of a shift is."""
    shift = shift_of(node)
    alone = ((arg, node.op is not index.one_hot) for arg in node.args)
    for arg, same in alone if shift is None else ((shift.value, True), (shift.edge, False)):
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
    place: dict[Node, int]  # the step that computes each node


def schedule(graph: Graph) -> Schedule:
    """The steps in order of execution, the nodes that are stored, and the last step that reads each node."""
    steps: list[Step] = []
    place: dict[Node, int] = {}
    clusters: dict[Hashable, list[int]] = {}
    reads: Reads = cache(lambda node: tuple(sources(node)))
    for node in graph.nodes:
        if is_leaf(node) or is_movement(node):
            continue
        place[node] = _put(steps, node, place, clusters, reads)
    _delay(steps, place, graph.outputs, reads)
    steps = [part for step in steps for part in _parts(step, reads)]
    place = {node: at for at, step in enumerate(steps) for node in (step.nodes if isinstance(step, Cluster) else [step.node])}
    stored = {o for o in graph.outputs if not is_leaf(o) and not is_movement(o)} | {n for n in place if isinstance(steps[place[n]], Single)}
    last_use: dict[Node, int] = {}
    for node, at in place.items():
        for source, same in reads(node):
            if source in place and not (same and place[source] == at and is_pointwise(source)):
                stored.add(source)
            last_use[source] = max(last_use.get(source, 0), at)
    stored |= {n for n in place if n.op in REDUCTIONS}
    for out in graph.outputs:
        source = next(iter(sources(_holder(out))))[0] if is_movement(out) else out
        stored.add(source)
        last_use[source] = len(steps)
    for node in sorted(place, key=place.__getitem__, reverse=True):
        if node.op is movement.reshape:  # a view may share the memory of its source, which must live as long
            source = next(iter(reads(node)))[0]
            last_use[source] = max(last_use[source], last_use.get(node, 0))
    return Schedule(steps, {n for n in stored if n in place}, last_use, place)


def _holder(out: Node) -> Node:
    """A node whose argument is `out`, so that `sources` can give the source of an output."""
    return Node(alias, (out,), {}, out.type, origin=out.origin)


def _put(steps: list[Step], node: Node, place: dict[Node, int], clusters: dict[Hashable, list[int]], reads: Reads) -> int:
    """Add a node to a cluster that can take it, preferably that of an argument, else to a new step. Returns the position of the step.

    `clusters` has the positions of the clusters over each domain, so that the time does not grow with the square of their number."""
    pointwise, reduction = is_pointwise(node), node.op in REDUCTIONS
    earliest, preferred = 0, -1
    for source, same in reads(node):
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
    kind = kind_of(node)
    alike = clusters.setdefault(tuple(n.terms if isinstance(n, Dim) else n for n in domain), [])
    candidates = takewhile(lambda at: at >= earliest, reversed(alike))
    for at in chain((preferred,), candidates) if preferred >= earliest and preferred in alike else candidates:
        step = steps[at]
        if isinstance(step, Cluster) and step.admits(kind):
            step.kind = step.kind if kind is None else kind
            step.nodes.append(node)
            return at
    steps.append(Cluster(domain, kind, [node]))
    alike.append(len(steps) - 1)
    return alike[-1]


def _delay(steps: list[Step], place: dict[Node, int], outputs: Sequence[Node], reads: Reads) -> None:
    """Move elementwise nodes to the later cluster that alone reads their values, at its own index: there they stay in registers."""
    readers: dict[Node, list[tuple[Node, bool]]] = {}
    for node in (*place, *map(_holder, outputs)):
        for source, same in reads(node):
            if place.get(source) != place.get(node):
                readers.setdefault(source, []).append((node, same and node in place and is_pointwise(source)))
    for at in reversed(range(len(steps))):
        step = steps[at]
        if isinstance(step, Single):
            continue
        for nodes in _connected(step.nodes, reads):
            found = {(place.get(r, at), same) for n in nodes for r, same in readers.get(n, ())}
            goal, same = found.pop() if len(found) == 1 else (at, False)
            later = steps[goal]
            kind = _kind(step, nodes)
            moves = same and not _keeps_more(nodes, place, readers, reads)
            if moves and isinstance(later, Cluster) and later.admits(kind, len(nodes)):
                moved = dict.fromkeys(nodes, goal)
                later.kind = later.kind if kind is None else kind
                later.nodes[:0] = nodes
                step.nodes = [n for n in step.nodes if n not in moved]
                place |= moved
    steps[:] = [step for step in steps if isinstance(step, Single) or step.nodes]


def _keeps_more(nodes: Sequence[Node], place: Container[Node], readers: Container[Node], reads: Reads) -> bool:
    """Whether there are more values of full size, computed before, that the nodes read than values of theirs that are read later."""
    read = {source for n in nodes for source, same in reads(n) if same and source in place}
    return len(read.difference(nodes)) > sum(n in readers for n in nodes)


def _parts(step: Step, reads: Reads) -> list[Step]:
    """A large cluster as several, which read no values of each other. LLVM's compile time grows faster than the length of a loop body."""
    if isinstance(step, Single) or len(step.nodes) <= LARGE:
        return [step]
    parts: list[list[Node]] = [[]]
    for nodes in _connected(step.nodes, reads):
        if parts[-1] and len(parts[-1]) + len(nodes) > LARGE:
            parts.append([])
        parts[-1] += nodes
    return [Cluster(step.domain, _kind(step, nodes), nodes) for nodes in parts]


def _kind(step: Cluster, nodes: Sequence[Node]) -> tuple[int, ...] | int | None:
    """The kind of some of a cluster's nodes."""
    return step.kind if any(kind_of(n) is not None for n in nodes) else None


def _connected(cluster: Sequence[Node], reads: Reads) -> list[list[Node]]:
    """The nodes of a cluster in groups that read no values of each other."""
    group: dict[Node, list[Node]] = {}  # a node -> the nodes that it is connected with
    for node in cluster:
        joined = list({id(group[s]): group[s] for s, _ in reads(node) if s in group}.values())
        largest = max(joined, key=len, default=[])
        for other in joined:
            if other is not largest:
                largest += other
                group |= dict.fromkeys(other, largest)
        largest.append(node)
        group[node] = largest
    return list({id(g): g for g in group.values()}.values())
