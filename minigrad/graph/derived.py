"""Sizes that are computed from run-time sizes at each call: quotients, and the root of a length."""

from __future__ import annotations

import math
from collections.abc import Callable

from .dims import Dim, Extent, Symbol, divide, division, hint


def ceil_divide(a: Extent, b: Extent) -> Extent:
    """⌈a / b⌉ for b > 0, and 0 for a ≤ 0. For run-time sizes a derived one, with guards that say so: b·(⌈a / b⌉ − 1) < a ≤ b·⌈a / b⌉."""
    if not a > 0:
        return 0
    if not isinstance(a, Dim):
        return -(-a // b)
    found = divide(a, b)
    return _ceiling(a, b) if found is None else found


def floor_divide(a: Dim, b: Extent) -> Extent:
    """⌊a / b⌋, in derived sizes where b does not divide a."""
    found = divide(a, b)
    if found is not None:
        return found
    if b < 0:
        return floor_divide(-a, -b)
    if not b > 0:
        raise ZeroDivisionError(f"the run-time size {a} is divided by 0")
    if isinstance(b, int) and _grows(-a):
        return -_ceiling(-a, b)
    if (isinstance(b, int) and _grows(a)) or a >= 0:
        return _ceiling(a + 1, b) - 1
    return -_ceiling(-a, b)


def _grows(a: Dim) -> bool:
    return all(c > 0 for m, c in a.terms if m)


def _ceiling(a: Extent, b: Extent) -> Extent:
    """⌈a / b⌉ of a > 0, or for a number b of any a that grows with its symbols. Multiples of the number are taken out, so that equal
    quotients look alike."""
    whole: Extent = 0
    if isinstance(b, int) and isinstance(a, Dim) and _grows(a):
        whole = sum((Dim([(m, 1)]) * (c // b) for m, c in a.terms if m), start=dict(a.terms).get((), 0) // b)
        a = a - whole * b
    if not isinstance(a, Dim):
        return whole + -(-a // b)
    found = _derived("ceil", quotient, a, b)
    assert b * (found - 1) < a <= b * found
    return whole + found


division["floor"] = floor_divide


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
