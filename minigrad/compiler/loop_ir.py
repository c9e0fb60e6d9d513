"""The loop IR: a small typed language of loops over flat buffers.

A `Function` takes pointers (its inputs and outputs) and run-time sizes. `to_python` prints it as plain Python loops,
`to_llvm` as LLVM text; both have NumPy's meaning. Buffers never overlap, so storage is shared by using one `Buffer` twice.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from .index import Index, IndexLike, IndexOp, Literal, LoopVar, Size, as_index, evaluate

__all__ = [  # noqa: RUF022, in the order of the text
    "Index", "IndexLike", "IndexOp", "Literal", "LoopVar", "Size", "as_index", "evaluate",
    "FLOATS", "SIGNED", "UNSIGNED", "INTEGERS", "NUMBERS", "BITS", "ALIGNMENT", "SPLIT_FROM",
    "Buffer", "View",
    "Expr", "Const", "Read", "Load", "FromIndex", "Cast", "Unary", "Binary", "Libm", "Compare", "Select", "AsIndex",
    "Stmt", "For", "Shared", "If", "Let", "Declare", "Assign", "Store", "Gemm", "Argsort", "Check",
    "Function", "walk",
]  # fmt: skip

FLOATS = frozenset({"float32", "float64"})
SIGNED = frozenset({"int32", "int64"})
UNSIGNED = frozenset({"uint8", "uint32", "uint64"})
INTEGERS = SIGNED | UNSIGNED
NUMBERS = FLOATS | INTEGERS
BITS = {"float32": 32, "float64": 64, "int32": 32, "int64": 64, "uint8": 8, "uint32": 32, "uint64": 64, "bool": 8}
ALIGNMENT = 64
SPLIT_FROM = 8


# --- Buffers ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Buffer:
    """`size` contiguous elements under a name that is an identifier."""

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
    """A scalar expression; every one has a `dtype`."""

    dtype: str


@dataclass(frozen=True)
class Const(Expr):
    dtype: str
    value: float | int | bool

    def __post_init__(self) -> None:
        _require("constant", self.dtype, BITS)


@dataclass(frozen=True)
class Read(Expr):
    """The scalar that `Let` or `Declare` named."""

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
    """An index as a number."""

    index: IndexLike
    dtype: str

    def __post_init__(self) -> None:
        _require("FromIndex", self.dtype, NUMBERS)


@dataclass(frozen=True)
class Cast(Expr):
    dtype: str
    x: Expr

    def __post_init__(self) -> None:
        _require("cast", self.dtype, BITS)


UNARY = {
    **dict.fromkeys(("exp", "expm1", "log", "log1p", "sqrt", "tanh", "sigmoid", "softplus", "sin", "cos", "erf", "floor"), FLOATS),
    **dict.fromkeys(("neg", "abs", "sign"), NUMBERS),
    "not": INTEGERS | {"bool"},
}
BINARY = {
    **dict.fromkeys(("add", "sub", "mul", "div", "pow", "maximum", "minimum"), NUMBERS),
    **dict.fromkeys(("and", "or", "xor"), INTEGERS | {"bool"}),
    **dict.fromkeys(("shl", "shr"), INTEGERS),
}
_COMPARE = frozenset({"lt", "le", "gt", "ge", "eq", "ne"})


@dataclass(frozen=True)
class Unary(Expr):
    """`not` inverts bits (of a bool: its truth)."""

    op: str
    x: Expr

    def __post_init__(self) -> None:
        _require(self.op, self.x.dtype, UNARY[self.op])

    @property
    def dtype(self) -> str:  # type: ignore[override]
        return self.x.dtype


@dataclass(frozen=True)
class Binary(Expr):
    """Integers wrap; integer `div` floors and is 0 on division by 0; a shift by the width or more gives 0 (or the sign)."""

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
    """A function of the C library, by its name for doubles."""

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
        _require("compare", self.op, _COMPARE)
        _require(self.op, self.y.dtype, {self.x.dtype})


@dataclass(frozen=True)
class Select(Expr):
    """`x` where `condition`, else `y`; both are evaluated."""

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
    """An integer scalar used as an index (a gather)."""

    expr: Expr

    def __post_init__(self) -> None:
        _require("AsIndex", self.expr.dtype, INTEGERS)


# --- Statements ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stmt:
    """`note` is the comment beside the statement in the printed Python."""

    note: str = field(default="", kw_only=True)


@dataclass(frozen=True)
class For(Stmt):
    """`var` runs over range(start, start + extent), or backwards."""

    var: LoopVar
    extent: IndexLike
    body: tuple[Stmt, ...]
    reverse: bool = False
    start: IndexLike = 0


@dataclass(frozen=True)
class Shared(Stmt):
    """The positions 0 … extent in two parts, each done by the body for its low … high, in any order or at once by two threads.

    From SPLIT_FROM positions they are halves, the first up to a multiple of `grain`; fewer are all in one part. So the result does not
    depend on the number of threads. Stands at the top of a function, in a loop that stands there, or in a loop of such a statement, which
    the threads run in step where there are few positions, and else each for itself."""

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
    """Names a value until the end of the block."""

    name: str
    expr: Expr


@dataclass(frozen=True)
class Declare(Stmt):
    """Like `Let`, for a variable that `Assign` may change: an accumulator."""

    name: str
    expr: Expr


@dataclass(frozen=True)
class Assign(Stmt):
    """Sums and products of the form `a = a + …` may be reassociated, so that they vectorise."""

    name: str
    expr: Expr


@dataclass(frozen=True)
class Store(Stmt):
    buffer: Buffer
    index: IndexLike
    expr: Expr


@dataclass(frozen=True)
class Gemm(Stmt):
    """C (m × n) = A (m × k) @ B (k × n)."""

    m: IndexLike
    n: IndexLike
    k: IndexLike
    a: View
    b: View
    c: View

    def __post_init__(self) -> None:
        _require("gemm", self.c.buffer.dtype, FLOATS)
        for view in (self.a, self.b):
            _require("gemm", view.buffer.dtype, {self.c.buffer.dtype})


@dataclass(frozen=True)
class Argsort(Stmt):
    """`target[offset + i * target_stride]` = the int64 position of the i-th of n strided source values in order: stable, NaN last.

    Only for the `first` i, a number, if that is given."""

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
        _require("argsort's source", self.source.dtype, NUMBERS)


@dataclass(frozen=True)
class Check(Stmt):
    """Unless `condition`, the function stops: it returns `code` (not 0) and records `value`."""

    condition: Expr
    code: int
    value: IndexLike


# --- Functions ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Function:
    """A program, which `verify` checks before it runs.

    Inputs are only read; outputs may be read too; locals live in one arena that the caller provides."""

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
        """How many of its statements are for two threads."""
        return sum(isinstance(s, Shared) for s in walk(self.body))

    def layout(self, sizes: Mapping[str, int]) -> tuple[dict[str, int], int]:
        """The byte offset of each local in the arena, and the arena's size in bytes. An unused cache line stands on both sides of each."""
        offsets, end = {}, ALIGNMENT
        for buffer in self.locals:
            offsets[buffer.name] = end
            end += -(-evaluate(buffer.size, sizes) * buffer.itemsize // ALIGNMENT) * ALIGNMENT + ALIGNMENT
        return offsets, end if self.locals else 0


def walk(body: tuple[Stmt, ...]) -> Iterator[Stmt]:
    """Every statement, each before the ones inside it."""
    for stmt in body:
        yield stmt
        if isinstance(stmt, For | Shared | If):
            yield from walk(stmt.body)
        if isinstance(stmt, If):
            yield from walk(stmt.otherwise)


def _require(what: str, got: str, allowed: Collection[str]) -> None:
    if got not in allowed:
        raise TypeError(f"{what}: {got} is not one of {', '.join(sorted(allowed))}")
