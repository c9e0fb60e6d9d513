"""rolled(...): one step of a loop with its states as feedback edges, and beside it the same loop unrolled."""

from __future__ import annotations

from typing import Any

from . import legend, style, text
from .aligned import scene_of
from .colours import Colours
from .drawing import Drawing
from .errors import DrawingError
from .layout import OUTSIDE
from .row import MARGIN
from .scene import Frame, Part, Placed, Point, Scene, Shape, Wire, Word
from .steps import laid_out
from .tiles import HEAVY, StepBox, surroundings, tile
from .timeline import Timeline
from .unrolled import timeline_of
from .unrolling import graph_of, is_computed
from .wiring import Step

FIRST, PITCH = 26.0, 19.0  # from the box to the first feedback edge, and from there to the next
DELAY = 15.0


def rolled(what: Any, *args: Any, level: str = "box", steps: int | None = None) -> Drawing:
    """Draw a loop as one step, with a feedback edge for each state. The square on the edge is a delay of one step.

    what     as for `unrolled`: a Graph with a scan, a function and its arguments, or a tensor computed in scoped steps
    level    "box", "cell", "gate" or "op": how much of the step is shown
    steps    draw the same loop beside it, after an equals sign, unrolled over so many steps

    Raises DrawingError where there is no loop in which a step reads the one before it.
    """
    length = _length(what, args)
    timeline, _ = timeline_of(what, args, 3, None, level)
    scene = _RolledScene(timeline, level, length).scene()
    if steps is None:
        return Drawing(scene)
    unrolled_timeline, _ = timeline_of(what, args, steps, None, level)
    return Drawing(_beside(scene, scene_of(_only_steps(unrolled_timeline), Colours(), 12, level)))


def _length(what: Any, args: Any) -> int | None:
    if is_computed(what):
        return None
    found = [n.attrs["length"] for n in graph_of(what, args).nodes if n.op.name == "scan"]
    if not found:
        raise DrawingError("rolled: the graph has no scan, so nothing is rolled up in it; draw it with viz.unrolled")
    return int(getattr(found[0], "hint", found[0]))


def _only_steps(timeline: Timeline) -> Timeline:
    """The timeline without the operations after the steps. Values that these read become results."""
    columns = {i for c in timeline.columns for i in c.items}
    used = {a for i in timeline.after for a in timeline.items[i].args if a in columns}
    outputs = [i for i in sorted(columns) if i in used or i in timeline.outputs]
    return Timeline(timeline.items, timeline.columns, timeline.before, [], outputs, timeline.title)


class _RolledScene:
    def __init__(self, timeline: Timeline, level: str, length: int | None):
        self.timeline = _only_steps(timeline)
        self.wiring = laid_out(self.timeline, level)
        self.length = length or len(timeline.columns)
        self.step = self._inner_step()
        self.part = Part()

    def _inner_step(self) -> Step:
        """The first step that reads the step before it and is read by the next one."""
        for a, b in zip(self.wiring.steps, self.wiring.steps[1:], strict=False):
            if any(kind in ("item", "start") for kind, _ in a.lanes) and a.exits and b.lanes:
                self.after = b
                return a
        raise DrawingError("rolled: no step reads the one before it, so there is no loop to draw; see viz.unrolled")

    def scene(self) -> Scene:
        step, layout = self.step, self.step.layout
        lanes = [self.after.layout.lanes[self.after.lanes.index(("item", a))] for a in step.exits]
        self.box = StepBox(layout.height)
        upper, lower = self._sides(lanes)
        up, down = (FIRST + PITCH * (len(side) - 1) + 14 if side else OUTSIDE for side in (upper, lower))
        self.box = StepBox(layout.height, max(up, OUTSIDE), max(down, OUTSIDE))
        reach = FIRST + PITCH * (max(len(upper), len(lower)) - 1)
        self.x = MARGIN + reach + 10
        above = max(-self.box.above() + 11 if step.outputs else 0, FIRST + PITCH * len(upper) if upper else 0)
        self.top = MARGIN + 16 + above
        inner = tile(self.wiring, step, lanes, self.box, Colours())
        around = surroundings(self.wiring, step, self.box, Colours())
        around.shapes = [self._with_t(s) for s in around.shapes]
        loop = self.timeline.columns[step.number].loop.rsplit("/", 1)[-1]
        compact = step.fixed is not None and bool(step.fixed.entry)
        frame = Frame(self.x, self.top, layout.width, self.box.height, "" if compact else text.clean(loop, 24), *style.FRAME, style.GREEN)
        placed = [Placed(around, self.x, self.top, "r_"), Placed(inner, self.x, self.top, "r_", frame)]
        for side, members in ((-1, upper), (1, lower)):
            for rank, (k, y) in enumerate(members):
                self._loop(k, self.top + self.box.height - y, side, rank)
        last = self.timeline.columns[0].step + self.length - 1
        first = self.timeline.columns[0].step
        right = self.x + layout.width + reach + 34
        self.part.words.append(Word(right - 10, MARGIN + 6, f"t = {min(first, last)} … {max(first, last)}", 10, style.MUTED, "end"))
        bottom = (
            self.top
            + self.box.height
            + max(self.box.below() - self.box.height + 11 if step.inputs else 0, FIRST + PITCH * len(lower) if lower else 0)
        )
        placed.append(Placed(self.part, prefix="r_"))
        bottom = self._weights(bottom)
        kinds = [k for k in style.LOOKS if k in {s.look for p in placed for s in p.part.shapes} and k not in ("chip", "elided")]
        marks, width, bottom = legend.kinds(kinds, MARGIN, bottom + 10, right)
        placed.append(Placed(marks))
        return Scene(max(right, width) + MARGIN, bottom + 8, placed, text.clean(self.timeline.title, 60))

    def _sides(self, lanes: list[float]) -> tuple[list[tuple[int, float]], list[tuple[int, float]]]:
        """(feedback edges above the box, those below it), the inner ones first. Each takes the nearer side."""
        ranked = sorted(enumerate(lanes), key=lambda pair: -pair[1])
        half = (len(ranked) + 1) // 2 if len(ranked) > 1 else int(lanes[0] * 2 > self.box.height) if lanes else 0
        return ranked[:half], ranked[half:][::-1]

    def _loop(self, exit: int, y: float, side: int, rank: int) -> None:
        """Draw a feedback edge from the right border to the left one, with its delay."""
        distance = FIRST + PITCH * rank
        compact = bool(self.step.fixed and self.step.fixed.entry)
        edge = self.top if side < 0 else self.top + self.box.height
        level = edge + side * distance
        left, right = self.x - distance + 4, self.x + self.step.layout.width + distance - 4
        middle = self.x + 12.0 if side > 0 or compact else self.x + 64.0
        lane = self.after.lanes.index(("item", self.step.exits[exit]))
        points: tuple[Point, ...] = ((right - distance + 4, y), (right, y), (right, level), (middle + DELAY / 2, level))
        back: tuple[Point, ...] = ((middle - DELAY / 2, level), (left, level), (left, y), (self.x, y))
        self.part.wires.append(Wire(points, self.step.exit(exit), f"d{exit}", True, HEAVY, style.STATE, id=f"loop{exit}"))
        self.part.wires.append(Wire(back, f"d{exit}", self.step.entry(lane), compact, HEAVY, style.STATE))
        self.part.shapes.append(Shape(f"d{exit}", middle, level, DELAY, DELAY, "delay", "1", "square", size=9.5))
        item = self.wiring.items[self.step.exits[exit]]
        if item.name:
            self.part.words.append(Word(right - 9, level - 7, text.clean(item.name, 8), 10, style.TEXT, "end", f"loop{exit}"))

    def _with_t(self, shape: Shape) -> Shape:
        """An input or an output with the index t: xₜ."""
        index = (self.step.inputs if shape.id[0] == "x" else self.step.outputs)[int(shape.id[1:])]
        item = self.wiring.items[index]
        name = self.wiring.items[index].label if item.leaf else item.name or item.label
        return shape._replace(label=text.indexed(text.clean(name, 12), "t") if item.column is not None else shape.label)

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
    for scene, dx in ((left, 0.0), (right, left.width + gap)):
        dy = (height - scene.height) / 2
        for p in scene.placed:
            frame = p.frame._replace(x=p.frame.x + dx, y=p.frame.y + dy) if p.frame else None
            placed.append(Placed(p.part, p.dx + dx, p.dy + dy, p.prefix, frame))
    equals = Part(words=[Word(left.width + gap / 2, height / 2 - 10, "=", 40, style.TEXT)])
    placed.append(Placed(equals))
    return Scene(left.width + gap + right.width, height, placed, right.title, right.notes)
