"""Ctrl-C while machine code runs: Python sees a signal only between calls, so what may take long runs beside the main thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")

LONG = 0.1  # seconds: a shorter call is made where it is asked for


def interruptible(job: Callable[[], T]) -> T:
    """job() in a thread of its own, while the main thread waits where a signal handler can run.

    A KeyboardInterrupt leaves at once. The job then ends by itself, or with the process, and its result is dropped: it must write only to
    memory that nobody else reads. In other threads, which get no signals, and where no thread can start, this is job().
    """
    if threading.current_thread() is not threading.main_thread():
        return job()
    found: Future[T] = Future()
    try:
        threading.Thread(target=_settle, args=(found, job), name="minigrad call", daemon=True).start()
    except RuntimeError:  # out of threads
        return job()
    return found.result()


def _settle(found: Future[T], job: Callable[[], T]) -> None:
    try:
        found.set_result(job())
    except BaseException as error:
        found.set_exception(error)
