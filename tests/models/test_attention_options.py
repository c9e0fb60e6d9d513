"""The options of attention and of the transformer, each against PyTorch or the parallel form."""

from __future__ import annotations

import math

import numpy as np
import pytest
from minigrad.models import Block, MultiHead, Transformer, causal, from_torch, scaled_dot_product
from minigrad.models.attention import rotated

import minigrad as mg

torch = pytest.importorskip("torch")
rng = np.random.default_rng(9)
T, B, E = 5, 2, 8


def close(a, b, tolerance=1e-10):
    for x, y in zip(mg.tree.leaves(a), mg.tree.leaves(b), strict=True):
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=tolerance, atol=tolerance)


def numbers(*shape):
    return rng.standard_normal(shape)


def in_torch(f, *arrays):
    """f's value in PyTorch, and the gradients of the sum of its squares."""
    given = [torch.tensor(a, requires_grad=True) for a in arrays]
    y = f(*given)
    (y**2).sum().backward()
    return y.detach().numpy(), [t.grad.numpy() for t in given]


def here(f, *arrays):
    return f(*map(mg.tensor, arrays)).numpy(), list(mg.grad(lambda *a: mg.sum(f(*a) ** 2), tuple(range(len(arrays))))(*arrays))


def test_a_mask_of_floats_is_added_to_the_scores_and_values_have_a_width_of_their_own():
    q, k, v, mask = numbers(B, 3, T, 4), numbers(B, 3, 6, 4), numbers(B, 3, 6, 7), numbers(B, 1, T, 6)
    seen = np.ones(mask.shape, bool)
    seen[:, :, 1, 2:] = seen[:, :, :, 5] = False

    def theirs(q, k, v, mask):
        return torch.nn.functional.scaled_dot_product_attention(q, k, v, mask.masked_fill(torch.tensor(~seen), -math.inf))

    def ours(q, k, v, mask):
        return scaled_dot_product(q, k, v, mg.where(seen, mask, -math.inf))[0]

    found = here(ours, q, k, v, mask)
    close(found, in_torch(theirs, q, k, v, mask))
    q, k, v = map(mg.tensor, (q, np.where(np.arange(6)[:, None] == 5, np.nan, k), v))
    close(scaled_dot_product(q, k, v, np.where(seen, mask, -np.inf))[0], found[0])
    close(scaled_dot_product(q, k, v, np.where(seen, 0.0, -np.inf)), scaled_dot_product(q, k, v, seen), 0)


@pytest.mark.parametrize("bias", [True, False])
def test_values_apart_from_keys_and_no_biases(bias):
    theirs = torch.nn.MultiheadAttention(E, 2, bias=bias, dtype=torch.float64)
    for p in theirs.parameters():
        p.data = torch.tensor(rng.normal(0, 0.5, tuple(p.shape)))
    model = from_torch(MultiHead(E, 2, bias=bias), theirs.state_dict())
    x, k, v = numbers(T, B, E), numbers(6, B, E), numbers(6, B, E)
    mask = numbers(T, 6)
    ours = here(lambda x, k, v, m: model(x, k, m, v), x, k, v, mask)
    close(ours, in_torch(lambda x, k, v, m: theirs(x, k, v, attn_mask=m)[0], x, k, v, mask))
    assert (model.b is None) == (model.out.b is None) == (not bias)


@pytest.mark.parametrize("kv_heads", [1, 2])
def test_grouped_queries_share_keys_and_values(kv_heads):
    model, x = MultiHead(E, 4, dtype="float64", kv_heads=kv_heads), numbers(T, B, E)

    def theirs(x, W):
        q, k, v = (p.unflatten(-1, (-1, 2)).permute(1, 2, 0, 3) for p in (x @ W).split(model.parts, -1))
        y = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        return y.permute(2, 0, 1, 3).flatten(2) @ torch.tensor(model.out.W.numpy())

    def ours(x, W):
        model.W = W
        return model(x, mask=causal(T))

    W = model.W.numpy()
    assert W.shape == (E, E + 2 * 2 * kv_heads)
    close(here(ours, x, W), in_torch(theirs, x, W))


def test_rotary_positions_turn_pairs_of_channels():
    x = numbers(B, 3, T, 6)
    angle = np.arange(T)[:, None] / 10000 ** (np.arange(3) / 3)

    def theirs(x):
        rotated = torch.view_as_complex(x.unflatten(-1, (3, 2)).contiguous()) * torch.polar(
            torch.ones(T, 3, dtype=x.dtype), torch.tensor(angle)
        )
        return torch.view_as_real(rotated).flatten(-2)

    ct = numbers(B, 3, T, 6)
    close(here(lambda x: rotated(x, mg.arange(T)) * ct, x), in_torch(lambda x: theirs(x) * torch.tensor(ct), x))
    q, k = numbers(1, 6), numbers(1, 6)
    scores = [
        float(np.sum(rotated(mg.tensor(q), mg.tensor([t])).numpy() * rotated(mg.tensor(k), mg.tensor([s])).numpy()))
        for t, s in ((3, 1), (9, 7))
    ]
    close(scores[0], scores[1])


@pytest.mark.parametrize(("norm", "bias"), [("post", True), ("pre", False)])
def test_a_block_with_its_norms_after_and_without_biases(norm, bias):
    theirs = torch.nn.TransformerEncoderLayer(E, 2, 6, 0.0, "gelu", norm_first=norm == "pre", bias=bias, dtype=torch.float64)
    for p in theirs.parameters():
        p.data = torch.tensor(rng.normal(0, 0.5, tuple(p.shape)))
    model, x = from_torch(Block(E, 2, 6, norms=norm, bias=bias), theirs.state_dict()), numbers(T, B, E)
    unseen = ~torch.tensor(causal(T).numpy())
    close(here(lambda x: model(x, causal(T)), x), in_torch(lambda x: theirs(x, src_mask=unseen), x))


def test_dropout_sets_weights_to_zero_where_a_key_is_given():
    q, k, v, key = *map(mg.tensor, (numbers(B, T, 4), numbers(B, 6, 4), numbers(B, 6, 4))), mg.random.key(3)
    context, weights = scaled_dot_product(q, k, v, dropout=0.3, key=key)
    close(context, mg.dropout(weights, 0.3, key) @ v)
    close(scaled_dot_product(q, k, v, dropout=0.3), scaled_dot_product(q, k, v), 0)
    model, xs = Transformer(3, 2, 8, 2, dropout=0.5, dtype="float64"), numbers(T, B, 3)
    close(model(xs), Transformer(3, 2, 8, 2, dtype="float64")(xs), 0)
    close(model(xs, key=key), model(xs, key=key), 0)
    assert np.abs(model(xs, key=key).numpy() - model(xs, key=mg.random.key(4)).numpy()).max() > 1e-3


OPTIONS = [
    {"positions": p, "norms": n, "kv_heads": k}
    for p, n, k in zip(["sinusoids", "learned", "rotary", "none"], ["pre", "post"] * 2, [0, 1, 2, 1], strict=True)
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_steps_with_a_cache_of_keys_and_values_give_what_all_at_once_gives(options):
    """Values and gradients; carried from one part to the next; compiled; and no more steps than the cache holds."""
    model, xs = Transformer(3, 2, 8, 2, longest=7, dtype="float64", **options), numbers(T, B, 3)
    ys, state = model.run(xs[:2])
    ys = mg.concat([ys, model.run(xs[2:], state)[0]])
    close(ys, model(xs))
    mask = np.arange(T)[:, None] < [5, 3]
    close(model.run(xs, mask=mask)[0].numpy()[mask], model(xs, mask=mask).numpy()[mask])
    grads = [mg.grad(lambda m, f=f: mg.sum(f(m) ** 2))(model) for f in (lambda m: m.run(xs)[0], lambda m: m(xs))]
    close(*grads)
    fast = mg.jit(lambda m, xs: m.run(xs)[0])
    for n in (3, 7):
        more = numbers(n, B, 3)
        close(fast(model, more), model(more))
    for run in (fast, lambda m, xs: m.run(xs)[0]):
        with pytest.raises(IndexError):
            run(model, numbers(8, B, 3))


def test_what_does_not_fit_is_refused():
    for make, words in (
        (lambda: MultiHead(8, 4, kv_heads=3), "heads=4 is no multiple of kv_heads=3"),
        (lambda: MultiHead(6, 2, rotary=True), "a head has 3"),
        (lambda: Transformer(3, 2, 8, causal=False).run(numbers(2, 1, 3)), "has steps only with causal=True"),
        (lambda: from_torch(MultiHead(8, 4, kv_heads=2), {}), "neither shared heads of keys nor rotary positions"),
    ):
        with pytest.raises(ValueError, match=words):
            make()
