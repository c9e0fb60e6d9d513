"""The contract: every snippet a user is promised runs, as written."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from minigrad.models import LSTM, NTM
from shares import shared
from typer.testing import CliRunner

import minigrad as mg
from minigrad import viz
from minigrad.cli import app
from minigrad.testing import check_grads, tensors

rng = np.random.default_rng(0)
xs = rng.standard_normal((5, 3), dtype="float32")


@pytest.fixture
def W():
    return mg.parameter(0.5 * rng.standard_normal((3, 3), dtype="float32"), name="W")


def eager(W):
    h = mg.zeros(3)
    for t, x in enumerate(xs):
        with mg.scope("rnn", step=t):
            h = mg.tanh(x + h @ W)
    return mg.sum(h * h)


def loss_fn(W, xs):
    def step(h, x):
        h = mg.tanh(x + h @ W)
        return h, h

    _, hs = mg.scan(step, mg.zeros(3), xs)
    return mg.mean(hs**2)


def difference(f, W, eps=1e-3):
    """Central differences of f at W."""
    base, found = W.numpy(), np.zeros(W.shape)
    for i in np.ndindex(*W.shape):
        step = np.zeros_like(base)
        step[i] = eps
        found[i] = (float(f(mg.parameter(base + step))) - float(f(mg.parameter(base - step)))) / (2 * eps)
    return found


def test_eager(W):
    loss = eager(W)
    assert W.dtype == mg.zeros(3).dtype == loss.dtype == np.float32
    loss.backward()
    np.testing.assert_allclose(W.grad, difference(eager, W), atol=2e-3)
    assert "Tensor(" in str(W.grad)
    assert isinstance(W.grad, mg.Tensor)
    drawing = viz.unrolled(loss)
    assert all(f"rnn[{t}]" in drawing.svg or f"{t}" in drawing.svg for t in range(5))


def test_functional(W):
    value, dW = mg.value_and_grad(loss_fn)(W, xs)
    np.testing.assert_allclose(dW, difference(lambda W: loss_fn(W, xs), W), atol=2e-3)
    assert float(value) == pytest.approx(float(loss_fn(W, xs)))
    _, pull = mg.vjp(loss_fn, W, xs)
    np.testing.assert_allclose(pull(1.0)[0], dW, rtol=1e-5)
    _, slope = mg.jvp(lambda W: loss_fn(W, xs), (W,), (mg.ones((3, 3)),))
    assert float(slope) == pytest.approx(float(mg.sum(dW)), rel=1e-4)
    H = mg.hessian(lambda W: loss_fn(W, xs))(W).numpy()
    np.testing.assert_allclose(mg.hvp(lambda W: loss_fn(W, xs), (W,), (mg.ones((3, 3)),))[0], H.sum((2, 3)), rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(mg.jacobian(lambda W: loss_fn(W, xs))(W), dW, rtol=1e-5)


def test_compiled(W):
    value, dW = mg.value_and_grad(loss_fn)(W, xs)
    fast = mg.jit(mg.value_and_grad(loss_fn))
    fast_value, fast_dW = fast(W, xs)
    np.testing.assert_allclose(fast_value, value, rtol=1e-5)
    np.testing.assert_allclose(fast_dW, dW, rtol=1e-4, atol=1e-6)
    text = str(mg.trace(loss_fn, W, xs))
    assert "scan" in text
    assert "tanh" in text
    assert "for " in fast.source


def test_drawings_of_a_loop(W):
    graph = mg.trace(loss_fn, W, xs)
    rolled, unrolled = viz.rolled(graph), viz.unrolled(graph, steps=5)
    assert rolled.svg.startswith("<")
    assert len(unrolled.svg) > len(rolled.svg)


def run_blocks(page, folder, monkeypatch):
    """The names that the page's Python defines, run in a folder."""
    blocks = re.findall(r"```python\n(.*?)```", (Path(__file__).parent.parent / page).read_text(), re.DOTALL)
    monkeypatch.chdir(folder)
    names: dict[str, object] = {}
    for number, block in enumerate(blocks):
        exec(compile(block, f"{page}, block {number}", "exec"), names)
    return names


def test_the_readme_runs(tmp_path, monkeypatch, capsys):
    names = run_blocks("README.md", tmp_path, monkeypatch)
    assert (tmp_path / "rolled.svg").exists()
    assert "scan" in capsys.readouterr().out
    eager = names["loss"](names["W"], names["xs"])
    np.testing.assert_allclose(names["value"], eager, rtol=1e-5)


@pytest.mark.sweep
def test_the_page_on_programs_runs(tmp_path, monkeypatch, capsys):
    names = run_blocks("docs/en/howto/write.md", tmp_path, monkeypatch)
    assert {"unrolled.svg", "rolled.svg"} <= {p.name for p in tmp_path.iterdir()}
    assert "scan" in capsys.readouterr().out
    names["test_swish"]()
    names["train_step"](names["model"], names["state"], np.zeros((3, 2, 10), "float32"), np.zeros((3, 2, 8), "float32"))
    check_epoch(names["epoch"], names["train_step"], names["optimizer"])


PROBLEMS = ["howto/train", "howto/page", "howto/wrong-gradient", "howto/nan", "howto/slow-loop"]
MECHANISMS = ["explain/scan-gradient", "explain/machine-code", "explain/determinism"]


@pytest.mark.parametrize("page", shared([*PROBLEMS, *MECHANISMS]))
def test_a_page_runs_and_prints_what_it_shows(page, tmp_path, monkeypatch, capsys):
    run_blocks(f"docs/en/{page}.md", tmp_path, monkeypatch)
    text = (Path(__file__).parent.parent / "docs" / "en" / f"{page}.md").read_text(encoding="utf-8")
    shown = [line.strip() for block in re.findall(r"```text\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    printed = capsys.readouterr().out
    assert [line for line in shown if line not in printed] == []


def test_the_command_that_finds_a_wrong_gradient(tmp_path, monkeypatch):
    text = (Path(__file__).parent.parent / "docs/en/howto/wrong-gradient.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    (tmp_path / "mine.py").write_text(re.findall(r"```python\n(.*?)```", text, re.DOTALL)[0], encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, shlex.split(command)[1:])
    assert result.exit_code == 1
    assert "the gradient times 2 is right" in " ".join(result.output.split())


def check_epoch(epoch, train_step, optimizer):
    """Steps in one call are the steps called singly, to rounding; how they are divided into calls changes no bit."""
    model, batches = LSTM(2, 3, key=0), rng.standard_normal((2, 5, 3, 1, 3), dtype="float32")
    batches = batches[0, ..., :2], batches[1]

    def train(*parts):
        found, state, losses = model, optimizer.init(model), []
        for part in parts:
            found, state, some = (epoch if isinstance(part, slice) else train_step)(found, state, *(b[part] for b in batches))
            losses.append(some.numpy().ravel())
        return [np.concatenate(losses), *(t.numpy() for t in mg.tree.leaves((found, state)))]

    whole = train(slice(0, 5))
    for divided, single in zip(train(slice(0, 2), slice(2, 5)), train(*range(5)), strict=True):
        np.testing.assert_array_equal(divided, whole.pop(0))
        np.testing.assert_allclose(divided, single, rtol=1e-4, atol=1e-6)


def sequence_loss(model, xs, ys):
    return mg.binary_cross_entropy(model(xs), ys)


@pytest.mark.parametrize("kind", ["ntm", "lstm"])
def test_train_step(kind):
    if kind == "ntm":
        model = NTM(inputs=10, outputs=8, controller="lstm", hidden=100, memory=(128, 20), key=0)
    else:
        model = LSTM(inputs=10, hidden=32, outputs=8, key=0)
    optimizer = mg.optim.Adam(1e-3, clip_norm=10)
    state = optimizer.init(model)

    @mg.jit
    def train_step(model, state, xs, ys):
        loss, grads = mg.value_and_grad(sequence_loss)(model, xs, ys)
        model, state = optimizer.update(model, grads, state)
        return model, state, loss

    inputs, targets = rng.random((6, 4, 10), dtype="float32"), (rng.random((6, 4, 8)) > 0.5).astype("float32")
    losses = []
    for _ in range(6):
        model, state, loss = train_step(model, state, inputs, targets)
        losses.append(float(loss))
    assert losses[-1] < losses[0]
    assert type(model).__name__.lower() == kind
    assert int(state.step) == 6


@given(x=tensors(dtype="float64", max_dims=3))
def test_swish(x):
    check_grads(lambda x: x * mg.sigmoid(x), x, order=2)
