"""Induction heads (Olsson et al. 2022; as in Gu and Dao 2023, §4.1.2): what followed the trigger when it was seen before?

Of T = length steps all but two show one of 16 symbols. A trigger, on the last channel, stands at a random place, and at the last step,
whose target is the symbol that followed it the first time.
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from .classes import given, loss, measures
from .draw import Draw, Range, between

__all__ = ["baselines", "batch", "given", "harder", "loss", "measures", "sizes"]

DOMAIN = 39
KINDS = 16
TRIGGER = KINDS


def sizes(**_: Any) -> tuple[int, int]:
    """(inputs, outputs) of a model for this task."""
    return KINDS + 1, KINDS


def batch(
    seed: Any, step: int, batch: int, length: Annotated[Range, "steps of a sequence"] = 64
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(inputs (T, batch, 17), targets (T, batch), mask (T, batch)) with one length for the batch; only the last step is scored."""
    draw = Draw(seed, step, DOMAIN)
    total, rows = int(draw.integers(*between(length, 3))), np.arange(batch)
    tokens, place = draw.integers(0, KINDS - 1, (total, batch)), draw.integers(0, total - 3, (batch,))
    tokens[place, rows] = tokens[-1] = TRIGGER
    targets, mask = np.zeros(tokens.shape, np.int64), np.zeros(tokens.shape, bool)
    targets[-1], mask[-1] = tokens[place + 1, rows], True
    return np.eye(KINDS + 1, dtype=np.float32)[tokens], targets, mask


def baselines(**_: Any) -> dict[str, float]:
    """The accuracy of guessing, and of looking back."""
    return {"chance": 1 / KINDS, "optimum": 1}


def harder(length: Range = 64) -> dict[str, Any]:
    """Four times the greatest length."""
    return {"length": 4 * between(length)[1]}
