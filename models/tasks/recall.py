"""Associative recall (Graves et al. 2014, §4.3): read items, then one of them again, and give the item that followed it.

An item is `steps` random vectors on channels 0 … bits − 1, each item after a step with only the item delimiter (channel `bits`).
Then comes the query, never the last item, between two steps with only the query delimiter (the last channel). In the last `steps` steps
the input is blank, and they are scored. T = items·(steps + 1) + 2·steps + 2.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .draw import Draw, between
from .metrics import bits_per_sequence, loss, wrong_bits

__all__ = ["batch", "bits_per_sequence", "chance", "loss", "sizes", "wrong_bits"]

DOMAIN = 18


def sizes(bits: int = 6) -> tuple[int, int]:
    """(inputs, outputs) of a model for this task."""
    return bits + 2, bits


def batch(
    seed: Any, step: int, batch: int, items: int | tuple[int, int] = (2, 6), steps: int = 3, bits: int = 6
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(inputs, targets, mask) as the task's interface says; one number of items for the whole batch, each sequence with its own query."""
    draw = Draw(seed, step, DOMAIN)
    low, high = between(items)
    if low < 2:
        raise ValueError(f"items={items!r}: a query needs a next item, so there are at least 2")
    n = int(draw.integers(low, high))
    vectors = draw.bits((n, steps, batch, bits))
    query = draw.integers(0, n - 2, (batch,))
    rows = np.arange(batch)
    shown = n * (steps + 1)
    total = shown + 2 * steps + 2
    inputs, targets = np.zeros((total, batch, bits + 2), np.float32), np.zeros((total, batch, bits), np.float32)
    by_item = inputs[:shown].reshape(n, steps + 1, batch, bits + 2)
    by_item[:, 0, :, bits] = 1
    by_item[:, 1:, :, :bits] = vectors
    inputs[shown, :, bits + 1] = inputs[shown + steps + 1, :, bits + 1] = 1
    inputs[shown + 1 : shown + steps + 1, :, :bits] = vectors[query, :, rows].swapaxes(0, 1)
    targets[-steps:] = vectors[query + 1, :, rows].swapaxes(0, 1)
    mask = np.broadcast_to(np.arange(total)[:, None] >= total - steps, (total, batch)).copy()
    return inputs, targets, mask


def chance(steps: int = 3, bits: int = 6) -> int:
    """Bits a sequence that a coin costs."""
    return steps * bits
