"""The buffers and scalar expressions of the loop IR."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from .dtypes import BINARY, BITS, COMPARE, FLOATS, INTEGERS, NUMBERS, UNARY
from .index import Index, IndexLike


def require(what: str, got: str, allowed: Collection[str]) -> None:
    if got not in allowed:
        raise TypeError(f"{what}: {got} is not one of {', '.join(sorted(allowed))}")


# --- Buffers ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Buffer:
    """An array of `size` contiguous elements. Its name is an identifier."""

    name: str
    dtype: str
    size: IndexLike

    def __post_init__(self) -> None:
        require(f"buffer {self.name}", self.dtype, BITS)

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
        require("constant", self.dtype, BITS)


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
        require("FromIndex", self.dtype, NUMBERS)


@dataclass(frozen=True)
class Cast(Expr):
    """x in another dtype. A float becomes the nearest integer towards zero that the dtype holds; NaN becomes 0. Integers wrap."""

    dtype: str
    x: Expr

    def __post_init__(self) -> None:
        require("cast", self.dtype, BITS)


@dataclass(frozen=True)
class Bitcast(Expr):
    """The bits of x as a number of another dtype of its width."""

    dtype: str
    x: Expr

    def __post_init__(self) -> None:
        numbers = {d for d, width in BITS.items() if width == BITS[self.x.dtype]} - {"bool"}
        require("bitcast", self.dtype, numbers if self.x.dtype != "bool" else {"bool"})


@dataclass(frozen=True)
class Unary(Expr):
    """A function of one operand. `round` rounds half to even. `not` inverts the bits of an integer and the truth of a bool."""

    op: str
    x: Expr

    def __post_init__(self) -> None:
        require(self.op, self.x.dtype, UNARY[self.op])

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
        require(self.op, self.x.dtype, BINARY[self.op])
        require(self.op, self.y.dtype, {self.x.dtype})

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
            require(self.name, x.dtype, FLOATS & {self.dtype})

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
        require("compare", self.op, COMPARE)
        require(self.op, self.x.dtype, NUMBERS | {"bool"})
        require(self.op, self.y.dtype, {self.x.dtype})


@dataclass(frozen=True)
class Select(Expr):
    """`x` if `condition` is true, else `y`. Both are evaluated."""

    condition: Expr
    x: Expr
    y: Expr

    def __post_init__(self) -> None:
        require("select's condition", self.condition.dtype, {"bool"})
        require("select", self.y.dtype, {self.x.dtype})

    @property
    def dtype(self) -> str:  # type: ignore[override]
        return self.x.dtype


@dataclass(frozen=True)
class AsIndex(Index):
    """An integer scalar used as an index, as in a gather."""

    expr: Expr

    def __post_init__(self) -> None:
        require("AsIndex", self.expr.dtype, INTEGERS)
