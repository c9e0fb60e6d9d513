"""What is proved of a function by hand: each kind of access inside its buffer and, one off, not; threads apart and, one off, not."""

from __future__ import annotations

import operator
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from programs import copy, fill

import minigrad as mg
from minigrad.compiler import loop_ir as L
from minigrad.compiler.proof.bounds import Proof, prove, prove_function
from minigrad.compiler.proof.prover import Prover, Verdict
from minigrad.graph.dims import Dim, Guards, Symbol
from minigrad.table import TABLE

pytest_plugins = "pytester"

N, M = L.Size("n"), L.Size("m")
i, j, t = (L.LoopVar(name) for name in "ijt")
X, Y = L.Buffer("x", "float64", N), L.Buffer("y", "float64", N)
A, B, C = (L.Buffer(name, "float64", N * M) for name in "abc")
P, Q = L.Buffer("p", "int64", M), L.Buffer("q", "int64", N)
ONE, TRUE = L.Const("float64", 1), L.Const("bool", True)


def proof(*body: L.Stmt, local: L.Buffer | None = None) -> Proof:
    return prove_function(L.Function("f", (X, A, B, P), (Y, C, Q), (N, M), (local,) if local else (), body))


def proved(*body: L.Stmt, local: L.Buffer | None = None) -> bool:
    return sure(proof(*body, local=local))


def sure(found: Proof) -> bool:
    return not found.unproved and all(verdict <= Verdict.BY_Z3 for _, verdict in found.counts)


def number(index):
    return L.FromIndex(index, "int64")


def loop(*body, of=N, start=0):
    return L.For(i, of, body, start=start)


def square(at, of=C):
    return loop(L.For(j, M, (L.Store(of, at, ONE),)))


def load(at):
    return L.Store(Y, i, L.Load(X, at))


def block(condition):
    """Blocks of four, the last one cut off."""
    at = i * 4 + j
    return L.For(i, (N + 3) // 4, (L.For(j, 4, (L.If(condition(number(at), number(N)), (L.Store(Y, at, ONE),)),)),))


def gather(*checks, otherwise=()):
    place = L.Read("v", "int64")
    named = {
        "below": L.Compare("ge", place, L.Const("int64", 0)),
        "above": L.Compare("lt", place, number(N)),
        "one too far": L.Compare("le", place, number(N)),
        "both": L.Binary("and", L.Compare("ge", place, L.Const("int64", 0)), L.Compare("lt", place, number(N))),
        "either": L.Binary("or", L.Compare("ge", place, L.Const("int64", 0)), L.Compare("lt", place, number(N))),
    }
    stops = [L.Check(named[c], 1, L.AsIndex(place)) for c in checks]
    return L.For(i, M, (L.Let("v", L.Load(P, i)), *stops, L.Store(Y, L.AsIndex(place), ONE)))


def two_indices(checked):
    place = L.Read(checked, "int64")
    good = L.Binary("and", L.Compare("ge", place, L.Const("int64", 0)), L.Compare("lt", place, number(N)))
    lets = L.Let("v", L.Load(P, i)), L.Let("w", L.Load(P, M - 1 - i))
    return L.For(i, M, (*lets, L.Check(good, 1, 0), L.Store(Y, L.AsIndex(L.Read("v", "int64")), ONE)))


def gemm(a=L.View(A, 0, M, 1), b=L.View(B, 0, N, 1), c=L.View(C, 0, 1, 1), m=N, n=1, k=M):  # noqa: B008, a frozen value
    return L.Gemm(m, n, k, a, b, c)


def extern(argument=L.Array(X, 0, (N,)), result=L.Array(Y, 0, (N,))):  # noqa: B008, frozen values
    return L.Extern(len, (argument,), (result,), 1)


INSIDE = {
    "a write": (loop(L.Store(Y, i, ONE)), loop(L.Store(Y, i + 1, ONE))),
    "a read": (loop(load(i)), loop(load(i + 1))),
    "the last element": (L.Store(Y, N - 1, ONE), L.Store(Y, N, ONE)),
    "the first element": (loop(load(N - 1 - i)), loop(load(N - 2 - i))),
    "a loop that starts later": (loop(L.Store(Y, i, ONE), of=N - 1, start=1), loop(L.Store(Y, i, ONE), start=1)),
    "a loop for no size": (loop(L.Store(Y, i + 7, ONE), of=N - N), loop(L.Store(Y, i + 7, ONE))),
    "rows and columns": (square(i * M + j), square(i * N + j)),
    "columns and rows": (square(j * N + i), square(j * M + i)),
    "every second element": (loop(L.Store(Y, i * 2, ONE), of=(N + 1) // 2), loop(L.Store(Y, i * 2, ONE), of=N // 2 + 1)),
    "a remainder": (loop(load((i + 1) % N)), loop(load((i + 1) % (N + 1)))),
    "a number modulo a size": (L.Store(Y, L.Literal(7) % N, ONE), L.Store(Y, L.Literal(7) // N, ONE)),
    "a comparison": (block(lambda at, n: L.Compare("lt", at, n)), block(lambda at, n: L.Compare("le", at, n))),
    "a comparison the other way round": (block(lambda at, n: L.Compare("gt", n, at)), block(lambda at, n: L.Compare("ne", n, at))),
    "a negated comparison": (
        block(lambda at, n: L.Unary("not", L.Compare("ge", at, n))),
        block(lambda at, n: L.Unary("not", L.Compare("gt", at, n))),
    ),
    "the other branch": (
        loop(L.If(L.Compare("ge", number(i), number(N - 1)), (load(0),), (load(i + 1),))),
        loop(L.If(L.Compare("gt", number(i), number(N - 1)), (load(0),), (load(i + 1),))),
    ),
    "a checked index": (gather("below", "above"), gather("below", "one too far")),
    "an index checked at once": (gather("both"), gather("either")),
    "an index checked above": (gather("both"), gather("above")),
    "an index checked below": (gather("both"), gather("below")),
    "any index": (gather("both"), gather()),
    "a checked index of two": (two_indices("v"), two_indices("w")),
    "a read in an index": tuple(loop(L.Store(Y, L.AsIndex(L.Load(P, i)) % N, ONE), of=n) for n in (M, N)),
    "a read in a condition": tuple(loop(L.If(L.Compare("lt", L.Load(X, i + k), ONE), ())) for k in (0, 1)),
    "a read in a scalar": tuple(loop(L.Let("v", L.Unary("neg", L.Load(X, i + k)))) for k in (0, 1)),
    "a read in a sum": tuple(
        (L.Declare("s", ONE), loop(L.Assign("s", L.Binary("add", L.Read("s", "float64"), L.Load(X, i + k))))) for k in (0, 1)
    ),
    "a read that is chosen or not": tuple(loop(L.Store(Y, i, L.Select(TRUE, ONE, L.Load(X, i + k)))) for k in (0, 1)),
    "a read in a check": tuple(loop(L.Check(L.Compare("lt", L.Load(X, i + k), ONE), 1, 0)) for k in (0, 1)),
    "a fill": (fill(Y, 1, N - 1, ONE), fill(Y, 1, N, ONE)),
    "the source of a copy": (copy(C, 0, X, 0, N), copy(C, 0, X, 0, M)),
    "the target of a copy": (copy(Y, 0, A, M, N - 1), copy(Y, 2, A, 0, N - 1)),
    "the left matrix": (gemm(), gemm(a=L.View(A, 1, M, 1))),
    "the right matrix": (gemm(b=L.View(B, 0, N, 1)), gemm(b=L.View(B, N, N, 1))),
    "the product": (gemm(c=L.View(Y, 0, 1, 1)), gemm(c=L.View(Y, 0, 2, 1))),
    "the product of no terms": (gemm(c=L.View(Y, 0, 1, 1), k=0), gemm(c=L.View(Y, 1, 1, 1), k=0)),
    "a matrix read backwards": (gemm(a=L.View(A, (N - 1) * M, M * -1, 1)), gemm(a=L.View(A, N * M, M * -1, 1))),
    "what is put in order": (L.Argsort(Q, 0, A, 0, N, M), L.Argsort(Q, 0, A, 1, N, M + 1)),
    "the order": (L.Argsort(Q, 0, A, 0, N), L.Argsort(Q, 0, A, 0, M)),
    "the first of an order": (L.Argsort(Q, N - 1, X, 0, N, first=1), L.Argsort(Q, N - 1, X, 0, N, first=2)),
    "what a kernel reads": (extern(L.Array(A, M, (N - 1, M))), extern(L.Array(A, M, (N, M)))),
    "what a kernel writes": (extern(result=L.Array(Y, 1, (N - 1,))), extern(result=L.Array(Y, 1, (N,)))),
    "the lengths of a kernel's arguments": (extern(L.Array(A, 0, (N - 1, M - 1))), extern(L.Array(A, 0, (N - 2, M - 2)))),
    "the length of a product": (gemm(m=N - 1), gemm(m=N - 2)),
}


@pytest.mark.parametrize("name", INSIDE)
def test_an_access_is_proved_and_another_one_off_is_not(name: str) -> None:
    right, wrong = (body if isinstance(body, tuple) else (body,) for body in INSIDE[name])
    assert proved(*right)
    assert not proved(*wrong)


def test_a_buffer_has_no_negative_length() -> None:
    assert proved(local=L.Buffer("z", "float64", N - 1))
    assert not proved(local=L.Buffer("z", "float64", N - 2))


# ---- threads


def shared(*body, of=N, low=lambda n: n, high=lambda n: n):
    first, last = L.LoopVar("low"), L.LoopVar("high")
    return L.Shared(of, first, last, (L.For(i, high(last) - low(first), body, start=low(first)),))


def stepped(at, read=None, of=N):
    """What two threads write, and read, in every step of a loop of their own."""
    low, high = L.LoopVar("low"), L.LoopVar("high")
    inner = L.For(i, high - low, (L.For(j, M, (L.Store(Z, at, ONE if read is None else L.Load(Z, read)),)),), start=low)
    return L.Shared(of, low, high, (L.For(t, M, (inner,)),))


def columns(offset=lambda low: low, stride=M, width=lambda low, high: high - low):
    low, high = L.LoopVar("low"), L.LoopVar("high")
    product = L.Gemm(N, width(low, high), 1, L.View(X, 0, 1, 1), L.View(P_FLOAT, low, 1, 1), L.View(C, offset(low), stride, 1))
    return L.For(t, N, (L.Shared(M, low, high, (product,), grain=64),))


def kernels(rows):
    """A kernel for some rows, in each thread."""
    low, high = L.LoopVar("low"), L.LoopVar("high")
    return L.Shared(N, low, high, (L.Extern(len, (), (L.Array(Z, low * M, (rows(low, high), M)),), 1),))


P_FLOAT = L.Buffer("p_float", "float64", M)
Z = L.Buffer("z", "float64", (M + 1) * N * M)
ROW = N * M

APART = {
    "a write": (shared(L.Store(Y, i, ONE)), shared(L.Store(Y, 0, ONE))),
    "a write in reverse": (shared(L.Store(Y, N - 1 - i, ONE)), shared(L.Store(Y, i // 2, ONE))),
    "a first position too many": (shared(L.Store(Y, i, ONE)), shared(L.Store(Y, i, ONE), low=lambda n: n * 0)),
    "a last position too many": (shared(L.Store(Y, i, ONE)), shared(L.Store(Y, i, ONE), high=lambda n: n * 0 + N)),
    "a read of what the other writes": (shared(L.Store(Y, i, L.Load(Y, i))), shared(L.Store(Y, i, L.Load(Y, N - 1 - i)))),
    "rows": (
        shared(L.For(j, M, (L.Store(C, i * M + j, ONE),))),
        shared(L.For(j, M, (L.Store(C, i + j, ONE),))),
    ),
    "columns": (
        shared(L.For(j, N, (L.Store(C, j * M + i, ONE),)), of=M),
        shared(L.For(j, N, (L.Store(C, j + i, ONE),)), of=M),
    ),
    "rows that do not overlap": tuple(shared(L.For(j, m, (L.Store(Z, i * M + j, ONE),))) for m in (M, M + 1)),
    "a place that moves with the steps of both": (
        L.For(t, M, (shared(L.Store(Z, t + i, ONE)),)),
        shared(L.For(t, M, (L.Store(Z, t + i, ONE),))),
    ),
    "rows at any step": (stepped(t * ROW + i * M + j), stepped(t * M + i * M + j)),
    "rows of the step before": (
        stepped((t + 1) * ROW + i * M + j, t * ROW + i * M + j),
        stepped((t + 1) * ROW + i * M + j, t * ROW + (N - 1 - i) * M + j),
    ),
    "rows in reverse": (stepped(t * ROW + (N - 1 - i) * M + j), stepped(t * ROW + (N - 1 - i) * M + j, t * ROW + i * M + j)),
    "columns of a product": (columns(), columns(offset=lambda low: low * 0)),
    "a kernel's rows": tuple(kernels(lambda low, high, n=n: high - low + n) for n in (0, 1)),
    "the width of a product": (columns(), columns(width=lambda low, high: high)),
    "the stride of a product": (columns(), columns(stride=M - 1)),
}


def apart(stmt: L.Stmt) -> bool:
    return sure(prove_function(L.Function("f", (X, A, P, P_FLOAT), (Y, C), (N, M), (Z,), (stmt,))))


@pytest.mark.parametrize("name", APART)
def test_threads_are_proved_apart_and_others_one_off_are_not(name: str) -> None:
    right, wrong = APART[name]
    assert apart(right)
    assert not apart(wrong)


def test_a_checked_index_keeps_to_the_row_of_its_thread() -> None:
    place = L.Read("v", "int64")
    check = L.Check(L.Binary("and", L.Compare("ge", place, L.Const("int64", 0)), L.Compare("lt", place, number(M))), 1, 0)
    update = L.Store(C, i * M + L.AsIndex(place), L.Load(C, i * M + L.AsIndex(place)))
    each = L.Let("v", L.Load(P, j))
    assert apart(shared(L.For(j, M, (each, check, update))))
    assert not apart(shared(L.For(j, M, (each, update))))


def test_a_variable_from_outside_is_not_for_two_threads() -> None:
    add = L.Assign("s", L.Binary("add", L.Read("s", "float64"), L.Load(X, i)))
    start = L.Declare("s", L.Const("float64", 0))
    assert proof(start, shared(add)).unproved == [": s is assigned to by both threads"]
    assert apart(shared(start, add))


def test_a_statement_shared_in_a_shared_loop_is_proved_whole_and_in_parts() -> None:
    low, high = L.LoopVar("low_c"), L.LoopVar("high_c")

    def both(first):
        inner = L.Shared(M, low, high, (L.For(j, high - low, (L.Store(C, i * M + j, ONE),), start=first),))
        return shared(L.For(t, N, (inner,)))

    assert apart(both(low))
    assert not apart(both(low * 0))


# ---- guards


def test_what_only_a_guard_makes_valid_is_proved_with_it_alone() -> None:
    fast = mg.jit(lambda x: x[2] * 2)
    fast(np.ones(5))
    (program,) = (p for known in fast.programs.values() for p in known)
    assert sure(prove(program.executable.lowered, program.guards))
    assert not sure(prove(program.executable.lowered))


SIZE = Dim.of(Symbol("n0_0", 5))


@pytest.mark.parametrize(
    ("enough", "too_little"),
    [
        ([(operator.ge, SIZE, 3, True)], [(operator.ge, SIZE, 2, True)]),
        ([(operator.gt, SIZE, 2, True)], [(operator.gt, SIZE, 1, True)]),
        ([(operator.ge, -SIZE, -2, False)], [(operator.ge, -SIZE, -1, False)]),
        ([(operator.gt, -SIZE, -3, False)], [(operator.gt, -SIZE, -2, False)]),
        ([(operator.ge, SIZE * 2, 5, True)], [(operator.ge, SIZE * 2, 4, True)]),
        ([(operator.eq, SIZE, 5, True)], [(operator.eq, SIZE, 2, True)]),
        ([(operator.eq, -SIZE, -5, True)], [(operator.eq, -SIZE, -2, True)]),
        ([(operator.eq, SIZE, n, False) for n in (2, 1)], [(operator.eq, SIZE, n, False) for n in (2, 3)]),
    ],
)
def test_each_kind_of_guard_is_taken_for_what_it_says(enough: list[Any], too_little: list[Any]) -> None:
    fast = mg.jit(lambda x: x[2] * 2)
    fast(np.ones(5))
    (program,) = (p for known in fast.programs.values() for p in known)
    assert sure(prove(program.executable.lowered, Guards(enough)))
    assert not sure(prove(program.executable.lowered, Guards(too_little)))


def test_what_a_guard_says_of_two_sizes_is_used() -> None:
    prover = Prover()
    n, m = prover.size("n"), prover.size("m")
    assert not prover.never_negative(m * n - n * n)
    prover.assume(m - n)
    assert prover.never_negative(m * n - n * n)
    assert not prover.never_negative(n - m)


def test_lengths_that_a_primitive_is_given_fit_at_every_call() -> None:
    cut = mg.jit(lambda x: TABLE["slice"](mg.tensor(x), start=(1,), stop=(4,), step=(1,)))
    add = mg.jit(lambda x, index: TABLE["scatter"](mg.tensor(x), mg.tensor(index), axis=0, n=5))
    assert cut(np.ones(5)).shape == (3,)
    assert add(np.ones(4), np.arange(4)).shape == (5,)
    with pytest.raises(mg.errors.ShapeError, match="is not inside"):
        cut(np.ones(3))
    with pytest.raises(mg.errors.ShapeError, match="must have the indices' shape"):
        add(np.ones(4), np.arange(3))


# ---- in the suite

COMPILES = """
import numpy as np
import pytest
import minigrad as mg
from minigrad.compiler.proof.prover import Prover, Verdict

@pytest.mark.parametrize("verdict", [0, 1, 2, 3])
def test_it(verdict, monkeypatch):
    monkeypatch.setattr(Prover, "verdict", lambda *args: (Verdict(verdict), ""))
    mg.jit(lambda x: x + 1)(np.ones(3))
"""


def test_a_test_fails_that_compiled_what_is_not_proved_and_the_figures_come_last(pytester: Any) -> None:
    pytester.makeconftest((Path(__file__).parent.parent / "conftest.py").read_text())
    pytester.makepyfile(COMPILES)
    result = pytester.runpytest_subprocess("-n", "1", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=3, failed=1)
    claim = "not proved: read of x0[[]i*[]] (add float64(n0_0)*) is inside n0_0 elements"
    result.stdout.fnmatch_lines([claim, "compiled programs: 4; 0 lengths; 8 accesses, 25% by intervals, *25% unproved*; 2 unproved"])


# ---- the two ways


def test_intervals_leave_to_z3_what_takes_more() -> None:
    pytest.importorskip("z3")
    squares = L.Buffer("z", "float64", N * N)
    found = proof(loop(L.Store(squares, i * i, ONE)), local=squares)
    assert found.unproved == []
    assert found.counts["accesses", Verdict.BY_Z3] == 1
    assert not proved(loop(L.Store(squares, i * i + N, ONE)), local=squares)


def test_sizes_for_which_it_is_wrong_are_told() -> None:
    pytest.importorskip("z3")
    (line,) = proof(loop(load(i + 4), of=N - 3)).unproved
    assert re.search(r"read of x\[i \+ 4\] \(\) is inside n elements; wrong for n = \d+", line)


def test_without_z3_nothing_is_held_against_a_program(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "z3", None)
    found = proof(loop(load(i + 1)))
    assert found.unproved == []
    assert found.counts["accesses", Verdict.LEFT_TO_Z3] == 1
    assert not sure(found)
