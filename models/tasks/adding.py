"""Adding (Hochreiter and Schmidhuber 1997, experiment 4; as in Le et al. 2015): output the sum of the two marked numbers.

Each of T steps shows a number, uniform in [0, 1), and a marker, which is 1 at one step of the first half and one of the second, else 0.
The target, at the last step, is the sum. The constant output 1 has the mean squared error Var(u₁ + u₂) = 1/6.
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from minigrad.errors import SettingError

from .draw import Draw, Range, between
from .numbers import given, loss, measures

__all__ = ["baselines", "batch", "given", "harder", "loss", "measures", "sizes"]

DOMAIN = 22


def sizes(**_: Any) -> tuple[int, int]:
    """(inputs, outputs) of a model for this task."""
    return 2, 1


def batch(
    seed: Any, step: int, batch: int, length: Annotated[Range, "numbers in a sequence"] = 200
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(inputs (T, batch, 2), targets (T, batch, 1), mask (T, batch)); only the last step is scored."""
    draw = Draw(seed, step, DOMAIN)
    total = int(draw.integers(*between(length)))
    if total < 2:
        raise SettingError(f"length={length!r}: there are two numbers to add, so it is at least 2")
    inputs = np.zeros((total, batch, 2), np.float32)
    inputs[..., 0] = draw.uniform((total, batch))
    rows, half = np.arange(batch), total // 2
    marked = draw.integers(0, half - 1, (batch,)), draw.integers(half, total - 1, (batch,))
    targets = np.zeros((total, batch, 1), np.float32)
    for at in marked:
        inputs[at, rows, 1] = 1
        targets[-1, :, 0] += inputs[at, rows, 0]
    mask = np.zeros((total, batch), bool)
    mask[-1] = True
    return inputs, targets, mask


def baselines(**_: Any) -> dict[str, float]:
    """The mean squared error of the constant output 1, and of exact sums."""
    return {"chance": 1 / 6, "optimum": 0}


def harder(length: Range = 200, **_: Any) -> dict[str, Any]:
    """Twice the greatest length."""
    return {"length": 2 * between(length)[1]}
