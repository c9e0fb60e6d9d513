"""Panels over time: the same ones in the drawing of a memory, in the pictures of a run, and on the page."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minigrad.models import NTM
from minigrad.viz import heat, style
from minigrad.viz.over_time import drawn, ticks
from minigrad.viz.panels import panels_of
from minigrad.viz.scene import Heat

from minigrad import viz
from tests.viz.test_page import XS, data_of, loss_fn

RNG = np.random.default_rng(0)


def trace(T: int = 9) -> dict[str, np.ndarray]:
    return {
        "inputs": RNG.integers(0, 2, (T, 6)),
        "add": RNG.standard_normal((T, 1, 5)),
        "w_write": RNG.dirichlet(np.ones(8), (T, 1)),
        "w_read": RNG.dirichlet(np.ones(8), (T, 2)),
        "g": RNG.random((T, 2)),
        "beta": RNG.random(T),
        "s": RNG.dirichlet(np.ones(3), T),
        "M": RNG.standard_normal((T, 8, 5)),
    }


def part(drawing: viz.Drawing):
    (placed,) = drawing.scene.placed
    return placed.part


def words(drawing: viz.Drawing) -> list[str]:
    return [w.text for w in part(drawing).words]


def test_each_array_and_head_has_a_labelled_panel_on_one_time_axis() -> None:
    drawing = viz.memory(trace(), title="copy")
    assert [w.text for w in part(drawing).words if w.size == 10 and w.anchor == "end"] == [
        "inputs", "add", "w write", "w read 1", "w read 2", "g", "β", "s", "M",
    ]  # fmt: skip
    assert {"copy", "time step t", "8 slots", "8 slots × 5", "head 2"} <= set(words(drawing))
    later = [w for w in words(viz.memory(trace(), steps=slice(3, 8, 2))) if w in "0123456789"]
    assert later[-3:] == ["3", "5", "7"]


def test_columns_stand_side_by_side_and_their_panels_on_one_line() -> None:
    left, right = panels_of({"x": RNG.random((4, 30)), "w_write": RNG.random((4, 5))}), panels_of({"y": RNG.random((4, 2))})
    heats = part(drawn([left, right])).heats[::2]  # every second one is a scale of colours
    assert heats[0].y == heats[1].y
    assert heats[0].h == heats[1].h
    assert heats[0].x + heats[0].w / 2 < heats[1].x - heats[1].w / 2


@pytest.mark.parametrize(("steps", "slots"), [(20, 128), (20, 700), (2000, 8)])
def test_every_slot_that_is_written_leaves_a_pixel(steps: int, slots: int) -> None:
    pytest.importorskip("resvg_py")
    image = pytest.importorskip("PIL.Image", reason="needs pillow")
    written = RNG.integers(0, slots, steps)
    w = np.eye(slots)[written]
    w[::2] = 0
    drawing = viz.memory({"w_write": w, "add": -w, "M": -np.repeat(w[:, :, None], 3, axis=2)})
    shown = np.asarray(image.open(io.BytesIO(drawing.pipe("png"))).convert("RGB")).min(-1)
    across, down = shown.shape[1] / drawing.scene.width, shown.shape[0] / drawing.scene.height
    weights, _, added, _, *memory, _ = part(drawing).heats
    cells = [(t, int(s)) for t, s in enumerate(written) if t % 2]

    def lit(m: Heat, x: float, wide: float, row: int) -> bool:
        left, top = (m.x - m.w / 2 + x * m.w) * across, (m.y - m.h / 2 + row / slots * m.h) * down
        right, bottom = left + wide * m.w * across, top + m.h / slots * down
        found = shown[int(top) - 1 : int(bottom) + 2, int(left) - 1 : int(right) + 2]
        return bool((found < 150).any())

    assert all(lit(m, t / steps, 1 / steps, row) for m in (weights, added) for t, row in cells)
    if steps <= 24:
        assert all(lit(memory[t], 0, 1, row) for t, row in cells)


@given(st.integers(1, 40), st.integers(1, 9), st.integers(1, 9), st.integers(1, 12))
def test_of_values_that_become_one_the_one_farthest_from_zero_stays(rows: int, columns: int, most: int, wide: int) -> None:
    grid = np.random.default_rng(rows + 100 * columns).standard_normal((rows, columns))
    found = heat.pooled(grid, most, wide)
    assert found.shape == (min(rows, most), min(columns, wide))
    assert np.abs(found).max() == np.abs(grid).max()
    assert set(found.ravel()) <= set(grid.ravel())


def test_what_is_not_finite_is_magenta() -> None:
    assert np.isnan(heat.pooled(np.array([[1.0, np.nan, 0.0, 7.0]]), 1, 2)[0, 0])
    found = trace()
    found["add"][3], found["g"][2, 1] = np.nan, np.inf
    drawing = viz.memory(found)
    assert {m.fills[0][3] for m in part(drawing).heats if len(m.fills[0]) == 9} >= {style.NOT_FINITE}
    (bar,) = part(drawing).bars
    assert bar.fill == style.NOT_FINITE
    one, *two = [c for c in part(drawing).curves if len(c.points) != 2]
    assert [len(c.points) for c in (one, *two)] == [9, 6, 9], "the curve of the second head is broken: 2 points, then 6"


@given(st.integers(1, 10**6), st.floats(1, 60))
def test_ticks_are_few_and_begin_at_the_first(count: int, most: float) -> None:
    found = ticks(count, most)
    assert found[0] == 0
    assert len(found) <= most
    assert found[-1] < count


def test_errors_and_formats() -> None:
    with pytest.raises(viz.DrawingError, match="empty"):
        viz.memory({})
    with pytest.raises(viz.DrawingError, match="empty"):
        viz.memory({"g": np.ones((0, 2))})
    with pytest.raises(viz.DrawingError, match="expected 9 steps"):
        viz.memory({"a": np.ones((9, 2)), "b": np.ones((8, 2))})
    drawing = viz.memory(trace(3), title="<b>$\\frac{")
    assert "&lt;b&gt;$\\frac{" in drawing.svg
    with pytest.raises(viz.DrawingError, match="no nodes for DOT: take svg or pdf"):
        drawing.pipe("dot")
    pytest.importorskip("matplotlib")
    assert drawing.pipe("pdf").startswith(b"%PDF")


def test_classes_are_cells_in_the_colour_of_their_class_and_numbered_while_they_can_be_read() -> None:
    for T, numbered in ((5, True), (80, False)):
        classes = np.arange(T) % 3 - 1  # −1: none
        drawing = viz.memory({"classes": classes})
        (cells,) = part(drawing).heats
        assert [fill == "#FFFFFF" for fill in cells.fills[0]] == (classes < 0).tolist()
        assert len(set(cells.fills[0])) == 3
        assert [w.text for w in part(drawing).words if w.y == cells.y and w.anchor == "middle"] == [
            str(c) for c in classes if numbered and c >= 0
        ]


def test_the_page_shows_the_panels_of_what_is_recorded() -> None:
    model = NTM(3, 2, hidden=4, memory=(6, 3), key=0)
    strips = {s["label"]: s for name, group in data_of(viz.page(loss_fn, model, XS))["groups"] for s in group if name != "gradient"}
    panels = panels_of(viz.record(loss_fn, model, XS))
    assert {"w write", "w read", "add", "write g"} <= {p.label for p in panels} & strips.keys()
    for p in panels:
        if p.label in strips:
            strip = strips[p.label]
            assert (strip["kind"], strip["rows"]) == (p.kind, p.rows.shape[1])
            if p.kind != "curves":
                assert (strip["tone"], strip["low"], strip["high"]) == (p.tone, pytest.approx(p.low), pytest.approx(p.high))


def test_the_numbers_of_slots_are_no_weights_over_slots() -> None:
    """A SAM names the slots that it used least, a MANN weights them."""
    (named,) = panels_of({"least": np.array([[3, 7], [4, 8]])})
    (weights,) = panels_of({"least": np.array([[0.5, 0.5], [1.0, 0.0]])})
    (chosen,) = panels_of({"w_read": np.array([[0, 1], [1, 0]])})
    assert [p.kind for p in (named, weights, chosen)] == ["values", "weights", "weights"]
