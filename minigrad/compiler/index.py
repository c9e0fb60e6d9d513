"""Index expressions: integer expressions of run-time sizes and loop variables, for offsets and extents."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias


class Index:
    """An integer expression. Division rounds down, the remainder is not negative, and the divisor must be positive."""

    def __add__(self, other: IndexLike) -> Index:
        return _fold("+", self, as_index(other))

    def __radd__(self, other: int) -> Index:
        return _fold("+", as_index(other), self)

    def __sub__(self, other: IndexLike) -> Index:
        return _fold("-", self, as_index(other))

    def __rsub__(self, other: int) -> Index:
        return _fold("-", as_index(other), self)

    def __mul__(self, other: IndexLike) -> Index:
        return _fold("*", self, as_index(other))

    def __rmul__(self, other: int) -> Index:
        return _fold("*", as_index(other), self)

    def __floordiv__(self, other: IndexLike) -> Index:
        return _fold("//", self, as_index(other))

    def __mod__(self, other: IndexLike) -> Index:
        return _fold("%", self, as_index(other))


IndexLike: TypeAlias = Index | int


@dataclass(frozen=True)
class Literal(Index):
    value: int


@dataclass(frozen=True)
class Size(Index):
    """A run-time size: an int64 argument of the function."""

    name: str


@dataclass(frozen=True)
class LoopVar(Index):
    name: str


@dataclass(frozen=True)
class IndexOp(Index):
    op: str
    left: Index
    right: Index


def as_index(value: IndexLike) -> Index:
    """`value` itself, or the literal of a Python int."""
    return value if isinstance(value, Index) else Literal(int(value))


_ARITHMETIC: dict[str, Callable[[int, int], int]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "//": lambda a, b: a // b,
    "%": lambda a, b: a % b,
    "min": min,
}


def _fold(op: str, left: Index, right: Index) -> Index:
    match op, left, right:
        case _, Literal(a), Literal(b) if b or op not in ("//", "%"):
            return Literal(_ARITHMETIC[op](a, b))
        case ("+", x, Literal(0)) | ("+", Literal(0), x) | ("-", x, Literal(0)):
            return x
        case ("*", x, Literal(1)) | ("*", Literal(1), x) | ("//", x, Literal(1)):
            return x
        case ("*", _, Literal(0)) | ("*", Literal(0), _) | ("%", _, Literal(1)):
            return Literal(0)
        case "+", IndexOp("+", x, Literal(a)), Literal(b):
            return x + (a + b)
    return IndexOp(op, left, right)


def minimum(x: IndexLike, y: IndexLike) -> Index:
    return _fold("min", as_index(x), as_index(y))


def evaluate(index: IndexLike, sizes: Mapping[str, int]) -> int:
    """The value of an index expression. `sizes` gives the values of run-time sizes and loop variables by name."""
    match index:
        case int():
            return index
        case Literal(value):
            return value
        case Size(name) | LoopVar(name):
            return sizes[name]
        case IndexOp(op, left, right):
            return _ARITHMETIC[op](evaluate(left, sizes), evaluate(right, sizes))
    raise TypeError(f"not an expression of sizes and loop variables: {index}")
