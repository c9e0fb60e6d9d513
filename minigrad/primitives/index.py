"""Indexing primitives: gathers, the scatters that are their gradients, one-hot, sorting, and arrays made from nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import BoundsError, dtype_error, message, shape_error
from ..graph.dims import Extent, Shape, product
from ..graph.types import BOOL, FLOAT, INT, WIDE, TensorType, check_computed, check_dtype, unify_shapes
from ..tensor import Primitive, Tensor
from .elementwise import add, cast, div, equal, maximum, mul, where
from .movement import broadcast, permute, reshape
from .reduce import NAIVE
from .rules import each, like, repeat

UINT64 = np.dtype("uint64")
JITTED_SCATTER = 2**14  # elements; from this size on a jitted loop is used, which is 24 times as fast as np.add.at but must be compiled


def require_index(name: str, type: TensorType) -> None:
    if type.dtype.kind not in "iu":
        raise dtype_error(name, f"indices must be integers, got {type}", "Convert with .astype('int64')")


def in_bounds(name: str, index: np.ndarray, n: int) -> np.ndarray:
    """The indices as numbers from 0 to n - 1; negative ones count from the end. Raises BoundsError, which names the first that is wrong."""
    bad = (index < -n) | (index >= n)
    if bad.any():
        raise BoundsError(message(name, f"index {index[bad][0]} out of bounds for an axis of size {n}"))
    return index


# ---- take: slices at integer positions of one axis; its gradient is scatter, which adds slices


def _take_type(x: TensorType, index: TensorType, axis: int) -> TensorType:
    require_index("take", index)
    return TensorType(x.shape[:axis] + index.shape + x.shape[axis + 1 :], x.dtype)


def _take_batch(size: Extent, args: Sequence[Tensor], batched: Sequence[bool], axis: int) -> Tensor:
    x, index = args
    if not batched[1]:
        return take(x, index, axis=axis + 1)
    if not batched[0]:
        found = take(x, index, axis=axis)
        return permute(found, axes=(axis, *(a for a in range(found.ndim) if a != axis)))
    front = permute(x, axes=(0, axis + 1, *(a for a in range(1, x.ndim) if a != axis + 1)))
    rows = reshape(front, shape=(size * x.shape[axis + 1], *front.shape[2:]))
    found = take(rows, row_offsets("take", index, size, x.shape[axis + 1]), axis=0)
    at = tuple(range(1, index.ndim))
    rest = tuple(range(index.ndim, found.ndim))
    return permute(found, axes=(0, *rest[:axis], *at, *rest[axis:]))


def row_offsets(what: str, index: Tensor, size: Extent, n: Extent) -> Tensor:
    """An index (size, …), one per batch element into n rows, as an index into size·n rows."""
    offset = mul(iota(n=size, dtype=INT), broadcast(extent(n=n), shape=(size,)))
    column = broadcast(reshape(offset, shape=(size, *(1,) * (index.ndim - 1))), shape=index.shape)
    return add(position(index, n=n, what=what), column)


def _position_type(index: TensorType, n: Extent, what: str) -> TensorType:
    require_index(what, index)
    return TensorType(index.shape, INT)


def _position_numpy(index: np.ndarray, n: int, what: str) -> np.ndarray:
    found = in_bounds(what, index, int(n)).astype(INT)
    return np.where(found < 0, found + int(n), found)


# An index as a number from 0 to n - 1. An error names the operation `what`.
position: Primitive = Primitive(
    "position",
    _position_type,
    _position_numpy,
    batch=lambda size, args, batched, n, what: position(args[0], n=n, what=what),
    kind="index",
    symbol="position",
    examples=(((np.array([[0, 2], [-1, -3]]),), {"n": 3, "what": "take"}), ((np.array(1),), {"n": 2, "what": "index"})),
)


take: Primitive = Primitive(
    "take",
    _take_type,
    lambda x, index, axis: np.take(x, in_bounds("take", index, x.shape[axis]), axis),
    vjp=each(
        lambda ct, y, x, index, axis: scatter(ct, index, axis=axis, n=x.shape[axis]),
        lambda ct, y, x, index, axis: None,
    ),
    batch=_take_batch,
    kind="index",
    symbol="take",
    examples=(
        (((4, 3), np.array([0, 2, 2, -1])), {"axis": 0}),
        (((2, 3), np.array([[1, 0], [2, 1]])), {"axis": 1}),
        (((3,), np.array(2)), {"axis": 0}),
        (((3, 2), np.zeros(0, "int64")), {"axis": 0}),
    ),
)


def scatter_type(updates: TensorType, index: TensorType, axis: int, n: Extent) -> TensorType:
    require_index("scatter", index)
    check_computed("scatter", updates.dtype)
    if not unify_shapes(updates.shape[axis : axis + index.ndim], index.shape):
        raise shape_error("scatter", f"updates {updates.shape} must have the indices' shape {index.shape} from axis {axis} on")
    return TensorType((*updates.shape[:axis], n, *updates.shape[axis + index.ndim :]), updates.dtype)


def _scattered(combine: np.ufunc, start: Any, updates: np.ndarray, index: np.ndarray, axis: int, n: int) -> np.ndarray:
    """An array of length n along the axis, `start` everywhere, with which each slice of updates is combined at its index."""
    dtype = sum_dtype(updates.dtype, index.size) if combine is np.add else updates.dtype
    out = np.full((*updates.shape[:axis], int(n), *updates.shape[axis + index.ndim :]), start, dtype)
    return combined_at(combine, out, updates, index, axis).astype(updates.dtype, copy=False)


def combined_at(combine: np.ufunc, out: np.ndarray, updates: np.ndarray, index: np.ndarray, axis: int) -> np.ndarray:
    """`out`, changed: each slice of updates is combined with the one at its index."""
    n, rest = out.shape[axis], updates.shape[axis + index.ndim :]
    index = in_bounds("scatter", index, n)
    if combine is np.add and updates.size > JITTED_SCATTER:
        from .kernels import scatter_add  # numba takes long to load

        lead, inner = math.prod(updates.shape[:axis]), math.prod(rest)
        source = np.ascontiguousarray(updates).reshape(lead, index.size, inner)
        scatter_add(out.reshape(lead, n, inner), np.ascontiguousarray(index, INT).reshape(-1), source)
        return out
    position: Any = (slice(None),) * axis + (index,)
    combine.at(out, position, updates)
    return out


def sum_dtype(dtype: np.dtype, terms: int) -> np.dtype:
    """The dtype in which so many terms are added up: float64 for a long sum of float32."""
    return WIDE if dtype == FLOAT and terms > NAIVE else dtype


def as_rows(updates: Tensor, index: Tensor, size: Extent, axis: int, n: Extent) -> tuple[Tensor, Tensor]:
    """The updates and the index of a batch of scatters into n slices, as those of one scatter into size·n rows."""
    last = axis + index.ndim
    order = (0, *range(axis + 1, last), *range(1, axis + 1), *range(last, updates.ndim))
    return permute(updates, axes=order), row_offsets("scatter", index, size, n)


def from_rows(rows: Tensor, size: Extent, axis: int, n: Extent) -> Tensor:
    """The result of the scatters, from that into size·n rows."""
    split = reshape(rows, shape=(size, n, *rows.shape[1:]))
    return permute(split, axes=(0, *range(2, axis + 2), 1, *range(axis + 2, split.ndim)))


def _scatter_batch(op: Callable[[], Primitive]) -> Any:
    def batch(size: Extent, args: Sequence[Tensor], batched: Sequence[bool], axis: int, n: Extent) -> Tensor:
        updates, index = repeat(args[0], size, batched[0]), args[1]
        if not batched[1]:
            return op()(updates, index, axis=axis + 1, n=n)
        return from_rows(op()(*as_rows(updates, index, size, axis, n), axis=0, n=size * n), size, axis, n)

    return batch


# Zeros of length n along the axis; each slice of updates is added at its index.
scatter: Primitive = Primitive(
    "scatter",
    scatter_type,
    lambda updates, index, axis, n: _scattered(np.add, 0, updates, index, axis, n),
    vjp=each(
        lambda ct, y, updates, index, axis, n: take(ct, index, axis=axis),
        lambda ct, y, updates, index, axis, n: None,
    ),
    batch=_scatter_batch(lambda: scatter),
    kind="index",
    symbol="scatter",
    examples=(
        (((4, 3), np.array([0, 2, 2, -1])), {"axis": 0, "n": 5}),
        (((2, 2, 2), np.array([[1, 0], [2, 1]])), {"axis": 1, "n": 3}),
    ),
)


def lowest(dtype: np.dtype) -> Any:
    """The number that changes no maximum."""
    return np.iinfo(dtype).min if dtype.kind in "iu" else -math.inf


def _scatter_max_type(updates: TensorType, index: TensorType, axis: int, n: Extent) -> TensorType:
    if updates.dtype == BOOL:
        raise dtype_error("scatter_max", f"takes numbers, got {updates}", "Convert with .astype('int64')")
    return scatter_type(updates, index, axis, n)


def _scatter_max_vjp(ct: Tensor, y: Tensor, updates: Tensor, index: Tensor, axis: int, n: Extent) -> Tensor:
    """Updates at a tie get equal parts of the cotangent."""
    largest = equal(updates, take(y, index, axis=axis))
    count = take(scatter(cast(largest, dtype=ct.dtype), index, axis=axis, n=n), index, axis=axis)
    return where(largest, div(take(ct, index, axis=axis), maximum(count, like(count, 1))), like(updates, 0))


# The largest of the updates at each index, and the lowest number where there is none.
scatter_max: Primitive = Primitive(
    "scatter_max",
    _scatter_max_type,
    lambda updates, index, axis, n: _scattered(np.maximum, lowest(updates.dtype), updates, index, axis, n),
    vjp=each(_scatter_max_vjp, lambda ct, y, updates, index, axis, n: None),
    batch=_scatter_batch(lambda: scatter_max),
    kind="index",
    symbol="scatter max",
    examples=(
        (((4, 3), np.array([0, 2, 1, -1])), {"axis": 0, "n": 4}),
        (((2, 2, 2), np.array([[1, 0], [2, 1]])), {"axis": 1, "n": 3}),
    ),
)


# ---- gather: the element at an index along an axis, for each position


def _gather_type(x: TensorType, index: TensorType, axis: int) -> TensorType:
    require_index("take_along_axis", index)
    rest = x.shape[:axis] + x.shape[axis + 1 :]
    if index.ndim != x.ndim or not unify_shapes(index.shape[:axis] + index.shape[axis + 1 :], rest):
        raise shape_error("take_along_axis", f"indices {index.shape} must agree with {x.shape} except along axis {axis}")
    return TensorType(index.shape, x.dtype)


def _gather_batch(op: str) -> Any:
    def batch(size: Extent, args: Sequence[Tensor], batched: Sequence[bool], axis: int, **attrs: Any) -> Tensor:
        x, index = (repeat(a, size, b) for a, b in zip(args, batched, strict=True))
        return (gather if op == "gather" else scatter_along)(x, index, axis=axis + 1, **attrs)

    return batch


gather: Primitive = Primitive(
    "gather",
    _gather_type,
    lambda x, index, axis: np.take_along_axis(x, in_bounds("take_along_axis", index, x.shape[axis]), axis),
    vjp=each(
        lambda ct, y, x, index, axis: scatter_along(ct, index, axis=axis, n=x.shape[axis]),
        lambda ct, y, x, index, axis: None,
    ),
    batch=_gather_batch("gather"),
    kind="index",
    symbol="gather",
    examples=((((2, 4), np.array([[0, 0, 3], [1, -1, 2]])), {"axis": 1}), (((3,), np.array([2])), {"axis": 0})),
)


def _scatter_along_type(updates: TensorType, index: TensorType, axis: int, n: Extent) -> TensorType:
    require_index("scatter_along", index)
    check_computed("scatter_along", updates.dtype)
    if not unify_shapes(updates.shape, index.shape):
        raise shape_error("scatter_along", f"updates {updates.shape} must have the indices' shape {index.shape}")
    return TensorType((*updates.shape[:axis], n, *updates.shape[axis + 1 :]), updates.dtype)


def _scatter_along_numpy(updates: np.ndarray, index: np.ndarray, axis: int, n: int) -> np.ndarray:
    n = int(n)
    out = np.zeros((*updates.shape[:axis], n, *updates.shape[axis + 1 :]), sum_dtype(updates.dtype, index.shape[axis]))
    where: list[np.ndarray] = list(np.indices(index.shape, sparse=True))
    where[axis] = in_bounds("scatter_along", index, n)
    np.add.at(out, tuple(where), updates)
    return out.astype(updates.dtype, copy=False)


scatter_along: Primitive = Primitive(
    "scatter_along",
    _scatter_along_type,
    _scatter_along_numpy,
    vjp=each(
        lambda ct, y, updates, index, axis, n: gather(ct, index, axis=axis),
        lambda ct, y, updates, index, axis, n: None,
    ),
    batch=_gather_batch("scatter_along"),
    kind="index",
    symbol="scatter",
    examples=((((2, 3), np.array([[0, 0, 3], [1, -1, 2]])), {"axis": 1, "n": 4}),),
)


# ---- sorting


def _argsort_numpy(x: np.ndarray, axis: int, descending: bool) -> np.ndarray:
    x = x.real
    if not descending:
        return np.argsort(x, axis, stable=True)
    if x.dtype.kind == "f":
        return np.argsort(-x, axis, stable=True)
    n = x.shape[axis] - 1
    return np.flip(n - np.argsort(np.flip(x, axis), axis, stable=True), axis)


# Stable in both directions: of equal elements the lowest index comes first. NaN comes last.
argsort: Primitive = Primitive(
    "argsort",
    lambda x, axis, descending: TensorType(x.shape, INT),
    _argsort_numpy,
    batch="axis",
    kind="index",
    symbol="argsort",
    examples=((((2, 4),), {"axis": 1, "descending": True}), (((3,),), {"axis": 0, "descending": False})),
)


def _one_hot_type(index: TensorType, n: Extent, dtype: np.dtype) -> TensorType:
    require_index("one_hot", index)
    return TensorType((*index.shape, n), check_dtype(dtype, "one_hot"))


# An index outside 0..n-1 gives a row of zeros.
one_hot: Primitive = Primitive(
    "one_hot",
    _one_hot_type,
    lambda index, n, dtype: (index[..., None] == np.arange(int(n))).astype(dtype),
    batch=lambda size, args, batched, n, dtype: one_hot(args[0], n=n, dtype=dtype),
    kind="index",
    symbol="one-hot",
    examples=(((np.array([[0, 2], [1, 5]]),), {"n": 3, "dtype": np.dtype("float64")}),),
)


# ---- operations without array arguments

iota: Primitive = Primitive(
    "iota",
    lambda n, dtype: TensorType((n,), check_dtype(dtype, "arange")),
    lambda n, dtype: np.arange(int(n), dtype=dtype),
    lazy=True,
    kind="leaf",
    symbol="0…n",
    examples=(((), {"n": 4, "dtype": np.dtype("int64")}),),
)

extent: Primitive = Primitive(
    "extent",
    lambda n: TensorType((), INT),
    lambda n: np.asarray(int(n), INT),
    kind="leaf",
    symbol="size",
    examples=(((), {"n": 4}),),
)


def _random_type(key: TensorType, stream: TensorType, shape: Shape, dtype: np.dtype, domain: int) -> TensorType:
    if key.dtype != UINT64 or not key.shape or key.shape[-1] != 2:
        raise dtype_error("random", f"a key is uint64(2), got {key}", "Make one with mg.random.key(seed)")
    return TensorType((*key.shape[:-1], *shape), dtype)


def _random_numpy(key: np.ndarray, stream: np.ndarray, shape: Shape, dtype: np.dtype, domain: int) -> np.ndarray:
    count = int(product(shape))
    keys, streams = key.reshape(-1, 2), np.broadcast_to(stream, key.shape[:-1]).reshape(-1)
    counters = [np.array([0, 0, s, domain], UINT64) for s in streams]
    rows = [np.random.Philox(key=k, counter=c).random_raw(count) for k, c in zip(keys, counters, strict=True)]
    bits = np.array(rows, UINT64).reshape((*key.shape[:-1], *shape))
    if dtype == UINT64:
        return bits
    kept = np.finfo(dtype).nmant + 1
    return ((bits >> np.uint64(64 - kept)) * 2.0**-kept).astype(dtype)


def _random_batch(size: Extent, args: Sequence[Tensor], batched: Sequence[bool], **attrs: Any) -> Tensor:
    key, stream = (repeat(a, size, b) for a, b in zip(args, batched, strict=True))
    return random(key, stream, **attrs)


# Of Philox 4x64-10 (Salmon et al. 2011), for those who compute it without NumPy.
PHILOX_ROUNDS = 10
PHILOX_MULTIPLIERS = (0xD2E7470EE14C6C93, 0xCA5A826395121157)
PHILOX_WEYL = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)  # added to the key from round to round

# Philox 4x64-10 with counter (i, 0, stream, domain): a pure function of key and stream, the same on every machine.
# As uint64 the raw bits; as a float the leading 24 or 53 bits as a uniform number in [0, 1).
random: Primitive = Primitive(
    "random",
    _random_type,
    _random_numpy,
    batch=_random_batch,
    kind="leaf",
    symbol="random",
    examples=(
        ((np.array([3, 4], UINT64), np.array(0, UINT64)), {"shape": (2, 3), "dtype": UINT64, "domain": 0}),
        ((np.array([3, 4], UINT64), np.array(1, UINT64)), {"shape": (2,), "dtype": np.dtype("float64"), "domain": 0}),
    ),
)
