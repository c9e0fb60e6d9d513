"""The dependences between the parts of a step with a memory, and whether its picture has a place for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from . import text
from .parts import HEADS, READOUT, Part
from .slots import Place, places
from .wiring import Step, Wiring

KNOWN = (("LSTM", "figoch"), ("GRU", "rznh"))  # the names in a controller that is such a cell
Source = Part | int  # a part, or the number of a lane


class Edges:
    """The parts of a step by their role, and what they read from each other.

    row      weightings, memory and links, from left to right
    bottom   the controller, or without one the operations before the heads;  heads    the operations between it and the heads
    reading  the vector that is read from the memory: at most one
    leaving  the parts of `row` that the next step reads
    slot_lanes, box_lanes    the states that `row` reads, and those that `bottom` reads;  read_lane    of these, the vector read before
    rises    whether the readout reads the controller
    odd      whether something has no place in the picture
    """

    def __init__(self, wiring: Wiring, step: Step, parts: Sequence[Part], makers: Mapping[Place, Place]):
        self.wiring, self.step, self.parts = wiring, step, list(parts)
        self.makers, self.places = makers, places(parts)
        self.owner = {i: p for p in parts for i in p.items}
        self.row = [p for p in parts if p.slotted]
        self.memory = next(p for p in parts if p.kind == "memory")
        scoped = [p for p in parts if p.kind == "box" and p.scope]
        self.heads = next((p for p in parts if p.kind == "box" and p.name == HEADS), None)
        self.readout = next((p for p in parts if p.kind == "box" and p.name == READOUT), None)
        self.odd = len(scoped) > 1 or (not scoped and self.heads is None) or len(step.inputs) > 1
        if self.odd:
            return
        self.bottom: Part = scoped[0] if scoped else self.heads  # type: ignore[assignment]
        self._found: dict[tuple[str | int, str], dict[int, None]] = {}
        self._collect()
        self.reading = [p for p in parts if p.kind == "vector" and self._reads_slots(p)]
        self.leaving = [p for p in self.row if p.value in step.exits]
        self._lanes()
        self.rises = self.readout is not None and bool(self.of(self.bottom, self.readout))
        self.odd = self.odd or len(self.reading) > 1 or not all(map(self._fits, self._found)) or not self._ends_fit()

    def of(self, source: Source, target: Part) -> tuple[int, ...]:
        """The values of a part, or of a lane, that another part reads."""
        return tuple(self._found.get((source if isinstance(source, int) else source.name, target.name), ()))

    def _collect(self) -> None:
        items, lanes = self.wiring.items, dict[str, int]()
        for k, index in enumerate(self.step.items):
            target = self.owner[index]
            for a, source in zip(items[index].args, self.step.sources[k], strict=True):
                if source is None:
                    continue
                kind, n = source
                if kind == "op" and self.owner[a].kind == "shared":
                    kind, n = "state", lanes[self.owner[a].name]
                if target.kind == "shared":
                    lanes[target.name] = n
                    continue
                if kind == "in":
                    self.odd = self.odd or target is not self.bottom
                    continue
                if kind == "op" and self.owner[a] is target:
                    continue
                if kind == "op":
                    part = self.owner[a]
                    self.odd = self.odd or (part.value not in (None, a) and items[a].kind != "move")
                self._found.setdefault((n if kind == "state" else self.owner[a].name, target.name), {})[a] = None

    def _reads_slots(self, part: Part) -> bool:
        return any(self.of(p, part) for p in self.row)

    # ---- states

    def _lanes(self) -> None:
        """Sort the states by who reads them."""
        self.slot_lanes: list[int] = []
        self.box_lanes: list[int] = []
        for k, (kind, _) in enumerate(self.step.lanes):
            readers = [p for p in self.parts if self.of(k, p)]
            if readers == [self.bottom]:
                self.box_lanes.append(k)
            elif all(p.slotted or p in self.reading for p in readers):
                self.slot_lanes.append(k)
            else:
                self.odd = True
            self.odd = self.odd or kind == "bus"
        mine = [k for k in self.box_lanes if self.state_of(k) in {p.name for p in self.reading}]
        self.read_lane = mine[0] if len(mine) == 1 else None

    def maker(self, lane: int) -> int | None:
        """The operation of this step that makes the new value of a state; None where no step reads it and no name tells."""
        place = self._made_at(lane)
        return next((i for i, (name, n) in self.places.items() if place == (name, n, 0)), None)

    def state_of(self, lane: int) -> str:
        """The name of the part that makes the new value of a state, also where no later step reads it; "" where nothing tells."""
        place = self._made_at(lane)
        return place[0] if place else ""

    def _made_at(self, lane: int) -> Place | None:
        for k, index in enumerate(self.step.items):
            for position, source in enumerate(self.step.sources[k]):
                if source == ("state", lane) and (*self.places[index], position) in self.makers:
                    return self.makers[*self.places[index], position]
        kind, what = self.step.lanes[lane]
        name = None if kind == "bus" else self.wiring.items[what[1] if kind == "start" else what].name
        part = next((p for p in (*self.row, *self.reading) if name and p.label == text.plain(name)), None)
        return None if part is None or part.value is None else (*self.places[part.value], 0)

    # ---- what has a place

    def parameters(self, scope: str) -> list[Part]:
        """The parts of a head that stand below its weightings."""
        return [p for p in self.parts if p.kind in ("number", "vector", "head") and p.scope == scope and p not in self.reading]

    def _fits(self, edge: tuple[str | int, str]) -> bool:
        names = {p.name: p for p in self.parts}
        source, target = edge[0] if isinstance(edge[0], int) else names[edge[0]], names[edge[1]]
        if isinstance(source, int):
            return source in self.slot_lanes or target is self.bottom
        if target is self.bottom:
            return False
        if target is self.heads:
            return source is self.bottom
        if target is self.readout:
            return source is self.bottom or source in self.reading
        if source.slotted:
            return target in self.reading or (target.slotted and self.row.index(source) < self.row.index(target))
        if target in self.reading or source in self.reading:
            return False
        if source.kind == "box":
            return source is self.heads or (source is self.bottom and self.heads is None)
        return target is self.memory or (source.scope == target.scope and bool(source.scope))

    def _ends_fit(self) -> bool:
        """Whether what leaves the step has a place: states at the right, one result on top."""
        for index in self.step.exits:
            part = self.owner[index]
            if part not in (self.bottom, self.readout) and not (part.value == index and (part.slotted or part in self.reading)):
                return False
        top = [self.readout] if self.readout is not None else self.reading
        return len(self.step.outputs) <= 1 and all(self.owner[o] in top for o in self.step.outputs)

    # ---- labels

    def result(self, part: Part) -> int:
        """The value of a box: the last one that other parts or steps read."""
        read = {a for (source, _), values in self._found.items() if source == part.name for a in values}
        return max((i for i in part.items if i in read or i in self.step.exits), default=part.items[0] if part.items else 0)

    def label(self, part: Part) -> str:
        """The name of a box: its scope, and which cell it is; or where its weights come from."""
        items = self.wiring.items
        if part.scope:
            names = {items[i].name for i in part.items if items[i].named}
            cells = [cell for cell, letters in KNOWN if names.issuperset(letters)]
            return text.clean(part.scope, 20) + (f" · {cells[0]}" if cells else "")
        leaves = [items[a].name or "" for i in part.items for a in items[i].args if items[a].leaf == "parameter"]
        stems = {name.rpartition(".")[0] for name in leaves}
        loop = self.wiring.timeline.columns[self.step.number].loop.rpartition("/")[2]
        return text.clean((stems.pop() if len(stems) == 1 else "") or (loop if part is self.bottom else part.name), 16)
