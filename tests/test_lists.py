"""A nested list that holds tensors stands for an array, as a list of numbers does; gradients go through it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad.errors import MinigradError, ShapeError
from minigrad.testing import tensors

X = np.array([[0.5, 0.25, 0.75], [0.125, 0.625, 0.375]])
PUBLIC = [*mg.ops.__all__, *mg.functional.__all__]
OTHERS = {"arange", "extent", "eye", "full", "ones", "zeros", "from_dlpack"}  # lists are shapes, or nothing, to them
SEQUENCES = {"concat", "concatenate", "stack", "einsum"}  # whose lists hold several arrays


def close(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def nested(x: mg.Tensor) -> Any:
    """The elements of x as tensors in nested lists."""
    return [nested(row) for row in x] if x.ndim else x


def takes(f: Callable[..., Any], *args: Any) -> bool:
    """Whether it is a function of arrays and of abstract tensors."""
    try:
        f(*args)
        mg.trace(f, *args)
    except (MinigradError, TypeError, ValueError):
        return False
    return True


NAMES = [n for n in PUBLIC if n not in OTHERS | SEQUENCES]
UNARY = [n for n in NAMES if takes(getattr(mg, n), X)]
BINARY = [n for n in NAMES if takes(getattr(mg, n), X, X)]


def result(y: Any) -> mg.Tensor:
    """One float scalar that depends on every result."""
    return mg.sum(mg.stack([mg.sum(mg.astype(leaf, "float64") * 1.5) for leaf in mg.tree.leaves(y)]))


def test_most_functions_take_arrays() -> None:
    assert len(UNARY) > 40
    assert len(BINARY) > 20


@pytest.mark.parametrize("name", UNARY)
def test_a_function_of_a_list_of_tensors(name: str) -> None:
    f = getattr(mg, name)
    expected = mg.value_and_grad(lambda x: result(f(x)))(X)
    for found in (
        mg.value_and_grad(lambda x: result(f(nested(x))))(X),
        mg.value_and_grad(lambda x: result(f(list(x))))(X),
        mg.value_and_grad(lambda x: mg.vmap(lambda x: result(f(nested(x))))(x[None])[0])(X),
    ):
        for a, b in zip(found, expected, strict=True):
            close(a, b)


@pytest.mark.parametrize("name", BINARY)
def test_a_function_of_two_lists_of_tensors(name: str) -> None:
    f = getattr(mg, name)
    expected = mg.grad(lambda x, y: result(f(x, y)), (0, 1))(X, X[::-1].copy())
    found = mg.grad(lambda x, y: result(f(nested(x), list(y))), (0, 1))(X, X[::-1].copy())
    for a, b in zip(found, expected, strict=True):
        close(a, b)


def test_lists_in_compiled_functions_and_operators() -> None:
    def f(x: Any) -> Any:
        return mg.mean([x[0], x[1] * 3]) + mg.sum(x * [x[1], 2]) + mg.concat([[x[0], 1.0], x])[0] + mg.stack([[x[0]], [x[1]]])[1, 0]

    x = np.array([1.0, 2.0])
    close(mg.jit(f)(x), f(mg.tensor(x)))
    for found in (mg.grad(f)(x), mg.jit(mg.grad(f))(x)):
        close(found, [0.5 + 2 + 1, 1.5 + 1 + 2 + 1])
    assert mg.grad(lambda x: mg.mean([x[0], x[1]]))(x).tolist() == [0.5, 0.5]


def test_a_size_in_a_list() -> None:
    f = mg.jit(lambda x: mg.sum(x) * mg.tensor([x.shape[0], 2]))
    for n in (2, 5):
        assert f(np.ones(n)).tolist() == [n * n, 2 * n]


@given(x=tensors(min_dims=1), number=st.sampled_from([2, 0.5, True]), dtype=st.sampled_from(["float32", "float64", "int32", "bool"]))
def test_numbers_in_a_list_take_the_dtype_they_take_as_operands(x: mg.Tensor, number: Any, dtype: str) -> None:
    row = mg.astype(x, dtype)
    element = row[(0,) * x.ndim]
    expected = mg.stack([element, mg.where(True, number, element)]).dtype
    assert mg.tensor([element, number]).dtype == expected
    assert mg.tensor([[number, element], [element, number]]).dtype == expected
    assert mg.tensor([element, number], dtype="float64").dtype == np.float64


def test_parameters_and_arrays_in_a_list() -> None:
    w = mg.parameter([1.0, 2.0])
    mg.sum(mg.tensor([w, np.array([3.0, 4.0])], name="rows") * [[w[0], 2.0], [1, w[1]]]).backward()
    assert w.grad.tolist() == [1 + 1, 2 + 4]
    assert mg.tensor([w, w], name="rows").name == "rows"


def test_lists_of_tensors_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"add: a list holds tensors of shapes \(2,\), \(\)"):
        mg.add(1.0, [mg.zeros(2), mg.tensor(1.0)])
    assert mg.tensor([mg.zeros(0), []]).shape == (2, 0)
