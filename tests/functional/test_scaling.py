"""Norms, similarities and normalisation of very large and very small numbers; softmax of nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad.testing import check_grads

SIZES = st.sampled_from([1e-40, 1e-30, 1e-19, 1e-3, 1.0, 5e10, 1e20, 1e37])
rng = np.random.default_rng(0)
X, Y = rng.standard_normal((3, 4)), rng.standard_normal((3, 4))


def cosine(x: Any, y: Any, axis: int = -1) -> Any:
    x, y = np.broadcast_arrays(x, y)
    return (x * y).sum(axis) / (np.linalg.norm(x, axis=axis) * np.linalg.norm(y, axis=axis))


@given(a=SIZES, b=SIZES, compiled=st.booleans())
def test_similarity_does_not_depend_on_length(a: float, b: float, compiled: bool) -> None:
    x, y = (X * a).astype("float32"), (Y * b).astype("float32")
    f = mg.jit(mg.cosine_similarity) if compiled else mg.cosine_similarity
    found = f(x, y)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.numpy(), cosine(x.astype("float64"), y.astype("float64")), rtol=1e-5)


def test_similarity_of_a_vector_with_itself_is_1() -> None:
    for v in (np.array([3.0, 4.0]) * 0.001, np.array([3, 4], "float32") * 5e10, np.array([1, 0])):
        assert abs(float(mg.cosine_similarity(v, v)) - 1) < 1e-6
    assert float(mg.cosine_similarity(np.ones(2), np.ones(1))) == pytest.approx(1)


@pytest.mark.parametrize(("left", "right", "axis"), [((2, 3), (3,), -1), ((2, 1), (2, 3), -1), ((2, 3), (1, 3), 0), ((4, 1, 3), (5, 3), 2)])
def test_similarity_broadcasts_first(left: Any, right: Any, axis: int) -> None:
    x, y = rng.standard_normal(left), rng.standard_normal(right)
    np.testing.assert_allclose(mg.cosine_similarity(x, y, axis).numpy(), cosine(x, y, axis), rtol=1e-12)
    check_grads(lambda x, y: mg.cosine_similarity(x, y, axis), x, y, order=2)


def test_similarity_and_its_gradient_are_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    a, b = (torch.tensor(v, requires_grad=True) for v in (X, Y))
    torch.nn.functional.cosine_similarity(a, b, -1).sum().backward()
    for found, t in zip(mg.grad(lambda x, y: mg.sum(mg.cosine_similarity(x, y)), (0, 1))(X, Y), (a, b), strict=True):
        np.testing.assert_allclose(found.numpy(), t.grad.numpy(), rtol=1e-10, atol=1e-14)


def test_a_row_of_zeros_is_similar_to_nothing() -> None:
    x = np.array([[0.0, 0.0], [3.0, 4.0]])
    for f in (mg.cosine_similarity, mg.jit(mg.cosine_similarity)):
        np.testing.assert_allclose(f(x, np.ones((2, 2))).numpy(), [0, 7 / 50**0.5], rtol=1e-12)
    for g in mg.grad(lambda x, y: mg.sum(mg.cosine_similarity(x, y)), (0, 1))(x, np.ones((2, 2))):
        assert np.isfinite(g.numpy()).all()
        assert not g.numpy()[0].any()


def test_an_epsilon_damps_short_vectors() -> None:
    v = np.array([3.0, 4.0]) * 0.001
    assert float(mg.cosine_similarity(v, v, epsilon=1e-8)) == pytest.approx(25e-6 / (625e-12 + 1e-8) ** 0.5)
    with pytest.raises(mg.errors.SettingError, match="epsilon must not be negative, got -1"):
        mg.cosine_similarity(v, v, epsilon=-1)


@given(size=SIZES, axis=st.sampled_from([None, 0, 1, (0, 1)]), keepdims=st.booleans())
def test_norms_neither_overflow_nor_vanish(size: float, axis: Any, keepdims: bool) -> None:
    x = (X * size).astype("float32")
    expected = np.sqrt((x.astype("float64") ** 2).sum(axis, keepdims=keepdims))
    for f in (mg.norm, mg.jit(lambda x: mg.norm(x, axis, keepdims))):
        found = f(x, axis, keepdims) if f is mg.norm else f(x)
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5)


def test_the_norm_of_infinity_is_infinite_and_of_nothing_0() -> None:
    assert float(mg.norm([np.inf, 1.0])) == np.inf
    assert float(mg.norm(np.zeros((0, 3)))) == 0
    assert float(mg.norm(np.array([3, 4]))) == 5
    check_grads(mg.norm, X * 1e3, order=2)


@pytest.mark.parametrize("size", [1.0, 1e15, 1e20, 1e30])
def test_layers_normalise_large_numbers(size: float) -> None:
    x = (X * size).astype("float32")
    wide = x.astype("float64")
    centred = wide - wide.mean(-1, keepdims=True)
    for f in (mg.layer_norm, mg.jit(mg.layer_norm)):
        np.testing.assert_allclose(f(x).numpy(), centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5), rtol=1e-4)
    np.testing.assert_allclose(mg.rms_norm(x).numpy(), wide / np.sqrt((wide**2).mean(-1, keepdims=True) + 1e-5), rtol=1e-4)


def test_layers_normalise_as_in_pytorch() -> None:
    torch = pytest.importorskip("torch")
    F = torch.nn.functional
    for ours, theirs in ((mg.layer_norm, F.layer_norm), (mg.rms_norm, F.rms_norm)):
        x, scale = torch.tensor(X, requires_grad=True), torch.tensor(Y[0], requires_grad=True)
        expected = theirs(x, (4,), scale, eps=1e-5)
        (expected * torch.tensor(Y)).sum().backward()
        np.testing.assert_allclose(ours(X, Y[0]).numpy(), expected.detach().numpy(), rtol=1e-12)
        for found, t in zip(mg.grad(lambda x, s, f=ours: mg.sum(f(x, s) * Y), (0, 1))(X, Y[0]), (x, scale), strict=True):
            np.testing.assert_allclose(found.numpy(), t.grad.numpy(), rtol=1e-9, atol=1e-13)
        check_grads(ours, X * 3, Y[0], order=2)


@pytest.mark.parametrize("shape", [(3, 0), (0,), (2, 0, 3)])
@pytest.mark.parametrize("axis", [0, -1])
def test_softmax_of_nothing_is_empty_and_logsumexp_minus_infinity(shape: Any, axis: int) -> None:
    x = np.ones(shape)
    for f in (mg.softmax, mg.log_softmax):
        for g in (f, mg.jit(lambda x, f=f: f(x, axis))):
            assert (g(x, axis) if g is f else g(x)).shape == shape
        assert mg.grad(lambda x, f=f: mg.sum(f(x, axis)))(x).shape == shape
    for g in (lambda x: mg.logsumexp(x, axis), mg.jit(lambda x: mg.logsumexp(x, axis))):
        expected = np.full(np.delete(shape, axis), -np.inf)
        np.testing.assert_array_equal(g(x).numpy(), expected)


def test_an_axis_that_becomes_empty_at_run_time_is_an_empty_axis() -> None:
    f = mg.jit(lambda x: (mg.softmax(x[1:]), mg.logsumexp(x[1:]), mg.norm(x[1:])))
    for n in (4, 1, 3, 2, 1):
        x = rng.standard_normal(n)
        a, b, c = f(x)
        np.testing.assert_allclose(a.numpy(), mg.softmax(x[1:]).numpy())
        np.testing.assert_allclose([float(b), float(c)], [float(mg.logsumexp(x[1:])), np.linalg.norm(x[1:])])
