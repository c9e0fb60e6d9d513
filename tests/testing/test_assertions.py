"""The public assertions hold for what is right and fail for what is not."""

from __future__ import annotations

from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given

import minigrad as mg
from minigrad.table import TABLE
from minigrad.testing import (
    RandomProgram,
    assert_jit_equals_interpreter,
    assert_same_graph_value,
    assert_scan_equals_unrolled,
    graphs,
    random_program,
)


def rnn(w: Any, xs: Any) -> Any:
    return mg.scan(lambda h, x: (mg.tanh(h * w + x), h), mg.zeros(2, "float64"), xs)


W, XS = np.array([0.5, 2.0]), np.arange(6.0).reshape(3, 2) / 8


@given(program=graphs(steps=6))
def test_programs_mean_the_same_traced_and_unrolled(program: RandomProgram) -> None:
    xs = program.inputs()
    assert assert_same_graph_value(program, *xs).out_types == (program(*xs).type,)
    assert_scan_equals_unrolled(program, *xs)
    assert_scan_equals_unrolled(program.gradient, *xs, rtol=1e-9)


def test_programs_mean_the_same_compiled() -> None:
    program = next(p for p in map(random_program, range(100)) if any(s.op == "recurrence" for s in p.steps))
    assert_jit_equals_interpreter(program, *program.inputs())


def test_a_function_that_sees_whether_it_is_traced_fails() -> None:
    with pytest.raises(AssertionError, match=r"interpreter and eager execution differ in result 0"):
        assert_same_graph_value(lambda x: x if mg.tensor(x).is_concrete else 2 * x, W)
    with pytest.raises(AssertionError, match=r"the interpreter and eager execution give 2 and 1 results"):
        assert_same_graph_value(lambda x: x if mg.tensor(x).is_concrete else (x, x), W)


def test_a_loop_that_runs_wrongly_fails() -> None:
    assert_scan_equals_unrolled(rnn, W, XS)
    scan = TABLE["scan"]
    backwards = {"numpy": lambda *a, reverse, **k: scan_numpy(*a, reverse=not reverse, **k)}
    scan_numpy = scan.numpy
    with mock.patch.dict(scan.__dict__, backwards), pytest.raises(AssertionError, match="the unrolled graph and the loop differ"):
        assert_scan_equals_unrolled(rnn, W, XS)


def test_code_that_computes_otherwise_fails() -> None:
    assert_jit_equals_interpreter(rnn, W, XS)
    compiled = mg.jit(lambda w, xs: rnn(w, xs))
    with (
        mock.patch("minigrad.testing.assertions.jit", return_value=lambda *a: compiled(*[x * (1 + 1e-9) for x in a])),
        pytest.raises(AssertionError, match="the compiled function and the interpreter differ in result 0"),
    ):
        assert_jit_equals_interpreter(rnn, W, XS)
