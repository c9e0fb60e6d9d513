"""Activations: softmax and its logarithm, and units' functions."""

from __future__ import annotations

import math

from .. import ops
from ..graph.types import normalize_axis
from ..ops.elementwise import Axis, Like
from ..tensor import Tensor, tensor


def softmax(x: Like, axis: int = -1) -> Tensor:
    """exp(x) / Σ exp(x) along an axis, shifted by the maximum. Where all of a row is −∞ (fully masked): zeros with zero gradient."""
    t = tensor(x)
    axis = normalize_axis("softmax", axis, t.ndim)
    e = ops.exp(t - _shift(t, axis))
    total = ops.sum(e, axis, keepdims=True)
    return e / ops.where(total > 0, total, 1)


def _shift(t: Tensor, axis: Axis) -> Tensor:
    """The maximum, without gradient, and 0 where it is infinite."""
    top = ops.detach(ops.max(t, axis, keepdims=True))
    return ops.where(ops.isfinite(top), top, 0)


def logsumexp(x: Like, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """log Σ exp(x) over axes; −∞ where all are −∞."""
    t = tensor(x)
    shift = _shift(t, axis)
    total = ops.sum(ops.exp(t - shift), axis, keepdims=True)
    y = ops.where(total > 0, ops.log(ops.where(total > 0, total, 1)), -math.inf) + shift
    return y if keepdims else ops.reshape(y, ops.sum(t, axis).shape)


def log_softmax(x: Like, axis: int = -1) -> Tensor:
    """log(softmax(x)) along an axis, without underflow. Where all of a row is −∞ (fully masked): −∞."""
    t = tensor(x)
    total = logsumexp(t, normalize_axis("log_softmax", axis, t.ndim), keepdims=True)
    return t - ops.where(total == -math.inf, 0, total)
