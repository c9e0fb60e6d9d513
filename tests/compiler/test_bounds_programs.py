"""Proofs of random functions against runs that watch every access, of lowered programs with planted faults, and of sorting as loops."""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pkgutil import resolve_name
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import pytest
import watched
from hypothesis import given
from programs import functions as fitting
from watched import Left, Met, run

import minigrad as mg
from minigrad.compiler import loop_ir as L
from minigrad.compiler import verify
from minigrad.compiler.llvm import sorting
from minigrad.compiler.llvm.sorting import expand_argsort
from minigrad.compiler.lower import block
from minigrad.compiler.lower import program as lowering
from minigrad.compiler.lower.storage import Stored, row_major
from minigrad.compiler.proof.accesses import Accesses
from minigrad.compiler.proof.bounds import Proof, prove, prove_function
from minigrad.compiler.proof.polynomial import Polynomial
from minigrad.compiler.proof.prover import Prover, Verdict
from minigrad.graph import dims

SIZES = [{"n": n, "m": m} for n, m in itertools.product((1, 2, 3, 5), (1, 2, 4))]


def sure(found: Proof) -> bool:
    """Whether all is proved, by intervals."""
    return all(verdict is Verdict.BY_INTERVALS for _, verdict in found.counts) and not found.unproved


# ---- random functions


def leaves(function: L.Function, sizes: dict[str, int]) -> bool:
    """Whether a run leaves a buffer, or two threads meet, wherever their work is divided."""
    try:
        for middle in range(sum(sizes.values()) + 2):
            run(function, sizes, middle)
    except (Left, Met):
        return True
    return False


@given(watched.functions() | watched.functions(shared=True))
def test_what_is_proved_does_not_happen(function: L.Function) -> None:
    if all(verdict <= Verdict.BY_Z3 for _, verdict in prove_function(function).counts):
        assert not any(leaves(function, sizes) for sizes in SIZES)


@given(watched.functions() | watched.functions(shared=True))
def test_what_is_not_proved_happens_for_the_sizes_it_names(function: L.Function) -> None:
    pytest.importorskip("z3")
    for line in prove_function(function).unproved:
        sizes = {name: int(n) for name, n in re.findall(r"(\w) = (\d+)", line.partition("; wrong for ")[2])}
        if sizes and max(sizes.values()) < 12:
            assert leaves(function, {"n": 1, "m": 1} | sizes)


@given(fitting())
def test_functions_that_fit_are_proved(function: L.Function) -> None:
    assert sure(prove_function(function))


# ---- planted faults


W, KEY = mg.tensor(np.ones((4, 4))), mg.random.key(0)
X, Y, STEPS = np.ones((5, 4)), np.ones((3, 4)), np.ones((6, 5, 4))


def recurrent(step: Callable[..., Any]) -> Callable[..., Any]:
    return lambda xs, h: mg.scan(step, mg.tensor(h), xs)


def movement(x: Any, y: Any) -> Any:
    parts = [x[1:, ::-1].T @ x[1:], mg.pad(y, [(1, 2), (0, 1)])[:4, :4] * 2, mg.roll(x.T, 2, 1)[:, 1:5:2] @ x[:2]]
    spread = mg.broadcast_to(y, (*x.shape[:1], *y.shape))
    return mg.concat(parts, 0), spread - mg.flip(y, 0), spread @ mg.tanh(x[:, None] * y).mT


def picking(x: Any, i: Any) -> Any:
    best = mg.argmax(x, 0)
    return mg.take(x, i, 0), mg.sort(x, 0), mg.take_along_axis(x, mg.argsort(x.T, 1).T, 0), best, mg.cumsum(x, 1)


def squares(f: Callable[..., Any], *which: int) -> Callable[..., Any]:
    """The gradient of the sum of all results' squares."""
    return mg.grad(lambda *args: sum(mg.sum(y * y) for y in f(*args) if y.dtype.kind == "f"), which)


PROGRAMS: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [
    (lambda x, y: (mg.softmax(x) @ y.T, mg.sum(mg.tanh(x), 0)), (X, Y)),
    (recurrent(lambda h, x: (mg.tanh(h @ W + x), h * 2)), (STEPS, X)),
    (squares(recurrent(lambda h, x: (mg.tanh(h @ W + x), h * 2)), 0, 1), (STEPS, X)),
    (recurrent(lambda h, x: (mg.tanh(x + mg.flip(h, 0)), h)), (STEPS, X)),
    (recurrent(lambda h, x: (mg.tanh(x + h), mg.zeros(h.shape[1:]))), (STEPS[:, :4], X[:4])),
    (recurrent(lambda h, x: (mg.tanh(W @ h) * x, h[0])), (STEPS[:, :4], W)),
    (movement, (X, Y)),
    (squares(movement, 0, 1), (X, Y)),
    (picking, (X, np.array([0, 2]))),
    (squares(picking, 0), (X, np.array([0, 2]))),
    (lambda x: mg.random.uniform(KEY, x.shape), (X,)),
    (lambda x: (mg.sum(x, 0), mg.sum(x, 1), mg.sum(x * x)), (X.astype("float32"),)),
]


@pytest.fixture(scope="module")
def traced() -> list[Any]:
    """The programs, of which nothing is lowered yet."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINIGRAD_JIT", "0")
        fast = [mg.jit(f) for f, _ in PROGRAMS]
        for f, (_, args) in zip(fast, PROGRAMS, strict=True):
            f(*args)
    return [program for f in fast for known in f.programs.values() for program in known]


@pytest.fixture
def all_are_proved(traced: list[Any], monkeypatch: pytest.MonkeyPatch) -> Callable[[], bool]:
    """Whether the programs, lowered with everything shared, are proved by intervals."""
    monkeypatch.setattr(lowering, "SHARED_WORK", 0)
    monkeypatch.setattr(block, "COLUMNS_WORK", 0)
    monkeypatch.setitem(sys.modules, "z3", None)

    def each() -> Iterator[bool]:
        for program in traced:
            with dims.deciding(program.guards):
                lowered = lowering.lower(program.optimized)
            yield sure(prove(lowered, program.guards))

    return lambda: all(each())


def ranges(change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Change the loops over a shape."""

    def mutate(loops: Any) -> Any:
        def mutant(self: Any, shape: Any) -> Any:
            made, indices = loops(self, shape)
            return list(map(change, made)), indices

        return mutant

    return mutate


def parts(change: Callable[[Any, Any], tuple[Any, Any]]) -> Callable[[Any], Any]:
    """Change what a thread is given to do."""
    return lambda share: lambda *args: share(*args[:-1], lambda low, high: args[-1](*change(low, high)))


def stored(**change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Change a view that is made of another, `v`."""
    return lambda view: lambda *args: replace(v := view(*args), **{name: f(v) for name, f in change.items()})


def any_idle(allocate: Any) -> Any:
    """Take whatever buffer of the type is idle."""

    def mutant(self: Any, type: Any) -> Any:
        idle = [found for (dtype, _), found in self.free.items() if found and dtype == str(type.dtype)]
        return Stored(idle[0].pop(), L.Literal(0), row_major(type.shape), type.shape) if idle else allocate(self, type)

    return mutant


def built(name: str, change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The loop IR with one kind of statement or expression made another way."""
    return lambda language: SimpleNamespace(**{**vars(language), name: change(getattr(language, name))})


# What is patched in minigrad.compiler, and with what, given the original.
FAULTS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "a loop too long": ("lower.block.Block.loops", ranges(lambda r: replace(r, extent=r.extent + 1))),
    "a loop too early": ("lower.block.Block.loops", ranges(lambda r: replace(r, start=L.as_index(r.start) - 1))),
    "a loop over all rows": ("lower.block.symbol_of", lambda f: lambda n: None),
    "a loop over the rows of another axis": ("lower.block.symbol_of", lambda f: lambda n: f(n) and dims.Symbol("n0_1", 4)),
    "strides too long": ("lower.storage.row_major", lambda f: lambda shape: tuple(s + 1 for s in f(shape))),
    "strides not permuted": ("lower.storage.Stored.permuted", lambda f: lambda self, axes: replace(f(self, axes), strides=self.strides)),
    "strides of a broadcast": ("lower.storage.Stored.broadcast", stored(strides=lambda v: tuple(s + 1 for s in v.strides))),
    "a slice too far": ("lower.storage.Stored.sliced", stored(offset=lambda v: v.offset + v.strides[-1])),
    "a flip too far": ("lower.storage.Stored.flipped", stored(offset=lambda v: v.offset + 1)),
    "the row of the next step": ("lower.storage.Stored.row", stored(offset=lambda v: v.offset + v.buffer.size)),
    "a place too far": ("lower.storage.Stored.at", lambda f: lambda self, indices: f(self, indices) + 1),
    "axes swapped": ("lower.storage.Stored.at", lambda f: lambda self, indices: f(self, tuple(reversed(indices)))),
    "a buffer too short": ("lower.storage.count", lambda f: lambda shape: f(shape) - 1),
    "a buffer of any length": ("lower.storage.Pool.allocate", any_idle),
    "an index not checked": ("lower.ops._checked", lambda f: lambda *args: (lambda made, at: (made[:2], at))(*f(*args))),
    "an index checked too late": ("lower.ops._checked", lambda f: lambda block, node, x, n: f(block, node, x, n + 1)),
    "rows and columns of a matrix": ("lower.ops.L", built("View", lambda f: lambda buffer, at, row, column: f(buffer, at, column, row))),
    "a line of an order": ("lower.ops.L", built("Argsort", lambda f: lambda a, i, b, j, n, *how, **kw: f(a, i, b, j, n + 1, *how, **kw))),
    "a block too long": ("lower.reductions.L", built("minimum", lambda f: lambda x, y: f(x, y + 1))),
    "a block beyond the end": ("lower.reductions.L", built("minimum", lambda f: lambda x, y: x)),
    "a number too many": ("lower.random.L", built("Compare", lambda f: lambda op, x, y: f("le", x, y))),
    "a row for both threads": ("lower.program.Main.share", parts(lambda low, high: (low, high + 1))),
    "all rows before": ("lower.program.Main.share", parts(lambda low, high: (low * 0, high))),
    "rows from the end": ("lower.program.Main.share", parts(lambda low, high: (low - 1, high - 1))),
    "a column for both threads": ("lower.block.Block.share_columns", parts(lambda low, high: (low, high + 1))),
    "rows that meet": ("lower.batch._row_by_row", lambda f: lambda node, inputs: True),
}  # fmt: skip


def test_the_programs_are_proved_as_they_are(all_are_proved: Callable[[], bool]) -> None:
    assert all_are_proved()


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_refused(name: str, all_are_proved: Callable[[], bool]) -> None:
    target, change = FAULTS[name]
    place, attribute = f"minigrad.compiler.{target}".rsplit(".", 1)
    with mock.patch.object(owner := resolve_name(place), attribute, change(getattr(owner, attribute))):
        assert not all_are_proved()


# ---- sorting as loops


N, OFFSET, STRIDE = L.Size("n"), L.Size("offset"), L.Size("stride")
SOURCE, TARGET = (L.Buffer(name, dtype, OFFSET + N * STRIDE) for name, dtype in (("source", "float64"), ("target", "int64")))


class Positions(Accesses):
    """Takes what the target and the variables hold for positions, and proves that nothing else is put there; a rank is taken for one."""

    def position(self) -> Polynomial:
        return self.define("", Polynomial({}), self.prover.size("n") - 1)

    def number(self, expr: L.Expr) -> Polynomial | None:
        match expr:
            case L.Load(buffer) if buffer == TARGET:
                return self.position()
            case L.Read(name, "int64") if name in self.declared:
                return self.position()
            case L.Binary("shl", L.Const(_, 1), _):
                return self.prover.between(Polynomial.of(1), Polynomial.of(2**61), len(self.active))
            case L.Binary("sub", x, y):
                return self.number(x) - self.number(y)
        return super().number(expr)

    def stmt(self, stmt: L.Stmt) -> None:
        match stmt:
            case L.Store(_, _, expr) | L.Declare(_, expr) | L.Assign(_, expr) if expr.dtype == "int64" and "rank" not in str(stmt):
                found = self.number(expr)
                assert found is not None
                assert all(self.prover.never_negative(x, tuple(self.facts)) for x in (found, self.prover.size("n") - 1 - found))
        super().stmt(stmt)


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("first", [None, 1, 3])
def test_sorting_stays_inside_for_all_lengths(first: int | None, descending: bool) -> None:
    walk = Positions(Prover())
    for size in (N, OFFSET, STRIDE):
        walk.index(size)
    sort = L.Argsort(TARGET, OFFSET, SOURCE, OFFSET, N, STRIDE, STRIDE, descending, first)
    walk.block(expand_argsort(sort))
    assert len(walk.accesses) > 5
    for access in walk.accesses:
        ends = access.index, access.size - 1 - access.index
        assert walk.prover.verdict(ends, access.facts)[0] is Verdict.BY_INTERVALS


@pytest.mark.parametrize("count_at_most", [0, 9])
@pytest.mark.parametrize("descending", [False, True])
def test_ranks_are_positions(count_at_most: int, descending: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """For all values, equal and missing ones among them: each position is put once, and nothing outside is touched."""
    monkeypatch.setattr(sorting, "COUNT_AT_MOST", count_at_most)
    monkeypatch.setattr(verify, "verify", lambda function: None)  # the names of the loops are no function's own
    sort = L.Argsort(TARGET, OFFSET, SOURCE, OFFSET, N, STRIDE, STRIDE, descending)
    function = L.Function("sort", (SOURCE,), (TARGET,), (N, OFFSET, STRIDE), (), expand_argsort(sort))
    for n in range(5):
        for values in itertools.product((0.0, 1.0, np.nan), repeat=n):
            source = np.zeros(1 + 2 * n)
            source[1::2] = values
            found = run(function, {"n": n, "offset": 1, "stride": 2}, source=source)["target"][1::2]
            assert sorted(found) == list(range(n))
