"""What a failed gradient check says: where, both values, and what kind of mistake gives such numbers."""

from __future__ import annotations

import numpy as np


def localised(path: str, found: np.ndarray, expected: np.ndarray) -> list[str]:
    """Lines for one leaf: its worst element and the likely cause; none where it is right."""
    known = np.isfinite(expected)
    error = np.where(known, np.abs(found - np.where(known, expected, 0)), 0)
    wrong = error > 1e-7 * np.max(np.abs(expected[known]), initial=1e-6)
    if not wrong.any():
        return []
    at = tuple(map(int, np.unravel_index(int(np.argmax(error)), error.shape)))
    place = f" at {at}" if at else ""
    count = f", {int(wrong.sum())} of {found.size} elements differ" if found.size > 1 else ""
    lines = [f"  {path}{place}: the gradient is {found[at]:.10g}, the derivative {expected[at]:.10g}{count}"]
    why = likely_cause(found, expected) if known.all() else ""
    return [*lines, f"    likely: {why}"] if why else lines


def likely_cause(found: np.ndarray, expected: np.ndarray) -> str:
    """The simplest mistake that explains all elements, or ''."""

    def close(a: np.ndarray, b: np.ndarray) -> bool:
        return a.shape == b.shape and bool(np.allclose(a, b, rtol=1e-6, atol=1e-9 * float(np.max(np.abs(expected), initial=0))))

    if not found.any():
        return "no gradient flows here (a detach, a cast to an integer, a vjp rule that gives None)"
    if close(-found, expected):
        return "the sign is wrong"
    weight = float(np.sum(found * found))
    factor = float(np.sum(found * expected)) / weight
    if factor and close(found * factor, expected):
        return f"a factor is missing: the gradient times {factor:.6g} is right"
    if found.ndim >= 2 and close(np.swapaxes(found, -1, -2), expected):
        return "the last two axes are swapped"
    for axis in range(found.ndim):
        if close(np.flip(found, axis), expected):
            return f"axis {axis} is reversed"
        if any(close(np.roll(found, k, axis), expected) for k in range(1, found.shape[axis])):
            return f"axis {axis} is shifted"
    if found.size > 1 and close(np.sort(found, axis=None), np.sort(expected, axis=None)):
        return "the right numbers in the wrong places"
    if close(found, np.broadcast_to(expected.mean(), found.shape)) or np.ptp(found) == 0:
        return "every element gets the same: a sum or mean over the wrong axes"
    return ""
