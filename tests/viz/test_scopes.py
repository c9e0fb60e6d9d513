"""Scopes in drawings: outlines around the operations of a layer, a block, a head."""

from __future__ import annotations

from typing import Any

import numpy as np
from minigrad.models import NTM, Transformer
from minigrad.viz.scene import Scene

import minigrad as mg
from minigrad import viz
from tests.viz.test_geometry import check

XS = np.ones((2, 1, 3), "float32")


def last(model: Any, xs: Any) -> Any:
    return mg.mean(model(xs)[-1] ** 2)


def outlined(scene: Scene) -> dict[str, set[str]]:
    """{name of a scope: the labels of all nodes in its outline}."""
    found: dict[str, set[str]] = {}
    for p in scene.placed:
        names = [w.text for w in p.part.words if w.size == 8.0]
        for name, f in zip(names, p.part.panels, strict=True):
            found[name] = {s.label for s in p.part.shapes if f.x <= s.x - s.w / 2 and s.x + s.w / 2 <= f.x + f.w and f.y < s.y < f.y + f.h}
    return found


def perceptron() -> mg.Tensor:
    x = mg.tensor(np.ones((5, 4), "float32"))
    for name in ("hidden", "out"):
        with mg.scope(name):
            x = mg.tanh(x @ mg.parameter(np.eye(4, dtype="float32"), name=f"W_{name}"))
    return mg.sum(x)


def test_layers_are_outlined_outside_loops_too() -> None:
    scene = viz.unrolled(perceptron()).scene
    assert outlined(scene) == {"hidden": {"@", "tanh"}, "out": {"@", "tanh"}}
    check(scene)


def test_blocks_of_a_transformer_and_the_controller_of_an_ntm_are_outlined() -> None:
    scene = viz.unrolled(last, Transformer(3, 2, width=4, heads=2, layers=2), XS, level="gate").scene
    assert set(outlined(scene)) == {"block0", "block1"}
    assert {"block0.weights"} <= outlined(scene)["block0"], "only what differs is before the name"
    check(scene)
    scene = viz.unrolled(last, NTM(3, 2, hidden=3, memory=(4, 3)), XS, level="gate").scene
    assert {"f, g", "i = σ", "o = σ", "c", "h"} <= outlined(scene)["controller"]


def test_a_scope_between_whose_operations_others_stand_has_no_outline() -> None:
    x = mg.parameter(np.ones(3, "float32"), name="x")
    with mg.scope("apart"):
        y = mg.sin(x)
    y = mg.cos(y)
    with mg.scope("apart"):
        y = mg.tanh(y)
    scene = viz.unrolled(mg.sum(y)).scene
    assert outlined(scene) == {}
    check(scene)
