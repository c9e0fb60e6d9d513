"""Array functions mean what NumPy's of the same name mean: eagerly, compiled at sizes not compiled at, in gradients, and under vmap."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shares import shared

import minigrad as mg
from minigrad.testing import check_grads, shapes, tensors


def norm(L: Any) -> Any:
    return mg.norm if L is mg else np.linalg.norm


# f(L, x) of a matrix of any size, where L is NumPy or minigrad.
FUNCTIONS: dict[str, Callable[[Any, Any], Any]] = {
    "ravel": lambda L, x: L.ravel(x),
    "swapaxes": lambda L, x: L.swapaxes(x, 0, -1),
    "moveaxis several": lambda L, x: L.moveaxis(x[None], [0, 2], [-1, 0]),
    "expand_dims several": lambda L, x: L.expand_dims(x, (0, -1)),
    "broadcast_arrays": lambda L, x: L.concat(L.broadcast_arrays(x, x[None]), 0),
    "concat flat": lambda L, x: L.concat([x, x[None]], axis=None),
    "unstack": lambda L, x: L.concat(L.unstack(L.stack([x, -x], 1), axis=1), 1),
    "tile": lambda L, x: L.tile(x, (2, 3)),
    "tile last axis": lambda L, x: L.tile(x, 2),
    "tile new axis": lambda L, x: L.tile(x, (2, 1, 1)),
    "tile by none": lambda L, x: L.tile(x, (0, 1)),
    "repeat": lambda L, x: L.repeat(x, 3, 1),
    "repeat flat": lambda L, x: L.repeat(x, 2),
    "repeat by none": lambda L, x: L.repeat(x, 0, 0),
    "roll": lambda L, x: L.roll(x, -2, 1),
    "roll flat": lambda L, x: L.roll(x, 2),
    "roll several": lambda L, x: L.roll(x, (1, -2), (0, 1)),
    "roll several by one": lambda L, x: L.roll(x, 1, (0, 1)),
    "roll an axis twice": lambda L, x: L.roll(x, (1, 1), 0),
    "pad": lambda L, x: L.pad(x, ((1, 0), (0, 2))),
    "pad by one": lambda L, x: L.pad(x, 1),
    "pad by a pair": lambda L, x: L.pad(x, (0, 1)),
    "diff": lambda L, x: L.diff(x, axis=0),
    "diff twice": lambda L, x: L.diff(x, 2, 1),
    "diff of more": lambda L, x: L.diff(x, prepend=x * x, append=0.1),
    "diff of none": lambda L, x: L.diff(x, 0),
    "diagonal": lambda L, x: L.diagonal(x),
    "diagonal above": lambda L, x: L.diagonal(x, 1),
    "diagonal below": lambda L, x: L.diagonal(x, -1),
    "diagonal of others": lambda L, x: L.diagonal(L.stack([x, 2 * x], 1), 1, 2, 0),
    "tril": lambda L, x: L.tril(x, -1),
    "triu": lambda L, x: L.triu(x, 1),
    "cumsum": lambda L, x: L.cumsum(x, 0),
    "cumsum flat": lambda L, x: L.cumsum(x),
    "cumprod": lambda L, x: L.cumprod(x, 1),
    "cumprod of columns": lambda L, x: L.cumprod(x, 0),
    "cumprod flat": lambda L, x: L.cumprod(x),
    "cumulative_sum": lambda L, x: L.cumulative_sum(x, axis=0, include_initial=True),
    "cumulative_prod": lambda L, x: L.cumulative_prod(x, axis=1, include_initial=True),
    "count_nonzero": lambda L, x: L.count_nonzero(x * (x > 0), 1),
    "any of several": lambda L, x: L.any(x > 1, (0, 1)),
    "all of several": lambda L, x: L.all(x > -1, (0, 1), keepdims=True),
    "dot": lambda L, x: L.dot(x, x.T),
    "dot of more": lambda L, x: L.dot(x[None], L.stack([x.T, x.T])),
    "dot of a number": lambda L, x: L.dot(x, 3.0),
    "inner": lambda L, x: L.inner(x, x * x),
    "vecdot": lambda L, x: L.vecdot(x, L.stack([x, -x])),
    "tensordot": lambda L, x: L.tensordot(x, x * x),
    "tensordot of pairs": lambda L, x: L.tensordot(x, L.stack([x, x * x]), ((1, 0), (2, 1))),
    "tensordot of one": lambda L, x: L.tensordot(x, x, (0, 0)),
    "cross": lambda L, x: L.cross(L.stack([x, x * x, 1 - x], 1), L.stack([x * x, x, x], 1), axis=1),
    "searchsorted": lambda L, x: L.searchsorted(L.sort(L.ravel(x)), x),
    "searchsorted right": lambda L, x: L.searchsorted(L.sort(L.ravel(x)), x, side="right"),
    "take flat": lambda L, x: L.take(L.concat([x, x + 1]), np.zeros((2, 0), int), None),
    "take_along_axis flat": lambda L, x: L.take_along_axis(x, L.argsort(L.ravel(x)), None),
    "zeros_like": lambda L, x: L.zeros_like(x, dtype="int32"),
    "ones_like": lambda L, x: L.ones_like(x),
    "full_like": lambda L, x: L.full_like(x, 2.5),
    "arange": lambda L, x: L.arange(1, x.shape[0], dtype="float64") * 2,
    "arange by two": lambda L, x: L.arange(x.shape[0], 9, 2),
    "arange down": lambda L, x: L.arange(7, x.shape[1], -1),
    "arange of floats": lambda L, x: L.arange(0.5, 2, 0.25, dtype="float64"),
    "linspace": lambda L, x: L.linspace(L.sum(x), 3.0, 5),
    "linspace of rows": lambda L, x: L.linspace(x, x[..., :1], 4, endpoint=False),
    "linspace of one": lambda L, x: L.linspace(x, x * x, 1),
    "eye": lambda L, x: L.eye(x.shape[0], x.shape[1], 1, dtype="float64") * x,
    "meshgrid": lambda L, x: L.stack(L.meshgrid(L.ravel(x), L.sum(x, 1), L.ravel(x[:1]))),
    "meshgrid ij": lambda L, x: L.stack(L.meshgrid(L.ravel(x), L.ravel(x) + 1, indexing="ij")),
    "squeeze": lambda L, x: L.squeeze(x),
    "squeeze an axis": lambda L, x: L.squeeze(x[:, None], 1),
    "logcumsumexp": lambda L, x: L.logcumsumexp(x, 0) if L is mg else np.logaddexp.accumulate(x, 0),
    "norm": lambda L, x: norm(L)(x),
    "norm of rows": lambda L, x: norm(L)(x, axis=1, keepdims=True),
    "norm 1": lambda L, x: norm(L)(x, ord=1, axis=1),
    "norm 0": lambda L, x: norm(L)(x, ord=0, axis=1),
    "norm 3": lambda L, x: norm(L)(x, ord=3, axis=0),
    "norm of half": lambda L, x: norm(L)(x, ord=0.5, axis=0),
    "norm -1": lambda L, x: norm(L)(x, ord=-1, axis=0),
    "norm fro": lambda L, x: norm(L)(x, ord="fro"),
    "norm inf": lambda L, x: norm(L)(L.pad(x, ((1, 0), (1, 0))), ord=np.inf, axis=1),
    "norm -inf": lambda L, x: norm(L)(L.pad(x, ((0, 0), (1, 0))) + 1, ord=-np.inf, axis=1),
    "norm 1 of a matrix": lambda L, x: norm(L)(L.pad(x, ((1, 0), (1, 0))) + 0.5, ord=1),
    "norm inf of matrices": lambda L, x: norm(L)(L.stack([L.pad(x, ((1, 0), (1, 0)))] * 2), ord=np.inf, axis=(2, 1), keepdims=True),
    "norm -1 of a matrix": lambda L, x: norm(L)(L.pad(x, ((1, 0), (1, 0))) + 3, ord=-1, axis=(0, 1)),
    "norm -inf of a matrix": lambda L, x: norm(L)(L.pad(x, ((1, 0), (1, 0))) + 3, ord=-np.inf, axis=(0, 1)),
    "einsum diagonal": lambda L, x: L.einsum("ii->i", L.dot(x, x.T)),
    "einsum trace": lambda L, x: L.einsum("ii", L.dot(x, x.T)),
    "einsum ellipsis": lambda L, x: L.einsum("...i,...i->...", x, L.stack([x, x * x])),
    "einsum broadcast": lambda L, x: L.einsum("...ij,jk...->...ik", x[None], L.stack([x.T, -x.T], -1)),
    "einsum implicit": lambda L, x: L.einsum("b...a,a", x, x[0] if x.shape[0] else L.sum(x, 0)),
    "einsum of three": lambda L, x: L.einsum("ij,kj,kl->il", x, x + 1, x * x),
    "einsum of twice": lambda L, x: L.einsum("ii,ij,jj->j", L.dot(x, x.T), L.dot(x, x.T), L.dot(x, x.T)),
}  # fmt: skip
CONSTANT = {"zeros_like", "ones_like", "full_like", "arange", "count_nonzero", "any", "all", "searchsorted"}
MOVES = {
    "ravel",
    "tile",
    "repeat",
    "roll",
    "pad",
    "diagonal",
    "tril",
    "triu",
    "broadcast_arrays",
    "concat",
    "squeeze",
    "swapaxes",
    "moveaxis",
}
SAME_DTYPE = [name for name in FUNCTIONS if name.split()[0] in MOVES and name != "diagonal of others"]
SMOOTH = [name for name in FUNCTIONS if name.split()[0] not in CONSTANT and name != "norm 0"]


def same(found: Any, expected: Any, rtol: float = 1e-12) -> None:
    assert found.shape == np.shape(expected)
    np.testing.assert_allclose(np.asarray(found), expected, rtol=rtol, atol=1e-12)


@pytest.mark.parametrize("name", FUNCTIONS)
@given(x=shapes(min_dims=2, max_dims=2, min_side=0).flatmap(lambda shape: tensors(shape=shape)))
def test_each_function_is_numpys(name: str, x: mg.Tensor) -> None:
    f = FUNCTIONS[name]
    found, expected = f(mg, x), f(np, x.numpy())
    same(found, expected)
    assert found.dtype == np.asarray(expected).dtype


@pytest.mark.parametrize("name", shared(FUNCTIONS))
def test_compiled_at_one_size_it_is_numpys_at_all(name: str) -> None:
    f, rng = FUNCTIONS[name], np.random.default_rng(0)
    fast = mg.jit(lambda x: f(mg, x))
    for shape in [(3, 4), (5, 2), (2, 3), (1, 4), (3, 1), (0, 2), (2, 0)]:
        x = np.round(rng.standard_normal(shape), 1)
        same(fast(x), f(np, x))


@pytest.mark.parametrize("name", shared(SMOOTH, 1))
def test_gradients_of_first_and_second_order(name: str) -> None:
    x = np.linspace(-1.5, 1.25, 6)[[3, 0, 5, 1, 2, 4]].reshape(2, 3)
    check_grads(lambda x: FUNCTIONS[name](mg, x), x, order=2)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_vmap_is_a_loop(name: str) -> None:
    xs = np.round(np.random.default_rng(1).standard_normal((2, 3, 4)), 1)
    found = mg.vmap(lambda x: FUNCTIONS[name](mg, x))(xs)
    same(found, np.stack([FUNCTIONS[name](np, x) for x in xs]))


# ---- dtypes


@pytest.mark.parametrize("name", ["sum", "prod", "cumsum", "cumprod"])
@pytest.mark.parametrize("dtype", ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64"])
def test_integers_accumulate_as_numpys(name: str, dtype: str) -> None:
    x = np.array([3, 100, 120, 1] * 9 if dtype != "bool" else [1] * 36).astype(dtype)
    x[4:-1] = x[4:-1] > (2 if name.endswith("prod") else 250)
    for f in (getattr(mg, name), mg.jit(getattr(mg, name)) if dtype not in ("int8", "int16", "uint16") else getattr(mg, name)):
        found, expected = f(x), getattr(np, name)(x)
        assert found.dtype == expected.dtype
        same(found, expected, rtol=1e-6)
    found = getattr(mg, name)(x, dtype="float64")
    assert found.dtype == np.float64
    same(found, getattr(np, name)(x, dtype="float64"))


@given(x=tensors(dtype="bool", min_dims=1, max_dims=2), keepdims=st.booleans(), data=st.data())
def test_extremes_of_bools_are_numpys(x: mg.Tensor, keepdims: bool, data: Any) -> None:
    axis = data.draw(st.sampled_from([None, *range(-x.ndim, x.ndim)]))
    for name in ("max", "min", "argmax", "argmin"):
        found, expected = (getattr(L, name)(v, axis=axis, keepdims=keepdims) for L, v in ((mg, x), (np, x.numpy())))
        assert found.dtype == expected.dtype
        same(found, expected)


@given(x=tensors(max_dims=3), data=st.data())
def test_argmax_keeps_axes_as_numpys(x: mg.Tensor, data: Any) -> None:
    axis = data.draw(st.sampled_from([None, *range(-x.ndim, x.ndim)]))
    same(mg.argmax(x, axis, keepdims=True), np.argmax(x.numpy(), axis, keepdims=True))
    same(mg.argmin(x, axis, keepdims=True), np.argmin(x.numpy(), axis, keepdims=True))


@given(start=st.integers(-9, 9), stop=st.integers(-9, 9), step=st.integers(-4, 4).filter(bool))
def test_arange_is_numpys(start: int, stop: int, step: int) -> None:
    for numbers in ((start,), (start, stop), (start, stop, step)):
        found = mg.arange(*numbers)
        assert found.dtype == np.int64
        same(found, np.arange(*numbers))
        same(mg.arange(*map(float, numbers), dtype="float64"), np.arange(*map(float, numbers)))
    assert mg.arange(start / 2).dtype == np.float32


@given(start=st.floats(-1e3, 1e3, width=32), stop=st.floats(-1e3, 1e3, width=32), num=st.integers(0, 9), endpoint=st.booleans())
def test_linspace_is_numpys_and_ends_where_it_says(start: float, stop: float, num: int, endpoint: bool) -> None:
    found = mg.linspace(start, stop, num, endpoint, dtype="float64")
    same(found, np.linspace(start, stop, num, endpoint))
    if num > 1:
        assert found.numpy()[0] == start
        assert not endpoint or found.numpy()[-1] == stop
    assert mg.linspace(start, stop, num).dtype == np.float32


def test_long_ranges_do_not_drift() -> None:
    n = 1_000_001
    for found in (mg.linspace(0, 1, n), mg.arange(0, 1.0000005, 1e-6)):
        same(found, np.arange(n) * 1e-6, rtol=1e-7)


@given(data=st.data())
def test_repeats_of_each_position(data: Any) -> None:
    x = data.draw(tensors(min_dims=1, max_dims=2, min_side=0))
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    counts = data.draw(st.lists(st.integers(0, 3), min_size=x.shape[axis], max_size=x.shape[axis]))
    same(mg.repeat(x, counts, axis), np.repeat(x.numpy(), np.array(counts, int), axis))


@given(x=tensors(min_dims=1, max_dims=2), value=st.floats(-3, 3), data=st.data())
def test_padding_with_a_value(x: mg.Tensor, value: float, data: Any) -> None:
    widths = [(data.draw(st.integers(0, 2)), data.draw(st.integers(0, 2))) for _ in range(x.ndim)]
    same(mg.pad(x, widths, value), np.pad(x.numpy(), widths, constant_values=value))
    check_grads(lambda x: mg.pad(x, widths, value), x)


@given(x=tensors(min_dims=2, max_dims=3), offset=st.integers(-3, 3), data=st.data())
def test_diagonals_and_traces_over_any_axes(x: mg.Tensor, offset: int, data: Any) -> None:
    first, second = data.draw(st.permutations(range(x.ndim)))[:2]
    same(mg.diagonal(x, offset, first, second - x.ndim), np.diagonal(x.numpy(), offset, first, second))
    same(mg.matrix_trace(x, offset, first, second), np.trace(x.numpy(), offset, first, second))


@pytest.mark.parametrize("k", [2**63, -(2**63) - 1, 2**100])
def test_there_is_no_diagonal_far_away(k: int) -> None:
    x = np.arange(6.0).reshape(2, 3)
    sign = 1 if k > 0 else -1
    for f in (lambda L, k: L.eye(2, 3, k), lambda L, k: L.tril(x, k), lambda L, k: L.triu(x, k), lambda L, k: L.diagonal(x, k)):
        same(f(mg, k), f(np, sign * 9))


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint64", "float32"])
def test_moved_elements_keep_their_dtype(dtype: str) -> None:
    x = np.arange(6).reshape(2, 3).astype(dtype)
    for name in SAME_DTYPE:
        found = FUNCTIONS[name](mg, mg.tensor(x))
        assert found.dtype == dtype, name
        same(found, FUNCTIONS[name](np, x))


@given(x=tensors(shape=(7,), domain=(-2, 2)), values=tensors(max_dims=2, domain=(-2, 2)), side=st.sampled_from(["left", "right"]))
def test_searchsorted_puts_nan_last_and_takes_a_sorter(x: mg.Tensor, values: mg.Tensor, side: str) -> None:
    data = np.round(x.numpy())
    data[0] = np.nan
    wanted = np.append(np.round(values.numpy()), np.nan)
    order = np.argsort(data)
    same(mg.searchsorted(np.sort(data), wanted, side), np.searchsorted(np.sort(data), wanted, side))
    same(mg.searchsorted(data, wanted, side, order), np.searchsorted(data, wanted, side, order))


def test_the_gradient_of_a_cumulative_product_is_exact_at_zeros() -> None:
    for zeros in ([1], [0, 2], [0, 1, 2, 3]):
        x = np.array([2.0, -3.0, 0.5, 4.0])
        x[zeros] = 0
        check_grads(lambda x: mg.cumprod(x, 0), x, order=2)
        check_grads(lambda x: mg.cumprod(x, 0, reverse=True), x, order=2)


def test_cumulative_functions_of_a_matrix_need_an_axis_in_the_standard() -> None:
    for f in (mg.cumulative_sum, mg.cumulative_prod):
        with pytest.raises(mg.errors.AxisError, match="needs an axis"):
            f(mg.ones((2, 2)))


@pytest.mark.parametrize("order", [2, 3, 1, 0.5, np.inf, -np.inf, "fro"])
def test_norms_neither_overflow_nor_vanish(order: Any) -> None:
    x = np.array([[3.0, -4.0], [1.0, 2.0]])
    expected = np.linalg.norm(x, order, None if order == "fro" else 1)
    for size in (2.0**-100, 2.0**100):
        found = mg.norm(mg.tensor(x * size, "float32"), None if order == "fro" else 1, ord=order)
        same(found, (expected * size).astype("float32"), rtol=1e-5)


@pytest.mark.parametrize("order", [1, 2, 3, 1.5, 0.5, np.inf])
def test_the_gradient_of_a_norm_is_0_at_0(order: float) -> None:
    same(mg.grad(lambda x: mg.norm(x, 0, ord=order))(np.zeros(3)), np.zeros(3))
    check_grads(lambda x: mg.norm(x, 0, ord=order), np.array([3.0, 0.0, -1.0]), order=1) if order == 3 else None


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: mg.norm(x, ord=2), "no order 2 of a matrix. It needs singular values"),
        (lambda x: mg.norm(x, ord="nuc"), "no order 'nuc' of a matrix. It needs singular values"),
        (lambda x: mg.norm(x, ord=3), "no order 3 of a matrix. Take 'fro'"),
        (lambda x: mg.norm(x, 0, ord="fro"), "no order 'fro' of a vector"),
        (lambda x: mg.norm(x[None], ord=1), "needs one axis, or two for a matrix"),
        (lambda x: mg.searchsorted(x, 1.0), "takes a sorted vector"),
        (lambda x: mg.searchsorted(x[0], 1.0, side="middle"), "'left' or 'right'"),
        (lambda x: mg.meshgrid(x), "takes vectors"),
        (lambda x: mg.meshgrid(x[0], indexing="yx"), "'xy' or 'ij'"),
        (lambda x: mg.arange(0, 3, 0), "step must not be 0"),
        (lambda x: mg.roll(x, (1, 2, 3), (0, 1)), "3 shifts"),
        (lambda x: mg.moveaxis(x, (0, 1), 0), "these are 2 and 1"),
        (lambda x: mg.repeat(x, [1, 2, 3], 0), "each of the 2 positions"),
        (lambda x: mg.repeat(x, -1, 0), "must not be negative"),
        (lambda x: mg.tile(x, (-1,)), "must not be negative"),
        (lambda x: mg.diff(x, -1), "must not be negative"),
        (lambda x: mg.diagonal(x[0]), "needs two axes"),
        (lambda x: mg.diagonal(x, 0, 1, -1), "names an axis twice"),
        (lambda x: mg.cross(x, x), "must have length 3"),
        (lambda x: mg.vecdot(x, x[:, :1]), "has lengths 2 and 1"),
        (lambda x: mg.tensordot(x, x[:, :1], ((0, 1), (0, 1))), "have other lengths"),
        (lambda x: mg.einsum("...i,...i->i", x, x), "none in the output"),
        (lambda x: mg.einsum("...i,...i", x, mg.ones((3, 2))), "an axis of the ellipsis is 2 in operand 0"),
    ],
)
def test_what_there_is_not_is_refused_by_name(call: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call(mg.tensor(np.arange(4.0).reshape(2, 2)))


def test_logcumsumexp_neither_overflows_nor_underflows() -> None:
    x = np.array([-np.inf, -1e4, 0.0, 1e4, 1e4, -np.inf, 800.0])
    same(mg.logcumsumexp(x), np.logaddexp.accumulate(x))
    assert np.isfinite(mg.grad(lambda x: mg.sum(mg.logcumsumexp(x)[1:]))(x).numpy()).all()
    assert np.isnan(mg.logcumsumexp(np.array([0.0, np.nan, 1.0])).numpy()).tolist() == [False, True, True]


def test_a_run_time_size_of_1_is_squeezed_as_eagerly() -> None:
    fast = mg.jit(mg.squeeze)
    for shape in [(1, 3), (2, 3), (1, 1), (2, 1), (1, 4)]:
        assert fast(np.ones(shape)).shape == np.squeeze(np.ones(shape)).shape


ROWS = np.array([2, 0, 2, -1])
PEERS: dict[str, tuple[Callable[..., Any], Callable[[Any], Callable[..., Any]]]] = {
    "cumprod": (lambda x, v: mg.cumprod(x, 0), lambda torch: lambda x, v: torch.cumprod(x, 0)),
    "logcumsumexp": (lambda x, v: mg.logcumsumexp(x, 1), lambda torch: lambda x, v: torch.logcumsumexp(x, 1)),
    "index_add": (lambda x, v: mg.index_add(x, ROWS, v), lambda torch: lambda x, v: x.index_add(0, torch.tensor(ROWS % 3), v)),
    "at.add": (lambda x, v: x.at[ROWS].add(v), lambda torch: lambda x, v: x.index_put((torch.tensor(ROWS),), v, accumulate=True)),
    "at.set": (lambda x, v: x.at[ROWS[:2]].set(v[:2]), lambda torch: lambda x, v: x.index_put((torch.tensor(ROWS[:2]),), v[:2])),
    "at.max": (
        lambda x, v: x.at[ROWS].max(v),
        lambda torch: lambda x, v: x.scatter_reduce(0, torch.tensor(ROWS % 3)[:, None].expand(4, 4), v, "amax"),
    ),
    "norm 3": (lambda x, v: mg.norm(x, 1, ord=3), lambda torch: lambda x, v: torch.linalg.norm(x, 3, 1)),
    "norm of a matrix": (lambda x, v: mg.norm(x, ord=1), lambda torch: lambda x, v: torch.linalg.norm(x, 1)),
    "diagonal": (lambda x, v: mg.diagonal(x, 1), lambda torch: lambda x, v: torch.diagonal(x, 1)),
    "tensordot": (lambda x, v: mg.tensordot(x, v, (1, 1)), lambda torch: lambda x, v: torch.tensordot(x, v, ([1], [1]))),
    "einsum": (lambda x, v: mg.einsum("i...,ji->j...", x, v[:, :3]), lambda torch: lambda x, v: torch.einsum("ik,ji->jk", x, v[:, :3])),
}  # fmt: skip


@pytest.mark.parametrize("name", PEERS)
def test_gradients_are_torchs(name: str) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = PEERS[name]
    rng = np.random.default_rng(0)
    xs = [rng.standard_normal((3, 4)), rng.standard_normal((4, 4))]
    leaves = [torch.tensor(x, requires_grad=True) for x in xs]
    y = theirs(torch)(*leaves)
    weights = rng.standard_normal(tuple(y.shape))
    expected = torch.autograd.grad((y * torch.tensor(weights)).sum(), leaves, allow_unused=True)
    value, pull = mg.vjp(ours, *map(mg.tensor, xs))
    same(value, y.detach().numpy())
    for g, e in zip(pull(weights), expected, strict=True):
        same(g, np.zeros(g.shape) if e is None else e.numpy())


@pytest.mark.parametrize("name", ["cumsum", "cumprod"])
def test_long_float32_accumulations_keep_their_digits(name: str) -> None:
    n = 1_000_000
    x = np.full((n, 2), 0.1, "float32") if name == "cumsum" else 1 + np.full((n, 2), 1e-6, "float32")
    expected = getattr(np, name)(x.astype("float64"), 0)
    for f in (lambda x: getattr(mg, name)(x, 0), mg.jit(lambda x: getattr(mg, name)(x, 0))):
        same(f(x), expected, rtol=1e-7)
