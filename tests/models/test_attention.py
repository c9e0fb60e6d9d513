"""Attention: against PyTorch and a plain transcription, masks, causality, permutations."""

from __future__ import annotations

import numpy as np
import pytest
from minigrad.models import (
    Attention,
    AttentiveLSTM,
    Block,
    Decoder,
    MultiHead,
    Transformer,
    causal,
    from_torch,
    scaled_dot_product,
    sinusoids,
)

import minigrad as mg

rng = np.random.default_rng(4)
TOLERANCE = {"float32": 1e-5, "float64": 1e-10}


def close(a, b, tolerance=1e-10):
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=tolerance, atol=tolerance)


def same_gradients(model, theirs, load, tolerance):
    """The gradient of each of their parameters, put where `load` puts the weights, is that of ours; relative to its greatest number."""
    wanted = load(model, {name: p.grad for name, p in theirs.named_parameters()})
    for path, a, b in zip(mg.tree.paths(mg.tree.flatten(model)[1]), *map(mg.tree.leaves, (model, wanted)), strict=True):
        b = b.numpy()
        np.testing.assert_allclose(a.numpy(), b, rtol=tolerance, atol=tolerance * max(1, np.abs(b).max()), err_msg=path)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("masking", ["none", "causal", "padding"])
def test_multi_head_against_torch(dtype, masking):
    torch = pytest.importorskip("torch")
    T, S, B, E = 4, 4 if masking == "causal" else 5, 3, 6
    theirs = torch.nn.MultiheadAttention(E, 2).to(getattr(torch, dtype))
    for p in theirs.parameters():
        p.data = torch.tensor(rng.normal(0, 0.5, tuple(p.shape)).astype(dtype))
    ours = from_torch(MultiHead(E, 2), theirs.state_dict())
    x, c = rng.standard_normal((T, B, E)).astype(dtype), rng.standard_normal((S, B, E)).astype(dtype)
    real = np.arange(S) < np.array([[S], [3], [1]])
    mask = {"none": None, "causal": causal(T), "padding": real[:, None].repeat(T, 1)}[masking]
    tx, tc = (torch.tensor(v, requires_grad=True) for v in (x, c))
    expected, _ = theirs(
        tx,
        tc,
        tc,
        attn_mask=~torch.tensor(causal(T).numpy()) if masking == "causal" else None,
        key_padding_mask=~torch.tensor(real) if masking == "padding" else None,
    )
    ct = rng.standard_normal((T, B, E)).astype(dtype)
    (expected * torch.tensor(ct)).sum().backward()
    found = ours(mg.tensor(x), mg.tensor(c), mask)
    close(found, expected.detach(), TOLERANCE[dtype])
    grads = mg.grad(lambda *a: mg.sum(a[0](a[1], a[2], mask) * ct), (0, 1, 2))(ours, x, c)
    for mine, theirs_ in ((grads[1], tx.grad), (grads[2], tc.grad)):
        close(mine, theirs_, TOLERANCE[dtype])
    same_gradients(grads[0], theirs, from_torch, TOLERANCE[dtype])
    if masking == "none":
        close(ours(mg.tensor(x)), ours(mg.tensor(x), mg.tensor(x)), TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_block_against_torch(dtype, activation):
    torch = pytest.importorskip("torch")
    T, B, E = 5, 2, 6
    theirs = torch.nn.TransformerEncoderLayer(E, 2, 8, dropout=0.0, activation=activation, norm_first=True).to(getattr(torch, dtype))
    for p in theirs.parameters():
        p.data = torch.tensor(rng.normal(0, 0.5, tuple(p.shape)).astype(dtype))
    ours = from_torch(Block(E, 2, 8, activation), theirs.state_dict())
    x, ct = (rng.standard_normal((T, B, E)).astype(dtype) for _ in range(2))
    tx = torch.tensor(x, requires_grad=True)
    expected = theirs(tx, src_mask=~torch.tensor(causal(T).numpy()))
    (expected * torch.tensor(ct)).sum().backward()
    close(ours(mg.tensor(x), causal(T)), expected.detach(), TOLERANCE[dtype])
    g, dx = mg.grad(lambda m, x: mg.sum(m(x, causal(T)) * ct), (0, 1))(ours, x)
    close(dx, tx.grad, TOLERANCE[dtype])
    same_gradients(g, theirs, from_torch, TOLERANCE[dtype])


@pytest.mark.parametrize("kind", ["bahdanau", "dot", "general", "concat"])
def test_scores_against_the_equations(kind):
    model = Attention(kind, 4, 4, 5, dtype="float64")
    s, h = rng.standard_normal((3, 2, 4)), rng.standard_normal((6, 2, 4))
    mask = np.array([[True] * 6, [True, False] * 3, [False] * 6])
    context, weights = model(mg.tensor(s), mg.tensor(h), mask)
    p = {name: getattr(model.score, name).numpy() for name in "WUv" if getattr(model.score, name) is not None}
    for b in range(2):
        for t in range(3):
            if kind in ("bahdanau", "concat"):
                e = np.array([p["v"] @ np.tanh(s[t, b] @ p["W"] + h[j, b] @ p["U"]) for j in range(6)])
            else:
                e = np.array([(s[t, b] @ p["W"] if kind == "general" else s[t, b]) @ h[j, b] for j in range(6)])
            w = np.exp(e) * mask[t]
            w = w / w.sum() if mask[t].any() else w
            close(weights[b, t], w)
            close(context[t, b], sum(w[j] * h[j, b] for j in range(6)))


def test_a_row_with_nothing_allowed_is_zero_with_zero_gradient():
    q, k, v = (mg.tensor(rng.standard_normal((2, 3, 4))) for _ in range(3))
    mask = np.array([[True] * 3, [False] * 3, [True] * 3])
    out, weights = scaled_dot_product(q, k, v, mask)
    assert not out.numpy()[:, 1].any()
    assert not weights.numpy()[:, 1].any()
    g = mg.grad(lambda q: mg.sum(scaled_dot_product(q, k, v, mask)[0] ** 2))(q).numpy()
    assert np.isfinite(g).all()
    assert not g[:, 1].any()


def test_pairs_permute_and_constants_cancel():
    q, k, v = (mg.tensor(rng.standard_normal((3, 4))) for _ in range(3))
    order = [2, 0, 1]
    close(scaled_dot_product(q, k[order], v[order])[0], scaled_dot_product(q, k, v)[0])
    shifted = mg.concat([k, mg.ones((3, 1), "float64")], -1)  # a key channel that adds a constant to every score of a query
    raised = mg.concat([q, 7 * mg.ones((3, 1), "float64")], -1)
    scale = np.sqrt(5 / 4)
    close(scaled_dot_product(raised * scale, shifted, v)[0], scaled_dot_product(q, k, v)[0])


SEQUENCE_MODELS = {
    **{score: lambda score=score: AttentiveLSTM(3, 5, 2, score, dtype="float64") for score in ("bahdanau", "dot", "general", "concat")},
    **{p: lambda p=p: Transformer(3, 2, 8, 2, positions=p, longest=20, dtype="float64") for p in ("sinusoids", "learned", "none")},
}


@pytest.mark.parametrize("name", SEQUENCE_MODELS)
def test_causal_padded_and_differentiable(name, check_differences):
    model = SEQUENCE_MODELS[name]()
    xs = rng.standard_normal((7, 2, 3))
    ys = model(xs)
    changed = xs.copy()
    changed[4:] += 1
    close(model(changed)[:4], ys[:4])
    d = mg.grad(lambda xs: mg.sum(model(xs)[3] ** 2))(xs).numpy()
    assert not d[4:].any()
    assert d[0].any()
    mask = np.arange(7)[:, None] < np.array([7, 4])
    changed[:, 0] = xs[:, 0]
    found = model(changed, mask=mask)
    close(found[:, 0], ys[:, 0])
    close(found[:4, 1], ys[:4, 1])
    check_differences(lambda m: mg.sum(mg.tanh(m(xs, mask=mask))[-2:, :1]), model, directions=1, tolerance=1e-5)


def test_both_ways_with_padding():
    """Without `causal` every position sees the whole of its own sequence, and nothing of the padding."""
    model = Transformer(3, 2, 8, 2, causal=False, dtype="float64")
    xs = rng.standard_normal((7, 2, 3))
    mask = np.arange(7)[:, None] < np.array([7, 4])
    close(model(xs, mask=mask)[:4, 1:], model(xs[:4, 1:]))
    assert mg.grad(lambda xs: mg.sum(model(xs)[0] ** 2))(xs).numpy()[6].all()


@pytest.mark.parametrize("score", ["bahdanau", "dot", "general", "concat"])
def test_decoder_with_input_feeding(score, check_differences):
    """Step by step by Luong et al. 2015, §3.3; padding of the states and of the sequence does not matter."""
    model = Decoder(3, 5, 5, 2, score, dtype="float64")
    xs, states = rng.standard_normal((6, 2, 3)), rng.standard_normal((4, 2, 5))
    ys = model.over(states)(xs)
    inner, fed = model.lstm.initial_state(2), np.zeros((2, 5))
    for x, y in zip(xs, ys, strict=True):
        inner, h = model.lstm.step(inner, mg.tensor(np.concatenate([x, fed], -1)))
        e = model.attention.score(h[None], mg.tensor(states)).numpy()[:, 0]
        w = np.exp(e) / np.exp(e).sum(-1, keepdims=True)
        c = np.einsum("bs,sbk->bk", w, states)
        fed = np.tanh(np.concatenate([c, h.numpy()], -1) @ model.combine.W.numpy() + model.combine.b.numpy())
        close(y, fed @ model.readout.W.numpy() + model.readout.b.numpy())
    padded = np.concatenate([states, np.full((2, 2, 5), 9.0)])
    cell = model.over(padded, np.arange(6)[:, None] < [4, 4])
    close(cell(xs), ys)
    _, last = cell.run(xs, mask=np.arange(6)[:, None] < [6, 3])
    close(last.h[1], cell.run(xs[:3])[1].h[1])
    check_differences(lambda m: mg.sum(mg.tanh(m.over(states)(xs))[-1]), model, directions=1)
    assert np.abs(mg.grad(lambda s: mg.sum(model.over(s)(xs)[-1] ** 2))(states).numpy()).min(0).max() > 0


def test_run_time_lengths():
    model = SEQUENCE_MODELS["sinusoids"]()
    fast = mg.jit(lambda m, xs: m(xs))
    for n, b in ((4, 2), (9, 1), (2, 3)):
        xs = rng.standard_normal((n, b, 3))
        close(fast(model, xs), model(xs))


def test_sinusoids():
    table = sinusoids(50, 6, "float64").numpy()
    for p in (0, 1, 49):
        for i in range(3):
            close(table[p, 2 * i : 2 * i + 2], [np.sin(p / 10000 ** (2 * i / 6)), np.cos(p / 10000 ** (2 * i / 6))], 1e-12)
    assert sinusoids(3, 5).shape == (3, 5)
    with pytest.raises(mg.errors.ShapeError, match="learned are 20"):
        SEQUENCE_MODELS["learned"]()(np.zeros((21, 1, 3)))
    with pytest.raises(ValueError, match="no multiple"):
        MultiHead(6, 4)


@pytest.mark.parametrize(
    "model",
    [AttentiveLSTM(3, 4, outputs=2), AttentiveLSTM(3, 4, outputs=2, score="bahdanau"), Transformer(3, 2, width=8, positions="learned")],
    ids=["attention", "bahdanau", "transformer"],
)
def test_no_steps_give_no_outputs(model):
    """Eagerly and in a program compiled at another length; the gradient is 0."""

    def loss(model, xs, mask):
        ys = model(xs, mask=mask)
        return mg.sum(ys**2), ys

    fast = mg.jit(mg.grad(loss, has_aux=True))
    for steps in (2, 0):
        xs, mask = np.ones((steps, 2, 3), "float32"), np.ones((steps, 2), bool)
        for grads, ys in (fast(model, xs, mask), mg.grad(loss, has_aux=True)(model, xs, mask)):
            assert ys.shape == (steps, 2, 2)
            assert np.any(grads.readout.W) == (steps > 0)
