"""RNN, LSTM and GRU against PyTorch: outputs, last states and all gradients, with random weights."""

from __future__ import annotations

import numpy as np
import pytest
from minigrad.models import GRU, LSTM, RNN, Bidirectional, Stack, from_torch, to_torch

import minigrad as mg

torch = pytest.importorskip("torch")
T, B, IN, H, P = 6, 3, 4, 5, 2

MODELS = {
    "rnn": (lambda dtype: RNN(IN, H, dtype=dtype), lambda: torch.nn.RNN(IN, H)),
    "rnn-relu": (lambda dtype: RNN(IN, H, activation="relu", dtype=dtype), lambda: torch.nn.RNN(IN, H, nonlinearity="relu")),
    "lstm": (lambda dtype: LSTM(IN, H, dtype=dtype), lambda: torch.nn.LSTM(IN, H)),
    "lstm-projection": (lambda dtype: LSTM(IN, H, projection=P, dtype=dtype), lambda: torch.nn.LSTM(IN, H, proj_size=P)),
    "gru": (lambda dtype: GRU(IN, H, dtype=dtype), lambda: torch.nn.GRU(IN, H)),
    "lstm-2-layers": (lambda dtype: Stack([LSTM(IN, H, dtype=dtype), LSTM(H, H, dtype=dtype)]), lambda: torch.nn.LSTM(IN, H, 2)),
    "gru-bidirectional": (
        lambda dtype: Stack([Bidirectional(GRU(n, H, dtype=dtype), GRU(n, H, dtype=dtype)) for n in (IN, 2 * H)]),
        lambda: torch.nn.GRU(IN, H, 2, bidirectional=True),
    ),
}


def random_weights(theirs, rng, dtype):
    for p in theirs.parameters():
        p.data = torch.tensor(rng.normal(0, 0.5, tuple(p.shape)).astype(dtype))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", MODELS)
def test_outputs_and_gradients(name, dtype):
    tolerance = {"float32": 1e-5, "float64": 1e-10}[dtype]
    rng = np.random.default_rng(7)
    ours, theirs = MODELS[name][0](dtype), MODELS[name][1]().to(getattr(torch, dtype))
    random_weights(theirs, rng, dtype)
    ours = from_torch(ours, theirs.state_dict())
    xs = rng.standard_normal((T, B, IN)).astype(dtype)
    tx = torch.tensor(xs, requires_grad=True)
    expected, _ = theirs(tx)
    ct = rng.standard_normal(tuple(expected.shape)).astype(dtype)
    (expected * torch.tensor(ct)).sum().backward()

    def loss(model, xs):
        ys = model(xs)
        return mg.sum(ys * ct), ys

    (_, ys), (grads, dx) = mg.value_and_grad(loss, argnums=(0, 1), has_aux=True)(ours, xs)
    np.testing.assert_allclose(ys.numpy(), expected.detach().numpy(), rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(dx.numpy(), tx.grad.numpy(), rtol=tolerance, atol=tolerance)
    found = to_torch(grads)
    for key, p in theirs.named_parameters():
        g = p.grad.numpy()
        if key.startswith("bias_hh"):  # the second bias: part of the first, except for the GRU's candidate
            g = np.concatenate([np.zeros(2 * H), g[2 * H :]]) if name.startswith("gru") else 0 * g
        np.testing.assert_allclose(found[key], g, rtol=tolerance, atol=tolerance * np.abs(g).max(), err_msg=key)


@pytest.mark.parametrize("name", MODELS)
def test_round_trip(name):
    ours, theirs = MODELS[name][0]("float32"), MODELS[name][1]()
    weights = to_torch(ours)
    theirs.load_state_dict({k: torch.tensor(v) for k, v in weights.items()})
    again = to_torch(from_torch(ours, theirs.state_dict()))
    assert weights.keys() == again.keys()
    for key in weights:
        np.testing.assert_array_equal(weights[key], again[key])


def test_last_state_and_carry_in():
    rng = np.random.default_rng(3)
    theirs = torch.nn.LSTM(IN, H).double()
    random_weights(theirs, rng, "float64")
    ours = from_torch(LSTM(IN, H, dtype="float64"), theirs.state_dict())
    xs, h, c = rng.standard_normal((T, B, IN)), rng.standard_normal((B, H)), rng.standard_normal((B, H))
    ys, last = ours.run(xs, type(ours.initial_state(B))(mg.tensor(h), mg.tensor(c)))
    expected, (eh, ec) = theirs(torch.tensor(xs), (torch.tensor(h)[None], torch.tensor(c)[None]))
    for a, b in ((ys, expected), (last.h, eh[0]), (last.c, ec[0])):
        np.testing.assert_allclose(a.numpy(), b.detach().numpy(), rtol=1e-10)


def test_readout_and_errors():
    model = LSTM(IN, H, outputs=2)
    weights = to_torch(model)
    assert weights["readout.weight"].shape == (2, H)
    np.testing.assert_array_equal(from_torch(model, weights).readout.W.numpy(), model.readout.W.numpy())
    with pytest.raises(ValueError, match="weight_ih_l0 has shape"):
        from_torch(LSTM(IN + 1, H), weights)
    with pytest.raises(ValueError, match="no place for extra"):
        from_torch(model, weights | {"extra": np.zeros(1)})
    with pytest.raises(KeyError, match="weight_hh_l0"):
        from_torch(model, {k: v for k, v in weights.items() if k != "weight_hh_l0"})
    with pytest.raises(ValueError, match="peephole"):
        to_torch(LSTM(IN, H, peephole=True))


def test_gate_order_matters():
    """Random weights tell all orders of the gates apart; constant ones would not."""
    weights = to_torch(LSTM(IN, H, dtype="float64", key=1))
    xs = np.random.default_rng(0).standard_normal((T, B, IN))
    right = LSTM(IN, H, dtype="float64", key=1)(xs).numpy()
    swapped = {k: v if "bias" in k else v.reshape(4, H, -1)[[0, 1, 3, 2]].reshape(v.shape) for k, v in weights.items()}
    assert np.abs(from_torch(LSTM(IN, H, dtype="float64"), swapped)(xs).numpy() - right).max() > 1e-2
