"""The picture of a step by its values with names: a card for each, and a line for each dependence of one on another.

What a value is for is told by the table of `families`; the places follow from the dependences.
"""

from __future__ import annotations

from .families import family_of
from .layered import lay_out
from .layout import FixedEdge, FixedLayout, FixedNode, Layout, Panel, Source, StepGraph
from .named_parts import of_step
from .parts import Part
from .tiles import leaf_size
from .timeline import Item
from .value_cards import ROWS, SIZE, Cards, Seen
from .wiring import Step, Wiring

MOST = 40  # parts of a step with more have no picture
NOTE = (
    "a card is a value with a name, and what leads to it alone; violet is a state, red what is written, blue what is looked up and read, "
    "where colours do not show gradients; a box is a few numbers, a readout, or what several cards read"
)


def draw(wiring: Wiring, step: Step, seen: Seen) -> FixedLayout | None:
    """The picture; None for a step of no known family, or of too many parts."""
    if step.number not in seen.families or not step.label:
        return None
    cell = _ValueCell(wiring, step, seen)
    return cell.fixed() if 0 < len(cell.parts) <= MOST else None


def notes(wiring: Wiring, seen: Seen) -> list[str]:
    """What the pictures do not show."""
    drawn = [s for s in wiring.steps if s.number in seen.families and s.fixed is not None and not s.fixed.entry]
    if not drawn:
        return []
    found = [NOTE, f"a step has {max(len(s.items) for s in drawn)} operations, which belong to these cards and boxes"]
    batch = Cards(wiring, drawn[0], seen, of_step(wiring.timeline, drawn[0].items, seen.families[drawn[0].number])).batch
    if batch is not None and any(i.node.value is not None for i in wiring.items if not i.leaf):
        found.append("values are those of the first member of the batch, gradients those of the whole batch")
    found += left_out(wiring, seen)
    before = {wiring.chip(a): None for s in drawn for row in s.chips for _, a in row if not wiring.items[a].leaf}
    return found + ([f"what stands before the steps is read in each step without a line: {', '.join(before)}"] if before else [])


def left_out(wiring: Wiring, seen: Seen) -> list[str]:
    """Sentences about rows of memories that are not shown."""
    drawn = (s for s in wiring.steps if s.number in seen.families and s.fixed is not None and not s.fixed.entry)
    return list(dict.fromkeys(filter(None, (_rows_left_out(wiring, wiring.items[i], s, seen) for s in drawn for i in s.items))))


def _rows_left_out(wiring: Wiring, item: Item, step: Step, seen: Seen) -> str:
    """A sentence about the rows of a memory that are not shown; "" where all are, or for another value."""
    family = family_of(seen.families[step.number], item)
    shape = item.shape or getattr(item.node.type, "shape", ())
    if not family.rows or family.role(item) != "memory" or int(shape[-2]) <= ROWS:
        return ""
    if family.rows != "slot":
        return f"of the {shape[-2]} cells the first {ROWS} are shown, from the {family.rows} on"
    memory = wiring.slot[item.index]
    if not seen.slots.get(memory):
        return f"of the {shape[-2]} slots the first {ROWS} are shown"
    beside = "the weights beside them are those of one member of the batch, also their gradients"
    left_out = seen.left_out[memory]
    return f"of the {shape[-2]} slots at most {ROWS} are shown, those with the greatest weights; {left_out} others are in use; {beside}"


class _ValueCell:
    def __init__(self, wiring: Wiring, step: Step, seen: Seen):
        self.wiring, self.step, self.items = wiring, step, wiring.items
        self.found = of_step(wiring.timeline, step.items, seen.families[step.number])
        self.parts = self.found.parts
        self.number = {p.name: n for n, p in enumerate(self.parts)}
        self.cards = Cards(wiring, step, seen, self.found)

    def fixed(self) -> FixedLayout:
        cards, reads = [self.cards.of(p) for p in self.parts], [self._reads(p) for p in self.parts]
        layout = self._laid_out([(c.w, c.h) for c in cards], reads)
        fixed = FixedLayout(layout, sources={i: f"m{self._of(i)}" for i in self.step.items})
        for n, (part, card, (x, y)) in enumerate(zip(self.parts, cards, layout.centres, strict=True)):
            if card.box:
                item = part.items[-1] if part.value is None else part.value
                fixed.nodes.append(FixedNode(f"m{n}", x, y, card.w, card.h, card.look, card.box, item, size=SIZE + 1, numbers=card.numbers))
                continue
            left, bottom = x - card.w / 2, y - card.h / 2
            fixed.panels.append(Panel(left, bottom, card.w, card.h, *card.panel, part.value))
            fixed.words += [w._replace(x=left + w.x, y=bottom + w.y) for w in card.words]
            fixed.heats += [h._replace(id=f"m{n}{h.id}", x=left + h.x, y=bottom + h.y) for h in card.heats]
        for n, found in enumerate(reads):
            part_name = self.items[self.parts[n].items[0]].part
            for position, ((kind, k), values) in enumerate(found.items()):
                tail, into = {"op": "m", "in": "x", "state": "i"}[kind] + str(k), (tuple(values), (part_name,))
                points = layout.edges[n, position]
                fixed.edges.append(FixedEdge(points, tail, f"m{n}", next(iter(values)), None, kind == "state", True, into))
        return fixed

    def _of(self, item: int) -> int:
        return self.number[self.found.owner[item].name]

    def _reads(self, part: Part) -> dict[Source, dict[int, None]]:
        """Where what a part reads comes from -> the values that come."""
        reads: dict[Source, dict[int, None]] = {}
        for i in part.items:
            if i in self.found.through:
                continue
            for a, source in zip(self.items[i].args, self.step.sources[self.step.local[i]], strict=True):
                while source is not None and source[0] == "op" and self.step.items[source[1]] in self.found.through:
                    source = self.step.sources[source[1]][0]
                if source is not None and source[0] == "op":
                    source = "op", self._of(self.step.items[source[1]])
                if source is not None and source != ("op", self.number[part.name]):
                    reads.setdefault(source, {})[a] = None
        return reads

    def _laid_out(self, sizes: list[tuple[float, float]], reads: list[dict[Source, dict[int, None]]]) -> Layout:
        """The places of all cards, by the layered algorithm."""
        step = self.step
        inputs = [leaf_size(self.wiring, i, self.wiring.leaf_label(i, "0")) for i in step.inputs]
        outputs = [(("op", self._of(i)), leaf_size(self.wiring, i, self.wiring.value_label(i, "0"))) for i in step.outputs]
        exits: list[Source] = [("op", self._of(i)) for i in step.exits]
        return lay_out(StepGraph(sizes, [list(r) for r in reads], inputs, outputs, len(step.lanes), exits))
