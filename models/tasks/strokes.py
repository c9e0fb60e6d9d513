"""Synthetic alphabets: seeded characters of a few pen strokes, with random variations as of several drawers."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from minigrad.errors import SettingError

from .draw import Draw
from .glyphs_data import FINE, Glyphs

__all__ = ["ALPHABETS", "alphabets"]

ALPHABETS = tuple(f"strokes{i:02}" for i in range(20))
CHARACTERS, DRAWERS = 24, 20  # characters of an alphabet and drawings of a character, as in Omniglot
STROKES, KNOTS, POINTS = 4, 5, 48  # the most strokes of a character; control points of a stroke, and points at which it is drawn
PEN, INKY = 2, 2.5  # the width of the pen in pixels, and the factor of the ink, so that strokes are dark throughout
DOMAIN = 31


@lru_cache(maxsize=4)
def alphabets(names: tuple[str, ...], size: int) -> Glyphs:
    """The glyphs of these alphabets, to be seen at size × size: a pure function of their names. Raises SettingError for an unknown one."""
    if unknown := set(names) - set(ALPHABETS):
        raise SettingError(f"no alphabet {', '.join(sorted(unknown))}: there are {ALPHABETS[0]} … {ALPHABETS[-1]}")
    drawn = [_ink(Draw(0, ALPHABETS.index(name), DOMAIN), FINE * size) for name in names]
    return Glyphs.of(np.concatenate(drawn), [(name, DRAWERS) for name in names for _ in range(CHARACTERS)])


def _ink(draw: Draw, side: int) -> np.ndarray:
    """The drawings of one alphabet (characters · drawers, side, side), float32 in 0 … 1."""
    knots, used = _characters(draw)
    return _rendered(_by_hand(draw, knots), np.repeat(used, DRAWERS, 0), side)


def _characters(draw: Draw) -> tuple[np.ndarray, np.ndarray]:
    """Control points of strokes (characters, strokes, KNOTS, 2) in −1 … 1, and which strokes a character has (characters, strokes).

    A stroke is a walk. Its curvature and length, and the number of strokes, vary from alphabet to alphabet.
    """
    bend, length, many = draw.uniform((3,)) * [1.2, 0.25, 1] + [0.3, 0.35, 0.8]
    shape = (CHARACTERS, STROKES)
    heading = 2 * np.pi * draw.uniform(shape)
    heading = np.where(
        draw.uniform(shape) < 0.5, np.round(heading / (np.pi / 2)) * np.pi / 2, heading
    )  # half of them vertical or horizontal
    turning = bend * _normal(draw, shape) * (draw.uniform(shape) < 0.6)  # the others are straight
    angles = heading[..., None] + turning[..., None] * np.arange(KNOTS) + 0.3 * bend * _normal(draw, (*shape, KNOTS))
    strides = length * (0.6 + 0.8 * draw.uniform((*shape, 1, 1)))
    walk = np.cumsum(strides * np.stack([np.cos(angles), np.sin(angles)], -1), -2)
    centre = 0.9 * (2 * draw.uniform((*shape, 1, 2)) - 1) * 0.6
    knots = walk - walk.mean(-2, keepdims=True) + centre
    used = np.arange(STROKES) < 1 + np.minimum(np.floor(many * 3 * draw.uniform((CHARACTERS, 1)) + 0.5), STROKES - 1)
    inside = np.where(used[..., None, None], knots, np.nan)
    low, high = np.nanmin(inside, (1, 2), keepdims=True), np.nanmax(inside, (1, 2), keepdims=True)
    return (knots - (low + high) / 2) * 1.4 / np.maximum((high - low).max(-1, keepdims=True), 0.8), used


def _by_hand(draw: Draw, knots: np.ndarray) -> np.ndarray:
    """The control points of every drawing, (characters · drawers, strokes, KNOTS, 2), with random offsets, shear, scale and translation."""
    n = CHARACTERS * DRAWERS
    found = np.repeat(knots, DRAWERS, 0)
    found = found + 0.05 * _normal(draw, found.shape) + 0.06 * _normal(draw, (n, STROKES, 1, 2))
    frame = np.eye(2) + 0.12 * _normal(draw, (n, 1, 2, 2))
    return found @ frame + 0.1 * _normal(draw, (n, 1, 1, 2))


def _rendered(knots: np.ndarray, used: np.ndarray, side: int) -> np.ndarray:
    """Images of cubic B-splines along the strokes. The ink of each point is divided among the four pixels around it."""
    from scipy.ndimage import uniform_filter  # slow to import, and only images need it

    at = (np.clip(_spline() @ knots, -0.95, 0.95) + 1) * (side / 2) - 0.5
    corner = np.floor(at).astype(np.int64)
    part = at - corner
    plane = np.arange(len(knots))[:, None, None] * side * side
    ink = np.zeros(len(knots) * side * side)
    for dx, dy in ((0, 0), (0, 1), (1, 0), (1, 1)):
        weight = np.abs(1 - dx - part[..., 0]) * np.abs(1 - dy - part[..., 1]) * used[..., None]
        index = plane + (corner[..., 1] + dy) * side + corner[..., 0] + dx
        ink += np.bincount(index.ravel(), weight.ravel(), len(ink))
    pen = uniform_filter(ink.reshape(len(knots), side, side).astype(np.float32), (0, PEN, PEN), mode="constant")
    return np.minimum(INKY * pen, 1)


def _spline() -> np.ndarray:
    """The weights (POINTS, KNOTS) of the control points along a clamped uniform cubic B-spline."""
    from scipy.interpolate import BSpline  # it takes half as long to import as minigrad does, and only this needs it

    inner = np.linspace(0, 1, KNOTS - 2)
    knots = np.concatenate([[0] * 3, inner, [1] * 3])
    return BSpline.design_matrix(np.linspace(0, 1, POINTS), knots, 3).toarray()


def _normal(draw: Draw, shape: tuple[int, ...]) -> np.ndarray:
    """Standard normal numbers (Box and Muller 1958)."""
    u = draw.uniform((2, *shape))
    return np.sqrt(-2 * np.log1p(-u[0])) * np.cos(2 * np.pi * u[1])
