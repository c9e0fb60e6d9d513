"""A drawing tells the truth: every operation is on the picture, every name is the user's, and no two things share one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from minigrad.models import GRU, LSTM, MANN, NTM, RNN, AttentiveLSTM, Bidirectional, Stack
from minigrad.viz import style
from minigrad.viz.scene import Placed, Scene, Shape
from minigrad.viz.steps import laid_out
from minigrad.viz.unrolled import timeline_of
from shares import shared

import minigrad as mg
from minigrad import viz
from minigrad.graph.ir import Node
from tests.loop_programs import OPS, B, N, loop_programs

COMPUTES = {"pointwise", "affine", "reduce"}
MODELS: dict[str, Any] = {
    "rnn": lambda: RNN(3, 4, outputs=2),
    "lstm": lambda: LSTM(3, 4, peephole=True),
    "gru": lambda: GRU(3, 4),
    "stack": lambda: Stack([RNN(3, 4), GRU(4, 4)]),
    "bidirectional": lambda: Bidirectional(LSTM(3, 4), RNN(3, 4)),
    "attention": lambda: AttentiveLSTM(3, 4, 2),
    "ntm": lambda: NTM(3, 2, hidden=3, memory=(4, 3)),
    "mann": lambda: MANN(3, 2, hidden=3, memory=(4, 3)),
}
LARGE = ("ntm", "mann", "attention")


def last(model: Any, xs: Any) -> Any:
    return mg.mean(model(xs)[-1] ** 2)


@cache
def graph(name: str, T: int) -> mg.Graph:
    return mg.trace(last, MODELS[name](), np.ones((T, 1, 3), "float32"))


def cases() -> Iterator[Any]:
    for name in MODELS:
        for level in ("op", "gate", "cell", "box"):
            for T in (1, 2) if name in LARGE else (1, 2, 5):
                for way in ("forward", "backward", "rolled"):
                    possible = way != "rolled" or (T > 1 and level in ("cell", "op"))
                    if possible and not (name in LARGE and (level, way) in (("op", "backward"), ("gate", "backward"), ("op", "rolled"))):
                        yield pytest.param(name, level, T, way, id=f"{name}-{level}-{T}-{way}")


def drawn(name: str, level: str, T: int, way: str) -> viz.Drawing:
    if way == "rolled":
        return viz.rolled(graph(name, T), level=level)
    return viz.unrolled(graph(name, T), level=level, backward=way == "backward")


# ---- every operation


def computed(graph: mg.Graph) -> Counter[str]:
    """How often the unrolled graph computes each operation, counted without what a slice of a concatenation leaves out."""
    whole = mg.unroll(graph, merge=False)
    seen: set[Node] = set()
    found: Counter[str] = Counter()
    stack = list(whole.outputs)
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            found[node.op.name] += node.op.kind in COMPUTES
            stack += [_part(node) if node.op.name == "slice" else a for a in node.args]
    return +found


def _part(node: Node) -> Node:
    """The part of a concatenation that a slice takes, if it takes exactly one."""
    source, start, stop = node.args[0], node.attrs["start"], node.attrs["stop"]
    if source.op.name == "concat":
        axis, at = source.attrs["axis"], 0
        for part in source.args:
            end = at + part.type.shape[axis]
            if (start[axis], stop[axis]) == (at, end) and part.type.shape == node.type.shape:
                return part
            at = end
    return source


def shown(scene: Scene) -> Counter[str]:
    """How often the picture shows each operation, by the tooltips."""
    found: Counter[str] = Counter()
    for p in scene.placed:
        for s in p.part.shapes:
            operation = s.title.split(" ")[0]
            if s.id[0] == "n" and operation:
                found[operation] += 1
    return found


@pytest.mark.parametrize("T", [1, 2, 5])
@pytest.mark.parametrize("name", [name for name in MODELS if name not in LARGE])
def test_every_operation_is_on_the_picture(name: str, T: int) -> None:
    picture, graph_ = shown(viz.unrolled(graph(name, T)).scene), computed(graph(name, T))
    assert {k: picture[k] for k in graph_} == graph_


@pytest.mark.parametrize("level", ["gate", "cell", "box"])
@pytest.mark.parametrize("name", MODELS)
def test_every_operation_belongs_to_a_node_of_the_picture(name: str, level: str) -> None:
    timeline, _ = timeline_of(graph(name, 2), (), None, None, level)
    drawing = viz.unrolled(graph(name, 2), level=level)
    if name != "bidirectional":
        nodes = {p.prefix + s.id for p in drawing.scene.placed for s in (*p.part.shapes, *p.part.heats)}
        for k, step in enumerate(laid_out(timeline, level).steps):
            assert {f"s{k}_{step.node(i)}" for i in step.items} <= nodes
    assert set().union(*(c.items for c in timeline.columns), timeline.before, timeline.after) == {
        i.index for i in timeline.items if not i.leaf
    }


@settings(max_examples=5, deadline=None, derandomize=True, phases=[Phase.generate])
@given(program=loop_programs("float32"))
def test_every_operation_of_a_random_program_is_in_its_timeline(program: Any) -> None:
    f, args = program
    traced = mg.trace(f, *args)
    timeline, _ = timeline_of(traced, (), None, None, "op")
    items = Counter("where" if i.label == "relu" else i.node.op.name for i in timeline.items if not i.leaf)
    assert not computed(traced) - items or timeline.notes


@settings(max_examples=8, deadline=None)
@given(ops=st.lists(st.tuples(st.integers(0, len(OPS) - 1), st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=5))
def test_every_operation_of_a_random_loop_is_on_the_picture_and_in_the_step_rolled_up(ops: Any) -> None:
    p = {k: np.eye(N, dtype="float32") for k in "UVW"} | {"b": np.ones(N, "float32")}

    def f(p: Any, xs: Any) -> Any:
        def step(carry: Any, x: Any) -> Any:
            h, c = carry
            for k, a, b in ops:
                c, h = h, OPS[k](p, (h, c, x)[a], (h, c, x)[b])
            return (h, c), h

        (h, c), _ = mg.scan(step, (mg.zeros((B, N)), mg.ones((B, N))), xs)
        return mg.sum(h * c)

    traced = mg.trace(f, p, np.ones((3, B, N), "float32"))
    scene = viz.unrolled(traced).scene
    assert not computed(traced) - shown(scene), "more may be shown: what starts as a number is computed once and for all"
    assert_told_apart(scene)


# ---- every name


@pytest.mark.parametrize(("name", "level", "T", "way"), shared(cases(), of=5))
def test_names_are_the_users_and_each_belongs_to_one_thing(name: str, level: str, T: int, way: str) -> None:
    scene = drawn(name, level, T, way).scene
    assert_told_apart(scene)
    symbols = {n.op.symbol for n in mg.unroll(graph(name, T)).nodes} | {"relu", "⋯"}
    for label in labels(scene):
        assert not re.fullmatch(r"(carry|state|item|compiled|parameter|constant|input).*", label), "a word of ours"
        stem = re.sub(r"[₀-₉₋]+$|\[-?[\d:]+\]$", "", label)
        assert stem not in symbols or stem == label, f"{label}: a step's number on an operation is no name"


def labels(scene: Scene) -> list[str]:
    found = [s.label for p in scene.placed for s in p.part.shapes if s.label]
    return [label.split(" = ")[0] for label in found]


def assert_told_apart(scene: Scene) -> None:
    """In one step no two results, inputs, outputs or initial states share a name, nor do two weights."""
    for p in scene.placed:
        for kind in ("n", "x", "y", "h"):
            names = [_name(s) for s in p.part.shapes if re.fullmatch(rf"{kind}\d+", s.id) and s.look not in style.LOOKS.keys() - DATA]
            assert not [n for n, k in Counter(filter(None, names)).items() if k > 1], p.prefix
    bars = [w for p in scene.placed for w in _bar(p)]
    assert len(bars) == len(set(bars))


DATA = {"state", "input", "output", "parameter", "pointwise", "affine", "layer", "reduce", "control", "move", "loss"}


def _name(s: Shape) -> str:
    return s.label.split(" = ")[0] if s.id[0] != "n" or " = " in s.label else ""


def _bar(p: Placed) -> list[str]:
    rows = [w.text for w in p.part.words if w.of.endswith("weights")]
    return [word for row in rows for word in row.split("  ·  ") if word not in ("shared", "parameters")]


def test_a_cell_with_more_than_the_textbook_has_is_not_drawn_as_the_textbook_has_it() -> None:
    class Normal(LSTM):
        def step(self, state: Any, x: Any) -> Any:
            from minigrad.models.lstm import lstm_cell

            z = x @ self.W_x + state.h @ self.W_h
            after = lstm_cell(z / mg.sqrt(mg.mean(z * z, -1, keepdims=True)), state.c)
            return after, after.h

    found = [
        s.label for p in viz.unrolled(last, Normal(3, 4), np.ones((2, 1, 3), "float32"), level="cell").scene.placed for s in p.part.shapes
    ]
    assert found.count("LSTM") == 2
    assert "σ" not in found
