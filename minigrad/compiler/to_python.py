"""Prints a loop IR function as Python code over NumPy arrays: readable, and the reference for compiled code in tests."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import ml_dtypes  # noqa: F401  (NumPy then knows the name bfloat16)
import numpy as np

from ..graph.values import cast
from ..primitives.elementwise import power
from . import loop_ir as L
from .verify import verify

_ARITHMETIC = {"add": "+", "sub": "-", "mul": "*", "div": "/", "floor_divide": "//", "remainder": "%", "pow": "**"}
_INFIX = {**_ARITHMETIC, "and": "&", "or": "|", "xor": "^", "shl": "<<", "shr": ">>"}
_PREFIX = {"neg": "-", "not": "~"}
_COMPARE = {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!="}


def to_python(function: L.Function) -> str:
    """The source code of `function`: `def name(*buffers, *sizes)`, which returns (error code, recorded value)."""
    parameters = [b.name for b in function.arguments] + [s.name for s in function.sizes]
    lines = [f"def {function.name}({', '.join(parameters)}):"]
    lines += [f"    {b.name} = empty({index(b.size)}, {_name(b.dtype)})" for b in function.locals]
    for stmt in function.body:
        lines += _stmt(stmt, "    ")
    return "\n".join([*lines, "    return 0, 0", ""])


def run_python(function: L.Function, args: Mapping[str, np.ndarray], sizes: Mapping[str, int]) -> tuple[int, int]:
    """Executes the printed code on contiguous arrays, given by name. Returns (error code, recorded value)."""
    verify(function)
    namespace = names(function)
    exec(compile(to_python(function), f"<{function.name}>", "exec"), namespace)
    arrays = [args[b.name].reshape(-1) for b in function.arguments]
    for b, array in zip(function.arguments, arrays, strict=True):
        if not np.shares_memory(array, args[b.name]) and array.size:
            raise ValueError(f"{b.name}: expected a contiguous array")
    with np.errstate(all="ignore"):
        return namespace[function.name](*arrays, *(sizes[s.name] for s in function.sizes))


def names(function: L.Function) -> dict[str, Any]:
    """What the printed code calls by name."""
    return _NAMESPACE | {s.function.symbol: s.function for s in L.walk(function.body) if isinstance(s, L.Extern)}


def _stmt(stmt: L.Stmt, indent: str) -> list[str]:
    note = "  # " + " ".join(str(stmt.note).split()) if stmt.note else ""
    if isinstance(stmt, L.While):
        leave = [f"{indent}    if not {_operand(stmt.condition)}: break"]
        return [f"{indent}while True:{note}", *(_block(stmt.head, indent) if stmt.head else []), *leave, *_block(stmt.body, indent)]
    if isinstance(stmt, L.For | L.Shared | L.If):
        lines = [f"{indent}{_head(stmt)}:{note}", *_block(stmt.body, indent)]
        return [*lines, f"{indent}else:", *_block(stmt.otherwise, indent)] if isinstance(stmt, L.If) and stmt.otherwise else lines
    return [f"{indent}{_line(stmt)}{note}"]


def _block(body: Sequence[L.Stmt], indent: str) -> list[str]:
    return [line for stmt in body for line in _stmt(stmt, indent + "    ")] or [indent + "    pass"]


def _head(stmt: L.For | L.Shared | L.If) -> str:
    if isinstance(stmt, L.If):
        return f"if {expression(stmt.condition)}"
    if isinstance(stmt, L.Shared):
        return f"for {stmt.low.name}, {stmt.high.name} in parts({index(stmt.extent)}, {stmt.grain})"
    start = L.as_index(stmt.start)
    span = f"range({index(stmt.extent)})" if start == L.Literal(0) else f"range({index(start)}, {index(start + stmt.extent)})"
    return f"for {stmt.var.name} in {f'reversed({span})' if stmt.reverse else span}"


def _line(stmt: L.Stmt) -> str:
    match stmt:
        case L.Let(name, expr) | L.Declare(name, expr) | L.Assign(name, expr):
            return f"{name} = {expression(expr)}"
        case L.Store(buffer, at, expr):
            return f"{buffer.name}[{index(at)}] = {expression(expr)}"
        case L.Gemm(m, n, k, a, b, c):
            sizes = ", ".join(map(index, (m, n, k)))
            return f"gemm({sizes}, {_view(a)}, {_view(b)}, {_view(c)})"
        case L.Argsort(target, offset, source, source_offset, n, stride, target_stride, descending, first):
            what = f"{source.name}, {index(source_offset)}, {index(n)}, {index(stride)}, descending={descending}"
            count = n if first is None else first
            place = f"{index(offset)} + {_factor(target_stride)} * arange({index(count)})"
            return f"{target.name}[{place}] = argsort({what})[:{index(count)}]"
        case L.Check(condition, code, value):
            return f"if not {expression(condition)}: return {code}, {index(value)}"
        case L.Extern(function, inputs, outputs, code):
            arrays = [*(_array(a, "array") for a in inputs), *(_array(a, "changed") for a in outputs)]
            return f"if {function.symbol}({', '.join(arrays)}): return {code}, 0"
    raise TypeError(f"not a statement: {stmt!r}")


def _factor(value: L.IndexLike) -> str:
    return f"({index(value)})" if isinstance(value, L.IndexOp) else index(value)


def _array(array: L.Array, made_by: str) -> str:
    return ", ".join([f"{made_by}({array.buffer.name}", index(array.offset), *map(index, array.shape)]) + ")"


def _view(view: L.View) -> str:
    return f"({view.buffer.name}, {index(view.offset)}, {index(view.row_stride)}, {index(view.column_stride)})"


def index(value: L.IndexLike) -> str:
    """An index expression as Python text."""
    match value:
        case L.IndexOp("min", left, right):
            return f"min({index(left)}, {index(right)})"
        case L.IndexOp(op, left, right):
            x, y = (f"({index(s)})" if isinstance(s, L.IndexOp) and not (op == "+" == s.op) else index(s) for s in (left, right))
            return f"{x} {op} {y}"
        case L.Literal(n):
            return str(n)
        case L.Size(name) | L.LoopVar(name):
            return name
        case L.AsIndex(expr):
            return f"int({expression(expr)})"
    return str(value)


def expression(expr: L.Expr) -> str:
    """A scalar expression as Python text."""
    match expr:
        case L.Const(dtype, value):
            return f"{_name(dtype)}({value!r})"
        case L.Read(name):
            return name
        case L.Load(buffer, at):
            return f"{buffer.name}[{index(at)}]"
        case L.FromIndex(at, dtype):
            return f"{dtype}({index(at)})" if dtype in L.FLOATS else f"int64({index(at)}).astype({dtype})"
        case L.Cast(dtype, x) if x.dtype in L.FLOATS and dtype in L.INTEGERS:
            return f"convert({expression(x)}, {dtype})"
        case L.Cast(dtype, x):
            return f"{_operand(x)}.astype({_name(dtype)})"
        case L.Bitcast(dtype, x):
            return f"bits({expression(x)}, {_name(dtype)})"
        case L.Unary(op, x):
            return f"{_PREFIX[op]}{_operand(x)}" if op in _PREFIX else f"{op}({expression(x)})"
        case L.Binary(op, x, y):
            if op in ("maximum", "minimum", "copysign") or (op == "pow" and expr.dtype in L.INTEGERS):
                return f"{op}({expression(x)}, {expression(y)})"
            return f"{_operand(x)} {_INFIX[op]} {_operand(y)}"
        case L.Libm(name, args):
            return f"libm.{name}({', '.join(map(expression, args))})"
        case L.Compare(op, x, y):
            return f"{_operand(x)} {_COMPARE[op]} {_operand(y)}"
        case L.Select(condition, x, y):
            return f"{_operand(x)} if {_operand(condition)} else {_operand(y)}"
    raise TypeError(f"not an expression: {expr!r}")


def _operand(expr: L.Expr) -> str:
    text = expression(expr)
    return f"({text})" if (isinstance(expr, L.Binary | L.Compare | L.Select | L.Unary) and " " in text) or text[0] in "-~" else text


def _name(dtype: str) -> str:
    return "bool_" if dtype == "bool" else dtype


def _gemm(m: int, n: int, k: int, *views: tuple[np.ndarray, int, int, int]) -> None:
    a, b, c = (_strided(*view, shape) for view, shape in zip(views, ((m, k), (k, n), (m, n)), strict=True))
    c[...] = a @ b


def _strided(array: np.ndarray, offset: int, row: int, column: int, shape: tuple[int, int]) -> np.ndarray:
    strides = (row * array.itemsize, column * array.itemsize)
    return np.lib.stride_tricks.as_strided(array[offset:], shape, strides)


def _part(buffer: np.ndarray, offset: int, *shape: int) -> np.ndarray:
    return buffer[offset : offset + math.prod(shape)].reshape(shape)


def _parts(n: int, grain: int) -> list[tuple[int, int]]:
    middle = min(n, (n // 2 + grain - 1) // grain * grain) if n >= L.SPLIT_FROM else n
    return [(0, middle), (middle, n)]


def _argsort(x: np.ndarray, offset: int, n: int, stride: int, descending: bool) -> np.ndarray:
    x = x[offset + stride * np.arange(n)]
    if not descending:
        return np.argsort(x, kind="stable")
    order = n - 1 - np.argsort(x[::-1], kind="stable")[::-1]
    missing = np.isnan(x[order])
    return np.concatenate([order[~missing], order[missing]])


class _Libm:
    """The functions of the C library. The result has the precision of the argument."""

    def __getattr__(self, name: str) -> Any:
        f = getattr(math, name)

        def call(*args: Any) -> Any:
            try:
                return type(args[0])(f(*map(float, args)))
            except (ValueError, OverflowError) as error:
                return type(args[0])(math.nan if isinstance(error, ValueError) else math.inf)

        return call


def _sigmoid(x: Any) -> Any:
    e = np.exp(-abs(x))
    return (type(x)(1) if x >= 0 else e) / (1 + e)


_NAMESPACE: dict[str, Any] = {
    **{name: np.dtype(name).type for name in ("float16", "bfloat16")},
    **{name: getattr(np, name) for name in ("float32", "float64", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool_")},
    **{name: getattr(np, name) for name in ("exp", "expm1", "log", "log1p", "sqrt", "tanh", "sin", "cos", "floor", "ceil", "trunc", "abs")},
    **{name: getattr(np, name) for name in ("sign", "maximum", "minimum", "copysign", "arange", "empty", "nan", "inf")},
    "round": np.rint,
    "pow": power,
    "bits": lambda x, dtype: np.asarray(x).view(dtype)[()],
    "convert": lambda x, dtype: cast(np.asarray(x), np.dtype(dtype))[()],
    "sigmoid": _sigmoid,
    "softplus": lambda x: np.maximum(x, 0) + np.log1p(np.exp(-abs(x))),
    "erf": lambda x: type(x)(math.erf(x)),
    "libm": _Libm(),
    "gemm": _gemm,
    "array": _part,
    "changed": _part,
    "parts": _parts,
    "argsort": _argsort,
}
