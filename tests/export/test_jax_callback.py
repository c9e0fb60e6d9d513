"""JAX programs that call minigrad's compiled programs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from minigrad.models import LSTM

import minigrad as mg

jax = pytest.importorskip("jax")

from minigrad.export.jax import arrays, callback  # noqa: E402

XS = np.random.default_rng(0).standard_normal((5, 2, 3))


@pytest.fixture(autouse=True)
def wide() -> Any:
    with jax.enable_x64(True):
        yield


def same(found: Any, expected: Any) -> None:
    for a, b in zip(mg.tree.leaves(found), mg.tree.leaves(expected), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(np.asarray(a), b.numpy(), rtol=1e-12, atol=1e-14)


def test_a_model_of_minigrad_trains_in_a_program_of_jax() -> None:
    model = mg.tree.map(lambda t: t.astype("float64"), LSTM(3, 4, 2, key=0))
    run = callback(lambda model, xs: (model(xs), mg.argmax(xs, -1)))

    def loss(model: Any, xs: Any) -> Any:
        ys, classes = run(model, xs)
        return (jax.numpy.tanh(ys) ** 2).mean() + classes.sum()

    def ours(model: Any, xs: Any) -> Any:
        return mg.mean(mg.tanh(model(xs)) ** 2) + mg.sum(mg.argmax(xs, -1))

    found = jax.jit(jax.value_and_grad(loss, (0, 1)))(arrays(model), XS)
    same(found, mg.value_and_grad(ours, (0, 1))(model, XS))


def test_vmap_calls_it_for_each_element() -> None:
    f = callback(lambda x: mg.sin(x) * mg.sum(x))
    same(jax.vmap(f)(XS[0]), mg.stack([mg.sin(x) * mg.sum(x) for x in map(mg.tensor, XS[0])]))


def test_64_bits_are_refused_in_a_session_of_32() -> None:
    x = XS[0, 0].astype("float32")
    with jax.enable_x64(False):
        np.testing.assert_array_equal(jax.grad(lambda x: callback(lambda x: x * 2)(x).sum())(x), [2, 2, 2])
        with pytest.raises(mg.errors.DTypeError, match=r"takes or gives int64\(\), and the session of JAX has 32 bits"):
            callback(lambda x: mg.argmax(x))(x)


def test_an_error_of_minigrad_comes_through() -> None:
    with pytest.raises(Exception, match="index 7 out of bounds"):
        jax.block_until_ready(callback(lambda x, i: mg.take(x, i))(XS[0, 0], np.array([7])))
