"""Loops that are slow in NumPy, jitted on first use. (Gathers, sorting and softmax in NumPy are as fast as jitted loops.)"""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(nogil=True)
def scatter_add(out: np.ndarray, index: np.ndarray, updates: np.ndarray) -> None:
    """out[:, index[i]] += updates[:, i] for out (a, n, b), updates (a, k, b), index (k,). The index is in bounds and may be negative."""
    for a in range(updates.shape[0]):
        for i in range(index.size):
            row = index[i] if index[i] >= 0 else index[i] + out.shape[1]
            for b in range(updates.shape[2]):
                out[a, row, b] += updates[a, i, b]
