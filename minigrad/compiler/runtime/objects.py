"""What a call asks of many arrays at once, as machine code on the array objects: whether they fit, and that they become read-only."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from ..llvm.entry import ARRAY_DATA
from ..llvm.functions import Unit
from ..llvm.llvm_text import Text
from .link import link
from .memory import TUPLE_ITEMS

# Offsets by NumPy's C interface. In an array, the number of axes, the lengths, the strides, the base, the dtype and the flags stand after
# the data pointer. A dtype begins with the type of its scalars, two letters, and the byte order. There are several objects for one dtype.
TYPE, AXES, LENGTHS, DTYPE, FLAGS = ARRAY_DATA - 8, ARRAY_DATA + 8, ARRAY_DATA + 16, ARRAY_DATA + 40, ARRAY_DATA + 48
SCALARS, BYTE_ORDER = object.__basicsize__, object.__basicsize__ + 10
ORDERLY, WRITEABLE = 0x101, 0x400  # C-contiguous and aligned


class Types:
    """Dtypes and shapes of a sequence of arrays."""

    def __init__(self, types: Sequence[tuple[tuple[int, ...], np.dtype]]):
        self.count = len(types)
        records = [n for shape, d in types for n in (id(np.ndarray), id(d.type), ord(d.byteorder), len(shape), *shape)]
        self.records = (ctypes.c_int64 * len(records))(*records)

    def fit(self, arrays: tuple[Any, ...]) -> bool:
        """Whether these are arrays of just these dtypes and shapes, C-contiguous and aligned. Objects that are no arrays do not fit."""
        return len(arrays) == self.count and bool(_functions()[0](id(arrays) + TUPLE_ITEMS, self.count, self.records))


def freeze(arrays: tuple[np.ndarray, ...]) -> None:
    """Make arrays read-only."""
    _functions()[1](id(arrays) + TUPLE_ITEMS, len(arrays))


@cache
def _functions() -> tuple[Callable[..., int], Callable[..., None]]:
    found = link([Unit("mg_fit", _fit(), plain=False), Unit("mg_freeze", _freeze(), plain=False)])
    fit = ctypes.PYFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)(found["mg_fit"])
    return fit, ctypes.PYFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(found["mg_freeze"])


def _fit() -> str:
    """i64 mg_fit(objects, count, records): 1 if each is an array of its record (its types, byte order, axes, lengths), else 0."""
    text = Text()
    text.do("%record = alloca ptr")
    text.do("store ptr %records, ptr %record")

    def refuse(kind: str, a: str, b: str) -> None:
        with text.when(text.emit(f"icmp ne {kind} {a}, {b}"), leaves=True):
            text.do("ret i64 0")

    with text.loop("%count") as i:
        item = text.emit(f"load ptr, ptr {text.emit(f'getelementptr ptr, ptr %objects, i64 {i}')}")

        def part(offset: int, kind: str, of: str = item) -> str:
            return text.emit(f"load {kind}, ptr {text.emit(f'getelementptr i8, ptr {of}, i64 {offset}')}")

        record = text.emit("load ptr, ptr %record")
        refuse("i64", part(TYPE, "i64"), part(0, "i64", record))
        dtype = part(DTYPE, "ptr")
        refuse("i64", part(SCALARS, "i64", dtype), part(8, "i64", record))
        refuse("i64", text.emit(f"sext i8 {part(BYTE_ORDER, 'i8', dtype)} to i64"), part(16, "i64", record))
        refuse("i32", text.emit(f"and i32 {part(FLAGS, 'i32')}, {ORDERLY}"), str(ORDERLY))
        axes = part(24, "i64", record)
        refuse("i64", text.emit(f"sext i32 {part(AXES, 'i32')} to i64"), axes)
        lengths, wanted = part(LENGTHS, "ptr"), text.emit(f"getelementptr i64, ptr {record}, i64 4")
        with text.loop(axes, "axis") as k:
            found = [text.emit(f"load i64, ptr {text.emit(f'getelementptr i64, ptr {p}, i64 {k}')}") for p in (lengths, wanted)]
            refuse("i64", *found)
        text.do(f"store ptr {text.emit(f'getelementptr i64, ptr {wanted}, i64 {axes}')}, ptr %record")
    lines = "\n".join(text.lines)
    return f"define i64 @mg_fit(ptr %objects, i64 %count, ptr %records) {{\nentry:\n{lines}\n  ret i64 1\n}}"


def _freeze() -> str:
    """void mg_freeze(objects, count)."""
    text = Text()
    with text.loop("%count") as i:
        item = text.emit(f"load ptr, ptr {text.emit(f'getelementptr ptr, ptr %objects, i64 {i}')}")
        flags = text.emit(f"getelementptr i8, ptr {item}, i64 {FLAGS}")
        before = text.emit(f"load i32, ptr {flags}")
        text.do(f"store i32 {text.emit(f'and i32 {before}, {~WRITEABLE}')}, ptr {flags}")
    lines = "\n".join(text.lines)
    return f"define void @mg_freeze(ptr %objects, i64 %count) {{\nentry:\n{lines}\n  ret void\n}}"
