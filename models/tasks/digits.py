"""Sequential digits: an 8 × 8 image of a handwritten digit, one pixel a step; the target, at the last of 64 steps, is the digit.

scikit-learn ships the 1,797 images (Alpaydin and Kaynak 1998); the first 1,297 are for training, the last 500 for testing.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Literal

import numpy as np

from minigrad.errors import SettingError

from .classes import given, loss, measures
from .draw import Draw

__all__ = ["baselines", "batch", "given", "harder", "loss", "measures", "sizes"]

DOMAIN = 26
TESTED = 500


def sizes(**_: Any) -> tuple[int, int]:
    """(inputs, outputs) of a model for this task."""
    return 1, 10


def batch(
    seed: Any, step: int, batch: int, split: Annotated[Literal["train", "test"], "which of the pictures"] = "train"
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(inputs (64, batch, 1) in [0, 1], targets (64, batch), mask (64, batch)); only the last step is scored."""
    pixels, names = _pictures(split)
    chosen = Draw(seed, step, DOMAIN).integers(0, len(names) - 1, (batch,))
    targets, mask = np.zeros((64, batch), np.int64), np.zeros((64, batch), bool)
    targets[-1], mask[-1] = names[chosen], True
    return pixels[chosen].T[..., None], targets, mask


@cache
def _pictures(split: str) -> tuple[np.ndarray, np.ndarray]:
    """(pixels (n, 64), digits (n,)) of the n images of a split."""
    try:
        from sklearn.datasets import load_digits  # an optional dependency
    except ImportError:
        raise SettingError("the pictures come with scikit-learn: pip install 'minigrad[tasks]'") from None
    found = load_digits()
    part = slice(-TESTED) if split == "train" else slice(-TESTED, None)
    return (found.data[part] / 16).astype(np.float32), found.target[part].astype(np.int64)


def baselines(split: str = "train") -> dict[str, float]:
    """The accuracy of always giving the most frequent digit, and of correct classification."""
    names = _pictures(split)[1]
    return {"chance": float(np.bincount(names).max() / len(names)), "optimum": 1}


def harder(**_: Any) -> dict[str, Any]:
    """The images of the test split."""
    return {"split": "test"}
