"""Texts as one-hot sequences of one word a step. All begin at the first step; each is scored at its own last word.

Shorter texts are padded at the end, after what is scored. So a causal model's answer does not depend on the texts beside it in a batch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def flush_left(tokens: np.ndarray) -> np.ndarray:
    """Rows of words (batch, n) with gaps of −1, moved to the left: gaps come last, and gaps at the end of all rows are removed."""
    order = np.argsort(tokens < 0, axis=1, kind="stable")
    return np.take_along_axis(tokens, order, 1)[:, : (tokens >= 0).sum(1).max()]


def one_hot(tokens: np.ndarray, words: int) -> np.ndarray:
    """Words (batch, T) as one-hot inputs (T, batch, words) float32; a gap is a row of zeros."""
    channels = np.concatenate([np.eye(words, dtype=np.float32), np.zeros((1, words), np.float32)])
    return channels[tokens.T]


def asked_at_the_end(answers: np.ndarray, tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(targets, mask), each (T, batch), for answers (batch,) at the last word of each row of words (batch, T)."""
    targets, mask = np.zeros(tokens.T.shape, np.int64), np.zeros(tokens.T.shape, bool)
    last = (tokens >= 0).sum(1) - 1, np.arange(len(answers))
    targets[last], mask[last] = answers, True
    return targets, mask


def text(inputs: np.ndarray, words: Sequence[str]) -> list[str]:
    """The texts of inputs (T, batch, words), one for each sequence."""
    shown = [[words[i] for i, any_ in zip(row.argmax(-1), row.any(-1), strict=True) if any_] for row in np.moveaxis(inputs, 0, 1)]
    return [" ".join(row) for row in shown]
