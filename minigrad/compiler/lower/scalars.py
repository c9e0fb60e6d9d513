"""Elementwise operations as scalar expressions of the loop IR."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...graph.ir import Operation
from .. import loop_ir as L

COMPARE = {"less": "lt", "less_equal": "le", "equal": "eq", "not_equal": "ne"}


class Scalars:
    """The argument S of an operation's `scalar`: a method for each function of UNARY and BINARY and each comparison, `select`, `number`."""

    def __getattr__(self, name: str) -> Callable[..., L.Expr]:
        if name in L.UNARY:
            return lambda x: L.Unary(name, x)
        if name in L.BINARY:
            return lambda x, y: L.Binary(name, x, y)
        if name in COMPARE:
            return lambda x, y: L.Compare(COMPARE[name], x, y)
        raise AttributeError(f"there is no scalar function {name}")

    def select(self, condition: L.Expr, x: L.Expr, y: L.Expr) -> L.Expr:
        return L.Select(condition, x, y)

    def number(self, value: float, like: L.Expr) -> L.Expr:
        """A constant with the dtype of another expression."""
        return L.Const(like.dtype, value)


_scalars = Scalars()


def scalar(op: Operation, dtype: str, x: Sequence[Any]) -> L.Expr | None:
    """The scalar expression of an elementwise operation with a result of this dtype, or None if the compiler has none."""
    if isinstance(op.scalar, str):
        return L.Libm(op.scalar, tuple(x))
    if op.scalar is not None:
        return op.scalar(_scalars, *x)
    if op.name in COMPARE:
        return L.Compare(COMPARE[op.name], *x)
    if dtype == "bool" and op.name in ("maximum", "minimum"):
        return L.Binary("or" if op.name == "maximum" else "and", *x)
    if op.name in L.BINARY:
        return L.Binary(op.name, *x)
    return L.Unary(op.name, *x) if op.name in L.UNARY else None
