"""Run-time sizes: arithmetic stays symbolic, comparisons are decided by terms, by guards, or not at all."""

from __future__ import annotations

import operator
import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad import compiled
from minigrad.errors import ShapeError, UndecidedSizeError
from minigrad.graph.dims import Bind, Dim, Guards, Symbol, deciding, evaluate, hint, identical, product, unify

T, B = Symbol("T", 5), Symbol("B", 3)
t, b = Dim.of(T), Dim.of(B)
COMPARISONS = (operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge)
REALS = st.integers(-3, 30).map(np.int64) | st.floats(-3, 30) | st.sampled_from([2.0, 1.5, np.float32(3), np.inf, -np.inf, np.nan])
SIZES = st.tuples(st.integers(1, 9), st.integers(1, 9))

Poly = st.recursive(
    st.sampled_from([lambda T, B: T, lambda T, B: B]) | st.integers(-3, 3).map(lambda n: lambda T, B: n),
    lambda p: st.tuples(st.sampled_from("+-*"), p, p).map(
        lambda x: {
            "+": lambda T, B: x[1](T, B) + x[2](T, B),
            "-": lambda T, B: x[1](T, B) - x[2](T, B),
            "*": lambda T, B: x[1](T, B) * x[2](T, B),
        }[x[0]]
    ),
    max_leaves=6,
)


@given(p=Poly, q=Poly, sizes=SIZES)
def test_arithmetic_of_sizes_is_arithmetic(p: Any, q: Any, sizes: tuple[int, int]) -> None:
    values = dict(zip((T, B), sizes, strict=True))
    for f in (p, q, lambda T, B: p(T, B) * q(T, B) - p(T, B)):
        assert evaluate(f(t, b), values) == f(*sizes)
        assert hint(f(t, b)) == f(5, 3)
    if identical(p(t, b), q(t, b)):
        assert p(*sizes) == q(*sizes)
    lower = p(t, b).lower if isinstance(p(t, b), Dim) else p(t, b)
    assert lower is None or lower <= p(*sizes)


@given(p=Poly, q=Poly, sizes=SIZES, compare=st.sampled_from(COMPARISONS))
def test_outside_of_a_trace_a_comparison_holds_for_all_sizes_or_raises(p: Any, q: Any, sizes: tuple[int, int], compare: Any) -> None:
    try:
        found = compare(p(t, b), q(t, b))
    except UndecidedSizeError:
        assert not identical(p(t, b), q(t, b))
        return
    assert found is compare(p(*sizes), q(*sizes))


@given(p=Poly, q=Poly, sizes=SIZES, compare=st.sampled_from(COMPARISONS))
def test_while_tracing_a_comparison_is_decided_for_the_hints_and_its_guard_holds_where_it_comes_out_the_same(
    p: Any, q: Any, sizes: tuple[int, int], compare: Any
) -> None:
    with deciding(Guards()) as guards:
        found = compare(p(t, b), q(t, b))
    assert found is compare(p(5, 3), q(5, 3))
    assert guards.hold(dict(zip((T, B), sizes, strict=True))) is (found is compare(p(*sizes), q(*sizes)))
    with deciding(guards):
        assert compare(p(t, b), q(t, b)) is found


@given(
    p=Poly,
    other=st.integers(-3, 30).map(np.int64) | st.floats(-3, 30) | st.sampled_from([2.0, 1.5, np.float32(3), np.inf, -np.inf, np.nan]),
)
def test_a_size_compares_with_every_real_number_as_its_number_does(p: Any, other: Any) -> None:
    for compare in COMPARISONS:
        with deciding(Guards()) as guards:
            found = compare(p(t, b), other)
        assert bool(found) is bool(compare(p(5, 3), other))
        for sizes in ((1, 1), (2, 7), (9, 2)):
            if guards.hold(dict(zip((T, B), sizes, strict=True))):
                assert bool(found) is bool(compare(p(*sizes), other))


def test_comparisons_become_guards_unless_they_always_hold() -> None:
    with deciding(Guards()) as found:
        assert t >= 1
        assert t * 2 + b > 2
        assert t + 1 != t
        assert not t < 1
        assert not found.facts
        assert t > 4
        assert t > 4
        assert not b > 3
        assert len(found.facts) == 2
    assert found.hold({T: 9, B: 1})
    assert not found.hold({T: 4, B: 1})
    assert not found.hold({T: 5, B: 4})


def test_after_a_trace_its_guards_decide_and_nothing_else_does() -> None:
    with deciding(Guards()) as guards:
        assert t > 4
    with deciding(guards):
        assert t > 4
        assert not t <= 4
        with pytest.raises(UndecidedSizeError, match=r"whether T > 3 is not the same for all run-time sizes"):
            bool(t > 3)
    assert len(guards.facts) == 1


def test_equal_hints_bind_and_different_ones_do_not() -> None:
    with deciding(Guards()) as guards:
        assert not unify(t, 4)
        assert not unify(t, b)
        assert unify(t + b, b + t)
        with pytest.raises(Bind) as caught:
            unify(t, 5)
        assert caught.value.value == 5
        with pytest.raises(Bind) as caught:
            unify(t, b + 2)
        assert (caught.value.symbol, caught.value.value) == (T, b + 2)
    assert not guards.hold({T: 4, B: 3})
    assert not guards.hold({T: 3, B: 3})


def test_outside_of_a_trace_a_size_has_no_number_and_no_truth_value() -> None:
    for ask in (int, range, bool, lambda n: 17 // n, lambda n: n // 2, lambda n: unify(n, 5), lambda n: [0] * n, lambda n: n == b + 2):
        with pytest.raises(UndecidedSizeError, match=r"run-time size: .*\n?.*ask for .hint"):
            ask(t - 1)
    assert (t.hint, hint(t * b), hint(7)) == (5, 15, 7)
    assert t
    assert not unify(t, t + 1)
    assert unify(t + b, b + t)


def test_an_exact_quotient_is_a_polynomial() -> None:
    assert (t * b * 6) // (b * 2) == t * 3
    assert (t * 4) % 2 == 0
    assert product((t, 2, b)) == t * b * 2
    with deciding(Guards()), pytest.raises(ZeroDivisionError):
        _ = t // 0


@pytest.mark.parametrize("other", [None, {}])
def test_sizes_combine_with_sizes_and_numbers_only(other: Any) -> None:
    for combine in (operator.add, operator.sub, operator.mul):
        with pytest.raises(TypeError, match=r"unsupported operand|can't multiply"):
            combine(t, other)


OPERATORS = [operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod, operator.pow]


@pytest.mark.parametrize("f", OPERATORS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("number", [1.5, -2, 3, np.float64(0.5), np.float32(2), np.int64(3)], ids=repr)
def test_arithmetic_of_a_size_and_a_number_is_that_of_its_number(f: Any, number: Any) -> None:
    for combine in (lambda n: f(n, number), lambda n: f(number, n), lambda n: f(n, n)):
        compiled = mg.jit(lambda x, combine=combine: x * float(combine(x.shape[0])))
        for n in (4, 3, 6):
            assert compiled(np.ones(n))[0].item() == pytest.approx(float(combine(n)), rel=1e-15)


def test_sizes_print_as_formulas() -> None:
    assert str(t * b * 2 + t - 1) == "2*B*T+T-1"


# ---- what is made of them


COINCIDENCES = {
    "a sequence as long as the batch, transposed": (
        lambda h, xs: mg.scan(lambda h, x: (mg.tanh(h), mg.matrix_transpose(x)), h, xs),
        ((3, 4), (6, 3, 3)),
        ((1, 4), (2, 3, 3)),
    ),
    "the gradient of a sequence that does not reach the loss": (
        mg.grad(lambda h, xs: mg.sum(mg.scan(lambda h, x: (mg.tanh(h), mg.matrix_transpose(x)), h, xs)[0]), (0, 1)),
        ((3, 4), (6, 3, 3)),
        ((2, 4), (7, 3, 5)),
    ),
    "a transpose as a square": (lambda x: mg.reshape(mg.transpose(x), x.shape), ((3, 3),), ((2, 5),)),
    "a call whose arguments are constants": (
        lambda x: mg.checkpoint(lambda c: mg.ones(x.shape, "float64") * c)(mg.ones((), "float64")) + x,
        ((3,),),
        ((5,),),
    ),
    "a branch whose arguments are constants": (
        lambda x: mg.cond(mg.tensor(True), lambda: mg.ones(x.shape, "float64"), lambda: mg.zeros(x.shape, "float64")) + x,
        ((3,),),
        ((5,),),
    ),
    "a loop whose arguments are constants": (
        lambda x: mg.scan(lambda c, _: (c + 1, mg.ones(x.shape, "float64") * c), mg.zeros((), "float64"), length=2)[1] + x,
        ((3,),),
        ((5,),),
    ),
}


@pytest.mark.parametrize("name", COINCIDENCES)
def test_sizes_that_coincide_at_the_first_call_mean_nothing_at_the_second(name: str) -> None:
    f, first, second = COINCIDENCES[name]
    fast, rng = mg.jit(f), np.random.default_rng(0)
    for shapes in (first, second, first):
        arrays = [rng.standard_normal(s) for s in shapes]
        for found, expected in zip(mg.tree.leaves(fast(*arrays)), mg.tree.leaves(f(*arrays)), strict=True):
            np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-12)


@pytest.mark.parametrize("reduce", [mg.max, mg.min, mg.mean, mg.argmax, mg.argmin, mg.std], ids=lambda f: f.__name__)
def test_a_reduction_over_an_axis_that_becomes_empty_is_refused_as_in_eager_code(reduce: Any) -> None:
    fast = mg.jit(lambda x: reduce(x[:, 1:], axis=1))
    np.testing.assert_allclose(fast(np.eye(3)).numpy(), reduce(np.eye(3)[:, 1:], axis=1).numpy())
    with pytest.raises(ValueError, match="of nothing has no value"):
        reduce(np.ones((2, 0)), axis=1)
    with pytest.raises(ValueError, match="of nothing has no value"):
        fast(np.ones((2, 1)))


def test_an_axis_that_becomes_empty_is_rolled_as_in_eager_code() -> None:
    fast = mg.jit(lambda x: mg.grad(lambda x: mg.sum(mg.roll(x[:-1], 2, 0) * x[1:]))(x))
    for n in (3, 1, 2, 5):
        x = np.arange(1.0, n + 1)
        np.testing.assert_array_equal(fast(x).numpy(), fast.function(x).numpy())


def test_a_compiled_function_that_asks_for_a_size_by_a_numpy_number_decides_as_eager_code() -> None:
    for number in (np.int64(3), 3.0, np.float64(3), 1.5, mg.tensor(3)):
        for compare in COMPARISONS:
            fast = mg.jit(lambda x, compare=compare, number=number: mg.where(compare(x.shape[0], number), x, -x))
            for n in (3, 1, 2, 5):
                np.testing.assert_array_equal(fast(np.ones(n)).numpy(), fast.function(np.ones(n)).numpy())


PYTHON = {
    "a key of a dict": lambda n, x: {4: 10.0, 3: 20.0}.get(n, 30.0) * x,
    "shapes in a set": lambda n, x: (2.0 if x.shape in {(4,), (5,)} else 3.0) * x,
    "its own table": lambda n, x: remembered(n) * x,
    "how many differ": lambda n, x: len({n, 4}) * x,
    "divmod": lambda n, x: (divmod(n, 3)[0] + 10 * divmod(n, 3)[1] + divmod(13, n)[1]) * x,
    "abs": lambda n, x: abs(n - 4) * x,
    "bits": lambda n, x: ((n & 3) + (n | 8) + (n ^ 5) + (1 << n) + (n >> 1)) * x,
    "functions of NumPy": lambda n, x: (np.sqrt(n) + np.log(n) + np.maximum(n, 4) + np.prod(x.shape)) * x,
    "beside tensors": lambda n, x: mg.stack([n < x, n <= x, n > x, n >= x]),
}


@cache
def remembered(n: int) -> float:
    return float(np.sum(np.arange(n)))


@pytest.mark.parametrize("name", PYTHON)
def test_what_python_and_numpy_do_with_a_number_they_do_with_a_size(name: str) -> None:
    fast = mg.jit(lambda x: PYTHON[name](x.shape[0], x))
    for n in (4, 3, 7, 5, 4):
        x = np.arange(2.0, n + 2)
        np.testing.assert_allclose(fast(x).numpy(), PYTHON[name](n, mg.tensor(x)).numpy(), rtol=1e-12)


# ---- who may ask for the size seen first

PACKAGE = Path(mg.__file__).parent
ASK = {
    "graph/dims.py": "its meaning",
    "graph/types.py": "whether to bind a size to 1",
    "compiled.py": "messages",
    "program.py": "explain()",
    "export/torch/nodes.py": "PyTorch's, of the example that a program was exported with",
}
AFTER_TRACING = ("compiler", "passes", "transforms/interpret.py")


def test_only_messages_and_the_trace_ask_for_the_size_seen_first() -> None:
    asks = re.compile(r"\.hint\b|\bhint\(")
    assert {str(f.relative_to(PACKAGE)) for f in PACKAGE.rglob("*.py") if asks.search(f.read_text())} == set(ASK)


def test_what_runs_after_the_trace_compares_no_lengths() -> None:
    files = [f for name in AFTER_TRACING for f in ([PACKAGE / name] if name.endswith(".py") else (PACKAGE / name).rglob("*.py"))]
    assert len(files) > 20
    compares = re.compile(r"shape\[[^\]]+\] *[=!]=|[=!]= *\w+\.shape\b|Dim\.of\([^)]*\) *[=!]=|[=!]= *Dim\.of")
    found = [f"{f.name}: {line.strip()}" for f in files for line in f.read_text().splitlines() if compares.search(line)]
    assert found == []


# ---- a size that turns out to be a number late in a trace


def counted(f: Any) -> tuple[Any, list[int]]:
    traces: list[int] = []

    def traced(*args: Any) -> Any:
        traces.append(1)
        return f(*args)

    return mg.jit(traced), traces


def long_work(x: Any) -> Any:
    """So many operations that a trace does not start again after them."""
    for _ in range(12):
        x = x * 0.999 + 0.001
    return x


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "LATE", 20)


LATE = {
    "sizes that must be equal": (lambda x, y: mg.sum(long_work(x) * y), ((4, 3), (4, 3))),
    "three sizes, one of them a product": (lambda x, y, z: mg.reshape(long_work(x) + y, z.shape) * z, ((2, 6), (2, 6), (12,))),
    "a number": (lambda x, y: long_work(x) + mg.sum(mg.stack([y] * len(x))), ((4,), (3,))),
    "a size and a number": (lambda x, y: long_work(x) + mg.zeros(4, "float64") + y, ((4,), (4,))),
    "in a loop, and its gradient": (
        lambda x, y: mg.value_and_grad(lambda x: mg.sum(mg.scan(lambda h, a: (h + a, h * y), long_work(x[0]), x)[1]))(x),
        ((4, 3), (3,)),
    ),
}


@pytest.mark.usefixtures("late")
@pytest.mark.parametrize("name", LATE)
def test_a_size_that_is_found_late_to_be_a_number_does_not_start_the_trace_again(name: str) -> None:
    f, shapes = LATE[name]
    fast, traces = counted(f)
    arrays = [np.random.default_rng(i).standard_normal(s) for i, s in enumerate(shapes)]
    got, want = mg.tree.leaves(fast(*arrays)), mg.tree.leaves(f(*map(mg.tensor, arrays)))
    assert len(traces) == 1
    for g, w in zip(got, want, strict=True):
        np.testing.assert_allclose(g.numpy(), w.numpy(), rtol=1e-9)


@pytest.mark.usefixtures("late")
def test_a_trace_starts_again_where_an_axis_found_late_to_be_one_broadcasts() -> None:
    fast, traces = counted(lambda x, y: long_work(x) + y)
    x, y = np.ones((4, 3)), np.ones((1, 3))
    np.testing.assert_allclose(fast(x, y).numpy(), (long_work(mg.tensor(x)) + y).numpy(), rtol=1e-9)
    assert len(traces) == 2


@pytest.mark.usefixtures("late")
def test_an_error_after_a_size_was_found_is_that_of_a_fresh_trace() -> None:
    fast, traces = counted(lambda x, y: mg.reshape(long_work(x) + y, (5,)))
    with pytest.raises(ShapeError, match=r"n0_0 elements of \(n0_0,\) cannot become \(5,\)"):
        fast(np.ones(4), np.ones(4))
    assert len(traces) == 2


@pytest.mark.parametrize("name", COINCIDENCES)
def test_sizes_that_coincide_and_are_found_late_mean_nothing_at_the_second_call(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "LATE", -1)
    test_sizes_that_coincide_at_the_first_call_mean_nothing_at_the_second(name)
