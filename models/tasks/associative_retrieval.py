"""Associative retrieval (Ba et al. 2016, §4.1): letters and digits in turn, then a letter that was there; the target is its digit.

    c9k8j3f1??c        9

One symbol a step: T = 2 · pairs + 3. The letters of a string are different.
"""

from __future__ import annotations

from string import ascii_lowercase
from typing import Annotated, Any

import numpy as np

from minigrad.errors import SettingError

from .classes import given, loss, measures
from .draw import Draw, Range, between

__all__ = ["SYMBOLS", "baselines", "batch", "given", "harder", "loss", "measures", "read", "sizes"]

DOMAIN = 37
LETTERS, DIGITS = len(ascii_lowercase), 10
SYMBOLS = f"{ascii_lowercase}0123456789?"


def sizes(**_: Any) -> tuple[int, int]:
    """(inputs, outputs) of a model for this task."""
    return len(SYMBOLS), DIGITS


def batch(
    seed: Any, step: int, batch: int, pairs: Annotated[Range, "letters with their digits"] = 4
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(inputs (T, batch, 37), targets (T, batch), mask (T, batch)) with one number of pairs for the batch; only the last step is scored."""
    draw = Draw(seed, step, DOMAIN)
    n = int(draw.integers(*between(pairs)))
    if n > LETTERS:
        raise SettingError(f"pairs={pairs!r}: there are {LETTERS} letters, so no more than {LETTERS} pairs")
    letters, digits = draw.order(batch, LETTERS)[:, :n].T, draw.integers(0, DIGITS - 1, (n, batch))
    asked = draw.integers(0, n - 1, (batch,)), np.arange(batch)
    tokens = np.full((2 * n + 3, batch), SYMBOLS.index("?"))
    tokens[: 2 * n : 2], tokens[1 : 2 * n : 2], tokens[-1] = letters, LETTERS + digits, letters[asked]
    targets, mask = np.zeros(tokens.shape, np.int64), np.zeros(tokens.shape, bool)
    targets[-1], mask[-1] = digits[asked], True
    return np.eye(len(SYMBOLS), dtype=np.float32)[tokens], targets, mask


def read(inputs: np.ndarray) -> list[str]:
    """The string of each sequence of inputs (T, batch, 37)."""
    return ["".join(SYMBOLS[s] for s in column) for column in inputs.argmax(-1).T]


def baselines(**_: Any) -> dict[str, float]:
    """The accuracy of guessing a digit, and of the right ones."""
    return {"chance": 1 / DIGITS, "optimum": 1}


def harder(pairs: Range = 4) -> dict[str, Any]:
    """Twice the greatest number of pairs, but no more than there are letters."""
    return {"pairs": min(2 * between(pairs)[1], LETTERS)}
