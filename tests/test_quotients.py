"""Quotients of run-time sizes, and their roots, are sizes as well: what divides a length is compiled once."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minigrad.models.chunked import connected, cut

import minigrad as mg
from minigrad.graph.derived import ceil_divide, root
from minigrad.graph.dims import Dim, Guards, Symbol, deciding, evaluate, identical

T = Symbol("T", 5)
t = Dim.of(T)


@given(n=st.integers(1, 60), k=st.integers(1, 9), more=st.integers(0, 5))
def test_derived_sizes_are_computed_from_those_of_the_axes(n: int, k: int, more: int) -> None:
    size = Dim.of(Symbol("n", 5))
    with deciding(Guards()) as guards:
        parts, side = ceil_divide(size + more, k), root(size + more)
        rows = ceil_divide(size + more, side)
    sizes = {Symbol("n", 0): n}
    total, length = n + more, math.ceil(math.sqrt(n + more))
    assert guards.hold(sizes)
    assert [evaluate(x, sizes) for x in (parts, side, rows)] == [-(-total // k), length, -(-total // length)]
    assert (ceil_divide(total, k), root(total)) == (-(-total // k), length)


def test_an_exact_quotient_is_no_derived_size_and_an_empty_axis_has_no_chunks() -> None:
    with deciding(Guards()):
        assert identical(ceil_divide(t * 6, 3), t * 2)
        assert identical(ceil_divide(t * 0, 3), 0)
        assert (ceil_divide(0, 3), root(0)) == (0, 1)


def test_a_derived_size_asked_for_its_number_makes_its_axis_literal() -> None:
    f = mg.jit(lambda x: x * len(range(ceil_divide(x.shape[0], 4))) + mg.zeros(x.shape[0], "float64") + root(x.shape[0]) // 1)
    for n in (9, 3, 16):
        assert f(np.zeros(n) + 1)[0].item() == -(-n // 4) + math.ceil(math.sqrt(n))


coefficients = st.tuples(*[st.sampled_from([0, 1, 2, 5, -1, -3])] * 3, st.integers(-7, 7)).filter(lambda c: any(c[:3]))
divisors = st.sampled_from([(0, 0, 0, 1), (0, 0, 0, 2), (0, 0, 0, 3), (0, 0, 0, -4), (1, 0, 0, 0), (0, 1, 0, 1), (1, 1, 0, -1)])


@given(a=coefficients, b=divisors, first=st.tuples(*[st.integers(1, 9)] * 2), sizes=st.tuples(*[st.integers(1, 9)] * 2))
def test_quotients_and_remainders_of_sizes_are_those_of_their_numbers(a: Any, b: Any, first: Any, sizes: Any) -> None:
    """At other sizes than those seen first, as far as the guards let them through."""

    def polynomial(c: Any, n: Any, m: Any) -> Any:
        return c[0] * n + c[1] * m + c[2] * n * m + c[3]

    def found(n: Any, m: Any) -> list[Any]:
        x, y = polynomial(a, n, m), polynomial(b, n, m)
        return [x // y, x % y, -(-x // y), x - x // y * y]

    symbols = [Symbol("n", first[0]), Symbol("m", first[1])]
    with deciding(Guards()) as guards:
        made = found(*map(Dim.of, symbols))
    for at in (first, sizes):
        known = dict(zip(symbols, at, strict=True))
        if guards.hold(known):
            assert [evaluate(x, known) for x in made] == found(*at)
    assert guards.hold(dict(zip(symbols, first, strict=True)))


def test_equal_quotients_look_alike() -> None:
    with deciding(Guards()) as guards:
        assert identical((t + 2) // 3, -(-t // 3))
        assert identical((t + 7) // 3, (t + 1) // 3 + 2)
    assert all(guards.hold({T: n}) for n in range(1, 20))


HALVES: dict[str, Any] = {  # functions of x (T, 2) that divide T
    "parts": lambda x: mg.concat([x[x.shape[0] // 2 :], x[: x.shape[0] // 2]]),
    "every third": lambda x: x[1::3] * 2,
    "a convolution": lambda x: mg.conv1d(x, np.ones((3, 2, 1)), stride=2, padding="causal"),
    "pooling": lambda x: mg.max_pool1d(x, 3, 2, 1),
    "a number": lambda x: x * (x.shape[0] % 4) + mg.arange(0, x.shape[0], 2)[0],
    "chunks": lambda x: connected(mg.cumsum(cut(x, 4), 1), x.shape[0]),
}


@pytest.mark.parametrize("name", HALVES)
def test_a_function_that_divides_its_length_is_compiled_once(name: str) -> None:
    f = mg.value_and_grad(lambda x: mg.sum(mg.sin(HALVES[name](mg.tensor(x)))))
    fast = mg.jit(f)
    for n in (7, 3, 4, 9, 12, 5):
        x = np.arange(2.0 * n).reshape(n, 2)
        for a, b in zip(fast(x), f(x), strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12, atol=1e-12)
    assert sum(map(len, fast.programs.values())) == 1


MEETING: dict[str, Any] = {  # functions in which a quotient of x's length meets the length of y
    "x first": lambda x, y: x[::2] + y,
    "y first": lambda x, y: mg.where(y > 2, y, x[::2]),
    "a product": lambda x, y: x[::2] @ y,
    "two quotients": lambda x, y: x[1::3] * y[::2],
    "a loop": lambda x, y: mg.scan(lambda h, z: (h[::2] * z, None), x, y)[0],
}


@pytest.mark.parametrize("name", MEETING)
def test_a_quotient_that_meets_another_length_fits_it_or_is_refused_at_every_call(name: str) -> None:
    f = MEETING[name]
    fast = mg.jit(f)
    for n, m in ((7, 4), (9, 5), (9, 4), (8, 4), (5, 1), (1, 3), (2, 1), (1, 1), (4, 3)):
        x, y = np.arange(1.0, n + 1), np.arange(2.0, m + 2)
        try:
            expected = f(mg.tensor(x), mg.tensor(y)).numpy()
        except mg.errors.MinigradError as refused:
            with pytest.raises(type(refused)):
                fast(x, y)
        else:
            np.testing.assert_array_equal(fast(x, y).numpy(), expected)


def test_an_error_says_which_axes_a_quotient_is_made_of() -> None:
    with pytest.raises(mg.errors.ShapeError, match=r"where n0_0 = 9, axis 0 of x\n  where n1_0 = 4, axis 0 of y"):
        mg.jit(lambda x, y: x[::2] + y)(np.ones(9), np.ones(4))
