"""Interrupts (Ctrl-C) during machine code. Python handles a signal only between calls, so a long call runs in another thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")

LONG = 0.1  # seconds; a shorter call runs in the calling thread


def interruptible(job: Callable[[], T]) -> T:
    """Run job() in a new thread, while the main thread waits and can handle signals.

    A KeyboardInterrupt is raised at once. The job then runs on until it returns or the process ends, and its result is dropped: it must
    write only to memory that nothing else reads. A thread other than the main one, which gets no signals, runs job() itself; so does the
    main thread if no new thread can start.
    """
    if threading.current_thread() is not threading.main_thread():
        return job()
    found: Future[T] = Future()
    try:
        threading.Thread(target=settle, args=(found, job), name="minigrad call", daemon=True).start()
    except RuntimeError:  # no more threads can start
        return job()
    return found.result()


def settle(found: Future[T], job: Callable[[], T]) -> None:
    """Run job() and put its result or its exception into the future."""
    try:
        found.set_result(job())
    except BaseException as error:
        found.set_exception(error)
