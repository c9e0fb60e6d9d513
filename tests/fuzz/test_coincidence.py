"""Coincidence fuzzing finds what it is for: a size taken for another, an access outside, two threads in one place."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad.compiler import loop_ir as L
from minigrad.compiler.lower.program import Lowered, lower
from minigrad.graph import dims, types
from minigrad.ops import shaping

from .case import Case
from .coincidence import choices, coincidence
from .corpus import CORPUS
from .generate import random_program
from .run import fuzz, fuzz_jobs
from .watched import Fault, InPython, divided

AT, LOW, HIGH = L.LoopVar("i"), L.LoopVar("low"), L.LoopVar("high")
X, Y, WORK = (L.Buffer(name, "float64", 4) for name in ("x", "y", "b"))


def run(*body: L.Stmt) -> list[float]:
    """The result y of statements on x = 0, 1, 2, 3 and four elements of working memory."""
    out = np.zeros(4)
    program = Lowered((L.Function("program_0", (X,), (Y,), (), (WORK,), body),), (), (), (), ())
    InPython(program).run([np.arange(4.0)], [out], ())
    return out.tolist()


def store(at: object, value: object = 1.0, buffer: L.Buffer = Y) -> L.Store:
    return L.Store(buffer, at, L.Const("float64", value) if isinstance(value, float) else value)


def shared(*body: L.Stmt) -> L.Shared:
    return L.Shared(L.Literal(4), LOW, HIGH, (L.For(AT, HIGH - LOW, body, start=LOW),))


@pytest.mark.parametrize(
    "stmt",
    [
        store(L.Literal(-1)),
        store(L.Literal(4)),
        store(L.Literal(0), L.Load(X, L.Literal(-1))),
        store(L.Literal(0), L.Load(X, L.Literal(4))),
        L.For(AT, 2, (store(AT - 1),)),
        L.For(AT, 2, (store(AT + 3),)),
    ],
)
def test_an_index_outside_a_buffer_is_refused(stmt: L.Stmt) -> None:
    with pytest.raises(Fault, match=r"of 4, in\n"):
        run(stmt)


def test_what_nobody_wrote_is_nan() -> None:
    assert np.isnan(run(store(L.Literal(0), L.Load(WORK, L.Literal(0))))).all()


@pytest.mark.parametrize(
    "body",
    [
        [shared(store(L.Literal(0)))],
        [shared(store(AT), store(AT, L.Load(Y, 3 - AT)))],
        [shared(store(AT, L.Load(Y, L.Literal(0))), store(L.Literal(0)))],
    ],
)
def test_two_parts_that_meet_are_refused(body: list[L.Stmt]) -> None:
    with pytest.raises(Fault, match="both parts"):
        run(*body)


def test_two_parts_may_write_places_of_their_own_and_read_what_was_written_before() -> None:
    assert run(shared(store(AT, L.Load(X, AT)))) == [0, 1, 2, 3]
    assert run(shared(store(3 - AT, L.Load(X, AT), WORK)), shared(store(AT, L.Load(WORK, AT)))) == [3, 2, 1, 0]


def test_small_loops_are_shared_when_all_is_divided() -> None:
    graph = mg.trace(lambda x: mg.tanh(x), np.ones((9, 3)))
    with divided():
        assert [p.shared for p in lower(graph).phases] == [1]
    assert [p.shared for p in lower(graph).phases] == [0]


def test_sizes_coincide_and_do_not() -> None:
    for program in (random_program(seed, apart=True) for seed in range(40)):
        equal, pair, different, anything = choices(program)
        for sizes in (equal, pair, different, anything):
            assert set(sizes) == set(program.lengths)
        assert len(set(equal.values())) <= 1
        assert len(set(pair.values())) == max(len(pair) - 1, min(len(pair), 1))
        assert len(set(different.values())) == len(different)


def test_lengths_apart_are_of_few_kinds_and_never_of_other_values() -> None:
    programs = [random_program(seed, apart=True) for seed in range(300)]
    assert {n for p in programs for n in p.lengths} == {7, 11, 17}
    assert sum(len(p.lengths) == 3 for p in programs) > 50
    assert sum(len(p.floats) == 2 for p in programs) > 20


def test_a_size_taken_for_another_is_found(monkeypatch) -> None:
    """Planted: a reshape to a shape that was the same at the first call does nothing."""

    def alike(a: dims.Shape, b: dims.Shape) -> bool:
        return types.identical(tuple(map(dims.hint, a)), tuple(map(dims.hint, b)))

    monkeypatch.setattr(shaping, "identical", alike)
    with pytest.raises(AssertionError, match=r"at \{7: 2, 11: 4\} after \[\{7: 3, 11: 3\}"):
        coincidence(Case(CORPUS["a square reshaped"]))


def test_processes_do_together_what_one_does(tmp_path) -> None:
    whole = fuzz(tmp_path / "whole", 4, 9, 5.0, lambda line: None, ["coincidence"])
    parts = fuzz_jobs(tmp_path / "parts", 4, 9, 5.0, ["coincidence"], 2)
    assert (parts.done, parts.counts, parts.failures) == (4, whole.counts, [])
