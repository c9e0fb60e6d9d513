"""A prover for goals p ≥ 0, where p is a polynomial in integer variables: it eliminates the variables, and asks z3 if that fails.

A variable has constraints: polynomials in it and in earlier variables that are ≥ 0. The last variable v of a goal a·v + b ≥ 0 is eliminated
with a constraint p·v + r ≥ 0, p > 0: if a ≥ 0, the goal follows from p·b - a·r ≥ 0. This is interval arithmetic with symbolic bounds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from .polynomial import ONE, Polynomial

Facts = tuple[Polynomial, ...]  # each is ≥ 0
End = tuple[Polynomial, Polynomial]  # (p, r) with p > 0: the constraint p·v + r ≥ 0, or r - p·v ≥ 0
Found = tuple["Verdict", str]  # a verdict, and a counterexample or ""

STEPS = 400  # the largest number of eliminations in one proof
MILLISECONDS = 5000  # the time limit of z3 for one goal


class Verdict(IntEnum):
    """How a goal was proved, the most reliable way first. LEFT_TO_Z3: elimination fails and z3 is not installed."""

    BY_INTERVALS, BY_Z3, LEFT_TO_Z3, UNPROVED = range(4)


@dataclass
class Variable:
    """A variable. `least` is a lower bound, if one is known; a `free` variable is not determined by others."""

    constraints: Facts
    least: int | None
    free: bool
    size: str


class Prover:
    """Variables with their constraints, facts about sizes, and proofs from them."""

    def __init__(self) -> None:
        self.variables: list[Variable] = []
        self.known: dict[Any, Polynomial] = {}
        self.facts: list[Polynomial] = []
        self.unequal: list[Polynomial] = []  # never 0
        self.proved: dict[tuple[Polynomial, Facts], bool] = {}
        self.answers: dict[tuple[Facts, Facts], Found] = {}
        self.steps = 0

    # ---- variables

    def size(self, name: str) -> Polynomial:
        """A run-time size: at least 1."""
        return self.variable(("size", name), lambda v: (v - 1,), size=name)

    def between(self, low: Polynomial, high: Polynomial, number: int) -> Polynomial:
        """The variable of that number among those from low to high."""
        return self.variable(("between", low, high, number), lambda v: (v - low, high - v))

    def scalar(self, number: int) -> Polynomial:
        """A variable of which nothing is known."""
        return self.variable(("scalar", number), lambda v: ())

    def quotient(self, x: Polynomial, divisor: Polynomial) -> Polynomial:
        """x // divisor, for a positive divisor."""
        return self.variable(("//", x, divisor), lambda q: (x - divisor * q, divisor * q + divisor - 1 - x), free=False)

    def remainder(self, x: Polynomial, divisor: Polynomial) -> Polynomial:
        """x % divisor, for a positive divisor."""
        rest = x - divisor * self.quotient(x, divisor)
        return self.variable(("%", x, divisor), lambda m: (m, divisor - 1 - m, rest - m, m - rest), free=False)

    def minimum(self, x: Polynomial, y: Polynomial) -> Polynomial:
        """A variable that is at most x and at most y."""
        return self.variable(("min", x, y), lambda v: (x - v, y - v), free=False)

    def variable(self, key: Any, constraints: Callable[[Polynomial], Facts], free: bool = True, size: str = "") -> Polynomial:
        """The one variable with this key."""
        if key not in self.known:
            v = len(self.variables)
            found = constraints(Polynomial.variable(v))
            lows = [-b for a, b in filter(None, (c.split(v) for c in found)) if a == ONE]
            least = max((n for low in lows if (n := self.least(low)) is not None), default=None)
            self.variables.append(Variable(found, least, free, size))
            self.known[key] = Polynomial.variable(v)
        return self.known[key]

    def least(self, x: Polynomial) -> int | None:
        """A lower bound of x from the lower bounds of its variables, or None if they give none."""
        shifts = {}
        for v in x.variables:
            least = self.variables[v].least
            if least is None:
                return None
            if least:
                shifts[v] = Polynomial.variable(v) + least
        shifted = x.substitute(shifts) if shifts else x
        return shifted.terms.get((), 0) if all(c > 0 for m, c in shifted.terms.items() if m) else None

    # ---- facts about sizes

    def assume(self, fact: Polynomial) -> None:
        """Assume that fact ≥ 0."""
        self.facts.append(fact)
        self._lift()

    def assume_unequal(self, x: Polynomial) -> None:
        """Assume that x ≠ 0."""
        self.unequal.append(x)
        self._lift()

    def _lift(self) -> None:
        """Raise the lower bounds of sizes by the facts about one size alone, and forget earlier answers, which may change."""
        self.proved.clear()
        self.answers.clear()
        ends = [(f, False) for f in self.facts] + [(x, True) for u in self.unequal for x in (u, -u)]
        changed = True
        while changed:
            changed = False
            for x, unequal in ends:
                parts = x.split(x.last) if len(x.variables) == 1 else None
                if parts is None or (p := parts[0].number or 0) <= 0:
                    continue
                size, r = self.variables[x.last], parts[1].number or 0
                least = size.least or 0
                size.least = max(least, -(r // p)) if not unequal else least + (p * least + r == 0)
                changed |= size.least > least

    # ---- proofs

    def never_negative(self, goal: Polynomial, facts: Facts = ()) -> bool:
        """Whether elimination proves goal ≥ 0 from the facts."""
        if any((n := f.number) is not None and n < 0 for f in facts):
            return True
        self.steps = 0
        return self._eliminate(goal, facts)

    def _eliminate(self, goal: Polynomial, facts: Facts) -> bool:
        key = goal, facts
        if key not in self.proved:
            reduced = goal.reduced()
            least = self.least(reduced)
            if (least is not None and least >= 0) or not reduced.variables:
                self.proved[key] = least is not None and least >= 0
            else:
                self.steps += 1
                self.proved[key] = self.steps < STEPS and self._eliminate_last(reduced, facts)
        return self.proved[key]

    def _eliminate_last(self, goal: Polynomial, facts: Facts) -> bool:
        parts = goal.split(goal.last)
        if parts is None:
            return False
        (a, b), (lower, upper) = parts, self._ends(goal.last, facts)
        if not self._eliminate(-a, facts) and not any(self._eliminate(p * b - a * r, facts) for p, r in lower):
            return False
        return self._eliminate(a, facts) or any(self._eliminate(p * b + a * r, facts) for p, r in upper)

    def _ends(self, v: int, facts: Facts) -> tuple[list[End], list[End]]:
        """The lower and the upper bounds of a variable."""
        lower: list[End] = []
        upper: list[End] = []
        known = (f for f in (*self.variables[v].constraints, *facts, *self.facts) if f.variables and f.last == v)
        for p, r in filter(None, (f.split(v) for f in known)):
            if self._positive(p):
                lower.append((p, r))
            elif self._positive(-p):
                upper.append((-p, r))
        return lower, upper

    def _positive(self, x: Polynomial) -> bool:
        least = self.least(x)
        return least is not None and least >= 1

    def consequences(self, fact: Polynomial) -> Iterator[Polynomial]:
        """A fact, then the fact about earlier variables that follows when its last variable is replaced by its bound, and so on. It ends at
        a fact that holds without assumptions."""
        fact = fact.reduced()
        while not self.never_negative(fact):
            yield fact
            parts = fact.split(fact.last) if fact.variables else None
            if parts is None:
                return
            (a, b), (lower, upper) = parts, self._ends(fact.last, ())
            if self._positive(a) and upper:
                fact = (upper[0][0] * b + a * upper[0][1]).reduced()
            elif self._positive(-a) and lower:
                fact = (lower[0][0] * b - a * lower[0][1]).reduced()
            else:
                return

    def verdict(self, goals: Sequence[Polynomial], facts: Facts) -> Found:
        """How it is proved from the facts that all goals are ≥ 0."""
        key = tuple(goals), facts
        if key not in self.answers:
            open = [g for g in goals if not self.never_negative(g, facts)]
            self.answers[key] = max((self.refute(-g - 1, *facts) for g in open), default=(Verdict.BY_INTERVALS, ""))
        return self.answers[key]

    def refute(self, *claims: Polynomial) -> Found:
        """Whether z3, an optional package for tests, proves that the claims, each ≥ 0, cannot all be true."""
        try:
            import z3
        except ImportError:
            return Verdict.LEFT_TO_Z3, ""
        solver, made = z3.Solver(), dict[int, Any]()
        solver.set("timeout", MILLISECONDS)

        def number(x: Polynomial) -> Any:
            return sum((c * z3.Product(*map(variable, m)) if m else z3.IntVal(c) for m, c in x.terms.items()), z3.IntVal(0))

        def variable(v: int) -> Any:
            if v not in made:
                made[v] = z3.Int(self.variables[v].size or f"v{v}")
                for c in self.variables[v].constraints:
                    solver.add(number(c) >= 0)
            return made[v]

        for claim in (*claims, *self.facts):
            solver.add(number(claim) >= 0)
        for x in self.unequal:
            solver.add(number(x) != 0)
        answer = solver.check()
        if answer == z3.unsat:
            return Verdict.BY_Z3, ""
        sizes = [made[v] for v in sorted(made) if self.variables[v].size]
        example = ", ".join(f"{s} = {solver.model().eval(s, True)}" for s in sizes) if answer == z3.sat else ""
        return Verdict.UNPROVED, example and f"; wrong for {example}"
