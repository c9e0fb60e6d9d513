"""The worker threads: they take jobs from a queue, each a parallel region, and share the work of a region that has not ended yet."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any

from ...errors import SettingError, message
from ..llvm.work_board import CELLS, MOST_THREADS, THREADS
from .interrupt import settle

_Board = ctypes.c_int64 * CELLS
_Jobs = SimpleQueue[tuple[Future[Any], Callable[[], Any]]]


def new_board(threads: int) -> Any:
    """The work board of a region that so many threads divide."""
    board = _Board()
    board[THREADS] = threads
    return board


def system_functions() -> dict[str, int]:
    """The addresses of the system's functions by which a thread that waits lets others run, and sleeps."""
    if sys.platform == "win32":
        library = ctypes.WinDLL("kernel32")
        found = library.SwitchToThread, library.Sleep
    else:
        library = ctypes.CDLL(None)
        found = library.sched_yield, library.usleep
    return {name: ctypes.cast(f, ctypes.c_void_p).value or 0 for name, f in zip(("mg_give_way", "mg_sleep"), found, strict=True)}


@dataclass
class _Pool:
    """The threads of this process that serve one queue."""

    jobs: _Jobs = field(default_factory=SimpleQueue)
    threads: int = 0


_pools = [_Pool()]  # one
_starting = threading.Lock()


def _forget() -> None:
    """In a forked child, which has no workers yet."""
    global _starting
    _starting = threading.Lock()
    _pools[:] = [_Pool()]


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_forget)


def submit(job: Callable[[], Any], workers: int = 1) -> Future[Any]:
    """Put a job into the queue of the worker threads, and see that there are so many. The future has its result or its exception.

    Raises RuntimeError if there is no thread and none can start."""
    (pool,) = _pools
    if pool.threads < workers:
        with _starting:
            while pool.threads < workers:
                try:
                    threading.Thread(target=_serve, args=(pool.jobs,), name="minigrad", daemon=True).start()
                except RuntimeError:  # no more threads can start
                    if not pool.threads:
                        raise
                    break
                pool.threads += 1
    found: Future[Any] = Future()
    pool.jobs.put((found, job))
    return found


def _serve(jobs: _Jobs) -> None:
    while True:
        settle(*jobs.get())


def cores() -> int:
    """The number of cores that the process may use."""
    if hasattr(os, "process_cpu_count"):  # from Python 3.13 on
        return os.process_cpu_count() or 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads() -> int:
    """The number of threads that a call may use: MINIGRAD_THREADS, or as many as the process has cores."""
    wanted = os.environ.get("MINIGRAD_THREADS", "")
    if wanted and not (wanted.isdecimal() and int(wanted)):
        raise SettingError(message("MINIGRAD_THREADS", f"{wanted!r} is no number of threads", "Give a whole number from 1 on"))
    return min(int(wanted) if wanted else cores(), MOST_THREADS)
