"""A lowered program as machine code, run phase by phase, on two threads where a phase can be split over rows."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait

import numpy as np

from ..errors import BoundsError, at
from .index import evaluate
from .link import Kernel
from .lower import Lowered

# Rows from which a phase runs as two shards: fixed, so that a machine with other cores computes the same bits.
SPLIT_ROWS = 8
KEPT_ARENAS = 4

_helper: list[ThreadPoolExecutor] = []
os.register_at_fork(after_in_child=_helper.clear)


def _beside() -> ThreadPoolExecutor:
    if not _helper:
        _helper.append(ThreadPoolExecutor(1, thread_name_prefix="minigrad"))
    return _helper[0]


class Native:
    """Callable from several threads at once; each call has its own working memory."""

    def __init__(self, lowered: Lowered):
        self.lowered = lowered
        self.phases = [(Kernel(p.function), p.extent) for p in lowered.phases]
        self.names = [s.name for s in lowered.sizes]
        self.arenas: dict[tuple[int, ...], list[np.ndarray]] = {}

    def run(self, arrays: Sequence[np.ndarray], outputs: Sequence[np.ndarray], numbers: tuple[int, ...]) -> None:
        """Fill the outputs. Raises BoundsError for an index out of bounds, naming the operation and its line."""
        if not self.phases:
            return
        first = self.phases[0][0]
        idle = self.arenas.setdefault(numbers, [])
        arena = idle.pop() if idle else first.arena(*numbers, 0, 0)
        sizes = dict(zip(self.names, numbers, strict=True))
        table = first.pack([*arrays, *self.lowered.constants, *outputs])
        for kernel, extent in self.phases:
            rows = 0 if extent is None else evaluate(extent, sizes)
            if rows >= SPLIT_ROWS:
                code, value = _in_halves(kernel, table, numbers, rows, arena)
            else:
                code, value = kernel.call(table, (*numbers, 0, rows), arena)
            if code:
                node, text = self.lowered.checks[code - 1]
                raise BoundsError(f"{node.op.name}: {text.format(value=value)}" + at(node.origin))
        if len(self.arenas) > KEPT_ARENAS:
            self.arenas.pop(next(iter(self.arenas)))
        idle.append(arena)


def _in_halves(kernel: Kernel, table: bytes, numbers: tuple[int, ...], rows: int, arena: np.ndarray) -> tuple[int, int]:
    middle = rows // 2
    if os.environ.get("MINIGRAD_THREADS") == "1":  # one half after the other: the same bits
        return max(kernel.call(table, (*numbers, 0, middle), arena), kernel.call(table, (*numbers, middle, rows), arena))
    other = _beside().submit(kernel.call, table, (*numbers, middle, rows), arena)
    try:
        found = kernel.call(table, (*numbers, 0, middle), arena)
    finally:  # an interrupt here must not free what the other half still writes
        wait([other])
    return max(found, other.result())
