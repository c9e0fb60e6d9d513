"""The loop IR: a small typed language of loops over flat buffers.

A `Function` takes pointers (its inputs and outputs) and run-time sizes. `to_python` prints it as Python loops and `to_llvm` as LLVM IR;
both compute what NumPy computes. Buffers never overlap: two values share memory only by using the same `Buffer`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from .dtypes import BINARY, BITS, COMPARE, FLOATS, HALVES, INTEGERS, NUMBERS, SIGNED, UNARY, UNSIGNED
from .index import Index, IndexLike, IndexOp, Literal, LoopVar, Size, as_index, evaluate, minimum

__all__ = [  # noqa: RUF022, in the order of the text
    "Index", "IndexLike", "IndexOp", "Literal", "LoopVar", "Size", "as_index", "evaluate", "minimum",
    "UNARY", "BINARY", "FLOATS", "HALVES", "SIGNED", "UNSIGNED", "INTEGERS", "NUMBERS", "BITS", "ALIGNMENT", "SPLIT_FROM",
    "Buffer", "View",
    "Expr", "Const", "Read", "Load", "FromIndex", "Cast", "Unary", "Binary", "Libm", "Compare", "Select", "AsIndex",
    "Stmt", "For", "While", "Shared", "If", "Let", "Declare", "Assign", "Store", "Gemm", "Argsort", "Check",
    "Function", "blocks", "walk",
]  # fmt: skip

ALIGNMENT = 64
SPLIT_FROM = 8


# --- Buffers ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Buffer:
    """An array of `size` contiguous elements. Its name is an identifier."""

    name: str
    dtype: str
    size: IndexLike

    def __post_init__(self) -> None:
        _require(f"buffer {self.name}", self.dtype, BITS)

    @property
    def itemsize(self) -> int:
        return BITS[self.dtype] // 8


@dataclass(frozen=True)
class View:
    """A matrix inside a buffer: element (i, j) is at `offset + i * row_stride + j * column_stride`."""

    buffer: Buffer
    offset: IndexLike
    row_stride: IndexLike
    column_stride: IndexLike


# --- Scalar expressions -------------------------------------------------------------------------------------------------


class Expr:
    """A scalar expression, with a `dtype`."""

    dtype: str


@dataclass(frozen=True)
class Const(Expr):
    dtype: str
    value: float | int | bool

    def __post_init__(self) -> None:
        _require("constant", self.dtype, BITS)


@dataclass(frozen=True)
class Read(Expr):
    """The scalar that a `Let` or `Declare` has named."""

    name: str
    dtype: str


@dataclass(frozen=True)
class Load(Expr):
    buffer: Buffer
    index: IndexLike

    @property
    def dtype(self) -> str:  # type: ignore[override]
        return self.buffer.dtype


@dataclass(frozen=True)
class FromIndex(Expr):
    """An index as a scalar."""

    index: IndexLike
    dtype: str

    def __post_init__(self) -> None:
        _require("FromIndex", self.dtype, NUMBERS)


@dataclass(frozen=True)
class Cast(Expr):
    """x in another dtype. A float becomes the nearest integer towards zero that the dtype holds; NaN becomes 0. Integers wrap."""

    dtype: str
    x: Expr

    def __post_init__(self) -> None:
        _require("cast", self.dtype, BITS)


@dataclass(frozen=True)
class Unary(Expr):
    """A function of one operand. `round` rounds half to even. `not` inverts the bits of an integer and the truth of a bool."""

    op: str
    x: Expr

    def __post_init__(self) -> None:
        _require(self.op, self.x.dtype, UNARY[self.op])

    @property
    def dtype(self) -> str:  # type: ignore[override]
        return self.x.dtype


@dataclass(frozen=True)
class Binary(Expr):
    """A function of two operands. Integers wrap. The integer quotient `floor_divide` and `remainder` are 0 for a divisor of 0. An integer
    to a negative power is rounded towards zero, and 0 for the base 0. A shift by the width or more gives 0; a right shift of a negative
    integer gives -1."""

    op: str
    x: Expr
    y: Expr

    def __post_init__(self) -> None:
        _require(self.op, self.x.dtype, BINARY[self.op])
        _require(self.op, self.y.dtype, {self.x.dtype})

    @property
    def dtype(self) -> str:  # type: ignore[override]
        return self.x.dtype


@dataclass(frozen=True)
class Libm(Expr):
    """A call of the C library. `name` is that of the function for doubles."""

    name: str
    args: tuple[Expr, ...]

    def __post_init__(self) -> None:
        for x in self.args:
            _require(self.name, x.dtype, FLOATS & {self.dtype})

    @property
    def dtype(self) -> str:  # type: ignore[override]
        return self.args[0].dtype


@dataclass(frozen=True)
class Compare(Expr):
    op: str
    x: Expr
    y: Expr
    dtype = "bool"

    def __post_init__(self) -> None:
        _require("compare", self.op, COMPARE)
        _require(self.op, self.x.dtype, NUMBERS | {"bool"})
        _require(self.op, self.y.dtype, {self.x.dtype})


@dataclass(frozen=True)
class Select(Expr):
    """`x` if `condition` is true, else `y`. Both are evaluated."""

    condition: Expr
    x: Expr
    y: Expr

    def __post_init__(self) -> None:
        _require("select's condition", self.condition.dtype, {"bool"})
        _require("select", self.y.dtype, {self.x.dtype})

    @property
    def dtype(self) -> str:  # type: ignore[override]
        return self.x.dtype


@dataclass(frozen=True)
class AsIndex(Index):
    """An integer scalar used as an index, as in a gather."""

    expr: Expr

    def __post_init__(self) -> None:
        _require("AsIndex", self.expr.dtype, INTEGERS)


# --- Statements ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stmt:
    """A statement. `note` is its comment in the printed Python."""

    note: str = field(default="", kw_only=True)


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
        _require("gemm", self.c.buffer.dtype, FLOATS)
        for view in (self.a, self.b):
            _require("gemm", view.buffer.dtype, {self.c.buffer.dtype})


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
        _require("argsort's target", self.target.dtype, {"int64"})
        _require("argsort's source", self.source.dtype, BITS)


@dataclass(frozen=True)
class Check(Stmt):
    """If `condition` is false, the function returns `code`, which is not 0, and records `value`."""

    condition: Expr
    code: int
    value: IndexLike


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


def blocks(stmt: Stmt) -> Iterator[tuple[Stmt, ...]]:
    """The blocks of statements inside a statement, in order of execution."""
    return (getattr(stmt, name) for name in ("head", "body", "otherwise") if hasattr(stmt, name))


def walk(body: tuple[Stmt, ...]) -> Iterator[Stmt]:
    """Every statement, each before those inside it."""
    for stmt in body:
        yield stmt
        for block in blocks(stmt):
            yield from walk(block)


def _require(what: str, got: str, allowed: Collection[str]) -> None:
    if got not in allowed:
        raise TypeError(f"{what}: {got} is not one of {', '.join(sorted(allowed))}")
