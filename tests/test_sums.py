"""Sums of float32 keep their precision at any length, along any axes, eager and compiled, on one thread and on two."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from children import run
from hypothesis import given
from hypothesis import strategies as st
from shares import shared

import minigrad as mg

MANY = 10**7
PRECISION = 1e-6  # a float32 is rounded to 6e-8; a naive sum of MANY is off by 9 %
Function = Callable[[Any], Any]

LAYOUTS: dict[str, tuple[tuple[int, ...], Function]] = {  # a shape of MANY elements, and what is summed of it
    "all": ((-1,), mg.sum),
    "one column": ((-1, 1), lambda x: mg.sum(x, 0)),
    "one row": ((1, -1), lambda x: mg.sum(x, 1)),
    "few columns": ((-1, 5), lambda x: mg.sum(x, 0)),
    "many columns": ((-1, 100), lambda x: mg.sum(x, 0)),
    "rows": ((20, -1), lambda x: mg.sum(x, 1)),
    "rows of a transpose": ((-1, 5), lambda x: mg.sum(x.T, 1)),
    "pairs": ((-1, 2), mg.sum),
    "outer axes": ((40, -1, 10), lambda x: mg.sum(x, (0, 1))),
    "outer and inner axes": ((40, 10, -1), lambda x: mg.sum(x, (0, 2))),
    "a middle axis": ((10, -1, 8), lambda x: mg.sum(x, 1)),
    "in reverse": ((-1,), lambda x: mg.sum(mg.flip(x))),
    "every third": ((-1,), lambda x: mg.sum(x[::3])),
    "the mean": ((-1, 5), lambda x: mg.mean(x, 0)),
    "a fused function": ((-1,), lambda x: mg.sum(mg.exp(x))),
    "a function of the C library": ((-1,), lambda x: mg.sum(mg.tan(x))),
    "two sums and a maximum": ((-1,), lambda x: mg.sum(x) + mg.sum(x * x) + mg.max(x)),
    "cumulative": ((-1,), lambda x: mg.cumsum(x)[::99999]),
    "cumulative from the end": ((-1,), lambda x: mg.cumsum(x, reverse=True)[::99999]),
    "the gradient of a bias": ((-1, 5), lambda x: mg.grad(lambda b: mg.sum((x + b) * 0.5))(mg.astype(mg.zeros(5), x.dtype))),
    "in a loop over time": ((2, -1), lambda x: mg.scan(lambda c, row: (c + mg.sum(row), None), x[0, 0] * 0, x)[0]),
}


# Losses of a loop over rows x, whose gradient with respect to the constant w is the sum of all rows; the loops keep these sums.
CARRIED: dict[str, Callable[[Any, Any], Any]] = {  # what a step gives for w and a row
    "a factor": lambda w, x: mg.sum(w * x),
    "a batch of products": lambda w, x: mg.sum(mg.reshape(x, (1, 1, -1)) @ w[None, :, None]),
    "rows": lambda w, x: mg.sum(w[[1, 0]] * x[[1, 0]]),
    "an inner loop": lambda w, x: mg.scan(lambda c, i: (c + mg.sum(w * x), None), mg.zeros(()), length=1)[0],
}


def carried(name: str) -> Function:
    return lambda w, xs: mg.sum(mg.scan(lambda c, x: (c, CARRIED[name](w, x)), mg.zeros(()), xs)[1])


@pytest.mark.parametrize("name", CARRIED)
def test_gradients_that_a_loop_adds_up_are_right_to_a_millionth(name: str, unguarded: None) -> None:
    gradient = mg.grad(carried(name))
    fast = mg.jit(gradient)
    for f, steps in ((fast, 3), (fast, 10**6), (gradient, 500)):
        xs = np.full((steps, 2), 0.1, "float32")
        found = f(np.ones(2, "float32"), xs)
        assert found.dtype == "float32"
        assert off(found, mg.sum(xs.astype("float64"), 0)) <= (PRECISION if f is fast else 1e-7)


def off(found: Any, exact: Any) -> float:
    return float(np.max(np.abs(found.numpy().astype("float64") / exact.numpy().astype("float64") - 1)))


@pytest.mark.parametrize("layout", shared(LAYOUTS))
def test_a_sum_of_ten_million_is_right_to_a_millionth(layout: str, unguarded: None) -> None:
    """Compiled at another size. All elements are 0.1, so that errors of rounding do not cancel."""
    shape, f = LAYOUTS[layout]
    x = np.full(MANY, 0.1, "float32").reshape(shape)
    exact = f(x.astype("float64"))
    fast = mg.jit(f)
    fast(np.ones([n if n > 0 else 33 for n in shape], "float32"))
    assert off(fast(x), exact) <= PRECISION
    assert off(f(x), exact) <= PRECISION


def thirds(x: Any) -> Any:
    return mg.arange(x.shape[0]) % 3


SCATTERED: dict[str, Function] = {  # sums of every third of the elements
    "added to slices": lambda x: mg.index_add(mg.astype(mg.zeros(3), x.dtype), thirds(x), x),
    "the gradient of rows": lambda x: mg.grad(lambda w: mg.sum(w[thirds(x)] * x))(mg.astype(mg.zeros(3), x.dtype)),
    "that of elements along an axis": lambda x: mg.grad(lambda w: mg.sum(mg.take_along_axis(w, thirds(x), 0) * x))(
        mg.astype(mg.zeros(3), x.dtype)
    ),
}


@pytest.mark.parametrize("name", SCATTERED)
def test_a_million_elements_scattered_to_three_are_added_up_right_to_a_millionth(name: str, unguarded: None) -> None:
    """Compiled at another size. A naive sum is off by 2e-3."""
    x, fast = np.full(10**6, 0.1, "float32"), mg.jit(SCATTERED[name])
    fast(x[:50])
    for f in (fast, SCATTERED[name]):
        assert off(f(x), SCATTERED[name](x.astype("float64"))) <= PRECISION


@pytest.mark.parametrize("shape", [(2000, 700), (700, 2000), (3, 100_001), (100_001, 3)])
def test_sums_along_axes_of_literal_length_are_right(shape: tuple[int, ...], unguarded: None) -> None:
    x = mg.full(shape, 0.1)
    for axis in (0, 1, None):
        exact = mg.sum(mg.astype(x, "float64"), axis)
        assert off(mg.jit(lambda x, axis=axis: mg.sum(x, axis))(x), exact) <= PRECISION
        assert off(mg.sum(x, axis), exact) <= PRECISION


AXES = [None, 0, 1, 2, (0, 1), (0, 2), (1, 2)]
FAST = {axis: mg.jit(lambda x, axis=axis: (mg.sum(x, axis), mg.sum(x * x, axis), mg.max(x, axis), mg.prod(x, axis))) for axis in AXES}


@given(axis=st.sampled_from(AXES), shape=st.tuples(*[st.sampled_from([1, 2, 3, 63, 64, 65, 130])] * 3), seed=st.integers(0, 9))
def test_every_length_of_blocks_has_each_term_once(axis: Any, shape: tuple[int, ...], seed: int) -> None:
    """With whole numbers every sum is exact."""
    x = np.random.default_rng(seed).integers(-1, 2, shape).astype("float32")
    found = FAST[axis](x)
    for y, expected in zip(found, (np.sum(x, axis), np.sum(x * x, axis), np.max(x, axis), np.prod(x, axis)), strict=True):
        np.testing.assert_array_equal(y.numpy(), expected)


BITS = """
import hashlib
import numpy as np
import minigrad as mg
x = np.random.default_rng(0).random((3000, 40), dtype="float32")
sums = mg.sum, lambda x: mg.sum(x, 0), lambda x: mg.sum(x, 1), lambda x: mg.sum(x.T, 1)
for f in (*sums, lambda x: x.T @ x, lambda x: x[:, :2].T @ mg.sin(x)):
    print(hashlib.sha256(mg.jit(f)(np.concatenate([x] * 9)).numpy().tobytes()).hexdigest())
"""


def test_the_bits_of_long_sums_do_not_depend_on_the_number_of_threads() -> None:
    assert run(BITS) == run(BITS, MINIGRAD_THREADS="1")


@pytest.mark.parametrize("shape", [(1, 1), (1, 20), (20, 3), (150, 70)])
def test_the_error_of_a_matrix_product_does_not_grow_with_its_inner_length(shape: tuple[int, int], unguarded: None) -> None:
    """It is that of 256 terms, in sums with all rounding errors alike."""
    m, n = shape
    fast = mg.jit(lambda x, y: x @ y)
    fast(np.ones((m, 5), "float32"), np.ones((5, n), "float32"))
    for k in (10**4, 10**5):
        x, y = np.full((m, k), 0.1, "float32"), np.full((k, n), 0.7, "float32")
        exact = mg.full((m, n), float(x[0, 0]) * float(y[0, 0]) * k, "float64")
        assert off(fast(x, y), exact) <= 5e-6
        assert off(mg.matmul(x, y), exact) <= 2e-5  # NumPy's product of 1,024 terms may be naive
