"""Reductions over a tuple of axes, which the result does not have; argmax; cumulative sums."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import EmptyError, dtype_error, message
from ..graph.dims import Extent, product
from ..graph.types import BOOL, FLOAT, INT, WIDE, TensorType, check_computed
from ..tensor import Primitive, Tensor, scalar
from .elementwise import add, cast, div, equal, mul, where
from .movement import broadcast, concat, flip, pad, permute, reshape, slice
from .rules import each, like

Axes = tuple[int, ...]
NAIVE = 64  # float32 sums of at most so many terms accumulate in float32
EXAMPLES = (
    (((2, 3),), {"axes": (0,)}),
    (((2, 3, 4),), {"axes": (0, 2)}),
    (((3,),), {"axes": (0,)}),
    (((2, 1),), {"axes": ()}),
)


def _type(name: str, empty: bool) -> Callable[..., TensorType]:
    def rule(x: TensorType, axes: Axes) -> TensorType:
        for a in axes:
            if not empty and not x.shape[a] > 0:
                raise EmptyError(message(name, f"axis {a} of {x} is empty, and the {name} of nothing has no value"))
        check_computed(name, x.dtype)
        if x.dtype == BOOL:
            raise dtype_error(name, f"takes numbers, got {x}", "Convert with .astype('int64')")
        return TensorType(tuple(n for a, n in enumerate(x.shape) if a not in axes), x.dtype)

    return rule


def _reduction(name: str, numpy: Any, vjp: Any, symbol: str, empty: bool = True, **more: Any) -> Primitive:
    return Primitive(name, _type(name, empty), numpy, vjp=each(vjp), batch="axes", kind="reduce", symbol=symbol, examples=EXAMPLES, **more)


def spread(t: Tensor, x: Tensor, axes: Axes) -> Tensor:
    """Broadcast t to the shape of x along the reduced axes."""
    kept: tuple[Extent, ...] = tuple(1 if a in axes else n for a, n in enumerate(x.shape))
    return broadcast(reshape(t, shape=kept), shape=x.shape)


def _extreme_vjp(ct: Tensor, y: Tensor, x: Tensor, axes: Axes) -> Tensor:
    """Elements at a tie get equal parts of the cotangent."""
    hit = equal(x, spread(y, x, axes))
    count = sum(cast(hit, dtype=x.dtype), axes=axes)
    return where(hit, spread(div(ct, count), x, axes), like(x, 0))


def _prod_vjp(ct: Tensor, y: Tensor, x: Tensor, axes: Axes) -> Tensor:
    """ct times the product of all other elements, without division, so that zeros are allowed."""
    order = (*(a for a in range(x.ndim) if a not in axes), *axes)
    moved = permute(x, axes=order)
    flat = reshape(moved, shape=(*y.shape, product(x.shape[a] for a in axes)))
    last = y.ndim
    others = mul(_products_before(flat, last), flip(_products_before(flip(flat, axes=(last,)), last), axes=(last,)))
    grad = mul(others, broadcast(reshape(ct, shape=(*y.shape, 1)), shape=flat.shape))
    return permute(reshape(grad, shape=moved.shape), axes=tuple(np.argsort(order).tolist()))


def _part(x: Tensor, axis: int, start: Extent, stop: Extent) -> Tensor:
    """x[start:stop] along an axis."""
    low = tuple(start if a == axis else 0 for a in range(x.ndim))
    high = tuple(stop if a == axis else n for a, n in enumerate(x.shape))
    return slice(x, start=low, stop=high, step=(1,) * x.ndim)


def _products_before(x: Tensor, axis: int) -> Tensor:
    """The product of all earlier elements along an axis."""
    if not x.shape[axis] > 0:
        return x
    one = broadcast(scalar(1, x.dtype), shape=(*x.shape[:axis], 1, *x.shape[axis + 1 :]))
    return concat(one, _part(cumprod(x, axis=axis, reverse=False), axis, 0, x.shape[axis] - 1), axis=axis)


def _sum(x: np.ndarray, axes: Axes) -> Any:
    """The sum in the dtype of x. Long sums of float32 accumulate in float64; NumPy's own are naive along all axes but the last.

    NumPy adds in another order where x lies otherwise in memory: it is brought into its own order first."""
    x = np.asarray(x, order="C")
    if x.dtype == FLOAT and x.size > NAIVE and math.prod([x.shape[a] for a in axes]) > NAIVE:
        return np.add.reduce(x, axes, WIDE).astype(x.dtype)
    return np.add.reduce(x, axes, x.dtype)


def _complex_extreme(pick: Callable[..., Any]) -> Callable[..., Any]:
    """The element with the extreme real part."""

    def rule(z: np.ndarray, axes: Axes) -> np.ndarray:
        order = (*(a for a in range(z.ndim) if a not in axes), *axes)
        rest = tuple(z.shape[a] for a in order[: z.ndim - len(axes)])
        flat = np.transpose(z, order).reshape(*rest, -1)
        return np.take_along_axis(flat, pick(flat.real, axis=-1, keepdims=True), -1)[..., 0]

    return rule


sum: Primitive = _reduction("sum", _sum, lambda ct, y, x, axes: spread(ct, x, axes), "Σ")
prod: Primitive = _reduction("prod", lambda x, axes: np.prod(np.asarray(x, order="C"), axes, dtype=x.dtype), _prod_vjp, "Π")
max: Primitive = _reduction("max", lambda x, axes: np.max(x, axes), _extreme_vjp, "max", empty=False, complex=_complex_extreme(np.argmax))
min: Primitive = _reduction("min", lambda x, axes: np.min(x, axes), _extreme_vjp, "min", empty=False, complex=_complex_extreme(np.argmin))


def _argmax_type(x: TensorType, axis: int) -> TensorType:
    _type("argmax", empty=False)(x, axes=(axis,))
    return TensorType(x.shape[:axis] + x.shape[axis + 1 :], INT)


# At a tie the lowest index, as in NumPy.
argmax: Primitive = Primitive(
    "argmax",
    _argmax_type,
    lambda x, axis: np.argmax(x.real, axis),
    batch="axis",
    kind="reduce",
    symbol="argmax",
    examples=((((2, 3),), {"axis": 1}), (((4,),), {"axis": 0})),
)


# ---- cumulative sums and products; those of floats accumulate in float64


def _cumulative(name: str, ufunc: np.ufunc, vjp: Any, symbol: str) -> Primitive:
    def numpy(x: np.ndarray, axis: int, reverse: bool) -> np.ndarray:
        along = np.flip(x, axis) if reverse else x
        y = ufunc.accumulate(along, axis, dtype=WIDE if x.dtype == FLOAT else x.dtype).astype(x.dtype, copy=False)
        return np.flip(y, axis) if reverse else y

    return Primitive(
        name,
        lambda x, axis, reverse: _type(name, empty=True)(x, axes=()),
        numpy,
        vjp=each(vjp),
        batch="axis",
        kind="reduce",
        symbol=symbol,
        examples=((((2, 3),), {"axis": 1, "reverse": False}), (((4,),), {"axis": 0, "reverse": True})),
    )


def _cumprod_vjp(ct: Tensor, y: Tensor, x: Tensor, axis: int, reverse: bool) -> Tensor:
    """Without division, so that zeros are allowed: the product before each element, times what the cotangents of it and later ones give."""
    if reverse:
        ct, x = flip(ct, axes=(axis,)), flip(x, axes=(axis,))
    grad = mul(_products_before(x, axis), _carried_back(ct, x, axis))
    return flip(grad, axes=(axis,)) if reverse else grad


def _carried_back(ct: Tensor, x: Tensor, axis: int) -> Tensor:
    """S with S(k) = ct(k) + x(k+1)·S(k+1) along an axis, in log2(n) steps. After a step, S has the terms of twice as many elements."""
    n = x.shape[axis].__index__()
    total, step = ct, 1
    factor = _part(x, axis, 1, n) if n > 1 else x  # the products of the `step` elements after each
    while step < n:
        later = mul(factor, _part(total, axis, step, n))
        total = add(total, pad(later, low=(0,) * x.ndim, high=tuple(step * (a == axis) for a in range(x.ndim)), interior=(0,) * x.ndim))
        if 2 * step < n:
            factor = mul(_part(factor, axis, 0, n - 2 * step), _part(factor, axis, step, n - step))
        step *= 2
    return total


cumsum: Primitive = _cumulative("cumsum", np.add, lambda ct, y, x, axis, reverse: cumsum(ct, axis=axis, reverse=not reverse), "Σ…")
cumprod: Primitive = _cumulative("cumprod", np.multiply, _cumprod_vjp, "Π…")
