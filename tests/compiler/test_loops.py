"""The IR itself: index folding, layout, verification, printing."""

import pytest

from minigrad.compiler import loop_ir as L
from minigrad.compiler.to_python import to_python
from minigrad.compiler.verify import verify

N, i = L.Size("n"), L.LoopVar("i")
X, Y = L.Buffer("x", "float32", N), L.Buffer("y", "float32", N)
ONE = L.Const("float32", 1)


def function(*body, locals=(), name="f"):
    found = L.Function(name, (X,), (Y,), (N,), locals, body)
    verify(found)
    return found


def test_indices_fold():
    assert N + 0 is N
    assert 1 * N is N
    assert L.Literal(0) == N * 0
    assert (N + 2) + 3 == N + 5
    assert L.Literal(7) // 2 == L.Literal(3)
    assert L.Literal(-7) % 4 == L.Literal(1)
    assert N // 1 is N
    assert L.evaluate((N * 4 + 3) // 2 - 1, {"n": 5}) == 10
    assert L.evaluate(i + 1, {"i": 2}) == 3
    with pytest.raises(TypeError, match="sizes and loop variables"):
        L.evaluate(L.AsIndex(L.Const("int64", 1)) + 1, {})


def test_locals_are_laid_out_in_the_arena():
    a, b, c = L.Buffer("a", "float32", N), L.Buffer("b", "uint8", N * 10), L.Buffer("c", "float64", 0)
    f = function(locals=(a, b, c))
    assert f.layout({"n": 17}) == ({"a": 64, "b": 256, "c": 512}, 576)
    assert f.layout({"n": 0}) == ({"a": 64, "b": 128, "c": 192}, 256)


def test_python_is_readable():
    ratio = L.Let("v", L.Binary("div", L.Load(X, i), L.Read("s", "float32")))
    f = function(
        L.Declare("s", L.Const("float32", 0)),
        L.For(i, N, (L.Assign("s", L.Binary("add", L.Read("s", "float32"), L.Load(X, i))),), note="sum\nof x"),
        L.For(i, N, (ratio, L.Store(Y, i, L.Unary("tanh", L.Read("v", "float32")))), reverse=True),
        L.Check(L.Compare("gt", L.Read("s", "float32"), L.Const("float32", 0)), 1, N),
        L.Gemm(N, 1, N, L.View(X, 0, 1, 0), L.View(X, 0, 0, 1), L.View(Y, 0, 1, 1)),
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
        "    gemm(n, 1, n, (x, 0, 1, 0), (x, 0, 0, 1), (y, 0, 1, 1))\n"
        "    return 0, 0\n"
    )


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ((L.Store(X, 0, ONE),), "x is an input"),
        ((L.Store(L.Buffer("z", "float32", 1), 0, ONE),), "z is not one of its buffers"),
        ((L.Store(L.Buffer("y", "float32", 7), 0, ONE),), "y is not one of its buffers"),
        ((L.Store(Y, i, ONE),), "no loop i here"),
        ((L.Store(Y, L.Size("k"), ONE),), "no size k here"),
        ((L.Store(Y, 0, L.Read("v", "float32")),), "no scalar v"),
        ((L.For(i, N, (L.Let("v", ONE),)), L.Store(Y, 0, L.Read("v", "float32"))), "no scalar v"),
        ((L.Let("v", ONE), L.Let("w", L.Read("v", "float64"))), "no scalar v of type float64"),
        ((L.Let("v", ONE), L.Let("v", ONE)), "v is defined twice"),
        ((L.Let("v", ONE), L.Assign("v", ONE)), "no variable v"),
        ((L.Declare("v", ONE), L.Assign("v", L.Const("float64", 1))), "no variable v of type float64"),
        ((L.For(i, N, (L.For(i, N, ()),)),), "i is defined twice"),
        ((L.Let("v w", ONE),), "not an identifier"),
        ((L.Check(L.Compare("lt", ONE, ONE), 0, 0),), "code other than 0"),
    ],
)
def test_ill_formed_functions_are_refused(body, message):
    with pytest.raises(ValueError, match=message):
        function(*body)


@pytest.mark.parametrize(
    "build",
    [
        lambda: L.Binary("add", ONE, L.Const("float64", 1)),
        lambda: L.Binary("shl", ONE, ONE),
        lambda: L.Unary("exp", L.Const("int32", 1)),
        lambda: L.Compare("is", ONE, ONE),
        lambda: L.Select(ONE, ONE, ONE),
        lambda: L.AsIndex(ONE),
        lambda: L.Bitcast("int64", ONE),
        lambda: L.Bitcast("bool", L.Const("uint8", 1)),
        lambda: L.Bitcast("uint8", L.Const("bool", True)),
        lambda: L.Buffer("b", "complex64", 1),
        lambda: L.Binary("add", L.Const("float16", 1), L.Const("float16", 1)),
        lambda: L.Compare("eq", L.Const("bfloat16", 1), L.Const("bfloat16", 1)),
        lambda: L.Gemm(1, 1, 1, L.View(X, 0, 1, 1), L.View(X, 0, 1, 1), L.View(L.Buffer("d", "float64", 1), 0, 1, 1)),
        lambda: function(L.Store(Y, 0, L.Const("float64", 1))),
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
