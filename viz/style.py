"""Colours and sizes: of the kinds of node, the colour scale of gradient norms, and how matplotlib draws."""

from __future__ import annotations

import importlib
import math
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple

from .errors import DrawingError

FONT = "Helvetica,Arial,sans-serif"
TEXT = "#2F3B45"
MUTED = "#7C8790"
WIRE = "#7C8790"
STATE = "#2F3B45"
GREEN = "#5E9A5E"


class Look(NamedTuple):
    """The colours and the shape of a kind of node. `label` is its entry in the legend."""

    fill: str
    stroke: str
    shape: str
    label: str


LOOKS = {
    "affine": Look("#FFF3C4", "#C79A1E", "box", "matrix product"),
    "layer": Look("#FFF3C4", "#C79A1E", "box", "learned layer (affine + squash)"),
    "pointwise": Look("#FBE0DD", "#C4574B", "box", "pointwise"),
    "reduce": Look("#E3EFE9", "#4F8F78", "box", "reduction"),
    "move": Look("#FFFFFF", "#8A949C", "box", "movement, indexing"),
    "control": Look("#E6E8EB", "#59636B", "box", "control"),
    "input": Look("#DCEBFA", "#3A76B0", "ellipse", "input"),
    "reference": Look("#FFFFFF", "#8A949C", "ellipse", "value of another row"),
    "state": Look("#EADFF3", "#7A4E9E", "box", "state"),
    "output": Look("#EADFF3", "#7A4E9E", "ellipse", "output"),
    "parameter": Look("#F5EFE6", "#A08A6C", "box", "parameter, initial state"),
    "foreign": Look("#EDEEF6", "#6B74A8", "box", "operation of another library"),
    "loss": Look("#F6D6DF", "#B0315A", "box", "loss"),
    "delay": Look("#2F3B45", "#2F3B45", "square", "delay"),
    "cell": Look("#EEF6EE", "#7FB07F", "box", "cell"),
    "chip": Look("#F3E3C8", "#C8AE84", "box", "use of a weight"),
    "fan": Look("#FFFFFF", "#9FBEDF", "box", "attention: keys below, queries above, a line for each weight"),
    "elided": Look("#FFFFFF", "#B9C2C8", "box", "left out"),
}
_KINDS = {"index": "move", "leaf": "move", "op": "move", "constant": "parameter", "random": "move"}

ROLES = {"write": ("#FDEEEC", "#DFA39B"), "read": ("#EAF2FB", "#9FBEDF"), "amount": ("#F2F5F3", "#B4C2BA")}  # what a value is for

FRAME = ("#EEF6EE", "#7FB07F")
FRAME_GRADIENT = ("#F7F9FB", "#B9C2C8")
PANEL_GRADIENT = ("#FFFFFF", "#B9C2C8")

# ---- matplotlib

CYCLE = ("#3A76B0", "#C4574B", "#4F8F78", "#C79A1E", "#7A4E9E", "#59636B", "#B0315A", "#A08A6C")
SPINE = "#B9C2C8"
GRID = "#E6E8EB"
PLOT = {"svg.hashsalt": "minigrad", "font.size": 9, "font.sans-serif": ["DejaVu Sans"], "image.interpolation": "nearest"}


def _matplotlib() -> Any:
    """matplotlib, also where a parent process, such as a notebook, has named a backend that is not installed here: we need none."""
    try:
        return importlib.import_module("matplotlib")
    except ImportError:
        raise DrawingError("plot: needs matplotlib: pip install 'minigrad[cli]'") from None
    except ValueError:
        backend = os.environ.pop("MPLBACKEND", None)
        if backend is None:
            raise
        try:
            return importlib.import_module("matplotlib")
        finally:
            os.environ["MPLBACKEND"] = backend


@contextmanager
def plotting(text: str = "path") -> Iterator[None]:
    """matplotlib in our style within this block, or within a function so decorated; a figure is made and saved in it.

    text   of an SVG: "path", outlines that look the same everywhere, or "none", words that can be searched

    Raises DrawingError where matplotlib is missing.
    """
    matplotlib = _matplotlib()
    with matplotlib.rc_context({**PLOT, "svg.fonttype": text}):
        yield


def kind_of(primitive_kind: str) -> str:
    return primitive_kind if primitive_kind in LOOKS else _KINDS.get(primitive_kind, "move")


# ---- gradients

STOPS = (
    (-8.0, "#3B1F6B"),
    (-6.0, "#4A4FB0"),
    (-4.0, "#3E8FC4"),
    (-2.0, "#5DBFA5"),
    (-1.0, "#A8D88A"),
    (0.0, "#F6E27A"),
    (1.0, "#F4A64A"),
    (2.0, "#DD5A3A"),
    (4.0, "#8E1B2E"),
)
Scale = tuple[float, float]  # two exponents
SCALE: Scale = (STOPS[0][0], STOPS[-1][0])
NO_GRADIENT = "#C9CED3"
NOT_FINITE = "#D100D1"
LOSS = "#B0315A"


def _rgb(colour: str) -> tuple[int, ...]:
    return tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5))


def mixed(a: str, b: str, f: float) -> str:
    """The colour between two others, at the fraction f of the way."""
    parts = (round(x + f * (y - x)) for x, y in zip(_rgb(a), _rgb(b), strict=True))
    return "#" + "".join(f"{v:02X}" for v in parts)


def decade_colour(exponent: float) -> str:
    """The colour of a norm of 10^exponent. Beyond the scale it is that of the nearer end."""
    if exponent <= STOPS[0][0]:
        return STOPS[0][1]
    for (a, low), (b, high) in pairwise(STOPS):
        if exponent <= b:
            return mixed(low, high, (exponent - a) / (b - a))
    return STOPS[-1][1]


def colour_at(part: float) -> str:
    """The colour at this part, from 0 to 1, of the whole scale."""
    return decade_colour(SCALE[0] + part * (SCALE[1] - SCALE[0]))


def gradient_colour(norm: float | None, scale: Scale = SCALE) -> str:
    """The colour of a gradient norm on a scale: grey for none and for zero, magenta for NaN and infinity."""
    if norm is None or norm == 0:
        return NO_GRADIENT
    if not math.isfinite(norm):
        return NOT_FINITE
    return colour_at((math.log10(norm) - scale[0]) / (scale[1] - scale[0]))


def whole_decades(norms: Iterable[float]) -> Scale:
    """The whole decades around the norms, two of them at least; the least twentieth of the norms may lie below."""
    found = sorted(math.log10(n) for n in norms if 0 < n < math.inf)
    if not found:
        return SCALE
    high = math.ceil(found[-1])
    return float(min(math.floor(found[len(found) // 20]), high - 2)), float(high)


def luminance(colour: str) -> float:
    """The relative luminance of a colour, by WCAG."""
    parts = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in (c / 255 for c in _rgb(colour)))
    return sum(weight * v for weight, v in zip((0.2126, 0.7152, 0.0722), parts, strict=True))


def contrast(a: str, b: str) -> float:
    """The contrast of two colours, from 1 to 21, by WCAG."""
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


@cache
def ink(fill: str) -> str:
    """The colour of text that is readable on this fill: of the usual one, white and black the first with a contrast of 4.5; one has it."""
    return next(colour for colour in (TEXT, "#FFFFFF", "#000000") if contrast(colour, fill) >= 4.5)
