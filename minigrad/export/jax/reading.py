"""The rules of JAX's primitives without bodies, each with minigrad's operations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np
from jax.lax import RoundingMethod

from ... import ops
from ...primitives import bits, movement, rounding
from ...primitives import reduce as reductions
from ...tensor import Tensor

Ints = Sequence[int]


# ---- elementwise


def div(x: Tensor, y: Tensor) -> Tensor:
    """Of integers, rounded towards zero."""
    if x.dtype.kind != "i":
        return ops.divide(x, y) if x.dtype.kind == "f" else ops.floor_divide(x, y)
    found = ops.floor_divide(x, y)
    return ops.where(_other_sign(ops.remainder(x, y), x), found + 1, found)


def rem(x: Tensor, y: Tensor) -> Tensor:
    """The remainder of a division rounded towards zero: it has the sign of x."""
    if x.dtype.kind == "f":
        size = ops.abs(y)
        return ops.where(x < 0, -ops.remainder(-x, size), ops.remainder(x, size))
    found = ops.remainder(x, y)
    return found if x.dtype.kind == "u" else ops.where(_other_sign(found, x), found - y, found)


def _other_sign(rest: Tensor, x: Tensor) -> Tensor:
    """Whether a remainder is not 0 and has another sign than x."""
    return ops.logical_and(ops.not_equal(rest, 0), ops.logical_xor(rest < 0, x < 0))


def power(x: Tensor, y: Tensor) -> Tensor:
    return ops.pow(x, ops.astype(y, x.dtype))


def one_minus_square(x: Tensor) -> Tensor:
    """1 − x², to the last digits where |x| is near 1, and with the gradient −2x where it is near 0."""
    small = ops.abs(x) < 0.5
    return ops.where(small, 1 - ops.square(ops.where(small, x, 0)), (1 + x) * (1 - x))


def polynomial(x: Tensor, *coefficients: Tensor) -> Tensor:
    return reduce(lambda found, a: found * x + a, reversed(coefficients))


def clamp(low: Tensor, x: Tensor, high: Tensor) -> Tensor:
    return ops.minimum(ops.maximum(x, low), high)


def select(which: Tensor, *cases: Tensor) -> Tensor:
    if which.dtype.kind == "b":
        return ops.where(which, cases[1], cases[0])
    number = ops.astype(which, "int64")
    return reduce(
        lambda found, i: ops.where(ops.equal(number, i), cases[i], found), range(1, len(cases)), ops.broadcast_to(cases[0], cases[0].shape)
    )


def round_(x: Tensor, rounding_method: Any) -> Tensor:
    if rounding_method == RoundingMethod.TO_NEAREST_EVEN:
        return rounding.round(x)
    whole = rounding.trunc(x)
    return whole + ops.where(ops.abs(x - whole) >= 0.5, ops.sign(x), 0)


def bitwise(on_bits: Callable[..., Tensor], on_bools: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda *args: (on_bools if args[0].dtype.kind == "b" else on_bits)(*args)


def bitcast(x: Tensor, new_dtype: Any) -> Tensor:
    """In JAX its derivative is 0, between floats too."""
    return bits.bitcast(ops.detach(x), dtype=np.dtype(new_dtype))


def shift_right_logical(x: Tensor, y: Tensor) -> Tensor:
    unsigned = np.dtype(f"uint{8 * x.dtype.itemsize}")
    return ops.astype(ops.bitwise_right_shift(ops.astype(x, unsigned), ops.astype(y, unsigned)), x.dtype)


# ---- movement


def broadcast_in_dim(x: Tensor, shape: Ints, broadcast_dimensions: Ints) -> Tensor:
    lengths = [1] * len(shape)
    for axis, n in zip(broadcast_dimensions, x.shape, strict=True):
        lengths[axis] = n
    return ops.broadcast_to(ops.reshape(x, tuple(lengths)), tuple(shape))


def reshape(x: Tensor, new_sizes: Ints, dimensions: Ints | None) -> Tensor:
    """`dimensions` are the axes in another order, in which the elements are taken."""
    return ops.reshape(x if dimensions is None else ops.permute_dims(x, tuple(dimensions)), tuple(new_sizes))


def slice_(x: Tensor, start_indices: Ints, limit_indices: Ints, strides: Ints | None) -> Tensor:
    return movement.slice(x, start=tuple(start_indices), stop=tuple(limit_indices), step=tuple(strides or (1,) * x.ndim))


def pad(x: Tensor, value: Tensor, padding_config: Sequence[tuple[int, int, int]]) -> Tensor:
    """Negative padding cuts off."""
    low, high, interior = (tuple(p[i] for p in padding_config) for i in range(3))
    wide = {"low": tuple(max(n, 0) for n in low), "high": tuple(max(n, 0) for n in high), "interior": interior}
    inside = movement.pad(ops.ones_like(x, "bool"), **wide)
    found = ops.where(inside, movement.pad(x, **wide), value)
    cut = tuple(slice(max(-a, 0), n - max(-b, 0)) for a, b, n in zip(low, high, found.shape, strict=True))
    return found[cut] if cut else found


def iota(dtype: Any, shape: Ints, dimension: int) -> Tensor:
    return broadcast_in_dim(ops.arange(shape[dimension], dtype=dtype), shape=shape, broadcast_dimensions=(dimension,))


# ---- reductions, products, sorting


def reduction(f: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda x, axes: f(x, axis=tuple(axes))


def arg(f: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda x, axes, index_dtype: ops.astype(f(x, axes[0]), index_dtype)


def cumulative(op: Any) -> Callable[..., Tensor]:
    return lambda x, axis, reverse: op(x, axis=axis, reverse=reverse)


def cumlogsumexp(x: Tensor, axis: int, reverse: bool) -> Tensor:
    return ops.flip(ops.logcumsumexp(ops.flip(x, axis), axis), axis) if reverse else ops.logcumsumexp(x, axis)


def dot_general(x: Tensor, y: Tensor, dimension_numbers: Any, preferred_element_type: Any = None) -> Tensor:
    (x_sum, y_sum), (x_batch, y_batch) = dimension_numbers
    if preferred_element_type is not None:
        x, y = (ops.astype(t, preferred_element_type) for t in (x, y))
    xs = list(range(x.ndim))
    ys = list(range(x.ndim, x.ndim + y.ndim))
    for i, j in (*zip(x_sum, y_sum, strict=True), *zip(x_batch, y_batch, strict=True)):
        ys[j] = xs[i]
    kept = [xs[i] for i in x_batch] + [a for i, a in enumerate(xs) if i not in (*x_sum, *x_batch)]
    kept += [a for i, a in enumerate(ys) if i not in (*y_sum, *y_batch)]
    text = ["".join(chr(ord("a") + a) for a in axes) for axes in (xs, ys, kept)]
    return ops.einsum(f"{text[0]},{text[1]}->{text[2]}", x, y)


def sort(*xs: Tensor, dimension: int, num_keys: int) -> list[Tensor]:
    """By the first keys: stable sorts, the last key first."""
    for key in reversed(range(num_keys)):
        order = ops.argsort(xs[key], axis=dimension)
        xs = tuple(ops.take_along_axis(x, order, dimension) for x in xs)
    return list(xs)


def top_k(x: Tensor, k: int, axis: int = -1) -> list[Tensor]:
    order = ops.argsort(x, axis=axis, descending=True)
    if x.type.is_float:  # JAX has NaN first, argsort last
        is_nan = ops.isnan(ops.take_along_axis(x, order, axis))
        order = ops.take_along_axis(order, ops.argsort(is_nan, axis=axis, descending=True), axis)
    first = ops.take(order, ops.arange(k), axis)
    return [ops.take_along_axis(x, first, axis), ops.astype(first, "int32")]


# ---- the table

RULES: dict[str, Callable[..., Any]] = {
    # elementwise
    "abs": ops.abs,
    "acos": ops.acos,
    "acosh": ops.acosh,
    "add": ops.add,
    "add_any": ops.add,
    "and": bitwise(ops.bitwise_and, ops.logical_and),
    "asin": ops.asin,
    "asinh": ops.asinh,
    "atan": ops.atan,
    "atan2": ops.atan2,
    "atanh": ops.atanh,
    "bitcast_convert_type": bitcast,
    "ceil": ops.ceil,
    "clamp": clamp,
    "copy": lambda x: x,
    "copy_p": lambda x: x,
    "cos": ops.cos,
    "cosh": ops.cosh,
    "device_put": lambda *xs: list(xs),
    "div": div,
    "eq": ops.equal,
    "erf": ops.erf,
    "exp": ops.exp,
    "exp2": ops.exp2,
    "expm1": ops.expm1,
    "floor": ops.floor,
    "ge": ops.greater_equal,
    "gt": ops.greater,
    "is_finite": ops.isfinite,
    "le": ops.less_equal,
    "log": ops.log,
    "log1p": ops.log1p,
    "log2": ops.log2,
    "logistic": ops.sigmoid,
    "lt": ops.less,
    "max": ops.maximum,
    "min": ops.minimum,
    "mul": ops.multiply,
    "ne": ops.not_equal,
    "neg": ops.negative,
    "nextafter": ops.nextafter,
    "not": bitwise(ops.bitwise_invert, ops.logical_not),
    "one_minus_square": one_minus_square,
    "optimization_barrier": lambda *xs: list(xs),
    "or": bitwise(ops.bitwise_or, ops.logical_or),
    "polynomial": polynomial,
    "pow": power,
    "rem": rem,
    "rsqrt": lambda x: ops.divide(1, ops.sqrt(x)),
    "select_n": select,
    "sharding_constraint": lambda x: x,
    "shift_left": ops.bitwise_left_shift,
    "shift_right_arithmetic": ops.bitwise_right_shift,
    "shift_right_logical": shift_right_logical,
    "sign": ops.sign,
    "sin": ops.sin,
    "sinh": ops.sinh,
    "sqrt": ops.sqrt,
    "square": ops.square,
    "stop_gradient": ops.detach,
    "sub": ops.subtract,
    "tan": ops.tan,
    "tanh": ops.tanh,
    "xor": bitwise(ops.bitwise_xor, ops.logical_xor),
    "empty2": lambda dtype: ops.zeros((), dtype),  # in the gradient of a branch, what the other branch would have kept
    "convert_element_type": lambda x, new_dtype: ops.astype(x, new_dtype),
    "integer_pow": lambda x, y: ops.pow(x, y),
    "round": round_,
    # movement
    "broadcast_in_dim": broadcast_in_dim,
    "concatenate": lambda *xs, dimension: ops.concat(list(xs), dimension),
    "expand_dims": lambda x, dimensions: ops.expand_dims(x, tuple(dimensions)),
    "iota": iota,
    "pad": pad,
    "reshape": reshape,
    "rev": lambda x, dimensions: ops.flip(x, tuple(dimensions)),
    "slice": slice_,
    "split": lambda x, sizes, axis: list(ops.split(x, list(sizes), axis)),
    "squeeze": lambda x, dimensions: ops.squeeze(x, tuple(dimensions)),
    "stack": lambda *xs, axis: ops.stack(list(xs), axis),
    "tile": lambda x, reps: ops.tile(x, tuple(reps)),
    "transpose": lambda x, permutation: ops.permute_dims(x, tuple(permutation)),
    "unstack": lambda x, axis: list(ops.unstack(x, axis=axis)),
    # reductions, products, sorting
    "argmax": arg(ops.argmax),
    "argmin": arg(ops.argmin),
    "cumlogsumexp": cumlogsumexp,
    "cumprod": cumulative(reductions.cumprod),
    "cumsum": cumulative(reductions.cumsum),
    "dot_general": dot_general,
    "reduce_and": reduction(ops.all),
    "reduce_max": reduction(ops.max),
    "reduce_min": reduction(ops.min),
    "reduce_or": reduction(ops.any),
    "reduce_prod": lambda x, axes: reductions.prod(x, axes=tuple(axes)),
    "reduce_sum": lambda x, axes: reductions.sum(x, axes=tuple(axes)),
    "sort": sort,
    "top_k": top_k,
}
