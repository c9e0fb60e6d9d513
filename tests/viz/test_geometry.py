"""Nothing in a drawing stands on anything else: labels, nodes, steps, wires."""

from __future__ import annotations

import math
from functools import cache
from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
from minigrad.models import DNC, GRU, LSTM, MANN, NTM, RNN, AttentiveLSTM, Bidirectional, Stack, Transformer
from minigrad.viz import text
from minigrad.viz.scene import Scene
from shares import shared

import minigrad as mg
from minigrad import viz

MODELS = {
    "rnn": lambda: RNN(3, 4, outputs=2),
    "lstm": lambda: LSTM(3, 4, outputs=2),
    "peephole": lambda: LSTM(3, 4, peephole=True),
    "gru": lambda: GRU(3, 4),
    "ntm": lambda: NTM(3, 2, hidden=5, memory=(6, 4)),
    "mann": lambda: MANN(3, 2, hidden=5, memory=(6, 4)),
    "dnc": lambda: DNC(3, 2, hidden=5, memory=(6, 4)),
    "coupled": lambda: LSTM(3, 4, coupled=True),
    "projected": lambda: LSTM(3, 4, projection=2),
    "reset": lambda: GRU(3, 4, reset_first=True),
    "stack": lambda: Stack([LSTM(3, 4), GRU(4, 4, outputs=2)]),
    "deep": lambda: Stack([GRU(3, 4), LSTM(4, 4), LSTM(4, 3, peephole=True)]),
    "bidirectional": lambda: Bidirectional(LSTM(3, 4), RNN(3, 4)),
    "attention": lambda: AttentiveLSTM(3, 4, 2),
    "transformer": lambda: Transformer(3, 2, width=4, heads=2, layers=1),
}
LOOPS = [name for name in MODELS if name not in ("transformer", "bidirectional")]
TOLERANCE = 0.5


def loss(model: Any, xs: Any) -> Any:
    return mg.mean(model(xs) ** 2)


def last(model: Any, xs: Any) -> Any:
    return mg.mean(model(xs)[-1] ** 2)


@cache
def graph(name: str, T: int, f: Any = loss) -> Any:
    return mg.trace(f, MODELS[name](), np.ones((T, 1, 3), "float32"))


def rectangles(scene: Scene) -> list[tuple[str, float, float, float, float]]:
    return [
        (p.prefix + s.id, s.x + p.dx - s.w / 2, s.y + p.dy - s.h / 2, s.x + p.dx + s.w / 2, s.y + p.dy + s.h / 2)
        for p in scene.placed
        for s in (*p.part.shapes, *p.part.heats)
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


def covered(scene: Scene) -> list[tuple[str, str]]:
    """Words that stand on a node (but for those on the bar of shared weights)."""
    boxes = [b for b in rectangles(scene) if not b[0].endswith("weights")]
    found = overlaps([(f"word {w[0]}", *w[1:]) for w in words(scene)] + boxes)
    return [(a, b) for a, b in found if a.startswith("word ") != b.startswith("word ")]


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


def cut(scene: Scene) -> list[str]:
    """What stands beyond the border of the picture."""
    found = [*rectangles(scene), *words(scene)]
    return [n for n, x0, y0, x1, y1 in found if min(x0, y0) < -TOLERANCE or x1 > scene.width + TOLERANCE or y1 > scene.height + TOLERANCE]


def check(scene: Scene) -> None:
    frames = [
        (f"frame {i}", p.frame.x, p.frame.y, p.frame.x + p.frame.w, p.frame.y + p.frame.h) for i, p in enumerate(scene.placed) if p.frame
    ]
    assert overlaps(rectangles(scene)) == []
    assert overlaps(frames) == []
    assert overlaps(words(scene)) == []
    assert covered(scene) == []
    assert outside(scene) == []
    assert crossed(scene) == []
    assert cut(scene) == []


def labels(scene: Scene) -> list[str]:
    return [p.frame.label for p in scene.placed if p.frame]


@pytest.mark.parametrize(("name", "level"), shared(product(MODELS, ("op", "gate", "cell", "box"))))
def test_nothing_stands_on_anything_else(name: str, level: str) -> None:
    for T in (1, 2, 5, 30) if level in ("op", "cell") else (2, 5):
        check(viz.unrolled(graph(name, T), level=level).scene)
    check(viz.unrolled(graph(name, 5, last), level=level).scene)


@pytest.mark.parametrize(("name", "level"), shared(product(LOOPS, ("op", "cell"))))
def test_rolled(name: str, level: str) -> None:
    scene = viz.rolled(graph(name, 6), level=level, steps=3).scene
    assert overlaps(rectangles(scene)) == []
    assert outside(scene) == []


@pytest.mark.parametrize(
    ("name", "level"), shared(product(("rnn", "lstm", "gru", "mann", "stack", "attention"), ("op", "gate", "cell")), of=4)
)
def test_gradients_stand_mirrored_under_their_steps(name: str, level: str) -> None:
    scene = viz.unrolled(graph(name, 4, last), level=level, backward=True, wrap=math.inf).scene
    check(scene)
    middle = {p.frame.label: (p.frame.x + p.frame.w / 2, p.frame.y) for p in scene.placed if p.frame}
    for t in range(4):
        (x, y), (below, lower) = middle[f"t = {t}"], middle[f"∂ t = {t}"]
        assert abs(x - below) < TOLERANCE
        assert lower > y


@pytest.mark.parametrize(("name", "level"), shared(product(("lstm", "ntm", "dnc"), ("cell", "gate"))))
def test_colours_of_gradients_change_no_place(name: str, level: str) -> None:
    check(viz.unrolled(last, MODELS[name](), np.ones((4, 1, 3), "float32"), level=level, color="grad").scene)


@pytest.mark.parametrize("T", [2, 5, 30])
def test_both_directions_share_the_columns_of_time(T: int) -> None:
    scene = viz.unrolled(graph("bidirectional", T), level="cell", wrap=math.inf).scene
    frames = [(p.frame.label, p.frame.x + p.frame.w / 2) for p in scene.placed if p.frame and p.frame.label.startswith("t =")]
    places = {label: {round(x) for name, x in frames if name == label} for label, _ in frames}
    assert all(max(xs) - min(xs) <= 1 for xs in places.values())
    order = sorted(places, key=lambda label: min(places[label]))
    assert order == sorted(places, key=lambda label: int(label[4:]))


@pytest.mark.parametrize("name", ["lstm", "ntm"])
def test_states_run_straight_between_steps(name: str) -> None:
    scene = viz.unrolled(graph(name, 6), wrap=math.inf).scene
    frames = sorted((p.frame.x, p.frame.x + p.frame.w) for p in scene.placed if p.frame and p.frame.label.startswith("t ="))
    corridors = [(a[1], b[0]) for a, b in pairwise(frames)]
    lines = [w.points for p in scene.placed for w in p.part.wires if w.head.endswith(tuple(f"i{k}" for k in range(10)))]
    between = [w for w in lines for a, b in corridors if abs(w[0][0] - a) < 1 and abs(w[-1][0] - b) < 1]
    assert len(between) >= 5
    assert all(len(w) == 2 and w[0][1] == w[1][1] for w in between)
