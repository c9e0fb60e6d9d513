"""DeltaNet: the algebra of the delta rule, against a plain loop over the papers' equations, and in chunks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minigrad.models import DeltaNet
from minigrad.models.block import lookup
from minigrad.models.deltanet import Inputs, delta_rule, in_chunks, inverse

import minigrad as mg

rng = np.random.default_rng(8)
XS = rng.standard_normal((11, 2, 3))


def close(a, b, tolerance=1e-12):
    for x, y in zip(mg.tree.leaves(a), mg.tree.leaves(b), strict=True):
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=tolerance, atol=tolerance)


def orthonormal(n, rng=rng):
    return np.linalg.qr(rng.standard_normal((n, n)))[0]


def units(*shape):
    k = rng.standard_normal(shape)
    return k / np.linalg.norm(k, axis=-1, keepdims=True)


def written(S, pairs, beta=1.0):
    for k, v in pairs:
        S = delta_rule(S, mg.tensor(k), mg.tensor(v), mg.tensor(beta, "float64"))
    return S


@given(seed=st.integers(0, 2**32), n=st.integers(1, 8))
def test_orthonormal_keys_and_strength_one_make_an_exact_dictionary(seed, n):
    """A pair that is written again changes only what its key finds."""
    draw = np.random.default_rng(seed)
    keys, values = orthonormal(n, draw), draw.standard_normal((n, 5))
    S = written(mg.zeros((n, 5), "float64"), zip(keys, values, strict=True))
    close([lookup(S, mg.tensor(k)) for k in keys], list(values), 1e-14)
    values[-1] = draw.standard_normal(5)
    close([lookup(written(S, [(keys[-1], values[-1])]), mg.tensor(k)) for k in keys], list(values), 1e-14)


def test_one_pass_over_random_keys_is_not_least_squares():
    """The mean squared error of what is found, relative to the values: of the delta rule, and of a sum, (n − 1) / d."""
    for n, expected in ((16, (0.583, 15 / 16)), (32, (1.062, 31 / 16))):
        keys, values = units(n, 400, 16), rng.standard_normal((n, 400, 16))
        S, total = mg.zeros((400, 16, 16), "float64"), np.einsum("nbk,nbv->bkv", keys, values)
        S = written(S, zip(keys, values, strict=True), np.ones(400)).numpy()
        found = [((np.einsum("bkv,nbk->nbv", M, keys) - values) ** 2).sum() / (values**2).sum() for M in (S, total)]
        np.testing.assert_allclose(found, expected, atol=0.03)


@given(beta=st.floats(0, 2), seed=st.integers(0, 2**32))
def test_the_transition_has_the_eigenvalues_one_and_one_minus_beta(beta, seed):
    k = orthonormal(4, np.random.default_rng(seed))[0]
    A = written(mg.eye(4, dtype="float64"), [(k, np.zeros(4))], beta).numpy()
    np.testing.assert_allclose(np.sort(np.linalg.eigvalsh(A)), np.sort([1 - beta, 1, 1, 1]), atol=1e-12)


def test_two_reflections_at_60_degrees_are_a_rotation_of_order_three():
    first, second = (np.array([np.cos(a), np.sin(a)]) for a in (0.0, np.pi / 3))
    S = once = written(mg.eye(2, dtype="float64"), [(first, np.zeros(2)), (second, np.zeros(2))], 2.0)
    close(once, np.array([[-0.5, -(0.75**0.5)], [0.75**0.5, -0.5]]), 1e-15)
    for _ in range(2):
        S = written(S, [(first, np.zeros(2)), (second, np.zeros(2))], 2.0)
    close(S, np.eye(2), 1e-15)


def set_by_hand(model, k, v):
    """The model with keys k, values v, and strengths that are 2 for x = 1 and 0 for x = 0. Its query is its first key."""
    model.projections.W = mg.parameter(np.zeros_like(model.projections.W.numpy()))
    model.projections.b = mg.parameter(1e5 * np.concatenate([k[: len(k) // model.product], k, v]))
    model.beta.W, model.beta.b = mg.parameter(np.full((1, model.product), 80.0)), mg.parameter(np.full(model.product, -40.0))
    return model


PLAIN = {"heads": 1, "negative_eigenvalues": True, "S_0": "learned", "convolution": False, "norm": False, "dtype": "float64"}


def test_one_unit_with_negative_eigenvalues_does_parity_exactly():
    model = set_by_hand(DeltaNet(1, 1, **PLAIN), [1.0], [0.0])
    model.S_0 = mg.parameter(np.ones((1, 1, 1)))
    bits = rng.integers(0, 2, (256, 3))
    close(model(bits[..., None]), 1.0 - 2 * (np.cumsum(bits, 0)[..., None] % 2), 1e-9)


def test_two_corrections_a_step_count_modulo_three():
    keys = [1.0, 0.0, 0.5, 0.75**0.5]
    model = set_by_hand(DeltaNet(1, 2, product=2, **PLAIN), keys, [0.0] * 4)
    model.S_0 = mg.parameter(np.eye(2)[None])
    bits = rng.integers(0, 2, (100, 3))
    angle = np.cumsum(bits, 0) % 3 * 2 * np.pi / 3
    close(model(bits[..., None]), np.stack([np.cos(angle), -np.sin(angle)], -1), 1e-9)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def silu(x):
    return x * sigmoid(x)


def transcription(model, xs):
    """One sequence, head by head, from the equations: S ← α S, then S ← S (I − β k kᵀ) + β v kᵀ for each pair, S as (d_v, d_k)."""
    p, n, H, d = model.projections, model.product, model.projections.heads, model.hidden // model.projections.heads
    raw = xs @ p.W.numpy() + p.b.numpy()
    if p.convolution is not None:
        padded, W = np.concatenate([np.zeros((3, raw.shape[1])), raw]), p.convolution.W.numpy()
        raw = np.array([sum(W[a] * padded[t + a] for a in range(4)) for t in range(len(xs))])
    parts = silu(raw).reshape(len(xs), 1 + 2 * n, H, d)
    top = 2 if model.greatest == 2 else 1
    ys = np.zeros((len(xs), H, d))
    for h in range(H):
        S = np.zeros((d, d)) if model.S_0 is None else model.S_0.numpy()[h].T
        for t, x in enumerate(xs):
            if model.decay is not None:
                c = model.decay
                dt = np.log1p(np.exp(x @ c.W.numpy()[:, h] + c.b.numpy()[h]))
                S = np.exp(-np.exp(c.log_A.numpy()[h]) * dt) * S
            beta = top * sigmoid(x @ model.beta.W.numpy() + model.beta.b.numpy()).reshape(n, H)[:, h]
            for j in range(n):
                k, v = parts[t, 1 + j, h], parts[t, 1 + n + j, h]
                k = k / np.sqrt(k @ k + 1e-6)
                S = S @ (np.eye(d) - beta[j] * np.outer(k, k)) + beta[j] * np.outer(v, k)
            q = parts[t, 0, h]
            ys[t, h] = S @ (q / np.sqrt(q @ q + 1e-6))
    if model.output.norm is not None:
        ys = ys / np.sqrt((ys**2).mean(-1, keepdims=True) + 1e-5) * model.output.norm.scale.numpy()
    ys = ys.reshape(len(xs), H * d)
    if model.output.gate is not None:
        ys = ys * silu(xs @ model.output.gate.W.numpy() + model.output.gate.b.numpy())
    return ys @ model.readout.W.numpy() + model.readout.b.numpy()


KINDS = {
    "plain": {"convolution": False, "norm": False},
    "block": {"output_gate": True},
    "gated": {"gated": True, "negative_eigenvalues": True, "norm": False},
    "product": {"product": 3, "gated": True, "S_0": "learned"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_against_the_equations(kind, rotational):
    model = rotational(DeltaNet(3, 6, 2, dtype="float64", **KINDS[kind]))
    ys = model(XS).numpy()
    for b in range(2):
        np.testing.assert_allclose(ys[:, b], transcription(model, XS[:, b]), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("size", [1, 4, 16])
@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("gated", [False, True])
def test_chunks_are_the_delta_rule_step_by_step(size, n, gated):
    """Also with strengths of 2, with decays to almost nothing, and where T is no multiple of the size."""
    T, batch, heads, d = 11, 2, 3, 5
    S = start = mg.tensor(rng.standard_normal((batch, heads, d, d)))
    k, v = ([mg.tensor(f(T, batch, heads, d)) for _ in range(n)] for f in (units, lambda *s: rng.standard_normal(s)))
    beta = [mg.tensor(rng.choice([0.0, 0.7, 2.0], (T, batch, heads))) for _ in range(n)]
    log_alpha = mg.tensor(-(10 ** rng.uniform(-3, 1.5, (T, batch, heads)))) if gated else None
    given = Inputs(mg.tensor(units(T, batch, heads, d)), tuple(k), tuple(v), tuple(beta), log_alpha)
    expected = []
    for t in range(T):
        S = S if log_alpha is None else mg.exp(log_alpha[t])[..., None, None] * S
        for j in range(n):
            S = delta_rule(S, k[j][t], v[j][t], beta[j][t])
        expected.append(lookup(S, given.q[t]))
    close(in_chunks(start, given, size), (S, mg.stack(expected)))


@pytest.mark.parametrize("kind", ["block", "product"])
def test_a_model_in_chunks_is_the_model_step_by_step(kind, rotational):
    """Values, last state, gradients; backward in time; with a mask, a first state, or a checkpoint, which goes step by step."""
    model = rotational(DeltaNet(3, 6, 2, dtype="float64", **KINDS[kind]))
    chunked = mg.tree.map(lambda leaf: leaf, model)
    chunked.chunk = 4
    mask = np.arange(11)[:, None] < [11, 6]
    state = model.run(XS[:3])[1]
    for how in ({}, {"reverse": True}, {"state": state}, {"checkpoint": 3}):
        close(chunked.run(XS, **how), model.run(XS, **how))
    (ys, last), (expected, end) = chunked.run(XS, mask=mask), model.run(XS, mask=mask)
    close((ys.numpy()[mask], last), (expected.numpy()[mask], end))
    loss = mg.value_and_grad(lambda m, xs: mg.sum(mg.tanh(m(xs)[2:]) ** 2), (0, 1))
    close(mg.tree.leaves(loss(chunked, XS)), mg.tree.leaves(loss(model, XS)), 1e-10)


@given(seed=st.integers(0, 2**32), n=st.integers(1, 20), beta=st.sampled_from([0.5, 1.0, 2.0]))
def test_the_inverse_of_a_triangle(seed, n, beta):
    """Also for keys that are all the same, where a series of powers would lose ten digits."""
    draw = np.random.default_rng(seed)
    k = np.ones((n, 1)) if seed % 2 else np.linalg.qr(draw.standard_normal((n, n)))[0]
    L = np.tril(beta * (k @ k.T) + (0 if seed % 2 else 0.3 * draw.standard_normal((n, n))), -1)
    found = inverse(mg.tensor(L[None])).numpy()[0]
    close(found @ (np.eye(n) + L), np.eye(n))


def test_the_gate_starts_between_hardly_and_much():
    decay = DeltaNet(3, 600, heads=300, gated=True).decay
    A, step = np.exp(decay.log_A.numpy()), np.log1p(np.exp(decay.b.numpy()))
    assert 0 < A.min() < 1 < 15 < A.max() <= 16
    assert 0.00099 < step.min() < 0.002 < 0.05 < step.max() < 0.101
