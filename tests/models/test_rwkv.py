"""RWKV-7 against a plain loop over the paper's equations, and against the delta rule."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from minigrad.models import RWKV7
from minigrad.models.deltanet import delta_rule
from minigrad.models.rwkv import update

import minigrad as mg

rng = np.random.default_rng(9)
LOWEST = np.exp(-np.exp(-0.5))  # decay


def close(a, b, tolerance=1e-12):
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=tolerance, atol=tolerance)


def unit(x):
    return x / np.sqrt((x * x).sum(-1, keepdims=True) + 1e-6)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_without_decay_it_is_the_delta_rule():
    S, k, v = (rng.standard_normal(shape) for shape in ((5, 4, 3), (5, 4), (5, 3)))
    k, one = k / np.linalg.norm(k, axis=-1, keepdims=True), np.ones((5, 4))
    found = update(*map(mg.tensor, (S, one, k, one, k, v)))
    close(found, delta_rule(*map(mg.tensor, (S, k, v, np.ones(5)))))


@given(seed=st.integers(0, 2**32))
def test_eigenvalues_of_the_transition_are_above_minus_0_455(seed):
    """The lowest is that of the strongest decay where all that is found is removed: one turn over loses more than half."""
    draw = np.random.default_rng(seed)
    w, a, kappa = draw.uniform(LOWEST, 1, 4), draw.random(4), draw.standard_normal(4)
    kappa = kappa / np.linalg.norm(kappa)
    zero, eye = np.zeros((1, 4)), np.eye(4)[None]
    for decay, rate in ((w, a), (np.full(4, LOWEST), np.ones(4))):
        A = update(*map(mg.tensor, (eye, decay[None], kappa[None], rate[None], zero, zero))).numpy()[0]
        values = np.linalg.eigvals(A)
        assert values.real.min() > LOWEST - 1 - 1e-12
        assert np.abs(values).max() < 1 + 1e-12
    np.testing.assert_allclose(values.real.min(), LOWEST - 1)


def transcription(m, xs):
    """One sequence, with S as in the paper, (d_v, d_k)."""
    H, d = m.heads, m.hidden // m.heads
    p = {name: getattr(m, name).numpy() for name in ("k_k", "k_a", "r_k", "scale", "shift")}
    S, last, ys = np.zeros((H, d, d)), np.zeros(m.hidden), []
    for x in xs:
        e = x @ m.embed.W.numpy() + m.embed.b.numpy()
        e = (e - e.mean()) / np.sqrt(e.var() + 1e-5) * m.norm.scale.numpy() + m.norm.shift.numpy()
        x_r, x_w, x_k, x_v, x_a, x_g = (e + (last - e) * mu.numpy() for mu in (m.mu_r, m.mu_w, m.mu_k, m.mu_v, m.mu_a, m.mu_g))
        last = e
        r, k, v = x_r @ m.W_r.numpy(), x_k @ m.W_k.numpy(), x_v @ m.W_v.numpy()

        def low_rank(part, z, f):
            return f(z @ part.A.numpy()) @ part.B.numpy() + part.b.numpy()

        w = np.exp(-np.exp(-0.5) * sigmoid(low_rank(m.w, x_w, np.tanh)))
        a, g = sigmoid(low_rank(m.a, x_a, lambda z: z)), low_rank(m.g, x_g, sigmoid)
        kappa, k = k * p["k_k"], k * (1 + (a - 1) * p["k_a"])
        out = np.zeros((H, d))
        for h in range(H):
            at = slice(h * d, (h + 1) * d)
            kh = unit(kappa[at])
            S[h] = S[h] @ (np.diag(w[at]) - np.outer(kh, a[at] * kh)) + np.outer(v[at], k[at])
            y = S[h] @ r[at]
            y = (y - y.mean()) / np.sqrt(y.var() + 64e-5) * p["scale"][h] + p["shift"][h]
            out[h] = y + (r[at] * p["r_k"][h] * k[at]).sum() * v[at]
        ys.append((out.reshape(-1) * g) @ m.readout.W.numpy() + m.readout.b.numpy())
    return np.array(ys)


def test_against_the_equations(rotational):
    model = rotational(RWKV7(3, 6, 2, dtype="float64"))
    xs = rng.standard_normal((8, 2, 3))
    ys = model(xs).numpy()
    for b in range(2):
        close(ys[:, b], transcription(model, xs[:, b]), 1e-10)


def test_decays_start_between_0_0015_and_0_15_a_step():
    w = np.exp(-np.exp(-0.5) * sigmoid(RWKV7(3, 64).w.b.numpy()))
    np.testing.assert_allclose([w.max(), w.min()], [0.9985, 0.85], atol=1e-3)
