"""Measures: what they are called, and sums over what counts. A task's loss, measures and given are in bits, classes and numbers.

Arrays are time first; mask (T, batch) says what counts. A loss is the sum over all that counts and the mean over the batch, in nats where
there are probabilities. Measures give one number a sequence, {name: (batch,)}; the task is judged by the first.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import minigrad as mg
from minigrad import Tensor


class Measure(NamedTuple):
    """How a measure is spoken of."""

    words: str  # after the number
    form: str  # of the number
    label: str  # of an axis
    rises: bool = False  # more is better

    def number(self, value: float) -> str:
        """The value, or a dash for one of which there is none: NaN."""
        return "–" if math.isnan(value) else f"{value:{self.form}}"

    def show(self, value: float) -> str:
        return f"{self.number(value)} {self.words}"


MEASURES = {
    "bits": Measure("bits", ".3f", "cost (bits a sequence)"),
    "wrong": Measure("wrong", ".3f", "wrong bits a sequence"),
    "nats": Measure("nats", ".4f", "cost (nats an answer)"),
    "error": Measure("squared error", ".4f", "mean squared error"),
    "accuracy": Measure("right", ".1%", "accuracy", rises=True),
}


def measure(name: str) -> Measure:
    """How this measure is spoken of; 'accuracy@2' is an accuracy at the second."""
    stem, _, rest = name.partition("@")
    found = MEASURES[stem]
    return found._replace(words=f"{found.words} at {rest}", label=f"{found.label} at {rest}") if rest else found


def total(values: Tensor, mask: Any) -> Tensor:
    """Σ of values (T, batch) over what counts: (batch,). Selected, so that what does not count can't matter."""
    return mg.sum(mg.where(mg.astype(mg.tensor(mask), "bool"), values, 0), 0)


def mean(values: Tensor, mask: Any) -> Tensor:
    """The mean of values (T, batch) over what counts: (batch,)."""
    return total(values, mask) / mg.sum(mg.astype(mg.tensor(mask), values.dtype), 0)
