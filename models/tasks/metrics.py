"""Names and units of measures, and sums over scored values. The losses and measures themselves are in bits, classes and numbers.

Arrays are time-major; mask (T, batch) is True where a value is scored. Measures give one number a sequence, {name: (batch,)}; the first
decides whether a task is learned.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import minigrad as mg
from minigrad import Tensor

MOST_DIGITS = 9


class Measure(NamedTuple):
    """How a measure is printed and plotted."""

    words: str  # the words after the number
    form: str  # the format of the number
    label: str  # the label of an axis
    rises: bool = False  # whether greater is better

    @property
    def is_fraction(self) -> bool:
        """Whether it is a fraction of all, from 0 to 1."""
        return self.form.endswith("%")

    def number(self, value: float) -> str:
        """The value as text, a dash for NaN. It has as many digits as it takes to tell it from 0, and a fraction from all."""
        digits, kind = int(self.form[1]), self.form[2]
        unit, perfect = 100 if self.is_fraction else 1, 1.0 if self.rises else 0.0
        text = f"{value:.{digits}{kind}}"
        while digits < MOST_DIGITS and float(text.rstrip("%")) / unit in {0.0, perfect} - {value}:
            digits += 1
            text = f"{value:.{digits}{kind}}"
        return "–" if math.isnan(value) else text

    def between(self, low: float, high: float) -> str:
        """An interval as text, as in '0.010–0.014' or '98.2–100.0%'."""
        return "–" if math.isnan(low) else f"{low:{self.form}}".rstrip("%") + f"–{high:{self.form}}"

    def show(self, value: float, interval: tuple[float, float] | None = None) -> str:
        """The value and its words, as in '0.012 bits', or '0.012 (0.010–0.014) bits'."""
        return " ".join([self.number(value), *([] if interval is None else [f"({self.between(*interval)})"]), self.words])


MEASURES = {
    "bits": Measure("bits", ".3f", "cost (bits a sequence)"),
    "wrong": Measure("wrong", ".3f", "wrong bits a sequence"),
    "nats": Measure("nats", ".4f", "cost (nats an answer)"),
    "error": Measure("squared error", ".4f", "mean squared error"),
    "half-error": Measure("half squared error", ".4f", "half the squared error"),
    "accuracy": Measure("right", ".1%", "accuracy", rises=True),
    "scaled": Measure("scaled accuracy", ".3f", "scaled accuracy (0: guessing, 1: all right)", rises=True),
}


def measure(name: str) -> Measure:
    """The Measure of this name; 'accuracy@2' is the accuracy at the second presentation."""
    stem, _, rest = name.partition("@")
    if stem not in MEASURES:
        raise mg.errors.SettingError(f"the measure {stem!r} is unknown: take {', '.join(MEASURES)}, or one of them as in accuracy@2")
    found = MEASURES[stem]
    return found._replace(words=f"{found.words} at {rest}", label=f"{found.label} at {rest}") if rest else found


def total(values: Tensor, mask: Any) -> Tensor:
    """The sum of scored values (T, batch) over time: (batch,). Other values have no effect."""
    return mg.sum(mg.where(mg.astype(mg.tensor(mask), "bool"), values, 0), 0)


def mean(values: Tensor, mask: Any) -> Tensor:
    """The mean of scored values (T, batch) over time: (batch,)."""
    return total(values, mask) / mg.sum(mg.astype(mg.tensor(mask), values.dtype), 0)


def chosen(logits: Any) -> Tensor:
    """The class with the largest logit along the last axis; −1, which is no class, where a logit is NaN."""
    z = mg.tensor(logits)
    return mg.where(mg.isnan(mg.max(z, -1)), -1, mg.argmax(z, -1))
