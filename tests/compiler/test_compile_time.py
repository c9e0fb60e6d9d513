"""What LLVM compiles grows at most linearly with a program: the text, and no function beyond a bound. No test measures time."""

import re
from itertools import product
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shares import examples, shared

import minigrad as mg
from minigrad.compiler.llvm import functions, to_llvm
from minigrad.compiler.lower import schedule
from minigrad.compiler.lower.program import lower
from minigrad.passes.pipeline import optimize
from minigrad.testing import assert_jit_equals_interpreter, graphs
from minigrad.transforms.tracing import trace

FUNCTION = re.compile(r"^define [^@]*@\S+?\((.*?)\) #1 \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)


def double(xs):
    return [x * 2 for x in xs]


def adam(xs):
    return [x - 0.1 * x / (mg.sqrt(0.9 * x * x + 0.1) + 1e-8) for x in xs]


def chain(xs):
    x = xs[0]
    for _ in xs:
        x = mg.tanh(x) * 1.5
    return x


def all_of_a_chain(xs):
    found = [xs[0]]
    for _ in xs:
        found.append(mg.tanh(found[-1]) * 1.5)
    return found


def layers(xs):
    x = xs[0]
    for w in xs:
        x = mg.tanh(x @ w)
    return x


def total(xs):
    return sum(mg.sum(x * x) for x in xs)


PROGRAMS = [double, adam, chain, all_of_a_chain, total, mg.grad(total), mg.grad(lambda xs: mg.sum(chain(xs)))]
SHAPES = {"equal": lambda i: (3, 3), "scalars": lambda i: (), "different": lambda i: (3, 4 + i)}


def units_of(f, n, shapes="equal"):
    leaves = [mg.ones(SHAPES[shapes](i), dtype="float32") for i in range(n)]
    return to_llvm.to_llvm(lower(optimize(trace(f, leaves))).phases).units


@pytest.mark.parametrize(
    ("f", "shapes"), shared([*product(PROGRAMS, SHAPES), (layers, "equal"), (mg.grad(lambda xs: mg.sum(layers(xs))), "equal")], of=4)
)
def test_the_text_grows_linearly_and_no_function_is_long(f, shapes):
    few, most = (units_of(f, n, shapes) for n in (150, 300))  # 300 leaves have more pointers than a function may take
    assert sum(u.text.count("\n") for u in most) <= 2.3 * sum(u.text.count("\n") for u in few)
    for parameters, lines in (FUNCTION.search(u.text).groups() for u in most if not u.plain):
        assert parameters.count("ptr") <= 2 * schedule.LARGEST
        assert "phi" not in lines or lines.count("\n") <= 20 * schedule.LARGEST


@pytest.mark.parametrize("f", shared([double, adam, layers, total], 1))
def test_loops_over_equal_leaves_are_compiled_once(f):
    few, most = units_of(f, 100), units_of(f, 300)
    assert len(most) <= len(few) + 2


@examples(30)
@given(program=graphs(), large=st.integers(1, 3), largest=st.integers(1, 6), many=st.integers(0, 4), piece=st.integers(0, 6))
def test_a_program_agrees_with_the_interpreter_however_it_is_divided(program, large, largest, many, piece):
    with (
        mock.patch.object(schedule, "LARGE", large),
        mock.patch.object(schedule, "LARGEST", largest),
        mock.patch.object(functions, "MANY", many),
        mock.patch.object(to_llvm, "PIECE", piece),
    ):
        assert_jit_equals_interpreter(program, *program.inputs())
        assert_jit_equals_interpreter(program.gradient, *program.inputs(), rtol=1e-8)


def test_a_large_cluster_is_divided_without_storing_more():
    graph = optimize(trace(double, [mg.ones(3) for _ in range(3 * schedule.LARGE)]))
    plan = schedule.schedule(graph)
    assert len(plan.steps) == 3
    assert plan.stored == set(graph.outputs)


ELEMENTWISE = (mg.tanh, mg.sigmoid, mg.exp, mg.log1p, mg.erf, lambda x: mg.abs(x) ** 1.3)


@pytest.mark.parametrize(("f", "n"), shared(product(ELEMENTWISE, (5, 1000)), of=5))
def test_a_function_that_is_not_inlined_computes_the_same(f, n):
    """An elementwise function with many calls is called for vectors, and gives the bits that it gives inlined."""
    x = np.random.default_rng(0).standard_normal(n).astype("float32")
    inlined = mg.jit(lambda x: [f(x + float(i)) for i in range(2)])(x)
    for a, b in zip(inlined, mg.jit(lambda x: [f(x + float(i)) for i in range(100)])(x), strict=False):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
