"""How a program scales with the number of threads, by accounting: one thread does all parts that several would share, and is timed.

The longest path is what is not shared, and of each shared statement the longest part: the time of a call if every part had a core of its
own, and waking threads and waiting for each other cost nothing. So cores that are not at hand can be accounted for.
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import llvmlite.binding as llvm
import numpy as np

from ..llvm.work_board import Mark
from .executable import Executable
from .kernel import Kernel, kernels
from .worker import new_board

ROUNDS = 5  # each interval counts with its least time


@dataclass(frozen=True)
class Account:
    """Processor seconds of one call: in one part, in parts for so many threads, and on the longest path of these."""

    threads: int
    alone: float
    parts: float
    path: float
    serial: float  # what of the path is not shared

    @property
    def speedup(self) -> float:
        return self.alone / self.path

    def __str__(self) -> str:
        milliseconds = (f"{1e3 * seconds:9.3f}" for seconds in (self.parts, self.path, self.serial))
        return f"{self.threads:7} {' '.join(milliseconds)} {self.speedup:7.2f}"


def table(accounts: Sequence[Account]) -> str:
    """Accounts as text, in milliseconds."""
    return "\n".join([f"{'threads':>7} {'all parts':>9} {'path':>9} {'serial':>9} {'speedup':>7}", *map(str, accounts)])


def accounts(
    executable: Executable, arrays: tuple[np.ndarray, ...], numbers: tuple[int, ...], threads: Sequence[int], rounds: int = ROUNDS
) -> list[Account]:
    """An account for each number of threads, of a call with these arguments and results."""
    with _timing:
        llvm.add_symbol("mg_mark", ctypes.cast(_mark, ctypes.c_void_p).value or 0)
        made = kernels(executable.lowered.phases, timed=True)
    wanted = executable.known(numbers).threads
    arena = executable.take_arena(numbers)
    runs: dict[int, list[list[_Intervals]]] = {n: [] for n in (1, *threads)}
    for _ in range(rounds):
        for n, found in runs.items():
            found.append([_run(k, arrays, numbers, arena, min(n, most)) for k, most in zip(made, wanted, strict=True)])
    executable.keep_arena(numbers, arena)
    sums = {n: [sum(phase) for phase in zip(*map(_account, zip(*found, strict=True)), strict=True)] for n, found in runs.items()}
    alone = sums[1][0]
    return [Account(n, alone, *sums[n]) for n in threads]


_Intervals = list[tuple[int, float]]  # the mark with which each begins, and its seconds
_marks: list[tuple[int, float, float]] = []  # each mark, and when it came and went
_timing = threading.Lock()


@ctypes.CFUNCTYPE(None, ctypes.c_int64)
def _mark(what: int) -> None:
    came = time.thread_time()
    _marks.append((what, came, time.thread_time()))


def _run(kernel: Kernel, arrays: tuple[np.ndarray, ...], numbers: tuple[int, ...], arena: np.ndarray, threads: int) -> _Intervals:
    """Run a phase on one thread, in as many parts as for so many. Gives the intervals between marks."""
    board = new_board(threads)
    with _timing:
        _marks.clear()
        start = time.thread_time()
        kernel.call(arrays, numbers, arena, board)
        end = time.thread_time()
        events = [(Mark.OPENED, start, start), *_marks, (Mark.OPENED, end, end)]
    return [(what, came - went) for (what, _, went), (_, came, _) in pairwise(events)]


def _account(runs: Sequence[_Intervals]) -> tuple[float, float, float]:
    """Of one phase, run several times: the seconds of all intervals, of the longest path, and of what is not shared."""
    total = path = serial = longest = 0.0
    for interval in zip(*runs, strict=True):
        what, least = interval[0][0], min(seconds for _, seconds in interval)
        total += least
        if what == Mark.BEGUN:
            longest = max(longest, least)
            continue
        serial += least
        if what == Mark.OPENED:
            path, longest = path + longest, 0.0
    return total, path + longest + serial, serial
