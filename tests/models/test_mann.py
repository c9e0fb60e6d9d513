"""The MANN against a plain NumPy transcription of the paper's equations, and the facts of least recently used access."""

from __future__ import annotations

import numpy as np
import pytest
from minigrad.models import MANN, NTM
from minigrad.models.mann import least_used

import minigrad as mg


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()


def transcription(model, xs):
    """One sequence (T, inputs) through Santoro et al. 2016, §3.2, slot by slot."""
    c, (N, W), R, H = model.controller, model.memory, model.head_count, model.controller.hidden
    M, r, usage, w_r = np.full((N, W), 1e-6), np.zeros((R, W)), np.zeros(N), np.tile(np.eye(N)[0], (R, 1))
    h, cell, ys = np.zeros(H), np.zeros(H), []
    for x in xs:
        if hasattr(c, "W_r"):
            h = np.tanh(x @ c.W_x.numpy() + r.ravel() @ c.W_r.numpy() + c.b.numpy())
        else:
            i, f, g, o = np.split(x @ c.W_x.numpy() + np.concatenate([r.ravel(), h]) @ c.W_h.numpy() + c.b.numpy(), 4)
            cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(cell)
        p = (h @ model.heads.W.numpy() + model.heads.b.numpy()).reshape(R, -1)
        k, alpha = np.tanh(p[:, :W]), p[:, W]
        beta = 1 + np.log1p(np.exp(p[:, W + 1])) if model.strength else np.ones(R)
        a = np.tanh(p[:, -W:]) if model.content == "add" else k
        free = sorted(range(N), key=lambda n: (usage[n], n))[:R]
        w_w = np.array([sigmoid(alpha[j]) * w_r[j] + (1 - sigmoid(alpha[j])) * np.eye(N)[free[j]] for j in range(R)])
        old = M.copy()
        M = M.copy()
        M[free[0]] = 0
        for n in range(N):
            for j in range(R):
                M[n] = M[n] + w_w[j, n] * a[j]
        source = M if model.order == "after" else old
        for j in range(R):
            K = [k[j] @ source[n] / np.sqrt((k[j] @ k[j]) * (source[n] @ source[n]) + 1e-8) for n in range(N)]
            w_r[j] = softmax(beta[j] * np.array(K))
        r = np.array([sum(w[n] * source[n] for n in range(N)) for w in w_r])
        usage = model.decay * usage + w_r.sum(0) + w_w.sum(0)
        ys.append(np.concatenate([h, r.ravel()]) @ model.readout.W.numpy() + model.readout.b.numpy())
    return np.array(ys), (M, r, w_r, usage)


CASES = {
    "paper": {},
    "one head": {"heads": 1, "decay": 0.95},
    "feed-forward, add, strength": {"controller": "ff", "content": "add", "strength": True},
    "read before": {"read": "before", "heads": 3},
}


@pytest.mark.parametrize("case", CASES)
def test_against_the_equations(case, rotational):
    model = rotational(MANN(3, 2, **{"hidden": 5, "memory": (6, 4), "heads": 2, "dtype": "float64", **CASES[case]}), gain=1.5)
    xs = np.random.default_rng(2).standard_normal((12, 2, 3))
    ys, last = model.run(xs)
    for b in range(2):
        expected, (M, r, w_read, usage) = transcription(model, xs[:, b])
        np.testing.assert_allclose(ys.numpy()[:, b], expected, rtol=1e-10, atol=1e-10)
        for found, value in ((last.M, M), (last.r, r), (last.w_read, w_read), (last.usage, usage)):
            np.testing.assert_allclose(found.numpy()[b], value, rtol=1e-10, atol=1e-10)


def test_least_used_takes_the_lowest_index_among_equals():
    usage = mg.tensor(np.array([[0.5, 0.1, 0.1, 0.9], [0.0, 0.0, 0.0, 0.0], [3.0, 2.0, 1.0, 0.0]]))
    assert least_used(usage, 2).numpy().argmax(-1).tolist() == [[1, 2], [0, 1], [3, 2]]
    np.testing.assert_array_equal(least_used(usage, 3).numpy().sum(-1), 1)


def test_first_writes_go_to_fresh_slots():
    """Usage spreads the writes: with the gate shut to the last read, step t writes slot t and leaves the others' rows alone."""
    model = MANN(3, 2, hidden=5, memory=(6, 4), heads=1, dtype="float64")
    b = model.heads.b.numpy().copy()
    b[4] = -50.0  # α: write where least used
    model.heads.b = mg.parameter(b)
    xs = np.random.default_rng(0).standard_normal((6, 1, 3))
    state = model.initial_state(1)
    for t, x in enumerate(xs):
        before = state.M.numpy()[0]
        state, _ = model.step(state, mg.tensor(x))
        changed = np.flatnonzero(np.abs(state.M.numpy()[0] - before).max(-1) > 1e-4)
        assert changed.tolist() == [t]


def test_usage_carries_no_gradient_and_the_last_read_does():
    model = MANN(3, 2, hidden=5, memory=(6, 4), heads=1, dtype="float64")
    state, x = model.initial_state(1), mg.tensor(np.ones((1, 3)))

    def loss(usage, w_read):
        return mg.sum(model.step(state._replace(usage=usage, w_read=w_read), x)[1])

    d_usage, d_read = mg.grad(loss, (0, 1))(mg.tensor(np.arange(6.0)[None]), state.w_read)
    assert np.abs(d_usage.numpy()).max() == 0
    assert np.abs(d_read.numpy()).max() > 1e-4


def test_one_perfect_match_gets_two_percent_without_strength():
    """Of 128 orthogonal rows: e / (e + 127) = 2.1 %; that is why β is offered."""
    from minigrad.models.addressing import similarity

    M = mg.tensor(np.eye(128)[None])
    w = mg.softmax(similarity(M[:, :1], M)).numpy()[0, 0]
    assert w[0] == pytest.approx(np.e / (np.e + 127), rel=1e-6)


def test_same_network_with_ntm_addressing_and_errors():
    xs = np.zeros((2, 1, 3), "float32")
    assert NTM(3, 2, hidden=5, memory=(6, 4), read_heads=4, write_heads=1)(xs).shape == (2, 1, 2)
    with pytest.raises(ValueError, match="heads=7, but the memory has only 6 slots"):
        MANN(3, 2, memory=(6, 4), heads=7)
    from minigrad.module import count

    assert count(MANN(405, 5)) == 800 * (405 + 160 + 200 + 1) + 201 * 4 * 41 + 361 * 5 == 647_569
