"""Python's garbage collector, which waits while a program is made."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collecting_later() -> Iterator[None]:
    """No garbage collection inside. Graphs and loops are many objects that stay, and collections would look at all of them again.

    After it they are young objects: old ones, as `gc.freeze` makes them, would be garbage for long once the program is dropped."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
