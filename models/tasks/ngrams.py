"""Dynamic n-grams (Graves et al. 2014, §4.4): predict the next bit of a random source, which differs from sequence to sequence.

The source is a table with the probability of a 1 for every context of 5 bits, drawn from Beta(½, ½). It gives 200 bits; the first 5 are
fair. The model reads bit t and predicts bit t + 1: T = 199, and the 195 bits with a complete context are scored.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any

import numpy as np

from .bits import given, loss, measures
from .draw import Draw

__all__ = ["baselines", "batch", "given", "loss", "measures", "optimal", "optimum", "sizes"]

DOMAIN = 19


def sizes(**_: Any) -> tuple[int, int]:
    """(inputs, outputs) of a model for this task."""
    return 1, 1


def batch(
    seed: Any,
    step: int,
    batch: int,
    length: Annotated[int, "bits in a sequence"] = 200,
    context: Annotated[int, "bits that the next one depends on"] = 5,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(inputs (length − 1, batch, 1), targets (length − 1, batch, 1), mask (length − 1, batch))."""
    draw = Draw(seed, step, DOMAIN)
    table = np.sin(np.pi / 2 * draw.uniform((batch, 2**context))) ** 2  # Beta(½, ½)
    u = draw.uniform((length, batch))
    bits = (u < 0.5).astype(np.int64)
    rows, seen = np.arange(batch), _contexts(bits[:context])
    for t in range(context, length):
        bits[t] = u[t] < table[rows, seen]
        seen = (2 * seen + bits[t]) % 2**context
    found = bits[..., None].astype(np.float32)
    mask = np.broadcast_to(np.arange(1, length)[:, None] >= context, (length - 1, batch)).copy()
    return found[:-1], found[1:], mask


def _contexts(bits: np.ndarray) -> np.ndarray:
    """The bits (context, batch) as one number a sequence, the newest bit lowest."""
    return sum((b << i for i, b in enumerate(bits[::-1])), np.zeros(bits.shape[1], np.int64))


def optimum(inputs: Any, context: int = 5) -> np.ndarray:
    """The cost of the optimal predictor in bits a sequence, (batch,): p(1) = (N₁ + ½) / (N₀ + N₁ + 1) in each context (KT estimator).

    inputs (length, batch, 1) are all bits of the sequences, `np.concatenate([inputs, targets[-1:]])` of a batch.
    """
    bits = np.asarray(inputs)[..., 0].astype(np.int64)
    length, batch = bits.shape
    counts, cost = np.full((batch, 2**context, 2), 0.5), np.zeros(batch)
    rows, seen = np.arange(batch), _contexts(bits[:context])
    for t in range(context, length):
        held = counts[rows, seen]
        cost -= np.log2(held[rows, bits[t]] / held.sum(-1))
        counts[rows, seen, bits[t]] += 1
        seen = (2 * seen + bits[t]) % 2**context
    return cost


def optimal(inputs: Any, targets: Any, mask: Any, context: int = 5, **_: Any) -> np.ndarray:
    """The optimal predictor's cost of a batch, in bits a sequence: (batch,). Sources differ by 36 bits (standard deviation), good models
    by 1."""
    return optimum(np.concatenate([inputs, targets[-1:]]), context)


@cache
def baselines(length: int = 200, context: int = 5) -> dict[str, float]:
    """The cost of guessing in bits a sequence, and of the optimal predictor, the mean of 20,000 sequences."""
    found = optimal(*batch(0, 2**40, 20_000, length, context), context)
    return {"chance": length - context, "optimum": round(float(found.mean()), 1)}
