"""NumPy's functions that select, sum and multiply: adapters, where meaning or arguments differ from those of the function here."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np

from .. import functional, ops
from ..errors import dtype_error
from ..graph import dims
from ..ops.elementwise import Axis, Like
from ..tensor import Tensor, tensor
from .table import replaces

# ---- selecting and ordering


@replaces("take")
def take(a: Like, indices: Like, axis: int | None = None) -> Tensor:
    return ops.take(a, indices, axis)


@replaces("sort")
def sort(a: Like, axis: int | None = -1, kind: str | None = None, stable: bool | None = None) -> Tensor:
    return ops.sort(ops.ravel(a), 0) if axis is None else ops.sort(a, axis)


@replaces("argsort")
def argsort(a: Like, axis: int | None = -1, kind: str | None = None, stable: bool | None = None) -> Tensor:
    return ops.argsort(ops.ravel(a), 0) if axis is None else ops.argsort(a, axis)


@replaces("where")
def where(condition: Like, x: Like = None, y: Like = None) -> Any:
    return np.nonzero(condition) if x is None and y is None else ops.where(condition, x, y)


@replaces("clip")
def clip(a: Like, a_min: Like = None, a_max: Like = None, min: Like = None, max: Like = None) -> Tensor:
    return ops.clip(a, min if a_min is None else a_min, max if a_max is None else a_max)


# ---- sums and statistics


@replaces("var")
def var(a: Like, axis: Axis = None, ddof: float = 0, keepdims: bool = False, correction: float | None = None) -> Tensor:
    return functional.var(a, axis, keepdims, ddof if correction is None else correction)


@replaces("std")
def std(a: Like, axis: Axis = None, ddof: float = 0, keepdims: bool = False, correction: float | None = None) -> Tensor:
    return functional.std(a, axis, keepdims, ddof if correction is None else correction)


@replaces("trace")
def trace(a: Like, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    return ops.sum(ops.diagonal(a, offset, axis1, axis2), -1)


@replaces("linalg.trace")
def trace_of_matrices(x: Like, offset: int = 0) -> Tensor:
    return trace(x, offset, -2, -1)


@replaces("linalg.diagonal")
def diagonal_of_matrices(x: Like, offset: int = 0) -> Tensor:
    return ops.diagonal(x, offset, -2, -1)


@replaces("ptp")
def ptp(a: Like, axis: Axis = None, keepdims: bool = False) -> Tensor:
    return ops.max(a, axis, keepdims) - ops.min(a, axis, keepdims)


# ---- products


@replaces("vdot")
def vdot(a: Like, b: Like) -> Tensor:
    return ops.dot(ops.ravel(a), ops.ravel(b))


@replaces("outer")
def outer(a: Like, b: Like) -> Tensor:
    return ops.outer(ops.ravel(a), ops.ravel(b))


@replaces("linalg.multi_dot")
def multi_dot(arrays: Sequence[Like]) -> Tensor:
    return reduce(ops.matmul, arrays)


@replaces("kron")
def kron(a: Like, b: Like) -> Tensor:
    x, y = tensor(a), tensor(b)
    ndim = max(x.ndim, y.ndim)
    left, right = ((*(1,) * (ndim - t.ndim), *t.shape) for t in (x, y))
    pairs = ops.reshape(x, [n for m in left for n in (m, 1)]) * ops.reshape(y, [n for m in right for n in (1, m)])
    return ops.reshape(pairs, [m * n for m, n in zip(left, right, strict=True)])


@replaces("einsum")
def einsum(*operands: Any, optimize: Any = False) -> Tensor:
    if not operands or not isinstance(operands[0], str):
        raise dtype_error("np.einsum", "takes its subscripts as a string for tensors", "As in np.einsum('ij,jk->ik', x, y)")
    return ops.einsum(*operands)


# ---- new arrays


@replaces("meshgrid")
def meshgrid(*xi: Like, indexing: str = "xy") -> tuple[Tensor, ...]:
    return tuple(ops.meshgrid(*xi, indexing=indexing))


@replaces("zeros_like", "empty_like")
def zeros_like(a: Like, dtype: Any = None, shape: Any = None) -> Tensor:
    return full_like(a, 0, dtype, shape)


@replaces("ones_like")
def ones_like(a: Like, dtype: Any = None, shape: Any = None) -> Tensor:
    return full_like(a, 1, dtype, shape)


@replaces("full_like")
def full_like(a: Like, fill_value: Like, dtype: Any = None, shape: Any = None) -> Tensor:
    t = tensor(a)
    return ops.broadcast_to(tensor(fill_value, t.dtype if dtype is None else dtype), t.shape if shape is None else shape)


# ---- what is known without values


@replaces("shape")
def shape(a: Like) -> Any:
    return tensor(a).shape


@replaces("ndim")
def ndim(a: Like) -> int:
    return tensor(a).ndim


@replaces("size")
def size(a: Like, axis: int | None = None) -> Any:
    t = tensor(a)
    return dims.product(t.shape) if axis is None else t.shape[axis]
