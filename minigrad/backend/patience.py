"""Ctrl-C while machine code runs: Python sees a signal only between calls, so what may take long runs beside the main thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import TypeVar

T = TypeVar("T")

LONG = 0.1  # seconds: a shorter call is made where it is asked for


def interruptible(job: Callable[[], T]) -> T:
    """job(), which must not raise, in a thread of its own while the main thread waits where a signal handler can run.

    A KeyboardInterrupt leaves at once. The job then ends by itself, or with the process, and its result is dropped: it must write only to
    memory that nobody else reads. In other threads, which get no signals, and where no thread can start, this is job().
    """
    if threading.current_thread() is not threading.main_thread():
        return job()
    done: SimpleQueue[T] = SimpleQueue()
    try:
        threading.Thread(target=lambda: done.put(job()), name="minigrad call", daemon=True).start()
    except RuntimeError:  # out of threads
        return job()
    return done.get()
