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
    wrong = mg.not_equal(mg.greater(mg.tensor(logits), 0), mg.greater(mg.tensor(targets), 0.5))
    return {"bits": cost, "wrong": mg.astype(mg.sum(mg.logical_and(wrong, _counts(mask)), (0, 2)), cost.dtype)}


def given(logits: Any) -> Tensor:
    """The probabilities that bits are 1, (T, batch, bits)."""
    return mg.sigmoid(mg.tensor(logits))


def _nats(logits: Any, targets: Any, mask: Any) -> Tensor:
    """Σ −log p of the scored bits, softplus(z) − z·t for logits z: (batch,). Selected by `where`, so that other values have no effect."""
    z = mg.tensor(logits)
    cost = mg.softplus(z) - z * mg.astype(mg.tensor(targets), z.dtype)
    return mg.sum(mg.where(_counts(mask), cost, 0), (0, 2))


def _counts(mask: Any) -> Tensor:
    return mg.expand_dims(mg.astype(mg.tensor(mask), "bool"), -1)
