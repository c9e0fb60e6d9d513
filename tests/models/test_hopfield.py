"""The modern Hopfield network: its energy, attention as one update, retrieval and averages."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minigrad.models import Hopfield, HopfieldNetwork, scaled_dot_product
from minigrad.models.hopfield import energy, update

import minigrad as mg
from minigrad.errors import SettingError
from minigrad.testing import check_grads

rng = np.random.default_rng(0)


@given(beta=st.floats(0.05, 20), scale=st.floats(0.1, 3), seed=st.integers(0, 99))
def test_the_energy_never_rises(beta, scale, seed):
    rng = np.random.default_rng(seed)
    X, xi = mg.tensor(scale * rng.standard_normal((6, 5))), mg.tensor(scale * rng.standard_normal((4, 5)))
    before = energy(xi, X, beta).numpy()
    for _ in range(4):
        xi = update(xi, X, beta)
        after = energy(xi, X, beta).numpy()
        assert (after <= before + 1e-12 * (1 + np.abs(before))).all()
        before = after


def test_an_update_is_a_step_of_1_down_the_gradient_of_the_energy_in_closed_form():
    """∂E/∂ξ = ξ − Xᵀ softmax(β X ξ)."""
    X, xi = rng.standard_normal((6, 5)), rng.standard_normal((4, 5))
    slope = mg.grad(lambda xi: mg.sum(energy(xi, mg.tensor(X), 0.7)))(xi)
    np.testing.assert_allclose(update(mg.tensor(xi), mg.tensor(X), 0.7).numpy(), xi - slope.numpy(), rtol=1e-12, atol=1e-12)
    check_grads(lambda xi, X: mg.sum(mg.sin(update(xi, X, 0.7))), xi, X, order=2)


def test_one_update_at_one_over_the_root_of_the_width_is_attention():
    q, k = rng.standard_normal((2, 4, 5)), rng.standard_normal((2, 6, 5))
    mask = rng.random((4, 6)) < 0.7
    for m in (None, mask):
        found = update(mg.tensor(q), mg.tensor(k), 5**-0.5, m).numpy()
        np.testing.assert_allclose(found, scaled_dot_product(*map(mg.tensor, (q, k, k)), m)[0].numpy(), rtol=1e-12, atol=1e-14)
    layer, x = Hopfield(5, dtype="float64"), mg.tensor(rng.standard_normal((4, 2, 5)))
    xi, X = (mg.moveaxis(norm(x) @ W, 0, 1) for norm, W in ((layer.norm_state, layer.W_q), (layer.norm_stored, layer.W_k)))
    expected = mg.moveaxis(scaled_dot_product(xi, X, X @ layer.W_v)[0], 0, 1)
    np.testing.assert_allclose(layer(x, x).numpy(), expected.numpy(), rtol=1e-12, atol=1e-12)


def test_a_small_beta_gives_the_mean_of_the_patterns_and_a_large_one_retrieves():
    """Ten patterns of 32 numbers and length 1, each asked for by itself: the cosine with what is found after twenty updates."""
    X = np.random.default_rng(5).standard_normal((10, 32))
    X = mg.tensor(X / np.linalg.norm(X, axis=1, keepdims=True))

    def cosine(beta):
        xi = X
        for _ in range(20):
            xi = update(xi, X, beta)
        return float(mg.mean(mg.cosine_similarity(xi, X)).numpy())

    np.testing.assert_allclose(update(X, X, 1e-9).numpy(), np.tile(X.numpy().mean(0), (10, 1)), atol=1e-8)
    assert 0.3 < cosine(1) < 0.5
    assert cosine(8) > 0.99


def test_more_updates_move_on_and_a_mask_keeps_the_past():
    xs = rng.standard_normal((6, 2, 3))
    one, two = (HopfieldNetwork(3, 4, 2, updates=n, dtype="float64") for n in (1, 2))
    two.hopfield.beta = one.hopfield.beta = 3.0
    assert np.abs(one(xs).numpy() - two(xs).numpy()).max() > 1e-4
    reached = mg.grad(lambda xs: mg.sum(two(xs)[3]))(xs).numpy()
    assert reached[:4].any((1, 2)).all()
    assert not reached[4:].any()


def test_the_network_against_finite_differences(check_differences):
    xs, ct = rng.standard_normal((5, 2, 3)), rng.standard_normal((5, 2, 2))
    model = mg.tree.map(lambda p: mg.parameter(rng.normal(0, 0.5, p.shape)), HopfieldNetwork(3, 4, 2, 2, 1.5, dtype="float64"))
    check_differences(lambda m: mg.sum(m(xs) * ct), model)


def test_a_beta_below_0_is_refused_by_name():
    with pytest.raises(SettingError, match="Hopfield: beta=-1 must be above 0"):
        Hopfield(4, beta=-1)
