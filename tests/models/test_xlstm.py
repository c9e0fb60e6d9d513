"""sLSTM and mLSTM against plain NumPy transcriptions without a stabiliser, and the identities between their forms."""

from __future__ import annotations

import numpy as np
import pytest
from minigrad.models import MLSTM, SLSTM
from minigrad.models.xlstm import mlstm_cell, mlstm_steps

import minigrad as mg

rng = np.random.default_rng(3)
XS = rng.standard_normal((7, 2, 3))
REAL = np.array([[1, 1, 1, 0, 1, 1, 0], [1, 1, 1, 1, 0, 0, 0]], bool).T
OPTIONS = [{}, {"forget": "exp"}, {"norm": False, "convolution": True}]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def normed(h, scale):
    return h if scale is None else scale.numpy() * (h - h.mean(-1, keepdims=True)) / np.sqrt(h.var(-1, keepdims=True) + 1e-5)


def close(a, b, tolerance=1e-12):
    for x, y in zip(mg.tree.leaves(a), mg.tree.leaves(b), strict=True):
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=tolerance, atol=tolerance)


def convolved(model, xs):
    if model.convolution is None:
        return xs
    padded, W = np.concatenate([np.zeros((3, xs.shape[1])), xs]), model.convolution.W.numpy()
    a = sum(W[j] * padded[j : j + len(xs)] for j in range(4)) + model.convolution.b.numpy()
    return a * sigmoid(a)


def slstm(model, xs):
    """One sequence through the paper's equations, head by head, with exponentials as they are."""
    W, R, b, heads = model.W_x.numpy(), model.R.numpy(), model.b.numpy(), model.heads
    h, c, n, ys = np.zeros((heads, R.shape[1])), 0.0, 0.0, []
    half = W.shape[1] // 2
    for x, seen in zip(xs, convolved(model, xs), strict=True):
        from_x = (np.concatenate([seen @ W[:, :half], x @ W[:, half:]]) + b).reshape(4, heads, -1)
        from_h = np.stack([(h[j] @ R[j]).reshape(4, -1) for j in range(heads)], 1)
        i, f, z, o = from_x + from_h
        f = np.exp(f) if model.forget == "exp" else sigmoid(f)
        c, n = f * c + np.exp(i) * np.tanh(z), f * n + np.exp(i)
        h = sigmoid(o) * c / n
        ys.append(normed(h, model.scale).ravel() @ model.readout.W.numpy() + model.readout.b.numpy())
    return np.array(ys)


def mlstm(model, xs):
    """One sequence through the paper's equations, head by head, with exponentials as they are."""
    heads, ys = model.heads, []
    d = model.hidden // heads
    C, n, W = np.zeros((heads, d, d)), np.zeros((heads, d)), model.W.numpy()
    for x, seen in zip(xs, convolved(model, xs), strict=True):
        projected = np.concatenate([seen @ W[:, : -heads * d], x @ W[:, -heads * d :]]) + model.b.numpy()
        (q, k, v), (i, f) = projected.reshape(3, heads, d), (projected @ model.W_g.numpy() + model.b_g.numpy()).reshape(2, heads)
        f, h = np.exp(f) if model.forget == "exp" else sigmoid(f), np.zeros((heads, d))
        for j in range(heads):
            C[j] = f[j] * C[j] + np.exp(i[j]) * np.outer(k[j] / np.sqrt(d), v[j])
            n[j] = f[j] * n[j] + np.exp(i[j]) * k[j] / np.sqrt(d)
            h[j] = C[j].T @ q[j] / max(abs(n[j] @ q[j]), 1)
        h = normed(h, model.scale).ravel()
        if model.output_gate != "none":
            o = x @ model.W_o.numpy() + model.b_o.numpy()
            h = h * sigmoid(o) * (o if model.output_gate == "silu" else 1)
        ys.append(h @ model.readout.W.numpy() + model.readout.b.numpy())
    return np.array(ys)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_slstm_against_the_equations(options, rotational):
    model = rotational(SLSTM(3, 6, 2, heads=2, dtype="float64", **options))
    close(model(XS), np.stack([slstm(model, XS[:, b]) for b in range(2)], 1), 1e-10)


@pytest.mark.parametrize("options", [*OPTIONS, {"output_gate": "silu"}, {"output_gate": "none"}], ids=str)
def test_mlstm_against_the_equations(options, rotational):
    model = rotational(MLSTM(3, 6, 2, heads=2, dtype="float64", **options))
    close(model(XS), np.stack([mlstm(model, XS[:, b]) for b in range(2)], 1), 1e-10)


def test_the_first_output_of_an_slstm_is_o_times_z(rotational):
    """The first step is the stabiliser's: i' = 1 and f' = 0, whatever the gates."""
    model = rotational(SLSTM(3, 6, heads=2, norm=False, dtype="float64"))
    state, y = model.step(model.initial_state(2), mg.tensor(XS[0]))
    _, _, z, o = np.split(XS[0] @ model.W_x.numpy() + model.b.numpy(), 4, 1)
    close(y, sigmoid(o) * np.tanh(z))
    close(state.n, np.ones((2, 2, 3)), 0)


@pytest.mark.parametrize("model", [SLSTM(3, 6, heads=2, start="uniform", dtype="float64"), MLSTM(3, 6, heads=2, dtype="float64")])
def test_the_stabiliser_cancels(model):
    """A state that is smaller by e^−s, with s added to m, gives the same outputs."""
    _, state = model.run(XS[:3])
    scaled = {name: getattr(state, name) * np.exp(-2.5) for name in ("c", "C", "n") if hasattr(state, name)}
    close(model(XS[3:], state._replace(**scaled, m=state.m + 2.5)), model(XS[3:], state))


@pytest.mark.parametrize("at", [-300.0, 0.0, 300.0])
@pytest.mark.parametrize("make", [SLSTM, MLSTM])
def test_gates_of_any_size_neither_overflow_nor_divide_by_zero(make, at):
    """Also where exp is 0 or ∞ in float32."""
    model = make(3, 6, 2, heads=2, forget="exp")
    xs = (XS + at).astype("float32")
    ys, grads = model(xs), mg.grad(lambda m: mg.sum(m(xs) ** 2))(model)
    assert all(np.isfinite(v.numpy()).all() for v in (ys, *mg.tree.leaves(grads)))
    gate = make(3, 6, heads=2)
    b = "b" if make is SLSTM else "b_g"
    setattr(gate, b, getattr(gate, b) + np.float32(at))
    found = mg.tree.leaves([gate(xs - np.float32(at)), mg.grad(lambda m: mg.sum(m(xs - np.float32(at)) ** 2))(gate)])
    assert all(np.isfinite(v.numpy()).all() for v in found)


def test_the_gates_of_a_head_of_an_slstm_see_h_of_that_head_alone(rotational):
    model = rotational(SLSTM(3, 6, heads=2, norm=False, dtype="float64"))
    _, state = model.run(XS[:3])
    _, other = model.step(state._replace(h=mg.concat([state.h[:, :3], state.h[:, 3:] + 1], 1)), mg.tensor(XS[3]))
    _, y = model.step(state, mg.tensor(XS[3]))
    close(other[:, :3], y[:, :3], 0)
    assert (np.abs(other.numpy() - y.numpy())[:, 3:] > 1e-6).all()


def test_published_starts():
    model = SLSTM(40, 8, heads=2, dtype="float64")
    assert not model.R.numpy().any()
    i, f, z, o = model.b.numpy().reshape(4, 2, 4)
    np.testing.assert_allclose(f, [5 - 12 * np.array([0, 1 / 3, 2 / 3, 1]) ** 0.3] * 2)
    assert not np.concatenate([i, z, o]).any()
    np.testing.assert_allclose(SLSTM(3, 8, heads=2, b_f="high").b.numpy().reshape(4, 2, 4)[1], [[3, 4, 5, 6]] * 2)
    assert 0 < np.abs(SLSTM(3, 9, heads=3, start="uniform").R.numpy()).max() <= 1 / 3
    model = MLSTM(40, 90, heads=3, dtype="float64")
    assert not model.W_g.numpy().any()
    np.testing.assert_array_equal(model.b_g.numpy()[3:], [3, 4.5, 6])
    assert model.W.numpy().std() == pytest.approx(np.sqrt(2 / (5 * 40)), rel=0.05)


# ---- many steps at once


@pytest.mark.parametrize("chunk", [3, 7, 20])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_an_mlstm_in_chunks_is_the_recurrent_one(options, chunk, rotational):
    """Values, states and gradients, also from a state, backward in time, and where steps are masked."""
    model = rotational(MLSTM(3, 6, 2, heads=2, dtype="float64", **options))

    def parts(chunk):
        model.chunk = chunk
        ys, state = model.run(XS[:2])
        reverse, last = model.run(XS, mask=REAL, reverse=True)
        return ys, model.run(XS[2:], state), reverse.numpy()[REAL], last

    def grads(chunk):
        model.chunk = chunk
        return mg.grad(lambda model, xs: mg.sum(mg.tanh(model(xs))), (0, 1))(model, XS)

    close(parts(chunk), parts(0))
    close(grads(chunk), grads(0))


def test_without_gates_an_mlstm_is_linear_attention():
    """i = f = 1: h̃ = tril(Q Kᵀ) V, divided by what is in the same way the sum of its weights, or by 1."""
    q, k, v = rng.standard_normal((3, 6, 2, 1, 4))
    zero = np.zeros((6, 2, 1))
    state = MLSTM(3, 4, heads=1, dtype="float64").initial_state(2)
    _, h = mlstm_steps(state, *map(mg.tensor, (q, k, v, zero, zero)))
    for b in range(2):
        weights = np.tril(q[:, b, 0] @ k[:, b, 0].T)
        close(h[:, b, 0], weights @ v[:, b, 0] / np.maximum(np.abs(weights.sum(1)), 1)[:, None])
    for t in range(6):
        state, found = mlstm_cell(state, *(mg.tensor(a[t]) for a in (q, k, v, zero, zero)))
        close(found, h[t])


def test_errors_name_the_sizes():
    for make in (SLSTM, MLSTM):
        with pytest.raises(ValueError, match=f"{make.__name__}: hidden=6 is no multiple of heads=4"):
            make(3, 6)
