"""The table of primitives: every operation by name."""

from __future__ import annotations

from .control import call, cond, kernel, scan, while_loop
from .graph.ir import Operation
from .graph.nodes import INPUT, item
from .primitives import bits, elementwise, index, linalg, movement, reduce, rounding, rows, trigonometry


def _table() -> dict[str, Operation]:
    found: dict[str, Operation] = {"item": item}
    for module in (elementwise, trigonometry, rounding, bits, reduce, movement, index, rows, linalg, call, cond, scan, while_loop, kernel):
        for value in vars(module).values():
            if isinstance(value, Operation) and value is not INPUT:  # which a module may import, and which computes nothing
                found[value.name] = value
    return found


TABLE: dict[str, Operation] = _table()
