"""Lines: steps that are too many for one row go on below, as text does. What a step hands over a break is named at both ends."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import TypeVar

from . import style, text
from .legend import finished
from .row import RowScene
from .scene import MARGIN, Part, Placed, Port, Scene, Wire, Word
from .tiles import HEAVY

WRAP, WIDE = 2400.0, 2.5  # the greatest width of a line unless told otherwise: so much, or so many times its height
STUB, SIZE = 18.0, 8.5  # the length of a line that goes on elsewhere, and the size of the name at its end
BETWEEN = 24.0  # between two lines of several rows each
T = TypeVar("T")


def greatest(wrap: float | None, rows: Sequence[RowScene]) -> float:
    """The greatest width of a line of these rows."""
    return wrap if wrap is not None else max(WRAP, WIDE * sum(row.box.height for row in rows))


def broken(members: Sequence[T], width: Callable[[T], float], apart: Callable[[T, T], bool], wrap: float) -> list[list[T]]:
    """The members in lines about equally long, each no wider than `wrap` unless it has one member. Some neighbours stay together."""
    widths = [width(m) for m in members]
    total = sum(widths)
    if total <= wrap:
        return [list(members)]
    count = len(_filled(members, widths, apart, wrap))
    room = total / count
    while room < wrap and len(_filled(members, widths, apart, room)) > count:
        room *= 1.02
    return _filled(members, widths, apart, min(room, wrap))


def _filled(members: Sequence[T], widths: Sequence[float], apart: Callable[[T, T], bool], wrap: float) -> list[list[T]]:
    lines: list[list[T]] = []
    x = 0.0
    for m, wide in zip(members, widths, strict=True):
        if lines and (x + wide <= wrap or not apart(lines[-1][-1], m)):
            lines[-1].append(m)
            x += wide
        else:
            lines.append([m])
            x = wide
    return lines


def scene(row: RowScene, wrap: float | None) -> Scene:
    """The scene of one row, in lines, with a legend."""
    lines = broken(row.shown, lambda i: row.room(i) + row.steps[i].layout.width, lambda a, b: b == a + 1, greatest(wrap, [row]))
    placed: list[Placed] = []
    notes: dict[str, None] = {}
    right = bottom = 0.0
    for n, steps in enumerate(lines):
        line = row if len(lines) == 1 else part_of(row, steps)
        line.known = row.known if n == len(lines) - 1 else {*row.known, *(row.items[a].label.rstrip("ᵀ") for a in row.wiring.weights)}
        line.columns()
        height = draw(line)
        if n == len(lines) - 1 and row.colours.gradient:
            height = line.arrow(height)
        placed += [moved(p, bottom) for p in line.placed]
        notes |= dict.fromkeys(line.notes)
        right, bottom = max(right, line.right), bottom + height
    return finished(placed, row.colours, right + MARGIN, bottom, row.timeline, list(notes))


def moved(p: Placed, down: float) -> Placed:
    """The part further down."""
    frame = p.frame._replace(y=p.frame.y + down) if p.frame is not None else None
    return p._replace(dy=p.dy + down, frame=frame) if down else p


def part_of(row: RowScene, steps: Sequence[int]) -> RowScene:
    """A line of the row: a row of these steps."""
    line = copy.copy(row)
    line.shown = list(steps)
    if not steps:
        return line
    line.gap = row.gap if row.gap in line.shown else None
    line.earlier = [i for i in range(len(row.steps)) if i < steps[0]]
    line.later = [i for i in range(len(row.steps)) if i > steps[-1]]
    line.x, line.placed, line.corridor, line.notes = {}, [], Part(), list(row.notes)
    line.edges = _room(line, steps[0]) if line.earlier else 0.0, _room(line, steps[-1] + 1) if line.later else 0.0
    return line


def _room(line: RowScene, reader: int) -> float:
    """The width of what comes over the break before a step."""
    names = [line.state_label(a) for kind, a in line.steps[reader].lanes if kind == "item"]
    names += [line.state_label(members[-1]) for members in line.wiring.buses.values()]
    return STUB + 12 + max((text.width(name, SIZE) for name in names), default=0.0)


def draw(line: RowScene) -> float:
    """Draw a line and what crosses its ends. Gives its lower end."""
    bottom = line.draw()
    if line.earlier:
        reader = line.steps[line.shown[0]]
        for k, (kind, a) in enumerate(reader.lanes):
            if kind == "item":
                y = line.top + line.box.height - reader.layout.lanes[k]
                _stub(line, line.x[line.shown[0]], y, a, line.shown[0], f"{line.prefix(line.shown[0])}{reader.entry(k)}", True)
    if line.later:
        last, after = line.shown[-1], line.steps[line.shown[-1] + 1]
        for k, a in enumerate(line.steps[last].exits):
            y = line.top + line.box.height - after.layout.lanes[after.lanes.index(("item", a))]
            x = line.x[last] + line.steps[last].layout.width
            _stub(line, x, y, a, last + 1, f"{line.prefix(last)}{line.steps[last].exit(k)}", False)
    return bottom


def _stub(line: RowScene, x: float, y: float, value: int, reader: int, end: str, comes: bool) -> None:
    """A short piece of the line of a state, with its name, before the box at x that reads it or after the box that computes it."""
    colour = line.colours.lane(value, line.steps[reader].number)
    name = f"{line.prefix(reader)}over{len(line.corridor.wires)}"
    ink = style.TEXT if line.colours.gradient else style.MUTED
    word = line.state_label(value)
    if comes:
        line.corridor.ports.append(Port(name, x - STUB, y))
        line.corridor.wires.append(Wire(((x - STUB, y), (x, y)), name, end, end.endswith("cell"), HEAVY, colour))
        line.corridor.words.append(Word(x - STUB - 4, y, word, SIZE, ink, "end"))
    else:
        line.corridor.ports.append(Port(name, x + STUB, y))
        line.corridor.wires.append(Wire(((x, y), (x + STUB, y)), end, name, True, HEAVY, colour))
        line.corridor.words.append(Word(x + STUB + 4, y, word, SIZE, ink, "start"))
