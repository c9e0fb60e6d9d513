"""Reductions over a tuple of axes, which the result does not have; argmax; cumulative sums."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import EmptyError, dtype_error, message
from ..graph.dims import Extent, product
from ..graph.types import BOOL, INT, TensorType, check_computed
from ..tensor import Primitive, Tensor, scalar
from .elementwise import cast, div, equal, mul, where
from .movement import broadcast, concat, flip, permute, reshape, slice
from .rules import each, like

Axes = tuple[int, ...]
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


def _products_before(x: Tensor, axis: int) -> Tensor:
    """The product of all earlier elements along an axis, in log2(n) steps."""
    n = x.shape[axis].__index__()
    y, step = _shift_in_ones(x, axis, 1, n), 1
    while step < n:
        y = mul(y, _shift_in_ones(y, axis, step, n))
        step *= 2
    return y


def _shift_in_ones(x: Tensor, axis: int, by: int, n: int) -> Tensor:
    by = n if by > n else by
    ones = broadcast(scalar(1, x.dtype), shape=(*x.shape[:axis], by, *x.shape[axis + 1 :]))
    kept = slice(x, start=(0,) * x.ndim, stop=(*x.shape[:axis], n - by, *x.shape[axis + 1 :]), step=(1,) * x.ndim)
    return concat(ones, kept, axis=axis)


def _complex_extreme(pick: Callable[..., Any]) -> Callable[..., Any]:
    """The element with the extreme real part."""

    def rule(z: np.ndarray, axes: Axes) -> np.ndarray:
        order = (*(a for a in range(z.ndim) if a not in axes), *axes)
        rest = tuple(z.shape[a] for a in order[: z.ndim - len(axes)])
        flat = np.transpose(z, order).reshape(*rest, -1)
        return np.take_along_axis(flat, pick(flat.real, axis=-1, keepdims=True), -1)[..., 0]

    return rule


sum: Primitive = _reduction("sum", lambda x, axes: np.sum(x, axes, dtype=x.dtype), lambda ct, y, x, axes: spread(ct, x, axes), "Σ")
prod: Primitive = _reduction("prod", lambda x, axes: np.prod(x, axes, dtype=x.dtype), _prod_vjp, "Π")
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


def _cumsum_numpy(x: np.ndarray, axis: int, reverse: bool) -> np.ndarray:
    return np.flip(np.cumsum(np.flip(x, axis), axis, dtype=x.dtype), axis) if reverse else np.cumsum(x, axis, dtype=x.dtype)


cumsum: Primitive = Primitive(
    "cumsum",
    lambda x, axis, reverse: _type("cumsum", empty=True)(x, axes=()),
    _cumsum_numpy,
    vjp=each(lambda ct, y, x, axis, reverse: cumsum(ct, axis=axis, reverse=not reverse)),
    batch="axis",
    kind="reduce",
    symbol="Σ…",
    examples=((((2, 3),), {"axis": 1, "reverse": False}), (((4,),), {"axis": 0, "reverse": True})),
)
