"""Nothing in a drawing stands on anything else: labels, nodes, steps, wires."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from minigrad.models import GRU, LSTM, MANN, NTM, RNN
from minigrad.viz import text
from minigrad.viz.scene import Scene

import minigrad as mg
from minigrad import viz

MODELS = {
    "rnn": lambda: RNN(3, 4, outputs=2),
    "lstm": lambda: LSTM(3, 4, outputs=2),
    "peephole": lambda: LSTM(3, 4, peephole=True),
    "gru": lambda: GRU(3, 4),
    "ntm": lambda: NTM(3, 2, hidden=5, memory=(6, 4)),
    "mann": lambda: MANN(3, 2, hidden=5, memory=(6, 4)),
}
TOLERANCE = 0.5


def loss(model: Any, xs: Any) -> Any:
    return mg.mean(model(xs) ** 2)


def graph(name: str, T: int) -> Any:
    return mg.trace(loss, MODELS[name](), np.ones((T, 1, 3), "float32"))


def rectangles(scene: Scene) -> list[tuple[str, float, float, float, float]]:
    return [
        (p.prefix + s.id, s.x + p.dx - s.w / 2, s.y + p.dy - s.h / 2, s.x + p.dx + s.w / 2, s.y + p.dy + s.h / 2)
        for p in scene.placed
        for s in p.part.shapes
    ]


def words(scene: Scene) -> list[tuple[str, float, float, float, float]]:
    found = []
    for p in scene.placed:
        for w in p.part.words:
            wide = text.width(w.text, w.size) / 1.08
            left = w.x + p.dx - {"start": 0.0, "middle": wide / 2, "end": wide}[w.anchor]
            found.append((w.text, left, w.y + p.dy - w.size * 0.36, left + wide, w.y + p.dy + w.size * 0.36))
    return found


def overlaps(boxes: list[tuple[str, float, float, float, float]]) -> list[tuple[str, str]]:
    """Pairs of boxes that overlap, by a sweep from left to right."""
    found, active = [], []
    for box in sorted(boxes, key=lambda b: b[1]):
        active = [b for b in active if b[3] > box[1] + TOLERANCE]
        found += [(b[0], box[0]) for b in active if b[2] < box[4] - TOLERANCE and box[2] < b[4] - TOLERANCE]
        active.append(box)
    return found


def crossed(scene: Scene) -> list[tuple[str, str, str]]:
    """(tail, head, node) for wires through the inside of nodes that are not their ends."""
    boxes = rectangles(scene)
    names = [b[0] for b in boxes]
    sides = np.array([b[1:] for b in boxes])
    found = []
    for p in scene.placed:
        for w in p.part.wires:
            ends = {n[1:] if n.startswith("^") else p.prefix + n for n in (w.tail, w.head)}
            for (ax, ay), (bx, by) in zip(w.points, w.points[1:], strict=False):
                low_x, high_x = sorted((ax + p.dx, bx + p.dx))
                low_y, high_y = sorted((ay + p.dy, by + p.dy))
                hit = (sides[:, 0] + 1 < high_x) & (low_x < sides[:, 2] - 1) & (sides[:, 1] + 1 < high_y) & (low_y < sides[:, 3] - 1)
                found += [(w.tail, w.head, names[i]) for i in np.flatnonzero(hit) if names[i] not in ends]
    return found


def outside(scene: Scene) -> list[str]:
    """Operations that are not within their step's frame."""
    found = []
    for p in scene.placed:
        if p.frame is not None:
            f = p.frame
            for s in p.part.shapes:
                inside_x = f.x - TOLERANCE <= s.x + p.dx - s.w / 2 and s.x + p.dx + s.w / 2 <= f.x + f.w + TOLERANCE
                inside_y = f.y - TOLERANCE <= s.y + p.dy - s.h / 2 and s.y + p.dy + s.h / 2 <= f.y + f.h + TOLERANCE
                if not (inside_x and inside_y):
                    found.append(p.prefix + s.id)
    return found


def check(scene: Scene) -> None:
    frames = [
        (f"frame {i}", p.frame.x, p.frame.y, p.frame.x + p.frame.w, p.frame.y + p.frame.h) for i, p in enumerate(scene.placed) if p.frame
    ]
    assert overlaps(rectangles(scene)) == []
    assert overlaps(frames) == []
    assert overlaps(words(scene)) == []
    assert outside(scene) == []
    assert crossed(scene) == []


@pytest.mark.parametrize("level", ["op", "gate", "cell", "box"])
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("T", [1, 2, 5, 30])
def test_unrolled(name: str, T: int, level: str) -> None:
    check(viz.unrolled(graph(name, T), level=level).scene)


@pytest.mark.parametrize("level", ["op", "gate", "cell", "box"])
@pytest.mark.parametrize("name", MODELS)
def test_rolled(name: str, level: str) -> None:
    scene = viz.rolled(graph(name, 6), level=level).scene
    assert overlaps(rectangles(scene)) == []
    assert outside(scene) == []


@pytest.mark.parametrize("name", ["lstm", "ntm"])
def test_states_run_straight_between_steps(name: str) -> None:
    scene = viz.unrolled(graph(name, 6)).scene
    frames = sorted((p.frame.x, p.frame.x + p.frame.w) for p in scene.placed if p.frame and p.frame.label.startswith("t ="))
    corridors = [(a[1], b[0]) for a, b in pairwise(frames)]
    lines = [w.points for p in scene.placed for w in p.part.wires if w.head.endswith(tuple(f"i{k}" for k in range(10)))]
    between = [w for w in lines for a, b in corridors if abs(w[0][0] - a) < 1 and abs(w[-1][0] - b) < 1]
    assert len(between) >= 5
    assert all(len(w) == 2 and w[0][1] == w[1][1] for w in between)
