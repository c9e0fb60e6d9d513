"""Work as a number that is the same on every machine: calls of functions."""

from __future__ import annotations

import sys
from collections.abc import Callable
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
