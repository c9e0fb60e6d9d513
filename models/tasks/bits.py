"""Tasks whose outputs are bits: logits and targets (T, batch, bits), mask (T, batch) where they count."""

from __future__ import annotations

import math
from typing import Any

import minigrad as mg
from minigrad import Tensor


def loss(logits: Any, targets: Any, mask: Any) -> Tensor:
    """The training loss: nats a sequence, the sum over all bits that count and the mean over the batch. A scalar; / ln 2 it is in bits.

    The sum, as in the papers, so that their learning rates and clipping norms (10, 50) mean the same here.
    """
    return mg.mean(_nats(logits, targets, mask))


def measures(logits: Any, targets: Any, mask: Any) -> dict[str, Tensor]:
    """bits: Σ −log₂ p(bit) over what counts; wrong: how many bits come out wrong when rounded. Each (batch,)."""
    cost = _nats(logits, targets, mask) / math.log(2)
    wrong = mg.not_equal(mg.greater(mg.tensor(logits), 0), mg.greater(mg.tensor(targets), 0.5))
    return {"bits": cost, "wrong": mg.astype(mg.sum(mg.logical_and(wrong, _counts(mask)), (0, 2)), cost.dtype)}


def given(logits: Any) -> Tensor:
    """The probabilities of ones."""
    return mg.sigmoid(mg.tensor(logits))


def _nats(logits: Any, targets: Any, mask: Any) -> Tensor:
    """−log p of each sequence's bits that count, from logits z: softplus(z) − z·t. Selected, so that what does not count can't matter."""
    z = mg.tensor(logits)
    cost = mg.softplus(z) - z * mg.astype(mg.tensor(targets), z.dtype)
    return mg.sum(mg.where(_counts(mask), cost, 0), (0, 2))


def _counts(mask: Any) -> Tensor:
    return mg.expand_dims(mg.astype(mg.tensor(mask), "bool"), -1)
