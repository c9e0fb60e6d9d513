"""A step of several layers, such as those of a stack: their cells above each other, so that a drawing is a grid of layers and time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from . import style
from .geometry import Point
from .layout import OUTSIDE, FixedLayout, FixedWord, Layout, Panel
from .wiring import Step, Wiring

GAP = 34.0  # between two layers
PAD = 9.0
Draw = Callable[[Wiring, Step], FixedLayout | None]


def draw(wiring: Wiring, step: Step, cell: Draw) -> FixedLayout | None:
    """The cells of all layers, each drawn by `cell`; None where there is one layer, or where a layer is no known cell."""
    layers = _layers(wiring, step)
    if len(layers) < 2:
        return None
    drawn = []
    for layer in layers:
        fixed = cell(wiring, layer)
        if fixed is None:
            return None
        drawn.append(fixed)
    return _Grid(wiring, step, layers, drawn).fixed


def _layers(wiring: Wiring, step: Step) -> list[Step]:
    """A step for each value named h: what it, and a readout y of it, is computed from, without the layers below. The last has the rest."""
    items = wiring.items
    ends, states, readouts = ([i for i in step.items if items[i].name == name and items[i].named] for name in "hcy")
    taken: set[int] = set()
    groups: list[set[int]] = []
    for n, h in enumerate(ends):
        mine = {h, *(c for c in states if c not in taken and _reads(wiring, h, c)), *(y for y in readouts if _reads(wiring, y, h))}
        for i in reversed(step.items):
            if i in mine and i not in taken:
                mine.update(a for a in items[i].args if a in step.local and a not in taken)
        if n == len(ends) - 1:
            mine |= {i for i in step.items if i not in taken}
        taken |= mine
        groups.append(mine)
    return _steps(wiring, step, [sorted(g) for g in groups])


def _reads(wiring: Wiring, value: int, other: int) -> bool:
    """Whether a value is computed from another one through operations without a name."""
    stack, seen = [value], set()
    while stack:
        i = stack.pop()
        for a in wiring.items[i].args:
            if a == other:
                return True
            if a not in seen and not wiring.items[a].leaf and not wiring.items[a].named:
                seen.add(a)
                stack.append(a)
    return False


def _steps(wiring: Wiring, step: Step, groups: Sequence[Sequence[int]]) -> list[Step]:
    """A step for each group. Its input is the output of the layer below. Empty where a layer has another input, or several outputs."""
    items, found = wiring.items, []
    for n, group in enumerate(groups):
        inside = set(group)
        outside = {a for i in group for a in items[i].args if a not in inside}
        lanes = [lane for k, lane in enumerate(step.lanes) if any(("state", k) in step.sources[step.local[i]] for i in group)]
        inputs = [a for a in step.inputs if a in outside] + [a for a in step.items if a in outside]
        above = {a for later in groups[n + 1 :] for i in later for a in items[i].args}
        outputs = [i for i in group if i in step.outputs or i in above]
        if n and inputs != found[-1].outputs:
            return []
        layer = Step(step.number, step.label, list(group), inputs=inputs, outputs=outputs, lanes=lanes)
        layer.exits = [i for i in step.exits if i in inside]
        found.append(layer)
    whole = sum(len(s.lanes) for s in found) == len(step.lanes) and all(len(s.outputs) == 1 for s in found[:-1])
    return found if whole else []


class _Grid:
    def __init__(self, wiring: Wiring, step: Step, layers: Sequence[Step], drawn: Sequence[FixedLayout]):
        self.wiring, self.step = wiring, step
        width = max(f.layout.width for f in drawn) + 2 * PAD
        self.fixed = FixedLayout(Layout(width, 0.0, lanes=[0.0] * len(step.lanes)))
        exits: dict[int, tuple[Point, ...]] = {}
        y, riser = PAD, ()
        for n, (layer, fixed) in enumerate(zip(layers, drawn, strict=True)):
            riser = self._layer(n, layer, fixed, y, riser, exits)
            y += fixed.layout.height + GAP
        layout = self.fixed.layout
        layout.height = y - GAP + PAD
        layout.inputs = [(x + PAD, -OUTSIDE) for x, _ in drawn[0].layout.inputs]
        ahead = wiring.steps[wiring.position[step.number] + 1 :][:1]
        if not any(s.label for s in ahead):  # no step follows: values leave beside the layers
            exits = {i: (*points, (width - PAD / 2, points[-1][1])) for i, points in exits.items()}
        layout.exits = [exits[i] for i in step.exits]
        if step.outputs:
            top = (*riser[:-1], (riser[-1][0], layout.height + OUTSIDE))
            layout.risers, layout.outputs = [top], [top[-1]]

    def _layer(
        self, n: int, layer: Step, fixed: FixedLayout, y: float, below: tuple[Point, ...], exits: dict[int, tuple[Point, ...]]
    ) -> tuple[Point, ...]:
        """Add the cell of a layer at this height. `below` is the path from the output of the layer below. Gives the path of its own."""

        def moved(points: Sequence[Point]) -> tuple[Point, ...]:
            return tuple((px + PAD, py + y) for px, py in points)

        layout, mine = fixed.layout, f"l{n}"
        lanes = {f"i{k}": self.step.lanes.index(lane) for k, lane in enumerate(layer.lanes)}
        self.fixed.panels.append(Panel(PAD, y, self.fixed.layout.width - 2 * PAD, layout.height, "#FFFFFF", style.FRAME[1]))
        self.fixed.words.append(FixedWord(PAD + 8, y + layout.height - 10, f"layer {n}", "", 8.5, "start"))
        self.fixed.nodes += [m._replace(id=mine + m.id, x=m.x + PAD, y=m.y + y) for m in fixed.nodes]
        self.fixed.words += [w._replace(x=w.x + PAD, y=w.y + y, of=mine + w.of if w.of else "") for w in fixed.words]
        self.fixed.sources |= {i: mine + id for i, id in fixed.sources.items()}
        for k, lane in enumerate(layer.lanes):
            self.fixed.layout.lanes[self.step.lanes.index(lane)] = layout.lanes[k] + y
        for e in fixed.edges:
            points, tail = moved(e.points), mine + e.tail
            if e.tail in lanes:
                points, tail = ((0.0, points[0][1]), *points[1:]), f"i{lanes[e.tail]}"
            elif e.tail == "x0":
                points, tail = self._from_below(points, below, layer.inputs[0], y) if n else (((points[0][0], -OUTSIDE), points[-1]), "x0")
            self.fixed.edges.append(e._replace(points=points, tail=tail, head=mine + e.head))
        self.fixed.layout.dots += [(px + PAD, py + y) for px, py in layout.dots]
        exits |= {i: moved(points) for i, points in zip(layer.exits, layout.exits, strict=True)}
        return moved(layout.risers[0]) if layout.risers else ()

    def _from_below(self, points: tuple[Point, ...], below: tuple[Point, ...], value: int, y: float) -> tuple[tuple[Point, ...], str]:
        """The path from the output of the layer below to this input, through the middle of the gap."""
        level, x = y - GAP / 2, points[-1][0]
        return (*below[:-1], (below[-1][0], level), (x, level), points[-1]), self.fixed.sources[value]
