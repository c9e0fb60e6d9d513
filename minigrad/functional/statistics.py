"""Statistics, norms and similarity."""

from __future__ import annotations

from .. import ops
from ..errors import setting_error
from ..graph import dims
from ..graph.types import normalize_axis
from ..ops.elementwise import Axis, Like, _floats
from ..ops.scaling import scale
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


def safe_sqrt(x: Tensor) -> Tensor:
    """√x with gradient 0 at 0."""
    zero = x == 0
    return ops.where(zero, 0, ops.sqrt(ops.where(zero, 1, x)))


def std(x: Like, axis: Axis = None, keepdims: bool = False, correction: float = 0) -> Tensor:
    """The square root of var; its gradient is 0 where the elements are equal."""
    return safe_sqrt(var(x, axis, keepdims, correction))


def cosine_similarity(x: Like, y: Like, axis: int = -1, epsilon: float = 0.0) -> Tensor:
    """x·y / (|x| |y|) along an axis of the broadcast operands, for vectors of any length. Of a zero vector it is 0, with gradient 0.

    With ε it is x·y / √((x·x)(y·y) + ε), as in networks with memory: near 0 for short vectors, and smooth at 0.
    """
    a, b = _floats("cosine_similarity", x, y)
    along = normalize_axis("cosine_similarity", axis, a.ndim)
    if not epsilon >= 0:
        raise setting_error("cosine_similarity", f"epsilon must not be negative, got {epsilon}")
    if not epsilon:
        a, b = a / scale(a, along), b / scale(b, along)
    dot = ops.sum(a * b, along)
    squares = ops.sum(a * a, along) * ops.sum(b * b, along)
    if epsilon:
        return dot / ops.sqrt(squares + epsilon)
    zero = squares == 0
    return ops.where(zero, 0, dot / ops.sqrt(ops.where(zero, 1, squares)))
