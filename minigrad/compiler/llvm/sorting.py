"""Argsort as loops: a selection for the first few positions; else a counting of ranks for small n, Batcher's merge exchange sort for large.

All three compare (value, position) pairs and are therefore stable. None needs scratch memory.
"""

from __future__ import annotations

from .. import loop_ir as L

COUNT_AT_MOST = 1024  # counting takes n² comparisons, which vectorise

# A name with a dot is no identifier, so it differs from every name in a function.
_I, _J, _PHASE, _STEP = (L.LoopVar(f"sort.{name}") for name in ("i", "j", "phase", "step"))


def expand_argsort(s: L.Argsort) -> tuple[L.Stmt, ...]:
    """An Argsort statement as loops."""
    if s.first is not None:
        return _select(s)
    n = _int(L.as_index(s.n))
    few = L.Compare("le", n, L.Const("int64", COUNT_AT_MOST))
    return (L.If(few, _count(s), _exchange(s, n)),)


def _int(index: L.Index) -> L.Expr:
    return L.FromIndex(index, "int64")


def _value(s: L.Argsort, position: L.Index) -> L.Expr:
    return L.Load(s.source, L.as_index(s.source_offset) + position * s.stride)


def _place(s: L.Argsort, i: L.Index) -> L.Index:
    return L.as_index(s.offset) + i * s.target_stride


def _before(s: L.Argsort, x: L.Expr, i: L.Expr, y: L.Expr, j: L.Expr) -> L.Expr:
    """Whether value x at position i sorts before value y at position j."""
    less, more = ("gt", "lt") if s.descending else ("lt", "gt")
    first: L.Expr = L.Compare(less, x, y)
    second: L.Expr = L.Compare(more, x, y)
    if s.source.dtype in L.FLOATS:
        x_missing, y_missing = L.Compare("ne", x, x), L.Compare("ne", y, y)
        first = L.Binary("or", first, L.Binary("and", y_missing, L.Unary("not", x_missing)))
        second = L.Binary("or", second, L.Binary("and", x_missing, L.Unary("not", y_missing)))
    return L.Binary("or", first, L.Binary("and", L.Unary("not", second), L.Compare("lt", i, j)))


def _select(s: L.Argsort) -> tuple[L.Stmt, ...]:
    """Insertion into a sorted list of the first few: a value that sorts after the last of a full list takes one comparison."""
    few, i, j = s.first or 0, _int(_I), _int(_J)
    value, worst = (L.Read(f"sort.{name}", s.source.dtype) for name in ("x", "worst"))
    held, kept, worst_at = (L.Read(f"sort.{name}", "int64") for name in ("held", "kept", "worst_at"))
    comes_first = _before(s, _value(s, L.AsIndex(held)), held, _value(s, L.AsIndex(kept)), kept)
    insert = (
        L.If(L.Compare("eq", i, j), (L.Store(s.target, _place(s, _J), held),)),
        L.If(
            L.Compare("gt", i, j),
            (
                L.Let("sort.kept", L.Load(s.target, _place(s, _J))),
                L.If(comes_first, (L.Store(s.target, _place(s, _J), held), L.Assign("sort.held", kept))),
            ),
        ),
    )
    last = L.Load(s.target, _place(s, L.Literal(few - 1)))
    full = L.Assign("sort.worst_at", last), L.Assign("sort.worst", _value(s, L.AsIndex(worst_at)))
    found = (
        L.Declare("sort.held", i),
        L.For(_J, few, insert),
        L.If(L.Compare("ge", i, L.Const("int64", few - 1)), full),
    )
    wanted = L.Binary("or", L.Compare("lt", i, L.Const("int64", few)), _before(s, value, i, worst, worst_at))
    return (
        L.Declare("sort.worst", L.Const(s.source.dtype, 0)),
        L.Declare("sort.worst_at", L.Const("int64", 0)),
        L.For(_I, s.n, (L.Let("sort.x", _value(s, _I)), L.If(wanted, found))),
    )


def _count(s: L.Argsort) -> tuple[L.Stmt, ...]:
    """Writes position i at its rank, the number of values that sort before value i."""
    mine, rank = L.Read("sort.x", s.source.dtype), L.Read("sort.rank", "int64")
    before = _before(s, _value(s, _J), _int(_J), mine, _int(_I))
    one_more = L.Binary("add", rank, L.Select(before, L.Const("int64", 1), L.Const("int64", 0)))
    return (
        L.For(
            _I,
            s.n,
            (
                L.Let("sort.x", _value(s, _I)),
                L.Declare("sort.rank", L.Const("int64", 0)),
                L.For(_J, s.n, (L.Assign("sort.rank", one_more),)),
                L.Store(s.target, _place(s, L.AsIndex(rank)), _int(_I)),
            ),
        ),
    )


def _exchange(s: L.Argsort, n: L.Expr) -> tuple[L.Stmt, ...]:
    """Merge exchange sort (Knuth, algorithm 5.2.2M). p takes the powers of two below n in falling order, q those of them above p."""
    p, q = L.Read("sort.p", "int64"), L.Read("sort.q", "int64")
    again = L.Binary("and", L.Compare("gt", q, p), L.Compare("lt", q, n))
    return (
        L.For(_I, s.n, (L.Store(s.target, _place(s, _I), _int(_I)),)),
        L.For(
            _PHASE,
            62,
            (
                L.Let("sort.p", _power(61 - _PHASE)),
                L.If(
                    L.Compare("lt", p, n),
                    (
                        *_pass(s, p, L.Const("int64", 0), p),
                        L.For(_STEP, 62, (L.Let("sort.q", _power(61 - _STEP)), L.If(again, _pass(s, L.Binary("sub", q, p), p, p)))),
                    ),
                ),
            ),
        ),
    )


def _power(exponent: L.Index) -> L.Expr:
    return L.Binary("shl", L.Const("int64", 1), _int(exponent))


def _pass(s: L.Argsort, distance: L.Expr, remainder: L.Expr, p: L.Expr) -> tuple[L.Stmt, ...]:
    low, high = _place(s, _I), _place(s, _I + L.AsIndex(distance))
    a, b = L.Read("sort.a", "int64"), L.Read("sort.b", "int64")
    swap = _before(s, _value(s, L.AsIndex(b)), b, _value(s, L.AsIndex(a)), a)
    exchange = (
        L.Let("sort.a", L.Load(s.target, low)),
        L.Let("sort.b", L.Load(s.target, high)),
        L.If(swap, (L.Store(s.target, low, b), L.Store(s.target, high, a))),
    )
    ours = L.Compare("eq", L.Binary("and", _int(_I), p), remainder)
    return (L.For(_I, L.as_index(s.n) - L.AsIndex(distance), (L.If(ours, exchange),)),)
