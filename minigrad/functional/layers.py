"""Layers without parameters of their own: normalisation and dropout."""

from __future__ import annotations

import numpy as np

from .. import ops
from ..errors import setting_error
from ..ops.elementwise import Like
from ..random import uniform
from ..tensor import Tensor, tensor


def layer_norm(x: Like, scale: Like | None = None, shift: Like | None = None, epsilon: float = 1e-5) -> Tensor:
    """(x − mean) / √(var + ε) over the last axis, times scale, plus shift (Ba et al. 2016, eq. 4)."""
    t = tensor(x)
    centred = t - ops.mean(t, -1, keepdims=True)
    y = centred / ops.sqrt(ops.mean(centred * centred, -1, keepdims=True) + epsilon)
    y = y if scale is None else y * scale
    return y if shift is None else y + shift


def dropout(x: Like, rate: float, key: Tensor | None) -> Tensor:
    """x with a fraction `rate` of its elements set to 0 and the others scaled by 1/(1 − rate). Without a key (when testing): x itself."""
    t = tensor(x)
    if not 0 <= rate < 1:
        raise setting_error("dropout", f"the rate must be in [0, 1), got {rate}")
    if key is None or rate == 0:
        return t
    kept = uniform(key, t.shape, dtype=np.dtype("float32")) >= rate
    return ops.where(kept, t / (1 - rate), 0)
