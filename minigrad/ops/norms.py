"""Norms of vectors and matrices. They neither overflow nor vanish where they have a value; the gradient at 0 is 0."""

from __future__ import annotations

import math
from typing import Any

from ..errors import setting_error, shape_error
from ..graph.types import normalize_axes
from ..primitives import elementwise as _e
from ..tensor import Tensor, tensor
from .elementwise import Axis, Like, _floats, abs, astype, divide, equal, multiply, pow, square, where
from .reductions import count_nonzero, max, min, sum
from .scaling import scale
from .shaping import squeeze


def norm(x: Like, axis: Axis = None, keepdims: bool = False, ord: Any = None) -> Tensor:
    """√Σ|x|² over axes, all by default. With `ord` the norm of vectors, along one axis, or of matrices, over two.

    Raises SettingError for an order that there is not, ShapeError for an order over another number of axes.
    """
    t = tensor(x)
    axes = normalize_axes("norm", axis, t.ndim)
    if ord is None or len(axes) == 1:
        return vector_norm(t, axes, keepdims, 2 if ord is None else ord)
    if len(axes) != 2:
        raise shape_error("norm", f"order {ord!r} needs one axis, or two for a matrix, got {axes} of {t.type}")
    return matrix_norm(t, keepdims, ord, axes if axis is None else axis)


def vector_norm(x: Like, axis: Axis = None, keepdims: bool = False, ord: float = 2) -> Tensor:
    """(Σ|x|^ord)^(1/ord) over axes, all by default; with ord=∞ or −∞ the largest or smallest |x|, with 0 the number of x ≠ 0."""
    (t,) = _floats("norm", x)
    if not isinstance(ord, (int, float)) or ord != ord:
        raise setting_error("norm", f"there is no order {ord!r} of a vector", "Take a number, math.inf or -math.inf")
    axes = normalize_axes("norm", axis, t.ndim)
    if ord == 0:
        return astype(count_nonzero(t, axes, keepdims), t.dtype)
    if ord == 1:
        return sum(abs(t), axes, keepdims)
    if math.isinf(ord):
        return (max if ord > 0 else min)(abs(t), axes, keepdims)
    size = scale(t, axes)
    total = sum(_powers(divide(t, size), ord), axes, keepdims=True)
    none = equal(total, 0)
    some = where(none, 1, total)
    y = multiply(size, where(none, 0 if ord > 0 else math.inf, _e.sqrt(some) if ord == 2 else pow(some, 1 / ord)))
    return y if keepdims else squeeze(y, axes)


def _powers(t: Tensor, p: float) -> Tensor:
    """|t|^p, with gradient 0 at 0."""
    if p == 2:
        return square(t)
    none = equal(t, 0)
    return where(none, 0 if p > 0 else math.inf, pow(abs(where(none, 1, t)), p))


def matrix_norm(x: Like, keepdims: bool = False, ord: Any = "fro", axis: Any = (-2, -1)) -> Tensor:
    """A norm of the matrices over two axes: "fro" (√Σ|x|²), 1 or −1 (the largest or smallest sum of a column), ∞ or −∞ (of a row).

    Raises SettingError for the norms that need singular values: 2, −2, "nuc".
    """
    t = tensor(x)
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    if len(axes) != 2 or len(normalize_axes("norm", axes, t.ndim)) != 2:
        raise shape_error("norm", f"a matrix has two axes, got {axis}")
    if ord == "fro":
        return vector_norm(t, axes, keepdims)
    if ord not in (1, -1, math.inf, -math.inf):
        fix = "It needs singular values; take them with NumPy" if ord in (2, -2, "nuc") else "Take 'fro', 1, -1, math.inf or -math.inf"
        raise setting_error("norm", f"there is no order {ord!r} of a matrix", fix)
    (t,) = _floats("norm", t)
    rows, columns = axes if ord in (1, -1) else axes[::-1]
    sums = sum(abs(t), rows, keepdims=True)
    y = (max if ord > 0 else min)(sums, columns, keepdims=True)
    return y if keepdims else squeeze(y, tuple(axes))
