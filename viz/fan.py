"""Attention weights as a fan: keys below, queries above, and a line for each weight, the thicker and darker the greater it is."""

from __future__ import annotations

import numpy as np

from . import heat, style
from .colours import Colours
from .scene import Fan
from .timeline import Item

NAMES = ("weights", "attention")
SEEN = 0.02  # weights below this have no line
MOST = 64  # keys, and queries, of one fan
HEADS = 8
PITCH = (3.2, 16.0)  # the least and the greatest distance of two keys
WIDE, TALL, TITLE, GAP, SIDE = 200.0, 70.0, 14.0, 20.0, 12.0
NOTE = f"attention is a fan: keys below, queries above; weights below {SEEN} have no line"


def weights_of(item: Item) -> np.ndarray | None:
    """The weights (heads, queries, keys) of the first member of the batch; None for an item that is drawn otherwise."""
    value = heat.value_of(item)
    if value is None or not item.part or not item.named or not (item.name or "").startswith(NAMES) or value.ndim not in (3, 4):
        return None
    found = value[0].reshape(-1, *value.shape[-2:])
    return found if max(found.shape[1:]) <= MOST and len(found) <= HEADS else None


def size(item: Item) -> tuple[float, float] | None:
    """The width and height of the fans of all heads; None for an item that has none."""
    weights = weights_of(item)
    if weights is None:
        return None
    count, queries, keys = weights.shape
    return count * _width(queries, keys) + (count - 1) * GAP + 2 * SIDE, TALL + TITLE + 8


def _pitch(queries: int, keys: int) -> float:
    return min(max(WIDE / max(queries, keys), PITCH[0]), PITCH[1])


def _width(queries: int, keys: int) -> float:
    return max(_pitch(queries, keys) * (max(queries, keys) - 1), 12.0)


def drawn(item: Item, x: float, y: float, colours: Colours) -> Fan | None:
    """The fans of an item whose middle is at (x, y)."""
    weights, whole = weights_of(item), size(item)
    if weights is None or whole is None:
        return None
    count, queries, keys = weights.shape
    pitch, wide = _pitch(queries, keys), _width(queries, keys)
    gradient = colours.arrays.get(item.index) if colours.gradient else None
    norms = None if gradient is None else np.sqrt((gradient.astype(np.float64) ** 2).sum(0)).reshape(weights.shape)
    top, bottom = -whole[1] / 2 + TITLE + 4, whole[1] / 2 - 6
    lines, dots = [], []
    for h in range(count):
        left = -whole[0] / 2 + SIDE + h * (wide + GAP)
        above, below = ([left + wide / 2 + pitch * (k - (n - 1) / 2) for k in range(n)] for n in (queries, keys))
        dots += [(px, top) for px in above] + [(px, bottom) for px in below]
        for t, s in zip(*np.nonzero(~(weights[h] < SEEN)), strict=True):
            w = float(weights[h, t, s])
            finite = np.isfinite(w)
            colour = heat.mixed("read", 0.15 + 0.85 * min(w, 1.0)) if finite else style.NOT_FINITE
            if colours.gradient:
                colour = colours.of(None if norms is None else float(norms[h, t, s]))
            lines.append((below[s], bottom, above[t], top, 0.4 + 2.6 * min(w, 1.0) if finite else 2.0, colour))
    lines.sort(key=lambda line: line[4])
    return Fan(x, y, tuple(lines), tuple(dots))
