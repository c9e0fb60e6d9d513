"""The proof that a compiled program stays inside its buffers for all sizes, and that threads have no data race.

Assumptions: sizes are at least 1 and fulfil the guards of the trace; index arithmetic does not overflow int64; the kernels of matrix
products and sorting access only what their statements say; no index depends on a float value.
"""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from ...graph.dims import Dim, Extent, Guards
from .. import loop_ir as L
from ..lower.program import Lowered
from ..to_python import index
from .accesses import Access, Accesses, Length
from .disjoint import pairs
from .polynomial import Polynomial
from .prover import Prover, Verdict

LENGTHS, ACCESSES, PAIRS = KINDS = "lengths", "accesses", "pairs of threads' accesses"


@dataclass
class Proof:
    """The numbers of proved and unproved claims. A claim says that a length is ≥ 0, that an access is inside its buffer, or that two
    accesses by two threads are at different places.

    `unproved` lists the claims without a proof, each with sizes for which it is false, if z3 finds some."""

    counts: Counter[tuple[str, Verdict]] = field(default_factory=Counter)
    unproved: list[str] = field(default_factory=list)

    def __add__(self, other: Proof) -> Proof:
        return Proof(self.counts + other.counts, self.unproved + other.unproved)

    def __str__(self) -> str:
        unproved = sum(n for (_, verdict), n in self.counts.items() if verdict is Verdict.UNPROVED)
        return "; ".join([*map(self._summary, KINDS), f"{unproved or 'nothing'} unproved"])

    def _summary(self, kind: str) -> str:
        found = {verdict: n for verdict in Verdict if (n := self.counts[kind, verdict])}
        total = sum(found.values())
        ways = (f"{100 * n / total:.6g}% {verdict.name.lower().replace('_', ' ')}" for verdict, n in found.items())
        return ", ".join([f"{total:,} {kind}", *ways])

    def add(self, kind: str, found: tuple[Verdict, str], claim: Callable[[], str]) -> None:
        verdict, example = found
        self.counts[kind, verdict] += 1
        if verdict is Verdict.UNPROVED:
            self.unproved.append(f"not proved: {claim()}{example}")


def prove(lowered: Lowered, guards: Guards | None = None) -> Proof:
    """Proves all phases of a program."""
    prover = Prover()
    for test, left, right, outcome in guards.facts if guards else ():
        difference = _polynomial(prover, left) - _polynomial(prover, right)
        if test is not operator.eq:
            margin = difference - 1 if test is operator.gt else difference
            prover.assume(margin if outcome else -margin - 1)
        elif outcome:
            prover.assume(difference)
            prover.assume(-difference)
        else:
            prover.assume_unequal(difference)
    return sum((prove_function(phase, prover) for phase in lowered.phases), Proof())


def prove_function(function: L.Function, prover: Prover | None = None) -> Proof:
    """Proves one function."""
    prover, proof = prover or Prover(), Proof()
    walk = Accesses(prover)
    walk.function(function)
    proof.unproved += walk.faults
    for length in walk.lengths:
        proof.add(LENGTHS, prover.verdict((length.count,), length.facts), partial(_not_negative, length))
    for access in walk.accesses:
        ends = access.index, access.size - 1 - access.index
        proof.add(ACCESSES, prover.verdict(ends, access.facts), partial(_inside, access))
    for region in walk.regions:
        for x, y, found in pairs(prover, region):
            proof.add(PAIRS, found, partial(_apart, x, y))
    return proof


def _not_negative(length: Length) -> str:
    return f"{index(length.text)} ≥ 0 ({length.note})"


def _inside(access: Access) -> str:
    return f"{_text(access)} is inside {index(access.buffer.size)} elements"


def _apart(x: Access, y: Access) -> str:
    return f"{_text(x)} by one thread is apart from {_text(y)} by the other"


def _text(access: Access) -> str:
    return f"{'write' if access.writes else 'read'} of {access.buffer.name}[{index(access.text)}] ({access.note})"


def _polynomial(prover: Prover, x: Extent) -> Polynomial:
    if not isinstance(x, Dim):
        return Polynomial.of(x)
    total = Polynomial({})
    for symbols, coefficient in x.terms:
        term = Polynomial.of(coefficient)
        for s in symbols:
            term = term * prover.size(s.name)
        total = total + term
    return total
