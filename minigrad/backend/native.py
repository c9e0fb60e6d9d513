"""A lowered program as machine code, run phase by phase, on two threads where that pays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import BoundsError, at
from .link import Kernel
from .lower import Lowered
from .team import one_thread

INVITE_FROM = 2**22  # multiplications of a phase to divide, from which a second thread comes in time: some 60 µs
KEPT_ARENAS = 4


class Native:
    """Callable from several threads at once; each call has its own working memory."""

    def __init__(self, lowered: Lowered):
        self.lowered = lowered
        self.kernels = [Kernel(p.function) for p in lowered.phases]
        self.names = [s.name for s in lowered.sizes]
        self.arenas: dict[tuple[int, ...], list[np.ndarray]] = {}
        self.pays: dict[tuple[int, ...], list[bool]] = {}

    def run(self, arrays: Sequence[np.ndarray], outputs: Sequence[np.ndarray], numbers: tuple[int, ...]) -> None:
        """Fill the outputs. Raises BoundsError for an index out of bounds, naming the operation and its line."""
        if not self.kernels:
            return
        first = self.kernels[0]
        if numbers not in self.pays:
            self.pays[numbers] = self._pays(numbers)
        idle = self.arenas.setdefault(numbers, [])
        arena = idle.pop() if idle else first.arena(*numbers)
        table = first.pack([*arrays, *self.lowered.constants, *outputs])
        for kernel, pays in zip(self.kernels, self.pays[numbers], strict=True):
            if pays and not one_thread():
                code, value = kernel.call_together(table, numbers, arena, arrays, outputs)
            else:
                code, value = kernel.call(table, numbers, arena)
            if code:
                node, text = self.lowered.checks[code - 1]
                raise BoundsError(f"{node.op.name}: {text.format(value=value)}" + at(node.origin))
        if len(self.arenas) > KEPT_ARENAS:
            self.arenas.pop(next(iter(self.arenas)))
        idle.append(arena)

    def _pays(self, numbers: tuple[int, ...]) -> list[bool]:
        """For each phase, whether it has work for a second thread."""
        sizes = dict(zip(self.names, numbers, strict=True))
        return [p.shared_work(sizes) >= INVITE_FROM for p in self.lowered.phases]
