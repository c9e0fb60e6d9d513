"""The form of statements: equal for statements that differ only in the names of buffers, sizes, loop variables and scalars."""

from __future__ import annotations

import functools
from dataclasses import fields
from typing import Any

from .. import loop_ir as L

Form = tuple[Any, ...]


def form(body: tuple[L.Stmt, ...]) -> tuple[Form, list[str]]:
    """The form of statements, and the names in order of their numbers in it."""
    tokens: list[Any] = []
    numbers: dict[str, int] = {}
    _walk(body, tokens, numbers)
    return tuple(tokens), list(numbers)


def _walk(x: Any, tokens: list[Any], numbers: dict[str, int]) -> None:
    kind: Any = type(x)
    if kind is tuple:
        tokens.append(len(x))
        for part in x:
            _walk(part, tokens, numbers)
        return
    name, others = _fields(kind)
    tokens.append(kind)
    if name:
        tokens.append(numbers.setdefault(x.name, len(numbers)))
    for other in others:
        value = getattr(x, other)
        if isinstance(value, (L.Expr, L.Stmt, L.Index, L.Buffer, L.View, L.Array, tuple)):
            _walk(value, tokens, numbers)
        else:  # the type and the text tell 1, 1.0 and True apart, and 0.0 and -0.0
            tokens.append(value if type(value) in (str, int) else (type(value), repr(value)))


@functools.cache
def _fields(kind: type) -> tuple[bool, tuple[str, ...]]:
    """Whether instances have a name that can be replaced, and their other fields that code depends on."""
    found = [f.name for f in fields(kind)]
    named = "name" in found and kind is not L.Libm
    left_out = {"note", "name"} if named else {"note"}
    return named, tuple(f for f in found if f not in left_out and not (kind is L.Buffer and f == "size"))
