"""Repeat copy (Graves et al. 2014, §4.2): read L random vectors and a number R, output the vectors R times, then an end marker.

Of T = L + 1 + L·R + 1 steps, the first L show a vector each on channels 0 … bits − 1; step L shows the delimiter on the next channel and
(R − 5.5) / 2.872 on the last (mean 0 and variance 1 for R in 1 … 10). Then the input is 0; only these steps are scored. Their targets are
the copies, and at the last step the marker.
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from .bits import given, loss, measures
from .draw import Draw, Range, between, middle

__all__ = ["baselines", "batch", "given", "harder", "loss", "measures", "sizes"]

DOMAIN = 17


def sizes(bits: int = 8, **_: Any) -> tuple[int, int]:
    """(inputs, outputs) of a model for this task."""
    return bits + 2, bits + 1


def batch(
    seed: Any,
    step: int,
    batch: int,
    lengths: Annotated[Range, "vectors in a sequence"] = (1, 10),
    repeats: Annotated[Range, "how often they are given back"] = (1, 10),
    bits: Annotated[int, "bits in a vector"] = 8,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(inputs (T, batch, bits + 2), targets (T, batch, bits + 1), mask (T, batch)) with one L and one R for the whole batch."""
    draw = Draw(seed, step, DOMAIN)
    length, times = int(draw.integers(*between(lengths))), int(draw.integers(*between(repeats)))
    vectors = draw.bits((length, batch, bits))
    total = length + 1 + length * times + 1
    inputs, targets = np.zeros((total, batch, bits + 2), np.float32), np.zeros((total, batch, bits + 1), np.float32)
    inputs[:length, :, :bits] = vectors
    inputs[length, :, bits] = 1
    inputs[length, :, bits + 1] = (times - 5.5) / 2.872
    targets[length + 1 : -1, :, :bits] = np.tile(vectors, (times, 1, 1))
    targets[-1, :, bits] = 1
    mask = np.broadcast_to(np.arange(total)[:, None] > length, (total, batch)).copy()
    return inputs, targets, mask


def baselines(lengths: Range = (1, 10), repeats: Range = (1, 10), bits: int = 8) -> dict[str, float]:
    """The cost in bits a sequence of guessing the vectors with a correct marker, and of correct copies."""
    return {"chance": middle(lengths) * middle(repeats) * bits, "optimum": 0}


def harder(lengths: Range = (1, 10), **_: Any) -> dict[str, Any]:
    """Twice the greatest length."""
    return {"lengths": 2 * between(lengths)[1]}
