"""Losses and measures of tasks whose targets are bits: logits and targets (T, batch, bits), mask (T, batch) where they count."""

from __future__ import annotations

import math
from typing import Any

import minigrad as mg
from minigrad import Tensor


def loss(logits: Any, targets: Any, mask: Any) -> Tensor:
    """The training loss: cross-entropy in nats, the mean over all bits that count. A scalar."""
    return mg.binary_cross_entropy(logits, targets, weights=mg.expand_dims(mg.tensor(mask), -1))


def bits_per_sequence(logits: Any, targets: Any, mask: Any) -> Tensor:
    """The cost in bits of each sequence, Σ −log₂ p(bit) over what counts: (batch,). A coin costs `chance` bits."""
    z = mg.tensor(logits)
    cost = mg.softplus(z) - z * mg.astype(mg.tensor(targets), z.dtype)
    return mg.sum(cost * _weights(mask, z), (0, 2)) / math.log(2)


def wrong_bits(logits: Any, targets: Any, mask: Any) -> Tensor:
    """How many bits of each sequence come out wrong when rounded: (batch,) int64."""
    z = mg.tensor(logits)
    wrong = mg.not_equal(mg.greater(z, 0), mg.greater(mg.tensor(targets), 0.5))
    return mg.sum(mg.logical_and(wrong, mg.expand_dims(mg.astype(mg.tensor(mask), "bool"), -1)), (0, 2))


def _weights(mask: Any, z: Tensor) -> Tensor:
    return mg.expand_dims(mg.astype(mg.tensor(mask), z.dtype), -1)
