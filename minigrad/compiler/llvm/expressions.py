"""Scalar and index expressions of the loop IR, as LLVM instructions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from typing import Any, TypeVar

import ml_dtypes  # noqa: F401  (NumPy then knows the name bfloat16)
import numpy as np

from .. import loop_ir as L
from .arithmetic import Arithmetic
from .llvm_text import TYPES, Text, constant

T = TypeVar("T", bound=L.Expr | L.Index)


class Expressions(Arithmetic):
    """Appends the instructions of an expression to `text`.

    `loops` and `scalars` map the names in scope to registers; `variables` maps them to stack slots."""

    def __init__(self, text: Text, math: set[tuple[str, str]]) -> None:
        super().__init__(text, math)
        self.loops: dict[str, str] = {}
        self.scalars: dict[str, str] = {}
        self.variables: dict[str, str] = {}

    def address(self, buffer: L.Buffer, index: str) -> str:
        memory_type = "i8" if buffer.dtype == "bool" else TYPES[buffer.dtype]
        return self.text.emit(f"getelementptr inbounds {memory_type}, ptr %ptr.{buffer.name}, i64 {index}")

    def store(self, buffer: L.Buffer, index: str, value: str) -> None:
        if buffer.dtype == "bool":
            value, type = self.text.emit(f"zext i1 {value} to i8"), "i8"
        else:
            type = TYPES[buffer.dtype]
        self.text.do(f"store {type} {value}, ptr {self.address(buffer, index)}, align {buffer.itemsize}")

    def load(self, buffer: L.Buffer, index: str) -> str:
        type = "i8" if buffer.dtype == "bool" else TYPES[buffer.dtype]
        value = self.text.emit(f"load {type}, ptr {self.address(buffer, index)}, align {buffer.itemsize}")
        return self.text.emit(f"icmp ne i8 {value}, 0") if buffer.dtype == "bool" else value

    def index(self, index: L.IndexLike) -> str:
        match index:
            case L.Literal(value):
                return str(value)
            case L.Size(name):
                return f"%size.{name}"
            case L.LoopVar(name):
                return self.loops[name]
            case L.AsIndex(expr):
                return self.convert(self.expr(expr), expr.dtype, "int64")
            case L.IndexOp("//" | "%" as op, left, right):
                return self.floor_divide(op, left, right)
            case L.IndexOp("min", left, right):
                return self.text.call("i64", "llvm.smin.i64", ("i64", self.index(left)), ("i64", self.index(right)))
            case L.IndexOp(op, left, right):
                name = {"+": "add", "-": "sub", "*": "mul"}[op]
                return self.text.emit(f"{name} nsw i64 {self.index(left)}, {self.index(right)}")
        return str(index)

    def floor_divide(self, op: str, left: L.Index, right: L.Index) -> str:
        x, y, emit = self.index(left), self.index(right), self.text.emit
        if _natural(left):
            return emit(f"{'udiv' if op == '//' else 'urem'} i64 {x}, {y}")
        remainder = emit(f"srem i64 {x}, {y}")
        negative = emit(f"icmp slt i64 {remainder}, 0")
        if op == "%":
            return emit(f"select i1 {negative}, i64 {emit(f'add i64 {remainder}, {y}')}, i64 {remainder}")
        return emit(f"add i64 {emit(f'sdiv i64 {x}, {y}')}, {emit(f'sext i1 {negative} to i64')}")

    def expr(self, expr: L.Expr) -> str:
        match expr:
            case L.Const(dtype, value) if dtype in L.HALVES:
                return constant("i16", int(np.array(value, dtype).view("uint16")))
            case L.Const(dtype, value):
                return constant(TYPES[dtype], value)
            case L.Read(name, dtype):
                if name in self.variables:
                    return self.text.emit(f"load {TYPES[dtype]}, ptr {self.variables[name]}")
                return self.scalars[name]
            case L.Load(buffer, index):
                return self.load(buffer, self.index(index))
            case L.FromIndex(index, dtype):
                return self.convert(self.index(index), "int64", dtype)
            case L.Cast(dtype, x):
                return self.convert(self.expr(x), x.dtype, dtype)
            case L.Bitcast(dtype, x):
                return self.bitcast(self.expr(x), x.dtype, dtype)
            case L.Unary(op, x):
                return self.unary(op, x.dtype, self.expr(x))
            case L.Binary("pow", x, L.Const(dtype, 2 | 3 | 4 | 0.5 | -1 as exponent)) if dtype in L.FLOATS or exponent > 1:
                return self.constant_power(dtype, self.expr(x), exponent)
            case L.Binary(op, x, y):
                return self.binary(op, x.dtype, self.expr(x), self.expr(y))
            case L.Libm(name, args):
                type = TYPES[expr.dtype]
                return self.text.call(type, name + "f" * (expr.dtype == "float32"), *((type, self.expr(x)) for x in args))
            case L.Compare(op, x, y):
                return self.compare(op, x.dtype, self.expr(x), self.expr(y))
            case L.Select(condition, x, y):
                type = TYPES[expr.dtype]
                operands = f"{type} {self.expr(x)}, {type} {self.expr(y)}"
                return self.text.emit(f"select i1 {self.expr(condition)}, {operands}")
        raise TypeError(f"not an expression: {expr!r}")


def every(kind: type[T], x: Any) -> Iterator[T]:
    """The expressions of one kind in statements, each as often as it occurs."""
    stack = [x]
    while stack:
        x = stack.pop()
        if isinstance(x, kind):
            yield x
        own: Any = type(x)
        if own is tuple:
            stack += reversed(x)
        elif names := _fields(own):
            stack += [getattr(x, name) for name in names]


@cache
def _fields(kind: Any) -> tuple[str, ...]:
    """The fields in which an expression or a statement has others, the last one first; none of what is neither."""
    if not issubclass(kind, L.Stmt | L.Expr | L.Index | L.View | L.Array):
        return ()
    return tuple(f.name for f in reversed(fields(kind)) if f.name not in ("note", "name", "op", "dtype"))


def _natural(index: L.IndexLike) -> bool:
    """Whether an index is never negative, as its form shows: made of sizes and loop variables by sums and products."""
    match index:
        case L.Literal(value):
            return value >= 0
        case L.Size() | L.LoopVar():
            return True
        case L.IndexOp("+" | "*" | "//" | "%" | "min", left, right):
            return _natural(left) and _natural(right)
    return isinstance(index, int) and index >= 0
