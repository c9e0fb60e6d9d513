"""Numbers measured on sequences: no fault is rounded away, and intervals are those of the textbook."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from minigrad.models.tasks.metrics import MEASURES

from minigrad.experiments.sample import Sample, controlled, counted, interval


@given(right=st.integers(0, 50), n=st.integers(50, 10_000))
def test_the_interval_of_a_fraction_is_wilsons(right, n):
    low, high = interval(np.arange(n) < right, is_fraction=True)
    known = scipy.stats.binomtest(right, n).proportion_ci(method="wilson")
    assert (low, high) == pytest.approx(known, abs=1e-4)
    assert low < high


def test_the_interval_of_a_mean_is_the_normal_one():
    values = np.random.default_rng(0).gamma(2.0, size=(2000, 100))
    inside = [low < 2 < high for low, high in (interval(row, is_fraction=False) for row in values)]
    assert np.mean(inside) == pytest.approx(0.95, abs=0.02)


def test_a_control_variate_takes_away_the_spread_that_it_explains():
    """A sum and its first summand, of known mean: the estimate keeps its mean, and has the second summand's error alone."""
    first, second = np.random.default_rng(0).normal((5, 1), (10, 1), (300, 100, 2)).transpose(2, 0, 1)
    estimates = np.array([controlled(a + b, a, 5).mean() for a, b in zip(first, second, strict=True)])
    assert estimates.mean() == pytest.approx(6, abs=0.02)
    assert estimates.std() == pytest.approx(0.1, rel=0.1)
    inside = [low < 6 < high for low, high in (interval(controlled(a + b, a, 5), False) for a, b in zip(first, second, strict=True))]
    assert np.mean(inside) == pytest.approx(0.95, abs=0.03)
    np.testing.assert_array_equal(controlled(np.array([1.0, 2]), np.array([5.0, 9]), 5), [1, 2])
    np.testing.assert_array_equal(controlled(first[0], np.full(100, 5.0), 4), first[0])


def test_one_value_has_the_widest_interval():
    assert interval(np.array([0.3]), is_fraction=False) == (-math.inf, math.inf)
    low, high = interval(np.array([1.0]), is_fraction=True)
    assert low < 0.5 < high == 1


def test_a_fault_among_many_is_counted_and_not_rounded_away():
    wrong = np.zeros(10_000)
    wrong[3] = 1
    sample = Sample.of({"bits": wrong / 7, "wrong": wrong})
    assert (sample.faulty, counted(sample.sequences, sample.faulty)) == (1, "1 of 10,000")
    assert MEASURES["wrong"].number(sample.means["wrong"]) == "0.0001"
    assert MEASURES["accuracy"].number(0.9996) == "99.96%"
    assert [MEASURES["accuracy"].number(v) for v in (1.0, 0.0, 0.999, math.nan)] == ["100.0%", "0.0%", "99.9%", "–"]
    assert [MEASURES["wrong"].number(v) for v in (0.0, 1.0, 0.0126)] == ["0.000", "1.000", "0.013"]
    assert Sample.of({"accuracy": 1 - wrong}).faulty == 1
    assert Sample.of({"error": wrong}).faulty is None
