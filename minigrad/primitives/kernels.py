"""Loops that NumPy has no good kernel for, jitted on first use. (Gathers, sorting and softmax in NumPy are as fast as jitted loops.)"""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(nogil=True)
def scatter_add(out: np.ndarray, index: np.ndarray, updates: np.ndarray) -> None:
    """out[:, index[i]] += updates[:, i]; out (a, n, b), updates (a, k, b), index (k,), negative ones from the end, in bounds."""
    for a in range(updates.shape[0]):
        for i in range(index.size):
            row = index[i] if index[i] >= 0 else index[i] + out.shape[1]
            for b in range(updates.shape[2]):
                out[a, row, b] += updates[a, i, b]
