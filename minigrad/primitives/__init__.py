"""The table of primitives: one entry an operation."""

from __future__ import annotations

from ..ir import Primitive
from ..nodes import item
from . import control, elementwise, index, linalg, loop, movement, reduce


def _table() -> dict[str, Primitive]:
    found = {"item": item}
    for module in (elementwise, reduce, movement, index, linalg, control, loop):
        for value in vars(module).values():
            if isinstance(value, Primitive):
                found[value.name] = value
    return found


TABLE: dict[str, Primitive] = _table()
