"""What holds for every recurrent model: gradients, carried state, masks, batches, run-time sizes, seeds."""

from __future__ import annotations

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
    AttentiveLSTM,
    Bidirectional,
    DeltaNet,
    Encoded,
    FastWeights,
    HopfieldNetwork,
    ImageEncoder,
    LinearAttention,
    MemN2N,
    MinGRU,
    MinLSTM,
    Stack,
    StackRNN,
    TapeRNN,
    Titans,
    Transformer,
)
from shares import shared

import minigrad as mg
from minigrad.tensor import inline
from minigrad.transforms.interpret import run


def slowly(model):
    """The model with gates that forget little."""
    model.decay.log_A = mg.parameter(model.decay.log_A.numpy() - 4)
    return model


small = {"hidden": 6, "memory": (7, 4), "dtype": "float64"}
MODELS = {
    "rnn": lambda: RNN(3, 6, 2, dtype="float64"),
    "rnn-relu": lambda: RNN(3, 6, 2, activation="relu", start="identity", dtype="float64"),
    "lstm": lambda: LSTM(3, 6, 2, dtype="float64"),
    "lstm-chrono": lambda: LSTM(3, 6, 2, longest=20, dtype="float64"),
    "lstm-peephole": lambda: LSTM(3, 6, 2, peephole=True, dtype="float64"),
    "lstm-coupled": lambda: LSTM(3, 6, 2, peephole=True, coupled=True, projection=4, dtype="float64"),
    "gru": lambda: GRU(3, 6, 2, dtype="float64"),
    "gru-paper": lambda: GRU(3, 6, 2, reset_first=True, dtype="float64"),
    "cnn": lambda: CNN(3, 6, 2, 4, 2, dtype="float64"),
    "memn2n": lambda: MemN2N(3, 4, 2, 2, 8, dtype="float64"),
    "ttt": lambda: TTT(3, 4, 2, mini_batch=2, output_gate=True, dtype="float64"),
    "titans": lambda: Titans(3, 4, 2, heads=2, output_gate=True, dtype="float64"),
    "stack": lambda: Stack([LSTM(3, 5, dtype="float64"), GRU(5, 4, 2, dtype="float64")]),
    "ntm": lambda: NTM(3, 2, M_0="learned", **small),
    "ntm-heads": lambda: NTM(3, 2, "feedforward", read_heads=2, write_heads=3, shift=2, w_0="focused", read="before", **small),
    "ntm-layers": lambda: NTM(3, 2, layers=2, read_heads=2, **small),
    "dnc": lambda: DNC(3, 2, read_heads=2, **small),
    "mann": lambda: MANN(3, 2, heads=2, **small),
    "mann-encoded": lambda: Encoded(ImageEncoder(1, (2,), 3, dtype="float64"), MANN(5, 2, heads=1, **small)),
    "mann-strength": lambda: MANN(3, 2, "ff", heads=3, content="add", strength=True, read="before", **small),
    "linear-attention": lambda: LinearAttention(3, 4, 2, dtype="float64"),
    "linear-attention-delta": lambda: LinearAttention(3, 4, 2, feature="dpfp", rule="delta", convolution=True, dtype="float64"),
    "deltanet-gated": lambda: slowly(
        DeltaNet(3, 4, 2, gated=True, product=2, negative_eigenvalues=True, S_0="learned", output_gate=True, dtype="float64")
    ),
    "deltanet-chunk": lambda: slowly(DeltaNet(3, 4, 2, gated=True, chunk=3, dtype="float64")),
    "fast-weights": lambda: FastWeights(3, 4, 2, inner=2, dtype="float64"),
    "rwkv7": lambda: RWKV7(3, 4, 2, dtype="float64"),
    "slstm": lambda: SLSTM(3, 6, 2, heads=2, dtype="float64"),
    "slstm-exp": lambda: SLSTM(3, 6, 2, heads=1, forget="exp", norm=False, convolution=True, dtype="float64"),
    "mlstm": lambda: MLSTM(3, 6, 2, heads=2, dtype="float64"),
    "mlstm-chunks": lambda: MLSTM(3, 6, 2, 1, "exp", True, False, "silu", chunk=3, dtype="float64"),
    "mingru": lambda: MinGRU(3, 6, 2, dtype="float64"),
    "minlstm": lambda: MinLSTM(3, 6, 2, dtype="float64"),
    "mingru-chunks": lambda: MinGRU(3, 6, 2, chunk=3, dtype="float64"),
    "s6": lambda: S6(3, 4, 2, states=3, dtype="float64"),
    "s6-negative": lambda: S6(3, 4, 2, 3, 1, "exact", True, "learned", convolution=True, dtype="float64"),
    "sam": lambda: SAM(3, 2, heads=2, nearest=3, **small),
    "stack-rnn": lambda: StackRNN(3, 6, 2, stacks=2, cells=5, cell_size=2, dtype="float64"),
    "tape-rnn": lambda: TapeRNN(3, 6, 2, cells=5, cell_size=2, writer=4, dtype="float64"),
}
every = pytest.mark.parametrize("name", MODELS)
rng = np.random.default_rng(5)
XS = rng.standard_normal((7, 2, 3))
CT = rng.standard_normal((7, 2, 2))


def last_output(model, xs=XS):
    """A loss of the last two outputs, so that gradients come back through time."""
    return mg.sum(mg.tanh(model(xs))[-2:] * CT[-2:])


def close(a, b, tolerance=1e-12):
    for x, y in zip(mg.tree.leaves(a), mg.tree.leaves(b), strict=True):
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", shared(MODELS, 0))
def test_gradients_with_rotational_dynamics(name, rotational, check_differences):
    model = rotational(MODELS[name](), gain=1.0)
    check_differences(last_output, model)
    first = mg.grad(lambda xs: last_output(model, xs))(XS).numpy()[0]
    assert np.abs(first).max() > 1e-5, "the gradient does not reach the first step"


@pytest.mark.parametrize("name", shared(MODELS, 1))
def test_unrolled_equals_scan(name, rotational):
    model = rotational(MODELS[name]())
    leaves = mg.tree.leaves(model)
    unrolled = mg.unroll(mg.trace(last_output, model, XS))
    assert all(n.op.name != "scan" for n in unrolled.nodes)
    arrays = [leaf.numpy() for leaf in leaves]
    close(run(unrolled, [*arrays, XS])[0], last_output(model))
    found = mg.grad(lambda leaves: inline(unrolled, [*leaves, mg.tensor(XS)])[0])(leaves)
    close(found, mg.grad(last_output)(model), 1e-9)


@pytest.mark.parametrize("name", shared(MODELS, 2, of=5))
def test_jit_checkpoint_and_steps_agree(name):
    model = MODELS[name]()
    value, grads = mg.value_and_grad(last_output)(model)
    close(mg.jit(mg.value_and_grad(last_output))(model), (value, grads), 1e-10)
    again = mg.grad(lambda m: mg.sum(mg.tanh(m(XS, checkpoint=3))[-2:] * CT[-2:]))(model)
    close(again, grads, 1e-9)
    state, ys = model.initial_state(2), model(XS)
    for t, x in enumerate(XS):
        state, y = model.step(state, mg.tensor(x))
        close(y, ys[t])


@pytest.mark.parametrize("name", shared(["slstm-exp", "mlstm", "minlstm", "s6-negative"], of=2))
def test_a_compiled_gradient_is_the_interpreters_at_sizes_it_was_not_compiled_at(name):
    model, f = MODELS[name](), mg.value_and_grad(lambda m, xs: mg.sum(mg.tanh(m(xs))))
    fast = mg.jit(f)
    for T, batch in ((4, 2), (7, 1), (1, 3)):
        xs = rng.standard_normal((T, batch, 3))
        close(fast(model, xs), f(model, xs), 1e-10)
    assert sum(map(len, fast.programs.values())) == 1


@every
def test_two_parts_equal_the_whole(name):
    model = MODELS[name]()
    ys, last = model.run(XS)
    first, middle = model.run(XS[:3])
    second, end = model.run(XS[3:], middle)
    close(mg.concat([first, second]), ys)
    close(end, last)


@every
def test_padding_and_batch_order(name):
    model = MODELS[name]()
    ys, last = model.run(XS)
    close(model(XS[:, ::-1].copy()), ys.numpy()[:, ::-1])
    close(model(XS[:, :1]), ys.numpy()[:, :1])
    lengths = np.array([7, 4])
    mask = np.arange(9)[:, None] < lengths
    padded = np.concatenate([XS, np.full((2, 2, 3), 9.0)])
    padded[4:7, 1] = -7.0
    found, end = model.run(padded, mask=mask)
    close(found[:4], ys[:4])
    close(mg.tree.map(lambda v: v[:1], end), mg.tree.map(lambda v: v[:1], last))
    close(mg.tree.map(lambda v: v[1:], end), mg.tree.map(lambda v: v[1:], model.run(XS[:4])[1]))


@every
def test_seeded(name):
    a, b = MODELS[name](), MODELS[name]()
    close(a, b, 0)
    assert "parameters" in repr(a)
    assert all(x.is_concrete and x.dtype == np.float64 for x in mg.tree.leaves(a))


def test_backward_matches_grad():
    model = LSTM(3, 6, 2, dtype="float64")
    last_output(model).backward()
    close([leaf.grad for leaf in mg.tree.leaves(model)], mg.grad(last_output)(model))


def test_bidirectional_mask():
    """The backward model starts at each sequence's own end."""
    model = Bidirectional(GRU(3, 4, dtype="float64", key=1), GRU(3, 4, dtype="float64", key=2))
    mask = np.arange(7)[:, None] < np.array([7, 4])
    ys = model(XS, mask=mask)
    close(ys[:4, 1:], model(XS[:4, 1:]))


def test_wrong_inputs_are_named():
    with pytest.raises(mg.errors.ShapeError, match=r"LSTM: takes xs of shape \(T, batch, 3\), got \(7, 2, 4\)"):
        LSTM(3, 6)(np.zeros((7, 2, 4)))
    with pytest.raises(mg.errors.ShapeError, match=r"Transformer: takes xs of shape \(T, batch, 3\), got \(7, 3\)"):
        Transformer(3, 2)(np.zeros((7, 3)))
    for model in (LSTM(3, 6), Transformer(3, 2), AttentiveLSTM(3, 6, 2)):
        with pytest.raises(mg.errors.ShapeError, match=r"takes a mask of shape \(7, 2\) for xs \(7, 2, 3\), got \(2, 7\)"):
            model(np.zeros((7, 2, 3)), mask=np.ones((2, 7)))
    with pytest.raises(ValueError, match="activation='sin' is unknown: take one of 'tanh', 'relu'"):
        RNN(3, 6, activation="sin")
    with pytest.raises(ValueError, match="outputs, the one above takes"):
        Stack([LSTM(3, 6), LSTM(5, 6)])


def test_starts():
    W = RNN(3, 6, dtype="float64").W_h.numpy()
    np.testing.assert_allclose(W @ W.T, np.eye(6), atol=1e-12)
    np.testing.assert_array_equal(RNN(3, 6, start="identity").W_h.numpy(), np.eye(6))
    b = LSTM(3, 6).b.numpy().reshape(4, 6)
    np.testing.assert_array_equal(b, [[0] * 6, [1] * 6, [0] * 6, [0] * 6])
    b = LSTM(3, 6, longest=50).b.numpy().reshape(4, 6)
    assert (b[1] > 0).all()
    assert (b[1] < np.log(49)).all()
    np.testing.assert_array_equal(b[0], -b[1])
    np.testing.assert_array_equal(LSTM(3, 6, coupled=True).b.numpy().reshape(3, 6)[0], 1)


def test_coupled_gates_with_peepholes_and_projection_against_the_equations(rotational):
    model = rotational(MODELS["lstm-coupled"]())
    p = {name: leaf.numpy() for name, leaf in vars(model).items() if isinstance(leaf, mg.Tensor)}
    h, c, ys = np.zeros((2, 4)), np.zeros((2, 6)), model(XS)
    for x, y in zip(XS, ys, strict=True):
        f, g, o = np.split(x @ p["W_x"] + h @ p["W_h"] + p["b"], 3, axis=1)
        f = 1 / (1 + np.exp(-f - p["peephole"][0] * c))
        c = f * c + (1 - f) * np.tanh(g)
        o = 1 / (1 + np.exp(-o - p["peephole"][1] * c))
        h = (o * np.tanh(c)) @ p["projection"]
        close(y, h @ model.readout.W.numpy() + model.readout.b.numpy(), 1e-10)


def test_every_intermediate_is_named():
    """The drawings find gates, heads and memory by name, with the head's scope."""
    expected = {
        RNN(3, 4, 2): {"h", "y"},
        CNN(3, 4, 2): {"h", "y"},
        GRU(3, 4, 2): {"r", "z", "n", "h", "y"},
        MemN2N(3, 4, 2): {"sentence", "u", "weights", "M", "h", "y"},
        HopfieldNetwork(3, 4, 2): {"weights", "xi", "r", "h", "y"},
        TTT(3, 4, 2): {"q", "k", "v", "eta", "W0", "W1", "G0", "G1", "i", "r", "h", "y"},
        Titans(3, 4, 2): {"q", "k", "v", "eta", "theta", "alpha", "S1", "S2", "M1", "M2", "r", "h", "y"},
        LSTM(3, 4, 2): {"i", "f", "g", "o", "c", "h", "y"},
        LSTM(3, 4, 2, projection=2): {"i", "f", "g", "o", "c", "h", "projected", "y"},
        AttentiveLSTM(3, 4, 2): {"scores", "weights", "context", "h", "y"},
        Transformer(3, 2, 4, 2): {"scores", "weights", "context", "y"},
        NTM(3, 2, hidden=4, memory=(5, 3)): {
            *("i", "f", "g", "o", "c", "h", "y", "k", "beta", "s", "gamma", "w_content", "w_gated", "w_shifted", "w_read", "w_write"),
            *("erase", "add", "M", "r"),
        },
        MANN(3, 2, hidden=4, memory=(5, 3), heads=1): {"k", "g", "w_least", "w_read", "w_write", "usage", "M", "r", "y"},
        MANN(3, 2, hidden=4, memory=(5, 3), heads=1, content="add", strength=True): {"k", "g", "add", "beta"},
        DeltaNet(3, 4, 2, gated=True, output_gate=True): {"q", "k", "v", "beta", "alpha", "S", "r", "gate", "h", "y"},
        LinearAttention(3, 4, 2, rule="delta"): {"q", "k", "v", "beta", "S", "r", "h", "y"},
        FastWeights(3, 4, 2): {"h", "A", "y"},
        RWKV7(3, 4, 2): {"r", "w", "k", "v", "a", "g", "kappa", "S", "h", "y"},
        SLSTM(3, 4, 2, heads=2): {"i'", "f'", "z", "o", "m", "c", "n", "h", "y"},
        MLSTM(3, 4, 2, heads=2): {"q", "k", "v", "i'", "f'", "m", "C", "n", "o", "h", "y"},
        MinGRU(3, 4, 2): {"z", "h", "y"},
        MinLSTM(3, 4, 2): {"f'", "h", "y"},
        S6(3, 4, 2, 3): {"u", "delta", "A", "B", "h", "y"},
        SAM(3, 2, hidden=4, memory=(5, 3)): {
            *("k", "beta", "add", "alpha", "gamma", "least", "w_write", "M", "rows", "w_read", "r", "accessed", "y"),
        },
        StackRNN(3, 4, 2): {"top", "h", "actions", "pushed", "s", "y"},
        TapeRNN(3, 4, 2): {"h", "written", "moves", "tape", "y"},
        DNC(3, 2, hidden=4, memory=(5, 3)): {
            *("k", "beta", "f", "usage", "allocation", "g_a", "g_w", "w_content", "w_write", "erase", "add", "M"),
            *("links", "precedence", "modes", "forward", "backward", "w_read", "r", "y"),
        },
    }
    for model, names in expected.items():
        graph = mg.unroll(mg.trace(lambda m, xs: m(xs), model, np.zeros((2, 1, 3), "float32")))
        assert names <= {n.name for n in graph.nodes}
        scopes = {n.origin.scope for n in graph.nodes if n.name == "k"}
        if isinstance(model, NTM):
            assert scopes == {f"ntm[{t}]/{head}" for t in (0, 1) for head in ("read", "write")}
