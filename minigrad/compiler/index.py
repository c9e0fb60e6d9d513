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
    """The expression; a simpler one for literals. Lowering makes tens of thousands: a `match` would take twice as long."""
    a = left.value if type(left) is Literal else None
    b = right.value if type(right) is Literal else None
    if b is not None:
        if a is not None and (b or op not in ("//", "%")):
            return Literal(_ARITHMETIC[op](a, b))
        if (b == 0 and op in ("+", "-")) or (b == 1 and op in ("*", "//")):
            return left
        if (b == 0 and op == "*") or (b == 1 and op == "%"):
            return Literal(0)
        if op == "+" and type(left) is IndexOp and left.op == "+" and type(left.right) is Literal:
            return left.left + (left.right.value + b)
    elif a is not None:
        if (a == 0 and op == "+") or (a == 1 and op == "*"):
            return right
        if a == 0 and op == "*":
            return Literal(0)
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
