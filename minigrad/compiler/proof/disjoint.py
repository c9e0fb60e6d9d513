"""The proof that the parts of a shared statement are disjoint: no part reads or writes an element that another part writes.

Of any two parts, the positions of one are below a middle and those of the other are not. Two indices differ in one of two cases:
  One index is always less than the other.
  Both have the form t·T + d·S + r with 0 ≤ r < S and 0 ≤ d·S + r < T, which determines the digit d, and one d is always less than the
  other: they are in different rows of the matrix of any step.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from .accesses import Access, Region
from .polynomial import ZERO, Polynomial
from .prover import Facts, Found, Prover, Verdict

Place = tuple[Polynomial, Facts]  # an index, and the facts known at that place


class Part:
    """One of two parts of a shared statement: any positions below a middle, or any others. It has variables of its own for those that may
    differ between the threads."""

    def __init__(self, prover: Prover, region: Region, number: int):
        self.prover, self.number = prover, number
        middle = prover.variable(("middle", region.extent), lambda v: (v, region.extent - v))
        first, last = ((ZERO, middle), (middle, region.extent))[number]
        low = prover.variable(("low", number, region.extent), lambda v: (v - first, last - v))
        high = prover.variable(("high", number, region.extent), lambda v: (v - low, last - v))
        self.ends = {low.last, high.last}
        self.values = {v: Polynomial.variable(v) for v in region.common} | {region.low.last: low, region.high.last: high}

    def copy(self, x: Polynomial) -> Polynomial:
        """A polynomial of the statement, in the part's own variables."""
        return x.substitute({v: self.variable(v) for v in x.variables})

    def variable(self, v: int) -> Polynomial:
        if v not in self.values:
            known = self.prover.variables[v]
            others = {u: self.variable(u) for c in known.constraints for u in c.variables if u != v}
            if known.size or (not known.free and all(x == Polynomial.variable(u) for u, x in others.items())):
                self.values[v] = Polynomial.variable(v)
            else:
                key = "part", self.number, v, frozenset(others.items())
                self.values[v] = self.prover.variable(
                    key, lambda w: tuple(c.substitute({**others, v: w}) for c in known.constraints), known.free
                )
        return self.values[v]

    def place(self, access: Access) -> Place:
        return self.copy(access.index), tuple(map(self.copy, access.facts))


def pairs(prover: Prover, region: Region) -> Iterator[tuple[Access, Access, Found]]:
    """Every pair of an access of the first part and one of the second, at least one of them a write, and whether they are disjoint."""
    first, second = Part(prover, region, 0), Part(prover, region, 1)
    buffers: dict[str, dict[Place, Access]] = {}
    for access in sorted(region.accesses, key=lambda a: not a.writes):
        buffers.setdefault(access.buffer.name, {}).setdefault((access.index, access.facts), access)
    for found in buffers.values():
        places = [(access, first.place(access), second.place(access)) for access in found.values()]
        for (x, here, _), (y, _, there) in itertools.product(places, repeat=2):
            if x.writes or y.writes:
                yield x, y, _disjoint(prover, here, there, first.ends | second.ends)


def _disjoint(prover: Prover, first: Place, second: Place, ends: set[int]) -> Found:
    (x, known), (y, known_too) = first, second
    facts = known + known_too
    if _differ(prover, x, y, facts) or _digits_differ(prover, first, second, ends):
        return Verdict.BY_INTERVALS, ""
    return prover.refute(x - y, y - x, *facts)


def _differ(prover: Prover, x: Polynomial, y: Polynomial, facts: Facts) -> bool:
    return any(prover.never_negative(difference - 1, facts) for difference in (y - x, x - y))


def _digits_differ(prover: Prover, first: Place, second: Place, ends: set[int]) -> bool:
    facts = first[1] + second[1]
    found = [s for x, _ in (first, second) for s in _strides(prover, x, facts, ends)]
    strides, divided = dict.fromkeys(s for s, _ in found), dict.fromkeys(s for s, of_part in found if of_part)
    for stride, above in itertools.product(divided, dict.fromkeys((None, *strides, *map(Polynomial.primitive, strides)))):
        if stride != above:
            x, y = (_digit(prover, place, stride, above) for place in (first, second))
            if x is not None and y is not None and _differ(prover, x, y, facts):
                return True
    return False


def _strides(prover: Prover, index: Polynomial, facts: Facts, ends: set[int]) -> Iterator[tuple[Polynomial, bool]]:
    """The positive coefficients of an index's variables, and whether the range of the variable depends on an end of a part."""
    for v in sorted(index.variables):
        parts = index.split(v)
        if not prover.variables[v].size and parts is not None:
            for stride in (parts[0], -parts[0]):
                if prover.never_negative(stride - 1, facts):
                    yield stride, any(ends & c.variables for c in prover.variables[v].constraints)


def _digit(prover: Prover, place: Place, stride: Polynomial, above: Polynomial | None) -> Polynomial | None:
    """The digit d of an index t·above + d·stride + r, or None if the ranges of d and r are not proved."""
    index, facts = place
    inner = index if above is None else index.divide(above)[1]
    for rest in (inner,) if above is None else (inner, inner + above):
        if above is not None and not (prover.never_negative(rest, facts) and prover.never_negative(above - 1 - rest, facts)):
            continue
        digit, low = rest.divide(stride)
        for d, r in ((digit, low), (digit - 1, low + stride)):
            if prover.never_negative(r, facts) and prover.never_negative(stride - 1 - r, facts):
                return d
    return None
