"""State dicts of PyTorch: of every layer that has a layout, in both directions, through files as well."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from minigrad.models import GRU, LSTM, RNN, Linear, MultiHead, from_torch, to_torch
from minigrad.models.transformer import Block, LayerNorm

import minigrad as mg

torch = pytest.importorskip("torch")
XS = np.random.default_rng(0).standard_normal((5, 2, 6))


def first(layer: Any, xs: Any) -> Any:
    return layer(xs)[0]


# {name: (ours, theirs, what theirs computes)}
LAYERS: dict[str, tuple[Any, Any, Any]] = {
    "rnn": (lambda key: RNN(6, 4, key=key, dtype="float64"), lambda: torch.nn.RNN(6, 4), first),
    "lstm": (lambda key: LSTM(6, 4, key=key, dtype="float64"), lambda: torch.nn.LSTM(6, 4), first),
    "gru": (lambda key: GRU(6, 4, key=key, dtype="float64"), lambda: torch.nn.GRU(6, 4), first),
    "attention": (
        lambda key: MultiHead(6, 2, key=key, dtype="float64"),
        lambda: torch.nn.MultiheadAttention(6, 2),
        lambda layer, xs: layer(xs, xs, xs)[0],
    ),
    "block": (
        lambda key: Block(6, 2, 8, key=key, dtype="float64"),
        lambda: torch.nn.TransformerEncoderLayer(6, 2, 8, dropout=0.0, activation="gelu", norm_first=True),
        lambda layer, xs: layer(xs),
    ),
    "linear": (lambda key: Linear(6, 4, key, "float64"), lambda: torch.nn.Linear(6, 4), lambda layer, xs: layer(xs)),
    "norm": (lambda key: LayerNorm(6, "float64"), lambda: torch.nn.LayerNorm(6), lambda layer, xs: layer(xs)),
}
layers = pytest.mark.parametrize("name", LAYERS)


def shaken(layer: Any) -> Any:
    """The layer of PyTorch in float64 with random weights, biases included."""
    rng = np.random.default_rng(1)
    layer = layer.double()
    for p in layer.parameters():
        p.data = torch.from_numpy(rng.normal(0, 0.5, tuple(p.shape)))
    return layer


@layers
def test_the_weights_of_pytorch_give_its_outputs(name: str) -> None:
    make, theirs, compute = LAYERS[name]
    layer = shaken(theirs())
    with torch.no_grad():
        expected = compute(layer, torch.from_numpy(XS))
    np.testing.assert_allclose(from_torch(make(0), layer.state_dict())(mg.tensor(XS)).numpy(), expected, rtol=1e-12, atol=1e-12)


@layers
def test_pytorch_gives_the_outputs_of_our_weights_and_they_come_back(name: str) -> None:
    make, theirs, compute = LAYERS[name]
    ours, layer = make(1), theirs().double()
    weights = to_torch(ours)
    assert all(value.flags.writeable for value in weights.values())  # PyTorch writes where it reads, whatever the array says
    layer.load_state_dict({k: torch.from_numpy(v) for k, v in weights.items()})
    with torch.no_grad():
        np.testing.assert_allclose(compute(layer, torch.from_numpy(XS)), ours(mg.tensor(XS)).numpy(), rtol=1e-12, atol=1e-12)
    for a, b in zip(mg.tree.leaves(from_torch(make(2), layer.state_dict())), mg.tree.leaves(ours), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


@layers
def test_files_go_to_and_from_pytorch_under_its_names(name: str, tmp_path: Any) -> None:
    files = pytest.importorskip("safetensors.torch")
    make, theirs, _ = LAYERS[name]
    ours, layer, path = make(1), theirs().double(), tmp_path / "weights.safetensors"
    mg.io.save(path, to_torch(ours))
    files.load_model(layer, path)
    files.save_model(shaken(layer), str(path))
    found = from_torch(ours, mg.io.load(path)[0])
    assert to_torch(found).keys() == layer.state_dict().keys()
    for a, b in zip(mg.tree.leaves(found), mg.tree.leaves(from_torch(ours, layer.state_dict())), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_weights_without_a_place_are_refused_by_name() -> None:
    weights = to_torch(LSTM(6, 4, 2, key=0))
    with pytest.raises(ValueError, match=r"LSTM has no place for readout\.bias, readout\.weight"):
        from_torch(LSTM(6, 4), weights)
    with pytest.raises(ValueError, match=r"linear1\.weight has shape \(6, 8\) here, the model needs \(6, 4\)"):
        from_torch(Block(6, 2, 4), to_torch(Block(6, 2, 8)))
    with pytest.raises(TypeError, match="no layout for dict"):
        to_torch({})
