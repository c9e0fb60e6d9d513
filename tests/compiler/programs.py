"""Random small functions in the loop IR. Their numbers stay small integers, so that both printers must agree exactly."""

import numpy as np
from hypothesis import strategies as st

from minigrad.compiler import loop_ir as L

DTYPES = ("float32", "float64", "int32", "int64", "uint32", "uint64", "uint8")
ARITHMETIC = ("add", "sub", "mul", "maximum", "minimum")
INTEGER = (*ARITHMETIC, "floor_divide", "remainder", "and", "or", "xor", "shl", "shr")


def fill(buffer, start, count, value, note=""):
    """buffer[start : start + count] = value."""
    k = L.LoopVar(f"k_{buffer.name}")
    return L.For(k, count, (L.Store(buffer, L.as_index(start) + k, value, note=note),))


def copy(target, start, source, source_start, count, note=""):
    """target[start : start + count] = source[source_start : …], of another buffer."""
    k = L.LoopVar(f"k_{target.name}")
    return L.For(k, count, (L.Store(target, L.as_index(start) + k, L.Load(source, L.as_index(source_start) + k), note=note),))


@st.composite
def expressions(draw, dtype, leaves, depth):
    """An expression of `dtype` over the given leaves of that type."""
    if depth == 0:
        return draw(st.sampled_from(leaves) | st.integers(-3, 3).map(lambda v: L.Const(dtype, abs(v) if dtype[0] == "u" else v)))
    inner = expressions(dtype, leaves, depth - 1)
    floating = dtype.startswith("float")
    unary = ("neg", "abs", "sign", "floor") if floating else ("neg", "abs", "sign", "not")
    condition = st.builds(L.Compare, st.sampled_from(("lt", "le", "gt", "ge", "eq", "ne")), inner, inner)
    both = st.builds(L.Binary, st.sampled_from(("and", "or", "xor")), condition, condition)
    return draw(
        inner
        | st.builds(L.Unary, st.sampled_from(unary), inner)
        | st.builds(L.Binary, st.sampled_from(ARITHMETIC if floating else INTEGER), inner, inner)
        | st.builds(L.Select, condition | both | condition.map(lambda c: L.Unary("not", c)), inner, inner)
        | condition.map(lambda c: L.Cast(dtype, c))
        | inner.map(lambda x: L.Cast(dtype, L.Cast("float64", x)) if dtype in ("int32", "uint8") else x)
        | inner.map(lambda x: L.Bitcast(dtype, L.Bitcast(f"uint{L.BITS[dtype]}", x)))
    )


@st.composite
def functions(draw):
    """A function `f(x, y; out, total)` of `m` rows and `n` columns, or a literal number of columns."""
    dtype = draw(st.sampled_from(DTYPES))
    m, n = L.Size("m"), draw(st.sampled_from((L.Size("n"), 1, 3, 14, 20, 31)))
    x, y, out, local = (L.Buffer(name, dtype, m * n) for name in ("x", "y", "out", "local"))
    total = L.Buffer("total", dtype, m)
    i, j = L.LoopVar("i"), L.LoopVar("j")
    here = i * n + j
    leaves = [L.Load(x, here), L.Load(y, here), L.Load(local, here), L.Load(x, i * n + (j + 1) % n), L.Cast(dtype, L.FromIndex(j, "int64"))]
    leaves += [L.Read("given", dtype), L.Load(local, i * n + (j + 1) % n)]
    rows = []
    for target in draw(st.lists(st.sampled_from((out, local)), min_size=1, max_size=3)):
        store = L.Store(target, here, draw(expressions(dtype, leaves, 2)), note="a\nnote")
        condition = L.Compare("lt", draw(expressions(dtype, leaves, 0)), draw(expressions(dtype, leaves, 1)))
        other = L.Store(target, here, draw(expressions(dtype, leaves, 1)))
        body = draw(st.sampled_from([(store,), (L.If(condition, (store,)),), (L.If(condition, (store,), (other,)),)]))
        rows.append(L.For(j, n, body, reverse=draw(st.booleans())))
    op, start = draw(st.sampled_from((("add", 0), ("maximum", 0), ("minimum", 3))))
    term = draw(expressions(dtype, leaves, 1))
    rows.append(L.Declare("sum", L.Const(dtype, start)))
    rows.append(L.For(j, n, (L.Assign("sum", L.Binary(op, L.Read("sum", dtype), term)),)))
    rows.append(L.Store(total, i, L.Read("sum", dtype)))
    body = (
        fill(local, 0, m * n, L.Const(dtype, 2)),
        fill(out, 0, m * n, L.Const(dtype, 1)),
        L.For(i, m, (L.Let("given", L.Load(total, i)), *rows)),
        copy(out, 0, local, 0, m * n) if draw(st.booleans()) else fill(local, 0, m * n, L.Const(dtype, 0)),
    )
    return L.Function("f", (x, y), (out, total), (m, n) if isinstance(n, L.Size) else (m,), (local,), body)


def arguments(function, sizes, seed):
    """Small whole numbers for every argument."""
    rng = np.random.default_rng(seed)
    counts = {b.name: L.evaluate(b.size, sizes) for b in function.arguments}
    return {b.name: rng.integers(0 if b.dtype[0] == "u" else -4, 5, counts[b.name]).astype(b.dtype) for b in function.arguments}
