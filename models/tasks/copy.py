"""Copy (Graves et al. 2014, §4.1): read L random vectors and a delimiter, then output the vectors in order.

Of T = 2L + 1 steps, the first L show a vector each on channels 0 … bits − 1, and step L shows the delimiter on the last channel. In the
last L steps the input is 0 and the vectors are the targets; only these steps are scored.
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from .bits import given, loss, measures
from .draw import Draw, Range, between, middle

__all__ = ["baselines", "batch", "given", "harder", "loss", "measures", "sizes"]

DOMAIN = 16


def sizes(bits: int = 8, **_: Any) -> tuple[int, int]:
    """(inputs, outputs) of a model for this task."""
    return bits + 1, bits


def batch(
    seed: Any,
    step: int,
    batch: int,
    lengths: Annotated[Range, "vectors in a sequence"] = (1, 20),
    bits: Annotated[int, "bits in a vector"] = 8,
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


def baselines(lengths: Range = (1, 20), bits: int = 8) -> dict[str, float]:
    """The cost of guessing in bits a sequence, and of a correct copy."""
    return {"chance": middle(lengths) * bits, "optimum": 0}


def harder(lengths: Range = (1, 20), **_: Any) -> dict[str, Any]:
    """Twice the greatest length."""
    return {"lengths": 2 * between(lengths)[1]}
