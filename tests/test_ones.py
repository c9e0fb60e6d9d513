"""Axes of length 1: compiled functions drop and broadcast them as eager ones do, whatever the size at which they were compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from shares import examples, shared

import minigrad as mg

FUNCTIONS = {
    "squeeze": lambda x, y: mg.squeeze(x),
    "squeeze an axis": lambda x, y: mg.squeeze(x, 0),
    "squeeze of a slice": lambda x, y: mg.squeeze(x[1:]),
    "squeeze of a product": lambda x, y: mg.squeeze(x + y),
    "squeeze of a sum": lambda x, y: mg.squeeze(mg.sum(x, 0, keepdims=True)),
    "squeeze of parts": lambda x, y: mg.squeeze(mg.concat([x, y], 0)),
    "method": lambda x, y: x.squeeze(),
    "add": lambda x, y: x + y,
    "add a slice": lambda x, y: x[1:] * y,
    "add a sum": lambda x, y: x - mg.sum(y, 0),
    "where": lambda x, y: mg.where(x > 0, y, x),
    "expand": lambda x, y: mg.broadcast_to(x, (3, 2)),
    "expand to another": lambda x, y: mg.broadcast_to(x, y.shape),
    "expand dims": lambda x, y: mg.expand_dims(x, 0) + mg.expand_dims(y, 1),
    "matrix product": lambda x, y: mg.matmul(x[:, None], y),
    "stack": lambda x, y: mg.stack([x, y]),
    "list": lambda x, y: mg.tensor([x, y]),
    "reshape": lambda x, y: mg.reshape(x, (-1, 1)) * mg.reshape(y, (1, -1)),
    "reshape to a size": lambda x, y: mg.reshape(x, (x.shape[0] - 1, -1)),
    "take": lambda x, y: mg.take_along_axis(x, mg.argsort(y, 0), 0),
    "mean square": lambda x, y: mg.mse(x, y),
    "variance": lambda x, y: mg.var(x * y, 0),
    "cumulative sum": lambda x, y: mg.cumsum(x + y, 0),
    "index": lambda x, y: x[np.zeros(2, int)] + y,
    "length": lambda x, y: x * 2 if x.shape[0] == 1 else x,
    "split": lambda x, y: np.array_split(x, 2)[1] + y,
    "transposed": lambda x, y: mg.sum(x.T * y, 0),
}  # fmt: skip
SIDES = st.sampled_from([1, 1, 2, 3])
PAIRS = st.lists(st.tuples(st.tuples(SIDES, SIDES), st.tuples(SIDES, SIDES) | st.tuples(SIDES)), min_size=2, max_size=4)


def outcome(f: Any, *args: Any) -> Any:
    try:
        return f(*args)
    except (ValueError, IndexError) as error:
        return error


@pytest.mark.parametrize("name", shared(FUNCTIONS))
@examples(10)
@given(pairs=PAIRS)
def test_compiled_functions_of_axes_of_length_1_are_the_eager_ones(name: str, pairs: Any) -> None:
    f = FUNCTIONS[name]
    compiled = mg.jit(f)
    for first, second in pairs:
        x, y = np.arange(1.0, 1 + np.prod(first)).reshape(first), np.arange(2.0, 2 + np.prod(second)).reshape(second)
        expected, found = outcome(f, mg.tensor(x), mg.tensor(y)), outcome(compiled, x, y)
        if isinstance(expected, Exception):
            assert isinstance(found, Exception)
        else:
            assert found.shape == expected.shape
            np.testing.assert_allclose(found, expected, rtol=1e-12)


@given(x=hnp.arrays("float64", hnp.array_shapes(max_dims=4, max_side=2), elements=st.integers(-3, 3)))
def test_squeeze_is_numpys_compiled_and_differentiated(x: np.ndarray) -> None:
    expected = np.squeeze(x)
    assert mg.jit(mg.squeeze)(x).shape == mg.squeeze(x).shape == expected.shape
    np.testing.assert_array_equal(mg.jit(mg.grad(lambda x: mg.sum(mg.squeeze(x) ** 2)))(x), 2 * x)


def test_one_program_squeezes_all_sizes_but_1() -> None:
    f = mg.jit(mg.squeeze)
    assert [f(np.ones((n, 3))).shape for n in (4, 1, 2, 7, 1)] == [(4, 3), (3,), (2, 3), (7, 3), (3,)]
    assert sum(map(len, f.programs.values())) == 2
