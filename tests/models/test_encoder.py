"""Codes for images against PyTorch, vectors of symbols, and a model behind an encoder: the same model, shown codes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from minigrad.models import LSTM, Encoded, FeedForwardNetwork, ImageEncoder
from minigrad.models.encoder import LEAK, Embedding
from minigrad.models.registry import MODELS, builder

import minigrad as mg
from minigrad.experiments.config import model_settings, settings_of

rng = np.random.default_rng(0)


def small(side=5):
    return ImageEncoder(side, (2, 3), 4, dtype="float64")


@pytest.mark.parametrize("side", [4, 5, 7])
def test_codes_and_gradients_as_in_pytorch(side, rotational):
    torch = pytest.importorskip("torch")
    ours, x, ct = rotational(small(side)), rng.standard_normal((3, 2, side * side)), rng.standard_normal((3, 2, 4))
    value, found = mg.value_and_grad(lambda m: mg.sum(m(x) * ct))(ours)
    weights = [torch.tensor(leaf.numpy(), requires_grad=True) for leaf in mg.tree.leaves(ours)]
    m = mg.tree.unflatten(mg.tree.flatten(ours)[1], weights)
    z = torch.tensor(x.reshape(6, 1, side, side))
    for layer in m.layers:
        z = torch.nn.functional.conv2d(z, layer.W.permute(3, 2, 0, 1), layer.b, stride=2, padding=1)
        z = torch.nn.functional.leaky_relu(z, LEAK)
    y = z.movedim(1, -1).reshape(6, -1) @ m.W
    y = torch.nn.functional.layer_norm(y, (4,))
    loss = (y.reshape(3, 2, 4) * torch.tensor(ct)).sum()
    loss.backward()
    np.testing.assert_allclose(float(value), loss.item(), rtol=1e-10)
    for leaf, w in zip(mg.tree.leaves(found), weights, strict=True):
        np.testing.assert_allclose(leaf.numpy(), w.grad.numpy(), rtol=1e-9, atol=1e-10)


def test_codes_have_mean_0_and_variance_1():
    codes = ImageEncoder(12, (8, 16), 16)(rng.random((40, 144), dtype="float32")).numpy()
    np.testing.assert_allclose(codes.mean(-1), 0, atol=1e-5)
    np.testing.assert_allclose(codes.std(-1), 1, rtol=1e-3)


def test_a_model_behind_an_encoder_sees_codes_and_the_rest():
    model = LSTM(4 + 2, 3, 2, dtype="float64")
    whole, xs = Encoded(small(), model), rng.standard_normal((4, 2, 25 + 2))
    ys, last = whole.run(xs)
    alone, end = model.run(np.concatenate([small()(xs[..., :25]).numpy(), xs[..., 25:]], -1))
    np.testing.assert_array_equal(ys.numpy(), alone.numpy())
    np.testing.assert_array_equal(last.h.numpy(), end.h.numpy())
    assert (whole.inputs, whole.label) == (27, "lstm")


def test_images_are_encoded_outside_the_loop():
    graph = mg.trace(lambda m, xs: m(xs), Encoded(small(), LSTM(6, 3, 2, dtype="float64")), rng.standard_normal((4, 2, 27)))
    assert [n.op.name for n in graph.nodes].count("scan") == 1
    assert [n.op.name for n in graph.nodes].count("concat") == 3  # the patches of two layers; code and rest


def test_no_gradient_is_computed_for_pixels():
    """Of the first layer, whose gradient with respect to its input nobody asks for, no slice becomes a pad in the backward pass."""
    graph = mg.trace(mg.grad(lambda m, x: mg.sum(m(x))), ImageEncoder(6, (2,), 4), rng.standard_normal((2, 36)))
    assert [n.op.name for n in graph.nodes].count("pad") == 1


@pytest.mark.parametrize("name", list(MODELS))
def test_the_registry_puts_an_encoder_before_a_model(name):
    settings = {"memory": (4, 3), "heads": 1} if "memory" in model_settings(name) else {}
    plain, seeing = (MODELS[name](0, 30, 5, hidden=8, image=side, **settings) for side in (0, 5))
    assert not isinstance(plain, Encoded)
    assert isinstance(seeing, Encoded)
    assert (plain.inputs, seeing.inputs) == (30, 30)
    xs = rng.random((3, 2, 30), dtype="float32")
    np.testing.assert_array_equal(seeing(xs).numpy(), seeing.model(seeing.encoded(mg.tensor(xs))).numpy())
    with pytest.raises(ValueError, match="image=6, but an input has 30 numbers, fewer than 6²"):
        MODELS[name](0, 30, 5, image=6)


def test_sizes_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match="a code has 4 numbers, the model takes 3 inputs"):
        Encoded(small(), FeedForwardNetwork(3, 2, 2))
    with pytest.raises(mg.errors.ShapeError, match=r"Encoded: takes xs of shape \(T, batch, 25\), got \(3, 2, 24\)"):
        Encoded(small(), FeedForwardNetwork(4, 2, 2))(np.zeros((3, 2, 24)))


def test_an_embedding_gives_a_symbol_its_row_whose_numbers_have_variance_1():
    embedding = Embedding(128, 64, key=3)
    np.testing.assert_array_equal(embedding(np.eye(128, dtype="float32")).numpy(), embedding.W.numpy())
    assert embedding.W.numpy().std() == pytest.approx(1, rel=0.03)


@pytest.mark.parametrize("name", ["lstm", "transformer", "feedforward"])
def test_the_registry_puts_an_embedding_before_a_model(name):
    model, xs = MODELS[name](0, 7, 5, hidden=8, embedding=6), rng.random((3, 2, 7), dtype="float32")
    assert (model.inputs, model.model.inputs) == (7, 6)
    np.testing.assert_allclose(model(xs).numpy(), model.model(xs @ model.encoder.W.numpy()).numpy(), rtol=1e-5, atol=1e-6)


def test_an_image_is_encoded_before_an_embedding():
    model = MODELS["lstm"](0, 30, 5, hidden=8, image=5, embedding=6)
    assert (model.encoder.inputs, model.model.encoder.inputs, model.model.model.inputs) == (25, 64 + 5, 6)


@pytest.mark.parametrize(("name", "asks", "other"), [("memn2n", {"separator": 2}, {}), ("tape-rnn", {}, {"jump": "given"})])
def test_a_model_that_asks_which_channels_are_on_has_no_embedding(name, asks, other):
    assert isinstance(MODELS[name](0, 7, 5, hidden=8, embedding=6, **other), Encoded)
    with pytest.raises(ValueError, match=r"embedding=6, but .* asks which channels of an input are on, and vectors do not tell"):
        MODELS[name](0, 7, 5, hidden=8, embedding=6, **asks)


class Own:
    def __init__(self, inputs: int, outputs: int, key: Any = 0, embedding: int = 3):
        self.inputs, self.embedding = inputs, embedding


def test_a_parameter_of_ones_own_of_this_name_stays_its_own():
    assert [builder(Own)(0, 7, 5).embedding, builder(Own)(0, 7, 5, embedding=4).embedding] == [3, 4]
    assert list(settings_of(builder(Own), 3)) == ["embedding", "image"]
