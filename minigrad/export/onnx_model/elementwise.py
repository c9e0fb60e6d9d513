"""ONNX forms of operations on elements. Where onnxruntime lacks a kernel, or its kernel gives another number, the form is made of others.

float64: the runtime has no inverse trigonometric kernels; its float32 value is made exact by one step of Newton's method.
Integers: those that it does not compute in are computed in int64 and cast back, which wraps as NumPy does.
Of a NaN the sign is not seen (signbit, copysign, atan2).
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np

from ...graph.ir import Node
from ...graph.types import BOOL, FLOAT, INT, TensorType
from .writer import Rule, Writer, known_refusal

UINT64 = np.dtype("uint64")
SMALL = frozenset(map(np.dtype, ("int8", "int16", "uint8", "uint16", "uint32")))


def number(node: Node, value: float) -> np.ndarray:
    """A number in the dtype of the first argument."""
    return np.array(value, node.args[0].type.dtype)


def simple(kind: str) -> Rule:
    return lambda w, node, *args: w.op(kind, *args, name=node.name)


# ---- dtypes


def wide(rule: Rule, uint64: Literal["own", "as int64", "refused"] = "refused") -> Rule:
    """The rule, with the small integers, in which the runtime does not compute, cast to int64 and back."""

    def widened(w: Writer, node: Node, *args: str, **attrs: Any) -> str:
        dtype = node.args[-1].type.dtype
        if dtype not in SMALL and (dtype != UINT64 or uint64 == "own"):
            return rule(w, node, *args, **attrs)
        if dtype == UINT64 and uint64 == "refused":
            raise known_refusal(node)
        given = [w.cast(x, INT) if a.type.dtype == dtype else x for x, a in zip(args, node.args, strict=True)]
        found = rule(w, _in_int64(node, dtype), *given, **attrs)
        return w.cast(found, node.type.dtype) if node.type.dtype == dtype else found

    return widened


def _in_int64(node: Node, dtype: np.dtype) -> Node:
    def changed(t: TensorType) -> TensorType:
        return TensorType(t.shape, INT) if t.dtype == dtype else t

    args = tuple(Node(a.op, (), {}, changed(a.type)) for a in node.args)
    return Node(node.op, args, node.attrs, changed(node.type), name=node.name, origin=node.origin)


def for_bools(of_bools: Rule, otherwise: Rule) -> Rule:
    def rule(w: Writer, node: Node, *args: str, **attrs: Any) -> str:
        return (of_bools if node.args[-1].type.dtype == BOOL else otherwise)(w, node, *args, **attrs)

    return rule


def in_float64(exact: Rule, otherwise: str) -> Rule:
    """Another rule for float64, of which the runtime has no kernel, or a wrong one."""

    def rule(w: Writer, node: Node, *args: str) -> str:
        return w.op(otherwise, *args, name=node.name) if node.type.dtype == FLOAT else exact(w, node, *args)

    return rule


def cast(w: Writer, node: Node, x: str, dtype: np.dtype) -> str:
    """A float becomes the nearest integer that the dtype holds, and NaN becomes 0; ONNX leaves both open."""
    source = node.args[0].type.dtype
    if source.kind != "f" or dtype.kind not in "iu":
        return w.cast(x, dtype)
    bounds = np.iinfo(dtype)
    low, high = number(node, bounds.min), number(node, 2.0**bounds.bits / (2 if dtype.kind == "i" else 1))
    below, above = w.op("Less", x, low), w.op("GreaterOrEqual", x, high)
    inside = w.op("Where", w.op("Or", w.op("Or", below, above), w.op("IsNaN", x)), number(node, 0), x)
    ends = [np.array(n, dtype).astype(INT) for n in (bounds.min, bounds.max)]  # as bits: the runtime selects no uint64
    kept = w.cast(w.cast(inside, dtype), INT)
    found = w.op("Where", below, ends[0], w.op("Where", above, ends[1], kept))
    return found if dtype == INT else w.cast(found, dtype)


def fit(w: Writer, node: Node, x: str, dtype: np.dtype) -> str:
    """cast, which stops where the number does not fit."""
    source, y = node.args[0].type.dtype, cast(w, node, x, dtype)
    if dtype == BOOL or source == dtype or source.kind == "b":
        return y
    if dtype.kind == "f":
        lost = w.op("And", w.op("IsInf", y), w.op("Not", w.op("IsInf", w.cast(x, np.float64))))
        ok = w.op("Not", lost)
    else:
        whole = trunc(w, node, x) if source.kind == "f" else x
        ok = w.op("Equal", w.cast(y, source), whole)
    return w.after(w.failing(ok, f"a number that {dtype} holds"), y)


# ---- functions


def sigmoid(w: Writer, node: Node, x: str) -> str:
    """The runtime's own is 0 below −18 in float32."""
    return w.op("Reciprocal", w.op("Add", w.op("Exp", w.op("Neg", x)), number(node, 1)))


def expm1(w: Writer, node: Node, x: str) -> str:
    """tanh(x/2)·(eˣ + 1)."""
    return w.op("Mul", w.op("Tanh", w.op("Mul", x, number(node, 0.5))), w.op("Add", w.op("Exp", x), number(node, 1)))


def log1p(w: Writer, node: Node, x: str) -> str:
    """log(u)·x/(u − 1) with u = 1 + x; x where u is 1 or x infinite."""
    u = w.op("Add", x, number(node, 1))
    whole = w.op("Or", w.op("Equal", u, number(node, 1)), w.op("Equal", x, number(node, np.inf)))
    return w.op("Where", whole, x, w.op("Mul", w.op("Log", u), w.op("Div", x, w.op("Sub", u, number(node, 1)))))


def softplus(w: Writer, node: Node, x: str) -> str:
    """max(x, 0) + log1p(exp(−|x|)); the runtime's own overflows in float64."""
    return w.op("Add", w.op("Max", x, number(node, 0)), log1p(w, node, w.op("Exp", w.op("Neg", w.op("Abs", x)))))


def erf(w: Writer, node: Node, x: str) -> str:
    if node.type.dtype != FLOAT:
        raise known_refusal(node)
    return w.op("Erf", x, name=node.name)


def tan(w: Writer, node: Node, x: str) -> str:
    return w.op("Div", w.op("Sin", x), w.op("Cos", x))


def atan(w: Writer, node: Node, x: str) -> str:
    """y + tan(atan x − y), y the value in float32. Above 1e18 the angle is π/2 to the last bit."""
    if node.type.dtype == FLOAT:
        return w.op("Atan", x, name=node.name)
    x = w.op("Min", w.op("Max", x, number(node, -1e18)), number(node, 1e18))
    y = w.cast(w.op("Atan", w.cast(x, FLOAT)), node.type.dtype)
    s, c = w.op("Sin", y), w.op("Cos", y)
    return w.op("Add", y, w.op("Div", w.op("Sub", w.op("Mul", x, c), s), w.op("Add", c, w.op("Mul", x, s))))


def asin(w: Writer, node: Node, x: str) -> str:
    """y + d + d³/6 with d = sin(asin x − y), y the value in float32."""
    y = w.cast(w.op("Asin", w.cast(x, FLOAT)), node.type.dtype)
    one = number(node, 1)
    root = w.op("Sqrt", w.op("Mul", w.op("Sub", one, x), w.op("Add", one, x)))
    d = w.op("Sub", w.op("Mul", x, w.op("Cos", y)), w.op("Mul", root, w.op("Sin", y)))
    return w.op("Add", y, w.op("Add", d, w.op("Mul", w.op("Mul", d, w.op("Mul", d, d)), number(node, 1 / 6))))


def acos(w: Writer, node: Node, x: str) -> str:
    """2·asin(√((1 − x)/2))."""
    return w.op("Mul", asin(w, node, w.op("Sqrt", w.op("Mul", w.op("Sub", number(node, 1), x), number(node, 0.5)))), number(node, 2))


def cosh(w: Writer, node: Node, x: str) -> str:
    """(e/2)·e + 1/(2·e·e) with e = exp(|x|/2), which does not overflow before the result does."""
    half = number(node, 0.5)
    e = w.op("Exp", w.op("Mul", w.op("Abs", x), half))
    return w.op("Add", w.op("Mul", w.op("Mul", e, half), e), w.op("Div", half, w.op("Mul", e, e)))


def sinh(w: Writer, node: Node, x: str) -> str:
    """tanh(x/2)·(1 + cosh x)."""
    return w.op("Mul", w.op("Tanh", w.op("Mul", x, number(node, 0.5))), w.op("Add", cosh(w, node, x), number(node, 1)))


def asinh(w: Writer, node: Node, x: str) -> str:
    """log1p(a + a/(1/a + √(1/a² + 1))) with a = |x|."""
    a = w.op("Abs", x)
    r = w.op("Reciprocal", a)
    root = w.op("Sqrt", w.op("Add", w.op("Mul", r, r), number(node, 1)))
    return w.op("Mul", w.op("Sign", x), log1p(w, node, w.op("Add", a, w.op("Div", a, w.op("Add", r, root)))))


def acosh(w: Writer, node: Node, x: str) -> str:
    """log1p(t + √t·√(t + 2)) with t = x − 1."""
    t = w.op("Sub", x, number(node, 1))
    return log1p(w, node, w.op("Add", t, w.op("Mul", w.op("Sqrt", t), w.op("Sqrt", w.op("Add", t, number(node, 2))))))


def atanh(w: Writer, node: Node, x: str) -> str:
    """log1p(2a/(1 − a))/2 with a = |x|."""
    a = w.op("Abs", x)
    found = log1p(w, node, w.op("Div", w.op("Add", a, a), w.op("Sub", number(node, 1), a)))
    return w.op("Mul", w.op("Sign", x), w.op("Mul", found, number(node, 0.5)))


def logarithm(base: float) -> Rule:
    return lambda w, node, x: w.op("Div", w.op("Log", x), number(node, math.log(base)))


def hypot(w: Writer, node: Node, x: str, y: str) -> str:
    """m·√(1 + (n/m)²), m the larger of |x| and |y|; m itself where it is 0 or infinite."""
    a, b = w.op("Abs", x), w.op("Abs", y)
    m, n = w.op("Max", a, b), w.op("Min", a, b)
    q = w.op("Div", n, m)
    length = w.op("Mul", m, w.op("Sqrt", w.op("Add", w.op("Mul", q, q), number(node, 1))))
    infinite = w.op("Or", w.op("IsInf", a), w.op("IsInf", b))
    return w.op("Where", infinite, number(node, np.inf), w.op("Where", w.op("Equal", m, number(node, 0)), m, length))


def atan2(w: Writer, node: Node, y: str, x: str) -> str:
    """atan(y/x), and π with the sign of y more where x is negative. Two infinities are as two ones."""
    both = w.op("And", w.op("IsInf", x), w.op("IsInf", y))
    top, under = (w.op("Where", both, w.op("Sign", v), v) for v in (y, x))
    zero = w.op("Equal", w.op("Max", w.op("Abs", y), w.op("Abs", x)), number(node, 0))
    angle = atan(w, node, w.op("Where", zero, y, w.op("Div", top, under)))
    half_turn = copysign(w, node, number(node, math.pi), y)
    return w.op("Where", signbit(w, node, x), w.op("Add", angle, half_turn), angle)


def logaddexp(w: Writer, node: Node, x: str, y: str) -> str:
    apart = log1p(w, node, w.op("Exp", w.op("Neg", w.op("Abs", w.op("Sub", x, y)))))
    more = w.op("Where", w.op("Equal", x, y), number(node, math.log(2)), apart)
    return w.op("Add", w.op("Max", x, y), more)


# ---- signs and rounding


def signbit(w: Writer, node: Node, x: str) -> str:
    """Negative, or a zero with a negative reciprocal."""
    zero = number(node, 0)
    below = w.op("And", w.op("Equal", x, zero), w.op("Less", w.op("Reciprocal", x), zero))
    return w.op("Or", w.op("Less", x, zero), below)


def copysign(w: Writer, node: Node, x: Any, y: str) -> str:
    a = w.op("Abs", x)
    return w.op("Where", signbit(w, node, y), w.op("Neg", a), a)


def of_bits(w: Writer, node: Node, *args: str, **attrs: Any) -> str:
    raise known_refusal(node)


def trunc(w: Writer, node: Node, x: str) -> str:
    return w.op("Where", w.op("Less", x, number(node, 0)), w.op("Ceil", x), w.op("Floor", x))


def neg(w: Writer, node: Node, x: str) -> str:
    return w.op("Sub", number(node, 0), x) if node.type.dtype.kind == "u" else w.op("Neg", x, name=node.name)


# ---- quotients and powers


def floor_divide(w: Writer, node: Node, x: str, y: str) -> str:
    """NumPy's: from the remainder, so that the quotient is exact; by an integer 0 it is 0."""
    zero, one = number(node, 0), number(node, 1)
    if node.type.dtype.kind == "f":
        rest, below = _remainder(w, node, x, y)
        q = w.op("Sub", w.op("Div", w.op("Sub", x, rest), y), w.op("Where", below, one, zero))
        down = w.op("Floor", q)
        near = w.op("Add", down, w.op("Where", w.op("Greater", w.op("Sub", q, down), number(node, 0.5)), one, zero))
        return w.op("Where", w.op("Equal", y, zero), w.op("Div", x, y), near)
    by = _divisor(w, node, y)
    q = w.op("Div", x, by)
    rest = w.op("Sub", x, w.op("Mul", q, by))
    below = w.op("And", w.op("Not", w.op("Equal", rest, zero)), w.op("Xor", w.op("Less", rest, zero), w.op("Less", by, zero)))
    found = w.op("Where", w.op("Equal", y, number(node, -1)), w.op("Neg", x), w.op("Sub", q, w.op("Where", below, one, zero)))
    return w.op("Where", w.op("Equal", y, zero), zero, found)


def remainder(w: Writer, node: Node, x: str, y: str) -> str:
    """With the sign of the divisor; by an integer 0 it is 0."""
    if node.type.dtype.kind != "f":
        return w.op("Mod", x, _divisor(w, node, y))
    rest, below = _remainder(w, node, x, y)
    moved = w.op("Where", below, w.op("Add", rest, y), rest)
    return w.op("Where", w.op("Equal", rest, number(node, 0)), copysign(w, node, rest, y), moved)


def _remainder(w: Writer, node: Node, x: str, y: str) -> tuple[str, str]:
    """The remainder with the sign of x, and whether it is not 0 and has another sign than y."""
    zero, rest = number(node, 0), w.op("Mod", x, y, fmod=1)
    other = w.op("Xor", w.op("Less", rest, zero), w.op("Less", y, zero))
    return rest, w.op("And", w.op("Not", w.op("Equal", rest, zero)), other)


def _divisor(w: Writer, node: Node, y: str) -> str:
    """1 for the integers 0 and −1, by which a processor does not always divide."""
    near = w.op("And", w.op("LessOrEqual", y, number(node, 1)), w.op("GreaterOrEqual", y, number(node, -1)))
    return w.op("Where", near, number(node, 1), y)


def power(w: Writer, node: Node, x: str, y: str) -> str:
    if node.type.dtype.kind != "f":
        raise known_refusal(node)
    return w.op("Pow", x, y, name=node.name)


# ---- bits


def bitwise(logical: str) -> Rule:
    """An operation on bools, or on the bits of integers."""
    return for_bools(simple(logical), simple(f"Bitwise{logical}"))


def shift(direction: str) -> Rule:
    """In 64 bits, by 0 … 63; other shifts move all bits out. To the right, negative numbers are filled with ones."""

    def rule(w: Writer, node: Node, x: str, y: str) -> str:
        dtype = node.type.dtype
        by = w.cast(w.op("Min", y, np.array(64, dtype)) if dtype == UINT64 else y, INT)
        fits = w.op("And", w.op("GreaterOrEqual", by, np.array(0)), w.op("Less", by, np.array(64)))
        by = w.cast(w.op("Where", fits, by, np.array(0)), UINT64)
        signed = direction == "RIGHT" and dtype.kind == "i"
        negative = w.op("Less", x, number(node, 0)) if signed else ""
        bits = w.op("Where", negative, w.op("BitwiseNot", w.cast(x, INT)), w.cast(x, INT)) if signed else x
        moved = w.cast(w.op("BitShift", w.cast(bits, UINT64), by, direction=direction), INT)
        found = w.op("Where", fits, moved, np.array(0))
        return w.cast(w.op("Where", negative, w.op("BitwiseNot", found), found) if signed else found, dtype)

    return rule


# ---- choices and comparisons


def where(w: Writer, node: Node, c: str, x: str, y: str) -> str:
    if node.type.dtype == BOOL:
        return w.op("Or", w.op("And", c, x), w.op("And", w.op("Not", c), y))
    return w.op("Where", c, x, y, name=node.name)


def ordered(kind: str) -> Rule:
    def rule(w: Writer, node: Node, *args: str) -> str:
        return w.op(kind, *(w.cast(x, np.int32) for x in args) if node.args[0].type.dtype == BOOL else args)

    return rule


def same(w: Writer, node: Node, x: str) -> str:
    return x


ELEMENTWISE: dict[str, Rule] = {
    **{
        name: simple(kind)
        for name, kind in {
            "exp": "Exp", "log": "Log", "sqrt": "Sqrt", "tanh": "Tanh", "sin": "Sin", "cos": "Cos", "abs": "Abs",
            "floor": "Floor", "ceil": "Ceil", "round": "Round", "add": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "equal": "Equal",
        }.items()
    },
    "sigmoid": sigmoid, "softplus": in_float64(softplus, "Softplus"), "expm1": expm1, "log1p": log1p, "erf": erf, "sign": simple("Sign"),
    "tan": in_float64(tan, "Tan"), "asin": in_float64(asin, "Asin"), "acos": in_float64(acos, "Acos"), "atan": atan,
    "sinh": in_float64(sinh, "Sinh"), "cosh": in_float64(cosh, "Cosh"), "asinh": in_float64(asinh, "Asinh"),
    "acosh": in_float64(acosh, "Acosh"), "atanh": in_float64(atanh, "Atanh"),
    "exp2": lambda w, node, x: w.op("Pow", number(node, 2), x), "log2": logarithm(2), "log10": logarithm(10),
    "hypot": hypot, "atan2": atan2, "logaddexp": logaddexp,
    "signbit": signbit, "copysign": copysign, "nextafter": of_bits, "bitcast": of_bits, "trunc": trunc, "neg": neg,
    "cast": cast, "fit": fit,
    "floor_divide": wide(floor_divide), "remainder": wide(remainder), "pow": power,
    "maximum": for_bools(simple("Or"), wide(simple("Max"), "own")),
    "minimum": for_bools(simple("And"), wide(simple("Min"), "own")),
    "less": ordered("Less"), "less_equal": ordered("LessOrEqual"),
    "not_equal": lambda w, node, x, y: w.op("Not", w.op("Equal", x, y)),
    "where": wide(where, "as int64"), "detach": same, "alias": same,
    "and": bitwise("And"), "or": bitwise("Or"), "xor": bitwise("Xor"), "not": bitwise("Not"), "shl": shift("LEFT"), "shr": shift("RIGHT"),
}  # fmt: skip
