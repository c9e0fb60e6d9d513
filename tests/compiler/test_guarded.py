"""What a compiled call writes where it must not, reads before it is written, or leaves unwritten, is seen."""

import ctypes
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from programs import copy, fill
from shares import shared

import minigrad as mg
from minigrad.compiler import loop_ir as L
from minigrad.compiler.lower import program as lowering
from minigrad.compiler.lower.program import Lowered
from minigrad.compiler.runtime import executable, guarded, memory, worker
from minigrad.compiler.runtime.executable import Executable
from minigrad.compiler.runtime.guarded import run_guarded
from minigrad.errors import BoundsError, MemoryFault
from minigrad.graph.dims import Symbol
from minigrad.testing.programs import random_program

N, I = L.Size("n"), L.LoopVar("i")  # noqa: E741
X, Y, B, C = (L.Buffer(name, "float64", N) for name in "xybc")
AT = L.Buffer("at", "int64", 1)
PLACE = L.AsIndex(L.Load(AT, 0))
VIEW = L.View(X, 0, 1, 1)
ONE = L.Const("float64", 1)
DOUBLE = L.For(I, N, (L.Store(Y, I, L.Binary("add", L.Load(X, I), L.Load(X, I)), note="double"),))


def program(*body, locals=()):
    return Executable(Lowered((L.Function("f", (X, AT), (Y,), (N,), locals, body),), (), (Symbol("n", 5),), (), ()))


def run(compiled, n=5, at=0):
    x, y = np.arange(float(n)), np.zeros(n)
    run_guarded(compiled, [x, np.array(at)], [y], (n,))
    return y


def test_every_test_runs_guarded():
    assert Executable.run is run_guarded


def test_a_guarded_call_gives_the_results():
    np.testing.assert_array_equal(run(program(DOUBLE)), [0, 2, 4, 6, 8])


@pytest.mark.parametrize("seed", shared(range(20)))
def test_guarded_calls_give_the_bits_of_plain_ones(seed, request):
    made = random_program(seed)
    fast, inputs = mg.jit(made.gradient), made.inputs()
    first = [g.numpy().tobytes() for g in fast(*inputs)]
    request.getfixturevalue("unguarded")
    assert [g.numpy().tobytes() for g in fast(*inputs)] == first


@pytest.mark.parametrize(
    ("stray", "told"),
    [
        (L.Store(Y, N, ONE, note="stray"), "8 bytes after y (float64, 40 bytes) were written, up to 8 behind its end"),
        (L.Store(Y, -2, ONE, note="stray"), "8 bytes before y (float64, 40 bytes) were written, from 16 ahead of its start"),
        (L.Store(B, N, ONE, note="stray"), "8 bytes after b (float64, 40 bytes) were written, up to 8 behind its end"),
        (fill(B, 1, N + 2, ONE, note="stray"), "24 bytes after b (float64, 40 bytes) were written, up to 24 behind its end"),
        (copy(Y, 1, B, 0, N, note="stray"), "8 bytes after y (float64, 40 bytes) were written, up to 8 behind its end"),
        (
            L.Gemm(1, N, 1, VIEW, VIEW, L.View(B, 2, 1, 1), note="stray"),
            "16 bytes after b (float64, 40 bytes) were written, up to 16 behind its end",
        ),
    ],
)
def test_a_write_beside_a_buffer_is_told_with_the_statement_and_the_sizes(stray, told):
    with pytest.raises(MemoryFault) as error:
        run(program(DOUBLE, fill(B, 0, N, ONE), stray, locals=(B,)))
    lines = str(error.value).splitlines()
    assert lines[:2] == [f"compiled code: {told}", "  where n = 5"]
    assert lines[-1].endswith("is written by stray")


@given(st.sampled_from((Y, B, C)), st.integers(1, 8), st.booleans(), st.integers(1, 40))
def test_a_line_before_and_after_every_buffer_is_guarded(buffer, distance, after, n):
    compiled = program(DOUBLE, fill(B, 0, N, ONE), fill(C, 0, N, ONE), L.Store(buffer, PLACE, ONE), locals=(B, C))
    with pytest.raises(MemoryFault, match=r"bytes (after|before)"):
        run(compiled, n, n - 1 + distance if after else -distance)


def test_a_write_into_an_argument_is_told():
    x, at, y = np.arange(5.0), np.array(0), np.zeros(5)
    compiled = program(DOUBLE, L.Store(Y, PLACE, ONE))
    places, _ = guarded._arguments(compiled.lowered, [x, at, y])
    at[()] = 3 + (places.places[0].start - places.places[2].start) // 8
    with pytest.raises(MemoryFault, match=r"2 bytes of x \(float64, 40 bytes\) were written, which is only read"):
        run_guarded(compiled, [x, at], [y], (5,))
    assert x.tolist() == [0, 1, 2, 3, 4]


def test_what_is_never_written_is_nan():
    y = run(program(L.For(I, N - 1, (L.Store(Y, I, ONE),))))
    np.testing.assert_array_equal(y, [1, 1, 1, 1, np.nan])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_pattern_is_nan_wherever_a_number_can_stand(dtype):
    block = np.empty(64, "uint8")
    guarded.poison(block)
    assert np.isnan(block.view(dtype)).all()


def test_working_memory_keeps_nothing_from_the_call_before():
    keep = L.For(I, N, (L.Store(Y, I, L.Load(B, I)), L.Store(B, I, ONE)))
    compiled = program(keep, locals=(B,))
    for _ in range(3):
        assert np.isnan(run(compiled)).all()


def test_the_memory_of_a_result_that_nobody_holds_is_overwritten_and_that_of_others_is_not():
    kept, freed = (memory.empty((1000,), np.dtype("float64")) for _ in range(2))
    kept[:] = freed[:] = 1
    elements = (ctypes.c_double * 1000).from_address(memory.address(freed))
    del freed
    run(program(DOUBLE))
    assert (kept == 1).all()
    assert np.isnan(np.frombuffer(elements)).all()


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 15)), min_size=3, max_size=3))
def test_copies_lie_as_far_beyond_a_cache_line_as_the_arrays_and_apart(pairs):
    arrays = [np.empty(n + 16)[offset:][:n] for n, offset in pairs]
    places, block = guarded._arguments(program().lowered, arrays)
    end = 0
    for place, array in zip(places.places, arrays, strict=True):
        assert (memory.address(block) + place.start - memory.address(array)) % 64 == 0
        assert place.start - end >= 64
        assert place.stop - place.start == array.nbytes
        end = place.stop
    assert block.nbytes - end >= 64


def test_an_index_out_of_bounds_is_still_that():
    fast = mg.jit(lambda x, i: mg.take(x, i))
    with pytest.raises(BoundsError, match="take: index 7 out of bounds for an axis of size 3"):
        fast(np.arange(3.0), np.array([0, 7]))


def test_a_helper_that_comes_late_harms_nothing(monkeypatch):
    monkeypatch.setattr(lowering, "SHARED_WORK", 0)
    monkeypatch.setattr(executable, "THREAD_WORK", 1)
    monkeypatch.delenv("MINIGRAD_THREADS", raising=False)
    fast, hold, x = mg.jit(lambda x: mg.tanh(x) * 2), threading.Event(), np.arange(1000.0)
    worker.submit(hold.wait)
    for k in range(20):
        np.testing.assert_allclose(fast(x + k), 2 * np.tanh(x + k), rtol=1e-14)
    hold.set()
    done = threading.Event()
    worker.submit(done.set)
    assert done.wait(10)
