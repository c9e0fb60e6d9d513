"""What holds for every composite function: NaN is not hidden, float32 stays float32, and gradients, vmap and jit agree with the values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.testing import check_grads

rng = np.random.default_rng(0)
X, Y, W = rng.standard_normal((3, 4)), rng.standard_normal((3, 4)), rng.standard_normal((3, 4, 2))
P, INDEX, BITS = rng.dirichlet(np.ones(4), 3), np.array([0, 3, 1]), (rng.random((3, 4)) < 0.5).astype(float)
CASES: dict[str, tuple[Any, ...]] = {
    "avg_pool1d": (lambda x: mg.avg_pool1d(x, 2, 1), X),
    "binary_cross_entropy": (mg.binary_cross_entropy, X, BITS),
    "circular_convolution": (mg.circular_convolution, X, X[0, :3]),
    "conv1d": (lambda x, W: mg.conv1d(x, W, padding=1), X, W),
    "conv2d": (mg.conv2d, X[..., None], W[:2, :2, None]),
    "cosine_similarity": (mg.cosine_similarity, X, Y),
    "cross_entropy": (lambda z: mg.cross_entropy(z, INDEX), X),
    "dropout": (lambda x: mg.dropout(x, 0.5, None), X),
    "elu": (mg.elu, X),
    "embedding": (lambda table: mg.embedding(np.array([0, 1, 2]), table), X),
    "gelu": (mg.gelu, X),
    "glu": (mg.glu, X),
    "huber": (mg.huber, X, Y),
    "kl_div": (mg.kl_div, np.log(P[::-1]), P),
    "layer_norm": (mg.layer_norm, X, Y[0], Y[1]),
    "leaky_relu": (mg.leaky_relu, X),
    "log_softmax": (mg.log_softmax, X),
    "logsumexp": (mg.logsumexp, X),
    "max_pool1d": (lambda x: mg.max_pool1d(x, 2, 1), X),
    "mse": (mg.mse, X, Y),
    "nll": (lambda x: mg.nll(x, np.array([0, 1])), X[:2, :2] * np.eye(2)),
    "rms_norm": (mg.rms_norm, X, Y[0]),
    "silu": (mg.silu, X),
    "softmax": (mg.softmax, X),
    "std": (mg.std, X),
    "var": (mg.var, X),
}


def test_every_composite_function_has_a_case() -> None:
    assert sorted(CASES) == sorted(mg.functional.__all__)


@pytest.mark.parametrize("name", CASES)
def test_nan_is_not_hidden(name: str) -> None:
    f, *operands = CASES[name]
    compiled = mg.jit(lambda *xs: f(*xs))
    assert np.isfinite(f(*operands).numpy()).all()
    for i, operand in enumerate(operands):
        for place in np.ndindex(operand.shape):
            if name == "nll" and place[0] != place[1]:
                continue  # not the target
            changed = [x.copy() for x in operands]
            changed[i][place] = np.nan
            found = f(*changed).numpy()
            assert np.isnan(found).any()
            np.testing.assert_array_equal(np.isnan(compiled(*changed).numpy()), np.isnan(found))
    with pytest.raises(mg.errors.NonFiniteError):
        mg.jit(lambda *xs: f(*xs), finite=True)(*(np.full_like(x, np.nan) for x in operands))


@pytest.mark.parametrize("name", CASES)
def test_float32_stays_float32(name: str) -> None:
    f, *operands = CASES[name]
    narrow = [x.astype("float32") for x in operands]
    for found in (
        f(*narrow),
        mg.jit(lambda *xs: f(*xs))(*narrow),
        *mg.grad(lambda *xs: mg.sum(f(*xs)), tuple(range(len(narrow))))(*narrow),
    ):
        assert found.dtype == np.float32
    np.testing.assert_allclose(f(*narrow).numpy(), f(*operands).numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_gradients_are_right_to_second_order(name: str) -> None:
    f, *operands = CASES[name]
    check_grads(f, *operands, order=2)


@pytest.mark.parametrize("name", CASES)
def test_vmap_is_the_function_of_each(name: str) -> None:
    f, *operands = CASES[name]
    stacked = [np.stack([x, 0.5 * x]) for x in operands]
    expected = np.stack([f(*row).numpy() for row in zip(*stacked, strict=True)])
    for g in (mg.vmap(lambda *xs: f(*xs)), mg.jit(mg.vmap(lambda *xs: f(*xs)))):
        np.testing.assert_allclose(g(*stacked).numpy(), expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("f", [mg.softmax, mg.log_softmax, mg.logsumexp, mg.norm, mg.std, mg.layer_norm, mg.rms_norm, mg.elu, mg.gelu])
def test_the_gradient_of_nan_is_nan(f: Any) -> None:
    assert np.isnan(mg.grad(lambda x: mg.sum(mg.square(f(x))))(np.array([1.0, np.nan, 2.0])).numpy()[1])


def test_a_nan_makes_its_row_of_softmax_nan_and_no_other() -> None:
    x = np.array([[np.nan, 1.0, 2.0], [1.0, 2.0, -np.inf]])
    for f in (mg.softmax, mg.log_softmax):
        assert np.isnan(f(x).numpy()).tolist() == [[True] * 3, [False] * 3]
    assert np.isnan(mg.logsumexp(x, -1).numpy()).tolist() == [True, False]
