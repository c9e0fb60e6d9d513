"""Random numbers for task data: a pure function of (seed, step, domain), equal on all machines and versions of NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg
from minigrad.errors import SettingError

Range = int | tuple[int, int]  # one value, or (smallest, greatest), from which one is drawn for every batch
Words = tuple[str, ...]
UINT64 = np.dtype("<u8")


class Draw:
    """A stream of random bits from Philox 4x64-10 (Salmon et al. 2011), with the seed as key and (step, domain) in the counter.

    seed is an integer or an mg key. Every task has its own domain, different from those of mg.random.
    """

    def __init__(self, seed: Any, step: int, domain: int):
        key = mg.random.as_key(seed if isinstance(seed, mg.Tensor) else int(seed)).numpy()
        self._philox = np.random.Philox(key=key, counter=np.array([0, 0, int(step), domain], np.uint64))

    def raw(self, count: int) -> np.ndarray:
        """The next `count` words of 64 bits."""
        return np.asarray(self._philox.random_raw(count), UINT64)

    def bits(self, shape: tuple[int, ...], dtype: Any = "float32") -> np.ndarray:
        """Bits, 0 or 1 with probability ½ each."""
        count = int(np.prod(shape))
        return np.unpackbits(self.raw(-(-count // 64)).view(np.uint8))[:count].reshape(shape).astype(dtype)

    def uniform(self, shape: tuple[int, ...] = ()) -> np.ndarray:
        """Uniform numbers in [0, 1), from the leading 53 bits of each word."""
        return (self.raw(int(np.prod(shape))) >> np.uint64(11)).reshape(shape) * 2.0**-53

    def integers(self, low: int, high: int, shape: tuple[int, ...] = ()) -> np.ndarray:
        """Uniform integers in low … high, both included."""
        return low + np.floor(self.uniform(shape) * (high - low + 1)).astype(np.int64)

    def order(self, rows: int, n: int) -> np.ndarray:
        """A random permutation of 0 … n − 1 in each row, (rows, n)."""
        return np.argsort(self.uniform((rows, n)), axis=1, kind="stable")


def between(values: Range, least: int = 1) -> tuple[int, int]:
    """(smallest, greatest) of a range, or of one value. Raises SettingError for an empty one."""
    low, high = (values, values) if isinstance(values, int) else values
    if not least <= low <= high:
        raise SettingError(f"{values!r} is no range: take (smallest, greatest) with {least} ≤ smallest ≤ greatest, or one value")
    return int(low), int(high)


def middle(values: Range) -> float:
    """The mean of a range."""
    return sum(between(values)) / 2
