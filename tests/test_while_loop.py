"""mg.while_loop: eager, compiled and batched, against Python's while; its refusals."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad import viz
from minigrad.compiler import loop_ir as L
from minigrad.compiler.verify import verify
from minigrad.errors import AbstractValueError, BoundsError, DTypeError, GraphError
from minigrad.testing import assert_same_graph_value


def collatz(n: Any) -> Any:
    """The number of steps from n to 1, and the largest number on the way."""
    return mg.while_loop(
        lambda c: c["n"] != 1,
        lambda c: {
            "n": (n := mg.where(c["n"] % 2 == 0, c["n"] // 2, 3 * c["n"] + 1)),
            "steps": c["steps"] + 1,
            "top": mg.maximum(c["top"], n),
        },
        {"n": n, "steps": 0, "top": n},
    )


def steps(n: int) -> tuple[int, int]:
    count, top = 0, n
    while n != 1:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        count, top = count + 1, max(top, n)
    return count, top


COMPILED, BATCHED = mg.jit(collatz), mg.jit(mg.vmap(collatz))


@given(ns=st.lists(st.integers(1, 500), min_size=1, max_size=9))
def test_a_loop_is_pythons_while_eagerly_compiled_and_batched(ns: list[int]) -> None:
    want = np.array([steps(n) for n in ns])
    for f in (collatz, COMPILED):
        found = f(ns[0])
        assert (found["steps"].item(), found["top"].item()) == steps(ns[0])
    for f in (mg.vmap(collatz), BATCHED):
        found = f(np.array(ns))
        assert np.array_equal(np.stack([found["steps"], found["top"]], 1), want)


@given(size=st.integers(1, 5), length=st.integers(1, 6), limit=st.floats(0.1, 3), data=st.data())
def test_matrices_constants_and_sizes_agree_on_all_ways(size: int, length: int, limit: float, data: Any) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    w, x = rng.standard_normal((size, size)) / size, rng.standard_normal((length, size))

    def f(w: Any, x: Any, limit: Any) -> Any:
        def step(c: Any) -> Any:
            t, h, rows = c
            return t + 1, mg.tanh(h @ w + mg.take(x, t % length, axis=0)) + h, (rows[1], rows[0] + mg.sum(h))

        return mg.while_loop(lambda c: mg.all(mg.sum(abs(c[1])) < limit) & (c[0] < 20), step, (0, mg.zeros(size, "float64"), (x[0], x[-1])))

    t, h, rows = 0, np.zeros(size), (x[0], x[-1])
    while np.sum(abs(h)) < limit and t < 20:
        t, h, rows = t + 1, np.tanh(h @ w + x[t % length]) + h, (rows[1], rows[0] + h.sum())
    assert_same_graph_value(lambda *args: f(*args)[1], w, x, np.float64(limit), rtol=1e-10)
    for found in (f(mg.tensor(w), mg.tensor(x), limit), mg.jit(f)(w, x, np.float64(limit))):
        assert found[0].item() == t
        for a, b in zip(mg.tree.leaves(found)[1:], (h, *rows), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


def test_one_program_serves_all_lengths() -> None:
    f = mg.jit(lambda x: mg.while_loop(lambda c: c[0] < x.shape[0], lambda c: (c[0] + 1, c[1] + x[c[0]]), (0, mg.zeros((), x.dtype)))[1])
    for n in (3, 7, 1, 12):
        assert f(np.arange(float(n))).item() == n * (n - 1) / 2
    assert len({id(p) for programs in f.programs.values() for p in programs}) == 1


def test_loops_stand_in_loops_branches_and_batches() -> None:
    def doubled(start: Any, limit: Any) -> Any:
        return mg.while_loop(lambda h: h < limit, lambda h: h * 2, start)

    def outer(c: Any) -> Any:
        return c[0] + 1, mg.cond(c[1] < 50, lambda h: doubled(h, 10.0 * (c[0] + 1)), lambda h: h - 1, c[1])

    def f(start: Any, limits: Any) -> Any:
        after, seen = mg.scan(lambda h, limit: (doubled(h, limit), h), start, limits)
        return after, seen, mg.while_loop(lambda c: c[0] < 8, outer, (mg.tensor(0.0, "float64"), after))[1]

    start, limits = np.float64(1.5), np.array([2.0, 11.0, 3.0])
    want = f(mg.tensor(start), mg.tensor(limits))
    assert [v.tolist() for v in want] == [12.0, [1.5, 3.0, 12.0], 93.0]
    for found in (mg.jit(f)(start, limits), [v[0] for v in mg.jit(mg.vmap(f))(start[None], limits[None])]):
        assert [v.tolist() for v in found] == [v.tolist() for v in want]


def test_a_product_after_an_inner_loop_agrees_where_an_index_ends_the_loop() -> None:
    """The product is not moved before the loop over time: the inner loop would then run for all steps together."""
    w, xs = np.eye(3), np.array([1, 5, 2])

    def f(w: Any, xs: Any) -> Any:
        def step(h: Any, stride: Any) -> Any:
            table = mg.arange(5)
            _, total = mg.while_loop(lambda c: c[0] < 5, lambda c: (c[0] + stride, c[1] + table[c[0]]), (mg.tensor(0), mg.tensor(0)))
            return h, mg.ones(3, "float64") * total @ w

        return mg.scan(step, mg.zeros((), "float64"), xs)[1]

    np.testing.assert_array_equal(mg.jit(f)(w, xs), np.outer([10, 0, 6], np.ones(3)))


def test_a_done_element_is_still_computed_and_its_bounds_count() -> None:
    x = np.arange(4)

    def f(n: Any) -> Any:
        return mg.while_loop(lambda c: c < n, lambda c: c + mg.tensor(x)[c] * 0 + 1, mg.tensor(0))

    assert mg.vmap(f)(np.array([1, 3])).tolist() == [1, 3]
    for way in (mg.vmap(f), mg.jit(mg.vmap(f))):
        with pytest.raises(BoundsError, match="index 4 out of bounds for an axis of size 4"):
            way(np.array([4, 6]))


# ---- refusals


@pytest.mark.parametrize("way", [lambda f: f, mg.jit, lambda f: lambda x: mg.sum(mg.vmap(f)(x[None]))], ids=["eager", "jit", "vmap"])
def test_the_gradient_is_refused_by_name_and_detach_is_the_way_out(way: Any) -> None:
    def f(x: Any) -> Any:
        return mg.while_loop(lambda c: c < 10, lambda c: c * 2, x)

    with pytest.raises(GraphError, match=r"while_loop: it has no gradient.*mg\.scan with a bound"):
        mg.grad(way(f))(np.float64(3))
    with pytest.raises(GraphError, match="while_loop: it has no gradient"):
        mg.jit(mg.grad(way(f)))(np.float64(3))
    assert mg.grad(lambda x: way(lambda x: x * mg.detach(f(x)))(x))(np.float64(3)).item() == 12


@pytest.mark.parametrize(
    ("condition", "step", "error", "words"),
    [
        (lambda c: c, lambda c: c, DTypeError, r"must give one bool, got float64\(2\)"),
        (lambda c: c > 0, lambda c: c, DTypeError, r"must give one bool, got bool\(2\)"),
        (lambda c: mg.all(c > 0), lambda c: (c, c), GraphError, "while_loop: the carry changes its structure"),
        (lambda c: mg.all(c > 0), lambda c: c[0], GraphError, r"while_loop: the carry must keep its types:\n  carry: float64\(2\) goes in"),
        (lambda c: mg.all(c > 0), lambda c: c.astype("float32"), GraphError, "end the step with"),
        (lambda c: bool(mg.all(c > 0)), lambda c: c, AbstractValueError, "has no truth value"),
    ],
)
def test_what_is_no_loop_is_refused_by_name(condition: Any, step: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        mg.while_loop(condition, step, np.ones(2))


def test_a_shared_statement_in_a_loop_of_unknown_length_is_refused() -> None:
    y, i, low, high = L.Buffer("y", "bool", 9), L.LoopVar("i"), L.LoopVar("low"), L.LoopVar("high")
    shared = L.Shared(9, low, high, (L.For(i, high - low, (L.Store(y, i, L.Const("bool", False)),), start=low),))
    with pytest.raises(ValueError, match="must not stand in an if or a while"):
        verify(L.Function("f", (), (y,), (), (), (L.While((), L.Load(y, 0), (shared,)),)))


# ---- drawings and interrupts


def test_a_loop_is_drawn_as_one_operation_and_printed() -> None:
    def step(h: Any, x: Any) -> Any:
        h = mg.while_loop(lambda h: mg.sum(h) < 5, lambda h: h + 1, mg.tanh(h + x))
        return h, h

    def f(xs: Any) -> Any:
        return mg.scan(step, mg.zeros(2), xs)

    xs = np.ones((3, 2), "float32")
    assert "while_loop" in str(mg.trace(f, xs))
    for draw in (viz.rolled, viz.unrolled):
        assert "while" in draw(mg.trace(f, xs)).svg


def test_a_loop_without_end_is_interrupted_though_earlier_calls_were_short() -> None:
    code = """if True:
        import signal, threading, numpy as np, minigrad as mg
        f = mg.jit(lambda n: mg.while_loop(lambda c: c != n, lambda c: c + 1 - (c > 5), mg.tensor(0)))
        f(np.array(3)), f(np.array(2))
        timer = threading.Timer(0.5, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT))
        timer.start()
        try:
            f(np.array(10))
        except KeyboardInterrupt:
            print("interrupted", flush=True)
    """
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert found.stdout.strip() == "interrupted", found.stderr
    assert found.returncode == 0


def test_llvm_has_nothing_to_say_about_short_loops_inside(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIGRAD_CACHE", "0")
    start = mg.parameter(np.array([3.0, 1.5, 0.5, 7.25, 1.125]))
    halved = mg.jit(lambda x: mg.while_loop(lambda c: mg.sum(c) > 1.375, lambda c: c * 0.5, start) + x)(np.ones(1))
    np.testing.assert_allclose(halved.numpy() - 1, start.numpy() / 16)
    assert capfd.readouterr().err == ""
