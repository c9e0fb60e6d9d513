"""No step of a drawing is quadratic: twice the size takes twice the calls, counted and not timed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from counting import calls
from minigrad.models import LSTM, Bidirectional
from shares import shared

import minigrad as mg
from minigrad import viz


def last(model: Any, xs: Any) -> Any:
    return mg.mean(model(xs)[-1] ** 2)


def chain(n: int) -> mg.Tensor:
    h = x = mg.parameter(np.ones(2, "float32"), name="x")
    for _ in range(n):
        h = mg.tanh(h) * x
    return mg.sum(h)


def aperiodic(n: int) -> mg.Tensor:
    """A chain in which nothing repeats for long."""
    h = x = mg.parameter(np.ones(2, "float32"), name="x")
    for k in range(n):
        h = mg.tanh(h) * x if k.bit_count() % 2 else mg.sin(h) * x
    return mg.sum(h)


DRAWINGS: dict[str, Callable[[int], Any]] = {
    "all steps": lambda T: viz.unrolled(mg.trace(last, LSTM(2, 2), np.ones((T, 1, 2), "float32")), limit=None),
    "elided": lambda T: viz.unrolled(mg.trace(last, LSTM(2, 2), np.ones((T, 1, 2), "float32"))),
    "gradients": lambda T: viz.unrolled(last, LSTM(2, 2), np.ones((T, 1, 2), "float32"), color="grad"),
    "backward": lambda T: viz.unrolled(last, LSTM(2, 2), np.ones((T, 1, 2), "float32"), backward=True),
    "both directions": lambda T: viz.unrolled(last, Bidirectional(LSTM(2, 2), LSTM(2, 2)), np.ones((T, 1, 2), "float32")),
    "no time": lambda T: viz.unrolled(aperiodic(20 * T)),
    "a loop in Python": lambda T: viz.unrolled(chain(20 * T)),
}


@pytest.mark.parametrize("name", shared(DRAWINGS))
def test_twice_the_steps_take_twice_the_work(name: str) -> None:
    few, many = (calls(lambda T=T: (d := DRAWINGS[name](T)).svg + d.dot) for T in (40, 80))
    assert many < 2.2 * few, f"{few:,} calls for 40 steps, {many:,} for 80"


def test_twenty_thousand_operations_are_drawn_in_part_and_it_is_said() -> None:
    drawing = viz.unrolled(aperiodic(10_000))
    assert "of 20,001 operations in one place are left out" in drawing.notes[0]
    assert "⋯ 19,901 operations" in drawing.svg
    assert len(drawing.svg) < 100_000
