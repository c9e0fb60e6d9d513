"""Random programs print as code that does the same, and shrink to few steps."""

from __future__ import annotations

from random import Random
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import find, given, settings

from minigrad.table import TABLE
from minigrad.testing import GradientError, RandomProgram, check_grads, graphs, random_program
from minigrad.testing.programs import LOOPS


def run(program: RandomProgram) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(repr(program), names)
    return names


@given(program=graphs())
def test_a_program_prints_as_code_with_its_value(program: RandomProgram) -> None:
    names = run(program)
    assert np.array_equal(names["program"](*names["inputs"]).numpy(), program(*program.inputs()).numpy())


def test_a_failing_program_fails_again_as_printed_code() -> None:
    with mock.patch.dict(TABLE["sin"].__dict__, vjp=lambda cts, out, args, needs: [cts[0]]):  # cos forgotten
        program = next(p for p in map(random_program, range(50)) if _is_wrong(p, *p.inputs()))
        names = run(program)
        with pytest.raises(GradientError, match="is wrong"):
            check_grads(names["program"], *names["inputs"])
    check_grads(names["program"], *names["inputs"])


def _is_wrong(f: Any, *xs: Any) -> bool:
    try:
        check_grads(f, *xs, order=1)
    except GradientError:
        return True
    return False


def test_programs_with_loops_shrink_to_little_else() -> None:
    def loops(program: RandomProgram) -> bool:
        return any(s.op == "recurrence" for s in program.steps)

    shrunk = find(graphs(steps=3, inputs=1), loops, settings=settings(database=None, max_examples=300), random=Random(0))
    assert len(shrunk.steps) <= 8
    assert shrunk.shapes == ((1,),)


@given(program=graphs(steps=5))
def test_the_gradient_of_a_program_is_a_program(program: RandomProgram) -> None:
    grads = program.gradient(*program.inputs())
    assert [g.shape for g in grads] == list(program.shapes)
    check_grads(program.gradient, *program.inputs(), order=1)


def test_a_program_without_loops_has_none() -> None:
    assert all(s.op not in LOOPS for seed in range(50) for s in random_program(seed, scans=False).steps)
