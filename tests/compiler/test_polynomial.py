"""Polynomials mean what their values mean: every operation agrees with the numbers."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from minigrad.compiler.proof.polynomial import Polynomial

VARIABLES = st.integers(0, 3)
MONOMIALS = st.lists(VARIABLES, max_size=3).map(lambda m: tuple(sorted(m)))
POLYNOMIALS = st.dictionaries(MONOMIALS, st.integers(-9, 9), max_size=5).map(Polynomial)
VALUES = st.lists(st.integers(-7, 7), min_size=4, max_size=4)


def value(x: Polynomial, at: list[int]) -> int:
    return sum(c * math.prod(at[v] for v in m) for m, c in x.terms.items())


@given(POLYNOMIALS, POLYNOMIALS, VALUES)
def test_arithmetic_agrees_with_the_numbers(x: Polynomial, y: Polynomial, at: list[int]) -> None:
    a, b = value(x, at), value(y, at)
    assert value(x + y, at) == a + b
    assert value(x - y, at) == a - b
    assert value(x * y, at) == a * b
    assert value(x * 3 - 2, at) == a * 3 - 2
    assert x - y == -(y - x)
    assert hash(x * y) == hash(y * x)


@given(POLYNOMIALS, VARIABLES, VALUES)
def test_a_split_leaves_the_variable_out(x: Polynomial, v: int, at: list[int]) -> None:
    parts = x.split(v)
    if parts is None:
        assert any(m.count(v) > 1 for m in x.terms)
    else:
        assert v not in parts[0].variables | parts[1].variables
        assert value(parts[0], at) * at[v] + value(parts[1], at) == value(x, at)


@given(POLYNOMIALS, st.dictionaries(VARIABLES, POLYNOMIALS), VALUES)
def test_substitution_puts_in_the_values(x: Polynomial, values: dict[int, Polynomial], at: list[int]) -> None:
    assert value(x.substitute(values), at) == value(x, [value(values[v], at) if v in values else at[v] for v in range(4)])


@given(POLYNOMIALS, POLYNOMIALS.filter(lambda p: p.terms), VALUES)
def test_division_has_a_remainder(x: Polynomial, y: Polynomial, at: list[int]) -> None:
    quotient, rest = x.divide(y)
    assert value(quotient, at) * value(y, at) + value(rest, at) == value(x, at)


@given(POLYNOMIALS.filter(lambda p: p.terms), POLYNOMIALS)
def test_division_of_a_product_is_exact(x: Polynomial, y: Polynomial) -> None:
    assert (x * y).divide(x) == (y, Polynomial({}))


@given(POLYNOMIALS, st.integers(1, 6), st.integers(-9, 9), VALUES)
def test_reducing_keeps_the_sign(x: Polynomial, factor: int, more: int, at: list[int]) -> None:
    x = x * factor + more
    assert (value(x, at) >= 0) == (value(x.reduced(), at) >= 0)
    assert math.gcd(*x.primitive().terms.values()) in (0, 1)
