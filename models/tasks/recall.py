"""Associative recall (Graves et al. 2014, §4.3): read items, then a query, which is one of them, and output the item that followed it.

An item is `vectors` random vectors on channels 0 … bits − 1; before each item there is a step with the item delimiter (channel `bits`).
The query, never the last item, stands between two steps with the query delimiter (the last channel). In the last `vectors` steps the input
is 0; only these are scored. T = items·(vectors + 1) + 2·vectors + 2.
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from minigrad.errors import SettingError

from .bits import given, loss, measures
from .draw import Draw, Range, between

__all__ = ["baselines", "batch", "given", "harder", "loss", "measures", "sizes"]

DOMAIN = 18


def sizes(bits: int = 6, **_: Any) -> tuple[int, int]:
    """(inputs, outputs) of a model for this task."""
    return bits + 2, bits


def batch(
    seed: Any,
    step: int,
    batch: int,
    items: Annotated[Range, "items in a sequence"] = (2, 6),
    vectors: Annotated[int, "vectors in an item"] = 3,
    bits: Annotated[int, "bits in a vector"] = 6,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(inputs (T, batch, bits + 2), targets (T, batch, bits), mask (T, batch)).

    The whole batch has one number of items; each sequence has its own query.
    """
    draw = Draw(seed, step, DOMAIN)
    low, high = between(items)
    if low < 2:
        raise SettingError(f"items={items!r}: a query needs a next item, so there are at least 2")
    n = int(draw.integers(low, high))
    shown = draw.bits((n, vectors, batch, bits))
    query = draw.integers(0, n - 2, (batch,))
    rows = np.arange(batch)
    asked = n * (vectors + 1)
    total = asked + 2 * vectors + 2
    inputs, targets = np.zeros((total, batch, bits + 2), np.float32), np.zeros((total, batch, bits), np.float32)
    by_item = inputs[:asked].reshape(n, vectors + 1, batch, bits + 2)
    by_item[:, 0, :, bits] = 1
    by_item[:, 1:, :, :bits] = shown
    inputs[asked, :, bits + 1] = inputs[asked + vectors + 1, :, bits + 1] = 1
    inputs[asked + 1 : asked + vectors + 1, :, :bits] = shown[query, :, rows].swapaxes(0, 1)
    targets[-vectors:] = shown[query + 1, :, rows].swapaxes(0, 1)
    mask = np.broadcast_to(np.arange(total)[:, None] >= total - vectors, (total, batch)).copy()
    return inputs, targets, mask


def baselines(vectors: int = 3, bits: int = 6, **_: Any) -> dict[str, float]:
    """The cost of guessing in bits a sequence, and of correct recall."""
    return {"chance": vectors * bits, "optimum": 0}


def harder(items: Range = (2, 6), **_: Any) -> dict[str, Any]:
    """Twice the greatest number of items."""
    return {"items": 2 * between(items)[1]}
