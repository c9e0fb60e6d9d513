"""Titans' neural memory: the delta rule in it, its dynamics along one key, where it is stable, and PyTorch's gradients."""

from __future__ import annotations

import numpy as np
import pytest
from minigrad.models import Titans
from minigrad.models.titans import Rates, learn, recall

import minigrad as mg
from minigrad import viz
from minigrad.errors import SettingError

rng = np.random.default_rng(0)


def rates(eta, theta, alpha, batch=1, heads=1):
    return Rates(*(mg.full((batch, heads), v, "float64") for v in (eta, theta, alpha)))


def test_a_linear_memory_without_momentum_and_forgetting_is_the_delta_rule_of_twice_the_rate():
    T, batch, heads, d, theta = 6, 2, 3, 4, 0.2
    ks, vs = rng.standard_normal((2, T, batch, heads, d))
    M = expected = rng.standard_normal((batch, heads, d, d))
    memory, S = (mg.tensor(M),), (mg.zeros(M.shape, "float64"),)
    for k, v in zip(ks, vs, strict=True):
        memory, S = learn(memory, S, mg.tensor(k), mg.tensor(v), rates(0, theta, 0, batch, heads))
        error = v - np.einsum("bhkv,bhk->bhv", expected, k)
        expected = expected + 2 * theta * np.einsum("bhk,bhv->bhkv", k, error)
        np.testing.assert_allclose(memory[0].numpy(), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("eta", "theta", "alpha"), [(0.9, 0.25, 0), (0.3, 0.1, 0.2), (0, 0.5, 0.5)])
def test_along_one_key_memory_and_momentum_turn_by_a_matrix(eta, theta, alpha):
    """[[1 − α − β, η], [−β, η]] with β = 2θ|k|²; and a decay of M is not Gated DeltaNet's, which decays before it corrects."""
    k, r = rng.standard_normal(4), rates(eta, theta, alpha)
    beta = 2 * theta * k @ k
    turn = np.array([[1 - alpha - beta, eta], [-beta, eta]])
    M, S = rng.standard_normal((2, 1, 1, 4, 4))
    (after,), (momentum,) = learn((mg.tensor(M),), (mg.tensor(S),), mg.tensor(k[None, None]), mg.zeros((1, 1, 4), "float64"), r)
    found = [np.einsum("k,abkv->v", k, x.numpy()) for x in (after, momentum)]
    np.testing.assert_allclose(found, turn @ [np.einsum("k,abkv->v", k, x) for x in (M, S)], rtol=1e-12)
    if eta == 0:
        gated = (1 - alpha) * (np.eye(4) - 2 * theta * np.outer(k, k)) @ M[0, 0]
        plain = ((1 - alpha) * np.eye(4) - 2 * theta * np.outer(k, k)) @ M[0, 0]
        np.testing.assert_allclose(after.numpy()[0, 0], plain, rtol=1e-12)
        assert np.abs(plain - gated).max() > 0.1


def test_the_memory_spirals_where_momentum_is_large():
    """β = 0.5, η = 0.9, α = 0: eigenvalues 0.7 ± 0.64 i, so that what is held at a key overshoots the value."""
    values = np.linalg.eigvals([[0.5, 0.9], [-0.5, 0.9]])
    np.testing.assert_allclose(sorted(values.imag), [-0.64, 0.64], atol=5e-3)
    np.testing.assert_allclose(values.real, 0.7, atol=1e-12)
    k, v, M, S, held = mg.tensor([[[1.0]]], "float64"), mg.ones((1, 1, 1), "float64"), *[(mg.zeros((1, 1, 1, 1), "float64"),)] * 2, []
    for _ in range(8):
        M, S = learn(M, S, k, v, rates(0.9, 0.25, 0))
        held.append(recall(M, k).numpy().item())
    assert max(held) > 1.4


def test_with_the_bound_of_a_half_a_linear_memory_is_stable_for_all_gates():
    def radius(alpha, beta, eta):
        return np.abs(np.linalg.eigvals(np.stack([np.stack([1 - alpha - beta, eta], -1), np.stack([-beta, eta], -1)], -2))).max(-1)

    alpha, beta, eta = rng.uniform(0.001, 0.999, (3, 2000))
    assert (radius(alpha, beta, eta) < 1).all()
    edge = (2 - alpha) * (1 + eta)
    assert (radius(alpha, edge * 0.999, eta) < 1).all()
    assert (radius(alpha, edge * 1.001, eta) > 1).all()
    xs = rng.normal(0, 30, (50, 3, 2))
    state = Titans(2, 4, depth=1, dtype="float64").run(xs)[1]
    assert np.abs(state.M[0].numpy()).max() < 100


def test_the_memory_starts_to_forget_slowly_and_rates_stay_in_their_bounds():
    model = Titans(3, 4, heads=2, bound=0.3, dtype="float64")
    assert mg.sigmoid(model.rates.b).numpy()[-2:] == pytest.approx([0.0067] * 2, abs=1e-4)
    xs = rng.normal(0, 50, (6, 1, 3))
    seen = viz.record(lambda m, xs: m(xs), model, xs, names=["eta", "theta", "alpha", "k"])
    assert seen["theta"].max() <= 0.3
    assert seen["theta"].max() > 0.25
    for name in ("eta", "alpha"):
        assert 0 <= seen[name].min() <= seen[name].max() <= 1
    assert (np.linalg.norm(seen["k"], axis=-1) <= 1).all()


def test_a_memory_that_is_an_mlp_against_pytorch():
    torch = pytest.importorskip("torch")
    T, batch, heads, d = 4, 2, 2, 3
    ks, vs, qs = rng.normal(0, 0.6, (3, T, batch, heads, d))
    etas, thetas, alphas = rng.uniform(0.1, 0.3, (3, T, batch, heads))
    start = rng.normal(0, 0.6, (2, batch, heads, d, d))

    def apply(M, k):
        h = torch.einsum("bhk,bhkv->bhv", k, M[0])
        return torch.einsum("bhk,bhkv->bhv", torch.nn.functional.silu(h), M[1])

    given = [torch.tensor(x, requires_grad=True) for x in (start, ks, vs, qs, etas, thetas, alphas)]
    M, S, loss = list(given[0]), [torch.zeros(batch, heads, d, d, dtype=torch.float64)] * 2, 0.0
    for k, v, q, *gates in zip(*given[1:], strict=True):
        eta, theta, alpha = (g[..., None, None] for g in gates)
        gradient = torch.autograd.grad(((apply(M, k) - v) ** 2).sum(), M, create_graph=True)
        S = [eta * s - theta * g for s, g in zip(S, gradient, strict=True)]
        M = [(1 - alpha) * m + s for m, s in zip(M, S, strict=True)]
        loss = loss + torch.sin(apply(M, q)).sum()
    loss.backward()

    def ours(start, ks, vs, qs, etas, thetas, alphas):
        def step(state, row):
            k, v, q, *gates = row
            M, S = learn(*state, k, v, Rates(*gates))
            return (M, S), mg.sum(mg.sin(recall(M, q)))

        M = (start[0], start[1])
        return mg.sum(mg.scan(step, (M, tuple(map(mg.zeros_like, M))), (ks, vs, qs, etas, thetas, alphas))[1])

    value, grads = mg.value_and_grad(ours, tuple(range(7)))(start, ks, vs, qs, etas, thetas, alphas)
    np.testing.assert_allclose(value.numpy(), loss.item(), rtol=1e-12)
    for found, expected in zip(grads, given, strict=True):
        np.testing.assert_allclose(found.numpy(), expected.grad.numpy(), rtol=1e-9, atol=1e-11)


def test_a_bound_of_0_is_refused_by_name():
    with pytest.raises(SettingError, match="Titans: bound=0 must be above 0"):
        Titans(3, 4, bound=0)


def test_the_gradient_that_a_step_takes_is_drawn_in_the_step():
    """An unrolled step has it as its own operations; what mg.grad adds after the loop stays a gradient."""
    model, xs = Titans(3, 4, 2), np.ones((2, 1, 3), "float32")

    def gradients(f):
        return sum(n.origin.vjp_of is not None for n in mg.unroll(mg.trace(f, model, xs)).nodes)

    assert gradients(lambda m, xs: m(xs)) == 0
    assert gradients(mg.grad(lambda m, xs: mg.sum(m(xs)))) > 100
