"""The elementwise functions against long double, in units in the last place, over the whole range of their type."""

import math
import re

import numpy as np
import pytest

from minigrad.compiler import compile_function
from minigrad.compiler import loop_ir as L
from minigrad.compiler.llvm.math_llvm import FUNCTIONS
from minigrad.compiler.llvm.to_llvm import to_llvm
from minigrad.compiler.runtime import assemble

WIDE = np.longdouble
N, i = L.Size("n"), L.LoopVar("i")

pytestmark = pytest.mark.skipif(np.finfo(WIDE).nmant < 63, reason="the reference needs 80-bit long double")


def sigmoid(x):
    e = np.exp(-abs(x))
    return np.where(x >= 0, 1, e) / (1 + e)


REFERENCES = {
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "softplus": lambda x: np.maximum(x, 0) + np.log1p(np.exp(-abs(x))),
    "sin": np.sin,
    "cos": np.cos,
    "erf": lambda x: np.array([math.erf(v) for v in x], WIDE),
}
# Measured, rounded up: (float32, float64). math.erf is itself good to one unit only.
LIMITS = {
    "exp": (1, 1),
    "expm1": (1.5, 1.6),
    "log": (1, 1),
    "log1p": (1.6, 1.6),
    "tanh": (2, 2),
    "sigmoid": (2.5, 2.2),
    "softplus": (2, 2),
    "sin": (0.6, 1.6),
    "cos": (0.6, 1.6),
    "erf": (1.5, 3),
}
if "x86_64" in assemble.machine()[0] and "+fma" not in assemble.machine()[2]:  # there a product is rounded before a number is added
    LIMITS |= {"tanh": (2, 2.1)}


def kernel(op, dtype):
    x, y, out = (L.Buffer(name, dtype, N) for name in ("x", "y", "out"))
    value = L.Binary(op, L.Load(x, i), L.Load(y, i)) if op == "pow" else L.Unary(op, L.Load(x, i))
    return compile_function(L.Function("f", (x, y), (out,), (N,), (), (L.For(i, N, (L.Store(out, i, value),)),)))


def evaluate(op, x, y=None):
    out = np.empty_like(x)
    kernel(op, x.dtype.name).run({"x": x, "y": x if y is None else y, "out": out}, {"n": x.size})
    return out


def points(dtype):
    """Special values, every magnitude, and the ranges where the functions bend."""
    rng, info = np.random.default_rng(0), np.finfo(dtype)
    tiny, big = float(info.smallest_subnormal), float(info.max)
    special = [0.0, 0.5, 1, 2, 800, 90, 88.73, 104, 709.78, 745.1, big, float(info.tiny), tiny, np.inf]
    magnitudes = 10 ** rng.uniform(math.log10(tiny) + 0.3, math.log10(big), 20_000)
    with np.errstate(over="ignore"):
        positive = np.concatenate([special, magnitudes, rng.uniform(0, 2, 20_000), rng.uniform(0, 60, 20_000)])
        around_one = 1 + rng.normal(size=10_000) * 1e-3
        return np.concatenate([positive, -positive, around_one, [np.nan], rng.uniform(-760, 760, 20_000)]).astype(dtype)


def errors(got, exact):
    """Units in the last place; NaN and infinity must be where they belong."""
    with np.errstate(over="ignore"):
        rounded = exact.astype(got.dtype)
    np.testing.assert_array_equal(np.isnan(got), np.isnan(rounded))
    near_overflow = abs(exact) > np.finfo(got.dtype).max * (1 - 1e-6)
    np.testing.assert_array_equal(np.isinf(got) | near_overflow, np.isinf(rounded) | near_overflow)
    finite = np.isfinite(got) & np.isfinite(rounded)
    spacing = np.spacing(np.minimum(abs(rounded[finite]), np.nextafter(np.finfo(got.dtype).max, 0)))
    return abs(got[finite].astype(WIDE) - exact[finite]) / spacing.astype(WIDE)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("op", sorted(REFERENCES))
def test_accuracy(op, dtype):
    x = points(dtype)
    with np.errstate(all="ignore"):
        exact = REFERENCES[op](x.astype(WIDE))
    assert errors(evaluate(op, x), exact).max() <= LIMITS[op][dtype == "float64"]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("op", ["sin", "cos"])
def test_the_sine_of_a_number_does_not_depend_on_its_neighbours(op, dtype):
    """Vectors with large numbers take another path."""
    x = points(dtype)[: 4096 + 5]
    together = evaluate(op, x)
    np.testing.assert_array_equal(np.concatenate([evaluate(op, x[i : i + 1]) for i in range(0, x.size, 37)]), together[::37])
    near = np.where(abs(x) < 1e6, x, 0).astype(dtype)
    np.testing.assert_array_equal(evaluate(op, near)[abs(x) < 1e6], together[abs(x) < 1e6])


def test_sines_are_computed_in_vectors():
    x, out = L.Buffer("x", "float64", N), L.Buffer("out", "float64", N)
    f = L.Function("f", (x,), (out,), (N,), (), (L.For(i, N, (L.Store(out, i, L.Unary("sin", L.Load(x, i))),)),))
    (text,) = (unit.text for unit in to_llvm([f]).units if "@mg_sin_float64(" in unit.text)
    assert re.search(r"call <\d+ x double> @mg_sin_float64_\d+\(", str(assemble.optimized(text)))


def test_every_function_is_tested():
    assert set(REFERENCES) | {"pow", "floor_divide", "remainder"} == FUNCTIONS


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_power(dtype):
    rng = np.random.default_rng(1)
    special = np.array([0, -0.0, 1, -1, 2, -2, 0.5, -0.5, 3, np.inf, -np.inf, np.nan], dtype)
    grid = np.meshgrid(special, special)
    x = np.concatenate([grid[0].ravel(), 10 ** rng.uniform(-5, 5, 40_000), rng.uniform(0.9, 1.1, 40_000), -rng.uniform(0, 9, 9_000)])
    y = np.concatenate([grid[1].ravel(), rng.uniform(-70, 70, 40_000), rng.uniform(-3e3, 3e3, 40_000), rng.integers(-20, 20, 9_000)])
    x, y = x.astype(dtype), y.astype(dtype)
    with np.errstate(all="ignore"):
        exact = np.power(x.astype(WIDE), y.astype(WIDE))
    assert errors(evaluate("pow", x, y), exact).max() <= (0.6 if dtype == "float32" else 5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("op", ["expm1", "log1p", "sin", "tanh", "erf"])
def test_a_negative_zero_stays_one(op, dtype):
    np.testing.assert_array_equal(np.signbit(evaluate(op, np.array([-0.0, 0.0], dtype))), [True, False])


def test_sigmoid_does_not_overflow():
    np.testing.assert_array_equal(evaluate("sigmoid", np.array([-800.0, 800, -np.inf, np.inf])), [0, 1, 0, 1])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("op", ["sin", "cos"])
def test_sine_of_anything_is_bounded(op, dtype):
    x = 10 ** np.random.default_rng(0).uniform(0, 38, 10_000)
    assert abs(evaluate(op, np.concatenate([x, -x]).astype(dtype))).max() <= 1
