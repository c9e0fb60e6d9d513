"""Composite functions, made of primitives. They are numerically stable where the textbook formula is not."""

from __future__ import annotations

import math

import numpy as np

from . import ops
from .errors import setting_error, shape_error
from .graph import dims
from .graph.types import broadcast_shapes, normalize_axis, unify_shapes
from .ops.elementwise import Axis, Like
from .random import uniform
from .tensor import Tensor, tensor

__all__ = [
    "binary_cross_entropy", "circular_convolution", "conv2d", "cosine_similarity", "cross_entropy", "dropout", "huber",
    "layer_norm", "log_softmax", "logsumexp", "mse", "softmax", "std", "var",
]  # fmt: skip


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


def layer_norm(x: Like, scale: Like | None = None, shift: Like | None = None, epsilon: float = 1e-5) -> Tensor:
    """(x − mean) / √(var + ε) over the last axis, times scale, plus shift (Ba et al. 2016, eq. 4)."""
    t = tensor(x)
    centred = t - ops.mean(t, -1, keepdims=True)
    y = centred / ops.sqrt(ops.mean(centred * centred, -1, keepdims=True) + epsilon)
    y = y if scale is None else y * scale
    return y if shift is None else y + shift


def cosine_similarity(x: Like, y: Like, axis: int = -1, epsilon: float = 1e-8) -> Tensor:
    """x·y / √((x·x)(y·y) + ε), ε inside the root: a zero vector has similarity 0 and a finite gradient."""
    a, b = tensor(x), tensor(y)
    dot = ops.sum(a * b, axis)
    return dot / ops.sqrt(ops.sum(a * a, axis) * ops.sum(b * b, axis) + epsilon)


def circular_convolution(w: Like, s: Like) -> Tensor:
    """w̃(i) = Σ_j w(i − j mod N) s(j) over the last axis, j = −k … k for a kernel of 2k + 1 entries, s[0] being j = −k.

    A one-hot s moves w by its shift: s(+1) = 1 gives w̃(i) = w(i − 1) (Graves et al. 2014, eq. 8). Raises ShapeError for an even kernel.
    """
    a, kernel = tensor(w), tensor(s)
    width = kernel.shape[-1]
    if width % 2 == 0 or width > a.shape[-1]:
        raise shape_error("circular_convolution", f"a kernel of odd length up to {a.shape[-1]} is needed, got {width}")
    half = width // 2
    return sum((ops.roll(a, j - half, -1) * kernel[..., j : j + 1] for j in range(1, width)), ops.roll(a, -half, -1) * kernel[..., :1])


def conv2d(x: Like, W: Like, stride: int = 1, padding: int = 0) -> Tensor:
    """y(i, j, ·) = Σ_ab x(i·stride + a − padding, j·stride + b − padding, ·) W(a, b, ·, ·), zero beyond the rim; channels last.

    x (…, height, width, in), W (rows, columns, in, out); one matrix product of all patches. Raises ShapeError where they don't fit.
    """
    t, kernel = tensor(x), tensor(W)
    if t.ndim < 3 or kernel.ndim != 4 or not dims.unify(t.shape[-1], kernel.shape[2]):
        raise shape_error("conv2d", f"takes x (…, height, width, in) and W (rows, columns, in, out), got {t.shape} and {kernel.shape}")
    if stride < 1 or padding < 0:
        raise setting_error("conv2d", f"takes a stride from 1 and a padding from 0, got {stride} and {padding}")
    t = ops.pad(t, [*[(0, 0)] * (t.ndim - 3), (padding, padding), (padding, padding), (0, 0)]) if padding else t
    (height, width), (rows, columns) = t.shape[-3:-1], kernel.shape[:2]
    if height < rows or width < columns:
        raise shape_error("conv2d", f"a kernel of {rows}×{columns} is larger than the {height}×{width} that it moves over")
    down, right = (height - rows) // stride * stride + 1, (width - columns) // stride * stride + 1
    patches = [t[..., a : a + down : stride, b : b + right : stride, :] for a in range(rows) for b in range(columns)]
    return ops.concat(patches, -1) @ ops.reshape(kernel, (-1, kernel.shape[-1]))


# ---- losses


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


# ---- statistics


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


def dropout(x: Like, rate: float, key: Tensor | None) -> Tensor:
    """x with a fraction `rate` of its elements set to 0 and the others scaled by 1/(1 − rate). Without a key (when testing): x itself."""
    t = tensor(x)
    if not 0 <= rate < 1:
        raise setting_error("dropout", f"the rate must be in [0, 1), got {rate}")
    if key is None or rate == 0:
        return t
    kept = uniform(key, t.shape, dtype=np.dtype("float32")) >= rate
    return ops.where(kept, t / (1 - rate), 0)
