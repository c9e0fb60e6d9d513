"""Losses and measures of tasks whose targets are bits: logits and targets (T, batch, bits), mask (T, batch) where they count."""

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


def bits_per_sequence(logits: Any, targets: Any, mask: Any) -> Tensor:
    """The cost in bits of each sequence, Σ −log₂ p(bit) over what counts: (batch,). A coin costs `chance` bits."""
    return _nats(logits, targets, mask) / math.log(2)


def wrong_bits(logits: Any, targets: Any, mask: Any) -> Tensor:
    """How many bits of each sequence come out wrong when rounded: (batch,) int64."""
    z = mg.tensor(logits)
    wrong = mg.not_equal(mg.greater(z, 0), mg.greater(mg.tensor(targets), 0.5))
    return mg.sum(mg.logical_and(wrong, mg.expand_dims(mg.astype(mg.tensor(mask), "bool"), -1)), (0, 2))


def _nats(logits: Any, targets: Any, mask: Any) -> Tensor:
    """−log p of each sequence's bits that count, from logits z: softplus(z) − z·t. Selected, so that what does not count can't matter."""
    z = mg.tensor(logits)
    cost = mg.softplus(z) - z * mg.astype(mg.tensor(targets), z.dtype)
    counts = mg.expand_dims(mg.astype(mg.tensor(mask), "bool"), -1)
    return mg.sum(mg.where(counts, cost, 0), (0, 2))
