"""Random small functions in the loop IR. Their numbers stay small integers, so that both printers must agree exactly."""

import numpy as np
from hypothesis import strategies as st

from minigrad.backend.loops import (
    Assign,
    Binary,
    Buffer,
    Cast,
    Compare,
    Const,
    Copy,
    Declare,
    Fill,
    For,
    FromIndex,
    Function,
    If,
    Let,
    Load,
    LoopVar,
    Read,
    Select,
    Size,
    Store,
    Unary,
    evaluate,
)

DTYPES = ("float32", "float64", "int32", "int64", "uint32", "uint64", "uint8")
ARITHMETIC = ("add", "sub", "mul", "maximum", "minimum")
INTEGER = (*ARITHMETIC, "div", "and", "or", "xor", "shl", "shr")


@st.composite
def expressions(draw, dtype, leaves, depth):
    """An expression of `dtype` over the given leaves of that type."""
    if depth == 0:
        return draw(st.sampled_from(leaves) | st.integers(-3, 3).map(lambda v: Const(dtype, abs(v) if dtype[0] == "u" else v)))
    inner = expressions(dtype, leaves, depth - 1)
    floating = dtype.startswith("float")
    unary = ("neg", "abs", "sign", "floor") if floating else ("neg", "abs", "sign", "not")
    condition = st.builds(Compare, st.sampled_from(("lt", "le", "gt", "ge", "eq", "ne")), inner, inner)
    both = st.builds(Binary, st.sampled_from(("and", "or", "xor")), condition, condition)
    return draw(
        inner
        | st.builds(Unary, st.sampled_from(unary), inner)
        | st.builds(Binary, st.sampled_from(ARITHMETIC if floating else INTEGER), inner, inner)
        | st.builds(Select, condition | both | condition.map(lambda c: Unary("not", c)), inner, inner)
        | condition.map(lambda c: Cast(dtype, c))
        | inner.map(lambda x: Cast(dtype, Cast("float64", x)) if dtype in ("int32", "uint8") else x)
    )


@st.composite
def functions(draw):
    """A function `f(x, y; out, total)` of `m` rows and `n` columns, or a literal number of columns."""
    dtype = draw(st.sampled_from(DTYPES))
    m, n = Size("m"), draw(st.sampled_from((Size("n"), 1, 3, 20)))
    x, y, out, local = (Buffer(name, dtype, m * n) for name in ("x", "y", "out", "local"))
    total = Buffer("total", dtype, m)
    i, j = LoopVar("i"), LoopVar("j")
    here = i * n + j
    leaves = [Load(x, here), Load(y, here), Load(local, here), Load(x, i * n + (j + 1) % n), Cast(dtype, FromIndex(j, "int64"))]
    leaves += [Read("given", dtype)]
    rows = []
    for target in draw(st.lists(st.sampled_from((out, local)), min_size=1, max_size=3)):
        store = Store(target, here, draw(expressions(dtype, leaves, 2)), note="a\nnote")
        condition = Compare("lt", draw(expressions(dtype, leaves, 0)), draw(expressions(dtype, leaves, 1)))
        other = Store(target, here, draw(expressions(dtype, leaves, 1)))
        body = draw(st.sampled_from([(store,), (If(condition, (store,)),), (If(condition, (store,), (other,)),)]))
        rows.append(For(j, n, body, reverse=draw(st.booleans())))
    op, start = draw(st.sampled_from((("add", 0), ("maximum", 0), ("minimum", 3))))
    term = draw(expressions(dtype, leaves, 1))
    rows.append(Declare("sum", Const(dtype, start)))
    rows.append(For(j, n, (Assign("sum", Binary(op, Read("sum", dtype), term)),)))
    rows.append(Store(total, i, Read("sum", dtype)))
    body = (
        Fill(local, 0, m * n, Const(dtype, 2)),
        Fill(out, 0, m * n, Const(dtype, 1)),
        For(i, m, (Let("given", Load(total, i)), *rows)),
        Copy(out, 0, local, 0, m * n) if draw(st.booleans()) else Fill(local, 0, m * n, Const(dtype, 0)),
    )
    return Function("f", (x, y), (out, total), (m, n) if isinstance(n, Size) else (m,), (local,), body)


def arguments(function, sizes, seed):
    """Small whole numbers for every argument."""
    rng = np.random.default_rng(seed)
    counts = {b.name: evaluate(b.size, sizes) for b in function.arguments}
    return {b.name: rng.integers(0 if b.dtype[0] == "u" else -4, 5, counts[b.name]).astype(b.dtype) for b in function.arguments}
