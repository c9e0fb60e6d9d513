"""Argsort as loops: the first few by selection, ranks by counting while that is quick, else Batcher's merge exchange sort.

All compare (value, position) pairs, so they are stable without being merge sorts; neither needs scratch space.
"""

from __future__ import annotations

from .loops import (
    FLOATS,
    Argsort,
    AsIndex,
    Assign,
    Binary,
    Compare,
    Const,
    Declare,
    Expr,
    For,
    FromIndex,
    If,
    Index,
    Let,
    Literal,
    Load,
    LoopVar,
    Read,
    Select,
    Stmt,
    Store,
    Unary,
    as_index,
)

COUNT_AT_MOST = 1024  # counting is n² comparisons, but they vectorise

# The names contain a dot, so that they cannot be a function's own.
_I, _J, _PHASE, _STEP = (LoopVar(f"sort.{name}") for name in ("i", "j", "phase", "step"))


def expand_argsort(s: Argsort) -> tuple[Stmt, ...]:
    """The statements that do what `s` means."""
    if s.first is not None:
        return _select(s)
    n = _int(as_index(s.n))
    few = Compare("le", n, Const("int64", COUNT_AT_MOST))
    return (If(few, _count(s), _exchange(s, n)),)


def _int(index: Index) -> Expr:
    return FromIndex(index, "int64")


def _value(s: Argsort, position: Index) -> Expr:
    return Load(s.source, as_index(s.source_offset) + position * s.stride)


def _place(s: Argsort, i: Index) -> Index:
    return as_index(s.offset) + i * s.target_stride


def _before(s: Argsort, x: Expr, i: Expr, y: Expr, j: Expr) -> Expr:
    """Whether value x at position i sorts before value y at position j."""
    less, more = ("gt", "lt") if s.descending else ("lt", "gt")
    first: Expr = Compare(less, x, y)
    second: Expr = Compare(more, x, y)
    if s.source.dtype in FLOATS:
        x_missing, y_missing = Compare("ne", x, x), Compare("ne", y, y)
        first = Binary("or", first, Binary("and", y_missing, Unary("not", x_missing)))
        second = Binary("or", second, Binary("and", x_missing, Unary("not", y_missing)))
    return Binary("or", first, Binary("and", Unary("not", second), Compare("lt", i, j)))


def _select(s: Argsort) -> tuple[Stmt, ...]:
    """The first few found so far are kept in order; of the others most are only compared with the last of them."""
    few, i, j = s.first or 0, _int(_I), _int(_J)
    value, worst = (Read(f"sort.{name}", s.source.dtype) for name in ("x", "worst"))
    held, kept, worst_at = (Read(f"sort.{name}", "int64") for name in ("held", "kept", "worst_at"))
    comes_first = _before(s, _value(s, AsIndex(held)), held, _value(s, AsIndex(kept)), kept)
    insert = (
        If(Compare("eq", i, j), (Store(s.target, _place(s, _J), held),)),
        If(
            Compare("gt", i, j),
            (
                Let("sort.kept", Load(s.target, _place(s, _J))),
                If(comes_first, (Store(s.target, _place(s, _J), held), Assign("sort.held", kept))),
            ),
        ),
    )
    last = Load(s.target, _place(s, Literal(few - 1)))
    full = Assign("sort.worst_at", last), Assign("sort.worst", _value(s, AsIndex(worst_at)))
    found = (
        Declare("sort.held", i),
        For(_J, few, insert),
        If(Compare("ge", i, Const("int64", few - 1)), full),
    )
    wanted = Binary("or", Compare("lt", i, Const("int64", few)), _before(s, value, i, worst, worst_at))
    return (
        Declare("sort.worst", Const(s.source.dtype, 0)),
        Declare("sort.worst_at", Const("int64", 0)),
        For(_I, s.n, (Let("sort.x", _value(s, _I)), If(wanted, found))),
    )


def _count(s: Argsort) -> tuple[Stmt, ...]:
    """Position i goes where the count of those before it says."""
    mine, rank = Read("sort.x", s.source.dtype), Read("sort.rank", "int64")
    before = _before(s, _value(s, _J), _int(_J), mine, _int(_I))
    one_more = Binary("add", rank, Select(before, Const("int64", 1), Const("int64", 0)))
    return (
        For(
            _I,
            s.n,
            (
                Let("sort.x", _value(s, _I)),
                Declare("sort.rank", Const("int64", 0)),
                For(_J, s.n, (Assign("sort.rank", one_more),)),
                Store(s.target, _place(s, AsIndex(rank)), _int(_I)),
            ),
        ),
    )


def _exchange(s: Argsort, n: Expr) -> tuple[Stmt, ...]:
    """Knuth's algorithm 5.2.2M; p and q run over the powers of two below n, downwards, q while above p."""
    p, q = Read("sort.p", "int64"), Read("sort.q", "int64")
    again = Binary("and", Compare("gt", q, p), Compare("lt", q, n))
    return (
        For(_I, s.n, (Store(s.target, _place(s, _I), _int(_I)),)),
        For(
            _PHASE,
            62,
            (
                Let("sort.p", _power(61 - _PHASE)),
                If(
                    Compare("lt", p, n),
                    (
                        *_pass(s, p, Const("int64", 0), p),
                        For(_STEP, 62, (Let("sort.q", _power(61 - _STEP)), If(again, _pass(s, Binary("sub", q, p), p, p)))),
                    ),
                ),
            ),
        ),
    )


def _power(exponent: Index) -> Expr:
    return Binary("shl", Const("int64", 1), _int(exponent))


def _pass(s: Argsort, distance: Expr, remainder: Expr, p: Expr) -> tuple[Stmt, ...]:
    low, high = _place(s, _I), _place(s, _I + AsIndex(distance))
    a, b = Read("sort.a", "int64"), Read("sort.b", "int64")
    swap = _before(s, _value(s, AsIndex(b)), b, _value(s, AsIndex(a)), a)
    exchange = (
        Let("sort.a", Load(s.target, low)),
        Let("sort.b", Load(s.target, high)),
        If(swap, (Store(s.target, low, b), Store(s.target, high, a))),
    )
    ours = Compare("eq", Binary("and", _int(_I), p), remainder)
    return (For(_I, as_index(s.n) - AsIndex(distance), (If(ours, exchange),)),)
