"""Panels below each other on one time axis, as a drawing: what a network is given and gives, its memory and its heads."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from textwrap import wrap
from typing import Any

import numpy as np

from . import heat, style, text
from .drawing import Drawing
from .panels import Panel, panels_of
from .scene import MARGIN, Bar, Curve, Frame, Heat, Part, Placed, Scene, Word

PLATE, HALF = 480.0, 300.0  # the width of a panel, and of one of those that stand side by side
BETWEEN = 10.0  # two panels
SIZE, SMALL, TICK = 10.0, 8.0, 7.5  # of labels, of the line below a label, of the numbers on axes
BAR, ROOM = 8.0, 52.0  # the width of a colour scale, and the room for it and its numbers
MOMENTS = 24  # the most heat maps of a memory
NUMBERED = 60  # the most classes that have numbers
SHADES = 24  # of a colour scale
Fills = tuple[tuple[str, ...], ...]


def memory(trace: Mapping[str, Any], title: str = "", steps: slice | None = None) -> Drawing:
    """Draw the values of a memory network (NTM, MANN, DNC): panels below each other, on one time axis.

    trace    name -> array of one example, with time as first axis; the panels stand in this order
             "M", "memory", "links" (T, slots, width)   the memory, one heat map for each of at most 24 steps
             names with w, usage, least, allocation, …   weightings (T, slots) or (T, heads, slots); white is 0
             g, beta, gamma, …                           gates (T,) or (T, heads), as curves
             "class", "label" (T,), whole numbers        a colour for each class
             all other names (T, n)                      values such as inputs, outputs, adds, reads: blue < 0, white 0, red > 0
    steps    a slice of time

    Raises DrawingError for an empty trace, and for arrays of unequal length.
    """
    panels = panels_of(trace, steps)
    length = len(next(iter(trace.values())))
    return drawn([panels], title, range(length)[steps] if steps else range(length))


def drawn(columns: Sequence[Sequence[Panel]], title: str = "", numbers: range | None = None, axis: str = "time step t") -> Drawing:
    """Draw panels of the same steps below each other, in columns side by side. `numbers` are those of the steps, 0, 1, … without them."""
    length = len(columns[0][0].values)
    return Drawing(lambda: _Panels(columns, title, numbers or range(length), axis).scene())


class _Panels:
    def __init__(self, columns: Sequence[Sequence[Panel]], title: str, numbers: range, axis: str):
        self.columns, self.title, self.numbers, self.axis = columns, title, numbers, axis
        self.wide = PLATE if len(columns) == 1 else HALF
        self.part = Part()

    def scene(self) -> Scene:
        left = [max(map(_label_width, panels)) + 26 for panels in self.columns]
        right = MARGIN + sum(left) + len(left) * (self.wide + ROOM)
        bottom = self._heading(right)
        for row in zip_longest(*self.columns):
            tall, x = max(_height(p) for p in row if p is not None), MARGIN
            for panel, before in zip(row, left, strict=True):
                if panel is not None:
                    _Plate(self.part, panel, x + before, bottom, self.wide, tall, self.numbers).draw()
                x += before + self.wide + ROOM
            bottom += tall + BETWEEN
        x = MARGIN
        for before in left:
            self._time_axis(x + before, bottom)
            x += before + self.wide + ROOM
        return Scene(right, bottom + 34, [Placed(self.part)], text.clean(self.title, 200))

    def _heading(self, right: float) -> float:
        """Write the title. Gives the height at which the panels begin."""
        lines = [line for given in self.title.splitlines() for line in wrap(text.clean(given, 400), int((right - 2 * MARGIN) / 5.6))]
        for k, line in enumerate(lines):
            self.part.words.append(Word(right / 2, MARGIN + 15 * k, line, 11, style.TEXT))
        return MARGIN + 15 * len(lines)

    def _time_axis(self, left: float, top: float) -> None:
        length = len(self.numbers)
        for t in ticks(length, self.wide / 24):
            self.part.words.append(Word(left + (t + 0.5) / length * self.wide, top, str(self.numbers[t]), TICK, style.MUTED))
        self.part.words.append(Word(left + self.wide / 2, top + 15, self.axis, SIZE, style.TEXT))


class _Plate:
    """One panel at its place."""

    def __init__(self, part: Part, panel: Panel, left: float, top: float, wide: float, tall: float, numbers: range):
        self.part, self.panel, self.left, self.top, self.wide, self.tall, self.numbers = part, panel, left, top, wide, tall, numbers
        self.length = len(panel.values)

    def draw(self) -> None:
        label, below, middle = text.clean(self.panel.label), _extent(self.panel), self.top + self.tall / 2
        right = self.left - 24
        self.part.words.append(Word(right, middle - 6 * bool(below), label, SIZE, style.TEXT, "end"))
        if below:
            self.part.words.append(Word(right, middle + 6, below, SMALL, style.MUTED, "end"))
        {"classes": self._classes, "curves": self._curves, "memory": self._memory}.get(self.panel.kind, self._rows)()

    def _x(self, t: float) -> float:
        """Where the middle of a step stands."""
        return self.left + (t + 0.5) / self.length * self.wide

    def _word(self, x: float, y: float, words: str, anchor: str = "start", colour: str = style.MUTED) -> None:
        self.part.words.append(Word(x, y, words, TICK, colour, anchor))

    # ---- heat maps

    def _rows(self) -> None:
        grid = heat.pooled(self.panel.rows.T, self.tall, self.wide)
        self._map(self.left, self.wide, self._shades(grid))
        self._numbered(self.panel.rows.shape[1])
        self._colours()

    def _memory(self) -> None:
        """The memory at some steps, each as a small heat map at its place on the time axis: slots downwards, their numbers across."""
        stride = math.ceil(self.length / MOMENTS)
        step = self.wide / self.length
        for t in range(0, self.length, stride):
            room = 0.88 * step * min(stride, self.length - t)
            self._map(self._x(t) - 0.44 * step, room, self._shades(heat.pooled(self.panel.values[t], self.tall, math.inf)))
        self._numbered(self.panel.values.shape[1])
        self._colours()

    def _shades(self, grid: np.ndarray) -> Fills:
        return heat.by_value(grid, self.panel.scale, self.panel.high)

    def _map(self, left: float, wide: float, fills: Fills) -> None:
        at = left + wide / 2, self.top + self.tall / 2
        self.part.heats.append(Heat(f"m{len(self.part.heats)}", *at, wide, self.tall, fills, style.SPINE))

    def _numbered(self, rows: int) -> None:
        """Numbers of some rows, left of the panel."""
        if rows > 1:
            for row in ticks(rows, min(self.tall / 12, 5)):
                self._word(self.left - 4, self.top + (row + 0.5) / rows * self.tall, str(row), "end")

    def _colours(self) -> None:
        """The scale of colours, right of the panel."""
        low, high = self.panel.low, self.panel.high
        fills = tuple((heat.mixed(self.panel.scale, 1 - k / (SHADES - 1)),) for k in range(SHADES))
        x = self.left + self.wide + 8
        self._map(x, BAR, fills)
        marks = (high, 0.0, low) if low < 0 and self.tall > 40 else (high, low)
        for k, value in enumerate(marks):
            self._word(x + BAR + 3, self.top + 4 + k * (self.tall - 8) / (len(marks) - 1), _short(value))

    # ---- curves

    def _curves(self) -> None:
        curves = self.panel.rows.T
        finite = curves[np.isfinite(curves)]
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
        self.part.panels.append(Frame(self.left, self.top, self.wide, self.tall, fill="#FFFFFF", stroke=style.SPINE, round=0))
        step = self.wide / self.length
        for t in np.flatnonzero(~np.isfinite(curves).all(0)).tolist():
            self.part.bars.append(Bar(self._x(t) - step / 2, self.top, step, self.tall, style.NOT_FINITE))
        for k, values in enumerate(curves):
            colour = style.CYCLE[k % len(style.CYCLE)]
            for run in np.split(np.arange(self.length), np.flatnonzero(~np.isfinite(values))):
                points = tuple((self._x(t), self._y(values[t], low, high)) for t in run.tolist() if np.isfinite(values[t]))
                if points:
                    self.part.curves.append(Curve(points, colour, r=1.6 if step > 5 else 0.0))
            if len(curves) > 1:
                x, y = self.left + self.wide + 8, self.top + 5 + 10 * k
                self.part.curves.append(Curve(((x, y), (x + 10, y)), colour))
                self._word(x + 13, y, f"head {k + 1}")
        for value in (low, high) if high > low else (high,):
            self._word(self.left - 4, self._y(value, low, high), _short(value), "end")

    def _y(self, value: float, low: float, high: float) -> float:
        share = (value - low) / (high - low) if high > low else 0.5
        return self.top + self.tall - 5 - share * (self.tall - 10)

    # ---- classes

    def _classes(self) -> None:
        """A cell for each step, in the colour of its class, with its number where there is room. A negative one is white."""
        fills = tuple(style.CYCLE[int(v) % len(style.CYCLE)] if 0 <= v < math.inf else "#FFFFFF" for v in self.panel.values)
        self._map(self.left, self.wide, (fills,))
        for t, (value, fill) in enumerate(zip(self.panel.values.tolist(), fills, strict=True)):
            if 0 <= value < math.inf and self.length <= NUMBERED:
                self._word(self._x(t), self.top + self.tall / 2, f"{value:g}", "middle", style.ink(fill))


# ---- sizes


def _height(panel: Panel) -> float:
    if panel.kind in ("classes", "curves"):
        return {"classes": 18.0, "curves": 44.0}[panel.kind]
    rows = panel.values.shape[1]
    return min(116.0, 36 + 3.6 * rows) if panel.kind == "memory" else min(122.0, max(22.0, 4.4 * rows))


def _extent(panel: Panel) -> str:
    """The line below a label: the number of rows, and what they are."""
    shape = panel.values.shape
    if panel.kind == "memory":
        return f"{shape[1]} slots × {shape[2]}" + " slots" * (shape[1] == shape[2])
    if panel.kind in ("classes", "curves"):
        return ""
    return f"{shape[1]}" + " slots" * (panel.kind == "weights")


def _label_width(panel: Panel) -> float:
    return max(text.width(text.clean(panel.label), SIZE), text.width(_extent(panel), SMALL))


def _short(value: float) -> str:
    return f"{value:.3g}".replace("-", "−")


def ticks(count: int, most: float) -> range:
    """Some of so many rows or steps, at equal distances of 1, 2, 5, 10, …: at most `most` of them."""
    distances = (n * 10**k for k in range(10) for n in (1, 2, 5))
    return range(0, count, next(n for n in distances if math.ceil(count / n) <= max(most, 1)))
