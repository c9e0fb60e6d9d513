"""A call like the one before goes a short way. It sees all that is other this time, and keeps nothing alive."""

from __future__ import annotations

import copy
import gc
import threading
import weakref
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from counting import calls
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from minigrad.models import LSTM
from test_tree import TREES, Net

import minigrad as mg
from minigrad import tree
from minigrad.compiler.runtime.objects import Types, freeze
from minigrad.tree_code import flattener, unflattener

PARTS = st.sampled_from([Net(1), Net(2), np.float32, tree.Static([1]), {1: 2, "b": 3}, {True: 4}, copy.copy(Net(1))])
MIXED = st.recursive(st.integers() | st.none() | PARTS, lambda t: st.lists(t, max_size=3) | st.tuples(t, t) | TREES, max_leaves=6)


@given(a=MIXED, b=MIXED)
def test_what_is_made_for_a_structure_does_as_the_tree_functions(a: Any, b: Any) -> None:
    structure = tree.flatten(a)[1]
    for value in (a, b, copy.copy(a)):
        leaves, other = tree.flatten(value)
        found = flattener(structure)(value)
        if found is None:
            assert other != structure or len({*map(id, leaves)}) < len(leaves)
        else:
            assert other == structure
            assert [*map(id, found)] == [*map(id, leaves)]
            assert tree.flatten(unflattener(structure)(found)) == tree.flatten(tree.unflatten(structure, leaves))


def test_a_model_that_was_changed_has_another_structure() -> None:
    net = Net(2)
    take = flattener(tree.flatten(net)[1])
    assert take(net) == tree.leaves(net)
    net.layers.append(net.layers[0])  # tied
    assert take(net) is None
    tied = flattener(tree.flatten(net)[1])
    assert tied(net) == tree.leaves(net)
    assert tied(unflattener(tree.flatten(net)[1])(tree.leaves(net))) == tree.leaves(net)
    net.layers[2] = mg.parameter(np.ones(2))
    assert take(net) is tied(net) is None
    net.layers[1:] = net.layers[:1]
    assert take(net) is tied(net) is None
    net.layers[1] = mg.parameter(np.ones(2))
    assert take(net) == tree.leaves(net)
    net.act = "relu"
    assert take(net) is None


DTYPES = st.sampled_from([np.dtype(t) for t in ("float32", "float64", ">f8", "int64", "bool", "float16", ml_dtypes.bfloat16)])


@given(shape=hnp.array_shapes(min_dims=0, max_side=3), own=DTYPES, dtype=DTYPES, data=st.data())
def test_arrays_fit_types_that_are_their_own(shape: tuple[int, ...], own: np.dtype, dtype: np.dtype, data: st.DataObject) -> None:
    found = np.zeros(shape, own)
    views = [found, found.T, found[None][..., ::-1], np.broadcast_to(found, (2, *shape)), found[None], found.view(np.ma.MaskedArray)]
    wanted = data.draw(st.sampled_from([(v.shape, t) for v in views for t in (own, dtype)]))
    for v in views:
        same = (v.shape, v.dtype) == wanted and v.flags.c_contiguous and type(v) is np.ndarray
        assert Types([wanted]).fit((v,)) == same
        assert Types([wanted, (shape, own)]).fit((v, found)) == same
    assert not Types([wanted]).fit(())
    assert not any(Types([wanted]).fit((no,)) for no in (None, 1.0, [found], mg.tensor(0.0)))
    apart = np.ndarray((1,), "float64", np.zeros(16, "uint8"), 1 if np.zeros(16, "uint8").ctypes.data % 8 == 0 else 2)
    assert Types([((1,), apart.dtype)]).fit((apart,)) == apart.flags.aligned


def test_frozen_arrays_are_read_only() -> None:
    arrays = np.ones(3), np.ones(()), np.ones((0, 2))
    freeze(arrays[:2])
    assert [a.flags.writeable for a in arrays] == [False, False, True]
    assert all(a.flags.c_contiguous and a.flags.aligned and a.flags.owndata for a in arrays)


def shaped(a: np.ndarray) -> None:
    a.shape = (3, 2)


def retyped(a: np.ndarray) -> None:
    a.dtype = np.dtype("int32")  # type: ignore[misc]


def swapped(a: np.ndarray) -> None:
    a.dtype = a.dtype.newbyteorder()  # type: ignore[misc]


def filled(a: np.ndarray) -> None:
    a[...] = 7


CHANGES: list[Callable[[np.ndarray], None]] = [shaped, retyped, swapped, filled]


@pytest.mark.parametrize("change", CHANGES)
def test_an_array_that_was_changed_in_place_is_seen_as_it_is(change: Callable[[np.ndarray], None]) -> None:
    def f(x: Any) -> Any:
        return x * 2 + mg.sum(x, axis=0)

    fast, x = mg.jit(f), np.arange(6, dtype="float32").reshape(2, 3)
    for _ in range(2):
        fast(x)
    change(x)
    for _ in range(2):
        got, expected = fast(x), f(mg.tensor(x))
        assert got.type == expected.type
        np.testing.assert_array_equal(got.numpy(), expected.numpy())


def test_a_tensor_whose_array_was_given_another_shape_is_seen_as_it_is() -> None:
    fast, t = mg.jit(lambda x: x + 1), mg.tensor(np.zeros((2, 3)))
    assert fast(t).shape == fast(t).shape == (2, 3)
    t.numpy().shape = (6,)
    assert fast(t).shape == (6,)


def test_each_call_looks_at_its_own_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lengths, dtypes, structures and numbers in turn: as if each call were the first."""
    fast = mg.jit(lambda x, factor=1, *, by=2: {"y": tree.map(lambda v: v * factor + by, x)})
    a, b = np.arange(3.0), np.arange(4.0, dtype="float32")
    given: list[tuple[Any, dict[str, Any]]] = [
        ((a,), {}), ((b,), {}), ((b[::2],), {}), ((b, 3), {}), ((b, 3.5), {}), ((b, np.array(3.5)), {}), ((b, np.float64(3.5)), {}),
        ((b,), {"by": a[0]}),
        (([a, b],), {}), (((a, b),), {}), (({"p": a},), {"by": mg.tensor(b[:1])}), ((mg.tensor(a), a), {}), ((5,), {}), ((a,), {}),
    ]  # fmt: skip
    with monkeypatch.context() as patch:
        patch.setenv("MINIGRAD_JIT", "0")
        first = [mg.jit(fast.function)(*args, **kwargs) for args, kwargs in given]
    for _ in range(2):
        for (args, kwargs), expected in zip(given, first, strict=True):
            for _ in range(2):
                found = fast(*args, **kwargs)
                assert tree.flatten(found)[1] == tree.flatten(expected)[1]
                for x, y in zip(tree.leaves(found), tree.leaves(expected), strict=True):
                    assert x.type == y.type
                    np.testing.assert_array_equal(x.numpy(), y.numpy())


def test_a_compiled_function_keeps_no_argument_and_no_result() -> None:
    model, x = LSTM(2, 3, key=0), np.ones((1, 2), "float32")
    step = mg.jit(lambda model, state, x: model.step(state, x))
    state = model.initial_state(1)
    for _ in range(3):
        state, y = step(model, state, x)
    alive = [weakref.ref(v) for v in (model, x, y, *(t.node for t in tree.leaves((model, state))))]
    del model, x, y, state
    gc.collect()
    assert [ref() for ref in alive] == [None] * len(alive)


def test_threads_call_one_function_with_different_arguments() -> None:
    fast, wrong = mg.jit(lambda x: tree.map(lambda v: v * 2, x)), []

    def run(make: Callable[[int], Any]) -> None:
        for i in range(40):
            given = make(i)
            wrong.extend(1 for x, y in zip(tree.leaves(given), tree.leaves(fast(given)), strict=True) if not np.array_equal(2 * x, y))

    makers: list[Callable[[int], Any]] = [
        lambda i: np.full(3, i), lambda i: np.full(4 + i % 2, i), lambda i: [np.full(3, i)], lambda i: {"a": np.full((2, 2), 1.5 * i)},
    ]  # fmt: skip
    threads = [threading.Thread(target=run, args=(make,)) for make in makers]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


@pytest.mark.usefixtures("unguarded")
def test_the_work_of_a_call_grows_little_with_its_arrays() -> None:
    """Calls of functions in Python and C. A tree that is looked at part by part takes more than twenty for each array."""

    def work(count: int) -> int:
        fast = mg.jit(lambda p: tree.map(lambda v: v * 0.5, p))
        p = {f"w{i}": mg.tensor(np.ones(2)) for i in range(count)}
        for _ in range(2):
            p = fast(p)
        return calls(lambda: fast(p))

    few, many = work(1), work(21)
    assert few < 75
    assert (many - few) / 20 < 10
