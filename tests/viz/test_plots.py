"""Curves of gradients, plots as files, and what is recorded for them."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest

import minigrad as mg
from minigrad import viz

pytest.importorskip("matplotlib")


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


def test_a_format_that_there_is_not_is_refused_and_a_repr_never_raises(monkeypatch):
    plot = viz.attention_map(np.eye(3))
    with pytest.raises(viz.DrawingError, match="plot: Format 'docx' is not supported"):
        plot.pipe("docx")

    def broken(*args, **kwargs):
        raise OSError("no fonts")

    monkeypatch.setattr(plot.figure, "savefig", broken)
    found = plot._repr_mimebundle_()
    assert list(found) == ["text/plain"]
    assert found["text/plain"].endswith("(no fonts)")


def test_a_backend_of_the_parent_process_that_is_not_here_is_not_needed():
    code = "from minigrad import viz; import os; print(len(viz.attention_map([[1.0]]).pipe('svg')), os.environ['MPLBACKEND'])"
    names = {**os.environ, "MPLBACKEND": "module://no_such_package.backend_inline"}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=names)
    size, backend = run.stdout.split()
    assert int(size) > 1000
    assert backend == "module://no_such_package.backend_inline"
