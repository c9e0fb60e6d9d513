"""The verifier of loop IR functions: every name is defined where it is used, with the type of its use."""

from __future__ import annotations

from collections.abc import Iterable

from . import loop_ir as L

_MUTABLE = "mutable "


def verify(function: L.Function) -> None:
    """Raises `ValueError` or `TypeError` if `function` is not well formed."""
    _Verifier(function).function()


class _Verifier:
    def __init__(self, function: L.Function) -> None:
        self.f = function
        self.buffers = {b.name: b for b in (*function.arguments, *function.locals)}
        self.inputs = {b.name for b in function.inputs}
        self.scope: dict[str, str] = {}
        self.choosing = False

    def function(self) -> None:
        f = self.f
        names = [f.name, *(b.name for b in f.arguments + f.locals), *(s.name for s in f.sizes)]
        self.names(names)
        self.scope = {s.name: "size" for s in f.sizes}
        for buffer in (*f.arguments, *f.locals):
            self.index(buffer.size)
        self.block(f.body)

    def names(self, names: Iterable[str]) -> None:
        seen: set[str] = set()
        for name in names:
            if not name.isidentifier() or not name.isascii():
                raise ValueError(f"{self.f.name}: {name!r} is not an identifier")
            if name in seen:
                raise ValueError(f"{self.f.name}: two arguments or locals are called {name}")
            seen.add(name)

    def define(self, name: str, kind: str) -> None:
        if name in self.scope or name in self.buffers:
            raise ValueError(f"{self.f.name}: {name} is defined twice")
        if not name.isidentifier() or not name.isascii():
            raise ValueError(f"{self.f.name}: {name!r} is not an identifier")
        self.scope[name] = kind

    def block(self, body: tuple[L.Stmt, ...]) -> None:
        outer = self.scope.copy()
        for stmt in body:
            self.stmt(stmt)
        self.scope = outer

    def stmt(self, stmt: L.Stmt) -> None:
        match stmt:
            case L.Shared(extent, low, high, body):
                if self.choosing:
                    raise ValueError(f"{self.f.name}: a shared statement must not stand in an if or a while")
                self.index(extent)
                self.define(low.name, "loop")
                self.define(high.name, "loop")
                self.block(body)
                del self.scope[low.name], self.scope[high.name]
            case L.For(var, extent, body, _, start):
                self.indices(extent, start)
                outer = self.scope.copy()
                self.define(var.name, "loop")
                self.block(body)
                self.scope = outer
            case L.While(head, condition, body):
                outside, self.choosing = self.choosing, True
                self.block(head)
                self.expr(condition, "bool")
                self.block(body)
                self.choosing = outside
            case L.If(condition, body, otherwise):
                self.expr(condition, "bool")
                outside, self.choosing = self.choosing, True
                self.block(body)
                self.block(otherwise)
                self.choosing = outside
            case L.Let(name, expr):
                self.expr(expr)
                self.define(name, expr.dtype)
            case L.Declare(name, expr):
                self.expr(expr)
                self.define(name, _MUTABLE + expr.dtype)
            case L.Assign(name, expr):
                self.expr(expr)
                if self.scope.get(name) != _MUTABLE + expr.dtype:
                    raise ValueError(f"{self.f.name}: no variable {name} of type {expr.dtype} to assign")
            case L.Store(buffer, index, expr):
                self.target(buffer)
                self.index(index)
                self.expr(expr, buffer.dtype)
            case L.Gemm(m, n, k, a, b, c, rows, columns):
                self.target(c.buffer)
                self.indices(m, n, k, *(x for x in (rows, columns) if x is not None))
                for view in (a, b, c):
                    self.view(view)
            case L.Argsort(target, offset, source, source_offset, n, stride, target_stride):
                self.target(target)
                self.source(source)
                self.indices(offset, source_offset, n, stride, target_stride)
            case L.Check(condition, code, value):
                self.expr(condition, "bool")
                self.index(value)
                self.stops(code)
            case L.Extern():
                for array in stmt.arrays:
                    self.source(array.buffer)
                    self.indices(array.offset, *array.shape)
                for array in stmt.outputs:
                    self.target(array.buffer)
                self.stops(stmt.code)
            case _:
                raise TypeError(f"not a statement: {stmt!r}")

    def expr(self, expr: L.Expr, dtype: str | None = None) -> None:
        if dtype is not None:
            self.same(dtype, expr.dtype)
        match expr:
            case L.Const():
                pass
            case L.Read(name, kind):
                if self.scope.get(name, "").removeprefix(_MUTABLE) != kind:
                    raise ValueError(f"{self.f.name}: no scalar {name} of type {kind} here")
            case L.Load(buffer, index):
                self.source(buffer)
                self.index(index)
            case L.FromIndex(index):
                self.index(index)
            case L.Cast(_, x) | L.Bitcast(_, x) | L.Unary(_, x):
                self.expr(x)
            case L.Binary(_, x, y) | L.Compare(_, x, y):
                self.expr(x)
                self.expr(y)
            case L.Libm(_, args):
                for x in args:
                    self.expr(x)
            case L.Select(condition, x, y):
                self.expr(condition)
                self.expr(x)
                self.expr(y)
            case _:
                raise TypeError(f"not an expression: {expr!r}")

    def index(self, index: L.IndexLike) -> None:
        match index:
            case int() | L.Literal():
                pass
            case L.Size(name):
                self.kind(name, "size")
            case L.LoopVar(name):
                self.kind(name, "loop")
            case L.AsIndex(expr):
                self.expr(expr)
            case L.IndexOp(_, left, right):
                self.index(left)
                self.index(right)
            case L.Index() | _:
                raise TypeError(f"not an index: {index!r}")

    def indices(self, *indices: L.IndexLike) -> None:
        for index in indices:
            self.index(index)

    def kind(self, name: str, kind: str) -> None:
        if self.scope.get(name) != kind:
            raise ValueError(f"{self.f.name}: no {kind} {name} here")

    def view(self, view: L.View) -> None:
        self.source(view.buffer)
        self.indices(view.offset, view.row_stride, view.column_stride)

    def source(self, buffer: L.Buffer) -> None:
        known = self.buffers.get(buffer.name)
        if known is not buffer and known != buffer:
            raise ValueError(f"{self.f.name}: {buffer.name} is not one of its buffers")

    def target(self, buffer: L.Buffer) -> None:
        self.source(buffer)
        if buffer.name in self.inputs:
            raise ValueError(f"{self.f.name}: {buffer.name} is an input, so it cannot be written")

    def stops(self, code: int) -> None:
        if code == 0:
            raise ValueError(f"{self.f.name}: a failed check must return a code other than 0")

    def same(self, expected: str, got: str) -> None:
        if expected != got:
            raise TypeError(f"{self.f.name}: expected {expected}, got {got}")
