"""What a mask excludes, even NaN, reaches neither a value nor a gradient: of every model and of attention, eager and compiled."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from minigrad.models import (
    CNN,
    DNC,
    GRU,
    LSTM,
    MANN,
    MLSTM,
    NTM,
    RNN,
    RWKV7,
    S6,
    SAM,
    SLSTM,
    TTT,
    Attention,
    AttentiveLSTM,
    Bidirectional,
    Decoder,
    DeltaNet,
    Encoded,
    FastWeights,
    FeedForwardNetwork,
    HopfieldNetwork,
    ImageEncoder,
    LinearAttention,
    MemN2N,
    MinGRU,
    MinLSTM,
    MultiHead,
    Stack,
    StackRNN,
    TapeRNN,
    Titans,
    Transformer,
    scaled_dot_product,
)
from shares import shared

import minigrad as mg

GARBAGE = [np.nan, np.inf, -np.inf, 1e30]
T, BATCH, INPUTS = 5, 3, 3
small: dict[str, Any] = {"hidden": 4, "memory": (5, 3)}
MODELS: dict[str, Any] = {
    "rnn": lambda **d: RNN(INPUTS, 4, 2, **d),
    "rnn-relu": lambda **d: RNN(INPUTS, 4, 2, activation="relu", start="identity", **d),
    "lstm": lambda **d: LSTM(INPUTS, 4, 2, peephole=True, projection=3, **d),
    "gru": lambda **d: GRU(INPUTS, 4, 2, **d),
    "cnn": lambda **d: CNN(INPUTS, 4, 2, 3, 2, **d),
    "memn2n": lambda **d: MemN2N(INPUTS, 4, 2, 2, 3, separator=1, **d),
    "hopfield": lambda **d: HopfieldNetwork(INPUTS, 4, 2, updates=2, **d),
    "ttt": lambda **d: TTT(INPUTS, 4, 2, mini_batch=2, plain=True, **d),
    "titans": lambda **d: Titans(INPUTS, 4, 2, depth=1, **d),
    "stack": lambda **d: Stack([LSTM(INPUTS, 4, **d), GRU(4, 3, 2, **d)]),
    "bidirectional": lambda **d: Bidirectional(LSTM(INPUTS, 4, **d), GRU(INPUTS, 3, **d)),
    "ntm": lambda **d: NTM(INPUTS, 2, M_0="learned", **small, **d),
    "dnc": lambda **d: DNC(INPUTS, 2, **small, **d),
    "mann": lambda **d: MANN(INPUTS, 2, heads=2, **small, **d),
    "sam": lambda **d: SAM(INPUTS, 2, heads=2, nearest=3, **small, **d),
    "stack-rnn": lambda **d: StackRNN(INPUTS, 4, 2, stacks=2, cells=5, **d),
    "tape-rnn": lambda **d: TapeRNN(INPUTS, 4, 2, cells=5, cell_size=2, writer=4, **d),
    "encoded": lambda **d: Encoded(ImageEncoder(1, (2,), 3, **d), LSTM(5, 4, 2, **d)),
    "encoded transformer": lambda **d: Encoded(ImageEncoder(1, (2,), 3, **d), Transformer(5, 2, 4, 2, 1, **d)),
    "linear-attention": lambda **d: LinearAttention(INPUTS, 4, 2, feature="dpfp", convolution=True, **d),
    "deltanet": lambda **d: DeltaNet(INPUTS, 4, 2, gated=True, **d),
    "fast weights": lambda **d: FastWeights(INPUTS, 4, 2, **d),
    "rwkv7": lambda **d: RWKV7(INPUTS, 4, 2, **d),
    "slstm": lambda **d: SLSTM(INPUTS, 4, 2, heads=1, convolution=True, **d),
    "mlstm": lambda **d: MLSTM(INPUTS, 4, 2, heads=1, convolution=True, chunk=2, **d),
    "minimal": lambda **d: Stack([MinGRU(INPUTS, 3, **d), MinLSTM(3, 3, 2, chunk=2, **d)]),
    "s6": lambda **d: S6(INPUTS, 3, 2, 2, convolution=True, **d),
    "feedforward": lambda **d: FeedForwardNetwork(INPUTS, 4, 2, **d),
    "attention": lambda **d: AttentiveLSTM(INPUTS, 4, 2, **d),
    "bahdanau": lambda **d: AttentiveLSTM(INPUTS, 4, 2, "bahdanau", **d),
    "transformer": lambda **d: Transformer(INPUTS, 2, 4, 2, 1, **d),
    "transformer both ways": lambda **d: Transformer(INPUTS, 2, 4, 2, 1, causal=False, **d),
}
rng = np.random.default_rng(0)
MASKS = [
    np.arange(T)[:, None] < [5, 3, 1],
    np.arange(T)[:, None] < [4, 0, 2],
    rng.random((T, BATCH)) < 0.5,  # with holes
]


def same(found: Any, expected: Any) -> None:
    for a, b in zip(mg.tree.leaves(found), mg.tree.leaves(expected), strict=True):
        assert np.isfinite(a.numpy()).all()
        np.testing.assert_array_equal(a.numpy(), b.numpy())


@pytest.mark.parametrize(("name", "way"), shared(product(MODELS, ("eager", "jit"))))
def test_what_stands_in_a_masked_step_has_no_effect(name: str, way: str) -> None:
    dtype = "float64" if way == "eager" else "float32"
    model = MODELS[name](dtype=dtype)
    outputs = model(np.zeros((T, BATCH, INPUTS), dtype)).shape
    xs, ct = rng.standard_normal((T, BATCH, INPUTS)).astype(dtype), rng.standard_normal(outputs).astype(dtype)
    f = mg.value_and_grad(lambda model, xs, mask: mg.sum(model(xs, mask=mask) * ct), (0, 1))
    f = mg.jit(f) if way == "jit" else f
    for mask in MASKS:
        expected = f(model, np.where(mask[..., None], xs, 0), mask)
        for garbage in GARBAGE:
            found = f(model, np.where(mask[..., None], xs, garbage).astype(dtype), mask)
            same(found, expected)
            assert not found[1][1].numpy()[~mask].any()


@pytest.mark.parametrize("score", ["bahdanau", "dot", "general", "concat"])
def test_what_stands_in_a_masked_state_of_an_encoder_has_no_effect(score: Any) -> None:
    decoder, mask = Decoder(INPUTS, 4, 4, 2, score, dtype="float64"), MASKS[0]
    xs, states = rng.standard_normal((2, BATCH, INPUTS)), rng.standard_normal((T, BATCH, 4))
    f = mg.jit(mg.value_and_grad(lambda decoder, states: mg.sum(decoder.over(states, mask)(xs) ** 2), (0, 1)))
    expected = f(decoder, np.where(mask[..., None], states, 0))
    for garbage in GARBAGE:
        same(f(decoder, np.where(mask[..., None], states, garbage)), expected)


def attentions() -> dict[str, Any]:
    """name -> (parameters, f(parameters, queries (T, batch, 4), keys (S, batch, 4), mask))."""
    heads = MultiHead(4, 2, dtype="float64")
    found: dict[str, Any] = {"multi-head": (heads, lambda m, q, k, mask: m(q, k, mask))}
    for score in ("bahdanau", "dot", "general", "concat"):
        found[score] = (Attention(score, 4, 4, dtype="float64"), lambda m, q, k, mask: m(q, k, mask)[0])
    rows = lambda x: mg.moveaxis(x, 0, 1)  # noqa: E731
    found["scaled dot-product"] = (mg.ones(1), lambda m, q, k, mask: scaled_dot_product(rows(q), rows(k), rows(k) * 2, mask)[0])
    return found


@pytest.mark.parametrize("name", attentions())
@pytest.mark.parametrize("of_batch", [False, True])
def test_what_nobody_attends_to_and_who_attends_to_nothing_have_no_effect(name: str, of_batch: bool) -> None:
    parameters, attention = attentions()[name]
    q, k = rng.standard_normal((2, BATCH, 4)), rng.standard_normal((T, BATCH, 4))
    mask = np.ones((BATCH, 2, T), bool)
    mask[0, :, 1], mask[1, :, 3:], mask[2, 0] = False, False, False
    mask = mask if of_batch else mask[1]
    keys = np.broadcast_to(mask, (BATCH, 2, T)).any(1).T[..., None]
    f = mg.value_and_grad(lambda m, q, k: mg.sum(attention(m, q, k, mask) ** 2), (0, 1, 2))
    expected = f(parameters, q, np.where(keys, k, 0))
    for garbage in GARBAGE:
        asked = np.where(keys, k, garbage)
        same(f(parameters, q, asked), expected)
    if of_batch and name != "multi-head":  # whose queries take part by their biases
        asking = mask.any(-1).T[..., None]
        expected = f(parameters, np.where(asking, q, 0), k)
        for garbage in GARBAGE:
            same(f(parameters, np.where(asking, q, garbage), k), expected)


def test_a_real_step_that_is_nan_is_not_hidden() -> None:
    for make in MODELS.values():
        xs = np.zeros((T, BATCH, INPUTS))
        xs[1, 0] = np.nan
        ys = make(dtype="float64")(xs, mask=MASKS[0]).numpy()
        assert np.isnan(ys[1, 0]).all()
        assert np.isfinite(ys[:, 1:]).all()
