"""The heat maps and words in the picture of a step with a memory: weightings, memory, parameters of heads."""

from __future__ import annotations

import numpy as np

from . import style, text
from .heat import READ, WRITE, Field, FixedHeat, value_of
from .layout import FixedLayout, FixedWord
from .memory_edges import Edges
from .parts import Memory, Part
from .slots import View
from .wiring import Step, Wiring

SMALL = 7.5  # the size of the words in a head
TITLE, LABEL, LINE, ROW = 15.0, 11.0, 10.0, 11.0  # the heights of a head's title, of labels, of a line of numbers, of a vector
STRIP = 12.0  # the least width of a weighting
MAP = (76.0, 92.0)  # the least and the greatest width of the memory
TALL = (6.0, 12.0)  # the least and the greatest height of a slot
CLEAR = 0.3  # a slot with a weight from here on is marked as written or read
MANY = 64  # an input or a result of at most so many numbers is shown
FEW = 2  # so many numbers are written; more are a heat map


class Marks:
    """Draws the parts of a step.

    writing   the parameters that the memory reads, from the right;  side    for each of them, where its line to the memory begins
    rows      how many vectors the heads have below each other;  lines    how many lines of numbers
    """

    def __init__(self, wiring: Wiring, view: View, memory: Memory, edges: Edges):
        self.wiring, self.view, self.sizes, self.edges = wiring, view, memory, edges
        shown = min(memory.slots, 16) if view.slots is None else len(view.slots)
        self.pitch = min(max(130.0 / shown, TALL[0]), TALL[1])
        self.height = self.pitch * shown
        self.map_width = min(max(4.0 * memory.width, MAP[0]), MAP[1])
        self.numbers_width = 4.0 + text.width(str(memory.slots - 1), SMALL - 1) if view.slots else 0.0
        self.side: dict[str, tuple[float, float]] = {}
        self.strips: dict[str, float] = {}
        scopes = dict.fromkeys(p.scope for p in edges.row)
        parameters = {s: edges.parameters(s) for s in scopes}
        self.writing = [p for found in parameters.values() for p in found if edges.of(p, edges.memory)]
        self.rows = max((sum(p.kind == "vector" for p in found) for found in parameters.values()), default=0)
        self.under: dict[str, list[Part]] = {p.name: [] for p in edges.row}
        for found in parameters.values():
            for p in found:
                users = [w for w in edges.row if edges.of(p, w) and w.kind != "memory"]
                if p.kind == "number" and users:
                    self.under[users[0].name].append(p)
        self.lines = max(map(len, self.under.values()))
        reads = [p for p in edges.reading if p.value is not None]
        self.read_height = max([4.0 * self._heads(p) for p in reads] + [8.0])
        self.output = self._output()
        self.output_width = 0.0 if self.output is None else min(7.0 * self._count(self.output), MAP[1])

    # ---- sizes

    def _heads(self, part: Part) -> int:
        """How many heads a value has."""
        dims = self.wiring.items[part.value or 0].node.type.shape
        return int(dims[self.sizes.lead]) if len(dims) - self.sizes.lead == 2 and part.kind not in ("memory", "links") else 1

    def _count(self, item: int) -> int:
        return int(self.wiring.items[item].node.type.shape[-1])

    def _output(self) -> int | None:
        readout = self.edges.readout
        found = [] if readout is None else [i for i in readout.items if self.wiring.items[i].named]
        return found[-1] if found and self._strip_of(found[-1]) else None

    def _strip_of(self, item: int) -> bool:
        """Whether an input or a result is shown as a row of colours."""
        value = value_of(self.wiring.items[item])
        return value is not None and value.ndim > 0 and 1 < value.shape[-1] <= MANY and value.size == value.shape[-1] * self._batch(value)

    def _batch(self, value: np.ndarray) -> int:
        """How many rows a value has that is one row for each member of the batch."""
        return int(value.shape[-2]) if self.sizes.lead and value.ndim > 1 else 1

    def shows_input(self, step: Step) -> bool:
        return bool(step.inputs) and self._strip_of(step.inputs[0])

    def column(self, part: Part) -> float:
        """The width that a weighting takes, with its words."""
        words = [
            text.width(name(part), SMALL),
            *(text.width(f"{name(p)} {'0.00 ' * self._heads(p)}", SMALL) for p in self.under[part.name]),
        ]
        wide = self.map_width if part.kind == "memory" else self.height if part.kind == "links" else max(STRIP, 5.0 * self._heads(part))
        self.strips[part.name] = wide
        return wide if part.kind == "memory" else max(wide + 8, *words) + 5

    def half(self, part: Part) -> float:
        return self.strips[part.name] / 2

    def least_width(self, run: list[Part]) -> float:
        if run[0].kind == "memory":
            return 0.0
        vectors = [p for p in self.edges.parameters(run[0].scope) if p.kind == "vector"]
        return max([text.width(self.title(run), 9.5) + 6] + [text.width(name(p), SMALL) + 4 + 46 for p in vectors])

    # ---- looks

    def role(self, part: Part) -> str:
        """ "write" for a head that the memory reads, "read" for one from which something is read, else "amount"."""
        mates = [p for p in self.edges.row if p.scope == part.scope and p.kind != "memory" and (part.scope or p is part)]
        parameters = self.edges.parameters(part.scope) if part.scope else []
        if any(self.edges.of(p, self.edges.memory) for p in (*mates, *parameters)):
            return "write"
        return "read" if any(self.edges.of(p, r) for p in mates for r in self.edges.reading) else "amount"

    def look(self, run: list[Part]) -> tuple[str, str]:
        return style.ROLES[self.role(run[0])]

    def title(self, run: list[Part]) -> str:
        count = max(self._heads(p) for p in run)
        scope = text.clean(run[0].scope, 14)
        return (f"{scope} heads × {count}" if count > 1 else f"{scope} head") if scope else ""

    def _field(self, part: Part) -> Field:
        form = {"vector": "vector", "number": "vector"}.get(part.kind, part.kind)
        return Field(form, self.sizes.lead, self.view.slots if part.slotted else None)

    def _heat(self, fixed: FixedLayout, id: str, part: Part, x: float, y: float, w: float, h: float, scale: str) -> None:
        frames = self._frames() if part.kind == "memory" else ()
        fixed.heats.append(FixedHeat(id, x, y, w, h, part.value or 0, self._field(part), scale, self.view.top(part), frames))

    def _frames(self) -> tuple[tuple[int, str], ...]:
        """The slots that are clearly written and read, as rows of the map."""
        found: dict[tuple[int, str], None] = {}
        for part in self.edges.row:
            target = self.edges.memory if part.kind == "weighting" and self.edges.of(part, self.edges.memory) else None
            read = part.kind == "weighting" and any(self.edges.of(part, r) for r in self.edges.reading)
            value = value_of(self.wiring.items[part.value or 0])
            if (target is None and not read) or value is None or self.view.slots is None:
                continue
            weights = np.atleast_2d(value[0] if self.sizes.lead else value)
            for head in weights:
                slot = int(np.argmax(head))
                if head[slot] >= CLEAR and slot in self.view.slots:
                    found[self.view.slots.index(slot), READ if read else WRITE] = None
        return tuple(found)

    def written(self, part: Part, y: float) -> float:
        """The height of the slot that a weighting clearly writes, or else the middle."""
        value = value_of(self.wiring.items[part.value or 0])
        if value is None or self.view.slots is None:
            return y + self.height / 2
        weights = np.atleast_2d(value[0] if self.sizes.lead else value).max(0)
        slot = int(np.argmax(weights))
        clear = weights[slot] >= CLEAR and slot in self.view.slots
        return y + self.height - (self.view.slots.index(slot) + 0.5) * self.pitch if clear else y + self.height / 2

    # ---- marks

    def memory(self, fixed: FixedLayout, id: str, part: Part, x: float, y: float) -> None:
        self._heat(fixed, id, part, x, y + self.height / 2, self.map_width, self.height, "signed")
        label = f"{name(part)}  {self.sizes.slots}×{self.sizes.width}"
        fixed.words.append(FixedWord(x + self.map_width / 2, y - LABEL / 2 - 1, label, "", SMALL, "end", style.TEXT))

    def numbers(self, fixed: FixedLayout, x: float, y: float) -> None:
        for k, slot in enumerate(self.view.slots or ()):
            if self.pitch >= 8 or k % 2 == 0:
                fixed.words.append(FixedWord(x, y + self.height - (k + 0.5) * self.pitch, str(slot), "", SMALL - 1, "end"))

    def weighting(self, fixed: FixedLayout, id: str, part: Part, x: float, y: float, least: float) -> None:
        scale = "signed" if part.kind == "links" else self.role(part)
        scale = "amount" if part.kind == "links" else scale
        self.strips[part.name] = max(self.strips[part.name], least)
        self._heat(fixed, id, part, x, y + self.height / 2, self.strips[part.name], self.height, scale)
        fixed.words.append(FixedWord(x, y - LABEL / 2 - 1, name(part), "", SMALL, "middle", style.TEXT))
        for n, p in enumerate(self.under[part.name]):
            self._number(fixed, p, x, y - LABEL - LINE * (n + 0.5))

    def _number(self, fixed: FixedLayout, part: Part, x: float, y: float) -> None:
        value = value_of(self.wiring.items[part.value or 0])
        numbers = [] if value is None else (value[0] if self.sizes.lead else value).ravel().tolist()
        if len(numbers) <= FEW:
            words = " ".join([name(part), *(text.brief(v) for v in numbers)])
            fixed.words.append(FixedWord(x, y, words, "", SMALL))
            return
        wide, label = min(5.0 * len(numbers), 24.0), text.width(name(part), SMALL)
        fixed.words.append(FixedWord(x - wide / 2 - 2, y, name(part), "", SMALL, "middle"))
        self._heat(fixed, f"p{len(fixed.heats)}", part, x + label / 2, y, wide, 7.0, "amount")

    def head(
        self, fixed: FixedLayout, run: list[Part], parts: list[Part], left: float, right: float, bottom: float, ids: dict[str, str],
        xs: dict[str, float],
    ) -> None:  # fmt: skip
        """The title of a head and its vectors."""
        fixed.words.append(FixedWord((left + right) / 2, bottom + TITLE / 2, self.title(run), "", 9.5, "middle", style.TEXT))
        vectors = [p for p in parts if p.kind == "vector"]
        wide = max((text.width(name(p), SMALL) for p in vectors), default=0.0)
        for n, p in enumerate(vectors):
            y = bottom + TITLE + ROW * (self.rows - n - 0.5)
            start, end = left + 7 + wide + 3, right - 7
            fixed.words.append(FixedWord(left + 7, y, name(p), "", SMALL, "start"))
            self._heat(fixed, ids[p.name], p, (start + end) / 2, y, end - start, 8.0, self.view.scale(p))
            self.side[p.name] = end, y
        for p in parts:
            if p in self.writing and p.name not in self.side:
                self.side[p.name] = right, bottom + TITLE / 2

    def reading(self, fixed: FixedLayout, id: str, part: Part, x: float, y: float) -> None:
        self._heat(fixed, id, part, x, y, self.map_width, self.read_height, self.view.scale(part))
        fixed.words.append(FixedWord(x - self.map_width / 2 - 4, y, name(part), "", SMALL + 1, "end", style.TEXT))

    def input(self, fixed: FixedLayout, item: int, x: float, y: float) -> None:
        if self._strip_of(item):
            self._row(fixed, "xs", item, x, y, min(7.0 * self._count(item), MAP[1]))

    def result(self, fixed: FixedLayout, x: float, y: float) -> None:
        if self.output is not None:
            self._row(fixed, "ys", self.output, x, y, self.output_width)

    def _row(self, fixed: FixedLayout, id: str, item: int, x: float, y: float, w: float) -> None:
        top, negative = self.view.ends(id)
        scale = "signed" if negative else "amount"
        fixed.heats.append(FixedHeat(id, x, y, w, 8.0, item, Field("row", self.sizes.lead), scale, top))


def name(part: Part) -> str:
    """The name of a part as a label: β for beta; in a head, content for w_content and w for its own weighting."""
    label = text.clean(text.SIGNS.get(part.label, part.label), 12)
    if label == f"w_{part.scope}":
        return "w"
    if label.startswith("w_") and len(label) > 3 and part.scope:
        return label[2:]
    return text.pretty(label) if len(label) < 5 else label
