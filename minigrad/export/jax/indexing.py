"""JAX's gathers and scatters with minigrad's: every element of a slice by its number in the flat operand, or one past the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jax.lax import GatherScatterMode

from ... import ops
from ...errors import GraphError, message
from ...primitives.index import lowest
from ...tensor import Tensor, tensor

Ints = Sequence[int]
MODES = GatherScatterMode.FILL_OR_DROP, GatherScatterMode.CLIP, GatherScatterMode.PROMISE_IN_BOUNDS


def _numbers(
    shape: Ints, starts: Tensor, sizes: Ints, operand_axes: Ints, kept: Ints, batching: tuple[Ints, Ints], mode: Any
) -> tuple[Tensor, int]:
    """The numbers of the elements of all slices, with the axes of `starts` but its last and then the `kept` axes, and what is past the end.

    sizes     the lengths of a slice along the operand's axes; `kept` are those axes that the slice keeps
    batching  axes of the operand, and axes of `starts` of which each is the index
    """
    if mode not in MODES:
        raise GraphError(message("from_jax", f"indices of the mode {mode} are not read", "Take one of fill, drop, clip, promise_in_bounds"))
    lead = starts.shape[:-1]
    strides = [int(np.prod(shape[a + 1 :])) for a in range(len(shape))]
    count = int(np.prod(shape))
    total: Any = ops.zeros((*lead, *(1,) * len(kept)), "int64")
    inside: Any = ops.full(total.shape, True)
    first = {a: ops.astype(starts[..., i], "int64") for i, a in enumerate(operand_axes)}
    for a, at in zip(*batching, strict=True):
        first[a] = ops.broadcast_to(ops.reshape(ops.arange(lead[at]), [lead[at] if i == at else 1 for i in range(len(lead))]), lead)
    for axis, start in first.items():
        if mode == GatherScatterMode.CLIP:
            start = ops.minimum(ops.maximum(start, 0), shape[axis] - sizes[axis])
        column = ops.reshape(start, (*lead, *(1,) * len(kept)))
        total = ops.add(total, ops.multiply(column, strides[axis]))
        inside = ops.logical_and(inside, ops.logical_and(ops.greater_equal(column, 0), ops.less_equal(column, shape[axis] - sizes[axis])))
    for i, axis in enumerate(kept):
        along = [sizes[axis] if k == i else 1 for k in range(len(kept))]
        total = ops.add(total, ops.reshape(ops.multiply(ops.arange(sizes[axis]), strides[axis]), (*(1,) * len(lead), *along)))
    return ops.where(inside, total, count), count


def _spread(rank: int, window: Ints) -> list[int]:
    """The permutation that brings (batch axes…, window axes…) to an array of this rank with these window axes."""
    batch = [a for a in range(rank) if a not in window]
    order = [*batch, *window]
    return [order.index(a) for a in range(rank)]


def gather(x: Tensor, starts: Tensor, *, dimension_numbers: Any, slice_sizes: Ints, mode: Any, fill_value: Any = None) -> Tensor:
    d = dimension_numbers
    gone = (*d.collapsed_slice_dims, *d.operand_batching_dims)
    kept = [a for a in range(x.ndim) if a not in gone]
    batching = d.operand_batching_dims, d.start_indices_batching_dims
    numbers, _count = _numbers(x.shape, starts, slice_sizes, d.start_index_map, kept, batching, mode)
    found = ops.take(ops.concat([ops.reshape(x, (-1,)), _fill(x.dtype, fill_value)]), numbers)
    return ops.permute_dims(found, _spread(found.ndim, d.offset_dims))


def _fill(dtype: np.dtype, value: Any) -> Tensor:
    """What stands out of bounds, by default NaN, the lowest integer, the largest unsigned one, true."""
    if value is None:
        value = np.iinfo(dtype).max if dtype.kind == "u" else True if dtype.kind == "b" else np.nan if dtype.kind == "f" else lowest(dtype)
    return tensor(np.asarray([value]).astype(dtype))


def _scatter(name: str, method: str) -> Any:
    def rule(x: Tensor, starts: Tensor, updates: Tensor, *, dimension_numbers: Any, mode: Any, update_jaxpr: Any) -> Tensor:
        if method == "set" and update_jaxpr is not None and update_jaxpr.eqns:
            raise GraphError(message("from_jax", f"{name} with a function of its own", "Take .at[].add, .max, .min or .set"))
        d = dimension_numbers
        gone = (*d.inserted_window_dims, *d.operand_batching_dims)
        kept = [a for a in range(x.ndim) if a not in gone]
        sizes = [1] * x.ndim
        for axis, window in zip(kept, d.update_window_dims, strict=True):
            sizes[axis] = updates.shape[window]
        batching = d.operand_batching_dims, d.scatter_indices_batching_dims
        numbers, count = _numbers(x.shape, starts, sizes, d.scatter_dims_to_operand_dims, kept, batching, mode)
        back = np.argsort(_spread(updates.ndim, d.update_window_dims)).tolist()
        flat = ops.concat([ops.reshape(x, (-1,)), ops.zeros(1, x.dtype)])  # what is dropped falls on the last element
        place = flat.at[ops.reshape(numbers, (-1,))]
        found = getattr(place, method)(ops.reshape(ops.permute_dims(updates, back), (-1,)))
        return ops.reshape(found[:count], x.shape)

    return rule


def _at(starts: Sequence[Tensor], shape: Ints, sizes: Ints) -> list[Tensor]:
    """The first indices of a slice, moved so that it is inside."""
    return [ops.minimum(ops.maximum(ops.astype(s, "int64"), 0), n - m) for s, n, m in zip(starts, shape, sizes, strict=True)]


def dynamic_slice(x: Tensor, *starts: Tensor, slice_sizes: Ints) -> Tensor:
    for axis, (start, n) in enumerate(zip(_at(starts, x.shape, slice_sizes), slice_sizes, strict=True)):
        if n != x.shape[axis]:
            x = ops.take(x, ops.add(ops.arange(n), start), axis)
    return x


def dynamic_update_slice(x: Tensor, update: Tensor, *starts: Tensor) -> Tensor:
    """Elsewhere the elements of x; an element of the slice by its distance from the start."""
    inside: Any = True
    for axis, start in enumerate(_at(starts, x.shape, update.shape)):
        n = update.shape[axis]
        if n != x.shape[axis]:
            offset = ops.subtract(ops.arange(x.shape[axis]), start)
            here = ops.logical_and(ops.greater_equal(offset, 0), ops.less(offset, n))
            inside = ops.logical_and(inside, ops.reshape(here, [-1 if a == axis else 1 for a in range(x.ndim)]))
            update = ops.take(update, ops.clip(offset, 0, n - 1), axis)
    return ops.where(inside, update, x)


RULES = {
    "gather": gather,
    "scatter": _scatter("scatter", "set"),
    "scatter-add": _scatter("scatter-add", "add"),
    "scatter-max": _scatter("scatter-max", "max"),
    "scatter-min": _scatter("scatter-min", "min"),
    "dynamic_slice": dynamic_slice,
    "dynamic_update_slice": dynamic_update_slice,
}
