"""MINIGRAD_CHECK: faults of the compiler are found and named, rounding is none, and what was checked is not checked again."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np
import pytest
from fuzz.generate import random_program as any_program
from fuzz.legs import Case
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad import checked
from minigrad.checked import Perturbed, difference
from minigrad.compiler import loop_ir as L
from minigrad.compiler.lower import ops, reductions, scalars
from minigrad.compiler.lower.program import Main, Unsupported
from minigrad.errors import BoundsError, CheckError, MemoryFault, SettingError
from minigrad.passes import pipeline
from minigrad.primitives import elementwise
from minigrad.testing.programs import random_program
from minigrad.transforms import interpret

X = np.arange(12.0).reshape(3, 4) + 0.5


@pytest.fixture(autouse=True)
def on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIGRAD_CHECK", "1")


# ---- planted faults


@contextmanager
def lowered(name: str, change: Callable[[L.Stmt], L.Stmt]) -> Iterator[None]:
    """The statements of an operation changed, those inside first."""

    def changed(stmt: L.Stmt) -> L.Stmt:
        return change(dataclasses.replace(stmt, body=tuple(map(changed, stmt.body))) if isinstance(stmt, L.For) else stmt)

    def rule(into: Any, node: Any) -> None:
        before = len(into.out)
        original(into, node)
        into.out[before:] = map(changed, into.out[before:])

    original = ops.LOWER[name]
    with mock.patch.dict(ops.LOWER, {name: rule}):
        yield


def further(stmt: L.Stmt) -> L.Stmt:
    return dataclasses.replace(stmt, index=stmt.index + 1) if isinstance(stmt, L.Store) else stmt


def shorter(stmt: L.Stmt) -> L.Stmt:
    return dataclasses.replace(stmt, extent=stmt.extent - 1) if isinstance(stmt, L.For) else stmt


separate = Main.separate


def wrong_rule(node: Any, args: Any) -> Any:
    return args[0] if node.op is elementwise.neg else None


def recurrent(xs: Any) -> Any:
    def step(h: Any, x: Any) -> Any:
        h = mg.tanh(x + mg.cumsum(h))
        return h, h * x

    return mg.scan(step, mg.zeros(4, "float64"), xs)


FAULTS = {
    "another operation": (
        lambda: mock.patch.dict(reductions.FOLD, sum="maximum"), lambda x: mg.sum(mg.tanh(x) + x, 1),
        r"the first operation that differs is sum: 12\.4\d+ where the interpreter has 43\.9\d+, at index \(2,\) of float64\(3\)",
    ),
    "another comparison": (
        lambda: mock.patch.dict(scalars.COMPARE, less="le"), lambda x: mg.where(x < 2.5, x, -x),
        r"the first operation that differs is less: True where the interpreter has False, at index \(0, 2\)",
    ),
    "a loop that is too short": (
        lambda: lowered("cumsum", shorter), lambda x: mg.exp(mg.cumsum(x, 0) / 9),
        r"the first operation that differs is cumsum: nan where the interpreter has 3\.5, at index \(0, 3\)",
    ),
    "a loop over time that is too short": (
        lambda: mock.patch.object(Main, "separate", lambda self, stmt: separate(self, shorter(stmt))), recurrent,
        r"the first operation that differs is scan: 0\.9\d+ where the interpreter has 0\.9\d+, at index \(0,\)",
    ),
    "a fault inside a loop over time": (
        lambda: lowered("cumsum", shorter), recurrent,
        r"the first operation that differs at step 0 is cumsum: nan where the interpreter has 0\.0, at index \(3,\)",
    ),
    "a wrong rewrite": (
        lambda: mock.patch.object(pipeline, "CLEANUP", (*pipeline.CLEANUP, wrong_rule)), lambda x: -mg.tanh(x),
        r"no operation differs by itself; this result is made by tanh",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found_with_its_operation_and_line(name: str) -> None:
    plant, f, told = FAULTS[name]
    mg.jit(f)(X)
    with plant(), pytest.raises(CheckError, match=rf"{told}[\s\S]*test_checked.py"):
        mg.jit(f)(X)


def test_the_message_says_what_where_for_which_sizes_and_what_to_do() -> None:
    def shifted(x: Any, y: Any) -> Any:
        return {"same": x, "other": (mg.roll(y, 1, 0), 2 * x)}

    fast = mg.jit(shifted)
    with lowered("roll", lambda s: dataclasses.replace(s, index=s.index * 0) if isinstance(s, L.Store) else s):
        with pytest.raises(CheckError) as error:
            fast(X, np.array([1.0, 2.0]))
        with pytest.raises(CheckError):  # no call at these sizes has passed
            fast(X, np.array([1.0, 2.0]))
    assert re.sub(r"py:\d+", "py", str(error.value)).splitlines() == [
        "shifted: result['other'][0] differs in compiled code, nan where the interpreter has 1.0, at index (1,) of float64(2)",
        "  the first operation that differs is roll: nan where the interpreter has 1.0, at index (1,) of float64(2)",
        '  at test_checked.py `return {"same": x, "other": (mg.roll(y, 1, 0), 2 * x)}`',
        "  where n0_0 = 3, axis 0 of x",
        "  where n0_1 = 4, axis 1 of x",
        "  where n1_0 = 2, axis 0 of y",
        f"  {checked.ADVICE}",
    ]


def test_a_search_that_cannot_be_made_says_why_and_names_what_made_the_result(monkeypatch: Any) -> None:
    def refuse(graph: Any) -> None:
        raise Unsupported("that")

    monkeypatch.setattr(checked, "lower", refuse)
    told = "the search for the operation ended with: that; this result is made by sum"
    with mock.patch.dict(reductions.FOLD, sum="maximum"), pytest.raises(CheckError, match=told):
        mg.jit(lambda x: mg.sum(x, 0))(X)


@pytest.mark.planted
def test_a_write_beside_a_buffer_names_the_function_the_operation_and_the_sizes() -> None:
    with lowered("concat", further), pytest.raises(MemoryFault) as error:
        mg.jit(lambda x: mg.concat([x, x]) * 2 + 1)(X)
    assert re.search(r"<lambda>: compiled code: 8 bytes after \w+ \(float64, 192 bytes\) were written", str(error.value))
    assert re.search(r"is written by .*concat .*test_checked.py", str(error.value))
    assert "where n0_0 = 3, axis 0 of x" in str(error.value)


# ---- the variable


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The lengths of the calls that were checked."""
    lengths: list[int] = []
    original = checked.run_checked

    def run(program: Any, sizes: Any, numbers: Any, arrays: Any, outputs: Any) -> None:
        original(program, sizes, numbers, arrays, outputs)
        lengths.append(len(arrays[0]))

    monkeypatch.setattr(checked, "run_checked", run)
    return lengths


@pytest.mark.parametrize(("value", "expected"), [("", []), ("0", []), ("1", [3, 4]), ("all", [3, 3, 4, 3, 4])])
def test_new_sizes_are_checked_or_every_call_or_none(value: str, expected: list[int], checks: list[int], monkeypatch: Any) -> None:
    monkeypatch.setenv("MINIGRAD_CHECK", value)
    fast = mg.jit(lambda x: mg.sum(mg.tanh(x)))
    for n in (3, 3, 4, 3, 4):
        fast(np.ones(n))
    assert checks == expected


def test_without_the_variable_nothing_is_checked(checks: list[int], monkeypatch: Any) -> None:
    monkeypatch.delenv("MINIGRAD_CHECK")
    mg.jit(mg.tanh)(np.ones(3))
    assert checks == []


@pytest.mark.parametrize("value", ["2", "yes", "ALL", "none"])
def test_another_value_is_refused_by_name(value: str, monkeypatch: Any) -> None:
    fast = mg.jit(mg.tanh)
    monkeypatch.setenv("MINIGRAD_CHECK", value)
    with pytest.raises(SettingError, match=f"MINIGRAD_CHECK='{value}': expected 0, 1 .* or all"):
        fast(np.ones(3))
    monkeypatch.setenv("MINIGRAD_CHECK", "1")
    assert fast(np.zeros(3)).tolist() == [0, 0, 0]


def test_an_index_out_of_bounds_is_that_and_its_sizes_stay_unchecked(checks: list[int]) -> None:
    fast = mg.jit(lambda x, i: mg.take(x, i))
    for _ in range(2):
        with pytest.raises(BoundsError, match="take: index 7 out of bounds for an axis of size 3"):
            fast(np.arange(3.0), np.array([0, 7]))
    assert checks == []
    fast(np.arange(3.0), np.array([0, 2]))
    assert checks == [3]


def test_what_the_interpreter_runs_is_not_checked(checks: list[int], monkeypatch: Any) -> None:
    with pytest.warns(mg.CompileWarning):
        mg.jit(lambda x: x @ x)(np.ones((2, 2), int))
    monkeypatch.setenv("MINIGRAD_JIT", "0")
    mg.jit(mg.tanh)(np.ones(3))
    assert checks == []


def test_a_history_and_the_search_for_what_is_not_finite_go_with_a_check(checks: list[int]) -> None:
    fast = mg.jit(mg.tanh)
    np.testing.assert_allclose(mg.grad(lambda x: mg.sum(fast(x * 2)))(np.zeros(3)), np.full(3, 2.0))
    with pytest.raises(mg.errors.NonFiniteError, match="log: -inf"):
        mg.jit(mg.log, finite=True)(np.zeros(5))
    assert checks == [3, 5]


# ---- rounding is no fault, and nothing else passes for it


def rounded_otherwise(graph: Any, arrays: Any, seed: int, ulps: int) -> list[np.ndarray]:
    """Results of a graph as another compiler might round them."""
    return Perturbed(graph, seed + 1).run(arrays, ulps)


@given(st.integers(0, 10**6), st.integers(0, 4))
def test_no_rounding_of_any_program_is_a_fault(seed: int, ulps: int) -> None:
    case = Case(any_program(seed))
    try:
        found = rounded_otherwise(case.graph, case.arrays, seed, ulps)
    except BoundsError:
        return  # rounding decides about an index
    assert difference(found, case.graph, case.arrays) is None


SPECIAL = {
    "cancellation": lambda x: (mg.exp(x) + 1e12) - 1e12,
    "a tie of computed values": lambda x: mg.argmax(mg.sin(x) * mg.sin(x) + mg.cos(x) * mg.cos(x), 1),
    "the order of computed values": lambda x: mg.argsort(mg.exp(x) / mg.exp(x) * 3, 1),
    "a jump": lambda x: mg.floor(mg.sqrt(x * x) / x * 3),
    "a tie of max and its gradient": lambda x: mg.grad(lambda x: mg.sum(mg.max(mg.sin(x) ** 2 + mg.cos(x) ** 2, 1)))(x),
    "the root of what should be 0": lambda x: mg.sqrt(1 - mg.sin(x) ** 2 - mg.cos(x) ** 2),
    "a number by what should be 0": lambda x: 1 / (mg.tanh(x) - mg.sin(x) / mg.cos(x) * 0 - mg.tanh(x * 1.0 + 0.0)),
    "chaos": lambda x: mg.scan(lambda c, _: (3.9 * c * (1 - c), None), x / 12, length=200)[0],
    "underflow": lambda x: mg.log(mg.sigmoid(-200 * x)),
    "the integer of a number beyond all": lambda x: mg.astype(mg.log(x - x) + mg.exp(x * 99), "int64"),
    "an integer divided by 0": lambda x: mg.astype(x, "int64") // 0,
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", SPECIAL)
def test_what_rounding_decides_is_no_fault(name: str, dtype: str) -> None:
    x = X.astype(dtype)
    graph = mg.trace(SPECIAL[name], x)
    for seed in range(20):
        assert difference(rounded_otherwise(graph, [x], seed, 4), graph, [x]) is None
    mg.jit(SPECIAL[name])(x)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(seed=st.integers(0, 10**6), data=st.data())
def test_a_wrong_element_of_a_smooth_program_is_found(dtype: str, seed: int, data: Any) -> None:
    program = random_program(seed)
    graph, arrays = mg.trace(program.gradient, *program.inputs(dtype)), program.inputs(dtype)
    right = [np.asarray(y) for y in interpret.run(graph, arrays)]
    k = data.draw(st.sampled_from(range(len(right))))
    place = data.draw(st.sampled_from(list(np.ndindex(right[k].shape))))
    found = [y.copy() for y in right]
    found[k][place] += 0.01 * max(1, np.max(np.abs(right[k])))
    problem = difference(found, graph, arrays)
    assert problem is not None
    assert (problem.result, problem.index) == (k, place)
    assert (problem.found, problem.expected) == (found[k][place], right[k][place])


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, 1.0 + 1e-6])
def test_nan_infinity_and_the_eighth_digit_count(wrong: float) -> None:
    graph = mg.trace(mg.exp, np.zeros(3))
    assert difference([np.array([1.0, wrong, 1.0])], graph, [np.zeros(3)]).index == (1,)
    assert difference([np.array([1.0, 1.0 + 1e-9, 1.0])], graph, [np.zeros(3)]) is None


def test_float32_anywhere_makes_for_three_digits() -> None:
    x = np.arange(3.0)
    for f in (
        lambda x: mg.astype(mg.astype(x, "float32") + 1, "float64"),
        lambda x: mg.scan(lambda c, _: (c, mg.astype(c, "float32")), x, length=2),
    ):
        graph = mg.trace(f, x)
        right = [np.asarray(y) for y in interpret.run(graph, [x])]
        assert difference([y * y.dtype.type(1 + 1e-4) for y in right], graph, [x]) is None
        assert difference([y * y.dtype.type(1 + 1e-2) for y in right], graph, [x]).result == 0


def test_small_numbers_are_compared_among_themselves() -> None:
    graph = mg.trace(lambda x: x * 1e-20, np.ones(3))
    assert difference([np.array([1e-20, 2e-20, 1e-20])], graph, [np.ones(3)]).index == (1,)


def test_integers_and_bools_are_compared_exactly() -> None:
    x = np.arange(4)
    graph = mg.trace(lambda x: (x + 1, x < 2), x)
    right = [x + 1, x < 2]
    assert difference(right, graph, [x]) is None
    assert difference([right[0] + (x == 3), right[1]], graph, [x]).index == (3,)
    assert difference([right[0], ~right[1]], graph, [x]).result == 1


def compile_and_check(seed: int) -> None:
    """With run-time sizes or with literal ones, value and gradient, or the second gradient."""
    literal, second = seed % 2 == 1, seed % 4 > 1
    case = Case(any_program(seed), even=not literal)
    mg.jit(case.second if second and case.floats else case.first)(*(map(mg.tensor, case.arrays) if literal else case.arrays))


@pytest.mark.parametrize("seed", range(12))
def test_compiled_programs_and_their_gradients_pass(seed: int) -> None:
    compile_and_check(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12, 600))
def test_many_compiled_programs_and_their_gradients_pass(seed: int) -> None:
    compile_and_check(seed)
