"""Sizes that are computed from run-time sizes at each call: the number of chunks of an axis, and the root of its length."""

from __future__ import annotations

import math
from collections.abc import Callable

from .dims import Dim, Extent, Symbol, divide, hint


def ceil_divide(a: Extent, b: Extent) -> Extent:
    """⌈a / b⌉. For run-time sizes a derived one, with guards that say so: 0 < a, and b·(⌈a / b⌉ − 1) < a ≤ b·⌈a / b⌉."""
    if not a > 0:
        return 0
    if not isinstance(a, Dim):
        return -(-a // b)
    found = divide(a, b)
    if found is None:
        found = _derived("ceil", quotient, a, b)
        assert b * (found - 1) < a <= b * found
    return found


def root(a: Extent) -> Extent:
    """⌈√a⌉, at least 1. For a run-time size a derived one."""
    return _derived("root", least_root, a) if isinstance(a, Dim) else least_root(a)


def quotient(n: int, m: int) -> int:
    """⌈n / m⌉."""
    return -(-n // m)


def least_root(n: int) -> int:
    """⌈√n⌉, at least 1."""
    return math.isqrt(max(n - 1, 0)) + 1


def _derived(name: str, f: Callable[..., int], *of: Extent) -> Dim:
    text = "_".join([name, *map(repr, of)]).translate({ord("+"): "p", ord("-"): "m", ord("*"): "x"})
    return Dim.of(Symbol(text, f(*map(hint, of)), of, f))
