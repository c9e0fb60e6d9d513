"""Random numbers as pure functions of explicit keys: the same key gives the same numbers, eager, traced or compiled.

A key is used once; `split` and `fold_in` make new ones. The bits are Philox 4x64-10's (Salmon et al. 2011). Numbers of `normal`
are functions of these bits that NumPy and compiled code may round differently in the last place.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from . import ops
from .errors import dtype_error, setting_error, shape_error
from .graph.dims import Shape
from .graph.types import FLOAT, check_computed, check_dtype
from .ops.creation import lengths
from .primitives import index as _i
from .tensor import Tensor, tensor

DRAW, SPLIT, FOLD = 0, 1, 2  # the domains of the counter, so that numbers drawn, keys split and keys folded in are independent


def key(seed: int) -> Tensor:
    """A key, uint64(2), from a seed in 0 … 2¹²⁸ − 1."""
    if not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**128:
        raise dtype_error("random.key", f"a seed is an integer in 0 … 2¹²⁸ − 1, got {seed!r}")
    return tensor(np.array([int(seed) & (2**64 - 1), int(seed) >> 64], np.uint64))


def as_key(value: int | Tensor) -> Tensor:
    """A seed or a key as a key."""
    return value if isinstance(value, Tensor) else key(value)


def _draw(key: Tensor, stream: Any, shape: Any, dtype: Any, domain: int) -> Tensor:
    if not isinstance(key, Tensor):
        raise dtype_error("random", f"takes a key first, got {key!r}", "Make one from a seed with mg.random.key(0)")
    if key.shape != (2,):
        raise shape_error("random", f"takes one key, uint64(2), got {key.type}", "Unpack or index the keys of split, or use mg.vmap")
    wanted = lengths("random", shape)
    return _i.random(key, ops.astype(stream, _i.UINT64), shape=wanted, dtype=np.dtype(dtype), domain=domain)


def split(key: Tensor, n: int = 2) -> Tensor:
    """n new keys, uint64(n, 2): iterate or unpack."""
    return _draw(key, 0, (n, 2), _i.UINT64, SPLIT)


def fold_in(key: Tensor, data: int | Tensor) -> Tensor:
    """A new key from a key and an integer, say a step. Integers that are equal modulo 2⁶⁴ give one key. Raises DTypeError."""
    if isinstance(data, int):
        data = tensor(np.uint64(data % 2**64))
    number = tensor(data)
    if number.dtype.kind not in "iu" or number.shape:
        raise dtype_error("random.fold_in", f"takes one integer, got {data!r}", "Fold in the number of a step, an epoch or a layer")
    return _draw(key, number, (2,), _i.UINT64, FOLD)


def uniform(key: Tensor, shape: Shape = (), low: float = 0.0, high: float = 1.0, dtype: Any = FLOAT) -> Tensor:
    """Uniform in [low, high), from the leading 24 (float32) or 53 (float64) bits. Where rounding gives `high`, the number is `low`."""
    found = check_dtype(dtype, "random.uniform")
    check_computed("random.uniform", found)
    if found.kind != "f":
        raise dtype_error("random.uniform", f"takes a float dtype, got {found}", "For whole numbers use random.integers")
    if isinstance(low, (int, float)) and isinstance(high, (int, float)) and not low <= high:
        raise setting_error("random.uniform", f"needs low ≤ high, got {low} and {high}")
    u = _draw(key, 0, shape, found, DRAW)
    if isinstance(low, (int, float)) and isinstance(high, (int, float)) and (low, high) == (0, 1):
        return u
    y = u * (high - low) + low
    return ops.where(ops.less(y, high), y, low)


def normal(key: Tensor, shape: Shape = (), dtype: Any = FLOAT) -> Tensor:
    """Standard normal by Box and Muller: √(−2 log(1 − u₁)) cos(2π u₂)."""
    wanted = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    u = uniform(key, (2, *wanted), dtype=dtype)
    return ops.sqrt(ops.log1p(-u[0]) * -2) * ops.cos(u[1] * (2 * math.pi))


def bernoulli(key: Tensor, p: float | Tensor = 0.5, shape: Shape = ()) -> Tensor:
    """True with probability p. Raises SettingError for a number that is none."""
    if isinstance(p, (int, float, np.generic)) and not 0 <= p <= 1:
        raise setting_error("random.bernoulli", f"needs a probability from 0 to 1, got {p}")
    return ops.less(uniform(key, shape), p)


def integers(key: Tensor, low: int, high: int, shape: Shape = ()) -> Tensor:
    """int64 uniform in [low, high), a range of at most 2⁵³ numbers. Raises SettingError."""
    if not low < high:
        raise setting_error("random.integers", f"needs low < high, got {low} and {high}")
    if high - low > 2**53:
        raise setting_error("random.integers", f"draws from at most 2⁵³ numbers, got {low} and {high}")
    return ops.astype(ops.floor(uniform(key, shape, dtype="float64") * (high - low)), "int64") + low


def permutation(key: Tensor, n: int) -> Tensor:
    """0 … n−1 in random order, int64."""
    return ops.argsort(uniform(key, (n,), dtype="float64"))
