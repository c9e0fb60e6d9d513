"""Every model is drawn: each level, number of steps and way is met, though not each with each."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from minigrad.models.registry import MODELS

import minigrad as mg
from minigrad import viz
from tests.viz.test_geometry import check
from tests.viz.test_semantics import assert_told_apart

SMALL = {
    "hidden": 4, "width": 4, "heads": 2, "layers": 2, "memory": (5, 3), "cells": 4, "stacks": 2, "chunk": 2, "hops": 2, "state": 2,
    "tape": 4, "size": 4,
}  # fmt: skip
LEVELS, STEPS, WAYS = ("op", "gate", "cell", "box"), (1, 2, 5, 30), ("forward", "backward", "rolled")
NOT_ROLLED = {"hopfield": "no scan and no loop"}
LARGE = ("dnc", "ntm", "mann", "sam")


@cache
def model(name: str) -> Any:
    return MODELS[name](mg.random.key(1), 3, 2, **{k: v for k, v in SMALL.items() if k in MODELS[name].__signature__.parameters})


def inputs(name: str, T: int) -> np.ndarray:
    return np.ones((T, 1, 3), "float32")


def last(m: Any, xs: Any) -> Any:
    return mg.mean(m(xs)[-1] ** 2)


def cases() -> list[Any]:
    found = []
    for k, name in enumerate(MODELS):
        level, T, way = LEVELS[(k + k // 4) % 4], STEPS[k % 4], WAYS[k % 3]
        if name in LARGE or (way, level) == ("backward", "op"):
            T = min(T, 2)
        T = max(T, 2) if way == "rolled" else T
        found.append(pytest.param(name, level, T, way, id=f"{name}-{level}-{T}-{way}"))
    return found


def test_each_value_of_each_factor_is_met() -> None:
    for k, values in enumerate((MODELS, LEVELS, STEPS, WAYS)):
        assert {c.values[k] for c in cases()} == set(values)


@pytest.mark.parametrize(("name", "level", "T", "way"), cases())
def test_a_model_is_drawn_so_that_nothing_overlaps_and_no_two_things_share_a_name(name: str, level: str, T: int, way: str) -> None:
    graph = mg.trace(last, model(name), inputs(name, T))
    if way == "rolled" and name in NOT_ROLLED:
        with pytest.raises(viz.DrawingError, match=NOT_ROLLED[name]):
            viz.rolled(graph, level=level)
    else:
        scene = (viz.rolled(graph, level=level) if way == "rolled" else viz.unrolled(graph, level=level, backward=way == "backward")).scene
        assert_told_apart(scene)
        if way != "rolled":
            check(scene)


@pytest.mark.parametrize("name", MODELS)
def test_a_step_that_is_one_box_at_level_cell_is_named_in_the_notes(name: str) -> None:
    drawing = viz.unrolled(last, model(name), inputs(name, 2), level="cell")
    boxes = {s.label for p in drawing.scene.placed for s in p.part.shapes if s.look == "cell" and s.label}
    assert {n.split(" is one box")[0] for n in drawing.notes if "is one box" in n} == boxes
