"""The memory accesses of a loop IR function: the index of each as a polynomial, with the facts known at that place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from .. import loop_ir as L
from .polynomial import ZERO, Polynomial
from .prover import Facts, Prover

ROW, COLUMN, TERM, PLACE = (L.LoopVar(f"{name}.") for name in ("row", "column", "term", "place"))  # with a dot: never a name in a function
NEGATED = {"lt": "ge", "le": "gt", "gt": "le", "ge": "lt", "eq": "ne", "ne": "eq"}
COMPARED: dict[str, Callable[[Polynomial, Polynomial], list[Polynomial]]] = {  # the polynomials that are ≥ 0 if a comparison is true
    "lt": lambda a, b: [b - a - 1],
    "le": lambda a, b: [b - a],
    "gt": lambda a, b: [a - b - 1],
    "ge": lambda a, b: [a - b],
    "eq": lambda a, b: [a - b, b - a],
    "ne": lambda a, b: [],
}


@dataclass(frozen=True)
class Access:
    """A read or write of one element. `text` is its index as written in the function."""

    buffer: L.Buffer
    size: Polynomial
    index: Polynomial
    facts: Facts
    writes: bool
    text: L.IndexLike
    note: object


@dataclass(frozen=True)
class Length:
    """The number of elements of a buffer, or of one axis of a statement."""

    count: Polynomial
    facts: Facts
    text: L.IndexLike
    note: object


@dataclass(frozen=True)
class Region:
    """A shared statement: the accesses of its body for the positions low … high. `common` are the variables defined outside it."""

    extent: Polynomial
    low: Polynomial
    high: Polynomial
    common: frozenset[int]
    accesses: tuple[Access, ...]


@dataclass
class Accesses:
    """Collects the accesses of a function. An assignment in a shared statement to a variable declared outside it is a fault."""

    prover: Prover
    accesses: list[Access] = field(default_factory=list)
    lengths: list[Length] = field(default_factory=list)
    regions: list[Region] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.values: dict[str, Polynomial] = {}  # the values of loop variables and constant integer scalars
        self.active: list[int] = []
        self.facts: list[Polynomial] = []
        self.outside: set[str] = set()  # the variables declared outside the shared statement
        self.declared: set[str] = set()
        self.note: object = ""

    def function(self, f: L.Function) -> None:
        for size in f.sizes:  # before all other variables
            self.index(size)
        for buffer in f.locals:
            self.length(buffer.size, f"buffer {buffer.name}")
        self.block(f.body)

    # ---- statements

    @contextmanager
    def scope(self, *facts: Polynomial) -> Iterator[None]:
        """A scope with more facts. Names and facts that are added inside end with it."""
        values, active, known, declared = self.values.copy(), len(self.active), len(self.facts), self.declared.copy()
        self.suppose(*facts)
        yield
        self.values, self.declared = values, declared
        del self.active[active:], self.facts[known:]

    def suppose(self, *facts: Polynomial) -> None:
        """Add facts, until the end of the block."""
        for fact in facts:
            self.facts += self.prover.consequences(fact)

    @contextmanager
    def over(self, extents: Mapping[L.LoopVar, L.IndexLike], start: L.IndexLike = 0) -> Iterator[None]:
        """A scope with loop variables, each from `start` over the values of its extent, which is at least 1 inside."""
        sizes = {var.name: self.index(extent) for var, extent in extents.items()}
        low = self.index(start)
        with self.scope(*(n - 1 for n in sizes.values())):
            for name, n in sizes.items():
                self.define(name, low, low + n - 1)
            yield

    def define(self, name: str, low: Polynomial, high: Polynomial) -> Polynomial:
        """A new variable from low to high, different from all variables in scope."""
        number = 0
        while (v := self.prover.between(low, high, number).last) in self.active:
            number += 1
        self.active.append(v)
        self.values[name] = Polynomial.variable(v)
        return self.values[name]

    def block(self, body: tuple[L.Stmt, ...], *facts: Polynomial) -> None:
        with self.scope(*facts):
            for stmt in body:
                self.stmt(stmt)

    def stmt(self, stmt: L.Stmt) -> None:
        self.note = stmt.note or self.note
        match stmt:
            case L.For(var, extent, body, _, start):
                with self.over({var: extent}, start):
                    self.block(body)
            case L.Shared():
                self.shared(stmt)
            case L.While(head, condition, body):
                self.block(head)
                self.expr(condition)
                self.block(body)
            case L.If(condition, body, otherwise):
                self.expr(condition)
                self.block(body, *self.holds(condition))
                self.block(otherwise, *self.holds(condition, False))
            case L.Let(name, expr):
                self.expr(expr)
                if expr.dtype in L.INTEGERS:
                    self.values[name] = self.number(expr) or self.anything()
            case L.Declare(name, expr):
                self.expr(expr)
                self.declared.add(name)
            case L.Assign(name, expr):
                self.expr(expr)
                if name in self.outside:
                    self.faults.append(f"{self.note}: {name} is assigned to by both threads")
            case L.Store(buffer, index, expr):
                self.expr(expr)
                self.access(buffer, index, writes=True)
            case L.Check(condition, _, value):
                self.expr(condition)
                self.index(value)
                self.suppose(*self.holds(condition))
            case L.Gemm() | L.Argsort() | L.Extern():
                self.many(stmt)
            case _:
                raise TypeError(f"not a statement: {stmt!r}")

    def shared(self, stmt: L.Shared) -> None:
        extent, first, outside, common = self.index(stmt.extent), len(self.accesses), self.outside, frozenset(self.active)
        with self.scope():
            low = self.define(stmt.low.name, ZERO, extent)
            high = self.define(stmt.high.name, low, extent)
            self.outside = self.declared.copy()
            self.block(stmt.body)
        self.outside = outside
        self.regions.append(Region(extent, low, high, common, tuple(self.accesses[first:])))

    def many(self, stmt: L.Stmt) -> None:
        """The accesses of a statement that replaces a loop nest."""
        match stmt:
            case L.Gemm(m, n, k, a, b, c):
                for extent in (m, n, k):
                    self.length(extent, self.note)
                with self.over({ROW: m, COLUMN: n}):
                    self.matrix(c, ROW, COLUMN, writes=True)
                    with self.over({TERM: k}):
                        self.matrix(a, ROW, TERM)
                        self.matrix(b, TERM, COLUMN)
            case L.Argsort(target, offset, source, source_offset, n, stride, target_stride, _, first):
                self.row(source, source_offset, n, stride)
                self.row(target, offset, n if first is None else first, target_stride, writes=True)
            case L.Extern():
                for array in stmt.arrays:
                    for extent in array.shape:
                        self.length(extent, self.note)
                    self.row(array.buffer, array.offset, array.size, writes=array in stmt.outputs)

    def row(self, buffer: L.Buffer, offset: L.IndexLike, count: L.IndexLike, stride: L.IndexLike = 1, writes: bool = False) -> None:
        self.length(count, self.note)
        with self.over({PLACE: count}):
            self.access(buffer, L.as_index(offset) + PLACE * stride, writes)

    def matrix(self, view: L.View, i: L.LoopVar, j: L.LoopVar, writes: bool = False) -> None:
        self.access(view.buffer, L.as_index(view.offset) + i * view.row_stride + j * view.column_stride, writes)

    def length(self, count: L.IndexLike, note: object) -> None:
        self.lengths.append(Length(self.index(count), tuple(self.facts), count, note))

    def access(self, buffer: L.Buffer, index: L.IndexLike, writes: bool = False) -> None:
        place = self.index(index), tuple(self.facts), writes, index, self.note
        self.accesses.append(Access(buffer, self.index(buffer.size), *place))

    # ---- expressions

    def expr(self, expr: L.Expr) -> None:
        """Add the loads of an expression."""
        match expr:
            case L.Load(buffer, index):
                self.access(buffer, index)
            case L.FromIndex(index):
                self.index(index)
            case L.Cast(_, x) | L.Bitcast(_, x) | L.Unary(_, x):
                self.expr(x)
            case L.Binary(_, x, y) | L.Compare(_, x, y):
                self.expr(x)
                self.expr(y)
            case L.Select(condition, x, y):
                self.expr(condition)
                self.expr(x)
                self.expr(y)
            case L.Libm(_, args):
                for x in args:
                    self.expr(x)
            case L.Const() | L.Read():
                pass
            case _:
                raise TypeError(f"not an expression: {expr!r}")

    def index(self, index: L.IndexLike) -> Polynomial:
        """An index as a polynomial. Adds the loads in it."""
        match index:
            case int(n) | L.Literal(n):
                return Polynomial.of(n)
            case L.Size(name):
                return self.prover.size(name)
            case L.LoopVar(name):
                return self.values[name]
            case L.AsIndex(expr):
                self.expr(expr)
                return self.number(expr) or self.anything()
            case L.IndexOp(op, left, right):
                x, y = self.index(left), self.index(right)
                if op == "min":
                    return self.prover.minimum(x, y)
                if op in ("//", "%"):
                    if not self.prover.never_negative(y - 1, tuple(self.facts)):
                        return self.anything()
                    return self.prover.quotient(x, y) if op == "//" else self.prover.remainder(x, y)
                return x + y if op == "+" else x - y if op == "-" else x * y
        raise TypeError(f"not an index: {index!r}")

    def number(self, expr: L.Expr) -> Polynomial | None:
        """An integer scalar as a polynomial, or None if it may have wrapped."""
        match expr:
            case L.Const(dtype, value) if dtype in L.INTEGERS:
                return Polynomial.of(int(value))
            case L.FromIndex(index, "int64"):
                return self.index(index)
            case L.Read(name):
                return self.values.get(name)
        return None

    def anything(self) -> Polynomial:
        """A new variable of which nothing is known."""
        number = 0
        while (v := self.prover.scalar(number).last) in self.active:
            number += 1
        self.active.append(v)
        return Polynomial.variable(v)

    def holds(self, condition: L.Expr, true: bool = True) -> list[Polynomial]:
        """Polynomials that are ≥ 0 if a condition is true, or if it is false."""
        match condition:
            case L.Unary("not", x):
                return self.holds(x, not true)
            case L.Binary("and" | "or" as op, x, y) if (op == "and") == true:
                return self.holds(x, true) + self.holds(y, true)
            case L.Compare(op, left, right):
                a, b = self.number(left), self.number(right)
                if a is not None and b is not None:
                    return COMPARED[op if true else NEGATED[op]](a, b)
        return []
