"""Values that are stored where a concatenation has them, so that it does not copy them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...graph.dims import Extent, typical
from ...graph.ir import Node
from ...graph.types import TensorType, identical
from ...primitives import index, linalg, movement
from .. import loop_ir as L
from .schedule import Cluster, Schedule, Single, is_movement, real_axes, sources
from .storage import Stored, count, row_major

DIRECT = (linalg.matmul, movement.concat, movement.pad, movement.roll, index.take, index.gather)  # beside clusters: they write any view
ROW = 16  # a value may be stored among others if its rows have so many elements


@dataclass(frozen=True)
class Place:
    """The place of a value in a concatenation: in its argument of that number. `moves` lead from the argument to the value."""

    whole: Node
    number: int
    moves: tuple[Node, ...]

    def within(self, memory: Stored) -> Stored:
        """The memory of the value, in that of the concatenation."""
        view = part(self.whole, self.number, memory)
        for move in self.moves:
            shape = move.args[0].type.shape
            if move.op is movement.permute:
                view = view.permuted(np.argsort(move.attrs["axes"]).tolist())
            elif move.op is movement.slice:
                view = view.around(move.attrs["start"], shape)
            else:
                view = view.reshaped(shape) or view
        return view


def part(whole: Node, number: int, memory: Stored) -> Stored:
    """The memory of an argument of a concatenation."""
    axis, start = whole.attrs["axis"], _zeros(whole)
    for x in whole.args[:number]:
        start[axis] = start[axis] + x.type.shape[axis]
    return memory.sliced(tuple(start), (1,) * len(start), whole.args[number].type.shape)


class Places:
    """The places of a graph's values. If a concatenation has all but the first or last elements of a value, as of a shifted one, the whole
    value is stored there: the concatenation then has `room` in its memory before and after it."""

    def __init__(self, plan: Schedule, targets: Collection[Node]):
        self.plan, self.targets = plan, targets
        self.reshaped = {source for n in plan.place if n.op is movement.reshape for source, _ in sources(n)}
        self.found: dict[Node, Place] = {}
        self.room: dict[Node, tuple[Extent, Extent]] = {}
        for step in plan.steps:
            if isinstance(step, Single) and step.node.op is movement.concat:
                for number in range(len(step.node.args)):
                    self.add(step.node, number)
        self.filled = {(place.whole, place.number) for place in self.found.values()}

    def add(self, whole: Node, number: int) -> None:
        """Give the value behind an argument a place, if it can have one and that saves time."""
        source, moves = whole.args[number], list[Node]()
        while is_movement(source) and (source.op in (movement.permute, movement.reshape) or (source.op is movement.slice and not moves)):
            moves.append(source)
            source = source.args[0]
        place, room = Place(whole, number, tuple(moves)), self.room_for(whole, number, moves)
        if room is None or not self.is_free(source) or not self.pays(place, source):
            return
        self.found[source] = place
        if not identical(room, (0, 0)):
            self.room[whole] = room
        last = self.plan.last_use
        last[whole] = max(last.get(whole, 0), last[source])

    def is_free(self, source: Node) -> bool:
        """Whether the value is stored by a rule that writes any view, and has no other place."""
        at = self.plan.place.get(source)
        if at is None or source in self.found or source in self.room or source in self.targets:
            return False
        return isinstance(self.plan.steps[at], Cluster) or source.op in DIRECT

    def room_for(self, whole: Node, number: int, moves: list[Node]) -> tuple[Extent, Extent] | None:
        """The room that a concatenation needs if this argument comes by these movements from a value in it. None if it cannot have that."""
        room = self.room.get(whole, (0, 0))
        if not moves or moves[0].op is not movement.slice:
            return room
        axis, cut, source = whole.attrs["axis"], moves[0], moves[0].args[0].type.shape
        before: Extent = cut.attrs["start"][axis]
        after = source[axis] - before - cut.type.shape[axis]
        others = identical((*source[:axis], *source[axis + 1 :]), (*cut.type.shape[:axis], *cut.type.shape[axis + 1 :]))
        ends = (number == 0 or identical((before,), (0,))) and (number == len(whole.args) - 1 or identical((after,), (0,)))
        if not (others and ends and set(cut.attrs["step"]) == {1} and real_axes(whole.type.shape)[:1] == (axis,)) or whole in self.targets:
            return None
        return room[0] + before, room[1] + after

    def pays(self, place: Place, source: Node) -> bool:
        """Whether the value is stored as fast there as alone: without gaps, or with gaps only between long rows."""
        shape, real, whole = source.type.shape, real_axes(source.type.shape), place.whole.type.shape
        view = place.within(Stored(L.Buffer("whole", "float32", count(whole)), L.as_index(0), row_major(whole), whole))
        in_rows = bool(real) and view.strides[real[-1]] == L.Literal(1) and typical(shape[real[-1]]) >= ROW
        return view.is_dense or (in_rows and source not in self.reshaped)

    # ---- memory

    def memory_type(self, whole: Node) -> TensorType:
        """The type of a concatenation with its room."""
        shape, axis = list(whole.type.shape), whole.attrs["axis"]
        shape[axis] = shape[axis] + sum(self.room.get(whole, ()))
        return TensorType(tuple(shape), whole.type.dtype)

    def without_room(self, whole: Node, memory: Stored) -> Stored:
        start = _zeros(whole)
        start[whole.attrs["axis"]] = self.room.get(whole, (0, 0))[0]
        return memory.sliced(tuple(start), (1,) * len(start), whole.type.shape)


def _zeros(whole: Node) -> list[Any]:
    return [0] * whole.type.ndim
