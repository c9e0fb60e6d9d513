"""Stacked layers are drawn as a grid: a row for each layer, a column for each step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from minigrad.models import GRU, LSTM, MANN, RNN, Stack
from minigrad.viz.scene import Scene

import minigrad as mg
from minigrad import viz
from tests.viz.test_geometry import check

XS = np.random.default_rng(0).standard_normal((4, 2, 3), dtype="float32")
STACKS = {
    "three lstms": (lambda: Stack([LSTM(3, 4), LSTM(4, 4), LSTM(4, 2)]), 3),
    "three kinds": (lambda: Stack([RNN(3, 4), GRU(4, 4), LSTM(4, 4, coupled=True, outputs=2)]), 3),
    "readouts between": (lambda: Stack([RNN(3, 4, outputs=3), LSTM(3, 4, outputs=2)]), 2),
    "another model": (lambda: Stack([LSTM(3, 4), MANN(4, 2, hidden=4, memory=(5, 3))]), 0),
}


def every(model: Any, xs: Any) -> Any:
    return mg.mean(model(xs) ** 2)


def last(model: Any, xs: Any) -> Any:
    return mg.mean(model(xs)[-1] ** 2)


def cells(scene: Scene) -> dict[str, list[float]]:
    """{step: the heights of the cells in it}."""
    return {p.frame.label: sorted(f.y for f in p.part.panels) for p in scene.placed if p.frame and p.frame.label.startswith("t =")}


@pytest.mark.parametrize("f", [every, last])
@pytest.mark.parametrize("T", [1, 2, 4])
@pytest.mark.parametrize("name", STACKS)
def test_layers_stand_above_each_other_in_every_step(name: str, T: int, f: Any) -> None:
    make, layers = STACKS[name]
    scene = viz.unrolled(f, make(), XS[:T], level="cell").scene
    check(scene)
    found = cells(scene)
    assert len(found) == T
    assert {len(ys) for ys in found.values()} == {layers}


def test_each_layer_has_its_own_gates_and_states() -> None:
    scene = viz.unrolled(every, STACKS["three lstms"][0](), XS, level="cell").scene
    step = next(p for p in scene.placed if p.frame and p.frame.label == "t = 1")
    for n in range(3):
        assert sum(s.id.startswith(f"l{n}") for s in step.part.shapes) == 9
        assert sum(w.head.startswith(f"l{n}") and w.tail.startswith("i") for w in step.part.wires) == 5  # 4 gates read h, 1 product c
    between = [w for w in step.part.wires if w.tail[0] == w.head[0] == "l" and w.head[1] > w.tail[1]]
    assert [(w.tail[:2], w.head[:2]) for w in between] == [("l0", "l1"), ("l1", "l2")]


def test_steps_of_eager_layers_are_found_by_their_scopes() -> None:
    model = Stack([LSTM(3, 4), GRU(4, 4)])
    state = model.initial_state(2)
    for t, x in enumerate(XS):
        with mg.scope("stack", step=t):
            state, y = model.step(state, mg.tensor(x))
    scene = viz.unrolled(mg.mean(y**2), level="cell").scene
    assert all(len(ys) == 2 for ys in cells(scene).values())
    check(scene)


def test_the_gradient_of_each_layer_has_its_own_rate() -> None:
    scene = viz.unrolled(last, Stack([RNN(3, 4), RNN(4, 4)]), XS, level="cell", color="grad").scene
    (words,) = [w.text for p in scene.placed for w in p.part.words if w.text.startswith("a step back")]
    assert words.count("×") == 2
    assert "‖∂L/∂h‖ ×" in words
