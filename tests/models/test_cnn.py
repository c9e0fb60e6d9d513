"""The causal CNN: exactly its window, the same step by step, and PyTorch's convolution."""

from __future__ import annotations

import numpy as np
import pytest
from minigrad.models import CNN, Bidirectional, Cell
from minigrad.models.tasks import coreference

import minigrad as mg

rng = np.random.default_rng(0)
XS = rng.standard_normal((12, 2, 3))


@pytest.mark.parametrize(("kernel", "layers"), [(3, 1), (3, 2), (1, 2), (2, 4)])
def test_a_gradient_reaches_the_window_and_is_exactly_0_before_it(kernel, layers):
    model = CNN(3, 8, 2, kernel, layers, dtype="float64")
    found = mg.grad(lambda xs: mg.sum(model(xs)[-1]))(XS).numpy()
    assert model.window == 1 + layers * (kernel - 1)
    assert not found[: -model.window].any()
    assert found[-model.window :].any((1, 2)).all()


def test_a_window_of_nine_cannot_join_a_name_and_a_pronoun_that_are_farther_apart():
    """The article's text: the gradient from the answer to the name is exactly 0."""
    xs, _, mask = coreference.batch(0, 0, 4, distance=2)
    model = CNN(*coreference.sizes()[:1], 16, 16, kernel=9)
    at = mask.argmax(0)
    found = mg.grad(lambda xs: mg.sum(mg.stack([model(xs)[t, i, 0] for i, t in enumerate(at)])))(xs).numpy()
    named = xs[..., : len(coreference.NAMES)].any(-1).argmax(0)
    assert (named == 0).all()
    assert not found[0].any()
    assert all(found[t, i].any() for i, t in enumerate(at))


@pytest.mark.parametrize("kernel", [1, 3])
def test_all_steps_at_once_are_the_scan_of_the_step(kernel):
    model = CNN(3, 4, 2, kernel, 2, dtype="float64")
    start = mg.tree.map(lambda v: mg.tensor(rng.standard_normal(v.shape)), model.initial_state(2))
    for length in (0, 1, 2, 12):
        (ys, last), (expected, end) = model.run(XS[:length], start), Cell.run(model, XS[:length], start)
        np.testing.assert_allclose(ys.numpy(), expected.numpy(), rtol=1e-12, atol=1e-12, strict=True)
        for a, b in zip(last.past, end.past, strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12, atol=1e-12, strict=True)


def test_both_directions_see_a_window_on_either_side():
    model = Bidirectional(CNN(3, 4, kernel=3, dtype="float64"), CNN(3, 4, kernel=2, dtype="float64", key=1))
    found = mg.grad(lambda xs: mg.sum(model(xs)[6]))(XS).numpy()
    assert found.any((1, 2)).nonzero()[0].tolist() == [4, 5, 6, 7]


def test_against_pytorch():
    torch = pytest.importorskip("torch")
    model, ct = CNN(3, 5, 2, 3, 2, dtype="float64"), rng.standard_normal((12, 2, 2))
    model = mg.tree.map(lambda p: mg.parameter(rng.normal(0, 0.5, p.shape)), model)
    x = h = torch.tensor(XS, requires_grad=True)
    weights = []
    for layer in model.layers:
        weights += [torch.tensor(layer.W.numpy(), requires_grad=True), torch.tensor(layer.b.numpy(), requires_grad=True)]
        padded = torch.nn.functional.pad(h.permute(1, 2, 0), (2, 0))
        h = torch.relu(torch.conv1d(padded, weights[-2].permute(2, 1, 0), weights[-1])).permute(2, 0, 1)
    out = h @ torch.tensor(model.readout.W.numpy()) + torch.tensor(model.readout.b.numpy())
    (out * torch.tensor(ct)).sum().backward()
    np.testing.assert_allclose(model(XS).numpy(), out.detach().numpy(), rtol=1e-12, atol=1e-12)
    grads, dx = mg.grad(lambda m, xs: mg.sum(m(xs) * ct), (0, 1))(model, XS)
    np.testing.assert_allclose(dx.numpy(), x.grad.numpy(), rtol=1e-12, atol=1e-12)
    found = [g for layer in grads.layers for g in (layer.W, layer.b)]
    for g, w in zip(found, weights, strict=True):
        np.testing.assert_allclose(g.numpy(), w.grad.numpy(), rtol=1e-11, atol=1e-12)
