"""Copy (Graves et al. 2014, §4.1): read L random vectors, a delimiter, then give them back in order.

Of T = 2L + 1 steps the first L show a vector on channels 0 … bits − 1, step L has only the delimiter on the last channel, and in the last L
the input is blank and the vectors are the targets. Only these are scored.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .draw import Draw, between
from .metrics import bits_per_sequence, loss, wrong_bits

__all__ = ["batch", "bits_per_sequence", "chance", "loss", "sizes", "wrong_bits"]

DOMAIN = 16


def sizes(bits: int = 8) -> tuple[int, int]:
    """(inputs, outputs) of a model for this task."""
    return bits + 1, bits


def batch(
    seed: Any, step: int, batch: int, lengths: int | tuple[int, int] = (1, 20), bits: int = 8
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(inputs (T, batch, bits + 1), targets (T, batch, bits), mask (T, batch)), a pure function of (seed, step).

    The whole batch has one length, uniform in `lengths`, both ends included. Arrays are float32, the mask bool.
    """
    draw = Draw(seed, step, DOMAIN)
    length = int(draw.integers(*between(lengths)))
    vectors = draw.bits((length, batch, bits))
    inputs = np.zeros((2 * length + 1, batch, bits + 1), np.float32)
    targets = np.zeros((2 * length + 1, batch, bits), np.float32)
    mask = np.zeros((2 * length + 1, batch), bool)
    inputs[:length, :, :bits] = vectors
    inputs[length, :, bits] = 1
    targets[length + 1 :] = vectors
    mask[length + 1 :] = True
    return inputs, targets, mask


def chance(length: int, bits: int = 8) -> int:
    """Bits a sequence that a coin costs."""
    return length * bits
