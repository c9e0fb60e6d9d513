"""Test-time training: mini-batches by the dual form and step by step, linear attention and the delta rule in it, PyTorch's gradients."""

from __future__ import annotations

import numpy as np
import pytest
from minigrad.models import TTT, Cell
from minigrad.models.test_time import Network, descend

import minigrad as mg

rng = np.random.default_rng(0)
T, BATCH, HEADS, D = 7, 2, 2, 3
KINDS = pytest.mark.parametrize("network", ["linear", "mlp"])


def random_weights(model, std=0.4):
    return mg.tree.map(lambda p: mg.parameter(rng.normal(0, std, p.shape)), model)


@KINDS
@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("mini_batch", [1, 3, 16])
def test_mini_batches_by_the_dual_form_are_the_steps(network, plain, mini_batch):
    model = random_weights(TTT(3, 6, 2, 2, network, mini_batch, plain, dual=True, dtype="float64"))
    xs = rng.standard_normal((T, BATCH, 3))
    np.testing.assert_allclose(model(xs).numpy(), Cell.run(model, xs)[0].numpy(), rtol=1e-12, atol=1e-12, strict=True)


def test_both_forms_have_the_same_gradients_compiled_or_not():
    model = random_weights(TTT(3, 4, 2, mini_batch=2, dual=True, convolution=False, norm=False, dtype="float64"))
    steps, together = (mg.grad(lambda m, xs, f=f: mg.sum(mg.sin(f(m, xs)))) for f in (lambda m, xs: Cell.run(m, xs)[0], TTT.__call__))
    for length, found in ((3, mg.jit(together)), (5, together)):
        xs = rng.standard_normal((length, BATCH, 3))
        for a, b in zip(mg.tree.leaves(found(model, xs)), mg.tree.leaves(steps(model, xs)), strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-9, atol=1e-11)
    assert model(np.zeros((0, BATCH, 3))).shape == (0, BATCH, 2)


def descended(f, mini_batch, q, k, v, eta, c):
    """What the network reads at q after each step, from weights of 0."""
    W = G = tuple(mg.zeros((BATCH, *w.shape), "float64") for w in f.weights)
    i, read = mg.zeros(BATCH, "int64"), []
    for t in range(T):
        rate = mg.full((BATCH, HEADS), eta, "float64")
        W, G, i, now = descend(f, W, G, i, *map(mg.tensor, (k[t], v[t])), rate, mg.full(BATCH, c, "float64"), mini_batch)
        read.append(f(now, mg.tensor(q[t])).numpy())
    return np.stack(read)


def test_one_mini_batch_of_a_linear_network_from_0_is_causal_linear_attention():
    q, k, v = rng.standard_normal((3, T, BATCH, HEADS, D))
    found = descended(Network("linear", HEADS, D, True, dtype="float64"), T, q, k, v, 1.0, 1.0)
    scores = np.tril(np.einsum("tbhd,sbhd->bhts", q, k))
    np.testing.assert_allclose(found, np.einsum("bhts,sbhd->tbhd", scores, v), rtol=1e-12, atol=1e-12)


def test_mini_batches_of_one_step_of_a_linear_network_are_the_delta_rule():
    """β = η, for the loss has a factor ½; it is 2η for |f(k) − v|²."""
    q, k, v = rng.standard_normal((3, T, BATCH, HEADS, D))
    found, S = descended(Network("linear", HEADS, D, True, dtype="float64"), 1, q, k, v, 0.3, 1.0), np.zeros((BATCH, HEADS, D, D))
    for t in range(T):
        error = v[t] - np.einsum("bhkv,bhk->bhv", S, k[t])
        S = S + 0.3 * np.einsum("bhk,bhv->bhkv", k[t], error)
        np.testing.assert_allclose(found[t], np.einsum("bhkv,bhk->bhv", S, q[t]), rtol=1e-12, atol=1e-12)


@KINDS
def test_against_pytorch_after_the_equations(network):
    """Values and gradients of a whole layer: the gradient at the start of each mini-batch, c_i, LN and residual."""
    torch = pytest.importorskip("torch")
    model = random_weights(TTT(3, D, None, 1, network, 3, convolution=False, norm=False, dtype="float64"))
    names = ["projections.W", "projections.b", "rate.W", "rate.b", "c", "network.scale", "network.shift"]
    names += [f"network.{n}{i}" for i in ((1,) if network == "linear" else (1, 2)) for n in "Wb"]
    leaves, treedef = mg.tree.flatten(model)
    p = {n: torch.tensor(x.numpy(), requires_grad=True) for n, x in zip(mg.io.names(treedef), leaves, strict=True)}
    assert p.keys() == set(names)
    xs, ct = rng.standard_normal((T, BATCH, 3)), rng.standard_normal((T, BATCH, D))
    F = torch.nn.functional

    def f(W, x):
        z = x @ W[0] + W[1]
        z = z if len(W) == 2 else F.gelu(z) @ W[2] + W[3]
        return x + F.layer_norm(z, (D,)) * p["network.scale"][0] + p["network.shift"][0]

    loss = 0.0
    for b in range(BATCH):
        W = [p[f"network.{n}{i}"][0] for i in ((1,) if network == "linear" else (1, 2)) for n in "Wb"]
        for t in range(T):
            x, i = torch.tensor(xs[t, b]), t % 3
            q, k, v = torch.split(x @ p["projections.W"] + p["projections.b"], D)
            eta = {"linear": 1, "mlp": 0.1}[network] / D * torch.sigmoid(x @ p["rate.W"] + p["rate.b"])
            G = [0.0] * len(W) if i == 0 else G  # noqa: F821
            gradient = torch.autograd.grad(0.5 * ((f(W, k) - v) ** 2).sum(), W, create_graph=True)
            G = [g + eta * d for g, d in zip(G, gradient, strict=True)]
            now = [w - torch.relu(1 / (i + 1) + p["c"][i]) * g for w, g in zip(W, G, strict=True)]
            loss = loss + (f(now, q) * torch.tensor(ct[t, b])).sum()
            W = now if i == 2 else W
    loss.backward()
    value, grads = mg.value_and_grad(lambda m: mg.sum(m(xs) * ct))(model)
    np.testing.assert_allclose(value.numpy(), loss.item(), rtol=1e-10)
    for name, g in zip(mg.io.names(treedef), mg.tree.leaves(grads), strict=True):
        np.testing.assert_allclose(g.numpy(), p[name].grad.numpy(), rtol=1e-8, atol=1e-10, err_msg=name)
