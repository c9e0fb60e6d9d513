"""Statistics and norms."""

from __future__ import annotations

from .. import ops
from ..graph import dims
from ..graph.types import normalize_axes
from ..ops.elementwise import Axis, Like
from ..tensor import Tensor, tensor


def var(x: Like, axis: Axis = None, keepdims: bool = False, correction: float = 0) -> Tensor:
    """Σ(x − mean)² / (n − correction)."""
    t = tensor(x)
    centred = t - ops.mean(t, axis, keepdims=True)
    mean_square = ops.mean(ops.square(centred), axis, keepdims)
    if not correction:
        return mean_square
    n = ops.astype(tensor(dims.product(t.shape)), t.dtype) / ops.astype(tensor(dims.product(mean_square.shape)), t.dtype)
    return mean_square * (n / (n - correction))


def _safe_sqrt(x: Tensor) -> Tensor:
    """√x with gradient 0 at 0."""
    return ops.where(x > 0, ops.sqrt(ops.where(x > 0, x, 1)), x * 0)


def std(x: Like, axis: Axis = None, keepdims: bool = False, correction: float = 0) -> Tensor:
    """The square root of var; its gradient is 0 where the elements are equal."""
    return _safe_sqrt(var(x, axis, keepdims, correction))


def norm(x: Like, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """√Σx²; its gradient is 0 at 0."""
    t = tensor(x)
    return _safe_sqrt(ops.sum(ops.square(t), normalize_axes("norm", axis, t.ndim), keepdims))


def cosine_similarity(x: Like, y: Like, axis: int = -1, epsilon: float = 1e-8) -> Tensor:
    """x·y / √((x·x)(y·y) + ε), ε inside the root: a zero vector has similarity 0 and a finite gradient."""
    a, b = tensor(x), tensor(y)
    dot = ops.sum(a * b, axis)
    return dot / ops.sqrt(ops.sum(a * a, axis) * ops.sum(b * b, axis) + epsilon)
