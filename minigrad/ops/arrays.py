"""Indexing, sorting, matrix products, triangles, one-hot, and detach."""

from __future__ import annotations

import builtins
from typing import Any

from ..errors import shape_error
from ..graph import dims
from ..graph.dims import Extent
from ..graph.types import FLOAT, HALVES, broadcast_shapes, check_dtype, normalize_axis, unify_shapes, whole
from ..primitives import elementwise as _e
from ..primitives import index as _i
from ..primitives import linalg as _l
from ..primitives import movement as _m
from ..primitives.rules import expand as _expand
from ..tensor import Tensor, tensor
from .creation import arange, operands
from .elementwise import Like, astype, less_equal, multiply, where
from .shaping import broadcast_to, expand_dims, reshape, squeeze


def take(x: Like, index: Like, axis: int = 0) -> Tensor:
    """Slices of x at integer positions of an axis; negative ones count from the end. Raises IndexError for a position out of bounds."""
    t = tensor(x)
    return _i.take(t, tensor(index), axis=normalize_axis("take", axis, t.ndim))


def take_along_axis(x: Like, index: Like, axis: int = -1) -> Tensor:
    """The element at an index along an axis, for each position, as in NumPy's take_along_axis."""
    t = tensor(x)
    return _i.gather(t, tensor(index), axis=normalize_axis("take_along_axis", axis, t.ndim))


def one_hot(index: Like, n: Extent, dtype: Any = FLOAT) -> Tensor:
    """A new last axis of length n, 1 at the index and 0 elsewhere."""
    return _i.one_hot(tensor(index), n=n, dtype=check_dtype(dtype, "one_hot"))


def argsort(x: Like, axis: int = -1, descending: bool = False) -> Tensor:
    """The positions that sort x. The sort is stable: of equal elements the lowest index comes first. NaN comes last."""
    t = tensor(x)
    t = astype(t, FLOAT) if t.dtype in HALVES else t
    return _i.argsort(t, axis=normalize_axis("argsort", axis, t.ndim), descending=builtins.bool(descending))


def sort(x: Like, axis: int = -1, descending: bool = False) -> Tensor:
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


def tril(x: Like, k: int = 0) -> Tensor:
    """The lower triangle of the last two axes, with zeros above diagonal k."""
    t = tensor(x)
    if t.ndim < 2:
        raise shape_error("tril", f"needs two axes, got {t.type}")
    keep = less_equal(arange(t.shape[-1])[None, :], arange(t.shape[-2])[:, None] + k)
    return where(broadcast_to(keep, t.shape), t, 0)


# ---- products


def matmul(x: Like, y: Like) -> Tensor:
    """The matrix product over the last two axes, broadcast over the others. A vector is used as a row or column.

    Raises ShapeError naming both shapes.
    """
    a, b = operands("matmul", (x, y))
    if not a.ndim or not b.ndim:
        raise shape_error("matmul", f"takes no 0-d tensor: x {a.shape} @ y {b.shape}", "Use * to scale")
    row, column = a.ndim == 1, b.ndim == 1
    a = expand_dims(a, 0) if row else a
    b = expand_dims(b, 1) if column else b
    y = _matmul(a, b)
    if row:
        y = squeeze(y, -2)
    return squeeze(y, -1) if column else y


def _matmul(a: Tensor, b: Tensor) -> Tensor:
    _l.require_inner(a.type, b.type)
    if b.ndim == 2 and a.ndim > 2:  # y is one matrix for the whole batch: one product of all rows
        rows = _l.matmul(_m.reshape(a, shape=(dims.product(a.shape[:-1]), a.shape[-1])), b)
        return _m.reshape(rows, shape=(*a.shape[:-1], b.shape[-1]))
    batch = broadcast_shapes("matmul", a.shape[:-2], b.shape[:-2])
    return _l.matmul(_expand(a, (*batch, *a.shape[-2:])), _expand(b, (*batch, *b.shape[-2:])))


def tensordot(x: Like, y: Like, axes: int = 1) -> Tensor:
    """The product summed over the last `axes` axes of x and the first of y."""
    a, b = tensor(x), tensor(y)
    if not 0 <= whole("tensordot", axes, "axes") <= min(a.ndim, b.ndim) or not unify_shapes(a.shape[a.ndim - axes :], b.shape[:axes]):
        raise shape_error("tensordot", f"the last {axes} axes of x {a.shape} must be the first {axes} of y {b.shape}")
    inner = dims.product(a.shape[a.ndim - axes :])
    left = reshape(a, (dims.product(a.shape[: a.ndim - axes]), inner))
    right = reshape(b, (inner, dims.product(b.shape[axes:])))
    return reshape(matmul(left, right), (*a.shape[: a.ndim - axes], *b.shape[axes:]))


def outer(x: Like, y: Like) -> Tensor:
    """x_i·y_j for two vectors."""
    a, b = tensor(x), tensor(y)
    if (a.ndim, b.ndim) != (1, 1):
        raise shape_error("outer", f"takes two vectors, got {a.type} and {b.type}", "For more axes use mg.einsum")
    return multiply(expand_dims(a, 1), expand_dims(b, 0))


def detach(x: Like) -> Tensor:
    """The same values without a gradient."""
    return _e.detach(tensor(x))
