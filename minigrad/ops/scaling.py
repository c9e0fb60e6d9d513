"""The size of numbers, by which they are divided so that exponentials and squares neither overflow nor vanish. It has no gradient."""

from __future__ import annotations

import math

from ..graph import dims
from ..graph.types import normalize_axes
from ..tensor import Tensor
from .creation import zeros
from .elementwise import Axis, abs, detach, logical_and, where
from .reductions import max


def largest(t: Tensor, axis: Axis) -> Tensor:
    """The largest element along axes, which stay with length 1; 0 of no elements."""
    axes = normalize_axes("max", axis, t.ndim)
    if not dims.product(t.shape[a] for a in axes) > 0:
        return zeros([1 if a in axes else n for a, n in enumerate(t.shape)], t.dtype)
    return max(detach(t), axes, keepdims=True)


def scale(t: Tensor, axis: Axis) -> Tensor:
    """The largest magnitude along axes, which stay with length 1; 1 where that is 0 or not finite."""
    top = largest(abs(detach(t)), axis)
    return where(logical_and(top > 0, top < math.inf), top, 1)
