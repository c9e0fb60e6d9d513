"""Run-time sizes: an axis length as a polynomial in symbols, so that one graph serves every batch size and sequence length.

A symbol stands for an axis of an argument of a compiled function and remembers the size it was first seen with (its hint).
What a program may ask of a size and what then happens:
  arithmetic                   stays symbolic
  a comparison                 is decided by its terms, if they give one answer for all sizes; if not,
    while tracing              it is decided for the hint and kept as a guard, checked at every later call
    after tracing              it raises, unless a guard has decided it: a run-time size has no truth value
  its number (`range(n)`)      or its equality with another extent inside an op: the symbol is bound and the trace starts again;
                               after tracing this raises
Who wants the size seen first asks for it by name: `hint`. It may serve messages and drawings, never what a program does.
Sizes are at least 1: an empty axis is never symbolic. But for its guards a program does not depend on the sizes seen first, nor do
its last bits: what to store and how to sum is chosen for `typical` sizes.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, NoReturn, Union

from ..errors import UndecidedSizeError, message

TYPICAL = 32
Extent = Union[int, "Dim"]
Shape = tuple[Extent, ...]


class Bind(Exception):
    """Raised inside a symbolic trace: start again with `symbol` replaced by `value`."""

    def __init__(self, symbol: Symbol, value: Extent):
        super().__init__(f"{symbol.name} = {value}")
        self.symbol, self.value = symbol, value


@dataclass(frozen=True)
class Symbol:
    """A run-time size: its name and the value seen first."""

    name: str
    hint: int = field(compare=False)


Test = Callable[[Any, Any], bool]


@dataclass
class Guards:
    """Comparisons that a trace decided with its hints, and what they gave. Open while tracing; then no other is decided."""

    facts: list[tuple[Test, Dim, Extent, bool]] = field(default_factory=list)
    open: bool = True

    def decide(self, test: Test, left: Dim, right: Extent) -> bool:
        for known, a, b, outcome in self.facts:
            if known is test and identical(a, left) and identical(b, right):
                return outcome
        if not self.open:
            _refuse(f"whether {left} {SIGNS[test]} {right}")
        outcome = test(left.hint, hint(right))
        self.facts.append((test, left, right, outcome))
        return outcome

    def hold(self, sizes: Mapping[Symbol, int]) -> bool:
        """Whether every decision would fall the same way for these sizes."""
        return all(test(evaluate(a, sizes), evaluate(b, sizes)) is outcome for test, a, b, outcome in self.facts)


SIGNS: dict[Test, str] = {operator.eq: "==", operator.gt: ">", operator.ge: ">="}
_guards: ContextVar[Guards] = ContextVar("guards", default=Guards(open=False))  # noqa: B039, it is never added to


@contextmanager
def deciding(guards: Guards) -> Iterator[Guards]:
    """Comparisons of run-time sizes are decided and kept by these guards: while they are open any, then those that they know."""
    token = _guards.set(guards)
    try:
        yield guards
    finally:
        _guards.reset(token)
        guards.open = False


def _refuse(question: str) -> NoReturn:
    problem = f"{question} is not the same for all run-time sizes, and nothing is being traced that could keep a guard"
    raise UndecidedSizeError(message("run-time size", problem, "Resolve the graph for given sizes, or ask for .hint, the size seen first"))


class Dim:
    """A polynomial with integer coefficients: {sorted tuple of symbols: coefficient}."""

    __slots__ = ("_hash", "terms")

    def __init__(self, terms: Iterable[tuple[tuple[Symbol, ...], int]]):
        self.terms = tuple(terms)
        self._hash = hash(self.terms)

    @staticmethod
    def of(symbol: Symbol) -> Dim:
        return Dim([((symbol,), 1)])

    @property
    def hint(self) -> int:
        return sum(c * math.prod(s.hint for s in m) for m, c in self.terms)

    @property
    def symbols(self) -> tuple[Symbol, ...]:
        return tuple(dict.fromkeys(s for m, _ in self.terms for s in m))

    @property
    def lower(self) -> int | None:
        """The smallest value it can take, symbols being at least 1; None where that is not known."""
        return sum(c for _, c in self.terms) if all(c > 0 for m, c in self.terms if m) else None

    def __hash__(self) -> int:
        return self._hash

    def __add__(self, other: Any) -> Extent:
        return _combine(self, other, 1) if isinstance(other, (int, Dim)) else NotImplemented

    def __sub__(self, other: Any) -> Extent:
        return _combine(self, other, -1) if isinstance(other, (int, Dim)) else NotImplemented

    def __rsub__(self, other: Any) -> Extent:
        return _combine(-self, other, 1) if isinstance(other, (int, Dim)) else NotImplemented

    def __neg__(self) -> Dim:
        return Dim((m, -c) for m, c in self.terms)

    def __mul__(self, other: Any) -> Extent:
        if not isinstance(other, (int, Dim)):
            return NotImplemented
        product: dict[tuple[Symbol, ...], int] = {}
        for m, c in self.terms:
            for n, d in _terms(other):
                key = tuple(sorted(m + n, key=lambda s: s.name))
                product[key] = product.get(key, 0) + c * d
        return _extent(product)

    __radd__, __rmul__ = __add__, __mul__

    def __floordiv__(self, other: Any) -> Extent:
        quotient = _divide(self, other)
        return quotient if quotient is not None else int(self) // int(other)

    def __mod__(self, other: Any) -> Extent:
        return 0 if _divide(self, other) is not None else int(self) % int(other)

    def __rfloordiv__(self, other: Any) -> Extent:
        return other // int(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, (int, Dim)) and _compare(operator.eq, self, other)

    def __lt__(self, other: Any) -> bool:
        return not self >= other

    def __le__(self, other: Any) -> bool:
        return not self > other

    def __gt__(self, other: Any) -> bool:
        return _compare(operator.gt, self, other)

    def __ge__(self, other: Any) -> bool:
        return _compare(operator.ge, self, other)

    def __index__(self) -> int:
        if _guards.get().open:
            raise Bind(self.symbols[0], self.symbols[0].hint)
        _refuse(f"the number of {self}")

    __int__ = __index__

    def __bool__(self) -> bool:
        return self > 0

    def __repr__(self) -> str:
        parts = ["*".join([str(c)] * (c != 1 or not m) + [s.name for s in m]) for m, c in self.terms]
        return "+".join(parts).replace("+-", "-")


def _terms(x: Extent) -> tuple[tuple[tuple[Symbol, ...], int], ...]:
    return x.terms if isinstance(x, Dim) else (((), int(x)),)


def _extent(terms: Mapping[tuple[Symbol, ...], int]) -> Extent:
    kept = sorted(((m, c) for m, c in terms.items() if c), key=lambda t: (-len(t[0]), [s.name for s in t[0]]))
    if not kept:
        return 0
    return kept[0][1] if len(kept) == 1 and not kept[0][0] else Dim(kept)


def _combine(a: Dim, b: Extent, sign: int) -> Extent:
    total = dict(a.terms)
    for m, c in _terms(b):
        total[m] = total.get(m, 0) + sign * c
    return _extent(total)


def _divide(a: Dim, b: Extent) -> Extent | None:
    """a // b where b is one term that divides every term of a, else None."""
    divisor = _terms(b)
    if len(divisor) != 1 or not divisor[0][1]:
        return None
    (n, d), quotient = divisor[0], {}
    for m, c in a.terms:
        rest = list(m)
        if c % d or any(s not in rest or rest.remove(s) for s in n):  # type: ignore[func-returns-value]
            return None
        quotient[tuple(rest)] = c // d
    return _extent(quotient)


def _compare(test: Test, a: Dim, b: Extent) -> bool:
    """A comparison by terms where they decide it, else by the guards."""
    more = _combine(a, b, -1)
    if isinstance(more, int):
        return test(more, 0)
    least, less = more.lower, (-more).lower
    if least is not None and (least > 0 or (test is operator.ge and least == 0)):
        return test(least, 0)
    if less is not None and (less > 0 or (test is operator.gt and less == 0)):
        return test(-less, 0)
    return _guards.get().decide(test, a, b)


def identical(a: Extent, b: Extent) -> bool:
    """Whether two extents are one for all sizes; asks nothing of run-time sizes, and binds none."""
    if isinstance(a, Dim) or isinstance(b, Dim):
        return isinstance(a, Dim) and isinstance(b, Dim) and a.terms == b.terms
    return a == b


def typical(x: Extent) -> int:
    """x with every run-time size at TYPICAL: for choices that must not depend on the arguments that came first."""
    return sum(c * TYPICAL ** len(m) for m, c in x.terms) if isinstance(x, Dim) else x


def hint(x: Extent) -> int:
    """The extent as first seen."""
    return x.hint if isinstance(x, Dim) else x


def unify(a: Extent, b: Extent) -> bool:
    """Whether two extents are one; where that is open and the hints agree, binds a symbol (the trace starts again)."""
    if not isinstance(a, Dim) and not isinstance(b, Dim):
        return a == b
    if identical(a, b):
        return True
    if _guards.get().open and hint(a) == hint(b):
        _bind(a, b)
    return a == b


def _bind(a: Extent, b: Extent) -> NoReturn:
    """Ask for a trace in which a and b are one extent."""
    for x, y in ((a, b), (b, a)):
        symbol = symbol_of(x)
        if symbol is not None and (symbol_of(y) is not None or not isinstance(y, Dim)):
            raise Bind(symbol, y)
    symbol = symbols((a, b))[0]
    raise Bind(symbol, symbol.hint)


def symbol_of(x: Extent) -> Symbol | None:
    """The run-time size that an extent is; None for a number or terms of sizes. Arguments have no such terms as lengths."""
    return x.symbols[0] if isinstance(x, Dim) and x.terms == (((x.symbols[0],), 1),) else None


def symbols(shape: Iterable[Extent]) -> tuple[Symbol, ...]:
    return tuple(dict.fromkeys(s for n in shape if isinstance(n, Dim) for s in n.symbols))


def evaluate(x: Extent, sizes: Mapping[Symbol, int]) -> int:
    """The number that an extent is for given sizes."""
    return sum(c * math.prod(sizes[s] for s in m) for m, c in x.terms) if isinstance(x, Dim) else x


def product(shape: Iterable[Extent]) -> Extent:
    """The number of elements."""
    total: Extent = 1
    for n in shape:
        total = total * n
    return total
