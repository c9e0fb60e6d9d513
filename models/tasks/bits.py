"""Loss and measures of tasks whose outputs are bits: logits and targets (T, batch, bits), mask (T, batch), True where they are scored."""

from __future__ import annotations

import math
from typing import Any

import minigrad as mg
from minigrad import Tensor


def loss(logits: Any, targets: Any, mask: Any) -> Tensor:
    """The training loss, a scalar in nats: the sum over all scored bits of a sequence, and the mean over the batch.

    It is a sum, as in the papers, so that their learning rates and clipping norms (10, 50) apply.
    """
    return mg.mean(_nats(logits, targets, mask))


def measures(logits: Any, targets: Any, mask: Any) -> dict[str, Tensor]:
    """bits: Σ −log₂ p(bit) over the scored bits; wrong: the number of scored bits that are wrong after rounding. Each (batch,)."""
    cost = _nats(logits, targets, mask) / math.log(2)
    z = mg.tensor(logits)
    right = mg.where(mg.greater(targets, 0.5), z > 0, z <= 0)  # NaN is neither
    wrong = mg.logical_and(mg.logical_not(right), _counts(mask))
    return {"bits": cost, "wrong": mg.astype(mg.sum(wrong, (0, 2)), cost.dtype)}


def given(logits: Any) -> Tensor:
    """The probabilities that bits are 1, (T, batch, bits)."""
    return mg.sigmoid(mg.tensor(logits))


def _nats(logits: Any, targets: Any, mask: Any) -> Tensor:
    """Σ −log p of the scored bits: (batch,). What is not scored has no effect."""
    return mg.sum(mg.binary_cross_entropy(logits, targets, weights=_counts(mask), reduction="none"), (0, 2))


def _counts(mask: Any) -> Tensor:
    return mg.expand_dims(mg.astype(mg.tensor(mask), "bool"), -1)
