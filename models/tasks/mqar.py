"""Multi-query associative recall (Arora et al. 2023): read pairs of a key and a value, then output the value of each key that is queried.

Of T = 3 · pairs steps, the first 2 · pairs show key, value, key, value, … (different keys, values drawn independently). The last ones show
each key once more, in random order, and their targets are the values. Keys and values have separate words.
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from minigrad.errors import SettingError

from .classes import given, loss, measures
from .draw import Draw, Range, between

__all__ = ["baselines", "batch", "given", "harder", "loss", "measures", "sizes"]

DOMAIN = 25


def sizes(words: int = 32, **_: Any) -> tuple[int, int]:
    """(inputs, outputs) of a model for this task."""
    return 2 * words, words


def batch(
    seed: Any,
    step: int,
    batch: int,
    pairs: Annotated[Range, "pairs of a key and a value"] = (2, 8),
    words: Annotated[int, "different keys, and as many values"] = 32,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(inputs (T, batch, 2 · words), targets (T, batch), mask (T, batch)) with one number of pairs for the whole batch."""
    draw = Draw(seed, step, DOMAIN)
    n = int(draw.integers(*between(pairs)))
    if n > words:
        raise SettingError(f"pairs={pairs!r}: {words} words give no {n} different keys; take more words")
    keys, values = draw.order(batch, words)[:, :n], draw.integers(0, words - 1, (batch, n))
    asked = draw.order(batch, n)
    tokens = np.empty((batch, 3 * n), np.int64)
    tokens[:, : 2 * n : 2], tokens[:, 1 : 2 * n : 2] = keys, words + values
    tokens[:, 2 * n :] = np.take_along_axis(keys, asked, 1)
    targets, mask = np.zeros((3 * n, batch), np.int64), np.zeros((3 * n, batch), bool)
    targets[2 * n :], mask[2 * n :] = np.take_along_axis(values, asked, 1).T, True
    return np.eye(2 * words, dtype=np.float32)[tokens.T], targets, mask


def baselines(words: int = 32, **_: Any) -> dict[str, float]:
    """The accuracy of guessing, and of correct recall."""
    return {"chance": 1 / words, "optimum": 1}


def harder(pairs: Range = (2, 8), words: int = 32) -> dict[str, Any]:
    """Twice the greatest number of pairs, but no more pairs than words."""
    return {"pairs": min(2 * between(pairs)[1], words)}
