"""Run-time sizes. The length of an axis is a number or a polynomial in symbols, so one graph works for every batch size and length.

A symbol stands for an axis of an argument of a compiled function. Its hint is the size of that axis in the first call.
What a program may do with a size:
  arithmetic                   The result is symbolic: that of +, −, ·, and that of // and % by a number or another size.
  a comparison                 If the terms give the same answer for all sizes, that is the answer. Otherwise:
    while tracing              The answer for the hints is taken and kept as a guard, which every later call checks.
    after tracing              It raises, unless a guard has the answer.
  its number (`range(n)`,      or the question in an operation whether it equals another extent: the symbol is bound, that is replaced
    `table[n]`, `np.sqrt(n)`)  by a number or another symbol. Tracing starts again, or, where much was traced already, goes on as
                               if the two were equal, and the symbol is replaced in the graph. After tracing it raises.
Quotients and the root of a length are derived symbols (`derived.py`), computed from those of the axes at each call. `hint` gives the
first size. Messages and drawings may use it, but it must not decide what a program does.
Sizes are at least 1; an empty axis is never symbolic. Apart from its guards, a program does not depend on the hints, so its results are
the same to the last bit: decisions about storage and summation use `typical` sizes.
"""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import reduce
from numbers import Real
from typing import Any, NoReturn, Union

from ..errors import UndecidedSizeError, message
from ..origin import is_engine

TYPICAL = 32
BITS = ("and", "or", "xor", "lshift", "rshift")
NUMPYS = (math.sqrt, math.exp, math.log, math.log2, math.log10)
Extent = Union[int, "Dim"]
Shape = tuple[Extent, ...]


class Bind(Exception):
    """Raised while tracing: tracing must start again with `symbol` replaced by `value`."""

    def __init__(self, symbol: Symbol, value: Extent):
        super().__init__(f"{symbol.name} = {value}")
        while symbol.of:  # a derived size is bound by binding a size that it is derived from
            symbol = symbols(symbol.of)[0]
            value = symbol.hint
        derived = isinstance(value, Dim) and any(s.of for s in value.symbols)  # not for an axis of an argument, which is read at each call
        self.symbol, self.value = symbol, symbol.hint if derived else value

    def added_to(self, bound: Mapping[Symbol, Extent]) -> dict[Symbol, Extent]:
        """The values of symbols with this one."""
        one = {self.symbol: self.value}
        return {s: substitute(v, one) for s, v in bound.items()} | one


@dataclass(frozen=True)
class Symbol:
    """A run-time size: its name, and its value in the first call (the hint). A derived one is f(*of)."""

    name: str
    hint: int = field(compare=False)
    of: tuple[Extent, ...] = field(default=(), compare=False)
    f: Callable[..., int] | None = field(default=None, compare=False)

    def value(self, sizes: Mapping[Symbol, int]) -> int:
        return sizes[self] if self.f is None else self.f(*(evaluate(x, sizes) for x in self.of))


Test = Callable[[Any, Any], bool]
division: dict[str, Callable[[Any, Any], Any]] = {}  # floor: by `derived.py`, which puts it here


@dataclass
class Guards:
    """The guards of a trace: comparisons decided by the hints, with their answers. While tracing they are `open`: new ones are added.

    `late` tells whether so much was traced that a symbol that is bound does not start the trace again: it is kept in `bound`."""

    facts: list[tuple[Test, Dim, Extent, bool]] = field(default_factory=list)
    open: bool = True
    late: Callable[[], bool] = lambda: False
    bound: dict[Symbol, Extent] = field(default_factory=dict)
    known: dict[Any, bool] = field(default_factory=dict)

    def decide(self, test: Test, left: Dim, right: Extent) -> bool:
        if self.bound:
            a, b = substitute(left, self.bound), substitute(right, self.bound)
            if a is not left or b is not right:
                return test(a, b)
        key = test, left.terms, _terms(right)
        if key in self.known:
            return self.known[key]
        if not self.open:
            _refuse(f"whether {left} {SIGNS[test]} {right}")
        self.known[key] = outcome = test(left.hint, hint(right))
        self.facts.append((test, left, right, outcome))
        return outcome

    def bind(self, symbol: Symbol, value: Extent) -> None:
        """Replace the symbol by the value, here or by starting again."""
        found = Bind(symbol, value)
        if found.value == 1 or not self.late():  # an axis of length 1 broadcasts
            raise found
        self.bound = found.added_to(self.bound)

    def settled(self) -> Guards:
        """The guards with the bound symbols replaced."""
        facts = [(test, substitute(a, self.bound), substitute(b, self.bound), outcome) for test, a, b, outcome in self.facts]
        left: list[tuple[Test, Dim, Extent, bool]] = []
        for test, a, b, outcome in facts:
            if isinstance(more := a - b, Dim):
                left.append((test, a, b, outcome) if isinstance(a, Dim) else (test, more, 0, outcome))
        return Guards(left, False, known={(test, a.terms, _terms(b)): outcome for test, a, b, outcome in left})

    def hold(self, sizes: Mapping[Symbol, int]) -> bool:
        """Whether every comparison has the same answer for these sizes."""
        return all(test(evaluate(a, sizes), evaluate(b, sizes)) is outcome for test, a, b, outcome in self.facts)


SIGNS: dict[Test, str] = {operator.eq: "==", operator.gt: ">", operator.ge: ">="}
_guards: ContextVar[Guards] = ContextVar("guards", default=Guards(open=False))  # noqa: B039, it is not open, so nothing is added to it


@contextmanager
def deciding(guards: Guards) -> Iterator[Guards]:
    """Inside the `with`, these guards decide comparisons of run-time sizes: any comparison while they are open, later only known ones."""
    token = _guards.set(guards)
    try:
        yield guards
    finally:
        _guards.reset(token)
        guards.open = False


def _refuse(question: str) -> NoReturn:
    problem = f"{question} is not the same for all run-time sizes, and nothing is being traced that could keep a guard"
    raise UndecidedSizeError(message("run-time size", problem, "Resolve the graph for given sizes, or ask for .hint, the size seen first"))


def _binds(f: Callable[[Any, Any], Any], swapped: bool = False) -> Callable[[Dim, Any], Any]:
    """An operator on the numbers of run-time sizes."""
    return lambda a, b: _by_number(f, b, a) if swapped else _by_number(f, a, b)


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
        """A lower bound, the value where every symbol is 1; None if a symbol has a negative coefficient."""
        return sum([c for _, c in self.terms]) if all(c > 0 for m, c in self.terms if m) else None

    @property
    def upper(self) -> int | None:
        """An upper bound, the value where every symbol is 1; None if a symbol has a positive coefficient."""
        return sum([c for _, c in self.terms]) if all(c < 0 for m, c in self.terms if m) else None

    def __hash__(self) -> int:
        if _guards.get().open and not is_engine(sys._getframe(1).f_code.co_filename):
            self.__index__()  # a dict or a set of the user's, in which it is to find its number
        return self._hash

    def __add__(self, other: Any) -> Extent:
        return _combine(self, other, 1) if isinstance(other, (int, Dim)) else _by_number(operator.add, self, other)

    def __sub__(self, other: Any) -> Extent:
        return _combine(self, other, -1) if isinstance(other, (int, Dim)) else _by_number(operator.sub, self, other)

    def __rsub__(self, other: Any) -> Extent:
        return _combine(-self, other, 1) if isinstance(other, (int, Dim)) else _by_number(operator.sub, other, self)

    def __neg__(self) -> Dim:
        return Dim((m, -c) for m, c in self.terms)

    def __mul__(self, other: Any) -> Extent:
        if not isinstance(other, (int, Dim)):
            return _by_number(operator.mul, self, other)
        if isinstance(other, int):
            return self if other == 1 else Dim([(m, c * other) for m, c in self.terms]) if other else 0
        product: dict[tuple[Symbol, ...], int] = {}
        for m, c in self.terms:
            for n, d in other.terms:
                key = tuple(sorted(m + n, key=lambda s: s.name))
                product[key] = product.get(key, 0) + c * d
        return _extent(product)

    __radd__, __rmul__ = __add__, __mul__

    def __floordiv__(self, other: Any) -> Any:
        return division["floor"](self, other) if isinstance(other, (int, Dim)) else _by_number(operator.floordiv, self, other)

    def __mod__(self, other: Any) -> Any:
        return self - self // other * other if isinstance(other, (int, Dim)) else _by_number(operator.mod, self, other)

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    def __abs__(self) -> Extent:
        return self if self >= 0 else -self

    __rfloordiv__, __rmod__, __rdivmod__ = _binds(operator.floordiv, True), _binds(operator.mod, True), _binds(divmod, True)
    __truediv__, __rtruediv__ = _binds(operator.truediv), _binds(operator.truediv, True)
    __pow__, __rpow__ = _binds(operator.pow), _binds(operator.pow, True)
    __and__, __or__, __xor__, __lshift__, __rshift__ = map(_binds, (getattr(operator, f"__{n}__") for n in BITS))
    __rand__, __ror__, __rxor__, __rlshift__, __rrshift__ = (_binds(getattr(operator, f"__{n}__"), True) for n in BITS)
    sqrt, exp, log, log2, log10 = (lambda self, f=f: f(int(self)) for f in NUMPYS)  # np.sqrt(n) calls n.sqrt()

    def __eq__(self, other: object) -> bool:
        return _compare(operator.eq, self, other) if isinstance(other, (int, Dim, Real)) else NotImplemented

    def __lt__(self, other: Any) -> bool:
        return other == other and not self >= other if isinstance(other, (Real, Dim)) else NotImplemented  # nothing is less than NaN

    def __le__(self, other: Any) -> bool:
        return other == other and not self > other if isinstance(other, (Real, Dim)) else NotImplemented

    def __gt__(self, other: Any) -> bool:
        return _compare(operator.gt, self, other) if isinstance(other, (Real, Dim)) else NotImplemented

    def __ge__(self, other: Any) -> bool:
        return _compare(operator.ge, self, other) if isinstance(other, (Real, Dim)) else NotImplemented

    def __index__(self) -> int:
        guards = _guards.get()
        if guards.open:
            for symbol in symbols([substitute(self, guards.bound)]):
                guards.bind(symbol, symbol.hint)
            return self.hint
        _refuse(f"the number of {self}")

    __int__ = __index__

    def __bool__(self) -> bool:
        return self > 0

    def __repr__(self) -> str:
        parts = ["*".join([str(c)] * (c != 1 or not m) + [s.name for s in m]) for m, c in self.terms]
        return "+".join(parts).replace("+-", "-")


def _by_number(f: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
    """f with the number of each run-time size; NotImplemented for an operand that is no real number."""
    if not (isinstance(a, (Real, Dim)) and isinstance(b, (Real, Dim))):
        return NotImplemented
    sizes = [x for x in (a, b) if isinstance(x, Dim)]
    if _guards.get().open:  # at once: a float32 of NumPy becomes a float64 beside a Dim, and beside an integer it stays
        raise Bind(sizes[0].symbols[0], sizes[0].symbols[0].hint)
    return f(*(int(x) if isinstance(x, Dim) else x for x in (a, b)))


def _terms(x: Extent) -> tuple[tuple[tuple[Symbol, ...], int], ...]:
    return x.terms if isinstance(x, Dim) else (((), int(x)),)


def _extent(terms: Mapping[tuple[Symbol, ...], int]) -> Extent:
    kept = sorted(((m, c) for m, c in terms.items() if c), key=lambda t: (-len(t[0]), [s.name for s in t[0]]))
    if not kept:
        return 0
    return kept[0][1] if len(kept) == 1 and not kept[0][0] else Dim(kept)


def _combine(a: Dim, b: Extent, sign: int) -> Extent:
    if isinstance(b, int):
        last, number = a.terms[-1]  # the number is the last term, if there is one
        rest, total_number = (a.terms, sign * b) if last else (a.terms[:-1], number + sign * b)
        return Dim([*rest, ((), total_number)] if total_number else rest)
    total = dict(a.terms)
    for m, c in b.terms:
        total[m] = total.get(m, 0) + sign * c
    return _extent(total)


def divide(a: Dim, b: Extent) -> Extent | None:
    """a // b if b is one term that divides every term of a, else None."""
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


def _compare(test: Test, a: Dim, b: Any) -> bool:
    """A comparison with a size or a real number, decided by the terms if possible, else by the guards."""
    if not isinstance(b, (int, Dim)):
        if not math.isfinite(b) or (test is operator.eq and b != math.floor(b)):
            return test(0, b)  # as for any whole number
        b = math.ceil(b) if test is operator.ge else math.floor(b)
    if isinstance(b, Dim) and a.terms == b.terms:
        return test(0, 0)
    more, n = (_combine(a, b, -1), 0) if isinstance(b, Dim) else (a, b)
    if isinstance(more, int):
        return test(more, 0)
    least, most = (None if x is None else x - n for x in (more.lower, more.upper))
    if least is not None and (least > 0 or (test is operator.ge and least == 0)):
        return test(least, 0)
    if most is not None and (most < 0 or (test is operator.gt and most == 0)):
        return test(most, 0)
    return _guards.get().decide(test, a, b)


def identical(a: Extent, b: Extent) -> bool:
    """Whether two extents are equal for all sizes. Adds no guard and binds no symbol."""
    if not isinstance(a, Dim) and not isinstance(b, Dim):
        return a == b
    if isinstance(a, Dim) and isinstance(b, Dim) and a.terms == b.terms:
        return True
    bound = _guards.get().bound
    return bool(bound) and _terms(substitute(a, bound)) == _terms(substitute(b, bound))


def substitute(x: Extent, values: Mapping[Symbol, Extent]) -> Extent:
    """The extent with symbols replaced by their values; x itself if it has none of them. Raises Bind for a part of a derived size."""
    if not isinstance(x, Dim) or not values or not any(_depends(s, values) for s in x.symbols):
        return x
    total: Extent = 0
    for m, c in x.terms:
        total = total + product([c, *(values.get(s, Dim.of(s)) for s in m)])
    return total


def _depends(symbol: Symbol, values: Mapping[Symbol, Extent]) -> bool:
    if symbol.of and any(_depends(s, values) for s in symbols(symbol.of)):
        raise Bind(symbol, symbol.hint)
    return symbol in values


def typical(x: Extent) -> int:
    """The value of x where every run-time size is TYPICAL. For decisions that must not depend on the arguments of the first call."""
    return sum(c * math.prod(s.f(*map(typical, s.of)) if s.f else TYPICAL for s in m) for m, c in x.terms) if isinstance(x, Dim) else x


def hint(x: Extent) -> int:
    """The value of an extent in the first call."""
    return x.hint if isinstance(x, Dim) else x


def unify(a: Extent, b: Extent) -> bool:
    """Whether two extents are equal. If that depends on the sizes and the hints are equal, binds a symbol: tracing starts again."""
    if identical(a, b):
        return True
    guards = _guards.get()
    if guards.open and hint(a) == hint(b):
        _bind(guards, substitute(a, guards.bound), substitute(b, guards.bound))
        return unify(a, b)
    return a == b


def _bind(guards: Guards, a: Extent, b: Extent) -> None:
    """Replace a symbol, so that a and b are equal, or nearer to it."""
    for x, y in ((a, b), (b, a)):
        symbol = symbol_of(x)
        if symbol is not None and (symbol_of(y) is not None or not isinstance(y, Dim)):
            return guards.bind(symbol, y)
    symbol = symbols((a, b))[0]
    guards.bind(symbol, symbol.hint)


def symbol_of(x: Extent) -> Symbol | None:
    """The symbol of an extent that is a single symbol; None for a number or another polynomial, which no axis of an argument has."""
    return x.symbols[0] if isinstance(x, Dim) and x.terms == (((x.symbols[0],), 1),) else None


def symbols(shape: Iterable[Extent]) -> tuple[Symbol, ...]:
    return tuple(dict.fromkeys(s for n in shape if isinstance(n, Dim) for s in n.symbols))


def evaluate(x: Extent, sizes: Mapping[Symbol, int]) -> int:
    """The value of an extent for given sizes."""
    return sum(c * math.prod(s.value(sizes) for s in m) for m, c in x.terms) if isinstance(x, Dim) else x


def product(shape: Iterable[Extent]) -> Extent:
    """The number of elements."""
    return reduce(operator.mul, shape, 1)
