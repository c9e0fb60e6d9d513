"""Writing at an index: new tensors with other elements, for every index that reading takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import minigrad as mg
from minigrad.testing import check_grads, indices, shapes

SHAPES = shapes(max_dims=3, min_side=0, max_side=3)
METHODS = {"set": None, "add": np.add, "max": np.maximum, "min": np.minimum}


def written(method: str, x: np.ndarray, index: Any, values: Any) -> np.ndarray:
    """What NumPy makes of x, in place."""
    y = x.copy()
    ufunc = METHODS[method]
    if ufunc is None:
        y[index] = values
    else:
        ufunc.at(y, index, np.broadcast_to(values, y[index].shape))  # NumPy 2.4 loses values that it broadcasts itself
    return y


def counted(shape: tuple[int, ...]) -> np.ndarray:
    return np.sin(np.arange(float(np.prod(shape)))).reshape(shape)


@pytest.mark.parametrize("method", METHODS)
@given(data=st.data(), shape=SHAPES)
def test_each_method_does_what_numpy_does_in_place(method: str, data: Any, shape: tuple[int, ...]) -> None:
    x = counted(shape)
    index = data.draw(st.one_of(indices(shape), hnp.basic_indices(shape, allow_newaxis=True)))
    target = x[index].shape
    for values in (0.25, -np.arange(float(np.prod(target))).reshape(target), np.ones(target[-1:])):
        found = getattr(mg.tensor(x).at[index], method)(values)
        np.testing.assert_allclose(found.numpy(), written(method, x, index, values), rtol=1e-13)
        assert found.dtype == x.dtype


@given(data=st.data(), shape=shapes(min_dims=1, max_dims=3))
def test_masks_of_any_rank(data: Any, shape: tuple[int, ...]) -> None:
    x, mask = counted(shape), data.draw(hnp.arrays(bool, shape[: data.draw(st.integers(1, len(shape)))]))
    for method in METHODS:
        np.testing.assert_array_equal(getattr(mg.tensor(x).at[mask], method)(0.5).numpy(), written(method, x, mask, 0.5))


@pytest.mark.parametrize("method", METHODS)
@given(data=st.data(), shape=shapes(min_dims=1, max_dims=3))
def test_gradients_with_duplicates(method: str, data: Any, shape: tuple[int, ...]) -> None:
    x, index = counted(shape), data.draw(indices(shape))
    values = np.cos(np.arange(float(x[index].size)) * 2 + 1).reshape(x[index].shape)
    check_grads(lambda x, v: mg.sin(getattr(x.at[index], method)(v)), x, values, order=2)


def test_overwritten_values_have_no_gradient_and_added_ones_all_have() -> None:
    x, index, values = mg.zeros(3), [1, -1, 1, 1], np.arange(4.0)
    np.testing.assert_array_equal(mg.grad(lambda v: mg.sum(x.at[index].set(v)))(values).numpy(), [0, 1, 0, 1])
    np.testing.assert_array_equal(mg.grad(lambda v: mg.sum(x.at[index].add(v)))(values).numpy(), np.ones(4))
    np.testing.assert_array_equal(mg.grad(lambda x: mg.sum(x.at[index].set(values)))(np.ones(3)).numpy(), [1, 0, 0])


def test_a_tie_shares_the_gradient_of_a_maximum() -> None:
    values = np.array([2.0, 2.0, 1.0, 5.0])
    for method, sign in (("max", 1), ("min", -1)):
        found = mg.grad(lambda v, m=method: mg.sum(getattr(mg.zeros(3, "float64").at[[1, 1, 1, 0]], m)(v)))(sign * values)
        np.testing.assert_array_equal(found.numpy(), [0.5, 0.5, 0, 1])


@pytest.mark.parametrize("method", METHODS)
def test_compiled_at_one_size_it_is_numpys_at_all(method: str) -> None:
    fast = mg.jit(lambda x, i, v: getattr(x.at[i], method)(v))
    strided = mg.jit(lambda x, v: getattr(x.at[1:, ::-1], method)(v))
    whole = mg.jit(lambda x, i, v: mg.grad(lambda x, v: mg.sum(mg.sin(getattr(x.at[:, i], method)(v))), (0, 1))(x, v))
    rng = np.random.default_rng(0)
    for n, m, k in [(3, 4, 5), (5, 2, 7), (1, 3, 2), (4, 1, 1), (6, 2, 0)]:
        x, i, v = rng.standard_normal((n, m)), rng.integers(-n, n, k), rng.standard_normal((k, m))
        np.testing.assert_allclose(fast(x, i, v).numpy(), written(method, x, i, v), rtol=1e-13)
        np.testing.assert_allclose(strided(x, x[1:] + 1).numpy(), written(method, x, np.s_[1:, ::-1], x[1:] + 1), rtol=1e-13)
        j, w = rng.integers(-m, m, k), rng.standard_normal((n, k))
        expected = mg.grad(lambda x, v, j=j: mg.sum(mg.sin(getattr(x.at[:, j], method)(v))), (0, 1))(x, w)
        for found, e in zip(whole(x, j, w), expected, strict=True):
            np.testing.assert_allclose(found.numpy(), e.numpy(), rtol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_vmap_is_a_loop(method: str) -> None:
    rng = np.random.default_rng(0)
    xs, rows, values = rng.standard_normal((2, 4, 3)), rng.integers(-4, 4, (2, 5)), rng.standard_normal((2, 5, 3))
    for axes in [(0, 0, 0), (0, None, 0), (None, 0, None), (None, None, 0), (0, 0, None)]:
        given_ = [a if axis == 0 else a[0] for a, axis in zip((xs, rows, values), axes, strict=True)]
        found = mg.vmap(lambda x, i, v: getattr(x.at[i], method)(v), axes)(*given_)
        for b in range(2):
            x, i, v = (a[b] if axis == 0 else a for a, axis in zip(given_, axes, strict=True))
            np.testing.assert_allclose(found.numpy()[b], written(method, x, i, v), rtol=1e-13)


@given(data=st.data(), shape=shapes(min_dims=1, max_dims=3))
def test_index_add_adds_slices(data: Any, shape: tuple[int, ...]) -> None:
    x, axis = counted(shape), data.draw(st.integers(-len(shape), len(shape) - 1))
    n = shape[axis]
    index = data.draw(
        hnp.arrays("int64", hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=4), elements=st.integers(-n, n - 1))
    )
    key = (slice(None),) * (axis % len(shape)) + (index,)
    for updates in (2.0, counted(x[key].shape)):
        np.testing.assert_allclose(mg.index_add(x, index, updates, axis).numpy(), written("add", x, key, updates), rtol=1e-13)
    check_grads(lambda x, u: mg.index_add(x, index, mg.sin(u), axis), x, counted(x[key].shape), order=2)


@pytest.mark.parametrize("dtype", ["bool", "int8", "int32", "uint8", "uint64", "float32", "float64"])
def test_every_dtype_is_kept(dtype: str) -> None:
    x, values = np.array([1, 0, 1, 0]).astype(dtype), np.array([0, 1, 1]).astype(dtype)
    for method in METHODS if dtype != "bool" else ["set"]:
        found = getattr(mg.tensor(x).at[[0, 3, 0]], method)(values)
        assert found.dtype == dtype
        np.testing.assert_array_equal(found.numpy(), written(method, x, np.array([0, 3, 0]), values))


@pytest.mark.parametrize(
    ("write", "error", "words"),
    [
        (lambda t: t.at[4].set(1), IndexError, "index 4 out of bounds for axis 0 of size 3"),
        (lambda t: t.at[np.array([0, -4])].add(1.0), IndexError, "index -4 out of bounds"),
        (lambda t: t.at[0].set(np.ones(5)), ValueError, "does not broadcast"),
        (lambda t: mg.astype(t, "int32").at[0].set(1.5), TypeError, r"at\[…\].set: int32 does not hold float32"),
        (lambda t: mg.astype(t, "uint8").at[0].add(np.array([1])), TypeError, "uint8 does not hold int64"),
        (lambda t: mg.astype(t, "uint8").at[0].add(300), OverflowError, "300 does not fit uint8"),
        (lambda t: (t > 0).at[0].add(True), TypeError, "takes numbers, got bool"),
        (lambda t: (t > 0).at[0].set(2), TypeError, "bool does not hold int64"),
        (lambda t: mg.index_add(t, [3], 1.0), IndexError, "index 3 out of bounds"),
        (lambda t: mg.index_add(t, [0], np.ones((2, 4))), ValueError, "do not broadcast"),
        (lambda t: t.__setitem__(0, 1), TypeError, r"t\.at\[index\]\.set\(value\)"),
    ],
)
def test_bad_writing_says_what_is_wrong(write: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        write(mg.tensor(counted((3, 4))))


def test_a_compiled_index_out_of_bounds_is_found_when_it_runs() -> None:
    fast = mg.jit(lambda x, i: x.at[i].add(1))
    fast(counted((3,)), np.array([0, 2]))
    for bad in (3, -4):
        with pytest.raises(IndexError, match=f"index {bad} out of bounds"):
            fast(counted((3,)), np.array([0, bad]))


@pytest.mark.parametrize("mask", [((True, False, True), (False, True, False)), [[True, False, True], [False, True, False]]])
def test_nested_masks_inside_an_index_are_written_where_they_are_read(mask: Any) -> None:
    x = counted((2, 3))
    np.testing.assert_array_equal(mg.tensor(x).at[(mask,)].set(9.0).numpy(), written("set", x, (np.array(mask),), 9.0))
