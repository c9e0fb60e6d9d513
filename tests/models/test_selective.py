"""The selective state-space model S6 against a plain NumPy transcription, and what its paper says of its discretisations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minigrad.models import S6
from minigrad.models.selective import discretised

import minigrad as mg

XS = np.random.default_rng(6).standard_normal((7, 2, 3))
OPTIONS = [
    {},
    {"discretisation": "exact"},
    {"negative_eigenvalues": True, "expand": 1, "h_0": "learned"},
    {"output_gate": False, "skip": False, "hidden": 18},
    {"convolution": True, "output_gate": False},
]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def close(a, b, tolerance=1e-12):
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=tolerance, atol=tolerance)


def transcription(model, xs):
    """One sequence through Algorithm 2 and the block of Mamba, channel by channel."""
    p = {name: leaf.numpy() for name, leaf in vars(model).items() if isinstance(leaf, mg.Tensor)}
    A = -np.exp(p["A_log"])
    channels, states = A.shape
    h, ys, us = p.get("h_0", np.zeros(A.shape)).copy(), [], xs @ p["W_u"]
    if model.convolution is not None:
        padded, taps = np.concatenate([np.zeros((3, channels)), us]), model.convolution.W.numpy()
        us = sum(taps[a] * padded[a : a + len(xs)] for a in range(4)) + model.convolution.b.numpy()
        us = us * sigmoid(us)
    for x, u in zip(xs, us, strict=True):
        delta = np.log1p(np.exp(u @ p["W_1"] @ p["W_2"] + p["b"]))
        B, C = np.split(u @ p["W_BC"], 2)
        y = np.zeros(channels)
        for d in range(channels):
            for n in range(states):
                a = np.exp(delta[d] * A[d, n])
                b = delta[d] * B[n] if model.discretisation == "code" else (a - 1) / A[d, n] * B[n]
                h[d, n] = (2 * a - 1 if model.negative else a) * h[d, n] + b * u[d]
            y[d] = C @ h[d] + (u[d] * p["D"][d] if "D" in p else 0)
        if "W_z" in p:
            z = x @ p["W_z"]
            y = y * z * sigmoid(z)
        ys.append(y @ p["W_y"] @ model.readout.W.numpy() + model.readout.b.numpy())
    return np.array(ys)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_against_the_equations(options, rotational):
    model = rotational(S6(3, outputs=2, **{"hidden": 4, "states": 3, "dtype": "float64", **options}))
    close(model(XS), np.stack([transcription(model, XS[:, b]) for b in range(2)], 1), 1e-10)


def test_with_one_state_it_is_a_gated_recurrence():
    """Theorem 1: N = 1, A = −1, B = 1 and Δ = softplus(a) give h_t = (1 − g) h_{t−1} + g x_t, g = σ(a); by Δ B they do not."""
    a, x, one = np.random.default_rng(0).standard_normal((2, 6, 5)), np.random.default_rng(1).standard_normal((6, 5)), np.ones((1, 1))
    for kind, holds in (("exact", True), ("code", False)):
        h = expected = np.zeros(5)
        for t in range(6):
            A, B = (v[0, :, 0].numpy() for v in discretised(mg.softplus(a[:1, t]), -mg.ones((5, 1), "float64"), mg.tensor(one), kind))
            h, gate = A * h + B * x[t], sigmoid(a[0, t])
            expected = (1 - gate) * expected + gate * x[t]
        assert np.allclose(h, expected, rtol=1e-13, atol=1e-13) == holds


@given(st.floats(0, 3), st.floats(0, 3), st.floats(-20, -0.01))
def test_two_exact_steps_with_one_input_are_one_step_of_their_sum(first, second, a):
    """The equation that is discretised, h' = A h + B x, has one solution, however its time is cut."""
    delta = mg.tensor(np.array([[first], [second], [first + second]]))
    A, B = (v.numpy().ravel() for v in discretised(delta, mg.tensor([[a]], "float64"), mg.ones((3, 1), "float64"), "exact"))
    close([A[1] * A[0], A[1] * B[0] + B[1]], [A[2], B[2]])


def test_published_starts():
    model = S6(3, 40, states=4, dtype="float64")
    delta = np.log1p(np.exp(model.b.numpy()))
    assert model.W_1.shape == (80, 3)
    assert 0.001 <= delta.min() < 0.003
    assert 0.05 < delta.max() <= 0.1
    assert abs(np.log(delta).mean() - np.log(0.01)) < 0.5
    close(-np.exp(model.A_log.numpy()), [[-1, -2, -3, -4]] * 80)
    np.testing.assert_array_equal(model.D.numpy(), 1)
    assert np.abs(model.W_2.numpy()).max() <= 3**-0.5


@pytest.mark.parametrize(("negative", "least", "most"), [(False, 0.2, 0.999), (True, -0.6, 0.998)])
def test_eigenvalues_at_first(negative, least, most):
    """exp(−0.1 · 16) = 0.202 … exp(−0.001) = 0.999, or twice that less 1."""
    model = S6(3, 200, dtype="float64")
    A, _ = discretised(mg.softplus(model.b)[None], -mg.exp(model.A_log), mg.ones((1, 16), "float64"), "code", negative)
    assert least <= A.numpy().min() < least + 0.1
    assert most - 0.01 < A.numpy().max() <= most + 1e-3


@given(st.lists(st.booleans(), min_size=1, max_size=20))
def test_parity_needs_a_negative_eigenvalue(bits):
    """With Δ = 0 for 0 and a large Δ for 1 a state of 1 changes its sign at each 1; without negative eigenvalues it is never below 0."""
    delta = mg.tensor(np.where(bits, 50.0, 0.0))[:, None]
    signs = {n: discretised(delta, -mg.ones((1, 1), "float64"), mg.zeros((1, 1), "float64"), "code", n)[0].numpy() for n in (True, False)}
    assert np.prod(signs[True]) == pytest.approx((-1) ** sum(bits))
    assert np.prod(signs[False]) >= 0
