"""Polynomials with integer coefficients, for the proofs of bounds. A variable is named by a number."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Self

Monomial = tuple[int, ...]  # the variables in order, each repeated as often as its power


class Polynomial:
    """A polynomial: {monomial: coefficient}, where no coefficient is 0."""

    __slots__ = ("_hash", "terms")

    def __init__(self, terms: Mapping[Monomial, int]):
        self.terms = {m: c for m, c in terms.items() if c}
        self._hash: int | None = None

    @classmethod
    def without_zeros(cls, terms: dict[Monomial, int]) -> Self:
        """The polynomial of terms of which no coefficient is 0. It takes the dict."""
        made = cls.__new__(cls)
        made.terms, made._hash = terms, None
        return made

    @staticmethod
    def of(x: int | Polynomial) -> Polynomial:
        return x if isinstance(x, Polynomial) else Polynomial({(): x})

    @staticmethod
    def variable(v: int) -> Polynomial:
        return Polynomial.without_zeros({(v,): 1})

    @property
    def number(self) -> int | None:
        """The value of a constant polynomial, else None."""
        return None if any(self.terms) else self.terms.get((), 0)

    @property
    def variables(self) -> frozenset[int]:
        return frozenset(v for m in self.terms for v in m)

    @property
    def last(self) -> int:
        """The greatest of its variables."""
        return max(m[-1] for m in self.terms if m)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Polynomial) and self.terms == other.terms

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash(frozenset(self.terms.items()))
        return self._hash

    def __add__(self, other: int | Polynomial) -> Polynomial:
        return self._plus(1, other)

    def __neg__(self) -> Polynomial:
        return self.without_zeros({m: -c for m, c in self.terms.items()})

    def __sub__(self, other: int | Polynomial) -> Polynomial:
        return self._plus(-1, other)

    def _plus(self, factor: int, other: int | Polynomial) -> Polynomial:
        total = dict(self.terms)
        for m, c in ({(): other} if isinstance(other, int) else other.terms).items():
            total[m] = total.get(m, 0) + factor * c
            if not total[m]:
                del total[m]
        return self.without_zeros(total)

    def __mul__(self, other: int | Polynomial) -> Polynomial:
        product: dict[Monomial, int] = {}
        for n, d in Polynomial.of(other).terms.items():
            for m, c in self.terms.items():
                key = tuple(sorted(m + n)) if m and n else m or n
                product[key] = product.get(key, 0) + c * d
        return Polynomial(product)

    def split(self, v: int) -> tuple[Polynomial, Polynomial] | None:
        """(a, b) with self = a·v + b and no v in a and b, or None if a power of v is above 1."""
        a: dict[Monomial, int] = {}
        b: dict[Monomial, int] = {}
        for m, c in self.terms.items():
            at = m.index(v) if v in m else None
            if at is None:
                b[m] = c
            elif v in m[at + 1 :]:
                return None
            else:
                a[m[:at] + m[at + 1 :]] = c
        return self.without_zeros(a), self.without_zeros(b)

    def substitute(self, values: Mapping[int, Polynomial]) -> Polynomial:
        """The polynomial with other polynomials in place of some variables."""
        changed = [m for m in self.terms if any(v in values for v in m)]
        if not changed:
            return self
        total = self.without_zeros({m: c for m, c in self.terms.items() if m not in changed})
        for m in changed:
            term = self.without_zeros({tuple(v for v in m if v not in values): self.terms[m]})
            for v in m:
                term = term * values[v] if v in values else term
            total = total + term
        return total

    def divide(self, other: Polynomial) -> tuple[Polynomial, Polynomial]:
        """(quotient, remainder) with self = quotient · other + remainder, by polynomial division in lexicographic order."""
        lead = max(other.terms, key=_order)
        quotient, rest, left = Polynomial({}), self, Polynomial({})
        while rest.terms:
            m = max(rest.terms, key=_order)
            factor = _without(m, lead)
            times = rest.terms[m] // other.terms[lead] if factor is not None else 0
            if factor is not None and times and (factor == () or times * other.terms[lead] == rest.terms[m]):
                term = Polynomial({factor: times})
                quotient, rest = quotient + term, rest - term * other
            if m in rest.terms:
                part = Polynomial({m: rest.terms[m]})
                left, rest = left + part, rest - part
        return quotient, left

    def primitive(self) -> Polynomial:
        """The polynomial divided by the greatest common divisor of its coefficients."""
        k = math.gcd(*self.terms.values())
        return Polynomial({m: c // k for m, c in self.terms.items()}) if k > 1 else self

    def reduced(self) -> Polynomial:
        """A polynomial with smaller coefficients that is ≥ 0 for the same integers as this one."""
        k = math.gcd(*(c for m, c in self.terms.items() if m))
        return self if k < 2 else Polynomial({m: c // k for m, c in self.terms.items()})


def _order(m: Monomial) -> tuple[int, ...]:
    """The key of the monomial order: the greatest variables first."""
    return tuple(reversed(m))


def _without(m: Monomial, n: Monomial) -> Monomial | None:
    """m / n, or None if n does not divide m."""
    left = list(m)
    for v in n:
        if v not in left:
            return None
        left.remove(v)
    return tuple(left)


ZERO, ONE = Polynomial({}), Polynomial({(): 1})
