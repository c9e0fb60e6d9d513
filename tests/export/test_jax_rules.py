"""The rules of minigrad's primitives in JAX, driven by the table's own examples: values and gradients in float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from table import CASES, DIFFERENTIABLE, Case, cases, out_types, put, value

import minigrad as mg
from minigrad.errors import GraphError
from minigrad.table import TABLE

jax = pytest.importorskip("jax")

from jaxed import listed, together  # noqa: E402

from minigrad.export.jax import to_jax  # noqa: E402
from minigrad.export.jax.rules import RULES  # noqa: E402


def few(cases: Sequence[Case]) -> list[Case]:
    """Of elementwise operations the cases of one shape; none of kernels, which are refused."""
    found = [c for c in cases if c.op.name != "kernel"]
    return [c for c in found if not c.op.elementwise or c.arrays[0].shape == (2, 3) or c.op.examples]


def cotangents(case: Case) -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    return [np.asarray(rng.standard_normal(t.shape)) for t in out_types(case)]


@pytest.fixture(scope="module")
def found() -> dict[int, Any]:
    """For each case, by its id, the results and the gradients; None for gradients that there are not."""

    def both(case: Case) -> Callable[..., Any]:
        def f(given: Any, cts: Any) -> Any:
            if id(case) not in set(map(id, DIFFERENTIABLE)):
                return to_jax(case)(*given), None
            outs, pull = jax.vjp(to_jax(lambda *xs: case(*put(case, xs))), *(given[i] for i in case.floats))
            return outs, pull(tuple(cts) if isinstance(outs, tuple) else cts[0])

        return f

    cases = few(CASES)
    return dict(zip(map(id, cases), together(list(map(both, cases)), [(c.arrays, cotangents(c)) for c in cases]), strict=True))


def test_every_primitive_has_a_rule() -> None:
    assert set(RULES) == set(TABLE)


def test_a_kernel_is_refused_by_name() -> None:
    (case,) = cases("kernel")
    with pytest.raises(GraphError, match="to_jax: cube is a kernel of the user's"):
        to_jax(case)(*case.arrays)


@pytest.mark.parametrize("case", few(CASES), ids=repr)
def test_a_rule_gives_the_value(case: Case, found: Any) -> None:
    for result, expected, type in zip(listed(found[id(case)], 0), value(case), out_types(case), strict=True):
        assert result.dtype == type.dtype
        np.testing.assert_allclose(result, expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("case", few(DIFFERENTIABLE), ids=repr)
def test_a_rule_has_the_gradient(case: Case, found: Any) -> None:
    outs, pull = mg.vjp(lambda *xs: case(*put(case, xs)), *(case.arrays[i] for i in case.floats))
    expected = pull(tuple(cotangents(case)) if isinstance(outs, tuple) else cotangents(case)[0])
    for a, b in zip(listed(found[id(case)], 1), expected, strict=True):
        np.testing.assert_allclose(a, b.numpy(), rtol=1e-12, atol=1e-13)


# ---- what the table's examples do not reach

KINKS = {
    "abs": (lambda x: mg.abs(x), [-1.0, 0.0, 2.0]),
    "maximum": (lambda x: mg.maximum(x, 1.0), [0.0, 1.0, 2.0]),
    "minimum": (lambda x: mg.minimum(x, 1.0), [0.0, 1.0, 2.0]),
    "max": (lambda x: mg.max(x), [1.0, 2.0, 2.0]),
    "prod": (lambda x: mg.prod(x), [0.0, 3.0, 0.0]),
    "cumprod": (lambda x: mg.cumulative_prod(x), [2.0, 0.0, 3.0]),
    "power of zero": (lambda x: mg.pow(x, 2.0) + mg.pow(x, 1.0), [0.0, 1.0, 2.0]),
    "power zero": (lambda x: mg.pow(x, 0.0), [0.0, 1.0, 2.0]),
    "exponent": (lambda x: mg.pow(mg.zeros(3, "float64"), x), [1.0, 2.0, 3.0]),
    "hypot": (lambda x: mg.hypot(x, 0.0 * x), [0.0, 1.0, -2.0]),
    "logaddexp": (lambda x: mg.logaddexp(x, x), [np.inf, 0.0, 1.0]),
    "copysign": (lambda x: mg.copysign(x, -1.0), [0.0, 1.0, -2.0]),
    "where": (lambda x: mg.where(x > 0, mg.log(mg.where(x > 0, x, 1.0)), 0.0), [0.0, 1.0, 2.0]),
    "detach": (lambda x: mg.detach(x) * x, [0.0, 1.0, 2.0]),
    "remainder": (lambda x: mg.remainder(x, 1.5), [-1.0, 1.0, 4.0]),
}
FULL = np.array([-7, -1, 0, 1, 3, 2**62, -(2**63)])
EDGES = {
    "integers by zero": (lambda x: (x // 0, x % 0, x // 3, x % -3), FULL),
    "powers": (lambda x: (x ** mg.abs(x % 5), TABLE["pow"](x, x % 4 - 2)), np.array([-3, -2, -1, 0, 1, 2, 3])),
    "floats by zero": (lambda x: (mg.floor_divide(x, 0.0), mg.remainder(x, 0.0)), np.array([-1.0, 0.0, 2.0])),
    "casts": (
        lambda x: tuple(x.astype(d) for d in ("int8", "int64", "uint8", "uint64", "bool", "float16", "bfloat16", "float32")),
        np.array([np.nan, np.inf, -np.inf, -1.5, 300.7, 1e30, 2.0**63, 1 + 2.0**-8 + 2.0**-30, 1 - 2.0**-12 - 2.0**-40, 3e-37, 1.0]),
    ),
    "sorted": (lambda x: (mg.argsort(x), mg.argsort(x, descending=True)), np.array([2.0, np.nan, 1.0, 2.0, -0.0, 0.0, np.inf])),
    "integers sorted": (lambda x: (mg.argsort(x), mg.argsort(x, descending=True)), np.concatenate([FULL, FULL])),
    "extremes": (lambda x: (mg.max(x), mg.argmax(x), mg.min(x)), np.array([1.0, np.nan, 3.0])),
    "classes": (lambda x: mg.one_hot(x, 300), np.array([3, 255], "uint8")),
    "far classes": (lambda x: mg.one_hot(x, 3), np.array([3, -1, 2])),
}


def test_gradients_at_kinks_are_those_of_minigrad() -> None:
    found = together(
        [jax.grad(lambda x, f=f: to_jax(lambda x: mg.sum(f(x)))(x)) for f, _ in KINKS.values()], [(np.array(x),) for _, x in KINKS.values()]
    )
    for name, g in zip(KINKS, found, strict=True):
        f, x = KINKS[name]
        np.testing.assert_allclose(listed(g)[0], mg.grad(lambda x, f=f: mg.sum(f(x)))(np.array(x)), rtol=1e-12, err_msg=name)


def test_values_at_the_edges_of_dtypes_are_those_of_minigrad() -> None:
    found = together([to_jax(f) for f, _ in EDGES.values()], [(x,) for _, x in EDGES.values()])
    for name, r in zip(EDGES, found, strict=True):
        f, x = EDGES[name]
        expected = f(mg.tensor(x))
        for a, b in zip(listed(r), expected if isinstance(expected, tuple) else (expected,), strict=True):
            assert a.dtype == b.dtype, name
            np.testing.assert_array_equal(a.astype("float64"), b.numpy().astype("float64"), err_msg=name)


def test_an_index_out_of_bounds_gives_nan_and_adds_nothing() -> None:
    x, at = np.arange(6.0).reshape(2, 3), np.array([[0, 3], [-3, -4]])
    rows = mg.vmap(lambda x, i: mg.take(x, i))
    added = mg.vmap(lambda x, i: TABLE["scatter"](x[:2], i, axis=0, n=3))
    along, huge = (lambda x, i, d=d: mg.take_along_axis(x, mg.astype(i, d), 1) for d in ("int64", "uint64"))
    found = together([to_jax(f) for f in (rows, added, along, huge)], [(x, at)] * 4)
    np.testing.assert_array_equal(listed(found[0])[0], [[0, np.nan], [3, np.nan]])
    np.testing.assert_array_equal(listed(found[1])[0], [[0, 0, 0], [3, 0, 0]])
    np.testing.assert_array_equal(listed(found[2])[0], [[0, np.nan], [3, np.nan]])
    np.testing.assert_array_equal(listed(found[3])[0], [[0, np.nan], [np.nan, np.nan]])
    with pytest.raises(mg.errors.BoundsError):
        rows(x, at)


def test_random_numbers_have_the_same_bits() -> None:
    def drawn(key: Any) -> Any:
        a, b = mg.random.split(key)
        ordered = mg.vmap(lambda k: mg.random.permutation(k, 6))(mg.random.split(b, 3))
        return mg.random.uniform(mg.random.fold_in(a, 7), (3, 5)), mg.random.integers(b, -5, 9, (7,)), ordered

    key = mg.random.key(2**100 + 17)
    for a, b in zip(listed(together([to_jax(drawn)], [(key.numpy(),)])[0]), drawn(key), strict=True):
        np.testing.assert_array_equal(a, b)
