"""Work sharing: the same values whether a worker thread takes part or not, and errors of either part; no thread stays blocked."""

import os
import threading
import time

import numpy as np
import pytest
import shares
from children import GUARD

import minigrad as mg
from minigrad.compiler import compile_function
from minigrad.compiler import loop_ir as L
from minigrad.compiler.llvm.work_board import TICKET
from minigrad.compiler.lower import program as lowering
from minigrad.compiler.runtime import executable, worker
from minigrad.compiler.to_python import run_python
from minigrad.compiler.verify import verify
from minigrad.testing.programs import random_program

N, I, J = L.Size("n"), L.LoopVar("i"), L.LoopVar("j")  # noqa: E741
X, Y, B = L.Buffer("x", "float64", N), L.Buffer("y", "float64", N), L.Buffer("b", "float64", N)
ONE = L.Const("float64", 1)


def shared(var, *body):
    low, high = L.LoopVar(f"low_{var.name}"), L.LoopVar(f"high_{var.name}")
    return L.Shared(N, low, high, (L.For(var, high - low, body, start=low),))


def chain():
    """y = reversed(x + 1) · 2, with a buffer between two shared statements and a loop that is not shared."""
    one = shared(I, L.Store(B, I, L.Binary("add", L.Load(X, I), ONE)))
    last = L.For(L.LoopVar("k"), N, (L.Store(Y, L.LoopVar("k"), L.Load(B, N - 1 - L.LoopVar("k"))),))
    two = shared(J, L.Store(Y, J, L.Binary("add", L.Load(Y, J), L.Load(Y, J))))
    return L.Function("chain", (X,), (Y,), (N,), (B,), (one, last, two))


THREADS = (2, 3, 4, 8, 16)


def together(kernel, x, threads=2):
    """As Executable runs a phase."""
    y, board = np.full_like(x, np.nan), worker.new_board(threads)
    arrays, arena = (x, y), kernel.arena(len(x))
    for n in range(1, threads):
        worker.submit(lambda: kernel.call(arrays, (len(x),), arena, board, worker=True), n)
    try:
        return kernel.call(arrays, (len(x),), arena, board), y
    finally:
        board[TICKET] = -1


def wait_for_workers():
    """Until each worker has done all jobs so far."""
    count = worker._pools[0].threads or 1
    meeting = threading.Barrier(count + 1)
    for n in range(count):
        worker.submit(meeting.wait, n + 1)
    meeting.wait(GUARD)


def hold_workers():
    """Keeps all workers busy until the event is set that it returns."""
    hold = threading.Event()
    for n in range(worker._pools[0].threads or 1):
        worker.submit(hold.wait, n + 1)
    return hold


@pytest.mark.parametrize("n", [0, 1, L.SPLIT_FROM - 1, L.SPLIT_FROM, L.SPLIT_FROM + 1, 1001])
def test_alone_together_and_in_python_give_the_same(n):
    x, f = np.arange(n, dtype="float64"), chain()
    kernel, alone, plain = compile_function(f), np.full(n, np.nan), np.full(n, np.nan)
    assert kernel([x, alone], [n]) == run_python(f, {"x": x, "y": plain}, {"n": n}) == (0, 0)
    for found in (alone, plain, *(together(kernel, x, threads)[1] for threads in THREADS for _ in range(20))):
        np.testing.assert_array_equal(found, 2 * (x + 1)[::-1])


def test_the_main_thread_does_not_wait_for_a_worker_that_comes_late():
    kernel, hold, x = compile_function(chain()), hold_workers(), np.arange(1000.0)
    assert together(kernel, x)[0] == (0, 0)
    _, y = together(kernel, x)
    np.testing.assert_array_equal(y, 2 * (x + 1)[::-1])
    hold.set()
    wait_for_workers()


@pytest.mark.parametrize("bad", [[3], [90], [3, 90], [60, 40, 30]])
def test_a_failed_check_of_any_part_ends_the_call_and_frees_the_worker(bad):
    good = L.Compare("ge", L.Load(X, I), L.Const("float64", 0))
    first = shared(I, L.Check(good, 7, I), L.Store(Y, I, L.FromIndex(I, "float64")))
    second = shared(J, L.Store(Y, J, ONE))
    kernel = compile_function(L.Function("checked", (X,), (Y,), (N,), (), (first, second)))
    x = np.ones(100)
    x[bad] = -1
    for threads in THREADS * 10:
        found, y = together(kernel, x, threads)
        assert found == (7, min(bad))
        assert not (y == 1).all()
    assert kernel([x, np.empty_like(x)], [100]) == (7, min(bad))
    wait_for_workers()


def loop_in_step(rows, wide=100):
    """`rows` times y = 2 · reversed(y + 1), 40 times over. The doubling is shared: in step, or by row where there are many."""
    low, high, t, i, j, k = (L.LoopVar(name) for name in ("low", "high", "t", "i", "j", "k"))
    row, first, last = L.LoopVar("row"), L.LoopVar("first"), L.LoopVar("last")
    size = N * wide
    x, y, b = L.Buffer("x", "float64", size), L.Buffer("y", "float64", size), L.Buffer("b", "float64", size)

    def each_row(var, extent, start, *body):
        return L.For(row, high - low, (L.For(var, extent, body, start=start),), start=low)

    def at(position):
        return row * wide + position

    copy = each_row(i, wide, 0, L.Store(y, at(i), L.Load(x, at(i))))
    add = each_row(i, wide, 0, L.Store(b, at(i), L.Binary("add", L.Load(y, at(i)), ONE)))
    double = each_row(j, last - first, first, L.Store(y, at(j), L.Binary("add", L.Load(b, at(99 - j)), L.Load(b, at(99 - j)))))
    halve = each_row(k, wide, 0, L.Store(y, at(k), L.Binary("mul", L.Load(y, at(k)), L.Const("float64", 0.5))))
    step = (add, L.Shared(wide, first, last, (double,), grain=16), halve)
    return L.Function("in_step", (x,), (y,), (N,), (b,), (L.Shared(N, low, high, (copy, L.For(t, 40, step))),))


def kernel_alone(kernel, x, size):
    y = np.full_like(x, np.nan)
    assert kernel([x, y], [size]) == (0, 0)
    return y


@pytest.mark.parametrize("rows", [0, 1, L.SPLIT_FROM - 1, L.SPLIT_FROM, 19])
def test_a_loop_in_step_gives_the_same_alone_together_and_in_python(rows):
    f, x = loop_in_step(rows), np.random.default_rng(rows).standard_normal(rows * 100)
    kernel, plain = compile_function(f), np.full_like(x, np.nan)
    assert run_python(f, {"x": x, "y": plain}, {"n": rows}) == (0, 0)

    def run(threads=1):
        y, board = np.full_like(x, np.nan), worker.new_board(threads)
        arrays, arena = (x, y), kernel.arena(rows)
        for n in range(1, threads):
            worker.submit(lambda: kernel.call(arrays, (rows,), arena, board, worker=True), n)
        assert kernel.call(arrays, (rows,), arena, board) == (0, 0)
        board[TICKET] = -1
        return y

    for y in (kernel_alone(kernel, x, rows), *(run(threads) for threads in (1, *THREADS) for _ in range(10))):
        np.testing.assert_array_equal(y, plain)
    wait_for_workers()


def test_a_worker_that_comes_in_the_middle_of_a_loop_shares_the_rest(monkeypatch):
    big = mg.parameter(np.random.default_rng(0).standard_normal((400, 400)) / 20)
    xs = np.random.default_rng(1).standard_normal((60, 1, 400))

    def last(W, xs):
        return mg.scan(lambda h, x: (mg.tanh(x + h @ W), None), mg.zeros((xs.shape[1], 400), "float64"), xs)[0]

    fast = mg.jit(last)
    monkeypatch.setenv("MINIGRAD_THREADS", "1")
    alone = fast(big, xs).numpy()
    monkeypatch.delenv("MINIGRAD_THREADS")
    np.testing.assert_allclose(alone, last(big, xs).numpy(), rtol=1e-10)
    assert "1 statements, 2 of them for several threads" in fast.explain()
    for wait in (0, 1e-5, 1e-4, 3e-4, 1e-3):
        worker.submit(lambda wait=wait: time.sleep(wait))
        np.testing.assert_array_equal(fast(big, xs).numpy(), alone)
    wait_for_workers()


def test_a_matrix_made_at_each_step_is_the_same_for_all_rows(monkeypatch):
    """Two threads that do rows of their own are at different steps, and must not write it for each other."""
    monkeypatch.setattr(executable, "THREAD_WORK", 1)
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


def fails():
    raise MemoryError("of the worker")


def test_a_job_that_raises_gives_its_exception_and_the_worker_lives_on(monkeypatch):
    monkeypatch.setattr(worker, "_pools", [worker._Pool()])  # with one worker
    thread = worker.submit(threading.get_ident).result(GUARD)
    with pytest.raises(MemoryError, match="of the worker"):
        worker.submit(fails).result(GUARD)
    assert worker.submit(threading.get_ident).result(GUARD) == thread != threading.get_ident()


def shared_product(monkeypatch):
    """A jitted product that asks for a second thread, its arguments and its value."""
    monkeypatch.setattr(lowering, "SHARED_WORK", 0)
    monkeypatch.setattr(executable, "THREAD_WORK", 1)
    monkeypatch.setattr(executable, "threads", lambda: 3)
    x = np.random.default_rng(0).standard_normal((20, 20))
    return mg.jit(lambda x: x @ x), x, x @ x


def test_the_exception_of_a_worker_reaches_the_call_that_asked_for_it(monkeypatch):
    fast, x, value = shared_product(monkeypatch)
    np.testing.assert_allclose(fast(x).numpy(), value)
    with monkeypatch.context() as patch:
        failed = worker.submit(fails)
        assert isinstance(failed.exception(GUARD), MemoryError)
        patch.setattr(executable, "submit", lambda job, workers: failed)
        with pytest.raises(MemoryError, match="of the worker"):
            fast(x)
    np.testing.assert_allclose(fast(x).numpy(), value)
    wait_for_workers()


def test_a_call_computes_alone_where_no_thread_can_start(monkeypatch):
    def full(job, workers):
        raise RuntimeError("can't start new thread")

    fast, x, value = shared_product(monkeypatch)
    monkeypatch.setattr(executable, "submit", full)
    np.testing.assert_allclose(fast(x).numpy(), value)


def test_a_worker_that_could_not_start_starts_at_the_next_job(monkeypatch):
    def full(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(worker, "_pools", [worker._Pool()])
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", full)
        with pytest.raises(RuntimeError, match="can't start"):
            worker.submit(fails)
    wait_for_workers()


def test_shared_statements_do_not_stand_in_a_branch():
    with pytest.raises(ValueError, match="must not stand in an if"):
        verify(L.Function("f", (X,), (Y,), (N,), (), (L.If(L.Compare("eq", ONE, ONE), (shared(J, L.Store(Y, J, ONE)),)),)))


@pytest.mark.parametrize("seed", shares.shared(range(12)))
def test_programs_with_everything_shared_agree_with_the_interpreter(seed, monkeypatch):
    monkeypatch.setattr(lowering, "SHARED_WORK", 0)
    monkeypatch.setattr(executable, "THREAD_WORK", 1)
    program = random_program(seed)
    rng = np.random.default_rng(seed)
    axes = (0, None if seed % 2 else 0)
    args = [rng.uniform(0.5, 1.5, s if a is None else (9, *s)) for s, a in zip(program.shapes, axes, strict=True)]
    each = mg.vmap(lambda *xs: mg.sum(program(*xs)), in_axes=axes)
    f = mg.value_and_grad(lambda *xs: mg.sum(each(*xs)), tuple(range(len(args))))
    fast = mg.jit(f)
    for got, want in zip(mg.tree.leaves(fast(*args)), mg.tree.leaves(f(*args)), strict=True):
        np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-10, atol=1e-12)
    assert "of them for several threads" in fast.explain()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs to choose the cores of a process")
def test_a_process_that_has_one_core_asks_for_no_second_thread(monkeypatch):
    monkeypatch.delenv("MINIGRAD_THREADS", raising=False)
    cores = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(cores)})
        assert worker.threads() == 1
    finally:
        os.sched_setaffinity(0, cores)
    assert worker.threads() == len(cores)
