"""Slices added at integer positions of one axis to what is there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..graph.dims import Extent
from ..graph.ir import Node
from ..graph.types import TensorType
from ..tensor import Primitive, Tensor
from .elementwise import add, cast
from .index import as_rows, combined_at, from_rows, scatter, scatter_type, sum_dtype, take
from .movement import permute, reshape
from .rules import each, repeat, same_operands


def _type(updates: TensorType, index: TensorType, x: TensorType, axis: int) -> TensorType:
    return same_operands("add_at", x, scatter_type(updates, index, axis, x.shape[axis]))


def _numpy(updates: np.ndarray, index: np.ndarray, x: np.ndarray, axis: int) -> np.ndarray:
    dtype = np.result_type(x, updates)
    return combined_at(np.add, x.astype(sum_dtype(dtype, index.size)), updates, index, axis).astype(dtype, copy=False)


def _batch(size: Extent, args: Sequence[Tensor], batched: Sequence[bool], axis: int) -> Tensor:
    updates, index, x = repeat(args[0], size, batched[0]), args[1], repeat(args[2], size, batched[2])
    if not batched[1]:
        return add_at(updates, index, x, axis=axis + 1)
    n, of_x = x.shape[axis + 1], (0, axis + 1, *range(1, axis + 1), *range(axis + 2, x.ndim))
    front = permute(x, axes=of_x)
    rows = reshape(front, shape=(size * n, *front.shape[2:]))
    return from_rows(add_at(*as_rows(updates, index, size, axis, n), rows, axis=0), size, axis, n)


# x with each slice of updates added at its index. Other slices stay as they are: compiled, it may take the memory of x.
add_at: Primitive = Primitive(
    "add_at",
    _type,
    _numpy,
    vjp=each(
        lambda ct, y, updates, index, x, axis: take(ct, index, axis=axis),
        lambda ct, y, updates, index, x, axis: None,
        lambda ct, y, updates, index, x, axis: ct,
    ),
    batch=_batch,
    kind="index",
    symbol="add at",
    examples=((((4, 3), np.array([0, 2, 2, -1]), (5, 3)), {"axis": 0}), (((2, 2, 2), np.array([[1, 0], [2, 1]]), (2, 3)), {"axis": 1})),
)


def plus(x: Tensor, y: Tensor) -> Tensor:
    """x + y in the dtype of x. Slices that one of them scatters are added to the other alone."""
    for a, b in ((x, y), (y, x)) if x.dtype == y.dtype else ((x, y),):
        scattered = _behind_movements(b.node)
        if scattered.op is scatter:
            updates, index = map(Tensor, scattered.args)
            into = reshape(a, shape=scattered.type.shape)
            return reshape(add_at(_as(updates, x.dtype), index, into, axis=scattered.attrs["axis"]), shape=x.shape)
    return added(x, y)


def added(x: Tensor, y: Tensor) -> Tensor:
    """x + y in the dtype of x."""
    return add(x, _as(y, x.dtype))


def _as(x: Tensor, dtype: np.dtype) -> Tensor:
    return x if x.dtype == dtype else cast(x, dtype=dtype)


def _behind_movements(node: Node) -> Node:
    """The node of which this one is a reshape, or a permutation without effect."""
    while not node.is_constant and (node.op is reshape or (node.op is permute and node.attrs["axes"] == tuple(range(node.type.ndim)))):
        node = node.args[0]
    return node
