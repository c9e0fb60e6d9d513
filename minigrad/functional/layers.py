"""Layers whose parameters are arguments: normalisation, embedding, dropout."""

from __future__ import annotations

import numpy as np

from .. import ops
from ..errors import setting_error, shape_error
from ..ops.elementwise import Like, _floats
from ..ops.scaling import largest
from ..random import uniform
from ..tensor import Tensor, tensor
from .positions import counted


def layer_norm(x: Like, scale: Like | None = None, shift: Like | None = None, epsilon: float = 1e-5) -> Tensor:
    """(x − mean) / √(var + ε) over the last axis, times scale, plus shift (Ba et al. 2016, eq. 4)."""
    (t,) = _floats("layer_norm", x)
    y = rms_norm(t - ops.mean(t, -1, keepdims=True), scale, epsilon)
    return y if shift is None else y + shift


def rms_norm(x: Like, scale: Like | None = None, epsilon: float = 1e-5) -> Tensor:
    """x / √(mean x² + ε) over the last axis, times scale (Zhang and Sennrich 2019). Large x do not overflow."""
    (t,) = _floats("rms_norm", x)
    size = ops.maximum(largest(ops.abs(t), -1), 1)
    t = t / size
    y = t / ops.sqrt(ops.mean(t * t, -1, keepdims=True) + epsilon / (size * size))
    return y if scale is None else y * scale


def embedding(index: Like, table: Like) -> Tensor:
    """The rows of a table (n, width) at integer indices (…): (…, width). Raises BoundsError for an index outside 0 … n − 1."""
    t = tensor(table)
    if t.ndim != 2:
        raise shape_error("embedding", f"the table must have two axes, (n, width), got {t.type}")
    return ops.take(t, counted("embedding", "an index", tensor(index), t.shape[0]), 0)


def dropout(x: Like, rate: float, key: Tensor | None) -> Tensor:
    """x with a fraction `rate` of its elements set to 0 and the others scaled by 1/(1 − rate). Without a key (when testing): x itself."""
    t = tensor(x)
    if not 0 <= rate < 1:
        raise setting_error("dropout", f"the rate must be in [0, 1), got {rate}")
    if key is None or rate == 0:
        return t
    kept = uniform(key, t.shape, dtype=np.dtype("float32")) >= rate
    return ops.where(kept, t / (1 - rate), 0)
