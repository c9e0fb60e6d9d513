"""Code generation: a loop IR function as LLVM IR text.

Each function has an entry with the C signature `int64 name(void **arguments, int64 *sizes, void *arena)`. The entry returns 0, or the
code of the `Check` that failed; it then stores the value of that check in `sizes[number of sizes]`. A second entry, `name.arrays`, takes
NumPy array objects for the arguments and the arena, a work board, and whether the calling thread is a worker.

The entry calls an internal function, the body, whose pointers are all `noalias`. A long body is divided into several functions, because
LLVM's compile time grows faster than the length of a function. Functions that differ in the names of registers alone are one function,
which is called with other pointers. A function without loops of its own does not take hundreds of pointers: it takes the table of all
pointers, and loads each where it is used.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from .. import loop_ir as L
from . import math_llvm
from .arithmetic import ACCUMULATE, INTEGER_POWER
from .expressions import Expressions, reads
from .llvm_text import TYPES, Text
from .module import Module
from .sorting import expand_argsort
from .work_board import CELLS, THREADS, WAIT, WorkBoard

UNROLL_AT_MOST = 8
ARRAY_DATA = object.__basicsize__  # the offset of the data pointer in a NumPy array: the first field after the object header
PIECE = 24  # the largest number of statements in one LLVM function
REGION = {"%region.board": "ptr", "%region.passed": "ptr", "%region.worker": "i1", "%region.alone": "i1"}
ATTRIBUTES = """
attributes #0 = { alwaysinline nounwind willreturn memory(none) }
attributes #1 = { noinline nounwind }
attributes #2 = { nounwind willreturn memory(argmem: readwrite) }
attributes #4 = { noinline nounwind willreturn memory(none) }
"""


def to_llvm(function: L.Function, timed: bool = False) -> str:
    """The LLVM module of `function`, without target or triple. If it is timed, it calls `mg_mark`."""
    sizes = {f"%size.{s.name}": f"i64 range(i64 0, {2**62})" for s in function.sizes}
    pointers = {f"%ptr.{b.name}": f"ptr noalias align {b.itemsize}" for b in function.arguments}
    arena = {f"%ptr.{b.name}": f"ptr noalias align {L.ALIGNMENT}" for b in function.locals}
    places = {register: i for i, register in enumerate([*pointers, *arena])}
    parameters = {**pointers, **arena, "%pointers": "ptr noalias readonly align 8", **sizes, "%error.slot": "ptr noalias", **REGION}
    module = Module(parameters, places, Counter(reads(function.body)), timed)
    used = _Printer(module, function.name).body(function)
    text = "\n".join(module.functions)
    called = [(op, dtype, text.count(f"@{math_llvm.name(op, dtype)}(")) for op, dtype in sorted(module.math)]
    math = [math_llvm.definition(*call, module.declarations) for call in called]
    kept = [f"ptr @{symbol}" for call in called for symbol in math_llvm.versions(*call)]
    if kept:  # the vectoriser calls them later
        math.append(f'@llvm.compiler.used = appending global [{len(kept)} x ptr] [{", ".join(kept)}], section "llvm.metadata"')
    math += [INTEGER_POWER] if "mg_pow_int64" in module.declarations else []
    math += [WAIT] if function.shared else []
    entries = [_entry(function, used, module.declarations, *how) for how in (("", None), (".arrays", ARRAY_DATA))]
    declarations = [d for name, d in sorted(module.declarations.items()) if name != "mg_pow_int64"]
    return "\n".join([*declarations, *math, text, *entries, ATTRIBUTES, *module.metadata, ""])


def _entry(f: L.Function, used: list[str], declarations: dict[str, str], suffix: str, through: int | None) -> str:
    """The entry: it loads the pointers and sizes from their tables, gives each local its part of the arena, and calls the body.

    `through` is the offset of the data pointer if the pointers are to array objects, else None."""
    code = Expressions(Text(declarations), set())
    text, emit = code.text, code.text.emit
    for i, named in enumerate(f.sizes):
        text.do(f"%size.{named.name} = load i64, ptr {emit(f'getelementptr i64, ptr %sizes, i64 {i}')}")
    text.do(f"%error.slot = getelementptr i64, ptr %sizes, i64 {len(f.sizes)}")

    def data(pointer: str) -> str:
        at = emit(f"getelementptr i8, ptr {pointer}, i64 {through or 0}")
        return at if through is None else emit(f"load ptr, ptr {at}")

    registers, written = {}, "%pointers" in used
    if written:
        text.do(f"%pointers = alloca [{len(f.arguments) + len(f.locals)} x ptr], align 8")
        with text.loop(str(len(f.arguments))) as at:
            pointer = data(emit(f"load ptr, ptr {emit(f'getelementptr ptr, ptr %table, i64 {at}')}"))
            text.do(f"store ptr {pointer}, ptr {emit(f'getelementptr ptr, ptr %pointers, i64 {at}')}")
    for i, buffer in enumerate(f.arguments):
        if f"%ptr.{buffer.name}" in used:
            registers[f"%ptr.{buffer.name}"] = data(emit(f"load ptr, ptr {emit(f'getelementptr ptr, ptr %table, i64 {i}')}"))
    above = emit(f"getelementptr i8, ptr {data('%arena')}, i64 {L.ALIGNMENT - 1}")
    arena = text.call("ptr", "llvm.ptrmask.p0.i64", ("ptr", above), ("i64", str(-L.ALIGNMENT)))
    end = str(L.ALIGNMENT)
    for i, buffer in enumerate(f.locals, len(f.arguments)):
        pointer = registers[f"%ptr.{buffer.name}"] = emit(f"getelementptr i8, ptr {arena}, i64 {end}")
        if written:
            text.do(f"store ptr {pointer}, ptr {emit(f'getelementptr ptr, ptr %pointers, i64 {i}')}")
        size = code.index(L.as_index(buffer.size) * buffer.itemsize)
        padded = emit(f"and i64 {emit(f'add i64 {size}, {2 * L.ALIGNMENT - 1}')}, {-L.ALIGNMENT}")
        end = emit(f"add i64 {end}, {padded}")
    if "%region.board" in used:
        own = emit(f"alloca [{CELLS} x i64], align 8")
        text.call("void", "llvm.memset.p0.i64", ("ptr", own), ("i8", "0"), ("i64", str(8 * CELLS)), ("i1", "false"))
        text.do(f"store i64 1, ptr {emit(f'getelementptr i64, ptr {own}, i64 {THREADS}')}")
        given, worker = ("null", "0") if through is None else ("%board", "%worker")
        text.do(f"%region.board = select i1 {emit(f'icmp eq ptr {given}, null')}, ptr {own}, ptr {given}")
        text.do(f"%region.worker = icmp ne i64 {worker}, 0")
        text.do("%region.passed = alloca i64")
        text.do("store i64 0, ptr %region.passed")
        registers["%region.alone"] = "false"
    operands = ", ".join(f"{REGION.get(r, 'i64' if r.startswith('%size') else 'ptr')} {registers.get(r, r)}" for r in used)
    result = emit(f"call i64 @{f.name}.body({operands})")
    head = f'define i64 @"{f.name}{suffix}"(ptr %table, ptr %sizes, ptr %arena{"" if through is None else ", ptr %board, i64 %worker"}) {{'
    return "\n".join([head, "entry:", *text.lines, f"  ret i64 {result}", "}"])


class _Printer(Expressions):
    """Generates the code of the statements of one LLVM function."""

    def __init__(self, module: Module, name: str) -> None:
        super().__init__(Text(module.declarations), module.math)
        self.module = module
        self.name = name
        self.types: dict[str, str] = {}
        self.slots: list[str] = []
        self.in_order = False  # whether sums are: in an unrolled loop, which may stand in a vector loop or in the loop for the rest
        self.board = WorkBoard(self.text, module.timed)

    def body(self, function: L.Function) -> list[str]:
        self.block(function.body)
        return self.module.define(f"{self.name}.body", "i64", [*self.slots, *self.text.lines, "  ret i64 0"], {}, _is_nest(function.body))[
            1
        ]

    def block(self, body: tuple[L.Stmt, ...]) -> None:
        if not any(map(_runs_on_all, body)):
            self.statements(body)
            return
        for on_all, group in itertools.groupby(body, _runs_on_all):
            if on_all:
                for stmt in group:
                    self.stmt(stmt)
            else:
                with self.board.by_main():
                    self.statements(tuple(group))

    def statements(self, body: tuple[L.Stmt, ...]) -> None:
        scalars, variables = self.scalars.copy(), self.variables.copy()
        for piece, separate in _pieces(body):
            if separate:
                self.outline(piece)
            else:
                for stmt in piece:
                    self.stmt(stmt)
        self.scalars, self.variables = scalars, variables

    def shared(self, stmt: L.Shared) -> None:
        """A shared statement, in one of three ways. In general the threads divide its positions into parts. Inside a part of an outer
        shared statement, the thread of that part does all positions. If there are few positions and the body has shared statements
        itself, all threads run the whole body and divide those."""
        text, emit = self.text, self.text.emit
        low, high, extent = f"%outer.{stmt.low.name}", f"%outer.{stmt.high.name}", self.index(stmt.extent)
        many = emit(f"icmp sge i64 {extent}, {L.SPLIT_FROM}")
        work = self.define(stmt.body, (stmt.low.name, stmt.high.name))
        in_step = any(map(_runs_on_all, stmt.body))
        whole = emit(f"xor i1 {many}, true") if in_step else "%region.alone"

        def part(first: str, end: str, error: str) -> str:
            return work(**{low: first, high: end, "%error.slot": error, "%region.alone": "true"})

        with text.when(whole):
            code = work(**{low: "0", high: extent, "%region.alone": "false" if in_step else "true"})
            if code:
                self.stop_unless_zero(code)
        with text.when(emit(f"xor i1 {whole}, true")):
            self.board.divide(extent, many, stmt.grain, part)

    def outline(self, piece: tuple[L.Stmt, ...]) -> None:
        """Defines a function of the statements and calls it."""
        code = self.define(piece)()
        if code:
            self.stop_unless_zero(code)

    def define(self, piece: tuple[L.Stmt, ...], given: Sequence[str] = ()) -> Callable[..., str]:
        """Defines a function of the statements. Returns a Python function that generates a call.

        The caller passes values for the `given` loop variables, and for other parameters by register name. It gets the register of the
        returned code, or "" if the statements contain no check."""
        module = self.module
        inner = _Printer(module, self.name)
        outside = {}
        for names, taken, kind in (
            ({**self.loops, **dict.fromkeys(given, "")}, inner.loops, "%outer."),
            (self.scalars, inner.scalars, "%outer."),
            (self.variables, inner.variables, "%slot."),
        ):
            for name, register in names.items():
                taken[name] = kind + name
                type = "i64" if taken is inner.loops else self.types[name] if names is self.scalars else "ptr noalias"
                outside[kind + name] = (type, register)
        inner.types = self.types
        inner.block(piece)
        checked = any(isinstance(s, L.Check | L.Extern) for s in L.walk(piece))
        lines = [*inner.slots, *inner.text.lines, f"  ret {'i64 0' if checked else 'void'}"]
        name, result = f"{self.name}.{len(module.functions)}", "i64" if checked else "void"
        name, used = module.define(name, result, lines, {r: type for r, (type, _) in outside.items()}, _is_nest(piece))
        registers = {r: (type, r) for r, type in module.parameters.items()} | outside

        def call(**values: str) -> str:
            operands = ", ".join(f"{registers[r][0].split()[0]} {values.get(r, registers[r][1])}" for r in used)
            if checked:
                return self.text.emit(f"call {result} @{name}({operands})")
            self.text.do(f"call {result} @{name}({operands})")
            return ""

        return call

    def stmt(self, stmt: L.Stmt) -> None:
        match stmt:
            case L.For():
                self.loop(stmt)
            case L.While():
                self.while_(stmt)
            case L.Shared():
                self.shared(stmt)
            case L.If(condition, body, otherwise):
                holds = self.expr(condition)
                with self.text.when(holds):
                    self.block(body)
                if otherwise:
                    with self.text.when(self.text.emit(f"xor i1 {holds}, true")):
                        self.block(otherwise)
            case L.Let(name, expr):
                value = self.expr(expr)
                if self.module.reads[name] > 1:  # the rounded product is needed: x·y − x·y is 0
                    self.products.pop(value, None)
                self.scalars[name], self.types[name] = value, TYPES[expr.dtype]
            case L.Declare(name, expr):
                value, slot, type = self.expr(expr), f"%var.{name}.{self.text.fresh()}", TYPES[expr.dtype]
                self.slots.append(f"  {slot} = alloca {type}")
                self.text.do(f"store {type} {value}, ptr {slot}")
                self.variables[name] = slot
            case L.Assign(name, expr):
                value = self.accumulate(name, expr)
                self.text.do(f"store {TYPES[expr.dtype]} {value}, ptr {self.variables[name]}")
            case L.Store(buffer, index, expr):
                self.store(buffer, self.index(index), self.expr(expr))
            case L.Gemm():
                self.gemm(stmt)
            case L.Argsort():
                self.block(expand_argsort(stmt))
            case L.Check(condition, code, value):
                self.check(condition, code, value)
            case L.Extern():
                self.extern(stmt)

    def loop(self, stmt: L.For) -> None:
        extent = self.index(stmt.extent)
        last = self.text.emit(f"sub nsw i64 {extent}, 1") if stmt.reverse else ""
        start = self.index(stmt.start)
        unrolled, outside = self.unrolled(stmt), self.in_order
        self.in_order = bool(unrolled)
        with self.text.loop(extent, stmt.var.name, unrolled) as i:
            at = self.text.emit(f"sub nsw i64 {last}, {i}") if stmt.reverse else i
            self.loops[stmt.var.name] = at if start == "0" else self.text.emit(f"add nuw nsw i64 {start}, {at}")
            self.block(stmt.body)
        self.in_order = outside

    def while_(self, stmt: L.While) -> None:
        with self.text.forever() as leave_unless:
            self.block(stmt.head)
            leave_unless(self.expr(stmt.condition))
            self.block(stmt.body)

    def unrolled(self, stmt: L.For) -> str:
        extent = L.as_index(stmt.extent)
        simple = not any(isinstance(s, L.For | L.While | L.Shared | L.If | L.Gemm | L.Argsort | L.Check | L.Extern) for s in stmt.body)
        if not (simple and isinstance(extent, L.Literal) and extent.value <= UNROLL_AT_MOST):
            return ""
        n = len(self.module.metadata)
        self.module.metadata += [f"!{n} = distinct !{{!{n}, !{n + 1}}}", f'!{n + 1} = !{{!"llvm.loop.unroll.full"}}']
        return f", !llvm.loop !{n}"

    def accumulate(self, name: str, expr: L.Expr) -> str:
        match expr:
            case L.Binary("add" | "mul", L.Read(left), _) if left == name:
                x, y = expr.x, expr.y
            case L.Binary("add" | "mul", _, L.Read(right)) if right == name:
                x, y = expr.y, expr.x
            case _:
                return self.expr(expr)
        if self.in_order or expr.dtype not in L.FLOATS:
            return self.expr(expr)
        return self.text.emit(f"f{expr.op} {ACCUMULATE} {TYPES[expr.dtype]} {self.expr(x)}, {self.expr(y)}")

    def gemm(self, stmt: L.Gemm) -> None:
        whole = stmt.m if stmt.rows is None else stmt.rows, stmt.n if stmt.columns is None else stmt.columns
        sizes = [("i64", self.index(s)) for s in (stmt.m, stmt.n, stmt.k, *whole)]
        views = [part for view in (stmt.a, stmt.b, stmt.c) for part in self.view(view)]
        name = f"mg_gemm_{stmt.c.buffer.dtype}"
        self.text.call("void", name, *sizes, *views)
        self.text.declarations[name] += " #2"

    def view(self, view: L.View) -> list[tuple[str, str]]:
        strides = [("i64", self.index(s)) for s in (view.row_stride, view.column_stride)]
        return [("ptr", self.address(view.buffer, self.index(view.offset))), *strides]

    def check(self, condition: L.Expr, code: int, value: L.IndexLike) -> None:
        self.stop_if(self.text.emit(f"xor i1 {self.expr(condition)}, true"), code, value)

    def extern(self, stmt: L.Extern) -> None:
        pointers = [("ptr", self.address(a.buffer, self.index(a.offset))) for a in stmt.arrays]
        lengths = [("i64", self.index(n)) for a in stmt.arrays for n in a.shape]
        found = self.text.call("i64", stmt.function.symbol, *pointers, *lengths)
        self.stop_if(self.text.emit(f"icmp ne i64 {found}, 0"), stmt.code, 0)

    def stop_if(self, failed: str, code: int, value: L.IndexLike) -> None:
        with self.text.when(failed, leaves=True):
            self.text.do(f"store i64 {self.index(value)}, ptr %error.slot")
            self.text.do(f"ret i64 {code}")

    def stop_unless_zero(self, code: str) -> None:
        with self.text.when(self.text.emit(f"icmp ne i64 {code}, 0"), leaves=True):
            self.text.do(f"ret i64 {code}")


def _runs_on_all(stmt: L.Stmt) -> bool:
    """Whether all threads run the statement: it is shared or contains a shared statement."""
    return any(isinstance(s, L.Shared) for s in L.walk((stmt,)))


def _pieces(body: tuple[L.Stmt, ...]) -> Iterator[tuple[tuple[L.Stmt, ...], bool]]:
    """Divides a long block into runs of statements. The flag tells whether a run becomes a function of its own."""
    if not _is_long(body):
        yield body, False
        return
    run: tuple[L.Stmt, ...] = ()
    for stmt in body:
        alone = isinstance(stmt, L.Let | L.Declare | L.Assign | L.Check) or _has_long(stmt)
        if run and (alone or _weight((*run, stmt)) > PIECE):
            yield run, True
            run = ()
        if alone:
            yield (stmt,), False
        else:
            run = (*run, stmt)
    if run:
        yield run, True


def _is_nest(body: tuple[L.Stmt, ...]) -> bool:
    """Whether statements have loops and no block of them is divided."""
    return any(isinstance(s, L.For | L.While) for s in L.walk(body)) and not (_is_long(body) or any(map(_has_long, body)))


def _has_long(stmt: L.Stmt) -> bool:
    return any(_is_long(b) for s in L.walk((stmt,)) for b in L.blocks(s))


def _is_long(body: tuple[L.Stmt, ...]) -> bool:
    """Whether a block is divided: it has many statements, several of them loops. A loop nest stays whole, so that it vectorises."""
    several = sum(not isinstance(s, L.Let | L.Declare | L.Assign | L.Store | L.Check) for s in body) > 1
    return several and _weight(body) > PIECE


def _weight(body: tuple[L.Stmt, ...]) -> int:
    return sum(1 for _ in L.walk(body))
