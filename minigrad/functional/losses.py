"""Losses. They are means by default, and all take `weights` and `reduction`:

weights      of each element (for cross_entropy, nll and kl_div of each row). What has weight 0 takes no part: whatever stands there, even
             NaN, changes neither the loss nor a gradient
reduction    "mean", Σ wv / Σ w with weights, and 0 where all are 0; "sum", Σ wv; "none", each wv
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

from .. import ops
from ..errors import setting_error, shape_error
from ..graph.types import broadcast_shapes, normalize_axis, unify_shapes
from ..ops.elementwise import Like, _floats, _operands
from ..ops.reductions import number_averaged
from ..tensor import Tensor, tensor
from .activations import log_softmax
from .positions import counted, integers

Reduction = Literal["mean", "sum", "none"]


def _reduced(
    what: str, formula: Callable[..., Tensor], operands: list[Tensor], weights: Like | None, reduction: Reduction, axis: int | None = None
) -> Tensor:
    """formula(*operands), weighted and reduced. Each value belongs to one element, or to one row along the axis."""
    if reduction not in ("mean", "sum", "none"):
        raise setting_error(what, f"reduction = {reduction!r} is unknown", "Take one of 'mean', 'sum', 'none'")
    if weights is None:
        values = formula(*operands)
        return values if reduction == "none" else ops.sum(values) if reduction == "sum" else ops.mean(values)
    t = operands[0]
    w = ops.broadcast_to(ops.astype(weights, t.dtype), [n for a, n in enumerate(t.shape) if a != axis])
    kept = w != 0
    row = kept if axis is None else ops.expand_dims(kept, axis)
    # The gradient of an element without weight is set to 0; 0 times the derivative would be NaN where that is infinite or NaN.
    values = formula(*(ops.where(row, operand, ops.detach(operand)) for operand in operands))
    values = w * ops.where(ops.logical_or(kept, ops.isfinite(values)), values, 0)
    if reduction == "none":
        return values
    total = ops.sum(values)
    return total if reduction == "sum" else total / ops.where(ops.any(kept), ops.sum(w), 1)


def _pair(what: str, x: Like, y: Like) -> list[Tensor]:
    """x and y, of which one may be broadcast to the other, but not both."""
    a, b = tensor(x), tensor(y)
    shape = broadcast_shapes(what, a.shape, b.shape)
    if not unify_shapes(shape, a.shape) and not unify_shapes(shape, b.shape):
        raise shape_error(what, f"{a.type} and {b.type} would broadcast to {shape}, all pairs", "Reshape one to the shape of the other")
    return _operands(what, x, y)


def mse(x: Like, y: Like, weights: Like | None = None, reduction: Reduction = "mean") -> Tensor:
    """Mean of (x − y)²."""
    return _reduced("mse", lambda a, b: ops.square(a - b), _pair("mse", x, y), weights, reduction)


def huber(x: Like, y: Like, delta: float = 1.0, weights: Like | None = None, reduction: Reduction = "mean") -> Tensor:
    """Mean of ½d² for |d| ≤ δ, else δ(|d| − ½δ), with d = x − y (Huber 1964)."""
    if not delta >= 0:
        raise setting_error("huber", f"delta must not be negative, got {delta}")

    def formula(a: Tensor, b: Tensor) -> Tensor:
        d = ops.abs(a - b)
        inner = ops.minimum(d, delta)
        return 0.5 * inner * inner + delta * (d - inner)

    return _reduced("huber", formula, _pair("huber", x, y), weights, reduction)


def binary_cross_entropy(
    logits: Like, targets: Like, weights: Like | None = None, pos_weight: Like | None = None, reduction: Reduction = "mean"
) -> Tensor:
    """Mean of −t·log σ(z) − (1−t)·log(1−σ(z)) in nats, from logits z: softplus(z) − z·t, finite for any z.

    pos_weight, broadcast to the logits, multiplies the first term: above 1 it makes misses of positives cost more.
    """
    (z,), t = _floats("binary_cross_entropy", logits), tensor(targets)
    given = [("targets", t)] if pos_weight is None else [("targets", t), ("pos_weight", tensor(pos_weight))]
    for name, other in given:
        if not unify_shapes(broadcast_shapes("binary_cross_entropy", z.shape, other.shape), z.shape):
            raise shape_error("binary_cross_entropy", f"{name} {other.type} have more elements than the logits {z.type}")
    operands = [z, *(ops.broadcast_to(ops.astype(other, z.dtype), z.shape) for _, other in given)]

    def formula(z: Tensor, t: Tensor, positive: Tensor | None = None) -> Tensor:
        if positive is None:
            return ops.softplus(z) - z * t
        return (1 - t) * z + (1 + (positive - 1) * t) * ops.softplus(-z)

    return _reduced("binary_cross_entropy", formula, operands, weights, reduction)


# ---- of classes


def cross_entropy(
    logits: Like,
    targets: Like,
    axis: int = -1,
    weights: Like | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: Reduction = "mean",
) -> Tensor:
    """Mean of −log softmax(z)[target] in nats. Targets are integer classes, or probabilities of the shape of the logits.

    A class outside 0 … n − 1 raises BoundsError, unless its weight is 0 or it is `ignore_index`, which has weight 0. label_smoothing is the
    part of each target that is spread evenly over all classes (Szegedy et al. 2016). A logit of −∞ is a class that cannot be: with
    probability 0 it costs nothing, with any other the loss is infinite.
    """
    z, t = tensor(logits), tensor(targets)
    a = normalize_axis("cross_entropy", axis, z.ndim)
    if not 0 <= label_smoothing <= 1:
        raise setting_error("cross_entropy", f"label_smoothing must be in [0, 1], got {label_smoothing}")
    if not t.type.is_float:
        return _of_classes("cross_entropy", lambda z: log_softmax(z, a), z, t, a, weights, ignore_index, label_smoothing, reduction)
    _require_shape("cross_entropy", t, z.shape, "probabilities", z)

    def formula(z: Tensor, t: Tensor) -> Tensor:
        logp = log_softmax(z, a)
        if label_smoothing:
            t = (1 - label_smoothing) * t + label_smoothing / ops.astype(ops.extent(z.shape[a]), t.dtype)
        impossible = ops.logical_and(logp == -math.inf, t == 0)
        return -ops.sum(ops.where(impossible, 0, logp) * t, a)

    return _reduced("cross_entropy", formula, [z, t], weights, reduction, a)


def nll(
    logp: Like, targets: Like, axis: int = -1, weights: Like | None = None, ignore_index: int = -100, reduction: Reduction = "mean"
) -> Tensor:
    """Mean of −logp[target], the negative log-likelihood of integer classes: cross_entropy from log-probabilities, not from logits."""
    (z,) = _floats("nll", logp)
    return _of_classes("nll", lambda z: z, z, tensor(targets), normalize_axis("nll", axis, z.ndim), weights, ignore_index, 0.0, reduction)


def _of_classes(
    what: str,
    logarithms: Callable[[Tensor], Tensor],
    z: Tensor,
    t: Tensor,
    axis: int,
    weights: Like | None,
    ignored: int,
    smoothing: float,
    reduction: Reduction,
) -> Tensor:
    """The loss of integer classes t with log-probabilities logarithms(z)."""
    _require_shape(what, t, z.shape[:axis] + z.shape[axis + 1 :], "classes", z)
    t = integers(what, "a target", t)
    if weights is None and reduction == "mean":
        number_averaged(what, t)
    w = ops.where(t == ignored, 0, ops.broadcast_to(1 if weights is None else weights, t.shape))
    none = ops.logical_or(t < 0, t >= ops.extent(z.shape[axis]))
    classes = ops.where(ops.logical_and(none, w == 0), 0, t)
    index = ops.expand_dims(counted(what, "a target", classes, z.shape[axis]), axis)

    def formula(z: Tensor) -> Tensor:
        logp = logarithms(z)
        cost = -ops.squeeze(ops.take_along_axis(logp, index, axis), axis)
        return cost if not smoothing else (1 - smoothing) * cost - smoothing * ops.mean(logp, axis)

    return _reduced(what, formula, [z], w, reduction, axis)


def _require_shape(what: str, t: Tensor, shape: tuple, kind: str, z: Tensor) -> None:
    if not unify_shapes(t.shape, shape):
        raise shape_error(what, f"targets {t.type} are {kind}, which must have the shape {shape} for logits {z.type}")


def kl_div(log_q: Like, p: Like, axis: int = -1, weights: Like | None = None, reduction: Reduction = "mean") -> Tensor:
    """Mean over rows of KL(p ‖ q) = Σ p (log p − log q) along an axis, in nats, from log q, as log_softmax gives it, and p.

    PyTorch calls this mean "batchmean". Where p is 0 nothing is added, whatever q is.
    """
    operands = _floats("kl_div", log_q, p)
    a = normalize_axis("kl_div", axis, operands[0].ndim)
    if not unify_shapes(tensor(log_q).shape, tensor(p).shape):
        raise shape_error("kl_div", f"log q {tensor(log_q).type} and p {tensor(p).type} must have the same shape")

    def formula(log_q: Tensor, p: Tensor) -> Tensor:
        zero = p == 0
        surplus = ops.log(ops.where(zero, 1, p)) - ops.where(zero, 0, log_q)
        return ops.sum(p * surplus, a)

    return _reduced("kl_div", formula, operands, weights, reduction, a)
