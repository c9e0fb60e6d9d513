"""A lowered program as machine code. Its phases run one after the other, each on as many threads as have enough work."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np

from ...control.kernel import KERNEL
from ...errors import BoundsError, KernelError, MinigradError, RangeError, message
from ...primitives.elementwise import fit
from .. import loop_ir as L
from ..index import evaluate
from ..llvm.work_board import MOST_THREADS, THREADS, TICKET
from ..lower.program import Lowered, shared_work
from .interrupt import LONG, interruptible
from .kernel import kernels
from .openmp import OpenMP, current
from .worker import new_board, submit, threads

THREAD_WORK = 2**22  # multiplications that a thread of a phase must have for one more to be faster, some 50 µs
KEPT_ARENAS = 4
KEPT_SIZES = 256


@dataclass
class Known:
    """What is known of a program for given sizes: for each phase, how many threads have enough work, and the most of these; the time of
    the last long call; the places of local buffers, for guarded calls."""

    threads: list[int]
    most: int
    seconds: float = LONG
    locals: Any = None


class Executable:
    """The compiled phases of a program. Several threads may call it at once; each call has its own working memory."""

    def __init__(self, lowered: Lowered):
        self.lowered = lowered
        self.kernels = kernels(lowered.phases)
        self.arenas: dict[tuple[int, ...], list[np.ndarray]] = {}
        self.endless = any(isinstance(s, L.While) for p in lowered.phases for s in L.walk(p.body))  # no earlier call tells its time
        self.known = lru_cache(KEPT_SIZES)(partial(_known, lowered))

    def run(self, arrays: Sequence[np.ndarray], outputs: Sequence[np.ndarray], numbers: tuple[int, ...]) -> None:
        """Fill the outputs. Raises BoundsError for an index out of bounds, RangeError for a number and KernelError for a user's kernel.

        A KeyboardInterrupt is raised at once, also during a long call. The outputs and the working memory must then not be used again.
        """
        if not self.kernels:
            return
        arena = self.take_arena(numbers)
        problem = self.call((*arrays, *self.lowered.constants, *outputs), numbers, arena)
        if problem is not None:
            raise problem
        self.keep_arena(numbers, arena)

    def take_arena(self, numbers: tuple[int, ...]) -> np.ndarray:
        """Working memory for one call at these sizes."""
        try:
            return self.arenas[numbers].pop()
        except (KeyError, IndexError):
            return self.kernels[0].arena(*numbers)

    def keep_arena(self, numbers: tuple[int, ...], arena: np.ndarray) -> None:
        """Keep working memory for a later call."""
        self.arenas.setdefault(numbers, []).append(arena)
        if len(self.arenas) > KEPT_ARENAS:
            oldest, *_ = self.arenas  # at once: another thread may change them
            self.arenas.pop(oldest, None)

    def call(self, arrays: tuple[np.ndarray, ...], numbers: tuple[int, ...], arena: np.ndarray) -> MinigradError | None:
        """Run on the graph's params, constants and outputs. Returns the error of a failed check; no thread writes after the return."""
        known = self.known(numbers)
        if known.seconds < LONG and not self.endless:
            code, value = self._phases(known, arrays, numbers, arena)
        else:
            began = time.perf_counter()
            code, value = interruptible(partial(self._phases, known, arrays, numbers, arena))
            known.seconds = time.perf_counter() - began
        if not code:
            return None
        node, length = self.lowered.checks[code - 1]
        if node.op is KERNEL:
            fix = "Call it without mg.jit to see which"
            return KernelError(message(node.attrs["own"].name, "the kernel raised an exception", fix, node.origin))
        if node.op is fit:
            which = "a number" if node.type.is_float else value
            return RangeError(message("number", f"{which} does not fit {node.type.dtype}", "Give a wider dtype", node.origin))
        problem = f"index {value} out of bounds for an axis of size {evaluate(length, named(self.lowered, numbers))}"
        return BoundsError(message(node.attrs.get("what", node.op.name), problem, place=node.origin))

    def _phases(self, known: Known, arrays: tuple[np.ndarray, ...], numbers: tuple[int, ...], arena: np.ndarray) -> tuple[int, int]:
        """Run one phase after the other. Returns the code and the value of the first failed check, or (0, 0).

        No call waits for a worker. Raises a worker's exception if one has ended with it by then."""
        most = min(known.most, threads()) if known.most > 1 else 1
        if most == 1:
            for kernel in self.kernels:
                found = kernel.call(arrays, numbers, arena)
                if found[0]:
                    return found
            return 0, 0
        team = current.get()
        if team is not None and team.threads() > 1:
            return self._in_turn(team, known, most, arrays, numbers, arena)
        boards = {kernel: new_board(min(n, most)) for kernel, n in zip(self.kernels, known.threads, strict=True) if n > 1}

        def help(number: int) -> None:  # a worker may start after the call has returned: its job keeps the arrays alive
            for kernel, board in boards.items():
                if number < board[THREADS] and board[TICKET] != -1:
                    kernel.call(arrays, numbers, arena, board, worker=True)

        helpers: list[Future[Any]] = []
        with suppress(RuntimeError):  # no thread can start: the main thread does all parts
            helpers += (submit(partial(help, n), n) for n in range(1, max(board[THREADS] for board in boards.values())))
        try:
            for kernel in self.kernels:
                found = kernel.call(arrays, numbers, arena, boards.get(kernel))
                if found[0]:
                    return found
                if kernel in boards:
                    boards[kernel][TICKET] = -1
            for helper in helpers:
                if helper.done():
                    helper.result()
            return 0, 0
        finally:
            for board in boards.values():
                board[TICKET] = -1

    def _in_turn(
        self, team: OpenMP, known: Known, most: int, arrays: tuple[np.ndarray, ...], numbers: tuple[int, ...], arena: np.ndarray
    ) -> tuple[int, int]:
        """The same without workers: each phase on a team's threads, or on this one."""
        for kernel, wanted in zip(self.kernels, known.threads, strict=True):
            n = min(wanted, most, team.threads())
            found = kernel.call(arrays, numbers, arena) if n == 1 else team.call(kernel, arrays, numbers, arena, new_board(n))
            if found[0]:
                return found
        return 0, 0


def _known(lowered: Lowered, numbers: tuple[int, ...]) -> Known:
    works = (shared_work(p.body, named(lowered, numbers)) for p in lowered.phases)
    wanted = [min(max(work // THREAD_WORK, 1), MOST_THREADS) for work in works]
    return Known(wanted, max(wanted, default=1))


def named(lowered: Lowered, numbers: tuple[int, ...]) -> dict[str, int]:
    return {s.name: n for s, n in zip(lowered.sizes, numbers, strict=True)}
