"""A step of a known family is drawn by its values with names: nothing is added, nothing is left out, colours are numbers."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from minigrad.models import (
    LSTM,
    MLSTM,
    RWKV7,
    S6,
    SAM,
    SLSTM,
    TTT,
    DeltaNet,
    FastWeights,
    LinearAttention,
    MemN2N,
    MinGRU,
    MinLSTM,
    Stack,
    StackRNN,
    TapeRNN,
    Titans,
)
from minigrad.viz import families, heat
from minigrad.viz.named_parts import of_step
from minigrad.viz.scene import Heat, Scene
from minigrad.viz.steps import laid_out

import minigrad as mg
from minigrad import viz
from tests.viz.test_geometry import check
from tests.viz.test_semantics import assert_told_apart

timeline_of = import_module("minigrad.viz.unrolled").timeline_of
XS = np.random.default_rng(0).standard_normal((3, 2, 3), dtype="float32")
SMALL = {"hidden": 4, "heads": 2, "key": 1}
MODELS = {
    "sam": SAM(3, 2, hidden=4, memory=(20, 3), heads=2, nearest=3),
    "stack-rnn": StackRNN(3, 4, 2, cells=20),
    "tape-rnn": TapeRNN(3, 4, 2, cells=5, cell_size=3, writer=4),
    "rwkv7": RWKV7(3, outputs=2, **SMALL),
    "deltanet": DeltaNet(3, outputs=2, **SMALL),
    "product": DeltaNet(3, outputs=2, gated=True, product=2, output_gate=True, **SMALL),
    "linear attention": LinearAttention(3, outputs=2, **SMALL),
    "mlstm": MLSTM(3, outputs=2, **SMALL),
    "ttt": TTT(3, outputs=2, mini_batch=2, **SMALL),
    "titans": Titans(3, outputs=2, **SMALL),
    "memn2n": MemN2N(3, 4, 2, hops=2, sentences=4),
    "fast weights": FastWeights(3, 4, 2),
    "s6": S6(3, 4, 2, 3),
    "slstm": SLSTM(3, outputs=2, **SMALL),
    "minlstm": MinLSTM(3, 4, 2),
    "mingru": MinGRU(3, 4, 2),
    "layers": Stack([LSTM(3, 4), DeltaNet(4, outputs=2, **SMALL)]),
}


def every(m: Any, xs: Any) -> Any:
    return mg.mean(m(xs) ** 2)


@cache
def wired(name: str) -> Any:
    timeline, colours = timeline_of(every, (MODELS[name], XS), None, "grad", "cell")
    return timeline, colours, laid_out(timeline, "cell")


def heats(scene: Scene, name: str) -> list[Heat]:
    """The heat maps of the values with a name, in order of time."""
    return [m for p in scene.placed for m in p.part.heats if f" · {name} · " in m.title]


@pytest.mark.parametrize("name", MODELS)
def test_the_lines_are_the_dependences_of_the_graph(name: str) -> None:
    """What a card reads of another card, of a state or of an input comes along a line; each line is such a dependence."""
    timeline, _, wiring = wired(name)
    for step in (s for s in wiring.steps if s.label):
        assert step.fixed is not None
        assert not step.fixed.entry
        assert set(step.items) == step.fixed.sources.keys()
        drawn = {(e.tail, e.head, a) for e in step.fixed.edges if e.into for a in e.into[0]}
        through = of_step(timeline, step.items, families.of(timeline)[step.number]).through
        read = set()
        for i in (i for i in step.items if i not in through):
            for a, source in zip(timeline.items[i].args, step.sources[step.local[i]], strict=True):
                while source is not None and source[0] == "op" and step.items[source[1]] in through:
                    source = step.sources[source[1]][0]
                if source is not None:
                    kind, n = source
                    tail = step.node(step.items[n]) if kind == "op" else {"in": "x", "state": "i"}[kind] + str(n)
                    read |= {(tail, step.node(i), a)} if tail != step.node(i) else set()
        assert drawn == read


@pytest.mark.parametrize("name", MODELS)
def test_nothing_stands_on_anything_else_and_no_two_things_share_a_name(name: str) -> None:
    scene = viz.unrolled(every, MODELS[name], XS, level="cell", color="grad").scene
    check(scene)
    assert_told_apart(scene)


def test_the_colours_of_a_memory_are_its_values_and_those_of_its_gradient() -> None:
    timeline, colours, _ = wired("deltanet")
    items = [i for i in timeline.items if i.name == "S" and i.named and i.part]
    kinds = (
        viz.unrolled(every, MODELS["deltanet"], XS, level="cell").scene,
        viz.unrolled(every, MODELS["deltanet"], XS, level="cell", color="grad").scene,
    )
    values, gradients = (heats(scene, "S") for scene in kinds)
    for t, item in enumerate(items):
        for head in (0, 1):
            assert values[2 * t + head].fills == heat.by_value(item.node.value[0, head], "signed", values[0].top)
            gradient = np.sqrt((colours.arrays[item.index].astype("float64") ** 2).sum(0))[head]
            assert gradients[2 * t + head].fills == heat.by_gradient(gradient, colours)


def test_the_slots_of_a_sparse_memory_that_are_written_and_read_are_shown_with_their_weights() -> None:
    drawing = viz.unrolled(every, MODELS["sam"], XS, level="cell")
    recorded = viz.record(every, MODELS["sam"], XS, names=["w_write", "w_read", "M"])
    assert recorded["w_read"].shape == recorded["w_write"].shape == (3, 2, 20)
    state = MODELS["sam"].initial_state(2)
    for t, x in enumerate(XS):
        state, _ = MODELS["sam"].step(state, mg.tensor(x))
        for head in (0, 1):
            np.testing.assert_allclose(recorded["w_read"][t, head, state.rows.numpy()[0, head]], state.w_read.numpy()[0, head], rtol=1e-5)
    for t, column in enumerate(m for m in heats(drawing.scene, "w_read") if m.id.endswith("r")):
        shown = [int(w.text) for p in drawing.scene.placed for w in p.part.words if w.anchor == "end" and w.text.isdigit()]
        shown = shown[: len(shown) // 3]
        assert column.fills == heat.by_value(recorded["w_read"][t].sum(0)[shown][:, None], "read", 1.0)
    assert any("of the 20 slots at most 16 are shown" in n for n in drawing.notes)
    assert any("of the 20 cells the first 16 are shown" in n for n in viz.unrolled(every, MODELS["stack-rnn"], XS, level="cell").notes)


def own(called: Any, xs: Any) -> Any:
    """The loss of a loop of the user's: a matrix as memory, with a batch or without."""

    def loss(W: Any, xs: Any) -> Any:
        def own(S: Any, x: Any) -> Any:
            q, k, v = (called(x @ W[n], n) for n in "qkv")
            S = called(S + k[..., :, None] * v[..., None, :], "S")
            return S, mg.sum(q[..., :, None] * S, -2)

        return mg.mean(mg.scan(own, mg.zeros((*xs.shape[1:-1], 4, 4)), xs)[1] ** 2)

    W = {n: np.random.default_rng(k).standard_normal((3, 4), dtype="float32") for k, n in enumerate("qkv")}
    return loss, W, xs


@pytest.mark.parametrize("xs", [XS, XS[:, 0], XS[:, :1].repeat(4, 1)], ids=["batch", "no batch", "as many as numbers"])
def test_names_make_the_picture_of_a_loop_of_the_user(xs: Any) -> None:
    f, *args = own(lambda x, name: x.named(name), xs)
    timeline, _ = timeline_of(f, args, None, "grad", "cell")
    for item, drawn in zip(
        (i for i in timeline.items if i.name == "S" and i.named), heats(viz.unrolled(f, *args, level="cell").scene, "S"), strict=True
    ):
        value = item.node.value
        assert drawn.fills == heat.by_value(value if xs.ndim == 2 else value[0], "signed", drawn.top)


def test_without_names_a_step_is_a_box_and_the_notes_say_why() -> None:
    f, *args = own(lambda x, name: x, XS)
    drawing = viz.unrolled(f, *args, level="cell")
    assert not any(p.part.heats for p in drawing.scene.placed)
    assert any("is one box, because its values have no names" in n for n in drawing.notes)


def test_a_loop_in_python_has_the_picture_and_a_state_that_begins_in_a_later_step_stands_on_no_line() -> None:
    """The sum of the losses begins as a number in the second step. A scalar without a batch leaves the others theirs."""
    state, total = MODELS["deltanet"].initial_state(2), 0
    for x in (*XS, *XS):
        state, y = MODELS["deltanet"].step(state, mg.tensor(x))
        total = total + mg.mean(y**2)
    scene = viz.unrolled(total, level="cell").scene
    check(scene)
    drawn = [m for p in scene.placed for m in p.part.heats if " · S · " in m.title]
    assert [np.shape(m.fills) for m in drawn] == [(2, 2)] * 2 * 6, "two heads of the first member of the batch"


def test_cards_above_the_gradient_graph_have_their_numbers_too() -> None:
    drawing = viz.unrolled(every, MODELS["mingru"], XS, backward=True)
    for name in ("z", "h"):
        shown = heats(drawing.scene, name)
        assert len(shown) == len(XS)
        assert all(np.shape(m.fills) == (1, 4) for m in shown)
