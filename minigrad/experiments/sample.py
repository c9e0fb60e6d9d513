"""What a model did on fresh sequences: means of the task's measures, with intervals, and how many sequences have a fault."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ..models.tasks.metrics import measure

QUANTILE = 1.96  # of the normal distribution: intervals of 95 %
FAULTS = {"wrong": lambda values: values > 0, "accuracy": lambda values: values < 1}


class Sample(NamedTuple):
    """means and intervals are {measure: value} and {measure: (low, high)}, of 95 %; faulty is None where a task has no right and wrong."""

    means: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    sequences: int
    faulty: int | None

    @classmethod
    def of(cls, values: Mapping[str, np.ndarray]) -> Sample:
        """From the measures of each sequence, {name: (sequences,)}."""
        count = len(next(iter(values.values())))
        means = {k: float(np.mean(v, dtype=float)) for k, v in values.items()}
        faults = [int(is_fault(values[k]).sum()) for k, is_fault in FAULTS.items() if k in values]
        return cls(means, {k: interval(v, measure(k).is_fraction) for k, v in values.items()}, count, faults[0] if faults else None)


def counted(sequences: int, faulty: int | None) -> str:
    """How many of the sequences have a fault: '1 of 10,000', or '– of 10,000' where there is no right and wrong."""
    return f"{'–' if faulty is None else format(faulty, ',')} of {sequences:,}"


def controlled(values: np.ndarray, control: np.ndarray, expected: float) -> np.ndarray:
    """The values of each sequence less what follows a control variate whose expectation is known, by linear regression (Hammersley and
    Handscomb 1964): of nearly the same mean over many, and less spread. Two values would always lie on a line: they stay as they are."""
    around = control - np.mean(control)
    spread = float(around @ around)
    slope = float(around @ values) / spread if len(values) > 2 and spread else 0.0
    return values - slope * (control - expected)


def interval(values: np.ndarray, is_fraction: bool) -> tuple[float, float]:
    """The interval of 95 % of the mean: Wilson's (1927) for fractions, which is not empty where all are right; else by the normal one.
    One value of what is no fraction tells nothing of the spread: it has every number in its interval."""
    n, mean, z = len(values), float(np.mean(values, dtype=float)), QUANTILE
    if not is_fraction:
        half = z * float(np.std(values, dtype=float)) / math.sqrt(n - 1) if n > 1 else math.inf
        return mean - half, mean + half
    middle, half = mean + z**2 / (2 * n), z * math.sqrt(mean * (1 - mean) / n + z**2 / (4 * n**2))
    return max(0.0, (middle - half) / (1 + z**2 / n)), min(1.0, (middle + half) / (1 + z**2 / n))
