"""Every function in every dtype: compiled code has eager's value or eager's error. What the compiler has no loops for runs in the
interpreter, with a warning."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import minigrad as mg
from minigrad.graph.types import DTYPES

SHAPE = (3, 4)
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "sort": lambda x, y: (mg.sort(x, 0), mg.sort(x, 1, descending=True)),
    "argsort": lambda x, y: (mg.argsort(x, 1), mg.argsort(x, 0, descending=True)),
    "top_k": lambda x, y: mg.top_k(x, 2),
    "argmax": lambda x, y: (mg.argmax(x, 1), mg.argmax(x)),
    "argmin": lambda x, y: mg.argmin(x, 0),
    "cumsum": lambda x, y: (mg.cumsum(x, 0), mg.cumsum(x, 1, reverse=True)),
    "sum": lambda x, y: (mg.sum(x), mg.sum(x, 0)),
    "prod": lambda x, y: mg.prod(x, 1),
    "max": lambda x, y: mg.max(x, 1),
    "min": lambda x, y: mg.min(x, 0),
    "any": lambda x, y: (mg.any(x, 1), mg.all(x, 0)),
    "mean": lambda x, y: mg.mean(x, 1),
    "negative": lambda x, y: mg.negative(x),
    "abs": lambda x, y: mg.abs(x),
    "sign": lambda x, y: mg.sign(x),
    "floor": lambda x, y: mg.floor(x),
    "exp": lambda x, y: mg.exp(x),
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "divide": lambda x, y: x / y,
    "floor_divide": lambda x, y: x // y,
    "remainder": lambda x, y: x % y,
    "square": lambda x, y: x**2,
    "maximum": lambda x, y: (mg.maximum(x, y), mg.minimum(x, y)),
    "comparisons": lambda x, y: (x < y, x <= y, x == y, x != y, mg.isnan(x), mg.isfinite(x)),
    "logical": lambda x, y: (mg.logical_and(x, y), mg.logical_or(x, y), mg.logical_not(x)),
    "where": lambda x, y: mg.where(x < y, x, y),
    "clip": lambda x, y: mg.clip(x, 0, 1),
    "pieces": lambda x, y: (mg.concat([x, y]), mg.roll(x, 1, 0), mg.flip(x, 1), x.T, x[1:, ::2]),
    "indices": lambda x, y: (mg.take(x, [2, 0], 1), mg.take_along_axis(x, mg.argsort(y, 1), 1)),
    "matmul": lambda x, y: x @ y.T,
    "casts": lambda x, y: tuple(mg.astype(x, d) for d in DTYPES),
    "a loop": lambda x, y: mg.scan(lambda c, r: (mg.where(c < r, r, c), c), x[0], y),
    "a branch": lambda x, y: mg.cond(mg.astype(x[0, 0], "bool"), lambda x: x, lambda x: mg.flip(x, 0), x),
}


def outcome(f: Callable[..., Any], *arrays: Any) -> Any:
    try:
        return [t.numpy() for t in mg.tree.leaves(f(*arrays))]
    except mg.errors.MinigradError as error:
        return type(error)


def drawn(data: st.DataObject, dtype: str) -> mg.Tensor:
    """Small numbers with ties; floats also NaN, infinities and both zeros."""
    elements = st.booleans() if dtype == "bool" else st.integers(0, 3).map(lambda v: v - 2 if "u" not in dtype else v)
    if dtype.startswith("float"):
        elements = elements | st.sampled_from([np.nan, np.inf, -np.inf, 0.0, -0.0, 0.5])
    return mg.tensor(data.draw(hnp.arrays(dtype, SHAPE, elements=elements)))


@pytest.mark.parametrize("dtype", [str(d) for d in DTYPES])
def test_compiled_functions_are_eager_ones_in_every_dtype(dtype: str) -> None:
    """Those that take the dtype are compiled as one program. The others raise the same error while they are traced."""
    one = mg.ones(SHAPE, dtype)
    possible = []
    for name, f in FUNCTIONS.items():
        expected = outcome(f, one, one)
        if isinstance(expected, list):
            possible.append(f)
        else:
            assert outcome(mg.jit(f), one, one) is expected, name
    fast = mg.jit(lambda x, y: [f(x, y) for f in possible])

    @given(data=st.data())
    def agree(data: st.DataObject) -> None:
        x, y = drawn(data, dtype), drawn(data, dtype)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", mg.CompileWarning)
            found = outcome(fast, x, y)
        for a, b in zip(found, outcome(lambda x, y: [f(x, y) for f in possible], x, y), strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_allclose(a, b, rtol=1e-6, atol=0)

    agree()


def test_bools_are_sorted_in_compiled_code() -> None:
    x = np.array([True, False, True, False])
    with warnings.catch_warnings(action="error"):
        assert mg.jit(mg.sort)(x).tolist() == [False, False, True, True]
        assert mg.jit(mg.argsort)(x).tolist() == [1, 3, 0, 2]
        assert mg.jit(lambda x: mg.top_k(x, 3)[1])(x).tolist() == [0, 2, 1]
