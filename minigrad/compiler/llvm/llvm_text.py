"""A builder of LLVM IR text: instructions, loops and branches, and values with Python's operators."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

TYPES = {
    "float16": "i16",
    "bfloat16": "i16",
    "float32": "float",
    "float64": "double",
    "int32": "i32",
    "uint32": "i32",
    "int64": "i64",
    "uint64": "i64",
    "uint8": "i8",
    "uint16": "i16",
    "bool": "i1",
}
SUFFIX = {"float": "f32", "double": "f64", "i1": "i1", "i8": "i8", "i16": "i16", "i32": "i32", "i64": "i64"}


def real(type: str, value: float) -> str:
    """A floating-point constant, rounded to `type`, as a hexadecimal number, which LLVM reads without rounding."""
    if type == "float":
        try:
            value = struct.unpack("<f", struct.pack("<f", value))[0]
        except OverflowError:
            value = float("inf") if value > 0 else -float("inf")
    return f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"


def constant(type: str, value: float | int | bool) -> str:
    """A scalar constant of LLVM type `type`."""
    if type == "i1":
        return "true" if value else "false"
    if type in ("float", "double"):
        return real(type, float(value))
    bits = int(type[1:])
    wrapped = int(value) & (2**bits - 1)
    return str(wrapped - 2**bits if wrapped >= 2 ** (bits - 1) else wrapped)


class Text:
    """The instructions of one function, and the declarations of what they call."""

    def __init__(self, declarations: dict[str, str] | None = None) -> None:
        self.lines: list[str] = []
        self.declarations = declarations if declarations is not None else {}
        self.block = "entry"
        self._count = 0

    def fresh(self) -> str:
        self._count += 1
        return str(self._count)

    def emit(self, instruction: str) -> str:
        """Appends an instruction and returns the name of its result."""
        name = f"%v{self.fresh()}"
        self.lines.append(f"  {name} = {instruction}")
        return name

    def do(self, instruction: str) -> None:
        """Appends an instruction that has no result."""
        self.lines.append(f"  {instruction}")

    def label(self, name: str) -> None:
        self.lines.append(f"{name}:")
        self.block = name

    @contextmanager
    def loop(self, extent: str, name: str = "i", metadata: str = "") -> Iterator[str]:
        """A loop over 0 … extent - 1. Instructions inside the `with` are its body; yields the counter, an i64."""
        n, before = self.fresh(), self.block
        counter, following = f"%at.{name}.{n}", f"%next.{n}"
        some = str(int(extent) > 0).lower() if extent.isdigit() else self.emit(f"icmp sgt i64 {extent}, 0")
        self.do(f"br i1 {some}, label %loop.{n}, label %end.{n}")
        self.label(f"loop.{n}")
        start = len(self.lines)
        yield counter
        self.lines.insert(start, f"  {counter} = phi i64 [0, %{before}], [{following}, %{self.block}]")
        self.do(f"{following} = add nuw nsw i64 {counter}, 1")
        done = self.emit(f"icmp eq i64 {following}, {extent}")
        self.do(f"br i1 {done}, label %end.{n}, label %loop.{n}{metadata}")
        self.label(f"end.{n}")

    @contextmanager
    def forever(self) -> Iterator[Callable[[str], None]]:
        """A loop without a counter. Yields a function that generates an instruction to leave the loop if a condition is false."""
        n = self.fresh()
        self.do(f"br label %while.{n}")
        self.label(f"while.{n}")

        def leave_unless(condition: str) -> None:
            self.do(f"br i1 {condition}, label %do.{n}, label %done.{n}")
            self.label(f"do.{n}")

        yield leave_unless
        self.do(f"br label %while.{n}")
        self.label(f"done.{n}")

    @contextmanager
    def when(self, condition: str, leaves: bool = False) -> Iterator[None]:
        """An `if`: instructions inside the `with` run if the condition is true. With `leaves` they end with `ret`."""
        n = self.fresh()
        self.do(f"br i1 {condition}, label %then.{n}, label %endif.{n}")
        self.label(f"then.{n}")
        yield
        if not leaves:
            self.do(f"br label %endif.{n}")
        self.label(f"endif.{n}")

    def call(self, result: str, function: str, *operands: tuple[str, str]) -> str:
        """Declares an external function or intrinsic and calls it."""
        types = ", ".join(type for type, _ in operands)
        self.declarations[function] = f"declare {result} @{function}({types})"
        arguments = ", ".join(f"{type} {name}" for type, name in operands)
        if result == "void":
            self.do(f"call void @{function}({arguments})")
            return ""
        return self.emit(f"call {result} @{function}({arguments})")


@dataclass(frozen=True)
class Value:
    """A scalar or vector with Python's operators. Each operator appends one instruction, without fast-math flags."""

    text: Text
    type: str
    name: str

    @property
    def lanes(self) -> int:
        """The number of elements of a vector; 0 for a scalar."""
        return int(self.type[1:].split(" x ")[0]) if self.type[0] == "<" else 0

    @property
    def element(self) -> str:
        """The type of an element of a vector, or of the scalar."""
        return self.type.strip("<>").split(" x ")[-1]

    def with_element(self, element: str) -> str:
        """The type of a value like this one, of other elements."""
        return f"<{self.lanes} x {element}>" if self.lanes else element

    @property
    def is_float(self) -> bool:
        return self.element in ("float", "double")

    @property
    def int_type(self) -> str:
        return self.with_element({"float": "i32", "double": "i64"}.get(self.element, self.element))

    def make(self, instruction: str, type: str | None = None) -> Value:
        return Value(self.text, type or self.type, self.text.emit(instruction))

    def const(self, value: float | int) -> Value:
        number = constant(self.element, value)
        return Value(self.text, self.type, f"splat ({self.element} {number})" if self.lanes else number)

    def lift(self, other: Value | float) -> Value:
        return other if isinstance(other, Value) else self.const(other)

    def _op(self, op: str, other: Value | float) -> Value:
        return self.make(f"{'f' if self.is_float else ''}{op} {self.type} {self.name}, {self.lift(other).name}")

    def __add__(self, other: Value | float) -> Value:
        return self._op("add", other)

    def __sub__(self, other: Value | float) -> Value:
        return self._op("sub", other)

    def __mul__(self, other: Value | float) -> Value:
        return self._op("mul", other)

    def __truediv__(self, other: Value | float) -> Value:
        return self._op("div", other)

    def __mod__(self, other: Value | float) -> Value:
        """C's fmod, which has the sign of this value."""
        return self._op("rem", other)

    def __radd__(self, other: float) -> Value:
        return self.const(other) + self

    def __rsub__(self, other: float) -> Value:
        return self.const(other) - self

    def __neg__(self) -> Value:
        return self.make(f"fneg {self.type} {self.name}")

    def __and__(self, other: Value | float) -> Value:
        return self._op("and", other)

    def __or__(self, other: Value | float) -> Value:
        return self._op("or", other)

    def __lshift__(self, bits: int) -> Value:
        return self._op("shl", bits)

    def __rshift__(self, bits: int) -> Value:
        """The arithmetic shift."""
        return self._op("ashr", bits)

    def __lt__(self, other: Value | float) -> Value:
        return self.compare("lt", other)

    def __gt__(self, other: Value | float) -> Value:
        return self.compare("gt", other)

    def compare(self, op: str, other: Value | float) -> Value:
        """lt, le, gt, ge and eq are false for NaN; ne is true for NaN."""
        rhs = self.lift(other).name
        if self.is_float:
            return self.make(f"fcmp {'u' if op == 'ne' else 'o'}{op} {self.type} {self.name}, {rhs}", self.with_element("i1"))
        return self.make(f"icmp {op if op in ('eq', 'ne') else 's' + op} {self.type} {self.name}, {rhs}", self.with_element("i1"))

    def select(self, x: Value, y: Value | float) -> Value:
        """`x` if this condition is true, else `y`."""
        return x.make(f"select {self.type} {self.name}, {x.type} {x.name}, {x.type} {x.lift(y).name}")

    def call(self, function: str, *others: Value) -> Value:
        """Calls the LLVM intrinsic for this type."""
        values = (self, *others)
        suffix = f"{f'v{self.lanes}' if self.lanes else ''}{SUFFIX[self.element]}"
        name = self.text.call(self.type, f"llvm.{function}.{suffix}", *((v.type, v.name) for v in values))
        return Value(self.text, self.type, name)

    def fma(self, factor: Value | float, addend: Value | float) -> Value:
        """self * factor + addend, as a fused multiply-add if the machine has one."""
        return self.call("fmuladd", self.lift(factor), self.lift(addend))

    def abs(self) -> Value:
        return self.call("fabs")

    def any(self) -> Value:
        """Whether a truth, or any of a vector, is true."""
        if not self.lanes:
            return self
        name = self.text.call("i1", f"llvm.vector.reduce.or.v{self.lanes}i1", (self.type, self.name))
        return Value(self.text, "i1", name)

    def bits(self) -> Value:
        """The float's bits as an integer."""
        return self.make(f"bitcast {self.type} {self.name} to {self.int_type}", self.int_type)

    def convert(self, operation: str, type: str) -> Value:
        return self.make(f"{operation} {self.type} {self.name} to {type}", type)
