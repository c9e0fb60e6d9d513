"""Memory of results is used again, but never while anybody holds them."""

import threading

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad.compiler.runtime import memory

FLOAT = np.dtype("float32")
BIG = 2**15


def address(array):
    return array.__array_interface__["data"][0]


@given(st.integers(0, 3 * BIG), st.sampled_from(["bool", "int32", "float32", "float64"]))
def test_an_array_has_its_shape_and_dtype_and_starts_on_a_cache_line(n, dtype):
    x = memory.empty((n, 2), np.dtype(dtype))
    assert x.shape == (n, 2)
    assert x.dtype == dtype
    assert x.flags.writeable
    assert x.nbytes < memory.KEPT_FROM or address(x) % 64 == 0


def test_the_memory_of_a_large_array_is_used_again_when_its_last_view_is_gone():
    x = memory.empty((BIG,), FLOAT)
    x[:] = 1
    place, view = address(x), x[3:].reshape(-1, 1)[::2]
    del x
    other = memory.empty((BIG,), FLOAT)
    other[:] = 2
    assert address(other) != place
    assert (view == 1).all()
    del view
    again = memory.empty((BIG,), FLOAT)
    assert address(again) == place


def test_results_that_are_kept_keep_their_values():
    fast = mg.jit(lambda x: x * 2)
    kept = [fast(np.full(BIG, i, "float32")) for i in range(20)]
    for i, result in enumerate(kept):
        assert (result.numpy() == 2 * i).all()


def test_what_waits_for_use_is_bounded(monkeypatch):
    monkeypatch.setattr(memory, "_blocks", {})
    monkeypatch.setattr(memory, "_counted", 0)
    monkeypatch.setattr(memory, "WAITING_AT_MOST", 10 * BIG)
    held = [memory.empty((BIG,), FLOAT) for _ in range(3)]
    for n in range(BIG, 3 * BIG, 1000):
        memory.empty((n,), FLOAT)
        waiting = sum(block.nbytes for blocks in memory._blocks.values() for block in blocks) - 3 * held[0].nbytes
        assert waiting < 12 * BIG + 3 * held[0].nbytes


def test_results_that_are_kept_are_not_counted_at_every_call(monkeypatch):
    monkeypatch.setattr(memory, "_blocks", {})
    monkeypatch.setattr(memory, "_counted", 0)
    looks, first = [], memory._first
    monkeypatch.setattr(memory, "_first", lambda blocks: looks.append(1) or first(blocks))
    kept = [memory.empty((memory.KEPT_FROM,), FLOAT) for _ in range(3000)]
    assert len(looks) < 20 * len(kept)


def test_results_that_nobody_holds_take_no_more_memory(monkeypatch):
    monkeypatch.setattr(memory, "_blocks", {})
    fast, x = mg.jit(lambda x: (x * 2, x + 1)), np.ones(BIG, "float32")
    for _ in range(50):
        x = fast(x)[1].numpy()
    assert len(memory._blocks[x.nbytes]) <= 4


def test_threads_never_get_the_same_memory():
    wrong = []

    def work(number):
        for _ in range(300):
            x = memory.empty((BIG,), FLOAT)
            x[:] = number
            wrong.append(not (x == number).all())

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not any(wrong)
