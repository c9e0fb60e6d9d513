"""Memory of results is used again, but never while anybody holds them."""

import threading
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad.compiler.runtime import memory
from minigrad.compiler.runtime.objects import SPARE_AT_MOST, allocator
from minigrad.graph.ir import Node
from minigrad.graph.nodes import CONSTANT
from minigrad.graph.types import TensorType
from minigrad.tensor import leaf_tensor

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
    fast, x = mg.jit(lambda x: (x * 2, x + 1)), np.ones(SPARE_AT_MOST // 4, "float32")
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


# ---- results of the call before the last


PLACES = [((2, 3), np.dtype("float32")), ((), np.dtype("int64")), ((memory.KEPT_FROM, 1), np.dtype("bool"))]
HOLDS = [
    lambda a: a, lambda a: a[..., None], lambda a: a.view(np.ma.MaskedArray).T, memoryview, np.from_dlpack, weakref.ref,
    lambda a: weakref.ref(a if a.base is None else a.base),
    lambda a: leaf_tensor(Node(CONSTANT, (), {}, TensorType(a.shape, a.dtype), a)),
]  # fmt: skip


def values(view):
    """What is seen of an array now; None if it is gone."""
    found = view() if isinstance(view, weakref.ref) else view
    return None if found is None else np.asarray(found).tobytes()


@given(st.lists(st.sampled_from([None, *HOLDS]), min_size=4, max_size=8), st.sampled_from([1, 2, 3]))
def test_memory_that_anybody_holds_is_not_given_again(holds, generations):
    make, kept, held = allocator(PLACES, [None] * 6), [], []
    for n, hold in enumerate(holds):
        made = make()
        for a in made:
            a[...] = n
        kept = [*kept, made][-generations:]  # as a loop holds its state
        held += [] if hold is None else [(view := hold(a), values(view)) for a in made]
        del made, a
        assert all(values(view) in (None, before) for view, before in held)


def changed_shape(a):
    a.shape = (3, 2)


def changed_dtype(a):
    a.dtype = np.dtype("int32")


def changed_order(a):
    a.shape = a.shape[::-1]


def changed_strides(a):
    a.strides = (0, 0)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # NumPy's, of what is changed in place
def test_memory_that_nobody_holds_is_given_again_as_it_was_made():
    make = allocator(PLACES, [None] * 6)

    def places(change=lambda a: None):
        made = make()
        assert [(a.shape, a.dtype, type(a)) for a in made] == [(*entry, np.ndarray) for entry in PLACES]
        assert all(a.flags.carray and (a.base is None or address(a) % 64 == 0) for a in made)
        for a in made:
            a.setflags(write=False)
        change(made[0 if change is not changed_order else 2])
        return [*map(address, made)]

    first = [places(), places()]
    assert [places() for _ in range(4)] == [*first, *first]
    for change in (changed_shape, changed_dtype, changed_strides, changed_order):
        for _ in range(3):
            places(change)


def test_large_results_that_are_dropped_are_kept_by_the_pool_alone():
    n = SPARE_AT_MOST // 8
    make, few = allocator([((n,), FLOAT)] * 3, spare := [None] * 6), allocator([((n,), FLOAT)] * 2, kept := [None] * 4)
    for _ in range(3):
        assert len(make()) + len(few()) == 5
    assert spare == [None] * 6
    assert [type(a) for a in kept] == [np.ndarray] * 4


def test_only_the_latest_sizes_keep_memory_for_results():
    fast, kept = mg.jit(lambda x: x * 2), []
    for n in (3, 4):
        for _ in range(3):
            fast(np.ones(n))
        kept.append(fast.latest.spare)
    assert kept[0] == [None] * 2
    assert [a.shape for a in kept[1]] == [(4,)] * 2
