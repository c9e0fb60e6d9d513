"""Sorting and searching in sorted arrays."""

from __future__ import annotations

import builtins

from ..errors import setting_error, shape_error
from ..graph import dims
from ..graph.types import FLOAT, HALVES, normalize_axis, whole
from ..primitives import index as _i
from ..tensor import Tensor, tensor
from .creation import extent
from .cumulative import cumsum
from .elementwise import Like, astype, greater_equal, less
from .indexing import take, take_along_axis
from .parts import concat
from .shaping import ravel, reshape


def argsort(x: Like, axis: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """The positions that sort x. Every sort is stable: of equal elements the lowest index comes first. NaN comes last."""
    t = tensor(x)
    t = astype(t, FLOAT) if t.dtype in HALVES else t
    return _i.argsort(t, axis=normalize_axis("argsort", axis, t.ndim), descending=builtins.bool(descending))


def sort(x: Like, axis: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """x sorted along an axis. The gradient of each element goes to its position in x."""
    return take_along_axis(x, argsort(x, axis, descending), axis)


def top_k(x: Like, k: int, axis: int = -1) -> tuple[Tensor, Tensor]:
    """The k largest elements along an axis in falling order, and their positions. Of equal elements the lowest index comes first."""
    t = tensor(x)
    a = normalize_axis("top_k", axis, t.ndim)
    if not 0 <= whole("top_k", k, "k") <= t.shape[a]:
        raise shape_error("top_k", f"k = {k}, but axis {a} of {t.shape} has {t.shape[a]} elements")
    index = argsort(t, a, descending=True)[(builtins.slice(None),) * a + (builtins.slice(0, k),)]
    return take_along_axis(t, index, a), index


def searchsorted(x: Like, values: Like, side: str = "left", sorter: Like = None) -> Tensor:
    """Where values would be put into the sorted vector x: before equal elements, or after them with side="right". NaN comes last.

    `sorter` are the positions that sort x, if it is not sorted. The result has the shape of values, in int64.
    """
    if side not in ("left", "right"):
        raise setting_error("searchsorted", f"side is 'left' or 'right', got {side!r}")
    t, v = tensor(x), tensor(values)
    if t.ndim != 1:
        raise shape_error("searchsorted", f"takes a sorted vector, got {t.type}")
    t = t if sorter is None else take(t, sorter)
    count = dims.product(v.shape)
    # A stable sort of both: how many elements of x come before each value?
    order = argsort(concat([ravel(v), t] if side == "left" else [t, ravel(v)]))
    from_x = greater_equal(order, extent(count)) if side == "left" else less(order, extent(t.shape[0]))
    places = argsort(order)
    places = places[:count] if side == "left" else places[t.shape[0] :]
    return reshape(take(cumsum(from_x), places), v.shape)
