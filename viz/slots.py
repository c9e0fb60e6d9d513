"""What the pictures of all steps with a memory have in common: their parts, the slots that are shown, the ends of the colour scales."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .heat import greatest, value_of
from .parts import READOUT, Memory, Part, parts_of
from .value_cards import Seen
from .wiring import Wiring

SEEN = 0.05  # slots with a weight from here on are shown
FEW, MOST = 6, 16  # so many slots are shown at least and at most
SIGNED = "signed"


Place = tuple[str, int, int]  # a part, the number of one of its operations, and the position of an argument


def places(parts: Sequence[Part]) -> dict[int, tuple[str, int]]:
    """Each operation of a step -> its part, and its number there."""
    return {i: (p.name, n) for p in parts for n, i in enumerate(sorted(p.items))}


class View:
    """The parts of each step, by its number. Only items that know their part have them (`parts.assign`).

    slots    the slots that are shown: all, or those with the greatest weights in any step; None where no value is known
    tops     a scale, or the name of a value -> the number at the end of its colours
    makers   where a step reads a state -> where the step before makes it
    levels   the line of a state, or of a value that is read further right -> its number from below, in all steps
    signed   the names of values with negative numbers
    note     says which slots are not shown; "" where all are
    seen     what the pictures of steps by their values have in common
    """

    def __init__(self, wiring: Wiring):
        self.seen = Seen(wiring)
        parted = [s for s in wiring.steps if s.label and any(wiring.items[i].part for i in s.items)]
        known = [s for s in parted if s.number not in self.seen.families]
        found = {s.number: parts_of(wiring.items, s.items) for s in known}
        self.parts: dict[int, tuple[Memory, list[Part]]] = {n: pair for n, pair in found.items() if pair[1]}
        self.slots: tuple[int, ...] | None = None
        self.tops: dict[str, float] = {}
        self.note = ""
        values: dict[str, list[np.ndarray]] = {}
        weights: list[np.ndarray] = []
        self.vectors: set[str] = set()
        for memory, parts in self.parts.values():
            for part in parts:
                value = None if part.value is None else value_of(wiring.items[part.value])
                if value is not None:
                    shown = value[0] if memory.lead else value
                    values.setdefault(SIGNED if part.kind == "memory" else part.label, []).append(shown)
                    if part.kind == "vector":
                        self.vectors.add(part.label)
                    if part.kind == "weighting" and ("write" in part.label or "read" in part.label):
                        weights.append(np.abs(shown).reshape(-1, memory.slots).max(0))
        self.signed = {name for name, arrays in values.items() if name == SIGNED or any((a < 0).any() for a in arrays)}
        values.setdefault(SIGNED, []).extend(a for name in self.vectors & self.signed for a in values.pop(name))
        self.tops = {name: greatest(arrays) for name, arrays in values.items() if arrays}
        self.makers = self._makers(wiring)
        self._rows = {"xs": self._inputs(wiring), "ys": self._results(wiring)}
        self.levels: dict[str, int] = {}
        if values[SIGNED]:
            self._choose(next(iter(self.parts.values()))[0].slots, weights)

    def _choose(self, count: int, weights: list[np.ndarray]) -> None:
        """Choose the slots with the greatest weights."""
        peak = np.max(weights, 0) if weights else np.zeros(count)
        order = np.argsort(-peak, kind="stable")
        wanted = min(max(int((peak >= SEEN).sum()), FEW), MOST) if count > MOST else count
        self.slots = tuple(sorted(int(i) for i in order[:wanted]))
        if wanted < count:
            rest = peak[order[wanted:]].max()
            self.note = f"{count - wanted} of {count} slots are left out; no head gives one of them a weight above {rest:.2g}"

    def _makers(self, wiring: Wiring) -> dict[Place, Place]:
        """Where a step reads a state -> where the step before makes it."""
        found: dict[Place, Place] = {}
        for before, step in zip(wiring.steps, wiring.steps[1:], strict=False):
            if before.number in self.parts and step.number in self.parts:
                made, read = (places(self.parts[s.number][1]) for s in (before, step))
                for index in step.items:
                    for position, a in enumerate(wiring.items[index].args):
                        if a in made:
                            found.setdefault((*read[index], position), (*made[a], 0))
        return found

    def _inputs(self, wiring: Wiring) -> list[np.ndarray]:
        found = (value_of(wiring.items[a]) for s in wiring.steps if s.number in self.parts for a in s.inputs)
        return [v[..., :1, :] if v.ndim > 1 else v for v in found if v is not None]

    def _results(self, wiring: Wiring) -> list[np.ndarray]:
        boxes = (p for _, parts in self.parts.values() for p in parts if p.name == READOUT)
        found = (value_of(wiring.items[i]) for p in boxes for i in p.items if wiring.items[i].named)
        return [v[:1] if v.ndim > 1 else v for v in found if v is not None]

    def tell(self, wiring: Wiring) -> None:
        """Say in the notes what the pictures do not show."""
        drawn = [s for s in wiring.steps if s.number in self.parts and s.fixed is not None and not s.fixed.entry]
        if drawn:
            many = max(len(s.items) for s in drawn)
            wiring.timeline.notes.append(
                f"a step has {many} operations; drawn are the {len(self.parts[drawn[0].number][1])} parts to which they belong"
            )
            wiring.timeline.notes += [self.note] if self.note else []
            if self.slots is not None and self.parts[drawn[0].number][0].lead:
                wiring.timeline.notes.append("values are those of the first member of the batch, gradients those of the whole batch")
            before = {wiring.chip(a): None for s in drawn for row in s.chips for _, a in row if not wiring.items[a].leaf}
            if before:
                wiring.timeline.notes.append(f"what stands before the steps is read in each step without a line: {', '.join(before)}")

    def top(self, part: Part) -> float:
        """The number at the end of the colours of a value. A weighting has 1 there, where no weight is greater."""
        if part.kind == "weighting":
            found = self.tops.get(part.label, 1.0)
            return found if found > 1.001 else 1.0
        return self.tops.get(SIGNED if self.scale(part) == SIGNED else part.label, 1.0)

    def ends(self, id: str) -> tuple[float, bool]:
        """The greatest number of all inputs ("xs") or results ("ys"), and whether any is negative."""
        arrays = self._rows[id]
        return greatest(arrays), any((a < 0).any() for a in arrays)

    def scale(self, part: Part) -> str:
        """The colours of a value that is no weighting: one signed scale for the memory and all vectors with negative numbers."""
        return SIGNED if part.kind == "memory" or (part.kind == "vector" and part.label in self.signed) else "amount"
