"""Parity (Beck et al. 2024; Grazzi et al. 2024): whether a string of bits has an odd number of ones, asked at its last bit.

A network must follow a state that every 1 turns over: with attention, or a linear state whose eigenvalues are not negative, no depth of
layers does it at strings longer than those trained. A string's length counts its answer, as the papers do: T = length − 1.
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from .draw import Draw, Range, between
from .formal import given, longer, loss, measures

__all__ = ["baselines", "batch", "given", "harder", "loss", "measures", "sizes"]

DOMAIN = 32


def sizes(**_: Any) -> tuple[int, int]:
    """(inputs, outputs) of a model for this task."""
    return 2, 2


def batch(
    seed: Any, step: int, batch: int, lengths: Annotated[Range, "symbols of a string and its answer"] = (3, 40)
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(inputs (T, batch, 2), targets (T, batch), mask (T, batch)) with one length for the batch; only the last step is scored."""
    draw = Draw(seed, step, DOMAIN)
    total = int(draw.integers(*between(lengths, 2))) - 1
    bits = draw.bits((total, batch), np.int64)
    targets, mask = np.zeros((total, batch), np.int64), np.zeros((total, batch), bool)
    targets[-1], mask[-1] = bits.sum(0) % 2, True
    return np.eye(2, dtype=np.float32)[bits], targets, mask


def baselines(**_: Any) -> dict[str, float]:
    """The accuracy of guessing, and of counting."""
    return {"chance": 1 / 2, "optimum": 1}


def harder(lengths: Range = (3, 40)) -> dict[str, Any]:
    """Strings up to 6.4 times as long as the longest."""
    return {"lengths": longer(lengths)}
