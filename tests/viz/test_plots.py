"""Panels of memory and curves of gradients."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from minigrad.viz.plots import pooled

import minigrad as mg
from minigrad import viz

pytest.importorskip("matplotlib")
Image = pytest.importorskip("PIL.Image", reason="needs pillow")
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


def test_memory_has_a_labelled_panel_for_each_array_and_head():
    plot = viz.memory(trace(), title="copy")
    labels = [a.get_ylabel().split("\n")[0] for a in plot.figure.axes if a.get_ylabel()]
    assert labels == ["inputs", "add", "w write", "w read 1", "w read 2", "g", "β", "s", "M"]
    assert any(a.get_xlabel() == "time step t" for a in plot.figure.axes)
    assert plot.pipe("png")[:4] == b"\x89PNG"
    assert "image/svg+xml" in plot._repr_mimebundle_()


def lit(plot: viz.Plot, label: str, cells: list[tuple[int, int]]) -> list[bool]:
    """Whether each of these cells (step, row) of a panel has a dark pixel in the PNG."""
    shown = np.asarray(Image.open(io.BytesIO(plot.pipe("png"))).convert("RGB")).min(-1)
    figure = plot.figure
    (axis,) = [a for a in figure.axes if a.get_ylabel().startswith(label)]
    scale = shown.shape[1] / (figure.get_size_inches()[0] * figure.dpi)
    found = []
    for t, row in cells:
        (left, low), (right, high) = axis.transData.transform([(t - 0.4, row + 0.5), (t + 0.4, row - 0.5)]) * scale
        top, bottom = len(shown) - np.array([high, low])
        found.append(bool((shown[int(top) - 1 : int(bottom) + 2, int(left) - 1 : int(right) + 2] < 150).any()))
    return found


@pytest.mark.parametrize(("steps", "slots"), [(20, 128), (20, 700), (2000, 8)])
def test_every_slot_that_is_written_leaves_a_pixel(steps, slots):
    written = RNG.integers(0, slots, steps)
    w = np.eye(slots)[written]
    w[::2] = 0
    memory = -np.repeat(w[:, :, None], 3, axis=2)
    cells = [(t, int(s)) for t, s in enumerate(written) if t % 2]
    plot = viz.memory({"w_write": w, "add": -w, "M": memory})
    assert all(lit(plot, "w write", cells))
    assert all(lit(plot, "add", cells))
    assert all(lit(plot, "M", [(t, s) for t, s in cells if t < 24 and steps <= 24]))


def test_of_values_that_become_one_pixel_the_one_farthest_from_zero_stays():
    np.testing.assert_array_equal(pooled(np.array([[1.0, -3.0, 0.0, 2.0, 0.5, 0.0]]), 3, 9), [[-3.0, 2.0, 0.5]])
    assert np.isnan(pooled(np.array([[1.0], [np.nan], [0.0], [7.0]]), 1, 2)[0, 0])


def test_memory_errors_and_values_that_are_not_finite(tmp_path):
    with pytest.raises(viz.DrawingError, match="empty"):
        viz.memory({})
    with pytest.raises(viz.DrawingError, match="expected 9 steps"):
        viz.memory({"a": np.ones((9, 2)), "b": np.ones((8, 2))})
    found = trace()
    found["add"][3] = np.nan
    found["g"][2] = np.inf
    assert viz.memory(found).save(tmp_path / "x.svg").stat().st_size > 1000
    assert repr(viz.memory({"$\\frac{": np.ones((3, 2))})).isprintable()
    assert viz.memory({"$\\frac{": np.ones((3, 2))}).pipe("svg")


def test_gradient_flow_shows_every_state():
    def loss(W, xs):
        def step(h, x):
            h = mg.tanh(x + h @ W)
            return h, h

        return mg.sum(mg.scan(step, mg.zeros(3), xs)[0])

    args = (0.1 * np.eye(3, dtype="float32"), np.ones((6, 3), "float32"))
    plot = viz.gradient_flow(loss, *args)
    (line,) = plot.figure.axes[0].get_lines()
    values = line.get_ydata()
    assert len(values) == 6
    assert all(a < b for a, b in pairwise(values)), "it vanishes towards the past"
    with pytest.raises(viz.DrawingError, match="no step hands"):
        viz.gradient_flow(lambda x: mg.sum(x), np.ones(3, "float32"))


def test_an_ntm_is_recorded_by_the_names_of_its_values():
    from minigrad.models import NTM

    model = NTM(3, 2, hidden=5, memory=(6, 4))
    found = viz.record(lambda m, xs: mg.sum(m(xs)), model, np.ones((7, 2, 3), "float32"), names=["w_write", "g", "M", "y"])
    assert found["M"].shape == (7, 6, 4)
    assert found["w_write"].shape == (7, 1, 6)
    assert {"write.g", "read.g", "y"} <= set(found)
    np.testing.assert_allclose(found["w_write"].sum(-1), 1, rtol=1e-5)
    np.testing.assert_allclose(found["y"], model(np.ones((7, 2, 3), "float32")).numpy()[:, 0], rtol=1e-4, atol=1e-6)
    with pytest.raises(viz.DrawingError, match=r"no value is named typo in every step; the names are .*write\.M"):
        viz.record(lambda m, xs: m(xs), model, np.ones((7, 2, 3), "float32"), names=["w_read", "typo"])
    with pytest.raises(viz.DrawingError, match="no value is named in every step"):
        viz.record(lambda x: mg.sum(x), np.ones(3, "float32"))


def test_what_only_the_next_step_uses_is_recorded_of_the_last_step_too():
    from minigrad.models import MANN

    model = MANN(3, 2, hidden=5, memory=(6, 4), heads=2)
    xs = np.random.default_rng(0).standard_normal((7, 2, 3), dtype="float32")
    found = viz.record(lambda m, xs: m(xs), model, xs, names=["usage"])
    state, usage = model.initial_state(2), []
    for x in xs:
        state, _ = model.step(state, mg.tensor(x))
        usage.append(state.usage.numpy()[0])
    np.testing.assert_allclose(found["usage"], np.stack(usage), rtol=1e-5)


def test_a_loop_in_python_a_scan_and_its_graph_have_the_same_record():
    from minigrad.models import GRU

    model, xs = GRU(3, 4, 2), np.ones((5, 2, 3), "float32")
    state, outputs = model.initial_state(2), []
    for t, x in enumerate(xs):
        with mg.scope("gru", step=t):
            state, y = model.step(state, mg.tensor(x))
            outputs.append(y)
    wanted = viz.record(outputs, example=1)
    graph = mg.trace(lambda m, xs: m(xs), model, xs)
    for found in (viz.record(lambda m, xs: m(xs), model, xs, example=1), viz.record(graph, model, xs, example=1)):
        assert found.keys() == wanted.keys() >= {"r", "z", "h"}
        for name, value in found.items():
            np.testing.assert_allclose(value, wanted[name], rtol=1e-5)
    with pytest.raises(viz.DrawingError, match=r"takes .* arrays, got 1"):
        viz.record(graph, xs)


def test_numbers_among_the_arguments_are_numbers():
    def scaled(xs, a):
        return mg.scan(lambda c, x: ((c + x * a).named("c"),) * 2, mg.zeros((1, 1), "float64"), xs)[0]

    xs = np.ones((3, 1, 1))
    np.testing.assert_allclose(viz.record(scaled, xs, 0.1)["c"].ravel(), [0.1, 0.2, 0.3], rtol=1e-15)
    viz.gradient_flow(lambda xs, a: mg.sum(scaled(xs, a)), xs, 0.1)


def test_classes_are_cells_in_the_colour_of_their_class_and_numbered_while_they_can_be_read():
    for T, numbered in ((5, True), (80, False)):
        classes = np.arange(T) % 3 - 1  # −1: none
        (axis,) = [a for a in viz.memory({"classes": classes, "x": np.ones((T, 2))}).figure.axes if a.get_ylabel().startswith("classes")]
        shown = [int(t.get_text()) for t in axis.texts]
        assert shown == ([c for c in classes if c >= 0] if numbered else [])
        assert len(axis.patches) == np.sum(classes >= 0)
        assert len({p.get_facecolor() for p in axis.patches}) == 2


def test_a_format_that_there_is_not_is_refused_and_a_repr_never_raises(monkeypatch):
    plot = viz.memory({"x": np.ones((3, 2))})
    with pytest.raises(viz.DrawingError, match="plot: Format 'docx' is not supported"):
        plot.pipe("docx")

    def broken(*args, **kwargs):
        raise OSError("no fonts")

    monkeypatch.setattr(plot.figure, "savefig", broken)
    found = plot._repr_mimebundle_()
    assert list(found) == ["text/plain"]
    assert found["text/plain"].endswith("(no fonts)")


def test_a_backend_of_the_parent_process_that_is_not_here_is_not_needed():
    code = "from minigrad import viz; import os; print(len(viz.memory({'x': [[1.0]]}).pipe('svg')), os.environ['MPLBACKEND'])"
    names = {**os.environ, "MPLBACKEND": "module://no_such_package.backend_inline"}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=names)
    size, backend = run.stdout.split()
    assert int(size) > 1000
    assert backend == "module://no_such_package.backend_inline"
