"""Heat maps in drawings: the values, or the gradients, of a memory, its weightings and its vectors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from . import style, text
from .colours import Colours
from .scene import Heat
from .timeline import Item

WRITE, READ = "#B8402F", "#2C6AA6"
SCALES = {  # colours at equal distances, from the lower end of a scale to the upper one
    "write": ("#FFFFFF", WRITE),
    "read": ("#FFFFFF", READ),
    "amount": ("#FFFFFF", style.TEXT),
    "signed": ("#12406F", "#5F9BCB", "#FFFFFF", "#E07B63", "#8E1F14"),
}
WORDS = {
    "write": "weights of a write head, 0 … 1",
    "read": "weights of a read head, 0 … 1",
    "amount": "other numbers from 0",
    "signed": "below 0 · 0 · above 0",
}
LEVELS = 32  # different colours of one scale, so that equal ones can be written together
STROKE = "#8A949C"


class Field(NamedTuple):
    """Which numbers of a value a heat map shows.

    form    "weighting" (a column for each head), "memory" (a row for each slot), "links" (slots × slots), "vector" (a row for each head)
            "row" (its last axis, of an input or a result), "matrix" (the last two axes of one head, or all rows of a value of fewer), or
            "sparse" (weights of some slots, which `at` names, as a column)
    lead    1 where the first axis is the batch: its first member is shown, or the norm of a gradient over the batch (but not if sparse)
    slots   the slots that are shown; None for all;  head    that is shown; None for all
    """

    form: str
    lead: int
    slots: tuple[int, ...] | None = None
    head: int | None = None
    at: tuple[int, ...] = ()

    def grid(self, array: np.ndarray, gradient: bool = False) -> np.ndarray:
        """The numbers as rows and columns."""
        if self.form == "row":
            array = array.reshape(-1, array.shape[-1])
            return np.sqrt((array.astype(np.float64) ** 2).sum(0))[None] if gradient else array[:1]
        if self.form == "sparse":
            array = (array[0] if self.lead else array).ravel()
            slots, at = np.array(self.slots)[:, None], np.array(self.at)
            return (array * (slots == at)).sum(1, keepdims=True) if at.size else np.zeros(slots.shape)
        if self.lead:
            array = np.sqrt((array.astype(np.float64) ** 2).sum(0)) if gradient else array[0]
        rows = slice(None) if self.slots is None else list(self.slots)
        if self.form == "weighting":
            return np.atleast_2d(array).T[rows]
        if self.form == "links":
            return array[rows][:, rows]
        if self.form == "matrix" and self.head is not None:
            return array.reshape(-1, *array.shape[-2:])[self.head, rows]
        if self.form == "matrix":
            return array.reshape(-1, array.shape[-1]) if array.ndim else array.reshape(1, 1)
        return array[rows] if self.form == "memory" else np.atleast_2d(array)

    def places(self, shape: tuple[int, ...]) -> np.ndarray:
        """The places of the numbers that `grid` gives, in a value of this shape."""
        return self.grid(np.arange(math.prod(shape)).reshape(shape))


class FixedHeat(NamedTuple):
    """A heat map at a fixed position of a step.

    scale    a key of SCALES, and `top` the number at its end
    frames   (row, colour) of each row with an outline
    at       of weights of some slots, the item that names these
    """

    id: str
    x: float
    y: float
    w: float
    h: float
    item: int
    field: Field
    scale: str
    top: float
    frames: tuple[tuple[int, str], ...] = ()
    at: int | None = None


def value_of(item: Item) -> np.ndarray | None:
    """The value of an item, None for one without."""
    value = item.node.value
    return shaped(item, value) if isinstance(value, np.ndarray) else None


def written(label: str, field: Field, item: Item, most: int = 16) -> str:
    """The label with the first numbers of a value behind it: β .51 .49."""
    value = value_of(item)
    numbers = [] if value is None else field.grid(value).ravel().tolist()[:most]
    return " ".join([label, *(text.brief(n) if isinstance(n, float) else str(n) for n in numbers)])


def shaped(item: Item, array: np.ndarray) -> np.ndarray:
    """The array in the shape in which the value of an item has its name."""
    return array.reshape(item.shape) if item.shape and array.size == math.prod(item.shape) else array


def drawn(heat: FixedHeat, item: Item, y: float, title: str, colours: Colours) -> Heat:
    """The heat map in a scene, at this height: of the value, or of the gradient in its colours; white without numbers."""
    array = colours.arrays.get(item.index) if colours.gradient else value_of(item)
    if array is None:
        fills = ((style.NO_GRADIENT,),) if colours.gradient else ()
    else:
        whole = heat.field.grid(shaped(item, array), colours.gradient)
        grid = pooled(whole, heat.h, heat.w)
        if grid.shape != whole.shape:
            title += f" · {text.shape(whole.shape)} numbers as {text.shape(grid.shape)} colours, of those farthest from 0"
        fills = by_gradient(grid, colours) if colours.gradient else by_value(grid, heat.scale, heat.top)
        title = (
            f"{title} · colours from {-heat.top if heat.scale == 'signed' else 0:.3g} to {heat.top:.3g}" * (not colours.gradient) or title
        )
    frames = tuple((row, style.TEXT if colours.gradient else colour) for row, colour in heat.frames)
    return Heat(
        heat.id, heat.x, y, heat.w, heat.h, fills, STROKE, title, frames, "" if colours.gradient or array is None else heat.scale, heat.top
    )


def levels(values: np.ndarray, low: float, high: float, count: int) -> np.ndarray:
    """The level of each number on a scale, 0 at its lower end and `count` at its upper one; −1 for a number that is not finite."""
    with np.errstate(all="ignore"):
        found = np.rint((np.clip(values, low, high) - low) / (high - low) * count)
    return np.where(np.isfinite(values), found, -1).astype(int)


def by_value(grid: np.ndarray, scale: str, top: float) -> tuple[tuple[str, ...], ...]:
    """The colour of each number on a scale that ends at `top`; not finite is magenta."""
    colours = [mixed(scale, n / LEVELS) for n in range(LEVELS + 1)]
    shades = [*colours, style.NOT_FINITE]  # the last is that of −1
    return tuple(tuple(shades[n] for n in row) for row in levels(grid, -top if scale == "signed" else 0.0, top, LEVELS).tolist())


def by_gradient(grid: np.ndarray, colours: Colours) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(colours.of(abs(float(v))) for v in row) for row in grid)


def mixed(scale: str, f: float) -> str:
    """The colour at a fraction of a scale."""
    stops = SCALES[scale]
    at = f * (len(stops) - 1)
    k = min(int(at), len(stops) - 2)
    return style.mixed(stops[k], stops[k + 1], at - k)


def greatest(arrays: Sequence[np.ndarray]) -> float:
    """The greatest absolute value of finite numbers; 1 where all are 0."""
    found = max((float(np.abs(a[np.isfinite(a)]).max(initial=0.0)) for a in arrays), default=0.0)
    return found if found > 0 and math.isfinite(found) else 1.0


def pooled(grid: np.ndarray, rows: float, columns: float) -> np.ndarray:
    """The grid with at most so many rows and columns. Of the numbers that become one, that farthest from zero stays.

    A picture with more rows than pixels would leave out some of them, and with them what they show.
    """
    for axis, most in enumerate((rows, columns)):
        size, kept = grid.shape[axis], max(int(min(most, grid.shape[axis])), 1)
        if kept < size:
            starts = np.arange(kept) * size // kept
            low, high = (f.reduceat(grid, starts, axis=axis) for f in (np.minimum, np.maximum))  # NaN stays NaN
            grid = np.where(-low > high, low, high)
    return grid
