"""A call like the one before goes a short way. It sees all that is other this time, and keeps nothing alive."""

from __future__ import annotations

import copy
import gc
import itertools
import threading
import weakref
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from counting import calls, references_kept
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from minigrad.models import LSTM
from test_tree import TREES, Net

import minigrad as mg
from minigrad import tree
from minigrad.compiler.runtime.objects import RECORDED, TRAINED, allocator, taker, wrapper
from minigrad.graph.ir import Node
from minigrad.graph.nodes import COMPILED, CONSTANT, PARAMETER
from minigrad.graph.types import TensorType
from minigrad.tensor import leaf_tensor
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


def fit(types: list[Any], *leaves: Any) -> bool:
    return taker(types, [None] * len(types))([*leaves]) is not None


DTYPES = st.sampled_from([np.dtype(t) for t in ("float32", "float64", ">f8", "int64", "bool", "float16", ml_dtypes.bfloat16)])


@given(shape=hnp.array_shapes(min_dims=0, max_side=3), own=DTYPES, dtype=DTYPES, data=st.data())
def test_arrays_fit_types_that_are_their_own(shape: tuple[int, ...], own: np.dtype, dtype: np.dtype, data: st.DataObject) -> None:
    found = np.zeros(shape, own)
    views = [found, found.T, found[None][..., ::-1], np.broadcast_to(found, (2, *shape)), found[None], found.view(np.ma.MaskedArray)]
    wanted = data.draw(st.sampled_from([(v.shape, t) for v in views for t in (own, dtype)]))
    for v in views:
        same = (v.shape, v.dtype) == wanted and v.flags.c_contiguous and type(v) is np.ndarray
        assert fit([wanted], v) == same
        assert fit([wanted, (shape, own)], v, found) == same
    assert not fit([wanted])
    assert not any(fit([wanted], no) for no in (None, 1.0, [found], Net(1), object.__new__(mg.Tensor)))
    apart = np.ndarray((1,), "float64", np.zeros(16, "uint8"), 1 if np.zeros(16, "uint8").ctypes.data % 8 == 0 else 2)
    assert fit([((1,), apart.dtype)], apart) == apart.flags.aligned


SCALAR, ROW = ((), np.dtype("float64")), ((2,), np.dtype("float32"))


@pytest.mark.parametrize(
    ("kind", "dtype", "good", "bad"),
    [
        (float, "float64", [2.5, -0.0, float("nan")], [2, True, np.float64(2.5), np.array(2.5), mg.tensor(2.5, "float64")]),
        (int, "int64", [2, -(2**63)], [2.0, True, 2**63, np.int64(2), None]),
        (bool, "bool", [True], [1, np.True_]),
        (np.float32, "float32", [np.float32(2.5)], [2.5, np.float64(2.5)]),
    ],
)
def test_numbers_fit_their_class_alone(kind: type, dtype: str, good: list[Any], bad: list[Any]) -> None:
    take = taker([((), np.dtype(dtype)), ROW], [kind, None])
    row = np.ones(2, "float32")
    for number in good:
        taken = take([number, row])
        assert taken is not None
        np.testing.assert_array_equal(taken[0][0], np.asarray(number), strict=True)
        assert taken[0][1] is row
    assert [take([no, row]) for no in bad] == [None] * len(bad)


def test_what_stands_among_leaves_is_seen() -> None:
    p, constant, x = mg.parameter([1.0, 2.0]), mg.tensor([1.0, 2.0]), np.ones(2, "float32")
    result, taken = mg.tanh(p), taker([ROW] * 2, [None] * 2)
    loss = mg.sum(mg.tanh(p))
    loss.backward()
    compiled = mg.jit(lambda p: p * 2)(p)
    for leaves, among in [
        ((constant, x), 0),
        ((constant, p), TRAINED),
        ((compiled, x), TRAINED),
        ((result, x), RECORDED),
        ((p, p.grad), RECORDED),
    ]:
        found = taken([*leaves])
        assert found is not None
        assert found[1] == among
        assert [*map(id, found[0])] == [id(v.numpy() if isinstance(v, mg.Tensor) else v) for v in leaves]
    assert p.grad is not None
    assert p.grad.node._recipe is not None  # nobody has built the graph of the gradient


def test_results_are_read_only_leaves() -> None:
    arrays = np.ones(3), np.ones(()), np.ones((0, 2))
    types, names, ops = [TensorType(a.shape, a.dtype) for a in arrays], ["w", None, "b"], (PARAMETER, CONSTANT, COMPILED)
    found = wrapper(types, names)(ops, arrays, "here")
    assert [a.flags.writeable for a in arrays] == [False] * 3
    assert all(a.flags.c_contiguous and a.flags.aligned and a.flags.owndata for a in arrays)
    ids = [t.node.id for t in found]
    assert ids == sorted(set(ids))
    assert mg.tensor(0).node.id > ids[-1]
    for t, op, type_, array, name in zip(found, ops, types, arrays, names, strict=True):
        expected = leaf_tensor(Node(op, (), {}, type_, array, name, "here", op is not CONSTANT))
        for field in set(Node.__slots__) - {"__weakref__", "_holder", "id"}:
            a, b = getattr(t.node, field), getattr(expected.node, field)
            assert a is b or (field != "value" and a == b), field
        assert t.node.holder is (t if op is PARAMETER else None)
        assert t.grad is None


def test_numbers_of_nodes_may_be_beyond_64_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minigrad.compiler.runtime.objects.IDS", itertools.count(2**63 - 2**32, 2**32))
    wrap = wrapper([TensorType(*ROW)] * 3, [None] * 3)
    ids = [t.node.id for _ in range(3) for t in wrap((CONSTANT,) * 3, (np.ones(2, "float32"),) * 3, None)]
    assert ids == sorted(set(ids))
    assert ids[2] == 2**63 - 2**32 + 2
    assert ids[3] > 2**63


def test_memory_for_results_has_their_types_or_there_is_a_memory_error() -> None:
    entries = [((2, 3), np.dtype("float32")), ((), np.dtype("int64")), ((0, 2), np.dtype("bool")), ((99, 99), np.dtype(ml_dtypes.bfloat16))]
    for array, (shape, dtype) in zip(allocator(entries)(), entries, strict=True):
        assert (array.shape, array.dtype) == (shape, dtype)
        assert array.flags.carray
        assert array.flags.writeable
    with pytest.raises(MemoryError):
        allocator([*entries, ((2**50,), np.dtype("float64"))])()
    with pytest.raises(ValueError, match="dimension"):
        allocator([((1,) * 5000, np.dtype("float32"))])()


def test_nobody_finds_results_that_are_half_made() -> None:
    arrays = tuple(np.ones(2, "float32") for _ in range(200))
    wrap, found = wrapper([TensorType(*ROW)] * 200, [None] * 200), []

    def look(*_: Any) -> None:
        found.append(any(type(o) in (list, tuple) and len(o) == 200 > len(gc.get_referents(o)) for o in gc.get_objects(0)))

    before = gc.get_threshold()
    gc.callbacks.append(look)
    try:
        gc.collect()
        gc.set_threshold(50)
        results = wrap((CONSTANT,) * 200, arrays, None)
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(look)
    assert not any(found)
    assert gc.is_tracked(results)


def test_no_reference_is_lost_or_kept() -> None:
    leaves: list[Any] = [mg.parameter([1.0, 2.0]), np.ones(2, "float32"), 2.5, mg.tensor([1.0, 2.0])]
    types, numbers = [ROW, ROW, SCALAR, ROW], [None, None, float, None]
    wraps, place, entries = (PARAMETER, CONSTANT), ("a place",), [ROW, ((99, 99), SCALAR[1])]
    wrap = wrapper([TensorType(*e) for e in entries], ["a name", None])
    spared = allocator(entries, [None] * 4)
    assert len([spared() for _ in range(3)]) == 3
    objects = [*leaves, leaves[0].node, leaves[0].numpy(), *wraps, place, ROW, ROW[1], SCALAR[1], (), mg.Tensor, Node, np.ndarray]

    def work() -> None:
        assert taker(types, numbers)(leaves) is not None
        assert taker(types, numbers)([*leaves[:3], None]) is None
        assert taker([*types[:3], SCALAR], numbers)(leaves) is None
        assert taker(types[:3], numbers[:3])(leaves) is None
        with pytest.raises(TypeError):
            taker(types, numbers)()  # type: ignore[call-arg]
        wrap(wraps, allocator(entries)(), place)
        assert len([wrap(wraps, spared(), place) for _ in range(3)]) == 3
        with pytest.raises(MemoryError):
            allocator([*entries, ((2**50,), np.dtype("float64"))])()

    assert references_kept(work, objects) == [0] * len(objects)


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


def test_a_compiled_function_that_is_dropped_is_young_garbage() -> None:
    before = gc.get_threshold()
    gc.unfreeze()  # as where no tests run
    gc.collect()
    gc.set_threshold(0)
    try:
        fast = mg.jit(lambda x: x * 2 + 1)
        fast(np.ones(2, "float32"))
        dropped = weakref.ref(fast)
        del fast
        gc.collect(0)
        assert dropped() is None
    finally:
        gc.set_threshold(*before)
        gc.freeze()


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
