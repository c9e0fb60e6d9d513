"""What tasks of formal languages share. Answers are classes; accuracy is also given scaled, as papers on state tracking do."""

from __future__ import annotations

from typing import Any

from minigrad import Tensor

from .classes import given, loss
from .classes import measures as unscaled
from .draw import Range, between

__all__ = ["given", "longer", "loss", "measures"]


def measures(logits: Any, targets: Any, mask: Any) -> dict[str, Tensor]:
    """accuracy and nats as of classes; scaled: (accuracy − c) / (1 − c) with chance c = 1 / classes, 0 for guessing. Each (batch,)."""
    found = unscaled(logits, targets, mask)
    c = 1 / logits.shape[-1]
    return {"accuracy": found["accuracy"], "scaled": (found["accuracy"] - c) / (1 - c), "nats": found["nats"]}


def longer(lengths: Range) -> Range:
    """From the greatest length to 6.4 times that, as the papers go from 40 to 256."""
    high = between(lengths)[1]
    return high, 32 * high // 5
