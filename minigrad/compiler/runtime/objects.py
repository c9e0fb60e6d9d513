"""What a call asks of many objects at once, in machine code: the arrays of its arguments, memory for its results, these as tensors, and the
call of a kernel."""

from __future__ import annotations

import ctypes
import math
import struct
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...graph.ir import Node, new_id
from ...graph.nodes import CONSTANT, NO_ATTRS, PARAMETER
from ...graph.types import TensorType
from ...tensor import Tensor
from ..llvm.entry import ARRAY_DATA
from .builtin import BYTES, COUNT, LIST_ITEMS, TYPE, Body, Builtin, slot
from .memory import TUPLE_ITEMS, aligned_empty, maker

# Offsets by NumPy's C interface. In an array, the number of axes, the lengths, the strides, the base, the dtype and the flags stand after
# the data pointer. A dtype begins with the type of its scalars, two letters, and the byte order. There are several objects for one dtype.
AXES, LENGTHS, BASE, DTYPE, FLAGS = ARRAY_DATA + 8, ARRAY_DATA + 16, ARRAY_DATA + 32, ARRAY_DATA + 40, ARRAY_DATA + 48
WEAK_REFERENCES = np.ndarray.__weakrefoffset__
SCALARS, BYTE_ORDER = ARRAY_DATA, ARRAY_DATA + 10
ORDERLY, OWNS_DATA, WRITEABLE = 0x101, 0x4, 0x400  # C-contiguous and aligned
MOST_AXES = 64
SPARE_AT_MOST = 2**20  # bytes of a call's results, up to which large ones among them are kept to be used again

IDS = new_id.__self__  # type: ignore[attr-defined]  # the iterator that it belongs to
NODE, GRADIENT = slot(Tensor, "node"), slot(Tensor, "_gradient")
FIELDS = {name: slot(Node, name) for name in Node.__slots__ if name != "__weakref__"}

Entry = tuple[tuple[Any, ...], np.dtype]  # lengths that are numbers, and a dtype

# ---- arguments

# What stands among arguments: parameters or results of compiled functions of them; results that have a history.
TRAINED, RECORDED = 1, 3
Taken = tuple[tuple[np.ndarray, ...], int]


def taker(types: Sequence[Entry], numbers: Sequence[type | None]) -> Callable[[list[Any]], Taken | None]:
    """A function that gives the arrays of leaves, and what stands among them, if they are tensors and arrays of just these shapes and
    dtypes, C-contiguous and aligned, and numbers where `numbers` has their class. It gives None for other leaves."""
    words = [len(types)]
    for (shape, dtype), number in zip(types, numbers, strict=True):
        words += [0 if number is None else id(number), id(dtype.type), ord(dtype.byteorder), len(shape), *shape]
    return _TAKE.bound((struct.pack(f"{len(words)}q", *words), Tensor, Node, np.ndarray, np.asarray, None, False))


def _take(body: Body) -> None:
    """(leaves) -> (arrays, what stands among them)"""
    words, tensor, node, array_type, asarray, none, false = body.items("%own", 7)
    leaves, count = body.item("%args", 0), body.load(words, BYTES, "i64")
    with body.when(body.other(body.load(leaves, COUNT, "i64"), count, "i64"), leaves=True):
        body.hold(none)
        body.give(none)
    found, among, word = body.variable("null"), body.variable("0", "i64"), body.variable(body.at(words, BYTES + 8))
    arrays = _unseen(body, "PyTuple_New", count)
    with body.loop(count) as i:
        leaf, record = body.item(body.load(leaves, LIST_ITEMS), i), body.get(word)
        kind, number = body.load(leaf, TYPE), body.load(record, 0)
        body.set(found, leaf)
        with body.when(body.other(number, "null")):
            body.go_if(body.other(kind, number), "refused")
            body.set(found, body.made("PyObject_CallOneArg", ("ptr", asarray), ("ptr", leaf)))
        with body.when(body.same(number, "null")):
            with body.when(body.same(kind, tensor)):
                body.set(found, _value(body, body.load(leaf, NODE), node, false, among))
            body.hold(body.get(found))
        array = body.get(found)
        body.set(body.place(body.at(arrays, TUPLE_ITEMS), i), array)
        body.go_if(body.other(body.load(array, TYPE), array_type), "refused")
        body.set(word, _fit(body, array, record))
    body.give(body.pair(arrays, body.made("PyLong_FromLongLong", ("i64", body.get(among, "i64")))))
    body.label("refused")
    body.drop(arrays)
    body.hold(none)
    body.give(none)
    body.label("failed")
    body.drop(arrays)
    body.give("null")


def _unseen(body: Body, function: str, count: str) -> str:
    """A tuple or a list without items. Nobody finds it by the garbage collector while it is filled; one of arrays need never be found."""
    made = body.call("ptr", function, ("i64", count))
    with body.when(body.same(made, "null"), leaves=True):
        body.give("null")
    body.call("void", "PyObject_GC_UnTrack", ("ptr", made))
    return made


def _value(body: Body, node: str, node_type: str, false: str, among: str) -> str:
    """The value of a node, which may be None. Notes what stands among the leaves."""
    body.require_node(node, node_type, "refused")

    def note(what: int) -> None:
        body.set(among, body.emit(f"or i64 {body.get(among, 'i64')}, {what}"), "i64")

    with body.when(body.other(body.load(node, FIELDS["tracked"]), false)):
        note(TRAINED)
        args = body.load(node, FIELDS["args"])
        with body.when(body.same(args, "null")):  # a class of nodes that makes them when they are asked for
            note(RECORDED)
        with body.when(body.other(args, "null")), body.when(body.other(body.load(args, COUNT, "i64"), "0", "i64")):
            note(RECORDED)
    value = body.load(node, FIELDS["value"])
    body.go_if(body.same(value, "null"), "refused")
    return value


def _fit(body: Body, array: str, record: str) -> str:
    """Go to `refused` unless the array has the types, byte order and lengths of its record. Returns the address of the next record."""

    def require(found: str, wanted: str, kind: str = "i64") -> None:
        body.go_if(body.other(found, wanted, kind), "refused")

    dtype = body.load(array, DTYPE)
    require(body.load(dtype, SCALARS, "i64"), body.load(record, 8, "i64"))
    require(body.emit(f"sext i8 {body.load(dtype, BYTE_ORDER, 'i8')} to i64"), body.load(record, 16, "i64"))
    require(body.emit(f"and i32 {body.load(array, FLAGS, 'i32')}, {ORDERLY}"), str(ORDERLY), "i32")
    axes, lengths, wanted = body.load(record, 24, "i64"), body.load(array, LENGTHS), body.at(record, 32)
    require(body.emit(f"sext i32 {body.load(array, AXES, 'i32')} to i64"), axes)
    with body.loop(axes, "axis") as k:
        require(*(body.emit(f"load i64, ptr {body.place(p, k, 'i64')}") for p in (lengths, wanted)))
    return body.place(wanted, axes, "i64")


# ---- results


def allocator(entries: Sequence[Entry], spare: list[Any] | None = None) -> Callable[[], tuple[np.ndarray, ...]]:
    """A function that gives memory for arrays of these shapes and dtypes.

    `spare` has two places for each array, where the function keeps the latest two; large ones only where all of a call have at most
    SPARE_AT_MOST bytes. It gives the older one again where nobody else holds it and it is as it was made. All else is new, or from the
    pool."""
    few = sum(math.prod(shape) * dtype.itemsize for shape, dtype in entries) <= SPARE_AT_MOST
    table = []
    for shape, dtype in entries:
        make = maker(shape, dtype)
        kept = spare is not None and (make is np.empty or few)
        at_once = make is np.empty and len(shape) <= MOST_AXES
        table.append((None if at_once else aligned_empty if kept and make is not np.empty else make, shape, dtype, kept))
    return _ALLOCATE.bound((tuple(table), np.ndarray, None, False, [] if spare is None else spare))


def _allocate(body: Body) -> None:
    """() -> arrays. Small ones come from NumPy at once."""
    entries, array_type, none, false, spare = body.items("%own", 5)
    count, lengths = body.load(entries, COUNT, "i64"), body.emit(f"alloca [{MOST_AXES} x i64]")
    found = body.variable("null")
    arrays = _unseen(body, "PyTuple_New", count)
    with body.loop(count) as i:
        make, shape, dtype, kept = body.items(body.item(body.at(entries, TUPLE_ITEMS), i), 4)
        older, newer = (body.place(body.load(spare, LIST_ITEMS), body.emit(f"add i64 {i}, {n}")) for n in ("0", count))
        result, keeps, axes = body.place(body.at(arrays, TUPLE_ITEMS), i), body.other(kept, false), body.load(shape, COUNT, "i64")
        with body.when(keeps):
            array = body.get(older)
            _require_spare(body, array, array_type, dtype, shape, axes)
            body.put(array, result, 0)
            body.set(older, body.get(newer))
            body.set(newer, array)
            body.do("br label %next")
            body.label("new")
        with body.when(body.same(make, none)):
            with body.loop(axes, "axis") as k:
                body.set(body.place(lengths, k, "i64"), _length(body, shape, k), "i64")
            body.hold(dtype)  # which the function takes
            size = "i32", body.emit(f"trunc i64 {axes} to i32")
            operands = [("ptr", array_type), ("ptr", dtype), size, ("ptr", lengths), ("ptr", "null"), ("ptr", "null"), ("i32", "0")]
            body.set(found, body.made("mg_new_array", *operands, ("ptr", "null")))
        with body.when(body.other(make, none)):
            given = body.at(body.item(body.at(entries, TUPLE_ITEMS), i), TUPLE_ITEMS + 8)
            body.set(found, body.made("PyObject_Vectorcall", ("ptr", make), ("ptr", given), ("i64", "2"), ("ptr", "null")))
        body.set(result, body.get(found))
        with body.when(keeps):
            oldest = body.get(older)
            body.set(older, body.get(newer))
            body.put(body.get(found), newer, 0)
            body.drop(oldest)  # other code may run now
        body.do("br label %next")
        body.label("next")
    body.give(arrays)
    body.label("failed")
    body.drop(arrays)
    body.give("null")


def _length(body: Body, shape: str, axis: str) -> str:
    return body.call("i64", "PyLong_AsLongLong", ("ptr", body.item(body.at(shape, TUPLE_ITEMS), axis)))


def _require_spare(body: Body, array: str, array_type: str, dtype: str, shape: str, axes: str) -> None:
    """The array, or None, becomes writeable. Go to `new` if anybody holds it or its memory, or it is not as it was made."""

    def require(found: str, wanted: str, kind: str = "ptr") -> None:
        body.go_if(body.other(found, wanted, kind), "new")

    def require_unheld(array: str) -> None:
        require(body.get(array, "i32"), "1", "i32")  # references; None has more
        require(body.load(array, WEAK_REFERENCES), "null")

    require_unheld(array)
    base, flags = body.load(array, BASE), body.load(array, FLAGS, "i32")
    with body.when(body.other(base, "null")):
        require(body.load(base, TYPE), array_type)
        require_unheld(base)
    owner = body.emit(f"select i1 {body.same(base, 'null')}, ptr {array}, ptr {base}")
    require(body.emit(f"and i32 {body.load(owner, FLAGS, 'i32')}, {OWNS_DATA}"), str(OWNS_DATA), "i32")
    require(body.emit(f"and i32 {flags}, {ORDERLY}"), str(ORDERLY), "i32")
    require(body.load(array, DTYPE), dtype)
    require(body.emit(f"sext i32 {body.load(array, AXES, 'i32')} to i64"), axes, "i64")
    with body.loop(axes, "axis") as k:
        require(body.get(body.place(body.load(array, LENGTHS), k, "i64"), "i64"), _length(body, shape, k), "i64")
    body.store(body.emit(f"or i32 {flags}, {WRITEABLE}"), array, FLAGS, "i32")


def wrapper(types: Sequence[TensorType], names: Sequence[str | None]) -> Callable[..., list[Tensor]]:
    """A function of operations, arrays and a place that makes the arrays read-only, and gives tensors without history: of each, its node's
    operation, type, value, name and place. It does what `leaf_tensor(Node(…))` does."""
    return _WRAP.bound((tuple(types), tuple(names), Tensor, Node, CONSTANT, PARAMETER, (), NO_ATTRS, IDS, None, True, False))


def _wrap(body: Body) -> None:
    """(operations, arrays, place) -> tensors"""
    types, names, tensor_type, node_type, constant, parameter, args, attrs, ids, none, true, false = body.items("%own", 12)
    ops, arrays, place = (body.item("%args", i) for i in range(3))
    count = body.load(arrays, COUNT, "i64")
    tensors = _unseen(body, "PyList_New", count)
    number = body.variable(body.made("PyIter_Next", ("ptr", ids)))
    first = body.call("i64", "PyLong_AsLongLong", ("ptr", body.get(number)))  # the results' numbers follow it, far below the next one
    fits = body.emit(f"icmp sge i64 {first}, 0")
    body.call("void", "PyErr_Clear")
    body.drop(body.get(number))
    with body.loop(count) as i:
        op, array, type_, name = (body.item(body.at(of, TUPLE_ITEMS), i) for of in (ops, arrays, types, names))
        tensor = body.made("PyType_GenericAlloc", ("ptr", tensor_type), ("i64", "0"))
        body.set(body.place(body.load(tensors, LIST_ITEMS), i), tensor)
        node = body.made("PyType_GenericAlloc", ("ptr", node_type), ("i64", "0"))
        body.store(node, tensor, NODE)
        with body.when(fits):
            body.set(number, body.made("PyLong_FromLongLong", ("i64", body.emit(f"add i64 {first}, {i}"))))
        with body.when(body.emit(f"xor i1 {fits}, true")):
            body.set(number, body.made("PyIter_Next", ("ptr", ids)))
        body.store(body.get(number), node, FIELDS["id"])
        tracked = body.emit(f"select i1 {body.same(op, constant)}, ptr {false}, ptr {true}")
        known = {"op": op, "args": args, "attrs": attrs, "type": type_, "value": array, "name": name, "place": place, "tracked": tracked}
        for field, value in (known | {"learned": none, "signature": none}).items():
            body.put(value, node, FIELDS[field])
        flags = body.emit(f"and i32 {body.load(array, FLAGS, 'i32')}, {~WRITEABLE}")
        body.store(flags, array, FLAGS, "i32")
        is_parameter = body.same(op, parameter)
        with body.when(is_parameter):
            body.put(none, tensor, GRADIENT)
            body.store(body.made("PyWeakref_NewRef", ("ptr", tensor), ("ptr", "null")), node, FIELDS["_holder"])
        with body.when(body.other(op, parameter)):
            body.put(none, node, FIELDS["_holder"])
    body.call("void", "PyObject_GC_Track", ("ptr", tensors))
    body.give(tensors)
    body.label("failed")
    body.drop(tensors)
    body.give("null")


# ---- kernels


def caller(address: int, sizes: int) -> Callable[..., tuple[int, int]]:
    """A function of arrays, run-time sizes, working memory, the address of a board or 0, and whether a worker calls. It calls the kernel at
    the address without the interpreter's lock, and gives the code and the value of a failed check, or (0, 0).

    A tuple holds the addresses of its objects one after the other: it is the table that the kernel reads."""
    return _CALL.bound((struct.pack("2q", address, sizes), (0, 0)))


def _call(body: Body) -> None:
    """(arrays, sizes, arena, board, worker) -> (code, value)"""
    words, fine = body.items("%own", 2)
    arrays, sizes, arena, board, worker = (body.item("%args", i) for i in range(5))
    kernel, count = body.load(words, BYTES), body.load(words, BYTES + 8, "i64")
    slots = body.emit(f"alloca i64, i64 {body.emit(f'add i64 {count}, 1')}")
    with body.loop(count) as i:
        size = body.call("i64", "PyLong_AsLongLong", ("ptr", body.item(body.at(sizes, TUPLE_ITEMS), i)))
        body.set(body.place(slots, i, "i64"), size, "i64")
    where, by_worker = body.call("ptr", "PyLong_AsVoidPtr", ("ptr", board)), body.call("i64", "PyLong_AsLongLong", ("ptr", worker))
    body.go_if(body.other(body.call("ptr", "PyErr_Occurred"), "null"), "failed")  # a number of more than 64 bits
    state = body.call("ptr", "PyEval_SaveThread")
    table = body.at(arrays, TUPLE_ITEMS)
    code = body.emit(f"call i64 {kernel}(ptr {table}, ptr {slots}, ptr {arena}, ptr {where}, i64 {by_worker})")
    body.call("void", "PyEval_RestoreThread", ("ptr", state))
    with body.when(body.emit(f"icmp eq i64 {code}, 0"), leaves=True):
        body.hold(fine)
        body.give(fine)
    value = body.get(body.place(slots, count, "i64"), "i64")
    body.give(body.pair(*[body.made("PyLong_FromLongLong", ("i64", n)) for n in (code, value)]))
    body.label("failed")
    body.give("null")


def _check_layout() -> None:
    array = np.zeros((2, 3), ">f4")
    word, half = ctypes.c_int64.from_address, ctypes.c_int32.from_address
    own, lengths, dtype = id(array), word(id(array) + LENGTHS).value, word(id(array) + DTYPE).value
    same = (half(own + AXES).value, half(own + FLAGS).value, dtype) == (2, array.flags.num, id(array.dtype))
    same = same and (word(dtype + SCALARS).value, ctypes.string_at(dtype + BYTE_ORDER, 1)) == (id(np.float32), b">")
    references, held = half(own).value, [array]
    same = same and (references, half(own).value) == (len(held), 1 + len(held)) and not word(own + WEAK_REFERENCES).value
    reference, view = weakref.ref(array), array[1:]
    same = same and (word(own + WEAK_REFERENCES).value, word(id(view) + BASE).value) == (id(reference), own)
    if not same or [word(lengths + 8 * k).value for k in (0, 1)] != [2, 3]:
        raise ImportError("NumPy arrays do not keep their parts where minigrad expects them")


_check_layout()
_TAKE, _ALLOCATE = Builtin("mg_take", 1, _take), Builtin("mg_allocate", 0, _allocate)
_WRAP, _CALL = Builtin("mg_wrap", 3, _wrap), Builtin("mg_call", 5, _call)
