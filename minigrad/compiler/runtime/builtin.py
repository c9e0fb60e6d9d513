"""Built-in functions written as LLVM text. Python calls them as it calls its own, and they read and make its objects.

A call costs a tenth of a microsecond, where ctypes takes one. It holds the interpreter's lock, unless the text releases it.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from numpy._core import _multiarray_umath  # type: ignore[attr-defined]

from ..llvm.entry import ARRAY_DATA
from ..llvm.functions import Unit
from ..llvm.llvm_text import Text
from .link import link
from .memory import TUPLE_ITEMS

# Offsets by Python's C interface. The type is the last field of an object's header. After the header of a tuple or a list stands the number
# of its items, then for a list the address of the first one. A bytes object ends with its bytes and a zero.
TYPE, COUNT, LIST_ITEMS, BYTES = ARRAY_DATA - 8, ARRAY_DATA, ARRAY_DATA + 8, bytes.__basicsize__ - 1
FAST = 0x80  # METH_FASTCALL: the function takes what it is bound to, the address of its arguments, and their number
NEW_ARRAY, ARRAY_TYPE = 94, 2  # places in the table of NumPy's C interface: PyArray_NewFromDescr, PyArray_Type


class Body(Text):
    """The instructions of a built-in function. `%own` is the object that it is bound to, `%args` the address of its arguments.

    What a function returns is one reference to an object. Where none can be made it goes to `failed`, with Python's exception set."""

    def at(self, of: str, offset: int) -> str:
        """The address so many bytes after another."""
        return self.emit(f"getelementptr i8, ptr {of}, i64 {offset}")

    def place(self, items: str, i: int | str, kind: str = "ptr") -> str:
        """The address of an item."""
        return self.emit(f"getelementptr {kind}, ptr {items}, i64 {i}")

    def get(self, address: str, kind: str = "ptr") -> str:
        return self.emit(f"load {kind}, ptr {address}")

    def set(self, address: str, value: str, kind: str = "ptr") -> None:
        self.do(f"store {kind} {value}, ptr {address}")

    def load(self, of: str, offset: int, kind: str = "ptr") -> str:
        return self.get(self.at(of, offset), kind)

    def store(self, value: str, of: str, offset: int, kind: str = "ptr") -> None:
        self.set(self.at(of, offset), value, kind)

    def item(self, items: str, i: int | str) -> str:
        return self.get(self.place(items, i))

    def items(self, of: str, count: int) -> list[str]:
        """The first items of a tuple."""
        return [self.load(of, TUPLE_ITEMS + 8 * i) for i in range(count)]

    def variable(self, value: str, kind: str = "ptr") -> str:
        """The address of a variable with this value."""
        name = f"%var.{self.fresh()}"
        self.lines.insert(0, f"  {name} = alloca {kind}")
        self.set(name, value, kind)
        return name

    def same(self, x: str, y: str) -> str:
        return self.emit(f"icmp eq ptr {x}, {y}")

    def other(self, x: str, y: str, kind: str = "ptr") -> str:
        return self.emit(f"icmp ne {kind} {x}, {y}")

    def go_if(self, condition: str, label: str) -> None:
        with self.when(condition, leaves=True):
            self.do(f"br label %{label}")

    def hold(self, x: str) -> None:
        """One more reference to an object."""
        self.call("void", "Py_IncRef", ("ptr", x))

    def drop(self, x: str) -> None:
        """One reference less."""
        self.call("void", "Py_DecRef", ("ptr", x))

    def put(self, x: str, of: str, offset: int) -> None:
        """An object in an empty field."""
        self.hold(x)
        self.store(x, of, offset)

    def made(self, function: str, *operands: tuple[str, str]) -> str:
        """What a function of Python's C interface makes."""
        found = self.call("ptr", function, *operands)
        self.go_if(self.same(found, "null"), "failed")
        return found

    def must(self, function: str, *operands: tuple[str, str]) -> None:
        """Calls a function of Python's C interface that gives 0, or something else for an exception."""
        self.go_if(self.other(self.call("i32", function, *operands), "0", "i32"), "failed")

    def require_node(self, x: str, node_type: str, label: str) -> None:
        """Go to the label unless this is a node: of nothing else the fields are where a node has them."""
        self.go_if(self.same(x, "null"), label)
        kind = self.load(x, TYPE)
        with self.when(self.other(kind, node_type)):
            is_node = self.call("i32", "PyType_IsSubtype", ("ptr", kind), ("ptr", node_type))
            self.go_if(self.emit(f"icmp eq i32 {is_node}, 0"), label)

    def pair(self, x: str, y: str) -> str:
        """A tuple of two new objects. Where none can be made they are dropped, and the function fails."""
        found = self.call("ptr", "PyTuple_New", ("i64", "2"))
        with self.when(self.same(found, "null"), leaves=True):
            self.drop(x)
            self.drop(y)
            self.give("null")
        self.store(x, found, TUPLE_ITEMS)
        self.store(y, found, TUPLE_ITEMS + 8)
        return found

    def give(self, x: str) -> None:
        self.do(f"ret ptr {x}")


class Builtin:
    """A built-in function of so many arguments. It relies on the types of what it is given, and of what it is bound to."""

    def __init__(self, name: str, arguments: int, write: Callable[[Body], None]):
        body = Body()
        with body.when(body.other("%count", str(arguments), "i64"), leaves=True):
            body.call("i32", "PyErr_BadArgument")
            body.give("null")
        write(body)
        head = f"define ptr @{name}(ptr %own, ptr %args, i64 %count) {{"
        text = "\n".join([*body.declarations.values(), head, "entry:", *body.lines, "}"])
        self.unit, self.needed = Unit(name, text, plain=True), [*body.declarations]

    def bound(self, own: Any) -> Callable[..., Any]:
        """The function, bound to an object."""
        return _new_function(_definition(self), own, None)


@cache
def _definition(builtin: Builtin) -> int:
    for name in builtin.needed:
        llvm.add_symbol(name, _address(name))
    name = builtin.unit.name
    found = _Definition(name.encode(), link([builtin.unit])[name], FAST, None)
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(found))  # functions may outlive this module
    return ctypes.addressof(found)


class _Definition(ctypes.Structure):
    """PyMethodDef."""

    _fields_ = (("name", ctypes.c_char_p), ("function", ctypes.c_void_p), ("flags", ctypes.c_int), ("doc", ctypes.c_char_p))


_new_function = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)(
    ("PyCFunction_NewEx", ctypes.pythonapi)
)
_pointer_of = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)(("PyCapsule_GetPointer", ctypes.pythonapi))


def _address(name: str) -> int:
    """The address of a function of Python's C interface, or of NumPy's."""
    if name != "mg_new_array":
        return ctypes.cast(ctypes.pythonapi[name], ctypes.c_void_p).value or 0
    table = (ctypes.c_void_p * (NEW_ARRAY + 1)).from_address(_pointer_of(_multiarray_umath._ARRAY_API, None))
    assert table[ARRAY_TYPE] == id(np.ndarray), "the table of NumPy's C interface is another one"
    return table[NEW_ARRAY] or 0


def slot(kind: type, name: str) -> int:
    """The offset of a slot in the objects of a class."""
    made: Any = object.__new__(kind)
    mark = object()
    next(vars(k)[name] for k in kind.__mro__ if name in vars(k)).__set__(made, mark)
    words = (ctypes.c_int64 * (kind.__basicsize__ // 8)).from_address(id(made))
    (found,) = (8 * i for i, word in enumerate(words) if word == id(mark))
    return found


def _require_lock() -> None:
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        raise ImportError("minigrad needs the interpreter's lock, which this Python runs without. Start it with PYTHON_GIL=1")


def _check_layout() -> None:
    word, items, text = ctypes.c_int64.from_address, [object()], b"minigrad"
    found = [word(id(items) + at).value for at in (TYPE, COUNT)] + [word(word(id(items) + LIST_ITEMS).value).value]
    if found != [id(list), 1, id(items[0])] or word(id((1, 2)) + COUNT).value != 2 or ctypes.string_at(id(text) + BYTES, 8) != text:
        raise ImportError("objects of Python do not keep their parts where minigrad expects them")


_require_lock()
_check_layout()
