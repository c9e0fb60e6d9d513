"""What the first step reads: the states before it and its own input, also where it is the only step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from minigrad.models import GRU, LSTM, NTM, Bidirectional

import minigrad as mg
from minigrad import viz

RNG = np.random.default_rng(0)
W, H0 = RNG.standard_normal((3, 3), dtype="float32"), np.ones(3, "float32")


def labels(drawing: viz.Drawing) -> list[str]:
    parts = [p.part for p in drawing.scene.placed]
    return [t for part in parts for t in (*(s.label for s in part.shapes), *(c for s in part.shapes for c in s.chips))]


def words(drawing: viz.Drawing) -> str:
    return " ".join(w.text for p in drawing.scene.placed for w in p.part.words)


def loop(W: Any, xs: Any, h: Any = None, reverse: bool = False) -> Any:
    def step(h: Any, x: Any) -> Any:
        h = mg.tanh(x + h @ W)
        return h, h

    return mg.mean(mg.scan(step, mg.zeros(3) if h is None else h, xs, reverse=reverse)[0] ** 2)


def several(xs: Any) -> Any:
    def step(s: Any, x: Any) -> Any:
        a, b = s["a"], s["b"][0]
        return {"a": a + x, "b": [b * a + x]}, a

    return mg.sum(mg.scan(step, {"a": mg.zeros(3), "b": [mg.ones(3)]}, xs)[0]["b"][0])


def last(model: Any) -> Callable[..., Any]:
    return lambda xs: mg.mean(model(xs[:, None])[-1] ** 2)


STARTS: dict[str, tuple[Callable[..., Any], tuple[Any, ...], set[str]]] = {
    "zeros": (lambda xs, W: loop(W, xs), (W,), {"h₋₁ = 0"}),
    "an argument": (lambda xs, W, h: loop(W, xs, h), (W, H0), {"h₋₁"}),
    "an argument made wider": (lambda xs, W, h: loop(W, xs, mg.broadcast_to(h, (3,))), (W, H0[:1]), {"h₋₁"}),
    "several": (several, (), {"a₋₁ = 0", "b[0][-1] = 1"}),
    "LSTM": (last(LSTM(3, 4)), (), {"h₋₁ = 0", "c₋₁ = 0"}),
    "NTM": (last(NTM(3, 2, hidden=4, memory=(5, 3))), (), {"h₋₁ = 0", "c₋₁ = 0", "M₋₁ = 1e-06", "w_read₋₁", "w_write₋₁"}),
}


@pytest.mark.parametrize("level", ["op", "cell"])
@pytest.mark.parametrize("name", STARTS)
def test_states_begin_and_inputs_arrive_alike_in_one_step_and_in_several(name: str, level: str) -> None:
    f, args, wanted = STARTS[name]
    for T in (1, 2):
        drawing = viz.unrolled(f, np.ones((T, 3), "float32"), *args, level=level)
        found = labels(drawing)
        assert wanted <= set(found), T
        assert found.count("x₀") == 1
        assert "xs" not in f"{found} {words(drawing)}"


def test_one_step_of_a_cell_is_drawn_as_that_cell() -> None:
    found = [labels(viz.unrolled(last(LSTM(3, 4)), np.ones((T, 3), "float32"), level="cell")) for T in (1, 2)]
    assert found[0].count("σ") == 3
    assert found[1].count("σ") == 6


def test_a_loop_from_the_end_begins_after_its_last_step() -> None:
    for T, start in ((1, "h₁"), (2, "h₂")):
        xs = np.ones((T, 3), "float32")
        assert f"{start} = 0" in labels(viz.unrolled(lambda xs, W: loop(W, xs, reverse=True), xs, W))
        both = labels(viz.unrolled(last(Bidirectional(LSTM(3, 4), GRU(3, 4))), xs, level="box"))
        assert {"h₋₁ = 0", "c₋₁ = 0", f"{start} = 0", "LSTM", "GRU"} <= set(both)


@pytest.mark.parametrize("T", [1, 2])
def test_a_gradient_is_called_by_what_it_belongs_to(T: int) -> None:
    xs = np.ones((T, 3), "float32")
    for reverse, start in ((False, "h₋₁"), (True, f"h{'₀₁₂'[T]}")):
        found = labels(viz.unrolled(lambda xs, W, reverse=reverse: loop(W, xs, reverse=reverse), xs, W, level="op", backward=True))
        assert {f"∂{start}", start} <= set(found), "the gradient of the initial state, and the state where the gradient reads it"
        assert not any(name in found for name in ("∂W₀", "∂h₀", "carry₋₁")), "no step owns the gradient of a whole"
