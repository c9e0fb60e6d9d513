"""The Stack-RNN: with hard actions its stacks are stacks, and its steps are the equations of Joulin and Mikolov 2015."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minigrad.models import StackRNN
from minigrad.models.stack_rnn import EMPTY, moved

import minigrad as mg
from minigrad.errors import SettingError

PUSH, POP, STAY = range(3)
DEPTH = 6


@given(st.lists(st.tuples(st.sampled_from([PUSH, POP, STAY]), st.floats(0, 1)), max_size=20))
def test_with_hard_actions_it_is_a_stack(steps: list[tuple[int, float]]) -> None:
    """Against a list, whose bottom is lost when it is full. A stack beside it that never moves stays empty."""
    s, expected = mg.full((1, 2, DEPTH, 1), EMPTY, "float64"), []
    for action, value in steps:
        s = moved(s, mg.tensor(np.eye(3)[[[action, STAY]]]), mg.tensor([[[value], [0.5]]], "float64"))
        if action == PUSH:
            expected = [value, *expected][:DEPTH]
        elif action == POP:
            expected = expected[1:]
        np.testing.assert_array_equal(s.numpy()[0, 0, :, 0], expected + [EMPTY] * (DEPTH - len(expected)))
    np.testing.assert_array_equal(s.numpy()[0, 1], EMPTY)


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def transcription(model: StackRNN, xs: np.ndarray) -> np.ndarray:
    """One sequence (T, inputs) by eqs. 3 to 6, cell by cell."""
    p = {name: leaf.numpy() for name, leaf in vars(model).items() if isinstance(leaf, mg.Tensor)}
    h, s, ys = np.zeros(model.hidden), np.full((model.stacks, model.cells, model.cell_size), EMPTY), []
    for x in xs:
        z = x @ p["U"] + h @ p["R"] + s[:, : model.top].ravel() @ p["P"] + p["b"]
        h = np.maximum(z, 0) if model.activation == "relu" else sigmoid(z)
        scores = (h @ model.A.W.numpy() + model.A.b.numpy()).reshape(model.stacks, -1)
        a = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
        a = np.eye(a.shape[1])[a.argmax(-1)] if model.rounded else a
        v = sigmoid(h @ model.D.W.numpy() + model.D.b.numpy()).reshape(model.stacks, -1)
        after = np.empty_like(s)
        for k in range(model.stacks):
            for i in range(model.cells):
                above = v[k] if i == 0 else s[k, i - 1]
                below = s[k, i + 1] if i + 1 < model.cells else EMPTY
                after[k, i] = a[k, PUSH] * above + a[k, POP] * below + (a[k, STAY] * s[k, i] if model.no_op else 0)
        s = after
        ys.append(h @ model.readout.W.numpy() + model.readout.b.numpy())
    return np.array(ys)


CASES: dict[str, dict[str, Any]] = {
    "the paper's, without no-op": {"stacks": 1, "no_op": False},
    "several stacks": {"stacks": 3, "cell_size": 2, "top": 3},
    "rounded, of relu units": {"stacks": 2, "rounded": True, "activation": "relu", "start": "glorot"},
}


@pytest.mark.parametrize("case", CASES)
def test_against_the_equations(case: str, rotational: Any) -> None:
    model = rotational(StackRNN(3, 5, 2, cells=4, dtype="float64", **CASES[case]))
    xs = np.random.default_rng(2).standard_normal((9, 2, 3))
    ys = mg.jit(lambda model, xs: model(xs))(model, xs).numpy()
    for b in range(2):
        np.testing.assert_allclose(ys[:, b], transcription(model, xs[:, b]), rtol=1e-10, atol=1e-10)


def test_each_stack_has_actions_of_its_own() -> None:
    """Those of each sum to 1, not those of all stacks."""
    model = StackRNN(3, 5, 2, stacks=3)
    graph = mg.trace(lambda x: model.step(model.initial_state(2), x)[1], np.ones((2, 3), "float32"))
    assert graph is not None
    state, _ = model.step(model.initial_state(2), mg.ones((2, 3)))
    assert state.s.shape == (2, 3, 100, 1)
    pushed = state.s.numpy()[:, :, 0, 0]  # a_push v − (1 − a_push)
    assert ((pushed > -1) & (pushed < 1)).all()


def test_a_trained_model_takes_deeper_stacks() -> None:
    """No weight depends on the number of cells. Until a stack is full, neither does an output."""
    model = StackRNN(3, 5, 2, stacks=2, cells=8)
    xs = np.random.default_rng(0).standard_normal((8, 1, 3), dtype="float32")
    ys = model(xs).numpy()
    model.cells = 30
    assert model.initial_state(1).s.shape[2] == 30
    np.testing.assert_allclose(model(xs).numpy(), ys, rtol=1e-6, atol=1e-6)


def test_rounded_actions_pass_no_gradient() -> None:
    model = StackRNN(3, 5, 2, rounded=True)
    grads = mg.grad(lambda model: mg.sum(model(np.ones((4, 1, 3), "float32")) ** 2))(model)
    assert not grads.A.W.numpy().any()
    assert grads.D.W.numpy().any()


def test_the_network_sees_no_more_cells_than_there_are() -> None:
    with pytest.raises(SettingError, match="top=3, but a stack has only cells=2"):
        StackRNN(3, 5, cells=2, top=3)
