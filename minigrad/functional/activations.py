"""Activations: softmax and its logarithm, and functions of single units."""

from __future__ import annotations

import math

from .. import ops
from ..errors import shape_error
from ..graph.types import normalize_axes, normalize_axis
from ..ops.elementwise import Axis, Like, _floats
from ..ops.scaling import largest
from ..tensor import Tensor, tensor


def softmax(x: Like, axis: int = -1) -> Tensor:
    """exp(x) / Σ exp(x) along an axis, shifted by the maximum. Where all of a row is −∞ (fully masked): zeros with zero gradient.

    A NaN makes its whole row NaN.
    """
    t = tensor(x)
    axis = normalize_axis("softmax", axis, t.ndim)
    e = ops.exp(t - _shift(t, axis))
    return e / _unless_zero(ops.sum(e, axis, keepdims=True))


def _shift(t: Tensor, axis: Axis) -> Tensor:
    """The maximum, without gradient, and 0 where it is infinite or NaN."""
    top = largest(t, axis)
    return ops.where(ops.isfinite(top), top, 0)


def _unless_zero(total: Tensor) -> Tensor:
    """The total, and 1 in place of 0. NaN stays NaN."""
    return ops.where(total == 0, 1, total)


def logsumexp(x: Like, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """log Σ exp(x) over axes; −∞ where all are −∞, and of no elements."""
    t = tensor(x)
    axes = normalize_axes("logsumexp", axis, t.ndim)
    shift = _shift(t, axes)
    total = ops.sum(ops.exp(t - shift), axes, keepdims=True)
    y = ops.where(total == 0, -math.inf, ops.log(_unless_zero(total))) + shift
    return y if keepdims else ops.squeeze(y, axes)


def log_softmax(x: Like, axis: int = -1) -> Tensor:
    """log(softmax(x)) along an axis, without underflow. Where all of a row is −∞ (fully masked): −∞.

    The maximum is subtracted first: log Σ would be lost beside a large one, such as the −10⁹ of a mask.
    """
    t = tensor(x)
    axis = normalize_axis("log_softmax", axis, t.ndim)
    z = t - _shift(t, axis)
    return z - ops.log(_unless_zero(ops.sum(ops.exp(z), axis, keepdims=True)))


# ---- functions of single units


def gelu(x: Like, approximate: bool = False) -> Tensor:
    """x Φ(x), Φ the normal distribution function; approximate: ½x (1 + tanh(√(2/π) (x + 0.044715x³))) (Hendrycks and Gimpel 2016)."""
    (t,) = _floats("gelu", x)
    if approximate:
        return t * (1 + ops.tanh(math.sqrt(2 / math.pi) * (t + 0.044715 * t * t * t))) * 0.5
    return t * (1 + ops.erf(t / math.sqrt(2))) * 0.5


def silu(x: Like) -> Tensor:
    """x σ(x), also called swish (Elfwing et al. 2018)."""
    (t,) = _floats("silu", x)
    return t * ops.sigmoid(t)


def leaky_relu(x: Like, slope: float = 0.01) -> Tensor:
    """x above 0, else slope·x (Maas et al. 2013). The gradient at 0 is the slope; NaN stays NaN."""
    (t,) = _floats("leaky_relu", x)
    return ops.where(t <= 0, slope * t, t)


def elu(x: Like, alpha: float = 1.0) -> Tensor:
    """x above 0, else α(exp(x) − 1) (Clevert et al. 2016). The gradient at 0 is α; NaN stays NaN."""
    (t,) = _floats("elu", x)
    below = t <= 0
    return ops.where(below, alpha * ops.expm1(ops.where(below, t, 0)), t)


def glu(x: Like, axis: int = -1) -> Tensor:
    """a σ(b), a and b the two halves of x along an axis (Dauphin et al. 2017). Raises ShapeError for an axis of odd length."""
    (t,) = _floats("glu", x)
    a = normalize_axis("glu", axis, t.ndim)
    if t.shape[a] % 2:
        raise shape_error("glu", f"axis {a} of {t.shape} has length {t.shape[a]}, which is not two equal halves")
    left, right = ops.split(t, 2, a)
    return left * ops.sigmoid(right)
