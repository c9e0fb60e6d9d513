"""The worker thread: it takes jobs from a queue, each a parallel region, and shares the work of a region that has not ended yet."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any

from ..llvm.work_board import CELLS
from .interrupt import settle

new_board = ctypes.c_int64 * CELLS


def give_way() -> int:
    """The address of the system's function that yields the processor to other threads."""
    if sys.platform == "win32":
        function = ctypes.WinDLL("kernel32").SwitchToThread
    else:
        function = ctypes.CDLL(None).sched_yield
    return ctypes.cast(function, ctypes.c_void_p).value or 0


_Jobs = SimpleQueue[tuple[Future[Any], Callable[[], Any]]]
_jobs: list[_Jobs] = []  # at most one queue, which the thread of this process serves
_starting = threading.Lock()


def _forget() -> None:
    """In a forked child, which has no worker yet."""
    global _starting
    _starting = threading.Lock()
    _jobs.clear()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_forget)


def submit(job: Callable[[], Any]) -> Future[Any]:
    """Put a job into the queue of the worker thread; starts the thread at the first job. The future has its result or its exception.

    Raises RuntimeError if no thread can start."""
    with _starting:
        if not _jobs:
            jobs: _Jobs = SimpleQueue()
            threading.Thread(target=_serve, args=(jobs,), name="minigrad", daemon=True).start()
            _jobs.append(jobs)
    found: Future[Any] = Future()
    _jobs[0].put((found, job))
    return found


def _serve(jobs: _Jobs) -> None:
    while True:
        settle(*jobs.get())


def one_thread() -> bool:
    """Whether compiled functions use only one thread: if the process has one core, or by MINIGRAD_THREADS=1."""
    return cores() == 1 or os.environ.get("MINIGRAD_THREADS") == "1"


def cores() -> int:
    """The number of cores that the process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
