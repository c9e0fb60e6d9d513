"""mg.native_loops: eager loops over time as machine code."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from .compiled import Compiled
from .control.scan import SCAN, split
from .graph.ir import Graph, Operation
from .graph.nodes import CONSTANT, bodies, interpreted, known
from .graph.structure import structure
from .tensor import Tensor

KEPT = 64
_loops: dict[Any, Compiled] = {}  # by structure


@contextmanager
def native_loops() -> Iterator[None]:
    """Inside the `with`, eager loops over time (mg.scan, and its gradient in `backward` and mg.grad) run as machine code.

    A loop is compiled when it is first met, which takes from a tenth of a second to seconds, and less where the disk cache has it. It is
    found again by its structure: another call of the same model, other values and other lengths use the same code. So it pays for a model
    that is called many times outside mg.jit. Results agree with those outside the `with` to rounding; inside it, all calls of a loop run
    the same code and give the same bits. A loop that cannot be compiled runs in the interpreter, with one CompileWarning.
    """
    token = bodies.set(_run)
    try:
        yield
    finally:
        bodies.reset(token)


def _run(op: Operation, values: Sequence[np.ndarray], attrs: dict[str, Any]) -> tuple[np.ndarray, ...]:
    key = structure(attrs["body"]) if op is SCAN else None
    if key is None:
        return interpreted(op, values, attrs)
    fixed = {name: value for name, value in attrs.items() if name not in ("body", "length")}
    given = split(values, attrs["constants"], attrs["carries"])
    length = None if given.sequences else attrs["length"]
    key = (key, length, *fixed.values(), *[(a.shape, a.dtype) for a in (*given.constants, *given.carries)])
    loop = _loops.get(key)
    if loop is None:
        if len(_loops) >= KEPT:
            _loops.clear()
        loop = _loops.setdefault(key, _loop(attrs["body"], length, fixed))
    literal = [Tensor(known(CONSTANT, a)) for a in (*given.constants, *given.carries)]
    results = loop(literal, list(given.sequences))
    return tuple(r.numpy() for r in results)


def _loop(body: Graph, length: int | None, attrs: dict[str, Any]) -> Compiled:
    def loop(literal: list[Tensor], sequences: list[Tensor]) -> tuple[Tensor, ...]:
        return SCAN(*literal, *sequences, body=body, length=sequences[0].shape[0] if sequences else length, **attrs)

    loop.__name__ = loop.__qualname__ = body.name
    return Compiled(loop)
