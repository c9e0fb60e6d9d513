"""Python's garbage collector, which waits while a program is made."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collecting_later() -> Iterator[None]:
    """No garbage collection inside. Graphs and loops are many objects that stay, and collections would look at all of them again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            if not gc.get_freeze_count():  # nobody else has frozen objects: all that there are become old ones
                gc.freeze()
                gc.unfreeze()
            gc.enable()
