"""Reductions over axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import EmptyError, message
from ..graph import dims
from ..graph.dims import Extent
from ..graph.nodes import make
from ..graph.types import BOOL, INT, check_dtype, normalize_axes, normalize_axis
from ..primitives import movement as _m
from ..primitives import reduce as _r
from ..tensor import Tensor, tensor
from .elementwise import Axis, Like, _floats, astype, divide, greater, logical_not, negative, subtract
from .shaping import expand_dims, ravel, reshape

UINT, BYTE = np.dtype("uint64"), np.dtype("uint8")


def _reduce(op: Any, x: Like, axis: Axis, keepdims: bool) -> Tensor:
    t = tensor(x)
    axes = normalize_axes(op.name, axis, t.ndim)
    y = op(t, axes=axes)
    return _m.reshape(y, shape=tuple(1 if a in axes else n for a, n in enumerate(t.shape))) if keepdims else y


def accumulated(what: str, x: Like, dtype: Any) -> Tensor:
    """x in the dtype of its sum: the one asked for, or x's own, but for bools and small integers int64 or uint64, as in NumPy."""
    t = tensor(x)
    if dtype is None:
        return astype(t, UINT if t.dtype.kind == "u" else t.dtype if t.type.is_float else INT)
    return astype(t, check_dtype(dtype, what))


def sum(x: Like, axis: Axis = None, keepdims: bool = False, dtype: Any = None) -> Tensor:
    """The sum over axes (all by default), in the dtype of x; of bools and integers in int64 or uint64. The sum of no elements is 0.

    Long sums of float32 accumulate in float64, all or block by block: the relative error is below 1e-6 if the terms have one sign.
    """
    if dtype is None and type(x) is Tensor and x.node.type[1].kind == "f":
        if axis is None and not keepdims:
            return Tensor(make(_r.sum, (x.node,), {"axes": tuple(range(len(x.node.type[0])))}))
        return _reduce(_r.sum, x, axis, keepdims)
    return _reduce(_r.sum, accumulated("sum", x, dtype), axis, keepdims)


def prod(x: Like, axis: Axis = None, keepdims: bool = False, dtype: Any = None) -> Tensor:
    """The product over axes, in the dtype of x; of bools and integers in int64 or uint64. The product of no elements is 1.

    The gradient is also exact if elements are zero.
    """
    return _reduce(_r.prod, accumulated("prod", x, dtype), axis, keepdims)


def count_nonzero(x: Like, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The number of elements that are not zero, in int64."""
    return sum(astype(x, BOOL), axis, keepdims)


def max(x: Like, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The largest element; NaN if any element is NaN. Elements at a tie share the gradient equally. Raises ValueError for no elements."""
    return _extreme(_r.max, x, axis, keepdims)


def min(x: Like, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The smallest element; NaN if any element is NaN. Elements at a tie share the gradient equally. Raises ValueError for no elements."""
    return _extreme(_r.min, x, axis, keepdims)


def _extreme(op: Any, x: Like, axis: Axis, keepdims: bool) -> Tensor:
    t = tensor(x)
    return astype(_reduce(op, _ordered(t), axis, keepdims), t.dtype)


def _ordered(t: Tensor) -> Tensor:
    """Bools as 0 and 1, whose order they have."""
    return astype(t, BYTE) if t.dtype == BOOL else t


def any(x: Like, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Whether any element is true."""
    return greater(sum(astype(x, BOOL), axis, keepdims), 0)


def all(x: Like, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Whether all elements are true."""
    return logical_not(any(logical_not(x), axis, keepdims))


def mean(x: Like, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The mean over axes. Integers become float32. Raises ValueError for no elements."""
    t = x if type(x) is Tensor and x.node.type[1].kind == "f" else _floats("mean", x)[0]
    return divide(sum(t, axis, keepdims), number_averaged("mean", t, axis))


def number_averaged(what: str, t: Tensor, axis: Axis = None) -> Extent:
    """The number of elements of which a mean over axes is taken. Raises EmptyError for none."""
    count = dims.product(t.shape[a] for a in normalize_axes(what, axis, t.ndim))
    if not count > 0:
        raise EmptyError(message(what, f"{t.type} has no elements along axis {axis}, and the mean of nothing has no value"))
    return count


def argmax(x: Like, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The position of the largest element; the lowest one at a tie. By default over all elements, as a position in the flattened tensor."""
    t = _ordered(tensor(x))
    if axis is None:
        found = _r.argmax(ravel(t), axis=0)
        return reshape(found, (1,) * t.ndim) if keepdims else found
    a = normalize_axis("argmax", axis, t.ndim)
    found = _r.argmax(t, axis=a)
    return expand_dims(found, a) if keepdims else found


def argmin(x: Like, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The position of the smallest element; the lowest one at a tie."""
    return argmax(reversed_order(_ordered(tensor(x))), axis, keepdims)


def reversed_order(t: Tensor) -> Tensor:
    """Numbers in the opposite order; integers without overflow. Twice is the identity."""
    if t.dtype.kind in "iu":
        return subtract(np.iinfo(t.dtype).max if t.dtype.kind == "u" else -1, t)
    return negative(t)
