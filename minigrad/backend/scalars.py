"""Elementwise operations as scalar expressions of the loop IR."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..graph.ir import Operation
from .loops import BINARY, UNARY, Binary, Compare, Const, Expr, Libm, Select, Unary

COMPARE = {"less": "lt", "less_equal": "le", "equal": "eq", "not_equal": "ne"}


class Scalars:
    """What an operation's `scalar` is written with: the functions of loops.UNARY and BINARY by name, comparisons, `select`, numbers."""

    def __getattr__(self, name: str) -> Callable[..., Expr]:
        if name in UNARY:
            return lambda x: Unary(name, x)
        if name in BINARY:
            return lambda x, y: Binary(name, x, y)
        if name in COMPARE:
            return lambda x, y: Compare(COMPARE[name], x, y)
        raise AttributeError(f"there is no scalar function {name}")

    def select(self, condition: Expr, x: Expr, y: Expr) -> Expr:
        return Select(condition, x, y)

    def number(self, value: float, like: Expr) -> Expr:
        """A number of the dtype of another expression."""
        return Const(like.dtype, value)


_scalars = Scalars()


def scalar(op: Operation, dtype: str, x: Sequence[Any]) -> Expr | None:
    """An elementwise operation on scalars that gives one of this dtype, or None where the compiler does not know it."""
    if isinstance(op.scalar, str):
        return Libm(op.scalar, tuple(x))
    if op.scalar is not None:
        return op.scalar(_scalars, *x)
    if op.name in COMPARE:
        return Compare(COMPARE[op.name], *x)
    if dtype == "bool" and op.name in ("maximum", "minimum"):
        return Binary("or" if op.name == "maximum" else "and", *x)
    if op.name in BINARY:
        return Binary(op.name, *x)
    return Unary(op.name, *x) if op.name in UNARY else None
