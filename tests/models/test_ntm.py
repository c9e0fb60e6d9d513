"""The NTM against a plain NumPy transcription of the paper's equations, and what its addressing must keep true."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from minigrad.models import NTM
from minigrad.models.addressing import address, content, interpolate, sharpen, shift, similarity, write

import minigrad as mg


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softplus(x):
    return np.log1p(np.exp(x))


def softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()


def weighting(p, M, previous, shifts):
    """Graves et al. 2014, §3.3, one head of one sequence, slot by slot."""
    N, W = M.shape
    k, beta, g = np.tanh(p[:W]), softplus(p[W]), sigmoid(p[W + 1])
    s, gamma = softmax(p[W + 2 : W + 2 + shifts]), 1 + softplus(p[W + 2 + shifts])
    K = np.array([k @ M[i] / np.sqrt((k @ k) * (M[i] @ M[i]) + 1e-8) for i in range(N)])
    w_c = softmax(beta * K)
    w_g = g * w_c + (1 - g) * previous
    reach = shifts // 2
    w_s = np.array(
        [sum(w_g[j] * s[d + reach] for j in range(N) for d in range(-reach, reach + 1) if (i - j - d) % N == 0) for i in range(N)]
    )
    return w_s**gamma / (w_s**gamma).sum()


def controlled(c, x, r, state):
    """h of a controller; state, the (h, c) of each layer, is moved on in place."""
    hs = []
    for layer, (h, cell) in zip(getattr(c, "layers", [c]), state, strict=True):
        z = np.concatenate([x, *hs[-1:]]) @ layer.W_x.numpy() + layer.b.numpy()
        if hasattr(layer, "W_r"):
            h = np.tanh(z + r @ layer.W_r.numpy())
        else:
            i, f, g, o = np.split(z + np.concatenate([r, h]) @ layer.W_h.numpy(), 4)
            cell[:] = sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
            h[:] = sigmoid(o) * np.tanh(cell)
        hs.append(h.copy())
    return np.concatenate(hs)


def transcription(model, xs):
    """One sequence (T, inputs) through the equations; the trace of everything."""
    c, (N, W), R, Wr = model.controller, model.memory, model.read_heads, model.write_heads
    A = W + 3 + model.shifts
    first = model.initial_state(1)
    M, r = first.M.numpy()[0].copy(), first.r.numpy()[0].copy()
    w_r, w_w = first.w_read.numpy()[0], first.w_write.numpy()[0]
    state = [np.zeros((2, layer.hidden)) for layer in getattr(c, "layers", [c])]
    ys = []
    for x in xs:
        h = controlled(c, x, r.ravel(), state)
        p = np.clip(h @ model.heads.W.numpy() + model.heads.b.numpy(), -20, 20)
        reads, writes = p[: R * A].reshape(R, A), p[R * A :].reshape(Wr, A + 2 * W)
        old = M.copy()
        w_w = np.array([weighting(q[:A], old, w, model.shifts) for q, w in zip(writes, w_w, strict=True)])
        for q, w in zip(writes, w_w, strict=True):
            M = M * (1 - np.outer(w, sigmoid(q[A : A + W])))
        for q, w in zip(writes, w_w, strict=True):
            M = M + np.outer(w, np.tanh(q[A + W :]))
        source = M if model.order == "after" else old
        w_r = np.array([weighting(q, source, w, model.shifts) for q, w in zip(reads, w_r, strict=True)])
        r = np.array([sum(w[i] * source[i] for i in range(N)) for w in w_r])
        ys.append(np.concatenate([h, r.ravel()]) @ model.readout.W.numpy() + model.readout.b.numpy())
    return np.array(ys), (M, r, w_r, w_w)


CASES = {
    "paper": {"w_0": "learned"},
    "feed-forward": {"controller": "feedforward", "M_0": "random", "w_0": "uniform"},
    "many heads": {"read_heads": 3, "write_heads": 2, "shift": 2, "M_0": "learned"},
    "several layers": {"layers": 2, "read_heads": 2},
    "several feed-forward layers": {"controller": "ff", "layers": 3, "write_heads": 2},
    "read before": {"read_heads": 2, "read": "before", "r_0": "zeros"},
}


@pytest.mark.parametrize("case", CASES)
def test_against_the_equations(case, rotational):
    model = rotational(NTM(3, 2, hidden=5, memory=(6, 4), dtype="float64", **CASES[case]), gain=1.5)
    xs = np.random.default_rng(2).standard_normal((9, 2, 3))
    ys, last = model.run(xs)
    for b in range(2):
        expected, (M, r, w_read, w_write) = transcription(model, xs[:, b])
        np.testing.assert_allclose(ys.numpy()[:, b], expected, rtol=1e-10, atol=1e-10)
        for found, value in ((last.M, M), (last.r, r), (last.w_read, w_read), (last.w_write, w_write)):
            np.testing.assert_allclose(found.numpy()[b], value, rtol=1e-10, atol=1e-10)


# ---- addressing


def drawn(seed, heads=2, slots=7, width=4, batch=2):
    rng = np.random.default_rng(seed)
    w = rng.dirichlet(np.full(slots, 0.3), (batch, heads))
    return rng, w, rng.standard_normal((batch, slots, width)), rng.standard_normal((batch, heads, width))


def is_weighting(w):
    w = np.asarray(w)
    assert (w >= 0).all()
    np.testing.assert_allclose(w.sum(-1), 1, atol=1e-12)


seeds = given(seed=st.integers(0, 2**32 - 1))
few = settings(max_examples=20, deadline=None)


@seeds
@few
def test_every_stage_is_a_weighting(seed):
    rng, w, M, k = drawn(seed)
    g, gamma = rng.random((2, 2, 1)), 1 + 30 * rng.random((2, 2, 1))
    found = content(mg.tensor(k), mg.tensor(50 * g), mg.tensor(M))
    is_weighting(found)
    found = interpolate(mg.tensor(g), found, mg.tensor(w))
    is_weighting(found)
    found = shift(found, mg.tensor(rng.dirichlet(np.ones(5), (2, 2))))
    is_weighting(found)
    is_weighting(sharpen(found, mg.tensor(gamma)))
    is_weighting(address(mg.tensor(10 * rng.standard_normal((2, 2, 4 + 3 + 3))), mg.tensor(M), mg.tensor(w), 3))


@seeds
@few
def test_content_addressing(seed):
    rng, _w, M, k = drawn(seed)
    k, M = mg.tensor(k), mg.tensor(M)
    np.testing.assert_allclose(content(k, mg.zeros((2, 2, 1), "float64"), M).numpy(), 1 / 7)  # β = 0
    order = rng.permutation(7)
    beta = mg.tensor(10 * rng.random((2, 2, 1)))
    np.testing.assert_allclose(content(k, beta, M[:, order]).numpy(), content(k, beta, M).numpy()[..., order], atol=1e-14)
    cos = similarity(k, M).numpy()
    assert (np.abs(cos) <= 1).all()
    np.testing.assert_allclose(similarity(5 * k, M).numpy(), cos, atol=1e-6)  # length does not matter: no |x||x|


@seeds
@few
def test_interpolation_shift_and_sharpening(seed):
    _rng, w, _M, k = drawn(seed)
    t, one, zero = mg.tensor(w), np.ones((2, 2, 1)), np.zeros((2, 2, 1))
    other = mg.softmax(mg.tensor(np.concatenate([k, k], -1)[..., :7]))
    np.testing.assert_array_equal(interpolate(zero, other, t).numpy(), w)  # g = 0 keeps the previous
    np.testing.assert_array_equal(interpolate(one, other, t).numpy(), other.numpy())
    for d in (-2, -1, 0, 1, 2):
        s = np.broadcast_to(np.eye(5)[d + 2], (2, 2, 5)).copy()
        np.testing.assert_array_equal(shift(t, mg.tensor(s)).numpy(), np.roll(w, d, -1))
    np.testing.assert_allclose(sharpen(t, mg.tensor(one)).numpy(), w, atol=1e-14)  # γ = 1
    sharp = sharpen(t, mg.tensor(one * 200.0)).numpy()
    assert (sharp.argmax(-1) == w.argmax(-1)).all()


@seeds
@few
def test_writing(seed):
    rng, w, M, a = drawn(seed)
    e = rng.random((2, 2, 4))
    t = [mg.tensor(v) for v in (M, w, e, a)]
    np.testing.assert_array_equal(write(t[0], t[1], t[2] * 0, t[3] * 0).numpy(), M)
    erased = write(t[0], t[1], t[2], t[3] * 0).numpy()
    product = M * np.prod(1 - w[..., None] * e[:, :, None], axis=1)
    np.testing.assert_allclose(erased, product, atol=1e-14)  # multiplied over heads, never summed
    np.testing.assert_allclose(write(*t).numpy(), product + np.einsum("bhn,bhw->bnw", w, a), atol=1e-14)


def test_two_heads_erasing_one_slot_never_turn_it_negative():
    w, e = mg.ones((1, 2, 1)), mg.full((1, 2, 1), 0.9)
    assert float(write(mg.ones((1, 1, 1)), w, e, e * 0).item()) == pytest.approx(0.01)  # a sum would give −0.8


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_zeros_and_underflow_are_finite_in_value_and_gradient(dtype):
    M, k = mg.zeros((1, 3, 2), dtype), mg.zeros((1, 1, 2), dtype)
    for arg in (0, 1):
        value, g = mg.value_and_grad(lambda M, k: mg.sum(similarity(k, M) * [1.0, 2.0, 3.0]), arg)(M, k)
        assert float(value) == 0
        assert np.isfinite(g.numpy()).all()
    w, gamma = mg.tensor(np.array([[[1.0, 0.0, 1e-30]]], dtype)), mg.full((1, 1, 1), 40, dtype)
    for arg in (0, 1):
        value, g = mg.value_and_grad(lambda w, gamma: mg.sum(sharpen(w, gamma) * [1.0, 2.0, 3.0]), arg)(w, gamma)
        assert np.isfinite(float(value))
        assert np.isfinite(g.numpy()).all()


@pytest.mark.parametrize("scale", [0.0, 1.0, 1e3])
def test_extreme_inputs_and_weights_stay_finite(scale):
    model = NTM(3, 2, hidden=5, memory=(6, 4))
    model = mg.tree.map(lambda x: x * scale, model)
    value, grads = mg.value_and_grad(lambda m: mg.mean(mg.tanh(m(100 * np.ones((30, 1, 3), "float32")))))(model)
    assert np.isfinite(float(value))
    assert all(np.isfinite(g.numpy()).all() for g in mg.tree.leaves(grads))


# ---- starts


def test_symmetric_start_is_refused():
    with pytest.raises(ValueError, match="symmetric: all slots are alike"):
        NTM(3, 2, w_0="uniform")
    with pytest.raises(ValueError, match="M_0='zero' is unknown: take one of 'constant', 'learned', 'random'"):
        NTM(3, 2, M_0="zero")
    with pytest.raises(ValueError, match="layers=0 must be an integer of at least 1"):
        NTM(3, 2, layers=0)
    for M_0, w_0 in (("learned", "uniform"), ("random", "uniform"), ("constant", "learned"), ("constant", "focused")):
        NTM(3, 2, hidden=4, memory=(5, 3), M_0=M_0, w_0=w_0)


def test_symmetry_would_last():
    """Why it is refused: equal rows and a uniform weighting stay so, whatever the weights."""
    model = NTM(3, 2, hidden=4, memory=(5, 3), dtype="float64", M_0="random", w_0="uniform")
    state = model.initial_state(1)
    state = state._replace(M=mg.full(state.M.shape, 1e-6, "float64"))
    _, last = model.run(np.random.default_rng(0).standard_normal((20, 1, 3)), state)
    assert np.ptp(last.M.numpy(), 1).max() < 1e-15
    assert np.abs(last.M.numpy()).max() > 1e-2


def test_starts_and_their_parameters():
    def names(**kw):
        model = NTM(3, 2, hidden=4, memory=(5, 3), **kw)
        return {p.lstrip(".") for p in mg.tree.paths(mg.tree.flatten(model)[1])} & {"M_0", "w_0", "r_0"}, model.initial_state(2)

    found, state = names(w_0="learned")
    assert found == {"w_0", "r_0"}
    assert (state.M.numpy() == np.float32(1e-6)).all()
    np.testing.assert_allclose(state.w_read.numpy().sum(-1), 1, 1e-6)
    found, state = names(M_0="random", r_0="zeros")
    assert found == set()
    assert (state.w_write.numpy()[..., 0] == 1).all()
    assert np.ptp(state.M.numpy(), 1).min() > 0
    np.testing.assert_array_equal(state.M.numpy(), names(M_0="random")[1].M.numpy())
    assert names(M_0="learned", w_0="learned")[0] == {"M_0", "w_0", "r_0"}


@pytest.mark.parametrize("controller", ["ff", "lstm"])
@pytest.mark.parametrize(("start", "low", "high"), [("location", 0.98, 1), ("weak-location", 0.3, 0.96)])
def test_a_location_bias_writes_slot_after_slot_and_looks_for_what_it_wrote(controller, start, low, high):
    """As it starts: after n steps the write heads are at slot n, with a weak bias less sharply, and the keys are what is added."""
    model = NTM(3, 2, controller, hidden=20, memory=(16, 10), read_heads=2, write_heads=2, start=start, key=3)
    rng = np.random.default_rng(0)
    state = model.initial_state(4)
    for t in range(6):
        state, _ = model.step(state, mg.tensor(rng.standard_normal((4, 3)).astype("float32")))
        assert (state.w_write.numpy().argmax(-1) == t + 1).all()
        assert ((low < state.w_write.numpy().max(-1)) & (state.w_write.numpy().max(-1) < high)).all()
    read, write = model._head_parameters(mg.tensor(rng.standard_normal((4, 20)).astype("float32")))
    np.testing.assert_array_equal(read.numpy()[..., :10], write.numpy()[..., -10:])
    with pytest.raises(ValueError, match="shift=0 allows none: take shift=1"):
        NTM(3, 2, hidden=4, memory=(5, 3), shift=0, start="location")


def test_a_feed_forward_controller_with_a_location_bias_finds_an_input_again():
    """Untrained, shown six vectors and then one of them, its read head goes one slot on from where that was written: then, and just now."""
    xs = np.eye(6, dtype="float32")[:, None]
    model = NTM(6, 2, "ff", hidden=60, memory=(16, 20), start="location", key=1)
    _, state = model.run(xs)
    found = [set(model.step(state, mg.tensor(x))[0].w_read.numpy()[0, 0].argsort()[-2:].tolist()) for x in xs]
    assert found == [{t + 2, 8} for t in range(6)]


@pytest.mark.parametrize(("earlier", "start"), [("tape", "location"), ("loose", "weak-location")])
def test_a_start_has_its_earlier_name_too(earlier, start):
    a, b = (NTM(3, 2, hidden=4, memory=(5, 3), start=name, key=1) for name in (earlier, start))
    assert mg.tree.flatten(a)[1] == mg.tree.flatten(b)[1]
    assert all((x.numpy() == y.numpy()).all() for x, y in zip(mg.tree.leaves(a), mg.tree.leaves(b), strict=True))


def test_parameter_count():
    """62,680 by hand: controller 4·100·(10 + 20 + 100 + 1), heads 101·(26 + 66), readout 121·8, r_0 20; learned w_0 2·128 more."""
    from minigrad.module import count

    assert count(NTM(inputs=10, outputs=8, controller="lstm", hidden=100, memory=(128, 20), key=0)) == 62_680
    assert 62_680 == 400 * 131 + 101 * 92 + 121 * 8 + 20


@pytest.mark.parametrize(("slots", "shift"), [(1, 0), (2, 0), (3, 1), (5, 2)])
def test_the_smallest_memories_work(slots, shift):
    assert NTM(3, 2, hidden=4, memory=(slots, 5), shift=shift)(np.ones((3, 2, 3), "float32")).shape == (3, 2, 2)
