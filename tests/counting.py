"""Work as a number that is the same on every machine: calls of functions, bytes of memory, references."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Sequence
from typing import Any


def calls(f: Callable[[], Any]) -> int:
    """Function calls, those into C included."""
    count = 0

    def watch(frame: Any, event: str, arg: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(watch)
    try:
        f()
    finally:
        sys.setprofile(None)
    return count


def references_kept(f: Callable[[], Any], objects: Sequence[Any]) -> list[int]:
    """How many references more each object has after twenty calls than after one."""

    def counts() -> list[int]:
        gc.collect()
        return [sys.getrefcount(o) for o in objects]

    f()
    before = counts()
    for _ in range(20):
        f()
    return [after - first for after, first in zip(counts(), before, strict=True)]


def working_memory(fast: Any, *sizes: int) -> int:
    """The bytes of the working memory of a compiled function's newest program, at these run-time sizes or those that it was made at."""
    lowered = fast._newest()[0].executable.lowered
    given = sizes or [s.hint for s in lowered.sizes]
    return lowered.phases[0].layout({s.name: n for s, n in zip(lowered.sizes, given, strict=True)})[1]  # all phases have the same buffers
