"""The IR itself: index folding, layout, verification, printing."""

import pytest

from minigrad.backend.loops import (
    AsIndex,
    Assign,
    Binary,
    Buffer,
    Check,
    Compare,
    Const,
    Declare,
    For,
    Function,
    Gemm,
    Let,
    Literal,
    Load,
    LoopVar,
    Read,
    Select,
    Size,
    Store,
    Unary,
    View,
    evaluate,
)
from minigrad.backend.to_python import to_python
from minigrad.backend.verify import verify

N, i = Size("n"), LoopVar("i")
X, Y = Buffer("x", "float32", N), Buffer("y", "float32", N)
ONE = Const("float32", 1)


def function(*body, locals=(), name="f"):
    found = Function(name, (X,), (Y,), (N,), locals, body)
    verify(found)
    return found


def test_indices_fold():
    assert N + 0 is N
    assert 1 * N is N
    assert Literal(0) == N * 0
    assert (N + 2) + 3 == N + 5
    assert Literal(7) // 2 == Literal(3)
    assert Literal(-7) % 4 == Literal(1)
    assert N // 1 is N
    assert evaluate((N * 4 + 3) // 2 - 1, {"n": 5}) == 10
    assert evaluate(i + 1, {"i": 2}) == 3
    with pytest.raises(TypeError, match="sizes and loop variables"):
        evaluate(AsIndex(Const("int64", 1)) + 1, {})


def test_locals_are_laid_out_in_the_arena():
    a, b, c = Buffer("a", "float32", N), Buffer("b", "uint8", N * 10), Buffer("c", "float64", 0)
    f = function(locals=(a, b, c))
    assert f.layout({"n": 17}) == ({"a": 64, "b": 256, "c": 512}, 576)
    assert f.layout({"n": 0}) == ({"a": 64, "b": 128, "c": 192}, 256)


def test_python_is_readable():
    ratio = Let("v", Binary("div", Load(X, i), Read("s", "float32")))
    f = function(
        Declare("s", Const("float32", 0)),
        For(i, N, (Assign("s", Binary("add", Read("s", "float32"), Load(X, i))),), note="sum\nof x"),
        For(i, N, (ratio, Store(Y, i, Unary("tanh", Read("v", "float32")))), reverse=True),
        Check(Compare("gt", Read("s", "float32"), Const("float32", 0)), 1, N),
        Gemm(N, 1, N, View(X, 0, 1, 0), View(X, 0, 0, 1), View(Y, 0, 1, 1)),
    )
    assert to_python(f) == (
        "def f(x, y, n):\n"
        "    s = float32(0)\n"
        "    for i in range(n):  # sum of x\n"
        "        s = s + x[i]\n"
        "    for i in reversed(range(n)):\n"
        "        v = x[i] / s\n"
        "        y[i] = tanh(v)\n"
        "    if not s > float32(0): return 1, n\n"
        "    gemm(n, 1, n, (x, 0, 1, 0), (x, 0, 0, 1), (y, 0, 1, 1), accumulate=False)\n"
        "    return 0, 0\n"
    )


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ((Store(X, 0, ONE),), "x is an input"),
        ((Store(Buffer("z", "float32", 1), 0, ONE),), "z is not one of its buffers"),
        ((Store(Buffer("y", "float32", 7), 0, ONE),), "y is not one of its buffers"),
        ((Store(Y, i, ONE),), "no loop i here"),
        ((Store(Y, Size("k"), ONE),), "no size k here"),
        ((Store(Y, 0, Read("v", "float32")),), "no scalar v"),
        ((For(i, N, (Let("v", ONE),)), Store(Y, 0, Read("v", "float32"))), "no scalar v"),
        ((Let("v", ONE), Let("w", Read("v", "float64"))), "no scalar v of type float64"),
        ((Let("v", ONE), Let("v", ONE)), "v is defined twice"),
        ((Let("v", ONE), Assign("v", ONE)), "no variable v"),
        ((Declare("v", ONE), Assign("v", Const("float64", 1))), "no variable v of type float64"),
        ((For(i, N, (For(i, N, ()),)),), "i is defined twice"),
        ((Let("v w", ONE),), "not an identifier"),
        ((Check(Compare("lt", ONE, ONE), 0, 0),), "code other than 0"),
    ],
)
def test_ill_formed_functions_are_refused(body, message):
    with pytest.raises(ValueError, match=message):
        function(*body)


@pytest.mark.parametrize(
    "build",
    [
        lambda: Binary("add", ONE, Const("float64", 1)),
        lambda: Binary("shl", ONE, ONE),
        lambda: Unary("exp", Const("int32", 1)),
        lambda: Compare("is", ONE, ONE),
        lambda: Select(ONE, ONE, ONE),
        lambda: AsIndex(ONE),
        lambda: Buffer("b", "float16", 1),
        lambda: Gemm(1, 1, 1, View(X, 0, 1, 1), View(X, 0, 1, 1), View(Buffer("d", "float64", 1), 0, 1, 1)),
        lambda: function(Store(Y, 0, Const("float64", 1))),
    ],
)
def test_ill_typed_expressions_are_refused(build):
    with pytest.raises(TypeError):
        build()


def test_names_are_unique_identifiers():
    with pytest.raises(ValueError, match="two arguments or locals are called x"):
        function(locals=(X,))
    with pytest.raises(ValueError, match="not an identifier"):
        function(name="f g")
