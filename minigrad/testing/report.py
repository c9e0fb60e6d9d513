"""What a gradient check found: leaf by leaf the worst element, both values, and what kind of mistake gives such numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from .subject import Arrays, Subject, dot, is_rounding

LOCALISED = 4096  # elements looked at one by one


@dataclass
class Leaf:
    """A leaf's gradient beside its derivative, element by element; all arrays have the shape of the leaf.

    `seen` tells which elements were looked at; `kinks` and `jumps` where there is no derivative: at a kink the gradient must lie between
    `low` and `high`, the least and the largest slope of the pieces that meet there; at a jump, or the edge of the domain, it is not judged.
    """

    path: str
    gradient: np.ndarray

    def __post_init__(self) -> None:
        shape = self.gradient.shape
        self.derivative, self.low, self.high = (np.full(shape, np.nan) for _ in range(3))
        self.error = np.zeros(shape)  # how far the derivative itself may be off
        self.seen, self.kinks, self.jumps = (np.zeros(shape, bool) for _ in range(3))

    @property
    def wrong(self) -> np.ndarray:
        known = self.seen & ~self.discarded & np.isfinite(self.derivative)
        limit = 1e-7 * np.max(np.abs(self.derivative[known]), initial=1e-6) + 20 * self.error
        slack = 1e-4 * np.maximum(1e-3, np.maximum(np.abs(self.low), np.abs(self.high)))
        outside = (self.gradient < self.low - slack) | (self.gradient > self.high + slack)
        return (known & (self.distance > limit)) | (self.kinks & outside)

    @property
    def distance(self) -> np.ndarray:
        """|gradient − derivative|, 0 where there is no derivative to compare with."""
        known = self.seen & np.isfinite(self.derivative)
        return np.where(known, np.abs(self.gradient - np.where(known, self.derivative, 0)), 0)

    @property
    def worst(self) -> tuple[int, ...]:
        """The index of the element that is most wrong, or where the two differ most."""
        score = np.where(self.wrong, self.distance, -1) if self.wrong.any() else np.where(self.seen, self.distance, -1)
        return tuple(map(int, np.unravel_index(int(np.argmax(score)), score.shape)))

    @property
    def discarded(self) -> np.ndarray:
        """The elements without a derivative."""
        return self.kinks | self.jumps

    @property
    def verdict(self) -> str:
        if self.wrong.any():
            return f"wrong ({self.wrong.sum()} of {self.gradient.size})" if self.gradient.size > 1 else "wrong"
        if not self.seen.any():
            return "not looked at" if self.gradient.size else "empty"
        if self.discarded.all():
            return "no derivative here" if self.jumps.any() else "kink"
        notes = [f"{n.sum()} {word}" for n, word in ((self.kinks, "at kinks"), (self.jumps, "at jumps")) if n.any()]
        if not self.gradient.any() and not self.derivative[self.seen].any():
            notes.append("no influence")
        return "ok" + (f" ({', '.join(notes)})" if notes else "")

    def lines(self) -> list[str]:
        """Text for a wrong leaf."""
        at = self.worst
        place = f" at {at}" if at else ""
        count = f", {int(self.wrong.sum())} of {self.gradient.size} elements differ" if self.gradient.size > 1 else ""
        if self.kinks[at]:
            right = f"but at this kink the slopes nearby are between {self.low[at]:.10g} and {self.high[at]:.10g}"
        else:
            right = f"the derivative {self.derivative[at]:.10g}"
        line = f"  {self.path}{place}: the gradient is {self.gradient[at]:.10g}, {right}{count}"
        return [line, f"    likely: {self.cause}"] if self.cause else [line]

    @property
    def cause(self) -> str:
        """The likely cause of a wrong gradient, or ''."""
        if self.discarded.any() or not self.seen.all():
            return ""
        return likely_mistake(self.gradient, self.derivative)


@dataclass
class Report:
    """One call of check_grads: how many elements there were, how many had no derivative, and the leaves if it looked at them."""

    name: str
    key: int
    elements: int
    kinks: int = 0
    leaves: list[Leaf] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [f"check_grads({self.name}, key={self.key}): {self.elements} elements, {self.kinks} without a derivative"]
        for leaf in self.leaves:
            at = leaf.worst if leaf.gradient.size else ()
            numbers = f"gradient {leaf.gradient[at]:.10g}, derivative {leaf.derivative[at]:.10g}" if leaf.gradient.size else ""
            lines.append(f"  {leaf.path}: {leaf.verdict}; {numbers}")
        return "\n".join(lines)


def look(subject: Subject, gradient: Sequence[np.ndarray], cts: Arrays) -> list[Leaf]:
    """The derivative and the slopes of both sides with respect to the first LOCALISED elements, beside the gradient.

    A function with one scalar result has them without the factor that its cotangent is.
    """
    scale = 1 / float(cts[0]) if len(cts) == 1 and not cts[0].shape else 1.0
    exact = not subject.in_float32()
    leaves = [Leaf(path, np.asarray(g * scale)) for path, g in zip(subject.paths, gradient, strict=True)]
    for i, at, vs in islice(subject.units(), LOCALISED):
        leaf = leaves[i]
        derivative, error = subject.derivative(vs, cts)
        sides = subject.sides(vs, cts)
        leaf.derivative[at], leaf.error[at], leaf.seen[at] = derivative * scale, error * abs(scale), True
        leaf.low[at], leaf.high[at] = sorted((sides.low * scale + 0.0, sides.high * scale + 0.0))
        leaf.kinks[at], leaf.jumps[at] = exact and sides.kind == "kink", exact and sides.kind in ("jump", "edge")
        if not leaf.wrong[at]:
            continue
        if leaf.kinks[at]:
            slopes = [leaf.low[at], leaf.high[at], *(scale * slope + 0.0 for slope in subject.slopes_around(vs, cts))]
            leaf.low[at], leaf.high[at] = min(slopes), max(slopes)
        elif is_rounding(leaf.distance[at] / abs(scale), subject.compared_in_long_double(vs, cts)):
            leaf.error[at] = leaf.distance[at]
    return leaves


def likely_mistake(found: np.ndarray, expected: np.ndarray) -> str:
    """The simplest mistake that explains all elements, or ''."""

    def close(a: np.ndarray, b: np.ndarray) -> bool:
        return a.shape == b.shape and bool(np.allclose(a, b, rtol=1e-6, atol=1e-9 * float(np.max(np.abs(expected), initial=0))))

    if not found.any():
        return "no gradient flows here (a detach, a cast to an integer, a vjp rule that gives None)"
    if close(-found, expected):
        return "the sign is wrong"
    factor = float(dot([found], [expected])) / float(dot([found], [found]))
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
