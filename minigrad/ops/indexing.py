"""Reading elements: at positions, and with NumPy's index expressions: integers, slices, Ellipsis, None, integer arrays, boolean masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import ops
from ..errors import AbstractValueError, AxisError, BoundsError, dtype_error, message, shape_error
from ..graph.dims import Dim, Extent, identical, product, unify
from ..graph.nodes import table_of_trace
from ..graph.types import BOOL, FLOAT, INT, broadcast_shapes, check_dtype, normalize_axis, whole
from ..primitives import index as _i
from ..primitives import movement
from ..tensor import Tensor, tensor
from .creation import lengths
from .elementwise import Like
from .quick import part, plain


def take(x: Like, index: Like, axis: int | None = 0) -> Tensor:
    """Slices of x at integer positions of an axis, with axis=None of the flattened x; negative ones count from the end.

    Raises IndexError for a position out of bounds.
    """
    t = tensor(x)
    if axis is None:
        return _i.take(ops.ravel(t), tensor(index), axis=0)
    return _i.take(t, tensor(index), axis=normalize_axis("take", axis, t.ndim))


def take_along_axis(x: Like, index: Like, axis: int | None = -1) -> Tensor:
    """The element at an index along an axis, for each position, as in NumPy's take_along_axis; with axis=None in the flattened x."""
    t = tensor(x)
    if axis is None:
        return _i.gather(ops.ravel(t), tensor(index), axis=0)
    return _i.gather(t, tensor(index), axis=normalize_axis("take_along_axis", axis, t.ndim))


def one_hot(index: Like, n: Extent, dtype: Any = FLOAT) -> Tensor:
    """A new last axis of length n, 1 at the index and 0 elsewhere."""
    (length,) = lengths("one_hot", n)
    return _i.one_hot(tensor(index), n=length, dtype=check_dtype(dtype, "one_hot"))


class Basic(NamedTuple):
    """The effect of integers, slices and new axes: a slice with positive steps, a flip, and the resulting shape."""

    start: list[Extent]
    stop: list[Extent]
    step: list[int]
    flips: list[int]
    shape: list[Extent]


def getitem(x: Tensor, index: Any) -> Tensor:
    """x[index]. Raises IndexError out of bounds, ShapeError for too many indices, DTypeError for a value that is no index."""
    given = index if isinstance(index, tuple) else (index,)
    entries, table = plain(given), table_of_trace()
    if entries is not None and table is not None:
        moves, arrays = table.once((getitem, *entries), (x.node.type,), lambda: _plan(x, given))
    else:
        found = None if entries is None or x.node.value is None else part(x.node, given, entries)
        if found is not None:
            return Tensor(found)
        moves, arrays = _plan(x, given)
    for op, attrs in moves:
        x = op(x, **attrs)
    return _advanced(x, arrays, _separated(given)) if arrays else x


def _plan(x: Tensor, given: tuple[Any, ...]) -> tuple[list[tuple[Any, dict[str, Any]]], dict[int, Tensor]]:
    """The movements of an index, as operations and attributes, and the index arrays by the axes that they index after them."""
    entries = _full(x, given)
    plan, arrays, axis = Basic([], [], [], [], []), {}, 0
    for entry in entries:
        if entry is None or isinstance(entry, _Flag):
            if entry is not None:
                arrays[len(plan.shape)] = entry.positions
            plan.shape.append(1)
            continue
        n = x.shape[axis]
        if is_array(entry):
            arrays[len(plan.shape)] = entry
            entry = slice(None)
        _add(plan, entry, n, axis)
        axis += 1
    moves: list[tuple[Any, dict[str, Any]]] = []
    whole = all(identical(s, n) for s, n in zip(plan.stop, x.shape, strict=True))
    if not whole or not all(identical(a, 0) for a in plan.start) or any(s != 1 for s in plan.step):
        moves.append((movement.slice, {"start": tuple(plan.start), "stop": tuple(plan.stop), "step": tuple(plan.step)}))
    if plan.flips:
        moves.append((movement.flip, {"axes": tuple(plan.flips)}))
    if len(plan.shape) != x.ndim or any(e is None or isinstance(e, _Flag) for e in entries):
        moves.append((movement.reshape, {"shape": tuple(plan.shape)}))
    return moves, arrays


def is_array(entry: Any) -> bool:
    """Whether NumPy reads the entry as an array: also a range, a tuple inside the index, a bool, an array of another library."""
    if isinstance(entry, (np.generic, str, bytes)):
        return isinstance(entry, np.bool_)
    return isinstance(entry, (Tensor, bool, Sequence)) or hasattr(entry, "__array__")


def _full(x: Tensor, index: tuple[Any, ...]) -> list[Any]:
    """The index with one entry per axis: masks as integer arrays, the Ellipsis as slices, missing slices added at the end."""
    entries: list[Any] = []
    for entry in index:
        entries += _mask_positions(entry) if is_array(entry) else [entry]
    used = sum(not (e is None or e is Ellipsis or isinstance(e, _Flag)) for e in entries)
    if used > x.ndim:
        raise AxisError(message("index", f"{used} indices for a {x.ndim}-d tensor {x.shape}"))
    dots = [i for i, e in enumerate(entries) if e is Ellipsis]
    if len(dots) > 1:
        raise shape_error("index", "only one Ellipsis ('...') is allowed")
    fill = [slice(None)] * (x.ndim - used)
    found = entries[: dots[0]] + fill + entries[dots[0] + 1 :] if dots else entries + fill
    axis = 0
    for entry in found:
        if isinstance(entry, _Positions) and entry.length and not unify(entry.length, x.shape[axis]):
            raise AxisError(message("index", f"a boolean mask of length {entry.length} for axis {axis} of length {x.shape[axis]}"))
        axis += not (entry is None or isinstance(entry, _Flag))
    return [e.index if isinstance(e, _Positions) else e for e in found]


class _Positions(NamedTuple):
    """One axis of a boolean mask: the positions where it is true, and the length that the axis must have."""

    index: Any
    length: int


class _Flag(NamedTuple):
    """A boolean mask without axes: an index array of one zero, or of none, for a new axis of length 1."""

    positions: Tensor


def _mask_positions(entry: Any) -> list[Any]:
    t = tensor(entry)
    if isinstance(entry, Sequence) and t.size == 0:  # NumPy reads it as floats, too, and takes it
        t = ops.astype(t, INT)
    if t.dtype == BOOL:
        if not t.is_concrete:
            raise AbstractValueError(
                message("index", "a boolean mask decides a shape, and here it has no value yet", "Use mg.where, or multiply by the mask")
            )
        if not t.ndim:
            return [_Flag(ops.zeros(int(t), INT))]
        return [_Positions(tensor(i), n) for i, n in zip(np.nonzero(t.numpy()), t.numpy().shape, strict=True)]
    if t.dtype.kind not in "iu":
        raise dtype_error("index", f"an index array must hold integers or bools, got {t.type}", "Convert with .astype('int64')")
    return [t]


def _add(plan: Basic, entry: Any, n: Extent, axis: int) -> None:
    if isinstance(entry, slice):
        start, stop, step = _bounds(entry, n)
        length = (stop - start + step - 1) // step if step > 1 else stop - start
        if _number(entry.step, 1) < 0:
            plan.flips.append(axis)
        plan.shape.append(length)
    else:
        start = _integer(entry, n, axis)
        stop, step = start + 1, 1
    plan.start.append(start)
    plan.stop.append(stop)
    plan.step.append(step)


def _integer(entry: Any, n: Extent, axis: int) -> Extent:
    if not isinstance(entry, Dim):
        try:
            entry = entry.__index__()
        except AttributeError:
            raise dtype_error("index", f"{entry!r} is no index", "Take integers, slices, None, ..., integer or boolean arrays") from None
    if not -n <= entry < n:
        raise BoundsError(message("index", f"index {entry} out of bounds for axis {axis} of size {n}"))
    return entry + n if entry < 0 else entry


def _number(value: Any, default: Any) -> Any:
    if value is None:
        return default
    return value if isinstance(value, Dim) else whole("index", value, "a slice's bound or step")


def _bounds(entry: slice, n: Extent) -> tuple[Extent, Extent, int]:
    """(start, stop, step > 0) of the elements of a slice, in rising order."""
    step = _number(entry.step, 1)
    if step == 0:
        raise shape_error("index", "a slice's step cannot be 0")
    if step < 0:
        low, high, step = range(n.__index__())[entry][-1:], range(n.__index__())[entry][:1], -step
        return (low[0], high[0] + 1, step) if len(low) else (0, 0, step)
    start, stop = (_clamp(_number(v, d), n) for v, d in ((entry.start, 0), (entry.stop, n)))
    return start, (stop if stop >= start else start), step


def _clamp(i: Extent, n: Extent) -> Extent:
    if i is n:
        return n
    if i < 0:
        i = i + n
        return i if i >= 0 else 0
    return i if i <= n else n


def _separated(entries: Sequence[Any]) -> bool:
    """Whether another entry is between index arrays, even an Ellipsis for no axis: NumPy then puts their axes first.

    Beside an array, an integer counts as an array."""
    kinds = [is_array(e) or not (e is None or e is Ellipsis or isinstance(e, slice)) for e in entries]
    first, last = kinds.index(True), len(kinds) - 1 - kinds[::-1].index(True)
    return not all(kinds[first : last + 1])


def _advanced(x: Tensor, arrays: dict[int, Tensor], separated: bool) -> Tensor:
    """Applies index arrays: they are broadcast together, the axes that they index are flattened, and one `take` reads the elements."""
    axes = sorted(arrays)
    shape = broadcast_shapes("index", *(arrays[a].shape for a in axes))
    rest = [a for a in range(x.ndim) if a not in axes]
    sizes = [x.shape[a] for a in axes]
    flat = ops.reshape(ops.permute_dims(x, axes + rest), (product(sizes), *(x.shape[a] for a in rest)))
    position = ops.broadcast_to(arrays[axes[0]], shape)
    for i, (a, n) in enumerate(zip(axes, sizes, strict=True)):
        _require_bounds(arrays[a], n, a)
        if len(axes) > 1:
            here = _i.position(ops.broadcast_to(arrays[a], shape), n=n, what="index")
            position = position * n + here if i else here
    y = take(flat, position, 0)
    at = 0 if separated else axes[0]
    k = len(shape)
    return ops.permute_dims(y, (*range(k, k + at), *range(k), *range(k + at, y.ndim)))


def _require_bounds(index: Tensor, n: Extent, axis: int) -> None:
    if index.is_concrete and isinstance(n, int):
        bad = index.numpy()[(index.numpy() < -n) | (index.numpy() >= n)]
        if bad.size:
            raise BoundsError(message("index", f"index {bad.flat[0]} out of bounds for axis {axis} of size {n}"))
