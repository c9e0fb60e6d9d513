"""Processes and threads around compiled functions: forked, spawned, and many threads of one process."""

from __future__ import annotations

import multiprocessing
import os
import sys
import textwrap
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from children import run
from shares import shared

import minigrad as mg

posix = pytest.mark.skipif(os.name != "posix", reason="forks are POSIX's")


def compiled():
    def loss(w, xs):
        return mg.sum(mg.scan(lambda h, x: (mg.tanh(h @ w + x), h), mg.zeros((8, 16), "float64"), xs)[0] ** 2)

    rng = np.random.default_rng(0)
    return mg.jit(mg.value_and_grad(loss)), mg.tensor(0.2 * rng.standard_normal((16, 16))), rng.standard_normal((12, 8, 16))


def bits(result) -> bytes:
    return b"".join(y.numpy().tobytes() for y in mg.tree.leaves(result))


@posix
def test_a_forked_child_runs_what_was_compiled_before_and_compiles_more():
    f, w, xs = compiled()
    expected = bits(f(w, xs))
    reader, writer = os.pipe()
    with warnings.catch_warnings(action="ignore"):  # forking a process with threads
        child = os.fork()
    if child == 0:
        ok = bits(f(w, xs)) == expected and bits(mg.jit(lambda x: x * 3)(xs)) == (xs * 3).tobytes()
        os.write(writer, b"same" if ok else b"other")
        os._exit(0)
    os.close(writer)
    assert os.waitpid(child, 0)[1] == 0
    assert os.read(reader, 9) == b"same"
    assert bits(f(w, xs)) == expected


FORK = """
    import os, signal, sys, threading, time, warnings
    from concurrent.futures import Future
    import numpy as np, minigrad as mg
    from llvmlite.binding import ffi
    from minigrad.compiler.runtime import link
    from minigrad.graph.ir import Graph
    from minigrad.testing import subject

    warnings.simplefilter("ignore")
    x, count = np.arange(3.0), iter(range(10**6))

    def compiles():
        k = next(count)
        return mg.jit(lambda x: mg.sin(x) * k)(x).tolist() == (np.sin(x) * k).tolist()

    def forked(job=compiles):
        child = os.fork()
        if child == 0:
            signal.alarm(120)  # ends a child that hangs
            os._exit(0 if job() else 1)
        return os.waitpid(child, 0)[1] == 0
"""


@posix
@pytest.mark.parametrize("held", shared(["link._lock", "ffi.lib._lock", "vars(Graph)['nodes'].lock", "subject._eager"], of=2))
def test_a_child_that_is_forked_while_another_thread_holds_a_lock_compiles(held):
    if "vars" in held and sys.version_info >= (3, 12):
        pytest.skip("a cached property has a lock in Python 3.11 only")
    program = f"""
    ready = Future()

    def hold():
        with {held}:
            ready.set_result(None)
            time.sleep(0.5)

    threading.Thread(target=hold).start()
    ready.result()
    print(forked(lambda: compiles() and mg.testing.check_grads(lambda x: x * 2 if x.numpy().any() else x, x) is not None))
    """
    assert run(textwrap.dedent(FORK) + textwrap.dedent(program), MINIGRAD_CACHE="0") == "True\n"


@posix
def test_children_that_are_forked_while_another_thread_compiles_compile():
    program = """
    done = Future()

    def work():
        while not done.done():
            compiles()

    thread = threading.Thread(target=work)
    thread.start()
    print({forked() for _ in range(12)})
    done.set_result(None)
    thread.join()
    """
    assert run(textwrap.dedent(FORK) + textwrap.dedent(program), MINIGRAD_CACHE="0") == "{True}\n"


@posix
def test_a_pool_of_forked_processes_computes_the_same_bits():
    f, w, xs = compiled()
    expected = bits(f(w, xs))
    with warnings.catch_warnings(action="ignore"), multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(in_a_child, range(4)) == [expected] * 4


def in_a_child(_) -> bytes:
    f, w, xs = compiled()
    return bits(f(w, xs))


def test_spawned_processes_compute_the_same_bits():
    f, w, xs = compiled()
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(in_a_child, [0]) == [bits(f(w, xs))]


def test_sixteen_threads_share_a_compiled_function_and_trace_their_own():
    f, w, xs = compiled()
    expected = [bits(f(w, xs + k)) for k in range(4)]

    def work(k):
        own = mg.jit(lambda x: mg.cumsum(x * (k + 1), 0))
        shared = {bits(f(w, xs + k % 4)) == expected[k % 4] for _ in range(5)}
        return shared == {True} and np.allclose(own(xs), np.cumsum(xs * (k + 1), 0))

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(work, range(16)))
