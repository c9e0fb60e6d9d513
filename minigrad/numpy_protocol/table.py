"""The table: which function here computes each function of NumPy."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

import numpy as np

FUNCTIONS: dict[Any, Callable[..., Any]] = {}


def find(name: str) -> Any:
    """NumPy's function of a name, or None in a NumPy that lacks it."""
    try:
        return attrgetter(name)(np)
    except AttributeError:
        return None


def replaces(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The function under it computes NumPy's functions of these names. It has NumPy's names of arguments."""

    def register(ours: Callable[..., Any]) -> Callable[..., Any]:
        FUNCTIONS.update({find(n): ours for n in names if find(n)})
        return ours

    return register
