"""A compiled minigrad function called from @numba.njit code."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import GraphError

W = mg.parameter(np.random.default_rng(0).standard_normal((3, 3)))
H, XS = np.ones((2, 3)), np.random.default_rng(1).standard_normal((4, 2, 3))


def run(h: Any, xs: Any) -> Any:
    return mg.scan(lambda h, x: (mg.tanh(h @ W + x), mg.sum(h)), h, xs)


@pytest.fixture(scope="module")
def g() -> Any:
    return mg.export.numba.function(run, H, XS)


def results() -> tuple[np.ndarray, np.ndarray]:
    return np.full((2, 3), np.nan), np.full(4, np.nan)


def test_it_is_called_from_machine_code(g: Any) -> None:
    @numba.njit
    def thrice(h: Any, xs: Any, last: Any, sums: Any) -> None:
        for _ in range(3):
            g(h, xs, last, sums)
            h = last.copy()

    last, sums = results()
    thrice(H, XS, last, sums)
    h: Any = H
    for _ in range(3):
        h, expected = run(h, XS)
    np.testing.assert_allclose(last, h, rtol=1e-13)
    np.testing.assert_allclose(sums, expected, rtol=1e-13)


def test_what_does_not_fit_is_refused(g: Any) -> None:
    last, sums = results()
    with pytest.raises(ValueError, match=r"x1 must have the shape \(4, 2, 3\)"):
        g(H, XS[:3], last, sums)
    with pytest.raises(ValueError, match="x0 and y0 share memory"):
        g(last, XS, last, sums)
    with pytest.raises(TypeError, match="No matching definition"):
        g(H.astype("float32"), XS, last, sums)
    with pytest.raises(TypeError, match="No matching definition"):
        g(H[:, ::-1], XS, last, sums)


def test_a_check_that_fails_raises() -> None:
    take = mg.export.numba.function(lambda x, i: mg.tensor(x)[i], np.ones(3), np.array(2))
    out = np.zeros(())
    take(np.arange(3.0), np.array(1), out)
    assert out == 1
    with pytest.raises(RuntimeError, match="a check failed"):
        take(np.arange(3.0), np.array(5), out)


def test_what_does_not_compile_is_refused() -> None:
    odd = mg.Primitive("odd", lambda x: x, lambda x: x + 1)
    with pytest.warns(mg.CompileWarning), pytest.raises(GraphError, match=r"export.numba: .* does not compile: .*odd"):
        mg.export.numba.function(lambda x: odd(mg.tensor(x)), np.ones(3))
