"""One entry makes an elementwise operation: function, gradient, interpreter, compiler and drawing follow from it."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from scipy import special

import minigrad as mg
from minigrad.primitives.elementwise import Function, __all__, function
from minigrad.testing import check_grads

X = np.linspace(-1.3, 1.3, 27)
LGAMMA = function("lgamma", special.gammaln, lambda ct, y, x: ct * x, scalar="lgamma", domain=((0.5, 3.0),))
LOGIT = function(
    "logit",
    special.logit,
    lambda ct, y, x: ct / (x * (1 - x)),
    scalar=lambda S, x: S.log(S.div(x, S.sub(S.number(1, x), x))),
    domain=((0.1, 0.9),),
)
GUARDED = function(
    "guarded",
    lambda x: np.where(x < 0, 0, np.sqrt(np.abs(x))),
    lambda ct, y, x: ct,
    scalar=lambda S, x: S.select(S.less(x, S.number(0, x)), S.number(0, x), S.sqrt(S.abs(x))),
)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("op", [mg.tan, LGAMMA, LOGIT, GUARDED], ids=lambda op: op.name)
def test_an_entry_says_what_the_compiler_makes_of_it(op: Any, dtype: str) -> None:
    x = np.concatenate([np.linspace(*op.domain[0], 40), [0, 1, np.inf, np.nan]]).astype(dtype)
    fast = mg.jit(op)
    with warnings.catch_warnings(action="error"):  # it does not run in the interpreter
        np.testing.assert_allclose(fast(x).numpy(), op(x).numpy(), rtol=1e-5 if dtype == "float32" else 1e-13)


def test_tan_is_a_function_of_every_kind_of_input_and_has_its_gradient() -> None:
    assert mg.tan(0.0).dtype == mg.tan([0.0]).dtype == mg.tan(np.arange(2)).dtype == "float32"
    np.testing.assert_array_equal(np.tan(mg.tensor(X)).numpy(), np.tan(X))
    check_grads(mg.tan, X, order=2)
    assert "libm.tan(" in jitted_source(mg.tan)


def jitted_source(f: Any) -> str:
    fast = mg.jit(f)
    fast(X)
    return fast.source


def test_an_operation_that_the_compiler_does_not_know_runs_in_the_interpreter_with_a_warning() -> None:
    unknown = Function("unknown", lambda x: x, np.cbrt, elementwise=True)
    with pytest.warns(mg.CompileWarning, match="no loops for unknown"):
        found = mg.jit(unknown)(X)
    np.testing.assert_array_equal(found.numpy(), np.cbrt(X))


def test_functions_of_one_number_are_named_once() -> None:
    for name in __all__:
        assert getattr(mg, name) is getattr(mg.ops, name)
        assert getattr(mg, name).__name__ == name


@pytest.mark.parametrize(("dtype", "x"), [("float32", -95.0), ("float64", -720.0)])
def test_a_sigmoid_whose_inverse_overflows_is_not_zero(dtype: str, x: float) -> None:
    for f in (mg.sigmoid, mg.jit(mg.sigmoid)):
        np.testing.assert_allclose(f(np.array([x], dtype)).numpy(), [np.exp(x)], rtol=1e-4)


@pytest.mark.parametrize("bounds", [(np.nan, 2.0), (0.0, np.nan), (np.array([np.nan, 0.0]), 1.0), (None, np.array([np.nan, 1.0]))])
def test_a_bound_that_is_nan_gives_nan_as_in_numpy(bounds: Any) -> None:
    x = np.array([0.5, 3.0])
    expected = np.clip(x, *bounds)
    np.testing.assert_array_equal(mg.clip(x, *bounds), expected)
    np.testing.assert_array_equal(np.clip(mg.tensor(x), *bounds), expected)
    np.testing.assert_array_equal(mg.jit(mg.clip)(x, *bounds), expected)
