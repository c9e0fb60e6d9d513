"""Texts as one-hot sequences of one word a step. Shorter texts are padded at the front, so that all end at the last step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def flush_right(tokens: np.ndarray) -> np.ndarray:
    """Rows of words (batch, n) with gaps of −1, moved to the right: gaps come first, and gaps at the front of all rows are removed."""
    order = np.argsort(tokens >= 0, axis=1, kind="stable")
    return np.take_along_axis(tokens, order, 1)[:, (tokens < 0).sum(1).min() :]


def one_hot(tokens: np.ndarray, words: int) -> np.ndarray:
    """Words (batch, T) as one-hot inputs (T, batch, words) float32; a gap is a row of zeros."""
    channels = np.concatenate([np.eye(words, dtype=np.float32), np.zeros((1, words), np.float32)])
    return channels[tokens.T]


def asked_at_the_end(answers: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """(targets, mask), each (length, batch), for answers (batch,) at the last step."""
    targets, mask = np.zeros((length, len(answers)), np.int64), np.zeros((length, len(answers)), bool)
    targets[-1], mask[-1] = answers, True
    return targets, mask


def text(inputs: np.ndarray, words: Sequence[str]) -> list[str]:
    """The texts of inputs (T, batch, words), one for each sequence."""
    shown = [[words[i] for i, any_ in zip(row.argmax(-1), row.any(-1), strict=True) if any_] for row in np.moveaxis(inputs, 0, 1)]
    return [" ".join(row) for row in shown]
