"""Initialisers: (key, shape, dtype) -> parameter values. A weight of shape (in, out) multiplies from the right, x @ W."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from . import ops, random
from .errors import AbstractValueError, message, shape_error
from .graph.types import FLOAT
from .tensor import Tensor, tensor

Shape = tuple[int, ...]


def _fans(shape: Shape) -> tuple[int, int]:
    if len(shape) < 2:
        raise shape_error("init", f"fan-in and fan-out need a matrix, got shape {shape}")
    return math.prod(shape[:-1]), shape[-1]


def uniform(key: Tensor, shape: Shape, bound: float, dtype: Any = FLOAT) -> Tensor:
    """U(−bound, bound)."""
    return random.uniform(key, shape, -bound, bound, dtype)


def normal(key: Tensor, shape: Shape, std: float, dtype: Any = FLOAT) -> Tensor:
    """N(0, std²)."""
    return random.normal(key, shape, dtype) * std


def glorot(key: Tensor, shape: Shape, dtype: Any = FLOAT) -> Tensor:
    """U(±√(6 / (in + out))) (Glorot and Bengio 2010, eq. 16)."""
    return uniform(key, shape, math.sqrt(6 / sum(_fans(shape))), dtype)


def he(key: Tensor, shape: Shape, dtype: Any = FLOAT) -> Tensor:
    """N(0, 2 / in), for relu (He et al. 2015, eq. 10)."""
    return normal(key, shape, math.sqrt(2 / _fans(shape)[0]), dtype)


def orthogonal(key: Tensor, shape: Shape, gain: float = 1.0, dtype: Any = FLOAT) -> Tensor:
    """Orthonormal rows or columns, whichever are fewer, times gain (Saxe et al. 2014)."""
    rows, columns = map(int, _fans(shape))
    if not key.is_concrete:
        problem = "the factorisation needs the value of the key, which it has not while the graph is built"
        raise AbstractValueError(message("init.orthogonal", problem, "Give a key that is no argument of the function, or use glorot"))
    a = random.normal(key, (max(rows, columns), min(rows, columns)), "float64").numpy()
    q, r = np.linalg.qr(a)
    q = q * np.sign(np.diag(r))
    return tensor(gain * (q if rows >= columns else q.T).reshape(shape), dtype)


def chrono(key: Tensor, size: int, longest: int, dtype: Any = FLOAT) -> Tensor:
    """Forget-gate biases log U(1, T − 1) for dependencies up to T steps; the input gate gets their negative (Tallec and Ollivier 2018)."""
    if longest < 3:
        raise shape_error("init.chrono", f"the longest dependency must be at least 3 steps, got {longest}")
    return ops.log(random.uniform(key, (size,), 1, longest - 1, dtype))
