"""What `rolled` shows of loops: every loop, every operation of a step, or a sentence about what is left out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from minigrad.models import GRU, LSTM, NTM, Bidirectional, Stack

import minigrad as mg
from minigrad import viz

XS = np.ones((4, 3), "float32")


def labels(drawing: viz.Drawing) -> list[str]:
    return [s.label for p in drawing.scene.placed for s in p.part.shapes if s.label]


def words(drawing: viz.Drawing) -> list[str]:
    return [w.text for p in drawing.scene.placed for w in p.part.words]


def last(model: Any, xs: Any) -> Any:
    return mg.mean(model(xs[:, None])[-1] ** 2)


def in_python(step: Callable[[int, Any, Any], Any]) -> mg.Tensor:
    h = mg.parameter(np.ones(3, "float32"), name="h0")
    for t, x in enumerate(XS):
        with mg.scope("rnn", step=t):
            h = step(t, h, x)
    return mg.sum(h)


W, U = (mg.parameter(np.eye(3, dtype="float32"), name=name) for name in "WU")

DIFFERENT: dict[str, tuple[Callable[[int, Any, Any], Any], str]] = {
    "operations": (lambda t, h, x: mg.relu(x + h @ W) if t % 2 else mg.tanh(x + h @ W), "≤ 0|tanh"),
    "weights": (lambda t, h, x: mg.tanh(x + h @ (W if t % 2 else U)), "@ [WU]"),
    "numbers": (lambda t, h, x: mg.tanh(x + h @ W) * (t + 2.0), "× [2345]"),
    "order": (lambda t, h, x: mg.sin(mg.tanh(x + h @ W)) if t % 2 else mg.tanh(mg.sin(x + h @ W)), "sin|tanh"),
    "the last step": (lambda t, h, x: mg.exp(mg.tanh(x + h @ W)) if t == 3 else mg.tanh(x + h @ W), "exp"),
}


@pytest.mark.parametrize("level", ["op", "box"])
@pytest.mark.parametrize("name", DIFFERENT)
def test_steps_that_differ_are_refused_by_the_name_of_what_differs(name: str, level: str) -> None:
    step, what = DIFFERENT[name]
    with pytest.raises(viz.DrawingError, match=f"the steps differ: t = . computes .*({what})"):
        viz.rolled(in_python(step), level=level)


def test_equal_steps_in_python_are_one_step() -> None:
    found = labels(viz.rolled(in_python(lambda t, h, x: mg.tanh(x + h @ W)), level="op"))
    assert (found.count("tanh"), found.count("@"), found.count("1")) == (1, 1, 1)


def test_both_directions_are_boxes() -> None:
    drawing = viz.rolled(last, Bidirectional(LSTM(3, 8), GRU(3, 8)), XS)
    assert {"LSTM", "GRU"} <= set(labels(drawing))
    assert labels(drawing).count("1") == 3, "a delay for each state: h and c, and h"
    assert {"forward →", "t = 0 … 3", "← backwards in time", "t = 3 … 0", "backward.Wₕ (8×24)"} <= set(words(drawing))


def test_loops_one_after_the_other_are_boxes() -> None:
    def f(xs: Any) -> Any:
        def one(h: Any, x: Any) -> Any:
            return (mg.tanh(h + x),) * 2

        h, _ = mg.scan(one, mg.zeros(3), xs)
        h, _ = mg.scan(lambda h, x: (mg.sin(h * x),) * 2, h, xs[:3])
        return mg.sum(mg.scan(one, h, xs)[0])

    drawing = viz.rolled(f, XS, level="op")
    found = labels(drawing)
    assert (found.count("tanh"), found.count("sin"), found.count("1")) == (2, 1, 3)
    assert "t = 0 … 2" in words(drawing)


def test_what_only_the_result_of_the_last_step_needs_is_in_the_step() -> None:
    drawing = viz.rolled(last, NTM(3, 2, hidden=4, memory=(5, 3)), XS)
    assert "readout.W (7×2)" in words(drawing)
    assert "yₜ" in labels(drawing)
    assert labels(viz.rolled(last, Stack([LSTM(3, 8), LSTM(8, 8)]), XS)).count("hₜ") == 1, "of the upper layer alone"


def test_what_is_left_out_is_said() -> None:
    drawing = viz.rolled(last, LSTM(3, 4), XS)
    assert drawing.notes == ["operations outside the steps are left out: concat, ×, Σ, ÷; viz.unrolled draws them"]
    assert "the loops that compute gradients are left out; viz.unrolled draws them" in viz.rolled(mg.grad(last), LSTM(3, 4), XS).notes
    assert not set(drawing.notes) - set(viz.rolled(last, LSTM(3, 4), XS, steps=2).notes)
