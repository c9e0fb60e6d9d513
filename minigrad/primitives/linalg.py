"""Matrix products over the last two axes. The other axes of both operands are equal."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import dtype_error, shape_error
from ..graph import dims
from ..graph.dims import Extent
from ..graph.types import BOOL, FLOAT, TensorType, check_computed, unify_shapes
from ..tensor import Primitive, Tensor
from .movement import permute, reshape
from .rules import each, repeat

BLOCK = 1024  # the number of terms of a block of a long sum


def swapped(n: int) -> tuple[int, ...]:
    """The axes of a tensor with n axes, the last two exchanged."""
    return (*range(n - 2), n - 1, n - 2)


def swap(x: Tensor) -> Tensor:
    """The last two axes exchanged."""
    return permute(x, axes=swapped(x.ndim))


def require_inner(x: TensorType, y: TensorType) -> None:
    """Raises ShapeError if the number of columns of x is not the number of rows of y."""
    if not dims.unify(x.shape[-1], y.shape[-2]):
        fix = "Did you mean x @ y.T?" if x.shape[-1] == y.shape[-1] else ""
        raise shape_error("matmul", f"x has {x.shape[-1]} columns but y has {y.shape[-2]} rows: x {x.shape} @ y {y.shape}", fix)


def _type(x: TensorType, y: TensorType) -> TensorType:
    check_computed("matmul", x.dtype)
    if x.dtype != y.dtype or x.dtype == BOOL:
        raise dtype_error("matmul", f"takes two tensors of one number dtype, got {x} and {y}")
    require_inner(x, y)
    if not unify_shapes(x.shape[:-2], y.shape[:-2]):
        raise shape_error("matmul", f"the axes before the last two differ: x {x.shape} @ y {y.shape}")
    return TensorType((*x.shape[:-1], y.shape[-1]), x.dtype)


def _matmul(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The product. Long sums of float32 are blocked, and the sums of the blocks accumulate in float64; NumPy's own may be naive."""
    k = x.shape[-1]
    if x.dtype != FLOAT or k <= BLOCK:
        return np.matmul(x, y)
    starts = range(0, k, BLOCK)
    blocks = (np.matmul(x[..., i : i + BLOCK], y[..., i : i + BLOCK, :]) for i in starts)
    return sum(blocks, np.zeros((), np.float64)).astype(x.dtype)


def _batch(size: Extent, args: Sequence[Tensor], batched: Sequence[bool]) -> Tensor:
    x, y = args
    if batched == (True, False) and y.ndim == 2:
        rows = matmul(reshape(x, shape=(size * x.shape[1], x.shape[2])), y)
        return reshape(rows, shape=(size, x.shape[1], y.shape[1]))
    return matmul(repeat(x, size, batched[0]), repeat(y, size, batched[1]))


matmul: Primitive = Primitive(
    "matmul",
    _type,
    _matmul,
    vjp=each(lambda ct, z, x, y: matmul(ct, swap(y)), lambda ct, z, x, y: matmul(swap(x), ct)),
    batch=_batch,
    kind="affine",
    symbol="@",
    examples=((((2, 3), (3, 4)), {}), (((5, 1, 3), (5, 3, 2)), {}), (((2, 0), (0, 3)), {}), (((0, 2), (2, 3)), {})),
)
