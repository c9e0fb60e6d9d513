"""Losses."""

from __future__ import annotations

import math

from .. import ops
from ..errors import setting_error, shape_error
from ..graph.types import broadcast_shapes, normalize_axis, unify_shapes
from ..ops.elementwise import Like
from ..tensor import Tensor, tensor
from .activations import log_softmax


def _reduced(values: Tensor, weights: Like | None) -> Tensor:
    """The mean, or the weighted mean where weights (a mask, say) are given; 0 if they are all zero."""
    if weights is None:
        return ops.mean(values)
    w = ops.broadcast_to(ops.astype(weights, values.dtype), values.shape)
    total = ops.sum(w)
    return ops.sum(values * w) / ops.where(total > 0, total, 1)


def binary_cross_entropy(logits: Like, targets: Like, weights: Like | None = None) -> Tensor:
    """Mean of −t·log σ(z) − (1−t)·log(1−σ(z)) in nats, from logits z: softplus(z) − z·t, finite for any z."""
    z, t = tensor(logits), tensor(targets)
    if not unify_shapes(broadcast_shapes("binary_cross_entropy", z.shape, t.shape), z.shape):
        raise shape_error("binary_cross_entropy", f"targets {t.type} have more elements than the logits {z.type}")
    return _reduced(ops.softplus(z) - z * ops.astype(t, z.dtype), weights)


def cross_entropy(logits: Like, targets: Like, axis: int = -1, weights: Like | None = None) -> Tensor:
    """Mean of −log softmax(z)[target] in nats. Targets are integer classes, or probabilities of the shape of the logits.

    A logit of −∞ is a class that cannot be: with probability 0 it costs nothing, with any other the loss is infinite.
    """
    z, t = tensor(logits), tensor(targets)
    a = normalize_axis("cross_entropy", axis, z.ndim)
    wanted, kind = (z.shape, "probabilities") if t.type.is_float else (z.shape[:a] + z.shape[a + 1 :], "classes")
    if not unify_shapes(t.shape, wanted):
        raise shape_error("cross_entropy", f"targets {t.type} are {kind}, which must have the shape {wanted} for logits {z.type}")
    logp = log_softmax(z, a)
    if t.type.is_float:
        impossible = ops.logical_and(logp == -math.inf, t == 0)
        return _reduced(-ops.sum(ops.where(impossible, 0, logp) * t, a), weights)
    picked = ops.take_along_axis(logp, ops.expand_dims(t, a), a)
    return _reduced(-ops.squeeze(picked, a), weights)


def mse(x: Like, y: Like) -> Tensor:
    """Mean of (x − y)²."""
    return ops.mean(ops.square(_difference("mse", x, y)))


def _difference(what: str, x: Like, y: Like) -> Tensor:
    """x − y, of which one may be broadcast to the other, but not both."""
    a, b = tensor(x), tensor(y)
    shape = broadcast_shapes(what, a.shape, b.shape)
    if not unify_shapes(shape, a.shape) and not unify_shapes(shape, b.shape):
        raise shape_error(what, f"{a.type} and {b.type} would broadcast to {shape}, all pairs", "Reshape one to the shape of the other")
    return ops.subtract(x, y)


def huber(x: Like, y: Like, delta: float = 1.0) -> Tensor:
    """Mean of ½d² for |d| ≤ δ, else δ(|d| − ½δ), with d = x − y (Huber 1964)."""
    if delta < 0:
        raise setting_error("huber", f"delta must not be negative, got {delta}")
    d = ops.abs(_difference("huber", x, y))
    return ops.mean(ops.where(d <= delta, 0.5 * d * d, delta * (d - 0.5 * delta)))
