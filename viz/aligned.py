"""The rows of a drawing below each other, equal steps in one column.

Rows that run backwards in time are mirrored from left to right. Gradients stand upside down.
"""

from __future__ import annotations

from collections.abc import Sequence

from . import lines, text
from .colours import Colours
from .legend import finished
from .row import GAP_WIDTH, RowScene, middle
from .rows import Row, split
from .scene import MARGIN, Bar, Dot, Heat, Part, Placed, Port, Scene, Word
from .steps import laid_out
from .style import MUTED
from .timeline import BEFORE, Timeline

Key = tuple[int, int]  # the column of a step: (pass over the steps, step)
FIRST, LAST = (-1, 0), (1 << 30, 0)


def scene_of(timeline: Timeline, colours: Colours, limit: int | None = 12, level: str = "op", wrap: float | None = None) -> Scene:
    """The scene of a timeline, in lines up to `wrap` wide (`lines.greatest`). Of more than `limit` steps the middle ones are left out."""
    rows = split(timeline)
    if len(rows) == 1 and not rows[0].backwards:
        return lines.scene(RowScene(laid_out(timeline, level), colours, limit), wrap)
    return _AlignedRows(timeline, rows, colours, limit, level).scene(wrap)


class _AlignedRows:
    def __init__(self, timeline: Timeline, rows: list[Row], colours: Colours, limit: int | None, level: str):
        self.timeline, self.colours = timeline, colours
        self.rows = [r for r in rows if r.timeline.columns]
        self.last = [r for r in rows if not r.timeline.columns]
        self.level = level
        self.units: list[RowScene] = []
        known: set[str] = set()
        for n, row in enumerate(self.rows):
            wiring = laid_out(row.timeline, level)
            unit = RowScene(wiring, colours, None, f"r{n}_", set(known))
            if row.gradient:
                unit.ends, unit.upside_down = ("∂ loss", "∂ sums"), True
            self.units.append(unit)
            known.update(wiring.items[a].label for a in wiring.weights)
        self.keys = [self._keys(row, unit) for row, unit in zip(self.rows, self.units, strict=True)]
        self._hide(limit)
        self.left: dict[Key, float] = {}
        self.width: dict[Key, float] = {}

    def _keys(self, row: Row, unit: RowScene) -> dict[int, Key]:
        """The column of each step. Where the steps are counted from the start again, as in a decoder, the second pass begins."""
        found: dict[int, Key] = {}
        seen: dict[int, int] = {}
        order = range(len(unit.steps))
        for i in order[::-1] if row.backwards else order:
            number = unit.steps[i].number
            if 0 <= number < row.timeline.end:
                t = row.timeline.columns[number].step
                seen[t] = seen.get(t, -1) + 1
                found[i] = (seen[t], t)
            else:
                found[i] = FIRST if (number == BEFORE) != row.backwards else LAST
        return found

    def _hide(self, limit: int | None) -> None:
        every = sorted({k for keys in self.keys for k in keys.values()} - {FIRST, LAST})
        hidden = {every[i] for i in middle(range(len(every)), limit)}
        for unit, keys in zip(self.units, self.keys, strict=True):
            unit.hide([i for i, k in keys.items() if k in hidden])
        self.order = [k for k in sorted({k for keys in self.keys for k in keys.values()}) if k not in hidden]
        self.gap = max((k for k in self.order if k < min(hidden)), default=None) if hidden else None

    # ---- from left to right

    def _columns(self, order: Sequence[Key], units: Sequence[RowScene]) -> float:
        """Compute the places and the widths of columns. Gives the right end."""
        at = [{keys[i]: i for i in unit.shown} for unit, keys in zip(units, self.keys, strict=True)]
        before: list[int | None] = [None] * len(units)
        x = MARGIN + max(u.edges[1] if r.backwards else 0.0 for r, u in zip(self.rows, units, strict=True))
        for key in order:
            room = width = 0.0
            for n, (row, unit) in enumerate(zip(self.rows, units, strict=True)):
                i = at[n].get(key)
                if i is None:
                    continue
                source = before[n] if row.backwards else i
                room = max(room, unit.room(source) if source is not None else 0.0)
                width = max(width, unit.steps[i].layout.width)
                before[n] = i
            self.left[key], self.width[key] = x + room, width
            x += room + width
            if key == self.gap:
                between = max(u.between for u in units)
                self.gap_x = x + between
                x += between + GAP_WIDTH
        ends = zip(self.rows, units, before, strict=True)
        rest = [(u.room(i) if i is not None else 0.0) if r.backwards else u.edges[1] for r, u, i in ends]
        return x + max(rest, default=0.0) + MARGIN

    def scene(self, wrap: float | None) -> Scene:
        self._columns(self.order, self.units)
        ends = {k: self.left[k] + self.width[k] for k in self.order}
        start = dict(zip(self.order, [MARGIN, *ends.values()], strict=False))
        found = lines.broken(self.order, lambda k: ends[k] - start[k], lambda a, b: a != self.gap, lines.greatest(wrap, self.units))
        placed: list[Placed] = []
        notes: dict[str, None] = {}
        right = bottom = top = 0.0
        for n, order in enumerate(found):
            units, top = self.units, bottom + lines.BETWEEN * bool(n)
            if len(found) > 1:
                wanted = set(order)
                units = [lines.part_of(u, [i for i in u.shown if k[i] in wanted]) for u, k in zip(self.units, self.keys, strict=True)]
            if n < len(found) - 1:
                for unit in units:
                    unit.known = {*unit.known, *(unit.items[a].label for a in unit.wiring.weights)}
            wide, bottom = self._line(order, units, placed, top)
            right = max(right, wide)
            notes |= dict.fromkeys(note for unit in units for note in unit.notes)
        for row in self.last:
            right, bottom = self._beside(row, placed, wide, top, bottom, right)
        return finished(placed, self.colours, right, bottom, self.timeline, list(notes))

    def _line(self, order: Sequence[Key], units: Sequence[RowScene], placed: list[Placed], bottom: float) -> tuple[float, float]:
        """Draw these columns of all rows below each other. Gives the right and the lower end."""
        right = self._columns(order, units)
        for row, unit, keys in zip(self.rows, units, self.keys, strict=True):
            if not unit.shown:
                continue
            for i in unit.shown:
                x = self.left[keys[i]] + (self.width[keys[i]] - unit.steps[i].layout.width) / 2
                unit.x[i] = right - x - unit.steps[i].layout.width if row.backwards else x
            if unit.gap is not None:
                unit.gap_x = right - self.gap_x - GAP_WIDTH if row.backwards else self.gap_x
            unit.right = right - MARGIN
            height = lines.draw(unit)
            placed += [
                _mirrored(p, right if row.backwards else None, height + MARGIN if row.gradient else None, bottom) for p in unit.placed
            ]
            label = "gradients ←" if row.gradient else "← backwards in time" if row.backwards else "forward →"
            placed.append(Placed(Part(words=[Word(MARGIN, bottom + 14, label, 10, MUTED, "start")])))
            bottom += height + 14
        return right, bottom

    def _beside(self, row: Row, placed: list[Placed], at: float, top: float, bottom: float, right: float) -> tuple[float, float]:
        """Draw the operations after all rows at the end of the last line, which begins at `top`. Gives the right and the lower end."""
        unit = RowScene(laid_out(row.timeline, self.level), self.colours, None, "z_")
        unit.columns()
        height = unit.draw()
        lift = max((top + bottom - height) / 2, top)
        placed += [_mirrored(p, None, None, lift, at) for p in unit.placed]
        return max(right, at + unit.right + MARGIN), max(bottom, lift + height)


def _mirrored(p: Placed, width: float | None, height: float | None, down: float, across: float = 0.0) -> Placed:
    """The part mirrored from left to right within a width, from top to bottom within a height, and moved down and to the right."""
    part = _reflected(p.part, -1 if width is not None else 1, -1 if height is not None else 1)
    dx = p.dx if width is None else width - p.dx
    dy = p.dy if height is None else height - p.dy
    frame = p.frame
    if frame is not None:
        x = frame.x if width is None else width - frame.x - frame.w
        y = frame.y if height is None else height - frame.y - frame.h
        at = frame.at if width is None else max(frame.w - frame.at - text.width(frame.label, 11), 8.0)
        frame = frame._replace(x=x + across, y=y + down, at=at)
    return Placed(part, dx + across, dy + down, p.prefix, frame)


def _reflected(part: Part, sx: int, sy: int) -> Part:
    if sx == sy == 1:
        return part
    anchors = {"start": "end", "end": "start", "middle": "middle"} if sx < 0 else {a: a for a in ("start", "end", "middle")}
    return Part(
        [w._replace(points=tuple((sx * x, sy * y) for x, y in w.points)) for w in part.wires],
        [Dot(sx * d.x, sy * d.y, d.colour, d.r) for d in part.dots],
        [s._replace(x=sx * s.x, y=sy * s.y) for s in part.shapes],
        [w._replace(x=sx * w.x, y=sy * w.y, anchor=anchors[w.anchor]) for w in part.words],
        [Port(q.id, sx * q.x, sy * q.y) for q in part.ports],
        [Bar(b.x if sx > 0 else -b.x - b.w, b.y if sy > 0 else -b.y - b.h, b.w, b.h, b.fill) for b in part.bars],
        [_turned(m, sx, sy) for m in part.heats],
        [f._replace(x=f.x if sx > 0 else -f.x - f.w, y=f.y if sy > 0 else -f.y - f.h) for f in part.panels],
        [f._replace(x=sx * f.x, y=sy * f.y) for f in part.fans],
        [c._replace(points=tuple((sx * x, sy * y) for x, y in c.points)) for c in part.curves],
    )


def _turned(m: Heat, sx: int, sy: int) -> Heat:
    """The heat map at its place in the mirror. It is not mirrored itself: slot 0 stays on top, the first number on the left."""
    return m._replace(x=sx * m.x, y=sy * m.y)
