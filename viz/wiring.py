"""The wiring of a timeline: how each value reaches the steps that read it.

A value of the same step comes by an edge, an input of the step from below. Other values come in one of three ways:

lane    a line from the step before, or from an initial state, that enters the step at its left border
bus     a line above all steps, for values that a step reads from further back
chip    a small label at the operation that reads the value, for weights and for values from before the steps
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from . import text
from .blocks import BLOCK
from .layout import FixedLayout, Layout, Source
from .timeline import BEFORE, Item, Timeline

SIZE = 11.0
Lane = tuple[str, Any]  # ("item", item), ("start", (initial state, the state that it starts)) or ("bus", slot)


@dataclass(eq=False)
class Step:
    """One column of a timeline, with all that its drawing needs.

    sources   for each item and argument, where the value comes from; None for a chip or a number
    chips     for each item, (position of the argument, the item whose name is shown)
    labels    for each item;  inputs    items that stand below the step;  outputs    items that are shown above it
    lanes     in the order of their ports at the left border;  exits    items that leave at the right border
    local     item -> its number in the step
    fixed     the layout of a known cell, or of a step as one box
    """

    number: int
    label: str
    items: list[int]
    sources: list[list[Source | None]] = field(default_factory=list)
    chips: list[list[tuple[int, int]]] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    lanes: list[Lane] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    exits: list[int] = field(default_factory=list)
    local: dict[int, int] = field(default_factory=dict)
    layout: Layout = field(default_factory=Layout)
    fixed: FixedLayout | None = None
    key: Any = None

    def entry(self, k: int) -> str:
        """The id of the port, or of the node, at which a lane enters."""
        return (self.fixed.entry if self.fixed else "") or f"i{k}"

    def exit(self, k: int) -> str:
        """The id of the port, or of the node, at which a value leaves."""
        return (self.fixed.entry if self.fixed else "") or f"e{k}"

    def node(self, index: int) -> str:
        """The id of the node that computes a value."""
        return self.fixed.sources[index] if self.fixed else f"n{self.local[index]}"


class Wiring:
    """The steps from left to right, and how values reach them.

    slot       item -> what is equal for the same value in every step: (loop, name, number among the values of that name)
    stateful   the slots of states: each step hands them to the next
    buses      slot -> the items that its bus carries
    weights    the leaves that stand on the bar below the steps, in order
    """

    def __init__(self, timeline: Timeline):
        self.timeline, self.items = timeline, timeline.items
        groups = [
            (BEFORE, "", timeline.before),
            *((i, c.label, c.items) for i, c in enumerate(timeline.columns)),
            (timeline.end, "", timeline.after),
        ]
        self.steps = [Step(n, label, members) for n, label, members in groups if members]
        if not self.steps:
            self.steps = [Step(0, "", [])]
        self.position = {s.number: i for i, s in enumerate(self.steps)}
        self.slot: dict[int, tuple[Any, ...]] = {}
        for step in self.steps:
            step.local = {index: k for k, index in enumerate(step.items)}
            self._slots(step)
        self.initial = self._initial_states()
        self.reused = self._reused()
        self.weights: dict[int, None] = {}
        self.buses: dict[Any, list[int]] = {}
        self.stateful: set[Any] = set()
        for i, step in enumerate(self.steps):
            self._sources(i, step)
        self._leaving()

    def _slots(self, step: Step) -> None:
        """Give each item of the step its slot."""
        count: dict[Any, int] = {}
        loop = self.timeline.columns[step.number].loop if 0 <= step.number < self.timeline.end else step.number
        for index in step.items:
            item = self.items[index]
            key = (loop, item.name or item.label)
            count[key] = count.get(key, 0) + 1
            self.slot[index] = (*key, count[key])

    def _reused(self) -> set[int]:
        """The values from before the steps that more than one step reads. They are drawn as chips."""
        first: dict[int, int] = {}
        found = set()
        for step in self.steps[self.steps[0].number == BEFORE :]:
            for a in {a for index in step.items for a in self.items[index].args if self.items[a].column == BEFORE}:
                if first.setdefault(a, step.number) != step.number:
                    found.add(a)
        return found

    # ---- how values arrive

    def _initial_states(self) -> dict[tuple[int, int], int]:
        """(item, argument) of a first step that reads an initial state -> the state that the next step reads in its place."""
        found: dict[tuple[int, int], int] = {}
        for first, second in zip(self.steps, self.steps[1:], strict=False):
            if len(first.items) != len(second.items) or not 0 <= first.number < second.number < self.timeline.end:
                continue
            pairs = [(self.items[a], self.items[b]) for a, b in zip(first.items, second.items, strict=True)]
            if any(a.label != b.label or len(a.args) != len(b.args) for a, b in pairs):
                continue
            for a, b in pairs:
                for p, (x, y) in enumerate(zip(a.args, b.args, strict=True)):
                    if self.items[y].column == first.number and self.items[x].leaf and not self.items[y].leaf and x not in b.args:
                        found[a.index, p] = y
            break
        return found

    def _sources(self, i: int, step: Step) -> None:
        """Find out for all arguments of a step where they come from."""
        far = self._far(i, step)
        lanes: dict[Lane, int] = {}
        inputs: dict[int, int] = {}
        for index in step.items:
            item = self.items[index]
            row: list[Source | None] = []
            chips: list[tuple[int, int]] = []
            numbers: dict[int, str] = {}
            for p, a in enumerate(item.args):
                row.append(self._source(step, item, p, a, far, lanes, inputs, chips, numbers))
            step.sources.append(row)
            step.chips.append(chips)
            step.labels.append(_with_numbers(item, numbers))
        step.lanes, step.inputs = list(lanes), list(inputs)

    def _far(self, i: int, step: Step) -> set[Any]:
        """The slots that the step reads from further back than the step before. They come by a bus."""
        found = set()
        before = self.steps[i - 1].number if i else None
        for index in step.items:
            for a in self.items[index].args:
                column = self.items[a].column
                if not self.items[a].leaf and column not in (step.number, before) and column != BEFORE:
                    found.add(self.slot[a])
        return found

    def _source(
        self,
        step: Step,
        item: Item,
        position: int,
        a: int,
        far: set[Any],
        lanes: dict[Lane, int],
        inputs: dict[int, int],
        chips: list[tuple[int, int]],
        numbers: dict[int, str],
    ) -> Source | None:
        arg = self.items[a]
        if (item.index, position) in self.initial:
            return "state", lanes.setdefault(("start", (a, self.initial[item.index, position])), len(lanes))
        if arg.leaf == "start" and step.label:
            return "state", lanes.setdefault(("start", (a, a)), len(lanes))
        if arg.leaf == "number":
            numbers[position] = arg.label
            return None
        apart = arg.caption and not self.timeline.end  # a node of its own, because a chip has no caption
        if arg.leaf and not apart and (arg.leaf == "parameter" or arg.column is None or (arg.leaf == "argument" and step.label)):
            chips.append((position, a))
            self.weights[a] = None
            return None
        if arg.leaf:
            return "in", inputs.setdefault(a, len(inputs))
        if arg.column == step.number:
            return "op", step.local[a]
        if arg.column == BEFORE and (a in self.reused or self.position[step.number] != 1):
            chips.append((position, a))
            return None
        if self.slot[a] in far:
            slot = self.slot[a]
            members = self.buses.setdefault(slot, [])
            members.append(a)
            return "state", lanes.setdefault(("bus", slot), len(lanes))
        return "state", lanes.setdefault(("item", a), len(lanes))

    # ---- how values leave

    def _leaving(self) -> None:
        for slot, members in self.buses.items():
            self.buses[slot] = list(dict.fromkeys(members))
        risers = {a for members in self.buses.values() for a in members}
        risers |= {o for o in self.timeline.outputs if self._is_step(o)}
        for i, step in enumerate(self.steps):
            step.outputs = [a for a in step.items if a in risers]
            self._tell_apart(step.outputs)
            if i + 1 < len(self.steps):
                wanted = [lane for lane in self.steps[i + 1].lanes if lane[0] == "item"]
                step.exits = [a for _, a in wanted if a in step.local]
                self.stateful |= {self.slot[a] for a in step.exits} if step.label else set()

    def _tell_apart(self, outputs: list[int]) -> None:
        """Add primes to values without a name whose operations are alike."""
        labels = [self.value_label(a) for a in outputs]
        for k, a in enumerate(outputs):
            if not self.items[a].called and not self.items[a].given:
                self.items[a].suffix = "′" * labels[k + 1 :].count(labels[k])

    def _is_step(self, index: int) -> bool:
        column = self.items[index].column
        return column is not None and 0 <= column < self.timeline.end and not self.items[index].leaf

    # ---- labels

    def chips(self, step: Step, k: int) -> list[tuple[int, int]]:
        """The chips of an operation that are shown. The label of a block of many operations names its weights, so it has none for them."""
        block = self.items[step.items[k]].part == BLOCK
        return [(p, a) for p, a in step.chips[k] if not (block and self.items[a].leaf)]

    def words(self, step: Step, k: int) -> tuple[str, ...]:
        """The texts of these chips."""
        return tuple(self.chip(a) for _, a in self.chips(step, k))

    def chip(self, a: int) -> str:
        """The text of a chip."""
        item = self.items[a]
        if item.at:
            return text.indexed(item.label, item.at) + item.cut
        return text.ending(item.label + item.cut if item.leaf else item.called or item.label, 12)

    def leaf_label(self, a: int, step: str | None = None) -> str:
        """The label of an input: x₃. With `step` that digit stands for each digit of the step, so that equal steps give equal widths."""
        item = self.items[a]
        if item.at is not None:
            return (text.indexed(item.label, item.at if step is None else step * len(item.at)) if item.at else item.label) + item.cut
        name = text.clean(item.label, 12)
        if item.column is None or not 0 <= item.column < self.timeline.end:
            return name + item.cut
        return text.indexed(name, self._step(item) if step is None else step * len(str(self._step(item)))) + item.cut

    def value_label(self, a: int, step: str | None = None) -> str:
        """The label of an output: y₃; of the part of a gradient that some steps give, ∂W[3:]. `step` is as for `leaf_label`."""
        item = self.items[a]
        name = text.short(item.called or item.given or item.label, 16) + (item.suffix if not item.called else "")
        if item.at == "" or item.column is None or not 0 <= item.column < self.timeline.end:
            return name
        at = self._step(item)
        if item.partial:
            done = f"{at}:" if self.timeline.columns[item.column].backwards else f":{at + 1}"
            return f"{name}[{done if step is None else step * len(done)}]"
        at = at if item.time is None else item.time
        return text.indexed(name, at if step is None else step * len(str(at)))

    def initial_label(self, start: tuple[int, int]) -> str:
        """The label of an initial state: h₋₁, or h₋₁ = 0 where it is a number."""
        leaf, state = self.items[start[0]], self.items[start[1]]
        column = self.timeline.columns[state.column or 0]
        before = column.step + (1 if column.backwards else -1)
        name = text.indexed(text.short(state.called, 16), before) if state.called else ""
        if column.gradient and (state.called or "").startswith("∂"):
            name = f"{text.short(state.called, 16)}[{f'{before}:' if column.backwards else f':{before + 1}'}]"
        if leaf.leaf == "start":
            return f"{name} = {leaf.label}" if name and leaf.label else name or leaf.label or "start"
        value = leaf.node.value
        if leaf.leaf == "number" or (leaf.leaf == "constant" and value.size and (value == value.flat[0]).all()):
            first = text.constant(value.flat[0])
            return f"{name} = {first}" if name else first
        return name or text.clean(leaf.name or leaf.label, 12)

    def _step(self, item: Item) -> int:
        assert item.column is not None
        return self.timeline.columns[item.column].step


def _with_numbers(item: Item, numbers: dict[int, str]) -> str:
    """The label of an operation with the numbers that it reads: '1 −', '× 2'."""
    label = text.clean(item.label, 48 if item.part == BLOCK else 24)
    if item.called and (item.named or item.caption) and not item.folded:
        rest = f" {', '.join(numbers.values())}" if numbers and 0 not in numbers else ""
        first = f"{numbers[0]} " if 0 in numbers else ""
        return f"{text.short(item.called, 16)} = {first}{label}{rest}"
    if not numbers or item.folded:
        return label
    if len(item.args) == 2 and 0 in numbers:
        return f"{numbers[0]} {label}" + (f" {numbers[1]}" if 1 in numbers else "")
    return f"{label} " + ", ".join(numbers.values())
