from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad import init, random
from minigrad.transforms.interpret import run

KEY = random.key(2024)
N = 20_000


def test_numbers_are_a_function_of_the_key_eager_traced_and_batched() -> None:
    keys = random.split(KEY, 3)
    f = lambda k: random.normal(k, (2, 2), "float64")  # noqa: E731
    each = np.stack([f(k).numpy() for k in keys])
    np.testing.assert_array_equal(mg.vmap(f)(keys).numpy(), each)
    np.testing.assert_array_equal(run(mg.trace(f, KEY), [KEY.numpy()])[0], f(KEY).numpy())
    assert len(np.unique(each)) == each.size


def test_the_stream_of_a_key_is_recorded() -> None:
    """Bits of Philox 4x64-10: these numbers may never change."""
    np.testing.assert_array_equal(random.uniform(random.key(0), (2,), dtype="float64").numpy(), _uniform(0, 2))
    np.testing.assert_array_equal(random.uniform(random.key(7 + (3 << 64)), (3,), dtype="float64").numpy(), _uniform(7 + (3 << 64), 3))


def _uniform(seed: int, n: int) -> np.ndarray:
    bits = np.random.Philox(key=seed, counter=0).random_raw(n)
    return (bits >> np.uint64(11)) * 2.0**-53


@given(seed=st.integers(0, 2**128 - 1), n=st.integers(0, 2**63 - 1))
def test_new_keys_are_new(seed: int, n: int) -> None:
    key = random.key(seed)
    found = [tuple(k.tolist()) for k in (key, *random.split(key), random.fold_in(key, n), random.fold_in(random.fold_in(key, n), n))]
    assert len(set(found)) == 5
    assert random.fold_in(key, n).tolist() == random.fold_in(key, mg.tensor(n)).tolist()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_uniform_and_normal_have_their_moments(dtype: str) -> None:
    u = random.uniform(KEY, (N,), -1, 3, dtype).numpy()
    assert u.dtype == dtype
    assert u.min() >= -1
    assert u.max() < 3
    assert abs(u.mean() - 1) < 0.04
    assert abs(u.var() - 16 / 12) < 0.04
    z = random.normal(KEY, (N,), dtype).numpy()
    assert z.dtype == dtype
    assert np.isfinite(z).all()
    assert abs(z.mean()) < 0.03
    assert abs(z.var() - 1) < 0.04
    assert abs((z**4).mean() - 3) < 0.25


def test_bernoulli_integers_and_permutation() -> None:
    assert abs(random.bernoulli(KEY, 0.3, (N,)).numpy().mean() - 0.3) < 0.02
    found = random.integers(KEY, -2, 3, (N,)).numpy()
    assert found.dtype == np.int64
    assert set(found) == {-2, -1, 0, 1, 2}
    assert np.bincount(found + 2).min() > N / 5 * 0.9
    assert sorted(random.permutation(KEY, 50).tolist()) == list(range(50))


def test_initialisers_have_their_spread() -> None:
    shape = (200, 100)
    for f, std in [(init.glorot, math.sqrt(2 / 300)), (init.he, math.sqrt(2 / 200)), (lambda k, s: init.normal(k, s, 0.5), 0.5)]:
        w = f(KEY, shape).numpy()
        assert w.dtype == np.float32
        assert abs(w.std() / std - 1) < 0.02
        assert abs(w.mean()) < 0.02 * std * 3
    assert np.abs(init.glorot(KEY, shape).numpy()).max() <= math.sqrt(6 / 300)


@pytest.mark.parametrize("shape", [(4, 4), (3, 5), (5, 3)])
def test_orthogonal_is_orthogonal(shape: tuple[int, int]) -> None:
    w = init.orthogonal(KEY, shape, gain=2, dtype="float64").numpy()
    product = w @ w.T if shape[0] <= shape[1] else w.T @ w
    np.testing.assert_allclose(product, 4 * np.eye(min(shape)), atol=1e-12)


def test_chrono_covers_the_dependencies() -> None:
    b = init.chrono(KEY, 1000, 50).numpy()
    assert b.min() >= 0
    assert b.max() <= math.log(49)
    with pytest.raises(ValueError, match="at least 3"):
        init.chrono(KEY, 4, 2)
    with pytest.raises(ValueError, match="fan-in"):
        init.glorot(KEY, (3,))
