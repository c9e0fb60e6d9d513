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
from .arrangement import axes_of, flat
from .table import replaces

# ---- selecting and ordering


@replaces("take")
def take(a: Like, indices: Like, axis: int | None = None) -> Tensor:
    return ops.take(flat(a), indices, 0) if axis is None else ops.take(a, indices, axis)


@replaces("sort")
def sort(a: Like, axis: int | None = -1, kind: str | None = None, stable: bool | None = None) -> Tensor:
    return ops.sort(flat(a), 0) if axis is None else ops.sort(a, axis)


@replaces("argsort")
def argsort(a: Like, axis: int | None = -1, kind: str | None = None, stable: bool | None = None) -> Tensor:
    return ops.argsort(flat(a), 0) if axis is None else ops.argsort(a, axis)


@replaces("where")
def where(condition: Like, x: Like = None, y: Like = None) -> Any:
    return np.nonzero(condition) if x is None and y is None else ops.where(condition, x, y)


@replaces("clip")
def clip(a: Like, a_min: Like = None, a_max: Like = None, min: Like = None, max: Like = None) -> Tensor:
    return ops.clip(a, min if a_min is None else a_min, max if a_max is None else a_max)


# ---- sums and statistics


@replaces("cumsum")
def cumsum(a: Like, axis: int | None = None) -> Tensor:
    return ops.cumsum(flat(a), 0) if axis is None else ops.cumsum(a, axis)


@replaces("cumulative_sum")
def cumulative_sum(x: Like, axis: int | None = None) -> Tensor:
    t = tensor(x)
    if axis is None and t.ndim != 1:
        raise dtype_error("np.cumulative_sum", f"needs the axis of a tensor of {t.ndim} axes")
    return ops.cumsum(t, axis or 0)


@replaces("var")
def var(a: Like, axis: Axis = None, ddof: float = 0, keepdims: bool = False, correction: float | None = None) -> Tensor:
    return functional.var(a, axis, keepdims, ddof if correction is None else correction)


@replaces("std")
def std(a: Like, axis: Axis = None, ddof: float = 0, keepdims: bool = False, correction: float | None = None) -> Tensor:
    return functional.std(a, axis, keepdims, ddof if correction is None else correction)


@replaces("ptp")
def ptp(a: Like, axis: Axis = None, keepdims: bool = False) -> Tensor:
    return ops.max(a, axis, keepdims) - ops.min(a, axis, keepdims)


@replaces("linalg.norm")
def norm(x: Like, ord: Any = None, axis: Axis = None, keepdims: bool = False) -> Tensor:
    t = tensor(x)
    ndim = t.ndim if axis is None else len(axis) if isinstance(axis, Sequence) else 1
    if ord is not None and (ord, ndim) not in ((2, 1), ("fro", 2)):
        raise dtype_error("np.linalg.norm", f"takes no ord={ord!r} over {ndim} axes of a tensor", "Write it with mg.sum, mg.max and mg.abs")
    return functional.norm(t, axis, keepdims)


@replaces("linalg.vector_norm")
def vector_norm(x: Like, axis: Axis = None, keepdims: bool = False) -> Tensor:
    return functional.norm(x, axis, keepdims)


@replaces("linalg.matrix_norm")
def matrix_norm(x: Like, keepdims: bool = False) -> Tensor:
    return functional.norm(x, (-2, -1), keepdims)


# ---- products


@replaces("dot")
def dot(a: Like, b: Like) -> Tensor:
    x, y = tensor(a), tensor(b)
    return ops.tensordot(x, ops.moveaxis(y, max(y.ndim - 2, 0), 0), 1) if x.ndim and y.ndim else x * y


@replaces("inner")
def inner(a: Like, b: Like) -> Tensor:
    x, y = tensor(a), tensor(b)
    return ops.tensordot(x, ops.moveaxis(y, -1, 0), 1) if x.ndim and y.ndim else x * y


@replaces("vdot")
def vdot(a: Like, b: Like) -> Tensor:
    return dot(flat(a), flat(b))


@replaces("linalg.vecdot")
def vecdot(x1: Like, x2: Like, axis: int = -1) -> Tensor:
    return ops.sum(ops.multiply(x1, x2), axis)


@replaces("outer")
def outer(a: Like, b: Like) -> Tensor:
    return ops.outer(flat(a), flat(b))


@replaces("tensordot", "linalg.tensordot")
def tensordot(a: Like, b: Like, axes: Any = 2) -> Tensor:
    x, y = tensor(a), tensor(b)
    if not isinstance(axes, Sequence):
        return ops.tensordot(x, y, axes)
    left, right = (axes_of("np.tensordot", v, t.ndim) for v, t in zip(axes, (x, y), strict=True))
    x = ops.permute_dims(x, [*(n for n in range(x.ndim) if n not in left), *left])
    y = ops.permute_dims(y, [*right, *(n for n in range(y.ndim) if n not in right)])
    return ops.tensordot(x, y, len(left))


@replaces("linalg.matmul")
def matmul(x1: Like, x2: Like) -> Tensor:
    return ops.matmul(x1, x2)


@replaces("linalg.multi_dot")
def multi_dot(arrays: Sequence[Like]) -> Tensor:
    return reduce(ops.matmul, arrays)


@replaces("linalg.matrix_transpose", "matrix_transpose")
def matrix_transpose(x: Like) -> Tensor:
    return ops.matrix_transpose(x)


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
    return functional.einsum(*operands)


# ---- new arrays


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
