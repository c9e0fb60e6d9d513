"""Reductions over axes."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from ..errors import EmptyError, message
from ..graph import dims
from ..graph.types import BOOL, INT, normalize_axes, normalize_axis
from ..primitives import movement as _m
from ..primitives import reduce as _r
from ..tensor import Tensor, tensor
from .elementwise import Axis, Like, _floats, astype, divide, greater, logical_not, negative, subtract
from .shaping import reshape


def _reduce(op: Any, x: Like, axis: Axis, keepdims: bool) -> Tensor:
    t = tensor(x)
    axes = normalize_axes(op.name, axis, t.ndim)
    y = op(t, axes=axes)
    return _m.reshape(y, shape=tuple(1 if a in axes else n for a, n in enumerate(t.shape))) if keepdims else y


def sum(x: Like, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The sum over axes (all by default), in the dtype of x; for bools in int64. The sum of no elements is 0.

    Long sums of float32 accumulate in float64, all or block by block: the relative error is below 1e-6 if the terms have one sign."""
    t = tensor(x)
    return _reduce(_r.sum, astype(t, INT) if t.dtype == BOOL else t, axis, keepdims)


def prod(x: Like, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The product over axes. The product of no elements is 1. The gradient is also exact if elements are zero."""
    return _reduce(_r.prod, x, axis, keepdims)


def max(x: Like, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The largest element; NaN if any element is NaN. Elements at a tie share the gradient equally. Raises ValueError for no elements."""
    return _reduce(_r.max, x, axis, keepdims)


def min(x: Like, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The smallest element; NaN if any element is NaN. Elements at a tie share the gradient equally. Raises ValueError for no elements."""
    return _reduce(_r.min, x, axis, keepdims)


def any(x: Like, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Whether any element is true."""
    return greater(sum(astype(x, BOOL), axis, keepdims), 0)


def all(x: Like, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Whether all elements are true."""
    return logical_not(any(logical_not(x), axis, keepdims))


def mean(x: Like, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The mean over axes. Integers become float32. Raises ValueError for no elements."""
    (t,) = _floats("mean", x)
    count = dims.product(t.shape[a] for a in normalize_axes("mean", axis, t.ndim))
    if not count > 0:
        raise EmptyError(message("mean", f"{t.type} has no elements along axis {axis}, and the mean of nothing has no value"))
    return divide(sum(t, axis, keepdims), count)


def argmax(x: Like, axis: int | None = None) -> Tensor:
    """The position of the largest element; the lowest one at a tie. By default over all elements, as a position in the flattened tensor."""
    t = tensor(x)
    if axis is None:
        return _r.argmax(reshape(t, (-1,)), axis=0)
    return _r.argmax(t, axis=normalize_axis("argmax", axis, t.ndim))


def argmin(x: Like, axis: int | None = None) -> Tensor:
    """The position of the smallest element; the lowest one at a tie."""
    t = tensor(x)
    if t.dtype.kind in "iu":  # reverses the order of integers without overflow
        return argmax(subtract(np.iinfo(t.dtype).max if t.dtype.kind == "u" else -1, t), axis)
    return argmax(negative(t), axis)


def cumsum(x: Like, axis: int = -1, reverse: bool = False) -> Tensor:
    """Cumulative sums along an axis; from the end with `reverse`. Those of float32 accumulate in float64."""
    t = tensor(x)
    return _r.cumsum(t, axis=normalize_axis("cumsum", axis, t.ndim), reverse=builtins.bool(reverse))


cumulative_sum = cumsum
