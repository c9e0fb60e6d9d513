"""A lowered program as machine code, run phase by phase, on two threads where that pays."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial

import numpy as np

from ..errors import BoundsError, at
from .link import Kernel
from .lower import Lowered
from .patience import LONG, interruptible
from .team import one_thread

INVITE_FROM = 2**24  # multiplications of a phase to divide, from which a second thread pays: some 200 µs, for it comes after 50
KEPT_ARENAS = 4


class Native:
    """Callable from several threads at once; each call has its own working memory."""

    def __init__(self, lowered: Lowered):
        self.lowered = lowered
        self.kernels = [Kernel(p.function) for p in lowered.phases]
        self.names = [s.name for s in lowered.sizes]
        self.arenas: dict[tuple[int, ...], list[np.ndarray]] = {}
        self.pays: dict[tuple[int, ...], list[bool]] = {}
        self.seconds: dict[tuple[int, ...], float] = {}

    def run(self, arrays: Sequence[np.ndarray], outputs: Sequence[np.ndarray], numbers: tuple[int, ...]) -> None:
        """Fill the outputs. Raises BoundsError for an index out of bounds, naming the operation and its line.

        A KeyboardInterrupt comes through at once, also from a call that takes long; outputs and working memory then belong to nobody.
        """
        if not self.kernels:
            return
        first = self.kernels[0]
        if numbers not in self.pays:
            self.pays[numbers] = self._pays(numbers)
        idle = self.arenas.setdefault(numbers, [])
        arena = idle.pop() if idle else first.arena(*numbers)
        table = first.pack([*arrays, *self.lowered.constants, *outputs])
        job = partial(self._phases, table, numbers, arena, arrays, outputs)
        if self.seconds.get(numbers, LONG) < LONG:
            code, value = job()
        else:
            began = time.perf_counter()
            code, value = interruptible(job)
            self.seconds[numbers] = time.perf_counter() - began
        if code:
            node, text = self.lowered.checks[code - 1]
            raise BoundsError(f"{node.op.name}: {text.format(value=value)}" + at(node.origin))
        if len(self.arenas) > KEPT_ARENAS:
            self.arenas.pop(next(iter(self.arenas)))
        idle.append(arena)

    def _phases(
        self, table: bytes, numbers: tuple[int, ...], arena: np.ndarray, arrays: Sequence[np.ndarray], outputs: Sequence[np.ndarray]
    ) -> tuple[int, int]:
        """Run one phase after the other; the code of the first failed check and its value, or 0."""
        for kernel, pays in zip(self.kernels, self.pays[numbers], strict=True):
            if pays and not one_thread():
                found = kernel.call_together(table, numbers, arena, arrays, outputs)
            else:
                found = kernel.call(table, numbers, arena)
            if found[0]:
                return found
        return 0, 0

    def _pays(self, numbers: tuple[int, ...]) -> list[bool]:
        """For each phase, whether it has work for a second thread."""
        sizes = dict(zip(self.names, numbers, strict=True))
        return [p.shared_work(sizes) >= INVITE_FROM for p in self.lowered.phases]
