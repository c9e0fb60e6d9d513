"""A step with a memory is drawn by its parts, as scopes and names tell: nothing is added, nothing is left out, colours are numbers."""

from __future__ import annotations

from contextlib import nullcontext
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from minigrad.models import DNC, MANN, NTM
from minigrad.viz import heat, style
from minigrad.viz.colours import Colours
from minigrad.viz.scene import Heat, Scene
from minigrad.viz.steps import laid_out
from minigrad.viz.timeline import Timeline
from minigrad.viz.wiring import Wiring

import minigrad as mg
from minigrad import viz
from tests.viz.test_geometry import check

timeline_of = import_module("minigrad.viz.unrolled").timeline_of
XS = np.random.default_rng(0).standard_normal((5, 2, 3), dtype="float32")
W = {
    n: np.random.default_rng(1).standard_normal(s, dtype="float32")
    for n, s in (("x", (3, 5)), ("r", (4, 5)), ("s", (5, 6)), ("a", (5, 4)), ("k", (5, 4)))
}
MODELS = {
    "ntm": NTM(3, 2, hidden=5, memory=(6, 4)),
    "ntm of two heads": NTM(3, 2, hidden=5, memory=(6, 4), read_heads=2, write_heads=2, layers=2, start="location"),
    "ntm without a state": NTM(3, 2, hidden=5, memory=(6, 6), controller="ff", r_0="zeros", shift=0),
    "mann": MANN(3, 2, hidden=6, memory=(6, 4)),
    "mann with strength": MANN(3, 2, hidden=5, memory=(6, 4), heads=1, strength=True, content="add"),
    "dnc": DNC(3, 2, hidden=5, memory=(6, 4), read_heads=2),
}


def last(model: Any, xs: Any) -> Any:
    return mg.mean(model(xs)[-1] ** 2)


def every(model: Any, xs: Any) -> Any:
    return mg.mean(model(xs) ** 2)


def own(names: bool = True, scopes: bool = True) -> Any:
    """A memory of the user: a loop with the parts' names and scopes, or without."""

    def scope(name: str) -> Any:
        return mg.scope(name) if scopes else nullcontext()

    def called(x: Any, name: str) -> Any:
        return x.named(name) if names else x

    def loss(W: Any, xs: Any) -> Any:
        def own(state: Any, x: Any) -> Any:
            before, vector = state
            with scope("controller"):
                h = mg.tanh(x @ W["x"] + vector @ W["r"])
            with scope("write"):
                w = called(mg.softmax(h @ W["s"]), "w_write")
                after = called(before + w[:, :, None] * called(mg.tanh(h @ W["a"]), "add")[:, None], "M")
            with scope("read"):
                w = called(mg.softmax(mg.sum(after * (h @ W["k"])[:, None], -1)), "w_read")
                vector = called(mg.sum(w[:, :, None] * after, 1), "r")
            return (after, vector), vector

        zero = mg.zeros((xs.shape[1], 6, 4)), mg.zeros((xs.shape[1], 4))
        return mg.mean(mg.scan(own, zero, xs)[1] ** 2)

    return loss


def wired(f: Any, what: Any, T: int = 3, color: str | None = None) -> tuple[Timeline, Colours, Wiring]:
    timeline, colours = timeline_of(f, (what, XS[:T]), None, color, "cell")
    return timeline, colours, laid_out(timeline, "cell")


def heats(scene: Scene) -> dict[str, list[Heat]]:
    """{the first words of a tooltip's name: the heat maps with it}."""
    found: dict[str, list[Heat]] = {}
    for p in scene.placed:
        for m in p.part.heats:
            words = m.title.split(" · ")
            found.setdefault(words[1] if len(words) > 1 else "", []).append(m)
    return found


@pytest.mark.parametrize("name", MODELS)
def test_the_lines_are_the_dependences_of_the_graph(name: str) -> None:
    """Each is a line, or its ends are a parameter and a weighting of one head; and each line is one."""
    timeline, _, wiring = wired(every, MODELS[name])
    items = timeline.items
    for step in (s for s in wiring.steps if s.label):
        assert step.fixed is not None
        assert not step.fixed.entry
        drawn = {(a, part) for edge in step.fixed.edges if edge.into for a in edge.into[0] for part in edge.into[1]}
        read = {(a, items[i].part) for i in step.items for a, s in zip(items[i].args, step.sources[step.local[i]], strict=True) if s}
        read -= {(a, part) for a, part in read if items[a].part == part or a in step.inputs}
        assert all(items[i].part for i in step.items)
        for values, parts in (edge.into for edge in step.fixed.edges if edge.into):
            assert all(any((a, part) in read for part in parts) for a in values)
            assert all(any((a, part) in read for a in values) for part in parts)
        heads = {"write", "read"}
        hidden = {(a, p) for a, p in read - drawn if items[a].part.split(".")[1].split("/")[0] in heads}
        assert read - drawn == hidden
        assert all(items[a].part.split("/")[0] == part.split("/")[0] for a, part in hidden)


@pytest.mark.parametrize("T", [1, 2, 5])
@pytest.mark.parametrize("name", [*MODELS, "own"])
def test_nothing_stands_on_anything_else(name: str, T: int) -> None:
    f, what = (own(), W) if name == "own" else (last if T == 2 else every, MODELS[name])
    scene = viz.unrolled(f, what, XS[:T], level="cell", color="grad" if T == 5 else None).scene
    assert any(p.part.heats for p in scene.placed)
    check(scene)


def test_names_and_scopes_make_the_picture() -> None:
    """A loop of the user with them has it, also with names alone; without names it is a box."""
    for names, scopes, drawn in ((True, True, True), (False, True, False), (True, False, True)):
        _, _, wiring = wired(own(names, scopes), W)
        assert all(s.fixed is not None and bool(s.fixed.heats) == drawn for s in wiring.steps if s.label), (names, scopes)


def test_a_head_may_read_the_memory_before_it_is_written() -> None:
    """Then what two heads compute of M alone is drawn as M. The last step writes nothing that is read, so there it is a box."""
    _, _, wiring = wired(every, NTM(3, 2, hidden=5, memory=(6, 4), read="before"))
    *steps, after = [s for s in wiring.steps if s.label]
    assert all(s.fixed is not None and s.fixed.heats for s in steps)
    assert after.fixed is not None
    assert after.fixed.entry
    check(viz.unrolled(every, NTM(3, 2, hidden=5, memory=(6, 4), read="before"), XS[:3], level="cell").scene)


def test_the_colours_of_a_memory_are_its_values() -> None:
    timeline, _, _ = wired(every, MODELS["ntm"])
    value = next(i.node.value for i in timeline.items if i.name == "M" and i.named and i.part.startswith("1."))
    drawn = heats(viz.unrolled(every, MODELS["ntm"], XS[:3], level="cell").scene)["M"][1]
    top = float(drawn.title.rpartition(" ")[2])
    assert drawn.fills == heat.by_value(value[0], "signed", drawn.top)
    assert top == pytest.approx(drawn.top, rel=0.01)
    assert len(drawn.fills) == 6
    for row, numbers in zip(drawn.fills, value[0], strict=True):  # blue below 0, red above
        for fill, number in zip(row, numbers, strict=True):
            red, blue = int(fill[1:3], 16), int(fill[5:], 16)
            assert (red - blue) * number > 0 or abs(number) <= drawn.top / 16


def test_the_colours_of_gradients_are_their_numbers() -> None:
    timeline, colours, _ = wired(every, MODELS["dnc"], color="grad")
    for item in timeline.items:
        if item.part and item.index in colours.norms:
            assert np.linalg.norm(colours.arrays[item.index]) == pytest.approx(colours.norms[item.index], rel=1e-4)
    memory = [i for i in timeline.items if i.name == "M" and i.named]
    drawn = heats(viz.unrolled(every, MODELS["dnc"], XS[:3], level="cell", color="grad").scene)["M"]
    gradient = np.sqrt((colours.arrays[memory[1].index] ** 2).sum(0))
    assert drawn[1].fills[2][3] == colours.of(float(gradient[2, 3]))
    sums = {p: n for (a, p), n in colours.parts.items() if a == memory[2].index}
    assert sums.keys() == {"2.read/w_content", "2.read/r"}
    assert colours.norms[memory[2].index] <= sum(sums.values()) * 1.001


def test_the_slots_in_use_are_shown_and_the_notes_tell_of_the_others() -> None:
    model = NTM(3, 2, hidden=5, memory=(128, 4), start="location")
    drawing = viz.unrolled(every, model, XS, level="cell")
    timeline, _, _ = wired(every, model, 5)
    weights = np.array([i.node.value[0] for i in timeline.items if i.name in ("w_write", "w_read") and i.named]).reshape(-1, 128).max(0)
    shown = {int(w.text) for p in drawing.scene.placed for w in p.part.words if w.text.isdigit() and w.anchor == "end"}
    assert set(np.flatnonzero(weights > 0.05)) <= shown
    (note,) = [n for n in drawing.notes if "slots" in n]
    assert float(note.rpartition(" ")[2]) == pytest.approx(max(weights[s] for s in range(128) if s not in shown), rel=0.1)
    assert f"{128 - len(shown)} of 128 slots" in note


def test_what_has_no_line_is_in_the_notes() -> None:
    """The DNC reads 1 − I, computed before the steps, in each of them."""
    notes = viz.unrolled(every, MODELS["dnc"], XS[:2], level="cell").notes
    assert any("before the steps is read in each step without a line" in n for n in notes)
    assert any("first member of the batch" in n for n in notes)
    assert not any("without a line" in n for n in viz.unrolled(every, MODELS["mann"], XS[:2], level="cell").notes)


def test_a_value_that_is_not_finite_is_seen() -> None:
    assert heat.by_value(np.array([[np.nan, np.inf, 0.0]]), "signed", 1.0) == ((style.NOT_FINITE, style.NOT_FINITE, "#FFFFFF"),)


def test_a_graph_without_values_has_white_maps() -> None:
    graph = mg.trace(every, MODELS["ntm"], XS[:2])
    found = [m for p in viz.unrolled(graph, level="cell").scene.placed for m in p.part.heats]
    assert found
    assert all(m.fills == () for m in found)


@pytest.mark.parametrize("suffix", ["svg", "dot", "pdf"])
def test_every_format_takes_heat_maps(suffix: str) -> None:
    drawing = viz.unrolled(every, MODELS["mann"], XS[:2], level="cell")
    assert drawing.pipe(suffix) == viz.unrolled(every, MODELS["mann"], XS[:2], level="cell").pipe(suffix)
    assert "NaN" not in drawing.svg
