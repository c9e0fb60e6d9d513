"""Loss and measures of tasks whose outputs are classes: logits (T, batch, classes), integer targets (T, batch), mask (T, batch)."""

from __future__ import annotations

from typing import Any

import minigrad as mg
from minigrad import Tensor

from .metrics import chosen, mean, total


def loss(logits: Any, targets: Any, mask: Any) -> Tensor:
    """The training loss, a scalar in nats: the sum over all scored answers of a sequence, and the mean over the batch."""
    return mg.mean(total(_nats(logits, targets, mask), mask))


def measures(logits: Any, targets: Any, mask: Any) -> dict[str, Tensor]:
    """accuracy: the fraction of scored answers that are right; nats: the mean −log p of an answer. Each (batch,)."""
    nats = _nats(logits, targets, mask)
    right = mg.equal(chosen(logits), mg.tensor(targets))
    return {"accuracy": mean(mg.astype(right, nats.dtype), mask), "nats": mean(nats, mask)}


def given(logits: Any) -> Tensor:
    """The probabilities of the classes, (T, batch, classes)."""
    return mg.softmax(mg.tensor(logits))


def _nats(logits: Any, targets: Any, mask: Any) -> Tensor:
    """−log p of each answer, 0 of those that are not scored: (T, batch)."""
    return mg.cross_entropy(logits, targets, weights=mask, reduction="none")
