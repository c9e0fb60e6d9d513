"""The loops in the place of their steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ... import ops as functions
from ...control.scan import SCAN
from ...graph.ir import Graph, Node
from ...graph.nodes import behind_broadcast, is_number, item, make
from ...graph.types import TensorType
from ...origin import Origin, override
from ...primitives import movement
from ...tensor import Tensor, abstract
from ...transforms.batching import batch_graph
from .find import Operations
from .region import Carried, Constant, Element, Inside, Region, Relation
from .sequences import View, below_reshapes, merged, stack

Uses = dict[int, set[int]]  # the steps at which a lane is used after the loop
# Elementwise operations that round alike for one row and for many.
EXACT = frozenset(("neg", "abs", "sign", "floor", "sqrt", "add", "sub", "mul", "div", "maximum", "minimum", "where", "cast"))


def with_loops(ops: Operations, outputs: Sequence[Node], regions: Sequence[Region], shorter: Callable[[Graph], Graph]) -> list[Node]:
    """The outputs, with a loop in the place of each region. Bodies are changed by `shorter`."""
    new: dict[Node, Node] = {}
    uses = _uses(ops, outputs, regions)
    at = 0
    for region, used in zip(regions, uses, strict=True):
        for node in ops.order[at : region.start]:
            _rebuild(node, new)
        _Loop(region, used, new, shorter).replace()
        at = region.end
    for node in ops.order[at:]:
        _rebuild(node, new)
    return [new.get(o, o) for o in outputs]


def _rebuild(node: Node, new: dict[Node, Node]) -> None:
    """The node on the arguments' replacements, if it has any. A concatenation of all slices of a loop's result is that result.

    Of another array it is a copy: sums and products of matrices round by how their arguments lie in memory."""
    if node in new:
        return
    args = tuple([new.get(a, a) for a in node.args])
    if args == node.args:
        return
    with override(node.place):
        if node.op is movement.concat:
            args = merged(args, node.attrs["axis"])
        stacked = node.op is movement.concat and len(args) == 1 and below_reshapes(args[0]).op is item
        new[node] = made = args[0] if stacked else make(node.op, args, node.attrs)
    made.name = made.name or node.name


def _uses(ops: Operations, outputs: Sequence[Node], regions: Sequence[Region]) -> list[Uses]:
    """Of each region, the steps at which each lane is used after it."""
    owner, step, lane = (np.full(len(ops), -1) for _ in range(3))
    for r, region in enumerate(regions):
        for s, row in enumerate(region.rows):
            at = [(i, k) for k, n in enumerate(row) if (i := ops.position.get(n, -1)) >= 0 and owner[i] != r]
            places = [i for i, _ in at]
            owner[places], step[places], lane[places] = r, s, [k for _, k in at]
    made = ops.args >= 0
    users, args = np.repeat(np.arange(len(ops)), np.diff(ops.first))[made], ops.args[made]
    starts = np.array([r.start for r in regions])
    after = (owner[args] >= 0) & (owner[args] != owner[users]) & (users >= starts[owner[args]])
    found: list[Uses] = [{} for _ in regions]
    for i in {*args[after].tolist(), *(ops.position[o] for o in outputs if ops.position.get(o, -1) >= 0 and owner[ops.position[o]] >= 0)}:
        if lane[i] not in regions[owner[i]].views:
            found[owner[i]].setdefault(int(lane[i]), set()).add(int(step[i]))
    return found


class _Loop:
    """A region on its way to a loop: the body's params as they turn out to be needed, and its operations."""

    def __init__(self, region: Region, used: Uses, new: dict[Node, Node], shorter: Callable[[Graph], Graph]):
        self.region, self.used, self.new, self.shorter = region, used, new, shorter
        self.steps = len(region.rows)
        self.constants: dict[Node, Node] = {}
        self.chains: dict[tuple[int, tuple[Node, ...]], tuple[Node, Node]] = {}  # (lane, first values): param, first value
        self.sequences: dict[tuple[str, int], tuple[Node, Node]] = {}  # array, param
        self.body: dict[int, Node] = {}
        self.name, self.depth = _name(region)
        reach: dict[int, int] = {}
        for carry in region.carries:
            reach[carry.lane] = max(reach.get(carry.lane, 0), len(carry.first))
        last = self.steps - 1
        self.last = {k: steps for k, steps in used.items() if min(steps) >= min(last, self.steps - reach.get(k, 0))}
        self.stacked = sorted(k for k in used if k not in self.last)
        strides = [v.stride for v in (*region.views.values(), *(s.view for s in region.sequences)) if v is not None]
        self.reverse = 2 * sum(s < 0 for s in strides) > len(strides)

    def replace(self) -> None:
        """Make the loop, and map what is used after it to its results."""
        self._make_body()
        place = self.region.reference[0].origin
        with override(Origin(place.code, place.line, place.scopes[: max(self.depth - 1, 0)], place.vjp_of)):
            results = self._applied()
            at = {key: i for i, key in enumerate(self.chains)}
            for k, steps in self.last.items():
                for s in steps:
                    key = next(key for key in at if key[0] == k and max(len(key[1]), 1) == self.steps - s)
                    self.new[self.region.rows[s][k]] = results[at[key]].node
            for i, k in enumerate(self.stacked, len(self.chains)):
                for s in self.used[k]:
                    self.new[self.region.rows[s][k]] = _element(results[i], self.steps - 1 - s if self.reverse else s)

    def _make_body(self) -> None:
        region, reference = self.region, self.region.reference
        needed = self._needed()
        for k in sorted(needed - region.views.keys()):
            node = reference[k]
            place = node.origin
            with override(Origin(place.code, place.line, place.scopes[self.depth :], place.vjp_of)):
                found = self._reshaped_element(k)
                self.body[k] = found or make(node.op, tuple(map(self._argument, region.relations[k])), node.attrs)
            self.body[k].name = self.body[k].name or node.name
        after = [self.chains[lane, first[1:]][0] if len(first) > 1 else self._lane(lane) for lane, first in self.chains]
        outputs = (*after, *map(self._lane, self.stacked))
        params = (*self.constants.values(), *(p for p, _ in self.chains.values()), *(p for _, p in self.sequences.values()))
        self.graph = self.shorter(Graph(params, outputs, self.name))

    def _needed(self) -> set[int]:
        """The lanes that the results need; the chains of carries are made on the way."""
        region = self.region
        needed: set[int] = set()
        todo = [*self.stacked, *self.last]
        carried = set()
        while todo:
            k = todo.pop()
            if k in needed:
                continue
            needed.add(k)
            for relation in () if k in region.views else region.relations[k]:
                if isinstance(relation, Inside):
                    todo.append(relation.lane)
                elif isinstance(relation, Carried):
                    carry = region.carries[self._source(relation.number)]
                    carried.add(self._source(relation.number))
                    todo.append(carry.lane)
        for c in sorted(carried):
            lane, first = region.carries[c].lane, tuple(region.carries[c].first)
            for i in range(len(first)):
                self._chain(lane, first[i:])
        for k in self.last:
            if not any(lane == k for lane, _ in self.chains):
                self._chain(k, ())
        return needed

    def _source(self, number: int) -> int:
        while number in self.region.derived:
            number = self.region.derived[number]
        return number

    def _chain(self, lane: int, first: tuple[Node, ...]) -> None:
        if (lane, first) not in self.chains:
            node = self.region.reference[lane]
            start = first[0] if first else functions.zeros(node.type.shape, node.type.dtype).node
            self.chains[lane, first] = abstract(node.type, node.name).node, start

    def _applied(self) -> Sequence[Tensor]:
        given = [Tensor(self.new.get(n, n)) for n in self.constants]
        starts = [Tensor(self.new.get(start, start)) for _, start in self.chains.values()]
        arrays = [Tensor(a) for a, _ in self.sequences.values()]
        nodes = self.graph.nodes
        if not starts and all(n.op.kind == "move" or n.op.name in EXACT or is_number(n) for n in nodes):
            return batch_graph(self.graph, self.steps, [*given, *arrays], [False] * len(given) + [True] * len(arrays))
        return SCAN(
            *given,
            *starts,
            *arrays,
            body=self.graph,
            constants=len(given),
            carries=len(starts),
            length=self.steps,
            reverse=self.reverse,
            save="auto",
        )

    # ---- the arguments of the body's operations

    def _argument(self, relation: Relation) -> Node:
        region = self.region
        if isinstance(relation, Constant):
            return self._constant(relation.node)
        if isinstance(relation, Inside):
            return self._lane(relation.lane)
        if isinstance(relation, Carried):
            if relation.number in region.derived:
                node = region.reference[region.carries[relation.number].lane]
                return make(node.op, (self._argument(Carried(region.derived[relation.number])),), node.attrs)
            carry = region.carries[relation.number]
            return self.chains[carry.lane, tuple(carry.first)][0]
        assert isinstance(relation, Element)
        return self._element_of(relation.number)

    def _constant(self, node: Node) -> Node:
        if is_number(node):
            return node
        if node not in self.constants:
            self.constants[node] = abstract(node.type, node.name).node
        return self.constants[node]

    def _lane(self, lane: int) -> Node:
        if lane not in self.body:  # a slice that moves on
            view = self.region.views[lane]
            self.body[lane] = self._sequence(("view", lane), lambda: view.stacked(self.new.get(view.source, view.source), self.reverse))
        return self.body[lane]

    def _reshaped_element(self, k: int) -> Node | None:
        """The element of a sequence that a lane is which reshapes a slice: it is reshaped once for all steps."""
        node, (first, *_) = self.region.reference[k], self.region.relations[k]
        if node.op is not movement.reshape or not isinstance(first, Inside) or first.lane not in self.region.views:
            return None
        view = View.of([row[k] for row in self.region.rows])
        assert view is not None
        return self._sequence(("view", k), lambda: view.stacked(self.new.get(view.source, view.source), self.reverse))

    def _element_of(self, number: int) -> Node:
        elements = self.region.sequences[number].nodes
        found = self._sequence(("stack", number), lambda: stack(elements, lambda n: self.new.get(n, n), self.reverse))
        repeated = all(map(is_number, elements)) and behind_broadcast(elements[0]) is not elements[0]
        return make(movement.broadcast, (found,), {"shape": elements[0].type.shape}) if repeated else found

    def _sequence(self, key: tuple[str, int], array: Callable[[], Node]) -> Node:
        if key not in self.sequences:
            made = array()
            self.sequences[key] = made, abstract(TensorType(made.type.shape[1:], made.type.dtype)).node
        return self.sequences[key][1]


def _element(t: Tensor, i: int) -> Node:
    start, stop = (i, *(0,) * (t.ndim - 1)), (i + 1, *t.shape[1:])
    one = movement.slice(t, start=start, stop=stop, step=(1,) * t.ndim)
    return movement.reshape(one, shape=t.shape[1:]).node


def _name(region: Region) -> tuple[str, int]:
    """The name of the innermost scope that has a step of its own in every row, and how deep it is."""
    row, other = region.rows[region.before : region.before + 2]
    for x, y in zip(row, other, strict=True):
        for i, (a, b) in enumerate(zip(x.origin.scopes, y.origin.scopes, strict=False)):
            if a.name == b.name and a.step is not None and a.step != b.step:
                return a.name, i + 1
    return "step", 0
