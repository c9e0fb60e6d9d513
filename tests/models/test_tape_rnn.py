"""The Tape-RNN: with hard moves its tape is a tape, and its steps are those of the authors' code (Delétang et al. 2023)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minigrad.models import TapeRNN
from minigrad.models.tape_rnn import moved

import minigrad as mg

CELLS, JUMP = 7, 3


@given(st.lists(st.sampled_from([0, -1, 1, -JUMP, JUMP]), max_size=12))
def test_with_hard_moves_it_is_a_tape_under_a_head(moves: list[int]) -> None:
    """Rolling the tape by m moves the head by −m; a jump of each sequence is its own."""
    tape, head = mg.tensor(np.arange(2 * CELLS, dtype="float64").reshape(2, CELLS, 1)), 0
    first, jump = tape.numpy(), mg.tensor([JUMP, 0])
    for m in moves:
        weights = np.eye(5)[[0, -1, 1, -JUMP, JUMP].index(m)]
        tape = moved(tape, mg.tensor(np.array([weights, weights])), jump)
        head = (head - m) % CELLS
    np.testing.assert_array_equal(tape.numpy()[0], np.roll(first[0], -head, 0))
    short = sum(m for m in moves if abs(m) == 1)
    np.testing.assert_array_equal(tape.numpy()[1], np.roll(first[1], short, 0))


def relu(x: Any) -> Any:
    return np.maximum(x, 0)


def transcription(model: TapeRNN, xs: np.ndarray, jump: int) -> np.ndarray:
    """One sequence (T, inputs), move by move."""
    p = {name: leaf.numpy() for name, leaf in vars(model).items() if isinstance(leaf, mg.Tensor)}
    h, tape, ys = np.zeros(model.hidden), np.zeros((model.cells, model.cell_size)), []
    for x in xs:
        z = np.concatenate([x, tape[0]]) @ p["W_x"] + h @ p["W_h"] + p["b"]
        h = relu(z) if model.activation == "relu" else np.tanh(z)
        jump += int(model.jump == "counted" and x[:-1].any())
        v = h
        for i, layer in enumerate(model.write):
            v = v @ layer.W.numpy() + layer.b.numpy()
            v = relu(v) if i < 2 else v
        a = np.exp(h @ model.A.W.numpy() + model.A.b.numpy())
        a /= a.sum()
        tape = tape.copy()
        tape[0] = v
        tape = sum(w * np.roll(tape, m, 0) for w, m in zip(a, (0, -1, 1, -jump, jump), strict=True))
        ys.append(h @ model.readout.W.numpy() + model.readout.b.numpy())
    return np.array(ys)


@pytest.mark.parametrize(("length", "f"), [("counted", "tanh"), ("given", "relu")])
def test_against_the_moves_of_the_code(length: Any, f: Any, rotational: Any) -> None:
    model = rotational(TapeRNN(3, 5, 2, cells=6, cell_size=2, writer=4, jump=length, activation=f, start="glorot", dtype="float64"))
    xs = np.random.default_rng(2).standard_normal((9, 2, 3))
    xs[4:, 0] = xs[6:, 1, :-1] = 0
    jumps = [2, 4] if length == "given" else [0, 0]
    run = mg.jit(lambda model, xs: model(xs, model.initial_state(xs.shape[1], mg.tensor(jumps))))
    ys = run(model, xs).numpy()
    for b in range(2):
        np.testing.assert_allclose(ys[:, b], transcription(model, xs[:, b], jumps[b]), rtol=1e-10, atol=1e-10)


def test_the_length_of_the_input_is_counted_up_to_its_end() -> None:
    xs = np.ones((6, 2, 3), "float32")
    xs[4:, 0, :-1] = 0
    state = TapeRNN(3, 5, 2).run(xs)[1]
    assert state.jump.numpy().tolist() == [4, 6]


def test_a_trained_model_takes_a_longer_tape() -> None:
    """No weight depends on the cells. Until the head has come round, neither does an output."""
    model = TapeRNN(3, 5, 2, cells=9, jump="given")
    xs = np.random.default_rng(0).standard_normal((4, 1, 3), dtype="float32")
    ys = model(xs).numpy()
    model.cells = 20
    np.testing.assert_allclose(model(xs).numpy(), ys, rtol=1e-6, atol=1e-6)
