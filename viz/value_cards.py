"""The cards in the picture of a step by its values: a memory as a heat map, a vector as a strip, a few numbers as words, or a box."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from . import families, style, text
from .accesses import accesses
from .families import Family, Known, family_of
from .heat import Field, FixedHeat, greatest, value_of, written
from .layout import FixedWord
from .leaves import is_element
from .named_parts import Parts
from .parts import Part
from .timeline import Item
from .wiring import Step, Wiring

FEW, WHOLE = 2, 8  # so many numbers are written, and so many whole numbers
ROWS = 16  # rows that are shown of a memory whose rows have numbers
SEEN = 0.05  # slots with a weight from here on are shown
READOUT = "y"  # the name of what a step gives: with weights it is a box
SIZE, SMALL, TINY = 9.0, 7.5, 7.0  # of the names, of the words in a card, and of the numbers of rows
PAD, HEAD, WORDS = 5.0, 13.0, 10.0  # around the numbers; the heights of a card's name, and of the names of elements
BESIDE, GAP = 9.0, 5.0  # the widths of the weights beside rows, and between two heat maps
WIDE, LONGEST = 96.0, 180.0  # of a memory, about, and of a vector
STATE = ("#F6F1FA", style.LOOKS["state"].stroke)


class Scale(NamedTuple):
    """The number at the end of a value's colours in all steps, and whether there are negative ones."""

    top: float = 1.0
    signed: bool = False


class Seen:
    """What the pictures of all steps have in common.

    families   of the loops in the steps, by the numbers of these;  scales   of the values with a name
    slots      of each memory, by its slot in the wiring, of which a step reads and writes a few: those in use, at most ROWS
    left_out   how many others are in use
    """

    def __init__(self, wiring: Wiring):
        parted = {s.number for s in wiring.steps if any(wiring.items[i].part for i in s.items)}  # others are not to be drawn so
        self.families: Mapping[int, Known] = {n: f for n, f in families.of(wiring.timeline).items() if n in parted}
        self._named: dict[str, list[Item]] = {}
        self._widest: dict[tuple[str, str | None], str] = {}
        found: dict[str, list[np.ndarray]] = {}
        used: dict[Any, dict[int, float]] = {}
        for step in (s for s in wiring.steps if s.number in self.families):
            for item in (wiring.items[i] for i in step.items):
                value = value_of(item)
                self._named.setdefault(item.name or "", []).append(item)
                if item.named and value is not None and value.dtype.kind in "fiu":
                    found.setdefault(item.name or "", []).append(value)
            for role in ("write", "read"):
                self._use(wiring, step, role, used)
        self.scales = {name: Scale(greatest(arrays), any((a < 0).any() for a in arrays)) for name, arrays in found.items()}
        best = {memory: sorted(weights, key=lambda slot: -weights[slot]) for memory, weights in used.items()}
        self.slots = {memory: tuple(sorted(slots[:ROWS])) for memory, slots in best.items()}
        self.left_out = {memory: len(slots[ROWS:]) for memory, slots in best.items()}

    def widest(self, label: str, where: Field, item: Item) -> str:
        """The label with the numbers of a value, in the step where they are widest."""
        key = label, item.name
        if key not in self._widest:
            every = (written(label, where, i) for i in self._named[item.name or ""])
            self._widest[key] = max(every, key=lambda words: text.width(words, SIZE + 1))
        return self._widest[key]

    def _use(self, wiring: Wiring, step: Step, role: str, used: dict[Any, dict[int, float]]) -> None:
        for memory, rows, weights in accesses(wiring.items, step.items, role):
            at, w = value_of(wiring.items[rows]), value_of(wiring.items[weights])
            if at is not None and w is not None:
                found = used.setdefault(wiring.slot[memory], {})
                for slot, weight in zip(at[0].ravel().tolist(), w[0].ravel().tolist(), strict=True):
                    if weight >= SEEN:
                        found[slot] = max(found.get(slot, 0.0), weight)


@dataclass
class Card:
    """A card: its words and its heat maps, from the lower left corner. `box` is the label of a card that is one box.

    numbers   those that stand behind the label
    """

    w: float
    h: float
    box: str = ""
    look: str = ""
    words: list[FixedWord] = field(default_factory=list)
    heats: list[FixedHeat] = field(default_factory=list)
    panel: tuple[str, str] = STATE
    numbers: Field | None = None


class Cards:
    """Makes the cards of a step. `states` are the values that go to the next step."""

    def __init__(self, wiring: Wiring, step: Step, seen: Seen, found: Parts):
        self.wiring, self.items, self.step, self.seen, self.known = wiring, wiring.items, step, seen, seen.families[step.number]
        ahead = wiring.steps[wiring.position[step.number] + 1 :][:1]
        self.states = set(step.exits) if any(s.label for s in ahead) else set()
        self.batch = self._batch([p.value for p in found.parts if p.value is not None and self.items[p.value].named])

    def _batch(self, values: Sequence[int]) -> int | None:
        """How many members the batch has; None where there is no batch."""
        first = {dims[0] for v in values if (dims := self._dims(v))}
        inputs = [len(self._dims(a)) - is_element(self.items[a].node) for a in self.step.inputs if self.items[a].node.op.name == "slice"]
        memory = [len(self._dims(v)) - 1 for v in values if self._role(v) == "memory"]
        return first.pop() if len(first) == 1 and min(inputs or memory or [2]) > 1 else None

    def _lead(self, value: int) -> int:
        """1 where the first axis of a value is the batch."""
        return int(self.batch is not None and self._dims(value)[:1] == (self.batch,))

    def _dims(self, item: int) -> tuple[int, ...]:
        return tuple(int(n) for n in self.items[item].shape or getattr(self.items[item].node.type, "shape", ()))

    def _family(self, item: int) -> Family:
        return family_of(self.known, self.items[item])

    def _role(self, item: int) -> str:
        return self._family(item).role(self.items[item])

    def of(self, part: Part) -> Card:
        value = part.value
        learned = any(self.items[i].kind == "affine" and self._weights(i) for i in part.items)
        look = "layer" if learned else self.items[part.items[-1]].kind
        if value is None:
            alone = self.step.labels[self.step.local[part.items[0]]] if len(part.items) == 1 and not learned else ""
            return _box(alone or self._label(part), look)
        item, dims, role = self.items[value], self._dims(value)[self._lead(value) :], self._role(value)
        if learned and self._plain(value) == READOUT:
            return _box(self._label(part), look)
        if role == "memory" and len(dims) > 1:
            return self._memory(value, dims)
        few = FEW if item.node.type.dtype.kind == "f" else WHOLE
        if math.prod(dims) <= few and self._plain(value) not in self._family(value).elements:
            return self._numbers(value, look)
        return self._strip(value, dims)

    # ---- words

    def _weights(self, i: int) -> list[str]:
        return [self.items[a].label for a in self.items[i].args if self.items[a].leaf == "parameter"]

    def _label(self, part: Part) -> str:
        """The label of a box: its scope, or the weights that are used in it, or the variable or operation that it is."""
        names = [name for i in part.items for name in self._weights(i)]
        stems = dict.fromkeys(name.rpartition(".")[0].rpartition(".")[2] or name for name in names)
        last = self.items[part.items[-1]]
        words = " · ".join(stems) if 0 < len(stems) <= 3 else last.called or last.label
        scope = part.label if part.value is None else ""  # a box of one scope
        return text.clean(scope or words, 28)

    def _plain(self, value: int) -> str:
        return text.plain(self.items[value].name or "")

    def _name(self, value: int) -> str:
        called = self.items[value].called or self.items[value].label
        return text.clean(text.SIGNS.get(called, called), 16)

    # ---- cards

    def _numbers(self, value: int, look: str) -> Card:
        """A box with a few numbers in it, as wide in all steps."""
        item, name, where = self.items[value], self._name(value), Field("matrix", self._lead(value))
        card = _box(self.seen.widest(name, where, item), "state" if value in self.states else look)
        return Card(card.w, card.h, name, card.look, numbers=where)

    def _panel(self, value: int) -> tuple[str, str]:
        role = self._role(value)
        return STATE if role == "memory" or value in self.states else style.ROLES[role or "amount"]

    def _strip(self, value: int, dims: tuple[int, ...]) -> Card:
        """A vector, or one for each head, as a strip of colours."""
        rows, columns = math.prod(dims[:-1]), dims[-1]
        names = self._family(value).elements.get(self._plain(value), ())[:columns]
        pitch = max([min(max(84.0 / columns, 1.5), 9.0), *(text.width(n, SMALL) + 5 for n in names)])
        wide, high = min(max(pitch * columns, 30.0), LONGEST), min(min(max(36.0 / rows, 2.5), 8.0) * rows, WIDE)
        top = PAD + high + (WORDS if names else 0.0)
        title = self._name(value)
        card = Card(max(wide, text.width(title, SIZE)) + 2 * PAD, top + HEAD, panel=self._panel(value))
        left = (card.w - wide) / 2
        card.words.append(FixedWord(card.w / 2, top + HEAD / 2 - 0.5, title, "", SIZE, "middle", style.TEXT))
        for k, name in enumerate(names):
            card.words.append(FixedWord(left + wide / columns * (k + 0.5), PAD + high + WORDS / 2, name, "", SMALL))
        card.heats.append(self._heat("", value, card.w / 2, PAD + high / 2, wide, high, Field("matrix", self._lead(value))))
        return card

    def _memory(self, value: int, dims: tuple[int, ...]) -> Card:
        """What the cell remembers in: a heat map for each head, or for each stack."""
        *heads, rows, columns = dims
        count, shown = math.prod(heads), self._rows(value, rows)
        beside = {role: [a for a in accesses(self.items, self.step.items, role) if a.memory == value] for role in ("write", "read")}
        labels = self._labels(value, shown)
        numbers = max([text.width(label, TINY) + 4 for label in labels], default=0.0)
        pitch = min(max(WIDE / len(shown), 6.0 if labels else 0.0), 9.0)
        wide = min(max(min(max(WIDE / count / columns, 1.5), 9.0) * columns, 10.0), LONGEST / count)
        high = pitch * len(shown)
        inner = numbers + count * wide + (count - 1) * GAP + sum(BESIDE + 3 for found in beside.values() if found)
        title, head = f"{self._name(value)}  {text.shape([n for n in dims if n > 1])}", HEAD + (WORDS if any(beside.values()) else 0.0)
        card = Card(max(inner, text.width(title, SIZE)) + 2 * PAD, PAD + high + head)
        card.words.append(FixedWord(card.w / 2, PAD + high + head - HEAD / 2 - 0.5, title, "", SIZE, "middle", style.TEXT))
        x = (card.w - inner) / 2 + numbers
        for k, label in enumerate(labels):
            if pitch >= 8 or k % 2 == 0:
                card.words.append(FixedWord(x - 3, PAD + high - (k + 0.5) * pitch, label, "", TINY, "end"))
        for role, found in beside.items():
            if role == "read":
                x = self._heads(card, value, x, wide, high, count, None if len(shown) == rows else tuple(shown))
            for _, rows_, weights in found:
                self._beside(card, role, rows_, weights, tuple(shown), x + BESIDE / 2, high)
                x += BESIDE + 3
        return card

    def _heads(self, card: Card, value: int, x: float, wide: float, high: float, count: int, shown: tuple[int, ...] | None) -> float:
        """The heat maps of all heads beside each other. Gives where the next thing stands."""
        for n in range(count):
            where = Field("matrix", self._lead(value), shown, n)
            card.heats.append(self._heat(f"h{n}" if n else "", value, x + wide / 2, PAD + high / 2, wide, high, where))
            x += wide + GAP
        return x - GAP + 3

    def _rows(self, value: int, count: int) -> Sequence[int]:
        """The rows of a memory that are shown: those in use, or the first ones; all where they have no numbers."""
        used = self.seen.slots.get(self.wiring.slot[value])
        if self._family(value).rows == "slot" and used and count > ROWS:
            return used
        return range(min(count, ROWS) if self._family(value).rows else count)

    def _labels(self, value: int, shown: Sequence[int]) -> list[str]:
        """The numbers of rows; in place of the first one its name: the top of a stack."""
        first = self._family(value).rows
        return [first if row == 0 and first != "slot" else str(row) for row in shown] if first else []

    def _beside(self, card: Card, role: str, rows: int, weights: int, shown: tuple[int, ...], x: float, high: float) -> None:
        """The weights with which slots are written or read, as a column beside them."""
        at = value_of(self.items[rows])
        numbers = () if at is None else tuple((at[0] if self._lead(rows) else at).ravel().tolist())
        card.heats.append(
            FixedHeat(
                role[0], x, PAD + high / 2, BESIDE, high, weights,
                Field("sparse", self._lead(weights), shown, at=numbers), role, 1.0, at=rows,
            )
        )  # fmt: skip
        card.words.append(FixedWord(x, PAD + high + WORDS / 2, role[0], "", SMALL))

    def _heat(self, id: str, value: int, x: float, y: float, w: float, h: float, where: Field) -> FixedHeat:
        top, signed = self.seen.scales.get(self.items[value].name or "", Scale())
        role, weights = self._role(value), self._plain(value) in self._family(value).weights.split()
        scale = "signed" if signed else role if weights and role in ("write", "read") else "amount"
        return FixedHeat(id, x, y, w, h, value, where, scale, max(top, 1.0) if weights else top)


def _box(label: str, look: str) -> Card:
    return Card(max(text.width(label, SIZE + 1) + 16, 30.0), 20.0, label, look)
