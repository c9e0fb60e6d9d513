"""A row of steps that is too wide goes on below: nothing is lost, and what goes over a break is named at both ends."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
from minigrad.models import LSTM, NTM, Bidirectional, Stack
from minigrad.viz import lines
from minigrad.viz.scene import Scene

import minigrad as mg
from minigrad import viz
from tests.viz.test_geometry import check

WRAP = 1200.0


def last(model: Any, xs: Any) -> Any:
    return mg.mean(model(xs)[-1] ** 2)


DRAWINGS: dict[str, Any] = {
    "cells": (lambda: LSTM(3, 4, 2), {"level": "cell", "limit": 8}),
    "operations": (lambda: Stack([LSTM(3, 4), LSTM(4, 4)]), {}),
    "gradients": (lambda: LSTM(3, 4), {"level": "cell", "backward": True}),
    "both directions": (lambda: Bidirectional(LSTM(3, 4), LSTM(3, 4)), {"level": "cell", "limit": 8}),
    "memory": (lambda: NTM(3, 2, hidden=3, memory=(4, 3)), {"level": "cell", "color": "grad"}),
}


def drawn(name: str, wrap: float) -> Scene:
    make, options = DRAWINGS[name]
    return viz.unrolled(last, make(), np.ones((9, 1, 3), "float32"), wrap=wrap, **options).scene


def shapes(scene: Scene) -> Counter[tuple[str, str, str]]:
    return Counter((p.prefix, s.id, s.label) for p in scene.placed for s in p.part.shapes if s.id[0] != "k")


def carried(scene: Scene) -> list[tuple[str, bool]]:
    """The names at the ends of lines, from the top, and whether each is at a right end."""
    names = {"start": True, "end": False}
    found = [
        (w, names[w.anchor], p.dy) for p in scene.placed if not p.prefix for w in p.part.words if w.size == lines.SIZE and w.anchor in names
    ]
    return [(w.text, right) for w, right, _ in sorted(found, key=lambda f: f[2])]


@pytest.mark.parametrize("name", DRAWINGS)
def test_lines_are_as_wide_as_asked_and_show_what_one_line_shows(name: str) -> None:
    one, several = drawn(name, math.inf), drawn(name, WRAP)
    check(several)
    widest = max(p.frame.w for p in one.placed if p.frame and p.frame.label)
    assert several.width < max(WRAP, widest) + 300 < one.width
    assert shapes(several) == shapes(one)
    assert several.notes == one.notes


@pytest.mark.parametrize("name", DRAWINGS)
def test_what_goes_over_a_break_is_named_at_both_ends(name: str) -> None:
    found = carried(drawn(name, WRAP))
    leaves, arrives = (Counter(word for word, right in found if right is side) for side in (True, False))
    assert leaves == arrives
    assert leaves.total() >= 2
    assert all(word for word in leaves)
    assert not carried(drawn(name, math.inf))


def test_members_are_in_order_in_lines_about_equally_long() -> None:
    found = lines.broken(range(10), lambda i: 10.0, lambda a, b: True, 70.0)
    assert found == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]
    assert lines.broken(range(4), lambda i: 50.0, lambda a, b: b != 2, 60.0) == [[0], [1, 2], [3]]
    assert lines.broken([7], lambda i: 500.0, lambda a, b: True, 60.0) == [[7]]
