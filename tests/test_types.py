from __future__ import annotations

import operator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigrad.dims import Bind, Dim, Guards, Symbol, evaluate, guards, hint, product, same
from minigrad.errors import AxisError, ShapeError
from minigrad.testing import dtypes, shapes
from minigrad.types import broadcast_shapes, normalize_axes, normalize_axis, promote

T, B = Symbol("T", 5), Symbol("B", 3)
t, b = Dim.of(T), Dim.of(B)


@given(a=shapes(min_side=0), c=shapes(min_side=0))
def test_broadcasting_is_numpys(a: Any, c: Any) -> None:
    try:
        expected = np.broadcast_shapes(a, c)
    except ValueError:
        with pytest.raises(ShapeError, match="do not broadcast"):
            broadcast_shapes("add", a, c)
        return
    assert broadcast_shapes("add", a, c) == expected


@given(found=st.lists(dtypes(), min_size=1, max_size=3))
def test_promotion_does_not_depend_on_the_order(found: list[np.dtype]) -> None:
    assert promote(found) == promote(found[::-1])
    floats = [d for d in found if d.kind == "f"]
    assert promote(found) == (max(floats) if floats else np.result_type(*found))


@given(ndim=st.integers(1, 4), axis=st.integers(-6, 6))
def test_axes_count_from_either_end(ndim: int, axis: int) -> None:
    if -ndim <= axis < ndim:
        assert normalize_axis("sum", axis, ndim) == range(ndim)[axis]
        assert normalize_axes("sum", (axis,), ndim) == (range(ndim)[axis],)
    else:
        with pytest.raises(AxisError, match=f"axis {axis} out of range"):
            normalize_axis("sum", axis, ndim)


# ---- run-time sizes

Poly = st.recursive(
    st.sampled_from([lambda T, B: T, lambda T, B: B]) | st.integers(-3, 3).map(lambda n: lambda T, B: n),
    lambda p: st.tuples(st.sampled_from("+-*"), p, p).map(
        lambda x: {
            "+": lambda T, B: x[1](T, B) + x[2](T, B),
            "-": lambda T, B: x[1](T, B) - x[2](T, B),
            "*": lambda T, B: x[1](T, B) * x[2](T, B),
        }[x[0]]
    ),
    max_leaves=6,
)


@given(p=Poly, q=Poly, sizes=st.tuples(st.integers(1, 9), st.integers(1, 9)))
def test_arithmetic_of_sizes_is_arithmetic(p: Any, q: Any, sizes: tuple[int, int]) -> None:
    values = dict(zip((T, B), sizes, strict=True))
    for f in (p, q, lambda T, B: p(T, B) * q(T, B) - p(T, B)):
        assert evaluate(f(t, b), values) == f(*sizes)
        assert hint(f(t, b)) == f(5, 3)
    if p(t, b) is q(t, b) or (isinstance(p(t, b), Dim) and isinstance(q(t, b), Dim) and p(t, b).terms == q(t, b).terms):
        assert p(*sizes) == q(*sizes)
    lower = p(t, b).lower if isinstance(p(t, b), Dim) else p(t, b)
    assert lower is None or lower <= p(*sizes)


def test_division_is_exact_or_binds() -> None:
    assert (t * b * 6) // (b * 2) == t * 3
    assert (t * 4) % 2 == 0
    assert product((t, 2, b)) == t * b * 2
    token = guards.set(Guards())
    try:
        with pytest.raises(Bind) as caught:
            t // 2
        assert (caught.value.symbol, caught.value.value) == (T, 5)
    finally:
        guards.reset(token)


def test_comparisons_become_guards_unless_they_always_hold() -> None:
    token = guards.set(Guards())
    try:
        assert t >= 1
        assert t * 2 + b > 2
        assert not guards.get().facts
        assert t > 4
        assert not b > 3
        found = guards.get()
        assert len(found.facts) == 2
    finally:
        guards.reset(token)
    assert found.hold({T: 9, B: 1})
    assert not found.hold({T: 4, B: 1})
    assert not found.hold({T: 5, B: 4})


def test_equal_hints_bind_and_different_ones_do_not() -> None:
    token = guards.set(Guards())
    try:
        assert not same(t, 4)
        assert not same(t, b)
        assert same(t + b, b + t)
        with pytest.raises(Bind) as caught:
            same(t, 5)
        assert caught.value.value == 5
        with pytest.raises(Bind) as caught:
            same(t, b + 2)
        assert (caught.value.symbol, caught.value.value) == (T, b + 2)
    finally:
        guards.reset(token)


def test_outside_of_a_trace_a_size_is_the_number_seen_first() -> None:
    assert (int(t), list(range(b)), 17 // t, bool(t - 5)) == (5, [0, 1, 2], 3, False)
    assert (t < 6, t < b, t + 2 > t, t == b + 2) == (True, False, True, True)
    assert same(t, 5)
    assert same(t, b + 2)
    assert not same(t, b)


def test_division_by_a_sum_of_sizes_or_by_zero_is_that_of_numbers() -> None:
    assert (t * b) // (b + 2) == 3
    with pytest.raises(ZeroDivisionError):
        t // 0


@pytest.mark.parametrize("other", [None, 1.5, {}])
def test_sizes_combine_with_sizes_and_integers_only(other: Any) -> None:
    for combine in (operator.add, operator.sub, operator.mul):
        with pytest.raises(TypeError, match=r"unsupported operand|can't multiply"):
            combine(t, other)


def test_sizes_print_as_formulas() -> None:
    assert str(t * b * 2 + t - 1) == "2*B*T+T-1"
