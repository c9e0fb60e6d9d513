"""A small part of the fuzzing that `make fuzz` does for long, programs that once failed, and the fuzzer's own faults."""

from __future__ import annotations

import json
import math
from itertools import product

import numpy as np
import pytest
from shares import shared

from minigrad.primitives import reduce

from . import run
from .case import Case, Skip
from .corpus import CORPUS
from .generate import random_program
from .language import OPS, Program, Step
from .legs import APART, BUNDLES, LEGS
from .run import EVERY, fuzz
from .shrink import shrink

GRAPHS = range(40)
PEERS = {"torch": "torch", "torch second": "torch", "jax": "jax"}


def attempt(leg: str, program: Program) -> None:
    try:
        LEGS[leg](Case(program))
    except Skip as reason:
        pytest.skip(str(reason))


@pytest.mark.parametrize(("leg", "part"), shared(product((leg for leg in LEGS if leg != "jax"), range(3))))
def test_legs_agree(leg: str, part: int) -> None:
    if leg in PEERS:
        pytest.importorskip(PEERS[leg])
    ran = 0
    costly = leg in APART and leg != "coincidence"
    for seed in GRAPHS[:: 6 if costly else 1 if EVERY[leg] < 40 else 4][part::3]:
        case = Case(random_program(seed, leg in APART))
        try:
            LEGS[leg](case)
        except Skip:
            continue
        ran += 1
    assert ran


@pytest.mark.parametrize("leg", BUNDLES)
def test_native_code_agrees(leg: str) -> None:
    BUNDLES[leg]([Case(random_program(seed)) for seed in range(100, 106 if leg == "native" else 103)])


@pytest.mark.sweep
@pytest.mark.parametrize("seed", range(4))
def test_jax_agrees(seed: int) -> None:
    pytest.importorskip("jax")
    attempt("jax", random_program(seed))


@pytest.mark.parametrize(
    ("name", "leg"), shared(product(CORPUS, (leg for leg in LEGS if leg not in PEERS and leg != "coincidence native second")))
)
def test_what_once_failed_does_not(name: str, leg: str) -> None:
    attempt(leg, CORPUS[name])


def test_the_programs_use_the_whole_vocabulary() -> None:
    programs = [random_program(seed) for seed in range(1200)]
    assert {step.op for p in programs for step in p.all_steps()} == set(OPS)
    assert any(0 in shape for p in programs for shape, _ in p.inputs)
    assert {dtype for p in programs for _, dtype in p.inputs} == {"float32", "float64", "int64"}
    assert sum(any(step.op == "scan" for step in p.steps) for p in programs) >= 60


def test_a_program_is_a_function_of_its_seed_and_prints_as_code() -> None:
    program = random_program(7)
    assert program == random_program(7) != random_program(8)
    assert eval(repr(program), {"Program": Program, "Step": Step}) == program


def test_a_planted_fault_is_found_shrunk_and_written_as_code_that_fails_again(tmp_path, monkeypatch) -> None:
    pytest.importorskip("torch")
    product = Step("prod", (1,), (("axis", None), ("keepdims", False)))
    program = Program(3, (((2, 3), "float64"),), (Step("tanh", (0,)), product, Step("cos", (1,)), Step("sin", (2,))), (3, 4))
    monkeypatch.setattr(run, "random_program", lambda seed, apart: program)
    rule = reduce.prod.vjp
    object.__setattr__(reduce.prod, "vjp", lambda *args, **attrs: [1.001 * g for g in rule(*args, **attrs)])
    try:
        progress = fuzz(tmp_path, 1, 3, math.inf, lambda line: None)
        script = (tmp_path / progress.failures[0]).read_text()
        assert script.count("Step(op=") == 1
        with pytest.raises(AssertionError, match="result 1"):
            exec(script.replace("from tests.fuzz", f"from {__package__}"), {})
    finally:
        object.__setattr__(reduce.prod, "vjp", rule)


def test_a_run_goes_on_where_it_stopped(tmp_path) -> None:
    pytest.importorskip("torch")
    whole, broken = (fuzz(tmp_path / name, n, 5, math.inf, lambda line: None) for name, n in (("whole", 6), ("broken", 3)))
    assert broken.done == 3
    broken = fuzz(tmp_path / "broken", 6, 5, math.inf, lambda line: None)
    assert (broken.done, broken.counts) == (6, whole.counts)
    assert json.loads((tmp_path / "broken" / "progress.json").read_text())["failures"] == []
    with pytest.raises(SystemExit, match="--seed 5"):
        fuzz(tmp_path / "broken", 6, 6, math.inf)


def test_shrinking_keeps_the_failure_and_little_else() -> None:
    program = next(p for p in map(random_program, range(100)) if len(p.steps) > 8 and any(s.op == "max" for s in p.steps))
    smallest = shrink(program, lambda smaller: any(s.op == "max" for s in smaller.steps))
    assert [s.op for s in smallest.steps] == ["max"]


def test_inputs_grow_and_get_a_batch() -> None:
    program = Program(0, (((1, 3), "float64"), ((2,), "int64")), (), (0,))
    assert [a.shape for a in program.arrays({3: 5, 2: 4})] == [(1, 5), (4,)]
    assert [a.shape for a in program.arrays(batch=4)] == [(4, 1, 3), (4, 2)]
    np.testing.assert_array_equal(program.arrays()[0], program.arrays()[0])
