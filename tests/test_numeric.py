"""Rounding, signs, angles, logarithms and bits: NumPy's values, eager and compiled, at special values and at random; gradients at kinks."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad.testing import check_grads
from minigrad.testing.strategies import broadcastable, dtypes, tensors

# Units in the last place by which compiled functions may differ from NumPy's. Where a limit is missing, no bit differs.
UNARY = {
    "ceil": 0, "trunc": 0, "round": 0, "positive": 0, "nan_to_num": 0, "isinf": 0, "isnan": 0, "isfinite": 0, "signbit": 0,
    "reciprocal": 0, "sign": 0, "exp2": 2, "log2": 3, "log10": 3, "sinh": 3, "cosh": 3, "tan": 3,
    **dict.fromkeys(("asin", "acos", "atan", "asinh", "acosh", "atanh", "arcsin", "arccos", "arctan", "arcsinh", "arccosh", "arctanh"), 3),
}  # fmt: skip
BINARY = {"hypot": 1, "atan2": 3, "arctan2": 3, "copysign": 0, "nextafter": 0, "logical_xor": 0}
BITS = ["bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_left_shift", "bitwise_right_shift"]
BOOL, FLOATS = np.dtype("bool"), st.sampled_from(["float32", "float64"])


def same(found: Any, expected: Any, ulps: int = 0) -> None:
    """Equal in type and value, with the signs of zeros, up to some units in the last place."""
    a, b = np.asarray(found), np.asarray(expected)
    assert (a.dtype, a.shape) == (b.dtype, b.shape)
    if a.dtype.kind != "f":
        np.testing.assert_array_equal(a, b)
        return
    np.testing.assert_array_equal(np.signbit(a)[~np.isnan(b)], np.signbit(b)[~np.isnan(b)])
    if ulps:
        np.testing.assert_array_almost_equal_nulp(a[np.isfinite(b)], b[np.isfinite(b)], ulps)
        a, b = a[~np.isfinite(b)], b[~np.isfinite(b)]
    np.testing.assert_array_equal(a, b)


def everywhere(dtype: Any) -> np.ndarray:
    """Special values, all magnitudes, the numbers around 1, and halves."""
    rng, info = np.random.default_rng(0), np.finfo(dtype)
    special = [0, 0.5, 1, 1 - info.eps, 1 + info.eps, 2, 10, 1000, 2**22 + 0.5, info.max, info.tiny, info.smallest_subnormal, np.inf]
    found = np.concatenate([special, 10 ** rng.uniform(-37, 38, 500), rng.uniform(0, 1, 500), np.arange(20) / 2])
    return np.concatenate([found, -found, [np.nan]]).astype(dtype)


def pairs(dtype: Any) -> list[np.ndarray]:
    some = everywhere(dtype)[::9]
    return [a.ravel() for a in np.meshgrid(some, some)]


@pytest.fixture(autouse=True)
def compiled_or_an_error() -> Iterator[None]:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("error", mg.CompileWarning)
        yield


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", UNARY)
def test_a_function_is_numpys_everywhere(name: str, dtype: str) -> None:
    x = everywhere(dtype)
    f, expected = getattr(mg, name), getattr(np, name)(x)
    same(f(x), expected)
    same(mg.jit(f)(x), expected, UNARY[name])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", BINARY)
def test_a_function_of_two_numbers_is_numpys_everywhere(name: str, dtype: str) -> None:
    x, y = pairs(dtype)
    f, expected = getattr(mg, name), getattr(np, name)(x, y)
    same(f(x, y), expected)
    same(mg.jit(f)(x, y), expected, BINARY[name])


@given(data=st.data(), dtype=FLOATS, name=st.sampled_from([*BINARY, "logaddexp"]))
def test_operands_broadcast(data: Any, dtype: str, name: str) -> None:
    x, y = data.draw(broadcastable(dtype=dtype, special=True))
    same(getattr(mg, name)(x, y), getattr(np, name)(x.numpy(), y.numpy()))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_logaddexp_neither_overflows_nor_loses_infinities(dtype: str) -> None:
    x, y = pairs(dtype)
    expected = np.logaddexp(x, y)
    same(mg.logaddexp(x, y), expected)
    limit = 4 * np.finfo(dtype).eps  # of the result or of log 2, which of them is larger
    np.testing.assert_allclose(mg.jit(mg.logaddexp)(x, y), expected, rtol=limit, atol=limit)


@given(data=st.data(), dtype=dtypes("iu"), name=st.sampled_from(BITS))
def test_bits_are_numpys(data: Any, dtype: Any, name: str) -> None:
    limits = st.integers(int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)) | st.sampled_from([0, 1, 7, 8, 31, 32, 63, 64])
    x, y = (np.array(data.draw(st.lists(limits, min_size=3, max_size=3))).astype(dtype) for _ in range(2))
    same(getattr(mg, name)(x, y), getattr(np, name)(x, y))


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8", "uint32", "uint64"])
@pytest.mark.parametrize("name", BITS)
def test_compiled_bits_are_numpys(name: str, dtype: str) -> None:
    info = np.iinfo(dtype)
    special = np.array([0, 1, 2, 7, 8, 9, 31, 32, 33, 63, 64, 65, 200, info.max, info.min, info.max - 1], object).astype(dtype)
    if dtype.startswith("i"):
        special = np.concatenate([special, -special])
    x, y = (a.ravel() for a in np.meshgrid(special, special))
    same(mg.jit(getattr(mg, name))(x, y), getattr(np, name)(x, y))
    same(mg.jit(mg.bitwise_invert)(x), ~x)


OPERATORS = [operator.and_, operator.or_, operator.xor, operator.lshift, operator.rshift]


@given(x=tensors("int64", shape=(2, 3)), n=st.integers(0, 70), op=st.sampled_from(OPERATORS))
def test_operators_take_tensors_arrays_and_numbers(x: mg.Tensor, n: int, op: Callable[..., Any]) -> None:
    a = x.numpy()
    same(op(x, n), op(a, n))
    same(op(n, x), op(n, a))
    same(op(x, a), op(a, a))
    same(op(a, x), op(a, a))
    same(~x, ~a)


@given(x=tensors("bool", shape=(3,)), y=tensors("bool", shape=(2, 3)), n=tensors("int64", shape=(3,)))
def test_bools_have_logic_and_beside_integers_they_are_integers(x: mg.Tensor, y: mg.Tensor, n: mg.Tensor) -> None:
    for op in OPERATORS[:3]:
        same(op(x, y), op(x.numpy(), y.numpy()))
        same(op(x, n), op(x.numpy(), n.numpy()))
        same(mg.jit(op)(x, y), op(x.numpy(), y.numpy()))
    same(~x, ~x.numpy())
    same(mg.jit(mg.logical_xor)(x, y), np.logical_xor(x.numpy(), y.numpy()))


@given(x=tensors("float64", special=True), decimals=st.integers(-3, 5))
def test_round_is_numpys_at_every_decimal(x: mg.Tensor, decimals: int) -> None:
    same(mg.round(x, decimals), np.round(x.numpy(), decimals))


@given(x=tensors("int64"))
def test_integers_are_round(x: mg.Tensor) -> None:
    for f in (mg.round, mg.ceil, mg.trunc, mg.floor, mg.positive, mg.nan_to_num):
        same(f(x), x)
    same(mg.round(x, 2), x)
    same(mg.signbit(x), np.signbit(x.numpy()))
    assert not mg.any(mg.isinf(x))


@given(x=tensors("float64", special=True))
def test_nan_to_num_takes_other_numbers(x: mg.Tensor) -> None:
    same(mg.nan_to_num(x, nan=1.0, posinf=2.0, neginf=3.0), np.nan_to_num(x.numpy(), nan=1.0, posinf=2.0, neginf=3.0))
    gradient = mg.grad(lambda x: mg.sum(mg.nan_to_num(x)))(x)
    same(gradient, np.isfinite(x.numpy()) * 1.0)


def test_ufuncs_are_ours() -> None:
    x, n = mg.tensor([-0.5, 0.25]), mg.tensor([3, 5])
    for ufunc in (np.arcsin, np.arctan, np.sinh, np.exp2, np.rint, np.ceil, np.signbit, np.isinf, np.reciprocal, np.trunc):
        assert isinstance(ufunc(x), mg.Tensor)
        same(ufunc(x), ufunc(x.numpy()))
    for ufunc in (np.arctan2, np.hypot, np.logaddexp, np.copysign, np.nextafter, np.logical_xor):
        same(ufunc(x, x[::-1]), ufunc(x.numpy(), x.numpy()[::-1]))
    for ufunc in (np.bitwise_xor, np.left_shift, np.right_shift):
        same(ufunc(n, 2), ufunc(n.numpy(), 2))
    same(np.invert(n), ~n.numpy())


def gradients(f: Any, *xs: float) -> list[float]:
    return [float(g) for g in mg.grad(f, argnums=tuple(range(len(xs))))(*map(np.float64, xs))]


INF, NAN = np.inf, np.nan


@pytest.mark.parametrize(
    ("f", "xs", "expected"),
    [
        (mg.hypot, (0, 0), [0, 0]),
        (mg.hypot, (0, -2), [0, -1]),
        (mg.hypot, (3e200, 4e200), [0.6, 0.8]),
        (mg.hypot, (3e-200, 4e-200), [0.6, 0.8]),
        (mg.atan2, (0, 0), [NAN, NAN]),
        (mg.atan2, (0, -2), [-0.5, 0]),
        (mg.atan2, (3e200, 4e200), [0.16e-200, -0.12e-200]),
        (mg.logaddexp, (-INF, -INF), [0.5, 0.5]),
        (mg.logaddexp, (INF, INF), [0.5, 0.5]),
        (mg.logaddexp, (-INF, 0), [0, 1]),
        (mg.logaddexp, (INF, 0), [1, 0]),
        (mg.logaddexp, (1000, 1000), [0.5, 0.5]),
        (mg.logaddexp, (NAN, 0), [NAN, NAN]),
        (mg.copysign, (0, -1), [0, 0]),
        (mg.copysign, (-2, -1), [1, 0]),
        (mg.copysign, (-2, 0), [-1, 0]),
        (mg.copysign, (2, -0.0), [-1, 0]),
        (mg.nextafter, (1, 2), [1, 0]),
        (mg.asin, (1,), [INF]),
        (mg.acos, (-1,), [-INF]),
        (mg.acosh, (1,), [INF]),
        (mg.atanh, (-1,), [INF]),
        (mg.asinh, (1e200,), [1e-200]),
        (mg.atan, (1e200,), [0]),
        (mg.atan, (INF,), [0]),
        (mg.round, (0.5,), [0]),
        (mg.ceil, (1,), [0]),
        (mg.trunc, (1,), [0]),
        (mg.log2, (0,), [INF]),
        (mg.reciprocal, (-0.5,), [-4]),
    ],
)
def test_the_gradient_at_kinks_and_limits_is_as_documented(f: Any, xs: tuple[float, ...], expected: list[float]) -> None:
    np.testing.assert_allclose(gradients(f, *xs), expected, rtol=1e-14)
    fast = mg.jit(lambda *xs: mg.grad(f, argnums=tuple(range(len(xs))))(*xs))
    np.testing.assert_allclose([float(g) for g in fast(*map(np.float64, xs))], expected, rtol=1e-14)


@given(x=tensors("float64", shape=(3,), domain=(0.1, 0.9)))
def test_composites_have_exact_gradients(x: mg.Tensor) -> None:
    for f in (mg.reciprocal, mg.positive, mg.nan_to_num, lambda x: mg.copysign(x, -x) * x, lambda x: mg.logaddexp(x, 1 - x)):
        check_grads(f, x, order=2)


def test_compiled_code_keeps_the_sign_of_zero() -> None:
    zeros = np.array([0.0, -0.0, 1.0, -1.0])
    x, y = (a.ravel() for a in np.meshgrid(zeros, zeros))
    for f in (lambda x, y: -(x - y), lambda x, y: 0.0 - x, lambda x, y: x + 0.0, lambda x, y: 0.0 - x * y, lambda x, y: -x * y + y):
        same(mg.jit(lambda x, y, f=f: mg.atan2(f(x, y), -1.0))(x, y), np.arctan2(f(x, y), -1.0), 2)
    same(mg.jit(lambda x, y: 1 / mg.sign(x))(x, y), 1 / np.sign(x))
