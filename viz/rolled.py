"""rolled(...): one step of each loop with its states as feedback edges, and beside it the same loop unrolled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from typing import Any

from minigrad import Graph

from . import foreign, legend, style, text
from .aligned import scene_of
from .colours import Colours
from .drawing import Drawing
from .errors import DrawingError
from .layout import OUTSIDE
from .logical import LogicalPart, feedback
from .rows import split
from .scene import MARGIN, Frame, Part, Placed, Point, Scene, Shape, Wire, Word
from .steps import laid_out
from .tiles import HEAVY, StepBox, surroundings, tile
from .timeline import StepKey, Timeline, step_key
from .unrolled import timeline_of
from .unrolling import graph_of, is_computed
from .wiring import Step, Wiring

FIRST, PITCH = 26.0, 19.0  # from the box to the first feedback edge, and from there to the next
DELAY = 15.0


def rolled(what: Any, *args: Any, level: str = "box", steps: int | None = None) -> Drawing:
    """Draw each loop as one step, with a feedback edge for each state. The square on the edge is a delay of one step.

    Loops that run one after the other, or in opposite directions, are boxes below each other.

    what     as for `unrolled`: a Graph with a scan, a function and its arguments, a tensor computed in scoped steps, or the graph of
             another library
    level    "box", "cell", "gate" or "op": how much of the step is shown
    steps    draw the same loop beside it, after an equals sign, unrolled over so many steps

    Raises DrawingError where there is no loop in which a step reads the one before it, and where the steps of a loop differ.
    """
    whole = what if is_computed(what) else _with_all_results(graph_of(what, args))
    lengths = {} if is_computed(what) else _lengths(whole)
    given = args if is_computed(what) else ()
    timeline, _ = timeline_of(whole, given, 3, None, level)
    timeline.notes += foreign.notes(what)
    if level == "gate":  # the lines of a step follow each other in one way or another, so it is operations that are compared
        _require_alike(_boxes(timeline_of(whole, given, 3, None, "op")[0], "op", lengths))
    boxes = _boxes(timeline, level, lengths)
    if level != "gate":
        _require_alike(boxes)
    scene = _scene(timeline, boxes)
    parts = {f"{n + 1}. {box.name}" if len(boxes) > 1 else box.name: box.logical(level) for n, box in enumerate(boxes)}
    if steps is None:
        return Drawing(scene, lambda: parts)
    steps_alone = _only_steps(timeline_of(whole, given, steps, None, level)[0])
    beside = _beside(scene, scene_of(steps_alone, Colours(), 12, level))
    return Drawing(beside, lambda: {**parts, "unrolled": LogicalPart(steps_alone, Colours(), level == "box", 12)})


def _with_all_results(graph: Graph) -> Graph:
    """The graph with all results of its loops, so that no step looks emptier because only the last one's result is read."""
    inner = {a for n in graph.nodes if n.op.name == "scan" for a in n.args}
    results = [n for n in graph.nodes if n.op.name == "item" and n.args[0].op.name == "scan" and n not in inner]
    return Graph(graph.params, (*graph.outputs, *results), graph.name)


def _lengths(graph: Graph) -> dict[str, set[int]]:
    """{name of a loop: how many steps the loops of this name have}."""
    found: dict[str, set[int]] = {}
    for node in graph.nodes:
        if node.op.name == "scan":
            name = node.attrs["body"].name + ("←" if node.attrs["reverse"] else "")
            found.setdefault(name, set()).add(int(getattr(node.attrs["length"], "hint", node.attrs["length"])))
    return found


def _only_steps(timeline: Timeline) -> Timeline:
    """The timeline without the operations after the steps. Values that these read become results."""
    columns = {i for c in timeline.columns for i in c.items}
    used = {a for i in timeline.after for a in timeline.items[i].args if a in columns}
    outputs = [i for i in sorted(columns) if i in used or i in timeline.outputs]
    return Timeline(timeline.items, timeline.columns, timeline.before, [], outputs, timeline.title)


def _boxes(timeline: Timeline, level: str, lengths: Mapping[str, set[int]]) -> list[_Box]:
    """One box for each loop, or for loops that run together."""
    boxes: list[_Box] = []
    for row in split(timeline):
        if row.gradient or not row.timeline.columns:
            continue
        wiring = laid_out(_only_steps(row.timeline), level)
        for steps in _together(wiring):
            boxes.append(_Box(wiring, steps, lengths, f"r{len(boxes) or ''}_", row.backwards))
    if not boxes:
        raise DrawingError("rolled: the graph has no scan and no loop in Python, so nothing is rolled up in it; draw it with viz.unrolled")
    if not any(box.after for box in boxes):
        raise DrawingError("rolled: no step reads the one before it, so there is no loop to draw; see viz.unrolled")
    return boxes


def _scene(timeline: Timeline, boxes: Sequence[_Box]) -> Scene:
    """The boxes below each other, with one legend."""
    bottom, right, placed = 0.0, 0.0, []
    for box in boxes:
        parts, width, bottom = box.draw(bottom, several=len(boxes) > 1)
        placed += parts
        right = max(right, width)
    kinds = [k for k in style.LOOKS if k in {s.look for p in placed for s in p.part.shapes} and k not in ("chip", "elided")]
    marks, width, bottom = legend.kinds(kinds, MARGIN, bottom + 10, right)
    placed.append(Placed(marks))
    notes = timeline.notes + _left_out(timeline, {i for box in boxes for i in box.step.items})
    return Scene(max(right, width) + MARGIN, bottom + 8, placed, text.clean(timeline.title, 60), notes)


def _left_out(timeline: Timeline, drawn: Collection[int]) -> list[str]:
    """Sentences about the operations that no box shows: those of no step, and gradients."""
    rest = [i for i in timeline.items if not i.leaf and i.index not in drawn]
    outside = dict.fromkeys(text.clean(i.label, 24) for i in rest if i.node.origin.vjp_of is None and step_key(i.node) is None)
    found = [f"operations outside the steps are left out: {', '.join(outside)}"] if outside else []
    found += ["the loops that compute gradients are left out"] if any(i.node.origin.vjp_of is not None for i in rest) else []
    return [f"{note}; viz.unrolled draws them" for note in found]


def _together(wiring: Wiring) -> list[list[Step]]:
    """The steps of each loop. Loops that share columns, such as the layers of a stack, are together."""
    found: list[tuple[set[str], list[Step]]] = []
    seen: set[StepKey] = set()
    for step in wiring.steps:
        keys = {key for i in step.items if (key := step_key(wiring.items[i].node))} if step.label else set()
        loops = {key.loop for key in keys}
        if step.label and found and found[-1][0] & loops and not seen & keys:
            found[-1][0].update(loops)
            found[-1][1].append(step)
        elif step.label:
            found.append((loops, [step]))
            seen = set()
        seen |= keys
    return [steps for _, steps in found]


def _computes(wiring: Wiring, step: Step) -> Counter[Any]:
    """What a step computes: for each operation its label without a name, its weights, and the operations of the step that it reads."""
    own = set(step.items)
    return Counter(
        (
            label.rpartition(" = ")[2],
            tuple(wiring.items[a].label for _, a in chips if wiring.items[a].leaf and wiring.items[a].at is None),
            tuple(wiring.items[a].label for a in wiring.items[index].args if a in own),
        )
        for index, label, chips in zip(step.items, step.labels, step.chips, strict=True)
        if step_key(wiring.items[index].node) is not None
    )


def _require_alike(boxes: Sequence[_Box]) -> None:
    """Raises DrawingError where a step of a loop computes what the drawn step does not."""
    for box in boxes:
        drawn = _computes(box.wiring, box.step)
        for step in (*box.steps[1:], box.steps[0]):  # the first one may differ in constants
            more = [" ".join((label, *weights)) for label, weights, _ in _computes(box.wiring, step) - drawn]
            if more:
                words = ", ".join(f"'{text.clean(w, 24)}'" for w in more[:3]) + (" …" if len(more) > 3 else "")
                raise DrawingError(
                    f"rolled: the steps differ: {step.label} computes {words}, and {box.step.label} does not, so no one step stands "
                    "for all; draw them with viz.unrolled"
                )


class _Box:
    """One step for a loop, with its feedback edges. `after` is the step that reads it, None where no step does."""

    def __init__(self, wiring: Wiring, steps: Sequence[Step], lengths: Mapping[str, set[int]], prefix: str, backwards: bool):
        self.wiring, self.timeline, self.prefix = wiring, wiring.timeline, prefix
        self.backwards, self.direction = backwards, "← backwards in time" if backwards else "forward →"
        self.step, self.after = self._inner_step(steps)
        self.steps = steps
        columns = [self.timeline.columns[s.number] for s in steps]
        keys = (step_key(wiring.items[i].node) for s in steps for i in s.items)
        counts = {n for key in keys if key for n in lengths.get(key.loop.rsplit("/", 1)[-1], ())}
        first = min(c.step for c in columns)
        ends = [(first, first + n - 1)[:: -1 if backwards else 1] for n in sorted(counts or {len(columns)}, reverse=True)]
        self.times = ", ".join(f"t = {a} … {b}" for a, b in ends)
        self.part = Part()

    def _inner_step(self, steps: Sequence[Step]) -> tuple[Step, Step | None]:
        """Of the steps that read the step before them and are read by the next one, the first that computes the most, and the next."""
        pairs = [
            (a, b)
            for a, b in pairwise(steps)
            if any(kind in ("item", "start") for kind, _ in a.lanes) and any(lane == ("item", e) for e in a.exits for lane in b.lanes)
        ]
        return max(pairs or [(s, None) for s in steps], key=lambda pair: self._own(pair[0]))

    def _own(self, step: Step) -> tuple[int, int]:
        """(how many operations belong to the step, minus how many only stand in it)."""
        own = sum(step_key(self.wiring.items[i].node) is not None for i in step.items)
        return own, own - len(step.items)

    @property
    def name(self) -> str:
        """The name of the loop in the logical graph."""
        return f"{self.timeline.columns[self.step.number].loop}, {self.times}"

    def logical(self, level: str) -> LogicalPart:
        again = list(feedback(self.step, self.after))
        return LogicalPart(self.timeline, Colours(), level == "box", only={self.step.number}, feedback=again)

    def draw(self, top: float, several: bool) -> tuple[list[Placed], float, float]:
        """(parts, right end, lower end) of the box below `top`; one of several boxes, or one backwards, says its direction."""
        step, layout = self.step, self.step.layout
        lanes = [self.after.layout.lanes[self.after.lanes.index(("item", a))] if self._fed_back(a) else 0.0 for a in step.exits]
        self.box = StepBox(layout.height)
        upper, lower = self._sides([(k, y) for k, y in enumerate(lanes) if self._fed_back(step.exits[k])])
        up, down = (FIRST + PITCH * (len(side) - 1) + 14 if side else OUTSIDE for side in (upper, lower))
        self.box = StepBox(layout.height, max(up, OUTSIDE), max(down, OUTSIDE))
        reach = FIRST + PITCH * (max(len(upper), len(lower)) - 1)
        self.x = MARGIN + reach + 10
        above = max(-self.box.above() + 11 if step.outputs else 0, FIRST + PITCH * len(upper) if upper else 0)
        self.top = top + MARGIN + 16 + above
        inner = tile(self.wiring, step, lanes, self.box, Colours())
        around = surroundings(self.wiring, step, self.box, Colours())
        around.shapes = [self._with_t(s) for s in around.shapes]
        loop = self.timeline.columns[step.number].loop.rsplit("/", 1)[-1]
        compact = step.fixed is not None and bool(step.fixed.entry)
        frame = Frame(self.x, self.top, layout.width, self.box.height, "" if compact else text.clean(loop, 24), *style.FRAME, style.GREEN)
        placed = [Placed(around, self.x, self.top, self.prefix), Placed(inner, self.x, self.top, self.prefix, frame)]
        for side, members in ((-1, upper), (1, lower)):
            for rank, (k, y) in enumerate(members):
                self._loop(k, self.top + self.box.height - y, side, rank)
        right = self.x + layout.width + reach + 34
        self.part.words.append(Word(right - 10, top + MARGIN + 6, self.times, 10, style.MUTED, "end"))
        if several or self.backwards:
            self.part.words.append(Word(MARGIN, top + MARGIN + 6, self.direction, 10, style.MUTED, "start"))
            right = max(right, MARGIN + text.width(f"{self.direction}  {self.times}", 10) + 24)
        bottom = (
            self.top
            + self.box.height
            + max(self.box.below() - self.box.height + 11 if step.inputs else 0, FIRST + PITCH * len(lower) if lower else 0)
        )
        placed.append(Placed(self.part, prefix=self.prefix))
        return placed, right, self._weights(bottom)

    def _fed_back(self, item: int) -> bool:
        return self.after is not None and ("item", item) in self.after.lanes

    def _sides(self, lanes: list[tuple[int, float]]) -> tuple[list[tuple[int, float]], list[tuple[int, float]]]:
        """(feedback edges above the box, those below it), the inner ones first. Each takes the nearer side."""
        ranked = sorted(lanes, key=lambda pair: -pair[1])
        half = (len(ranked) + 1) // 2 if len(ranked) > 1 else int(lanes[0][1] * 2 > self.box.height) if lanes else 0
        return ranked[:half], ranked[half:][::-1]

    def _loop(self, exit: int, y: float, side: int, rank: int) -> None:
        """Draw a feedback edge from the right border to the left one, with its delay."""
        distance = FIRST + PITCH * rank
        compact = bool(self.step.fixed and self.step.fixed.entry)
        edge = self.top if side < 0 else self.top + self.box.height
        level = edge + side * distance
        left, right = self.x - distance + 4, self.x + self.step.layout.width + distance - 4
        middle = self.x + 12.0 if side > 0 or compact else self.x + 64.0
        assert self.after is not None
        lane = self.after.lanes.index(("item", self.step.exits[exit]))
        points: tuple[Point, ...] = ((right - distance + 4, y), (right, y), (right, level), (middle + DELAY / 2, level))
        back: tuple[Point, ...] = ((middle - DELAY / 2, level), (left, level), (left, y), (self.x, y))
        self.part.wires.append(Wire(points, self.step.exit(exit), f"d{exit}", True, HEAVY, style.STATE, id=f"loop{exit}"))
        self.part.wires.append(Wire(back, f"d{exit}", self.step.entry(lane), compact, HEAVY, style.STATE))
        self.part.shapes.append(Shape(f"d{exit}", middle, level, DELAY, DELAY, "delay", "1", "square", size=9.5))
        item = self.wiring.items[self.step.exits[exit]]
        if item.name:
            self.part.words.append(Word(right - 9, level - 7, text.clean(item.called, 16), 10, style.TEXT, "end", f"loop{exit}"))

    def _with_t(self, shape: Shape) -> Shape:
        """An input or an output with the index t: xₜ."""
        index = (self.step.inputs if shape.id[0] == "x" else self.step.outputs)[int(shape.id[1:])]
        item = self.wiring.items[index]
        name = self.wiring.items[index].label if item.leaf else item.called or item.label
        return shape._replace(label=text.indexed(text.clean(name, 16), "t") if item.column is not None else shape.label)

    def _weights(self, bottom: float) -> float:
        """Write the names of the weights below the box. Gives the lower end."""
        users = [a for row in self.step.chips for _, a in row if self.wiring.items[a].leaf]
        if not users:
            return bottom
        names = [
            f"{text.ending(i.label, 16)} ({text.shape(i.node.type.shape)})" for i in (self.wiring.items[a] for a in dict.fromkeys(users))
        ]
        for line in names:
            bottom += 15
            self.part.words.append(Word(self.x, bottom, line, 10, style.LOOKS["parameter"].stroke, "start"))
        return bottom + 6


def _beside(left: Scene, right: Scene) -> Scene:
    """Two scenes beside each other with an equals sign between them."""
    gap = 44.0
    height = max(left.height, right.height)
    placed = []
    for scene, dx, side in ((left, 0.0, "a_"), (right, left.width + gap, "b_")):
        dy = (height - scene.height) / 2
        for p in scene.placed:
            frame = p.frame._replace(x=p.frame.x + dx, y=p.frame.y + dy) if p.frame else None
            placed.append(Placed(p.part, p.dx + dx, p.dy + dy, side + p.prefix, frame))
    equals = Part(words=[Word(left.width + gap / 2, height / 2 - 10, "=", 40, style.TEXT)])
    placed.append(Placed(equals))
    return Scene(left.width + gap + right.width, height, placed, right.title, list(dict.fromkeys(left.notes + right.notes)))
