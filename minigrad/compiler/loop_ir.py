"""The loop IR: a small typed language of loops over flat buffers.

A `Function` takes pointers (its inputs and outputs) and run-time sizes. `to_python` prints it as Python loops and `to_llvm` as LLVM IR;
both compute what NumPy computes. Buffers never overlap: two values share memory only by using the same `Buffer`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any, Protocol

from .dtypes import BINARY, BITS, FLOATS, HALVES, INTEGERS, NUMBERS, SIGNED, UNARY, UNSIGNED
from .index import Index, IndexLike, IndexOp, Literal, LoopVar, Size, as_index, evaluate, minimum
from .scalar_ir import (
    AsIndex,
    Binary,
    Bitcast,
    Buffer,
    Cast,
    Compare,
    Const,
    Expr,
    FromIndex,
    Libm,
    Load,
    Read,
    Select,
    Unary,
    View,
    require,
)  # fmt: skip

__all__ = [  # noqa: RUF022, in the order of the text
    "Index", "IndexLike", "IndexOp", "Literal", "LoopVar", "Size", "as_index", "evaluate", "minimum",
    "UNARY", "BINARY", "FLOATS", "HALVES", "SIGNED", "UNSIGNED", "INTEGERS", "NUMBERS", "BITS", "ALIGNMENT", "SPLIT_FROM",
    "Buffer", "View",
    "Expr", "Const", "Read", "Load", "FromIndex", "Cast", "Bitcast", "Unary", "Binary", "Libm", "Compare", "Select", "AsIndex",
    "Stmt", "For", "While", "Shared", "If", "Let", "Declare", "Assign", "Store", "Gemm", "Argsort", "Check", "Array",
    "External", "Extern",
    "Function", "blocks", "walk",
]  # fmt: skip

ALIGNMENT = 64
SPLIT_FROM = 8


# --- Statements ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stmt:
    """A statement. `note` is its comment in the printed Python: a text, or what is one as a string."""

    note: object = field(default="", kw_only=True)


@dataclass(frozen=True)
class For(Stmt):
    """A loop: `var` takes the values of range(start, start + extent), in falling order with `reverse`."""

    var: LoopVar
    extent: IndexLike
    body: tuple[Stmt, ...]
    reverse: bool = False
    start: IndexLike = 0


@dataclass(frozen=True)
class While(Stmt):
    """A loop: `head` runs, and while `condition`, which reads memory, is then true, `body` and again `head`."""

    head: tuple[Stmt, ...]
    condition: Expr
    body: tuple[Stmt, ...]


@dataclass(frozen=True)
class Shared(Stmt):
    """Work sharing: the positions 0 … extent are divided into parts, and the body runs once for each, from `low` to `high`.

    The parts run in any order, or at the same time on several threads. Each begins at a multiple of `grain`. From SPLIT_FROM positions on
    there are as many as threads; fewer positions are one part. The body computes the same for a position in whichever part it is: the
    result does not depend on the number of threads. The statement may stand at the top level of a function, in a loop there, or in a loop
    inside another shared statement. In that last case all threads run the outer body in step if it has few positions; else each thread
    runs its part alone."""

    extent: IndexLike
    low: LoopVar
    high: LoopVar
    body: tuple[Stmt, ...]
    grain: int = 1


@dataclass(frozen=True)
class If(Stmt):
    condition: Expr
    body: tuple[Stmt, ...]
    otherwise: tuple[Stmt, ...] = ()


@dataclass(frozen=True)
class Let(Stmt):
    """Names a value, until the end of the block."""

    name: str
    expr: Expr


@dataclass(frozen=True)
class Declare(Stmt):
    """Declares a variable, which `Assign` may change. Used as an accumulator."""

    name: str
    expr: Expr


@dataclass(frozen=True)
class Assign(Stmt):
    """Assigns to a variable. Sums and products of the form `a = a + …` may be reassociated, so that they vectorise."""

    name: str
    expr: Expr


@dataclass(frozen=True)
class Store(Stmt):
    buffer: Buffer
    index: IndexLike
    expr: Expr


@dataclass(frozen=True)
class Gemm(Stmt):
    """C (m × n) = A (m × k) @ B (k × n).

    It may be a part of a product of `rows` × `columns`, which are m and n by default. These decide the order of additions, so that an
    element of C is the same to the last bit in whichever part it is."""

    m: IndexLike
    n: IndexLike
    k: IndexLike
    a: View
    b: View
    c: View
    rows: IndexLike | None = None
    columns: IndexLike | None = None

    def __post_init__(self) -> None:
        require("gemm", self.c.buffer.dtype, FLOATS)
        for view in (self.a, self.b):
            require("gemm", view.buffer.dtype, {self.c.buffer.dtype})


@dataclass(frozen=True)
class Argsort(Stmt):
    """Argsort of n strided source values: `target[offset + i * target_stride]` = the position of the i-th value in sorted order.

    The sort is stable, with NaN last. If `first` is given, only the first so many positions are computed."""

    target: Buffer
    offset: IndexLike
    source: Buffer
    source_offset: IndexLike
    n: IndexLike
    stride: IndexLike = 1
    target_stride: IndexLike = 1
    descending: bool = False
    first: int | None = None

    def __post_init__(self) -> None:
        require("argsort's target", self.target.dtype, {"int64"})
        require("argsort's source", self.source.dtype, BITS)


@dataclass(frozen=True)
class Check(Stmt):
    """If `condition` is false, the function returns `code`, which is not 0, and records `value`."""

    condition: Expr
    code: int
    value: IndexLike


@dataclass(frozen=True)
class Array:
    """An array in row-major order inside a buffer, from `offset` on."""

    buffer: Buffer
    offset: IndexLike
    shape: tuple[IndexLike, ...]

    @property
    def size(self) -> Index:
        total: Index = Literal(1)
        for n in self.shape:
            total = total * n
        return total


class External(Protocol):
    """A function that is not in the loop IR. `int64 symbol(pointers…, lengths…)`, at `address`, takes a pointer for each array and then the
    lengths of all axes; it returns 0, or another number if it fails. A call from Python takes NumPy arrays."""

    @property
    def symbol(self) -> str: ...
    @property
    def address(self) -> int: ...
    def __call__(self, *arrays: object) -> int: ...


@dataclass(frozen=True)
class Extern(Stmt):
    """Calls an external function, which reads the inputs and changes the outputs. If it fails, the function returns `code`."""

    function: External
    inputs: tuple[Array, ...]
    outputs: tuple[Array, ...]
    code: int

    @property
    def arrays(self) -> tuple[Array, ...]:
        return (*self.inputs, *self.outputs)


# --- Functions ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Function:
    """A function of loops. `verify` checks it before it runs.

    Inputs are only read; outputs are read and written. Locals are in one arena, which the caller provides."""

    name: str
    inputs: tuple[Buffer, ...]
    outputs: tuple[Buffer, ...]
    sizes: tuple[Size, ...]
    locals: tuple[Buffer, ...]
    body: tuple[Stmt, ...]

    @property
    def arguments(self) -> tuple[Buffer, ...]:
        return self.inputs + self.outputs

    @property
    def shared(self) -> int:
        """The number of shared statements."""
        return sum(isinstance(s, Shared) for s in walk(self.body))

    def layout(self, sizes: Mapping[str, int]) -> tuple[dict[str, int], int]:
        """The byte offset of each local in the arena, and the size of the arena in bytes. There is an unused cache line before and after
        each local."""
        offsets, end = {}, ALIGNMENT
        for buffer in self.locals:
            offsets[buffer.name] = end
            end += -(-evaluate(buffer.size, sizes) * buffer.itemsize // ALIGNMENT) * ALIGNMENT + ALIGNMENT
        return offsets, end if self.locals else 0


def blocks(stmt: Stmt) -> list[tuple[Stmt, ...]]:
    """The blocks of statements inside a statement, in order of execution."""
    kind: Any = type(stmt)
    return [getattr(stmt, name) for name in _block_names(kind)]


@cache
def _block_names(kind: Any) -> tuple[str, ...]:
    return tuple(f.name for f in fields(kind) if f.name in ("head", "body", "otherwise"))


def walk(body: tuple[Stmt, ...]) -> Iterator[Stmt]:
    """Every statement, each before those inside it."""
    stack = [*reversed(body)]
    while stack:
        stmt = stack.pop()
        yield stmt
        for block in reversed(blocks(stmt)):
            stack += reversed(block)
