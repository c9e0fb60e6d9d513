"""Statements shared by two threads: the same values whoever comes and when, errors of either part, and no thread that stays."""

import os
import threading
import time

import numpy as np
import pytest
from children import GUARD

import minigrad as mg
from minigrad.backend import lower, native, team
from minigrad.backend.link import Kernel
from minigrad.backend.loops import (
    SPLIT_FROM,
    Binary,
    Buffer,
    Check,
    Compare,
    Const,
    For,
    FromIndex,
    Function,
    If,
    Load,
    LoopVar,
    Shared,
    Size,
    Store,
)
from minigrad.backend.to_python import run_python
from minigrad.backend.verify import verify
from minigrad.testing.programs import random_program

N, I, J = Size("n"), LoopVar("i"), LoopVar("j")  # noqa: E741
X, Y, B = Buffer("x", "float64", N), Buffer("y", "float64", N), Buffer("b", "float64", N)
ONE = Const("float64", 1)


def shared(var, *body):
    low, high = LoopVar(f"low_{var.name}"), LoopVar(f"high_{var.name}")
    return Shared(N, low, high, (For(var, high - low, body, start=low),))


def chain():
    """y = reversed(x + 1) · 2, with a buffer between two shared statements and a loop that is not shared."""
    one = shared(I, Store(B, I, Binary("add", Load(X, I), ONE)))
    last = For(LoopVar("k"), N, (Store(Y, LoopVar("k"), Load(B, N - 1 - LoopVar("k"))),))
    two = shared(J, Store(Y, J, Binary("add", Load(Y, J), Load(Y, J))))
    return Function("chain", (X,), (Y,), (N,), (B,), (one, last, two))


def together(kernel, x):
    """As Native runs a phase."""
    y, board = np.full_like(x, np.nan), team.new_board()
    table, arena = kernel.pack([x, y]), kernel.arena(len(x))
    team.invite(lambda: (kernel.call(table, (len(x),), arena, board, helps=True), x, y))
    try:
        return kernel.call(table, (len(x),), arena, board), y
    finally:
        board[team.OPENED] = -1


def wait_for_helper():
    done = threading.Event()
    team.invite(done.set)
    assert done.wait(GUARD)


@pytest.mark.parametrize("n", [0, 1, SPLIT_FROM - 1, SPLIT_FROM, SPLIT_FROM + 1, 1001])
def test_alone_together_and_in_python_give_the_same(n):
    x, f = np.arange(n, dtype="float64"), chain()
    kernel, alone, plain = Kernel(f), np.full(n, np.nan), np.full(n, np.nan)
    assert kernel([x, alone], [n]) == run_python(f, {"x": x, "y": plain}, {"n": n}) == (0, 0)
    for found in (alone, plain, *(together(kernel, x)[1] for _ in range(50))):
        np.testing.assert_array_equal(found, 2 * (x + 1)[::-1])


def test_a_helper_that_comes_late_is_not_waited_for():
    kernel, hold, x = Kernel(chain()), threading.Event(), np.arange(1000.0)
    team.invite(hold.wait)
    assert together(kernel, x)[0] == (0, 0)
    _, y = together(kernel, x)
    np.testing.assert_array_equal(y, 2 * (x + 1)[::-1])
    hold.set()
    wait_for_helper()


@pytest.mark.parametrize("bad", [[3], [90], [3, 90]])
def test_a_failed_check_of_any_part_ends_the_call_and_frees_the_helper(bad):
    good = Compare("ge", Load(X, I), Const("float64", 0))
    first = shared(I, Check(good, 7, I), Store(Y, I, FromIndex(I, "float64")))
    second = shared(J, Store(Y, J, ONE))
    kernel = Kernel(Function("checked", (X,), (Y,), (N,), (), (first, second)))
    x = np.ones(100)
    x[bad] = -1
    for _ in range(50):
        found, y = together(kernel, x)
        assert found == (7, bad[0])
        assert not (y == 1).all()
    assert kernel([x, np.empty_like(x)], [100]) == (7, bad[0])
    wait_for_helper()


def loop_in_step(rows, wide=100):
    """`rows` times y = 2 · reversed(y + 1), 40 times over. The doubling is shared: in step, or by row where there are many."""
    low, high, t, i, j, k = (LoopVar(name) for name in ("low", "high", "t", "i", "j", "k"))
    row, first, last = LoopVar("row"), LoopVar("first"), LoopVar("last")
    size = N * wide
    x, y, b = Buffer("x", "float64", size), Buffer("y", "float64", size), Buffer("b", "float64", size)

    def each_row(var, extent, start, *body):
        return For(row, high - low, (For(var, extent, body, start=start),), start=low)

    def at(position):
        return row * wide + position

    copy = each_row(i, wide, 0, Store(y, at(i), Load(x, at(i))))
    add = each_row(i, wide, 0, Store(b, at(i), Binary("add", Load(y, at(i)), ONE)))
    double = each_row(j, last - first, first, Store(y, at(j), Binary("add", Load(b, at(99 - j)), Load(b, at(99 - j)))))
    halve = each_row(k, wide, 0, Store(y, at(k), Binary("mul", Load(y, at(k)), Const("float64", 0.5))))
    step = (add, Shared(wide, first, last, (double,), grain=16), halve)
    return Function("in_step", (x,), (y,), (N,), (b,), (Shared(N, low, high, (copy, For(t, 40, step))),))


@pytest.mark.parametrize("rows", [0, 1, SPLIT_FROM - 1, SPLIT_FROM, 19])
def test_a_loop_in_step_gives_the_same_alone_together_and_in_python(rows):
    f, x = loop_in_step(rows), np.random.default_rng(rows).standard_normal(rows * 100)
    kernel, plain = Kernel(f), np.full_like(x, np.nan)
    assert run_python(f, {"x": x, "y": plain}, {"n": rows}) == (0, 0)

    def run(board=None):
        y = np.full_like(x, np.nan)
        table, arena = kernel.pack([x, y]), kernel.arena(rows)
        if board is not None:
            team.invite(lambda: (kernel.call(table, (rows,), arena, board, helps=True), x, y))
        assert kernel.call(table, (rows,), arena, board) == (0, 0)
        if board is not None:
            board[team.OPENED] = -1
        return y

    for y in (run(), *(run(team.new_board()) for _ in range(50))):
        np.testing.assert_array_equal(y, plain)
    wait_for_helper()


def test_a_helper_that_comes_in_the_middle_of_a_loop_helps_with_the_rest(monkeypatch):
    big = mg.parameter(np.random.default_rng(0).standard_normal((400, 400)) / 20)
    xs = np.random.default_rng(1).standard_normal((60, 1, 400))

    def last(W, xs):
        return mg.scan(lambda h, x: (mg.tanh(x + h @ W), None), mg.zeros((xs.shape[1], 400), "float64"), xs)[0]

    fast = mg.jit(last)
    monkeypatch.setenv("MINIGRAD_THREADS", "1")
    alone = fast(big, xs).numpy()
    monkeypatch.delenv("MINIGRAD_THREADS")
    np.testing.assert_allclose(alone, last(big, xs).numpy(), rtol=1e-10)
    assert "1 statements, 2 of them for two threads" in fast.explain()
    for wait in (0, 1e-5, 1e-4, 3e-4, 1e-3):
        team.invite(lambda wait=wait: time.sleep(wait))
        np.testing.assert_array_equal(fast(big, xs).numpy(), alone)
    wait_for_helper()


def test_a_matrix_made_at_each_step_is_the_same_for_all_rows(monkeypatch):
    """Two threads that do rows of their own are at different steps, and must not write it for each other."""
    monkeypatch.setattr(native, "INVITE_FROM", 0)
    rng = np.random.default_rng(1)
    xs, ms = rng.standard_normal((60, 40, 32)), rng.standard_normal((60, 32, 32)) / 8

    def last(xs, ms):
        def step(h, inputs):
            x, m = inputs
            return mg.tanh((x + h @ mg.tanh(m)) @ mg.cos(m)), None

        return mg.scan(step, mg.zeros((xs.shape[1], 32), "float64"), (xs, ms))[0]

    fast, want = mg.jit(last), last(xs, ms).numpy()
    for _ in range(60):
        np.testing.assert_allclose(fast(xs, ms).numpy(), want, rtol=1e-9)


def test_shared_statements_do_not_stand_in_a_branch():
    with pytest.raises(ValueError, match="must not stand in an if"):
        verify(Function("f", (X,), (Y,), (N,), (), (If(Compare("eq", ONE, ONE), (shared(J, Store(Y, J, ONE)),)),)))


@pytest.mark.parametrize("seed", range(12))
def test_programs_with_everything_shared_agree_with_the_interpreter(seed, monkeypatch):
    monkeypatch.setattr(lower, "SHARED_WORK", 0)
    monkeypatch.setattr(native, "INVITE_FROM", 0)
    program = random_program(seed)
    rng = np.random.default_rng(seed)
    axes = (0, None if seed % 2 else 0)
    args = [rng.uniform(0.5, 1.5, s if a is None else (9, *s)) for s, a in zip(program.shapes, axes, strict=True)]
    each = mg.vmap(lambda *xs: mg.sum(program(*xs)), in_axes=axes)
    f = mg.value_and_grad(lambda *xs: mg.sum(each(*xs)), tuple(range(len(args))))
    fast = mg.jit(f)
    for got, want in zip(mg.tree.leaves(fast(*args)), mg.tree.leaves(f(*args)), strict=True):
        np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-10, atol=1e-12)
    assert "of them for two threads" in fast.explain()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs to choose the cores of a process")
def test_a_process_that_has_one_core_asks_for_no_second_thread(monkeypatch):
    monkeypatch.delenv("MINIGRAD_THREADS", raising=False)
    cores = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(cores)})
        assert team.one_thread()
    finally:
        os.sched_setaffinity(0, cores)
    assert team.one_thread() == (len(cores) == 1)
