"""Scopes in drawings: outlines around the operations of a layer, a block, a head."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from minigrad.models import NTM, Transformer
from minigrad.viz import text
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
    assert set(outlined(scene)) == {"block0", "block1", "attention", "feedforward"}
    assert outlined(scene)["attention"] < outlined(scene)["block1"], "the last one of each name: of the second block"
    assert {"block0.weights"} <= outlined(scene)["block0"], "only what differs is before the name"
    check(scene)
    scene = viz.unrolled(last, NTM(3, 2, hidden=3, memory=(4, 3)), XS, level="gate").scene
    assert {"f, g", "i = σ", "o = σ", "c", "h"} <= outlined(scene)["controller"]


def layers(x: Any, weights: Any) -> Any:
    for k, W in enumerate(weights):
        with mg.scope(f"layer{k}"):
            with mg.scope("dense"):
                x = x @ W
            with mg.scope("squash"):
                x = mg.tanh(x - mg.mean(x))
    return mg.sum(x)


SQUARES = [np.eye(3, dtype="float32")] * 4


def test_scopes_in_scopes_are_outlines_in_outlines() -> None:
    drawing = viz.unrolled(layers, XS[0], SQUARES, fold=False)
    check(drawing.scene)
    (part,) = [p.part for p in drawing.scene.placed if p.part.panels]
    names = [w.text for w in part.words if w.size == 8.0]
    boxes = {n: [(f.x, f.y, f.x + f.w, f.y + f.h) for f, m in zip(part.panels, names, strict=True) if m == n] for n in names}
    assert sorted(boxes) == ["dense", *(f"layer{k}" for k in range(4)), "squash"]
    for k in range(4):
        ((x0, y0, x1, y1),) = boxes[f"layer{k}"]
        inside = [b for n in ("dense", "squash") for b in boxes[n] if x0 < b[0] and y0 < b[1] and b[2] < x1 and b[3] < y1]
        assert len(inside) == 2
    bends = [(y, a) for w in part.wires for (a, y), (_, z) in pairwise(w.points) if y == z]
    texts = [(w.x, w.y, text.width(w.text, 8.0)) for w in part.words if w.size == 8.0]
    assert not [b for b in bends for x, y, wide in texts if abs(b[0] - y) < 4 and x < b[1] < x + wide], "no wire turns on a name"


def test_equal_blocks_that_follow_each_other_are_drawn_once() -> None:
    folded, whole = (viz.unrolled(layers, XS[0], SQUARES, fold=f) for f in (None, False))
    assert {"layer ×4", "dense", "squash"} == set(outlined(folded.scene))
    check(folded.scene)
    assert [n.split(":")[0] for n in folded.notes] == ["layer0 to layer3 compute alike, each from the one before"]
    assert not whole.notes
    assert ("layer ×4" in folded.dot, "layer3" in folded.dot, "layer3" in whole.dot) == (True, False, True)
    assert not viz.unrolled(layers, XS[0], SQUARES, color="grad").notes, "gradients differ from block to block"
    assert not viz.unrolled(layers, XS[0], SQUARES[:2]).notes
    assert viz.unrolled(layers, XS[0], SQUARES[:2], fold=True).notes


def test_blocks_that_differ_or_are_read_elsewhere_are_not_folded() -> None:
    def dense(x: Any, weights: Any) -> Any:
        found = []
        for k, W in enumerate(weights):
            with mg.scope(f"layer{k}"):
                x = mg.sin(x @ W) if k == 1 and len(weights) == 3 else mg.tanh(x @ W)
                found.append(x)
        return mg.sum(x) + mg.sum(found[0])

    for weights in (SQUARES, SQUARES[:3]):
        assert not viz.unrolled(dense, XS[0], weights, fold=True).notes


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
