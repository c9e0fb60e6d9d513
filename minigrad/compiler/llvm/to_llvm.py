"""Code generation: loop IR functions as LLVM IR text.

Each phase of a program has an entry with the C signature `int64 f(void **arrays, int64 *sizes, void *arena, int64 *board, int64 worker)`:
`arrays` and `arena` are NumPy array objects, `board` is a work board or null, `worker` tells whether the calling thread is a worker. It
returns 0, or the code of the `Check` or `Extern` that failed; it then stores the value of that check in `sizes[number of sizes]`.

The entry calls a function, the body, whose pointers are all `noalias`. A long body is divided into several functions, because LLVM's
compile time grows faster than the length of a function. Statements that differ in names alone are one function, which is called with other
pointers. A function without loops of its own does not take hundreds of pointers: it takes the table of all pointers, and loads each where
it is used.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .. import loop_ir as L
from .arithmetic import ACCUMULATE
from .entry import ARRAY_DATA, REGION, Entries
from .expressions import Expressions, every
from .form import Form, form
from .functions import SIZE, UNROLLED, Functions, Unit, has_loops
from .llvm_text import TYPES, Text
from .short_loops import is_unrolled, vectors
from .sorting import expand_argsort
from .work_board import WorkBoard

PIECE = 24  # the largest number of statements in one LLVM function
LONG = 256  # a loop with so many steps may take their number as an argument
LENGTH = "length"  # the prefix of a size that stands for a literal length
NAMES = {"%ptr", "%size", "%outer", "%slot"}  # the prefixes of registers of names


@dataclass(frozen=True)
class Code:
    """The code of a program: the names of its phases' entries, and its functions, each after those that it calls."""

    entries: tuple[str, ...]
    units: tuple[Unit, ...]


@dataclass(frozen=True)
class _Made:
    """A function that was made of statements. `used` are the registers that it takes: a prefix and the number of a name, or a register. Its
    result is a code if the statements contain a check, else void."""

    name: str
    result: str
    used: tuple[tuple[str, int] | str, ...]


class _Program:
    """What the printers of one program share."""

    def __init__(self, functions: Functions, phases: Sequence[L.Function], timed: bool, masks: bool) -> None:
        self.functions, self.timed, self.masks = functions, timed, masks
        self.reads = Counter(r.name for p in phases for r in every(L.Read, p.body))  # how often the program reads each scalar
        self.made: dict[Any, _Made] = {}
        self.forms: dict[int, tuple[L.Stmt, Form, list[str]]] = {}  # by the identity of a statement: it with its length as a size
        divided = [b for p in phases for b in (p.body, *(b for s in L.walk(p.body) for b in L.blocks(s))) if _is_long(b)]
        for stmt in (s for b in divided for s in b if isinstance(s, L.For) and not (_has_long(s) or _runs_on_all(s))):
            general = _general(stmt)
            self.forms[id(stmt)] = general, *form((general,))
        self.counts = Counter(key for _, key, _ in self.forms.values())

    def form(self, piece: tuple[L.Stmt, ...]) -> tuple[tuple[L.Stmt, ...], Form, list[str]]:
        """Statements that a function is made of, their form and its names."""
        if len(piece) == 1 and self.is_repeated(piece[0]):
            stmt, key, names = self.forms[id(piece[0])]
            return (stmt,), key, names
        return piece, *form(piece)

    def is_repeated(self, stmt: L.Stmt) -> bool:
        """Whether a loop nest of a divided block occurs more than once in the program."""
        known = self.forms.get(id(stmt))
        return known is not None and self.counts[known[1]] > 1


def to_llvm(phases: Sequence[L.Function], through: int | None = ARRAY_DATA, timed: bool = False, masks: bool = False) -> Code:
    """The code of functions that have the same arguments, sizes and locals. `through` is that of `Entries`. If it is timed, the code calls
    `mg_mark`. `masks` tells whether masks of vectors cost little."""
    f = phases[0]
    sizes = {f"%size.{s.name}": SIZE for s in f.sizes}
    pointers = {f"%ptr.{b.name}": f"ptr noalias align {b.itemsize}" for b in f.arguments}
    arena = {f"%ptr.{b.name}": f"ptr noalias align {L.ALIGNMENT}" for b in f.locals}
    table = {"%pointers": "ptr noalias readonly align 8", "%error.slot": "ptr noalias"}
    places = {register: i for i, register in enumerate([*pointers, *arena])}
    functions = Functions({**pointers, **arena, **table, **sizes, **REGION}, places)
    program, entries = _Program(functions, phases, timed, masks), Entries(functions, f, through, len(phases))
    found = tuple(entries.entry(*_Printer(program).body(phase)) for phase in phases)
    return Code(found, tuple(functions.units.values()))


class _Printer(Expressions):
    """Generates the code of the statements of one LLVM function."""

    def __init__(self, program: _Program) -> None:
        super().__init__(Text(program.functions.declarations), program.functions.math)
        self.program, self.functions = program, program.functions
        self.types: dict[str, str] = {}
        self.slots: list[str] = []
        self.in_order = False  # whether sums are: in an unrolled loop, which may stand in a vector loop or in the loop for the rest
        self.unrolls = True  # whether LLVM is told to unroll short loops
        self.around: L.For | None = None  # the loop that is printed, if it has other loops inside
        self.board = WorkBoard(self.text, program.timed)

    def body(self, function: L.Function) -> tuple[str, list[str]]:
        """Defines the function of all statements. Returns its name and the registers that it takes."""
        self.block(function.body)
        lines = [*self.slots, *self.text.lines, "  ret i64 0"]
        return self.functions.define("i64", lines, {}, _is_nest(function.body), not has_loops(lines))

    def block(self, body: tuple[L.Stmt, ...]) -> None:
        long = _is_long(body)
        if not any(map(_runs_on_all, body)):
            self.statements(body, long)
            return
        for on_all, group in itertools.groupby(body, _runs_on_all):
            if not on_all:
                with self.board.by_main():
                    self.statements(tuple(group), long)
                continue
            for stmt in group:
                if long and isinstance(stmt, L.Shared):
                    self.outline((stmt,))
                else:
                    self.stmt(stmt)

    def statements(self, body: tuple[L.Stmt, ...], long: bool) -> None:
        """Statements of a block. If it is long, runs of them become functions of their own."""
        scalars, variables = self.scalars.copy(), self.variables.copy()
        for piece, separate in _pieces(body, self.program.is_repeated) if long else ((body, False),):
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
        """Defines a function of the statements, unless one of equal statements exists. Returns a Python function that generates a call.

        The caller passes values for the `given` loop variables, and for other parameters by register name. It gets the register of the
        returned code, or "" if the statements contain no check."""
        outside = {  # the registers of names of this function in the defined one: their types, and the registers here
            **{f"%outer.{n}": ("i64", r) for n, r in ({**self.loops, **dict.fromkeys(given, "")}).items()},
            **{f"%outer.{n}": (self.types[n], r) for n, r in self.scalars.items()},
            **{f"%slot.{n}": ("ptr noalias", r) for n, r in self.variables.items()},
        }
        types = self.functions.parameters
        piece, key, names = self.program.form(piece)
        kinds = [types.get(f"%ptr.{n}") or outside.get(f"%outer.{n}", ("", ""))[0] or f"%slot.{n}" in outside for n in names]
        made = self.program.made.get((key, *kinds))
        if made is None:
            made = self.printed(piece, outside, given, names)
            if "%pointers" not in made.used:  # else its text has the places of its buffers
                self.program.made[key, *kinds] = made
        used = [r if isinstance(r, str) else f"{r[0]}.{names[r[1]]}" for r in made.used]

        def call(**values: str) -> str:
            found = ((outside.get(r) or (types.get(r, SIZE), r.removeprefix(f"%size.{LENGTH}")), values.get(r)) for r in used)
            operands = ", ".join(f"{type.split()[0]} {value or register}" for (type, register), value in found)
            if made.result != "void":
                return self.text.emit(f"call {made.result} @{made.name}({operands})")
            self.text.do(f"call void @{made.name}({operands})")
            return ""

        return call

    def printed(self, piece: tuple[L.Stmt, ...], outside: dict[str, tuple[str, str]], given: Sequence[str], names: list[str]) -> _Made:
        """Defines a function of the statements, whose names these are."""
        result = "i64" if any(isinstance(s, L.Check | L.Extern) for s in L.walk(piece)) else "void"
        inner = _Printer(self.program)
        inner.loops = {n: f"%outer.{n}" for n in (*self.loops, *given)}
        inner.scalars = {n: f"%outer.{n}" for n in self.scalars}
        inner.variables = {n: f"%slot.{n}" for n in self.variables}
        inner.types = self.types
        inner.block(piece)
        lines = [*inner.slots, *inner.text.lines, f"  ret {'void' if result == 'void' else 'i64 0'}"]
        plain = isinstance(piece[0], L.Shared) and not has_loops(lines)
        name, used = self.functions.define(result, lines, {r: type for r, (type, _) in outside.items()}, _is_nest(piece), plain)
        numbers = {n: i for i, n in enumerate(names)}
        parts = [(r, *r.split(".", 1)) if "." in r else (r, r, "") for r in used]
        return _Made(name, result, tuple((prefix, numbers[n]) if n in numbers and prefix in NAMES else r for r, prefix, n in parts))

    def stmt(self, stmt: L.Stmt) -> None:
        match stmt:
            case L.For() if _is_simple(stmt):
                unrolled = self.unrolls and is_unrolled(stmt, self.around)
                for part in (stmt,) if unrolled else vectors(stmt, self.program.masks):
                    self.loop(part, f", !llvm.loop {UNROLLED}" if unrolled else "")
            case L.For():
                outside, self.around = self.around, stmt
                self.loop(stmt)
                self.around = outside
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
                if self.program.reads[name] > 1:  # the rounded product is needed: x·y − x·y is 0
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

    def loop(self, stmt: L.For, unrolled: str = "") -> None:
        extent = self.index(stmt.extent)
        last = self.text.emit(f"sub nsw i64 {extent}, 1") if stmt.reverse else ""
        start = self.index(stmt.start)
        outside, self.in_order = self.in_order, bool(unrolled)
        with self.text.loop(extent, stmt.var.name, unrolled) as i:
            at = self.text.emit(f"sub nsw i64 {last}, {i}") if stmt.reverse else i
            self.loops[stmt.var.name] = at if start == "0" else self.text.emit(f"add nuw nsw i64 {start}, {at}")
            self.block(stmt.body)
        self.in_order = outside

    def while_(self, stmt: L.While) -> None:
        """LLVM may make one loop of it and a short loop that it begins with, and warn that this is not unrolled."""
        outside, self.unrolls = self.unrolls, False
        with self.text.forever() as leave_unless:
            self.block(stmt.head)
            leave_unless(self.expr(stmt.condition))
            self.block(stmt.body)
        self.unrolls = outside

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


def _general(stmt: L.For) -> L.For:
    """A single loop with a large literal length, with a size in place of the length. Such loops over arrays of other lengths are equal."""
    single = not any(isinstance(s, L.For | L.While | L.If | L.Gemm | L.Argsort) for s in stmt.body)
    if not (single and isinstance(stmt.extent, L.Literal) and stmt.extent.value >= LONG):
        return stmt
    return replace(stmt, extent=L.Size(f"{LENGTH}{stmt.extent.value}"))


def _is_simple(stmt: L.For) -> bool:
    """Whether a loop contains nothing that LLVM cannot vectorise."""
    return not any(isinstance(s, L.For | L.While | L.Shared | L.If | L.Gemm | L.Argsort | L.Check | L.Extern) for s in stmt.body)


def _runs_on_all(stmt: L.Stmt) -> bool:
    """Whether all threads run the statement: it is shared or contains a shared statement."""
    return any(isinstance(s, L.Shared) for s in L.walk((stmt,)))


def _pieces(body: tuple[L.Stmt, ...], is_repeated: Callable[[L.Stmt], bool]) -> Iterator[tuple[tuple[L.Stmt, ...], bool]]:
    """Divides a long block into runs of statements. The flag tells whether a run becomes a function of its own. A loop nest that is
    repeated is a run alone."""
    run: list[L.Stmt] = []
    weight = 0
    for stmt in body:
        inside = isinstance(stmt, L.Let | L.Declare | L.Assign | L.Check) or _has_long(stmt)
        alone = inside or is_repeated(stmt)
        more = 0 if alone else _weight((stmt,))
        if run and (alone or weight + more > PIECE):
            yield tuple(run), True
            run, weight = [], 0
        if alone:
            yield (stmt,), not inside
        else:
            run.append(stmt)
            weight += more
    if run:
        yield tuple(run), True


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
