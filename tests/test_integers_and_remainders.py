"""Quotients, remainders and integer powers are NumPy's to the bit, eager and compiled; casts of floats to integers have one meaning."""

from __future__ import annotations

import operator
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from shares import shared

import minigrad as mg
from minigrad.testing import check_grads

INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
COMPILED = ("int32", "int64", "uint8", "uint32", "uint64")
DIVISIONS = {"floor_divide": (mg.floor_divide, np.floor_divide), "remainder": (mg.remainder, np.remainder)}
FAST = {name: mg.jit(f) for name, (f, _) in DIVISIONS.items()}


def identical(found: Any, expected: Any) -> None:
    """The same dtype and bits: -0 is not 0. Every NaN is the same."""
    found, expected = found.numpy(), np.asarray(expected)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)
    if found.dtype.kind == "f":
        numbers = ~np.isnan(found)
        np.testing.assert_array_equal(np.signbit(found[numbers]), np.signbit(expected[numbers]))


def pairs(dtype: str, **elements: Any) -> st.SearchStrategy[Any]:
    one = hnp.arrays(dtype, 6, elements=hnp.from_dtype(np.dtype(dtype), **elements))
    return st.tuples(one, one)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", DIVISIONS)
@given(data=st.data())
def test_float_quotients_and_remainders_are_numpys(name: str, dtype: str, data: st.DataObject) -> None:
    x, y = data.draw(pairs(dtype))
    f, numpy = DIVISIONS[name]
    with np.errstate(all="ignore"):
        expected = numpy(x, y)
    identical(f(x, y), expected)
    identical(FAST[name](x, y), expected)


SPECIAL = [0.0, -0.0, 0.1, -0.1, 1, -1, 3, -3, 1e9, np.pi, 5e-324, 1e308, np.inf, -np.inf, np.nan]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", DIVISIONS)
def test_quotients_and_remainders_of_every_special_number_are_numpys(name: str, dtype: str) -> None:
    f, numpy = DIVISIONS[name]
    with np.errstate(all="ignore"):
        x, y = (p.ravel() for p in np.meshgrid(*[np.array(SPECIAL).astype(dtype)] * 2))
        expected = numpy(x, y)
    identical(f(x, y), expected)
    identical(FAST[name](x, y), expected)


def test_quotients_and_remainders_that_were_wrong() -> None:
    assert mg.remainder(3.0, np.inf).item() == 3
    assert mg.remainder(np.float64(1), np.array(0.1)).item() == 1 % 0.1
    assert mg.floor_divide(np.array(1.0), np.array(0.1)).item() == 9
    x = np.array([1e9], "float32")
    identical(mg.tensor(x) % np.float32(np.pi), x % np.float32(np.pi))
    assert (mg.tensor(np.array([9007199254740993])) // 1).tolist() == [9007199254740993]
    for f in (operator.floordiv, operator.mod):
        assert f(mg.tensor(np.array([7])), np.array([0])).tolist() == [0]
        assert mg.jit(f)(np.array([7]), np.array([0])).tolist() == [0]


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("name", DIVISIONS)
@given(data=st.data())
def test_integer_quotients_and_remainders_are_numpys(name: str, dtype: str, data: st.DataObject) -> None:
    """Over the whole range, for a divisor of 0, and for the least integer divided by -1."""
    small = st.sampled_from([0, 1, np.iinfo(dtype).min, np.iinfo(dtype).max, np.array(-1).astype(dtype)])
    x, y = data.draw(pairs(dtype) | st.tuples(*[hnp.arrays(dtype, 6, elements=small)] * 2))
    f, numpy = DIVISIONS[name]
    with np.errstate(all="ignore"):
        expected = numpy(x, y)
    identical(f(x, y), expected)
    if dtype in COMPILED:
        identical(FAST[name](x, y), expected)


def test_divmod_is_both() -> None:
    found = divmod(mg.tensor(np.array([7, -7])), 4), divmod(7, mg.tensor(np.array([4, 2])))
    assert [[t.tolist() for t in pair] for pair in found] == [[[1, -2], [3, 1]], [[1, 3], [3, 1]]]


def test_the_gradient_of_a_remainder_is_that_of_its_pieces() -> None:
    x, y = np.array([1.3, -2.2, 0.4]), np.array([0.7, 0.9, -1.1])
    check_grads(lambda x, y: x % y + x // y, x, y, order=2)
    fast = mg.jit(mg.grad(lambda x, y: mg.sum(x % y), (0, 1)))
    for found, expected in zip(fast(x, y), (np.ones(3), -np.floor(x / y)), strict=True):
        np.testing.assert_array_equal(found.numpy(), expected)


POWER = mg.jit(mg.pow)


@pytest.mark.parametrize("dtype", INTEGERS)
@given(data=st.data())
def test_integer_powers_are_numpys_and_wrap(dtype: str, data: st.DataObject) -> None:
    x, y = data.draw(pairs(dtype))
    y = np.where(y < 0, ~y, y)
    expected = np.power(x, y)
    identical(mg.pow(x, y), expected)
    identical(mg.tensor(x) ** int(y[0] % 99), np.power(x, np.array(y[0] % 99, dtype)))
    if dtype in COMPILED:
        identical(POWER(x, y), expected)


def test_0_to_the_power_0_is_1_and_the_bases_may_be_a_number() -> None:
    assert mg.pow(np.array([0, 2]), np.array([0, 3])).tolist() == [1, 8]
    assert (2 ** mg.tensor(np.arange(4))).tolist() == [1, 2, 4, 8]


@pytest.mark.parametrize("power", [-1, -2, np.array([2, -1]), np.int64(-3)])
def test_a_negative_power_of_an_integer_is_refused_by_name(power: Any) -> None:
    with pytest.raises(mg.errors.RangeError, match="to a negative power is no integer"):
        mg.pow(np.array([2, 3]), power)


@pytest.mark.parametrize("dtype", ["int32", "int64"])
@given(data=st.data())
def test_a_negative_power_that_is_not_known_rounds_towards_zero(dtype: str, data: st.DataObject) -> None:
    base = st.sampled_from([-3, -1, 0, 1, 2, np.iinfo(dtype).min])
    x = data.draw(hnp.arrays(dtype, 6, elements=base))
    y = data.draw(hnp.arrays(dtype, 6, elements=st.integers(np.iinfo(dtype).min, -1)))
    with np.errstate(all="ignore"):
        expected = np.where(x == 0, 0, np.trunc(np.power(x.astype("float64"), y))).astype(dtype)
    expected = np.where((x == -1) & (y % 2 == 1), -1, np.where(x == -1, 1, expected)).astype(dtype)
    identical(POWER(x, y), expected)
    graph = mg.trace(mg.pow, x, y)
    identical(mg.tensor(mg.transforms.interpret.run(graph, [x, y])[0]), expected)


DTYPES = ("bool", *INTEGERS, "float32", "float64")
FAST_CAST = {dtype: mg.jit(lambda x, dtype=dtype: mg.astype(x, dtype)) for dtype in DTYPES}


def saturated(x: Any, dtype: str) -> Any:
    """One number at a time, in Python's integers."""
    info = np.iinfo(dtype)
    whole = [0 if np.isnan(v) else np.sign(v) * 2**80 if np.isinf(v) else int(v) for v in x.tolist()]
    return np.array([min(max(int(v), int(info.min)), int(info.max)) for v in whole], dtype)


@pytest.mark.parametrize(("source", "target"), shared(product(DTYPES, DTYPES)))
@given(data=st.data())
def test_every_cast_has_one_meaning(source: str, target: str, data: st.DataObject) -> None:
    elements = hnp.from_dtype(np.dtype(source))
    if source.startswith("float"):
        edges = [s * 2.0**k for k in (7, 8, 16, 31, 32, 53, 63, 64) for s in (-1, 1)]
        elements = elements | st.sampled_from([f(e) for e in edges for f in (float, lambda e: e - 1, lambda e: e + 0.5)]).map(
            lambda v: float(np.array(v, source))
        )
    x = data.draw(hnp.arrays(source, 8, elements=elements))
    with np.errstate(all="ignore"):
        expected = saturated(x, target) if source.startswith("float") and "int" in target else x.astype(target)
    identical(mg.astype(x, target), expected)
    if {source, target} <= {*COMPILED, "bool", "float32", "float64"}:
        identical(FAST_CAST[target](x), expected)


def test_a_float_out_of_range_becomes_the_nearest_integer() -> None:
    x = np.array([275.0, -1, np.nan, np.inf], "float32")
    assert mg.astype(x, "uint8").tolist() == mg.jit(lambda x: mg.astype(x, "uint8"))(x).tolist() == [255, 0, 0, 255]


@pytest.mark.parametrize(("value", "dtype"), [(1e30, "int32"), (np.nan, "int64"), (-1.5, "uint8"), (256.0, "uint8")])
def test_a_tensor_is_not_made_of_floats_that_its_integers_do_not_hold(value: float, dtype: str) -> None:
    with pytest.raises(mg.errors.RangeError, match="does not fit"):
        mg.tensor([0.0, value], dtype=dtype)
    assert mg.tensor([1.75, -0.5], dtype=dtype).tolist() == [1, 0]
