from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import minigrad as mg
from minigrad.errors import ShapeError
from minigrad.testing import assert_same_graph_value, check_grads, indices, shapes
from minigrad.transforms.interpret import run

SHAPES = shapes(max_dims=4, min_side=0, max_side=3)


def counted(shape: tuple[int, ...]) -> np.ndarray:
    return np.arange(float(np.prod(shape))).reshape(shape)


def agrees(x: np.ndarray, index: Any) -> None:
    """The same array as NumPy's, or both refuse."""
    try:
        expected = x[index]
    except IndexError:
        with pytest.raises((IndexError, ValueError)):
            mg.tensor(x)[index]
        return
    found = mg.tensor(x)[index]
    assert found.shape == expected.shape
    np.testing.assert_array_equal(found.numpy(), expected)


@given(data=st.data(), shape=SHAPES)
def test_basic_indexing_is_numpys(data: Any, shape: tuple[int, ...]) -> None:
    agrees(counted(shape), data.draw(hnp.basic_indices(shape, allow_newaxis=True)))


@given(data=st.data(), shape=SHAPES)
def test_mixed_indexing_is_numpys(data: Any, shape: tuple[int, ...]) -> None:
    agrees(counted(shape), data.draw(indices(shape)))


def entries(n: int) -> st.SearchStrategy[Any]:
    """What NumPy takes as an index of an axis of length n, or as an index of no axis."""
    at = st.integers(-n, n - 1)
    several = st.lists(at, min_size=2, max_size=2)
    mask = hnp.arrays(bool, n)
    one_of_two = several.map(lambda v: np.array(v) % 2 == 0)
    return st.one_of(
        at, at.map(np.int8), at.map(np.array), at.map(mg.tensor), st.just(slice(None)), st.just(slice(None, None, -1)), st.none(),
        several, several.map(tuple), several.map(deque), several.map(np.array), several.map(mg.tensor),
        several.map(lambda v: [[v[0]], v[1:]]), several.map(lambda v: list(map(mg.tensor, v))),
        st.just(range(min(n, 2))), st.just([]), st.just(()),
        mask, mask.map(mg.tensor), mask.map(lambda m: m.tolist()), one_of_two.map(lambda m: m[0]),
        st.booleans(), st.booleans().map(np.array), st.booleans().map(mg.tensor),
    )  # fmt: skip


def plain(index: Any) -> Any:
    """The index with arrays in place of tensors, which NumPy cannot read inside lists."""
    if isinstance(index, mg.Tensor):
        return index.numpy()
    return type(index)(map(plain, index)) if isinstance(index, (list, tuple)) else index


@given(data=st.data(), shape=shapes(min_side=1, max_side=3))
def test_every_index_of_numpy_is_an_index_here(data: Any, shape: tuple[int, ...]) -> None:
    x, n = counted(shape), min(shape, default=1)
    index = tuple(data.draw(st.lists(entries(n), max_size=3)))
    if data.draw(st.booleans()):
        index = (*index, ...)
    try:
        expected = x[plain(index)]
    except IndexError:
        with pytest.raises((IndexError, ValueError)):
            mg.tensor(x)[index]
        return
    for found in (mg.tensor(x)[index], mg.jit(lambda x: x[index])(x)):
        assert found.shape == expected.shape
        np.testing.assert_array_equal(found.numpy(), expected)


def test_the_rows_of_a_batch_and_their_labels() -> None:
    x, labels = counted((3, 4)), np.array([1, 0, 3])
    np.testing.assert_array_equal(mg.tensor(x)[range(3), labels].numpy(), x[range(3), labels])
    np.testing.assert_array_equal(mg.jit(lambda x, i: x[range(3), i])(x, labels).numpy(), x[range(3), labels])
    assert mg.tensor(5.0)[mg.tensor(True)].tolist() == [5]
    assert mg.tensor(5.0)[np.bool_(False)].shape == (0,)
    assert mg.tensor(5.0)[True].tolist() == [5]


def test_tensors_in_a_list_are_an_index_array() -> None:
    x, i = counted((3, 4)), np.array([1, 2])
    np.testing.assert_array_equal(mg.jit(lambda x, i: x[[i[0], i[1], 0]])(x, i).numpy(), x[[1, 2, 0]])


def test_an_ellipsis_for_no_axis_stands_between_index_arrays() -> None:
    x, two, mask = counted((2, 3, 4, 5)), np.array([1, 0]), np.array([True, False, False, True])
    for index in (
        (slice(None), slice(None), two, ..., two),
        (slice(None), two, ..., two),
        (0, ..., two),
        (slice(None), slice(None), mask, ..., two),
    ):
        agrees(x, index)


@given(data=st.data(), shape=shapes(min_dims=1, max_dims=3))
def test_boolean_masks_of_any_rank_are_numpys(data: Any, shape: tuple[int, ...]) -> None:
    agrees(counted(shape), data.draw(hnp.arrays(bool, shape[: data.draw(st.integers(1, len(shape)))])))


@given(data=st.data(), shape=shapes(min_dims=1, max_dims=3))
def test_out_of_bounds_is_refused_where_numpy_refuses(data: Any, shape: tuple[int, ...]) -> None:
    agrees(counted(shape), tuple(data.draw(st.integers(-5, 5)) for _ in shape))
    agrees(counted(shape), tuple(np.array([data.draw(st.integers(-5, 5)), 0]) for _ in shape))


@given(data=st.data(), shape=shapes(max_dims=3))
def test_gradient_of_indexing(data: Any, shape: tuple[int, ...]) -> None:
    index = data.draw(indices(shape))
    check_grads(lambda x: x[index], counted(shape) / 8, order=1)
    assert_same_graph_value(mg.grad(lambda x: mg.sum(mg.sin(x[index]))), counted(shape))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "uint64"])
def test_indices_of_every_integer_dtype(dtype: str) -> None:
    x = counted((300, 2))
    index = np.array([5, 0, 120], dtype)
    np.testing.assert_array_equal(mg.tensor(x)[index].numpy(), x[index])
    np.testing.assert_array_equal(mg.tensor(x)[index, np.array([0, 1, 1], dtype)].numpy(), x[index, [0, 1, 1]])
    rows = np.stack([index, index])
    found = mg.vmap(lambda x, i: x[i])(np.stack([x, -x]), rows)
    np.testing.assert_array_equal(found.numpy(), np.stack([x[index], -x[index]]))
    np.testing.assert_array_equal(mg.jit(lambda i: mg.one_hot(i, 300))(index).numpy(), np.eye(300)[index.astype(int)])
    np.testing.assert_array_equal(mg.repeat(x[:3], index, 0).numpy(), np.repeat(x[:3], index.astype(int), 0))
    many = np.ones((20_000, 2))
    added = mg.zeros((300, 2), "float64").at[np.resize(index, 20_000)].add(many)
    assert added.numpy().sum() == many.sum()


@pytest.mark.parametrize("compiled", [False, True])
def test_an_index_that_int64_does_not_hold_is_out_of_bounds(compiled: bool) -> None:
    x, index = counted((4, 3)), np.array([2**64 - 1, 0], "uint64")
    for f in (
        lambda x, i: x[i],
        lambda x, i: x[i, i],
        lambda x, i: mg.take_along_axis(x[:, 0], i, 0),
        lambda x, i: x.at[i].add(1.0),
        lambda x, i: x.at[i, i].set(1.0),
    ):
        with pytest.raises(mg.errors.BoundsError):
            (mg.jit(f) if compiled else f)(mg.tensor(x), mg.tensor(index))


def test_an_abstract_index_out_of_bounds_is_found_when_it_runs() -> None:
    x = mg.tensor(counted((3, 4)))
    for f in (lambda i: x[i], lambda i: x[i, 0], lambda i: x[0, i + 1], lambda i: mg.take(x, i, 1), lambda i: mg.one_hot(i, 3) @ x + x[i]):
        graph = mg.trace(f, np.array([0, 1]))
        with pytest.raises(IndexError):
            run(graph, [np.array([1, 5])])


def test_a_batched_index_out_of_bounds_is_refused() -> None:
    x = np.stack([counted((3,)), counted((3,))])
    for bad in (3, -4):
        with pytest.raises(IndexError):
            mg.vmap(lambda x, i: mg.take(x, i))(x, np.array([[0], [bad]]))


def test_tensor_indices_and_negative_positions() -> None:
    x = mg.tensor(counted((4, 3)))
    np.testing.assert_array_equal(x[mg.tensor(-1)].numpy(), x.numpy()[-1])
    np.testing.assert_array_equal(x[mg.tensor([0, -1]), -1].numpy(), x.numpy()[[0, -1], -1])
    np.testing.assert_array_equal(x[x > 5].numpy(), x.numpy()[x.numpy() > 5])


@pytest.mark.parametrize(
    ("index", "error", "words"),
    [
        (5, IndexError, "index 5 out of bounds for axis 0 of size 3"),
        ((0, -5), IndexError, "index -5 out of bounds for axis 1 of size 4"),
        (np.array([0, 7]), IndexError, "index 7 out of bounds"),
        ((np.array([0]), np.array([9])), IndexError, "index 9 out of bounds for axis 1 of size 4"),
        (np.array([0.5]), TypeError, r"astype\('int64'\)"),
        (1.5, TypeError, "no index"),
        ("a", TypeError, "no index"),
        (np.array([True, False]), ValueError, "length 2 for axis 0 of length 3"),
        ((0, 0, 0), ValueError, "3 indices for a 2-d tensor"),
        ((..., ...), ValueError, "only one Ellipsis"),
        (slice(None, None, 0), ValueError, "step cannot be 0"),
    ],
)
def test_bad_indices_say_what_is_wrong(index: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        mg.tensor(counted((3, 4)))[index]
    assert "test_indexing.py" in str(caught.value)


def test_an_abstract_mask_is_refused_with_the_alternative() -> None:
    with pytest.raises(mg.errors.AbstractValueError, match=r"mg\.where"):
        mg.trace(lambda x: x[x > 0], np.ones(3))


def test_a_mask_without_elements_selects_nothing_along_any_axis_as_in_numpy() -> None:
    for shape in [(1,), (3,), (3, 2)]:
        none = np.zeros(0, bool)
        assert mg.ones(shape)[none].shape == np.ones(shape)[none].shape


@pytest.mark.parametrize(
    ("shape", "index"), [((), np.zeros(0, bool)), ((3,), np.ones(2, bool)), ((3,), (0, 0)), ((3,), np.ones((3, 1), bool))]
)
def test_an_index_that_does_not_fit_is_an_index_error_and_a_shape_error(shape: tuple[int, ...], index: Any) -> None:
    for kind in (IndexError, ShapeError):
        with pytest.raises(kind):
            mg.ones(shape)[index]
