"""Selective copying (Jing et al. 2019; as in Gu and Dao 2023, §4.1.1): symbols among blanks at random places; output them in order.

Of T = length + symbols steps, the first `length` show each of the symbols at a random place, and blanks elsewhere. In the last ones a cue
asks for the symbols in order; only these are scored. As the places are random, what is kept must depend on what is seen.
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from minigrad.errors import SettingError

from .classes import given, loss, measures
from .draw import Draw, Range, between

__all__ = ["baselines", "batch", "given", "harder", "loss", "measures", "sizes"]

DOMAIN = 38
KINDS = 14
BLANK, CUE = KINDS, KINDS + 1  # 16 words in all, as in Gu and Dao


def sizes(**_: Any) -> tuple[int, int]:
    """(inputs, outputs) of a model for this task."""
    return KINDS + 2, KINDS


def batch(
    seed: Any,
    step: int,
    batch: int,
    length: Annotated[Range, "steps in which the symbols are shown"] = 64,
    symbols: Annotated[int, "to copy, among blanks"] = 8,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(inputs (T, batch, 16), targets (T, batch), mask (T, batch)) with one length for the batch."""
    draw = Draw(seed, step, DOMAIN)
    total = int(draw.integers(*between(length)))
    if symbols > total:
        raise SettingError(f"length={length!r}: {total} steps have no room for {symbols} symbols; take fewer symbols, or a greater length")
    places = np.sort(draw.order(batch, total)[:, :symbols], 1).T
    shown = draw.integers(0, KINDS - 1, (symbols, batch))
    tokens = np.full((total + symbols, batch), BLANK)
    tokens[places, np.arange(batch)], tokens[total:] = shown, CUE
    targets, mask = np.zeros(tokens.shape, np.int64), np.zeros(tokens.shape, bool)
    targets[total:], mask[total:] = shown, True
    return np.eye(KINDS + 2, dtype=np.float32)[tokens], targets, mask


def baselines(**_: Any) -> dict[str, float]:
    """The accuracy of guessing a symbol, and of a correct copy."""
    return {"chance": 1 / KINDS, "optimum": 1}


def harder(length: Range = 64, **_: Any) -> dict[str, Any]:
    """Four times the greatest length, with as many symbols."""
    return {"length": 4 * between(length)[1]}
