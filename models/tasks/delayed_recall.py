"""Delayed recall: output the first symbol after `lag` others. Accuracy as a function of the lag measures how long a model remembers.

Of T = lag + 2 steps, the first shows one of 8 symbols and a store signal; then come `lag` symbols from the same distribution. The last step
shows only a recall signal, and its target is the first symbol.
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from .classes import given, loss, measures
from .draw import Draw, Range, between

__all__ = ["baselines", "batch", "given", "harder", "loss", "measures", "sizes"]

DOMAIN = 24
SYMBOLS = 8


def sizes(**_: Any) -> tuple[int, int]:
    """(inputs, outputs) of a model for this task."""
    return SYMBOLS + 2, SYMBOLS


def batch(
    seed: Any, step: int, batch: int, lag: Annotated[Range, "symbols between the one to keep and its recall"] = (1, 50)
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(inputs (T, batch, 10), targets (T, batch), mask (T, batch)); only the last step is scored."""
    draw = Draw(seed, step, DOMAIN)
    shown = int(draw.integers(*between(lag))) + 1
    symbols = draw.integers(0, SYMBOLS - 1, (shown, batch))
    inputs = np.zeros((shown + 1, batch, SYMBOLS + 2), np.float32)
    inputs[:-1, :, :SYMBOLS] = np.eye(SYMBOLS, dtype=np.float32)[symbols]
    inputs[0, :, SYMBOLS] = inputs[-1, :, SYMBOLS + 1] = 1
    targets, mask = np.zeros((shown + 1, batch), np.int64), np.zeros((shown + 1, batch), bool)
    targets[-1], mask[-1] = symbols[0], True
    return inputs, targets, mask


def baselines(**_: Any) -> dict[str, float]:
    """The accuracy of guessing, and of correct recall."""
    return {"chance": 1 / SYMBOLS, "optimum": 1}


def harder(lag: Range = (1, 50)) -> dict[str, Any]:
    """Twice the greatest lag."""
    return {"lag": 2 * between(lag)[1]}
