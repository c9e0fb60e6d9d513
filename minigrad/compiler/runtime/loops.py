"""The loops of NumPy's elementwise functions, called without the functions: on few elements these take longer than the loops.

The same loop on the same numbers gives the same bits.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...graph.types import FLOAT, WIDE
from ...primitives.elementwise import _sigmoid
from ..llvm.entry import ARRAY_DATA
from .builtin import BYTES, TYPE, Body
from .memory import TUPLE_ITEMS
from .objects import AXES, DTYPE, FLAGS, LENGTHS, ORDERLY

FEW = 512  # elements, from two on: NumPy takes steps of 0 for one
# Offsets by NumPy's C interface, in a function: the numbers of arguments and results, the loops, what is given to each of them, and how
# many there are.
NIN, NOUT, LOOPS, GIVEN, KNOWN = (object.__basicsize__ + n for n in (0, 4, 16, 24, 32))
# Where the arguments of a loop are: operands, the result, memory for what is between, and numbers.
X, RESULT, BETWEEN, NUMBERS, SLOTS = 0, 2, 3, 8, 11
MOST_BETWEEN, MOST_NUMBERS = NUMBERS - BETWEEN, SLOTS - NUMBERS

Step = tuple[np.ufunc, tuple[Any, ...]]  # a function, its arguments and its result


class Noted(np.lib.mixins.NDArrayOperatorsMixin):
    """What stands for an array in a rule, and notes the functions that the rule calls."""

    def __init__(self, dtype: np.dtype, steps: list[Step]):
        self.dtype, self.steps = dtype, steps

    def __array_ufunc__(self, f: np.ufunc, method: str, *values: Any) -> Noted:
        made = Noted(self.dtype, self.steps)
        self.steps.append((f, (*values, made)))
        return made


def objects() -> tuple[Any, ...]:
    """What `looped` takes: the table, dtypes, and memory for what is between loops. No other thread runs Python while it is in use."""
    return table(), FLOAT, WIDE, np.empty((MOST_BETWEEN, FEW), WIDE)


def table() -> dict[Any, tuple[bytes, bytes]]:
    """For the rule of an operation its loops: words for float32, and for float64."""
    functions = {f for f in vars(np).values() if isinstance(f, np.ufunc) and f.signature is None and f.nout == 1 and f.nin <= 2}
    rules: list[Callable[..., Any]] = [*functions, _sigmoid]
    found = {rule: (_words(rule, FLOAT), _words(rule, WIDE)) for rule in rules}
    return {rule: (x, y) for rule, (x, y) in found.items() if x is not None and y is not None}


def _words(rule: Callable[..., Any], dtype: np.dtype) -> bytes | None:
    """The numbers of operands and of steps, the numbers that the rule takes, then of each step its loop, what is given to it and three
    places. None where there is no such loop."""
    steps: list[Step] = []
    operands = [Noted(dtype, steps) for _ in range(getattr(rule, "nin", 1))]
    result = rule(*operands)
    places = {id(x): X + i for i, x in enumerate(operands)} | {id(values[-1]): BETWEEN + i for i, (_, values) in enumerate(steps)}
    places[id(result)] = RESULT
    numbers = {id(v): v for _, values in steps for v in values if id(v) not in places}
    assert result is steps[-1][1][-1], f"{rule} calls more than NumPy's elementwise functions"
    assert len(steps) <= 1 + MOST_BETWEEN
    assert len(numbers) <= MOST_NUMBERS
    places |= {n: NUMBERS + i for i, n in enumerate(numbers)}
    held = b"".join(np.asarray(n, dtype).tobytes().ljust(8, b"\0") for n in numbers.values()).ljust(8 * MOST_NUMBERS, b"\0")
    words: list[int] = []
    for f, values in steps:
        loop, at = loop_of(f, dtype), [places[id(v)] for v in values]
        if loop is None:
            return None
        words += [*loop, *at, *at[: 3 - len(at)]]
    return struct.pack("2q", len(operands), len(steps)) + held + struct.pack(f"{len(words)}q", *words)


def loop_of(f: np.ufunc, dtype: np.dtype) -> tuple[int, int] | None:
    """The addresses of the loop for operands and a result of this dtype, and of what is given to it."""
    types = f"{dtype.char * f.nin}->{dtype.char}"
    if types not in f.types:
        return None
    at, word = f.types.index(types), ctypes.c_int64.from_address
    loop, given = (word(word(id(f) + offset).value + 8 * at).value for offset in (LOOPS, GIVEN))
    return (loop, given) if loop else None


def looped(body: Body, rule: str, values: str, count: str, attrs: str, array_type: str, given: Sequence[str]) -> str:
    """The result of a rule that is in the table: a reference. Go to `general` for another rule, and unless the operands are float32 or
    float64 arrays of one shape, of few elements, one after the other in memory."""
    rules, float_, wide, between = given

    def require(x: str, y: str, kind: str = "i64") -> None:
        body.go_if(body.other(x, y, kind), "general")

    def word(of: str, i: int) -> str:
        return body.load(of, BYTES + 8 * i, "i64")

    slots, strides = body.variable("zeroinitializer", f"[{SLOTS} x ptr]"), body.variable("zeroinitializer", f"[{SLOTS} x i64]")
    arguments, steps = body.variable("zeroinitializer", "[3 x ptr]"), body.variable("zeroinitializer", "[3 x i64]")
    size = body.variable("1", "i64")
    both = body.call("ptr", "PyDict_GetItemWithError", ("ptr", rules), ("ptr", rule))
    with body.when(body.same(both, "null"), leaves=True):
        body.call("void", "PyErr_Clear")  # a rule that cannot be hashed
        body.do("br label %general")
    body.go_if(body.emit(f"icmp eq i64 {count}, 0"), "general")
    require(body.call("i64", "PyDict_Size", ("ptr", attrs)), "0")
    first = body.get(values)
    require(body.load(first, TYPE), array_type, "ptr")
    dtype, axes, lengths = body.load(first, DTYPE), body.load(first, AXES, "i32"), body.load(first, LENGTHS)
    is_float = body.same(dtype, float_)
    body.go_if(body.emit(f"xor i1 {body.emit(f'or i1 {is_float}, {body.same(dtype, wide)}')}, true"), "general")
    words = body.emit(f"select i1 {is_float}, ptr {body.load(both, TUPLE_ITEMS)}, ptr {body.load(both, TUPLE_ITEMS + 8)}")
    itemsize = body.emit(f"select i1 {is_float}, i64 {FLOAT.itemsize}, i64 {WIDE.itemsize}")
    require(word(words, 0), count)
    rank = body.emit(f"sext i32 {axes} to i64")
    with body.loop(rank, "axis") as k:
        body.set(size, body.emit(f"mul i64 {body.get(size, 'i64')}, {body.get(body.place(lengths, k, 'i64'), 'i64')}"), "i64")
        body.go_if(body.emit(f"icmp ugt i64 {body.get(size, 'i64')}, {FEW}"), "general")
    body.go_if(body.emit(f"icmp ult i64 {body.get(size, 'i64')}, 2"), "general")
    with body.loop(count, "operand") as i:
        x = body.item(values, i)
        require(body.load(x, TYPE), array_type, "ptr")
        require(body.load(x, DTYPE), dtype, "ptr")
        require(body.emit(f"and i32 {body.load(x, FLAGS, 'i32')}, {ORDERLY}"), str(ORDERLY), "i32")
        require(body.load(x, AXES, "i32"), axes, "i32")
        with body.loop(rank, "axis") as k:
            require(*(body.get(body.place(p, k, "i64"), "i64") for p in (body.load(x, LENGTHS), lengths)))
        body.set(body.place(slots, i), body.load(x, ARRAY_DATA))
    body.hold(dtype)  # which the function takes
    operands = [("ptr", array_type), ("ptr", dtype), ("i32", axes), ("ptr", lengths), ("ptr", "null"), ("ptr", "null"), ("i32", "0")]
    made = body.made("mg_new_array", *operands, ("ptr", "null"))
    memory = body.load(between, ARRAY_DATA)
    places = {RESULT: body.load(made, ARRAY_DATA)} | {BETWEEN + i: body.at(memory, WIDE.itemsize * FEW * i) for i in range(MOST_BETWEEN)}
    for slot, place in (places | {NUMBERS + i: body.at(words, BYTES + 8 * (2 + i)) for i in range(MOST_NUMBERS)}).items():
        body.set(body.place(slots, slot), place)
    for slot in range(NUMBERS):  # a number has a stride of 0
        body.set(body.place(strides, slot, "i64"), itemsize, "i64")
    with body.loop(word(words, 1), "step") as i:
        step = body.place(body.at(words, BYTES + 8 * (2 + MOST_NUMBERS)), body.emit(f"mul i64 {i}, 5"), "i64")
        loop, own = body.get(step), body.get(body.place(step, 1))
        for n in range(3):
            of = body.get(body.place(step, 2 + n, "i64"), "i64")
            body.set(body.place(arguments, n), body.item(slots, of))
            body.set(body.place(steps, n, "i64"), body.get(body.place(strides, of, "i64"), "i64"), "i64")
        body.do(f"call void {loop}(ptr {arguments}, ptr {size}, ptr {steps}, ptr {own})")
    return made


def _check_layout() -> None:
    half, f = ctypes.c_int32.from_address, np.ldexp
    found = [half(id(f) + offset).value for offset in (NIN, NOUT, KNOWN)]
    if found != [f.nin, f.nout, len(f.types)]:
        raise ImportError("NumPy's functions do not keep their loops where minigrad expects them")


_check_layout()
