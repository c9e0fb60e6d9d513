"""A Python loop without mg.scope is drawn as time: the same picture as with it. Layers, which repeat as well, are not."""

from __future__ import annotations

import re
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
from minigrad.models import LSTM
from minigrad.viz.unrolled import timeline_of

import minigrad as mg
from minigrad import viz
from tests.loops import NETWORKS
from tests.viz.test_geometry import check
from tests.viz.test_semantics import computed

XS = np.random.default_rng(0).standard_normal((5, 3), dtype="float32")
T = 5
# Loops whose steps number otherwise than T: by what they do, or because they are left as they stand, and why.
STEPS = {
    "delays_and_discount": [4],  # from the second input on
    "windows": [4],
    "embeddings": [4],
    "every_other": [2],  # two inputs a step
    "layer_after_layer": [5, 5],
    "both_directions": [5, 5],
    "decoder": [5, 5],
    "scan_in_a_loop": [],  # steps of its own
    "checkpoints": [],
    "own_gradient_rule": [],
    "inner_gradient": [],  # computes with gradients
}


def steps(what: Any, *args: Any) -> list[int]:
    """The number of steps of each loop that is found by its lines."""
    timeline, _ = timeline_of(what, args, None, None, "op")
    scopes = {(s.name, s.step) for i in timeline.items if not i.leaf for s in i.node.origin.scopes if s.step is not None}
    loops = dict.fromkeys(name for name, _ in sorted(scopes))
    found = {name: {t for n, t in scopes if n == name} for name in loops}
    assert all(ts == set(range(len(ts))) for ts in found.values())
    assert len([n for n in timeline.notes if n.startswith("t counts")]) == len(found)
    return [len(ts) for ts in found.values()]


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "scan_in_a_loop"])
def test_each_round_of_a_python_loop_is_a_step(name: str) -> None:
    f, args = NETWORKS[name](T)
    assert steps(f, *args) == STEPS.get(name, [T])


@pytest.mark.parametrize("name", ["two_layers", "branches", "both_directions", "gru"])
def test_nothing_is_lost_and_nothing_stands_on_anything_else(name: str) -> None:
    f, args = NETWORKS[name](T)
    drawing = viz.unrolled(f, *args)
    check(drawing.scene)
    found = [s.title.split(" ")[0] for p in drawing.scene.placed for s in p.part.shapes if s.id[0] == "n"]
    wanted = computed(mg.trace(f, *args))
    assert {k: found.count(k) for k in wanted} == wanted


def looped(scoped: bool, count: int = T) -> mg.Tensor:
    W, h = mg.parameter(np.eye(3, dtype="float32"), name="W"), mg.zeros(3)
    for t, x in enumerate(XS[:count]):
        with mg.scope("looped", step=t) if scoped else nullcontext():
            h = mg.tanh(x + h @ W)
    loss = mg.sum(h * h)
    loss.backward()
    return loss


@pytest.mark.parametrize("options", [{}, {"level": "cell", "backward": True}, {"color": "kind"}], ids=str)
def test_the_picture_is_that_of_scopes(options: Any) -> None:
    one, other = viz.unrolled(looped(True), **options), viz.unrolled(looped(False), **options)
    assert "of looped ran" in other.notes[0]
    found = [re.sub(r" · looped\[\d\]", "", d.svg) for d in (one, other)]  # the scope of an array that is made in the loop
    assert found[0] == found[1]


def test_a_second_drawing_is_the_first_one() -> None:
    loss = looped(False)
    assert viz.unrolled(loss).svg == viz.unrolled(loss).svg


def test_a_loop_is_rolled_up_and_recorded_too() -> None:
    assert [s.label for p in viz.rolled(looped(False)).scene.placed for s in p.part.shapes if s.look == "delay"] == ["1", ""]
    model = LSTM(3, 4)
    state = model.initial_state(1)
    for x in XS:
        state, _ = model.step(state, x[None])
    assert viz.record(mg.sum(state.h))["c"].shape == (T, 4)


def test_layers_with_weights_of_their_own_are_not_time() -> None:
    weights = [mg.parameter(np.eye(3, dtype="float32"), name=f"W{k}") for k in range(5)]
    h = mg.tensor(XS)
    for W in weights:
        h = mg.tanh(h @ W)
    assert steps(mg.sum(h)) == []


def test_two_rounds_are_a_loop_if_they_share_a_weight_and_a_sum_is_none() -> None:
    assert steps(looped(False, 2)) == [2]
    x = mg.parameter(np.ones(3, "float32"), name="x")
    assert steps(mg.tanh(mg.tanh(x) + 1)) == []
    assert steps(mg.sum(sum(mg.sin(x[k]) for k in range(3)))) == []
