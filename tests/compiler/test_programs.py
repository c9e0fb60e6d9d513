"""The two printers agree: on random functions exactly, and on every statement by example."""

import itertools
import threading
from unittest import mock

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from programs import DTYPES, arguments, functions
from shares import examples

from minigrad.compiler import compile_function, run_python
from minigrad.compiler import loop_ir as L
from minigrad.compiler.llvm.to_llvm import to_llvm

N = L.Size("n")
i = L.LoopVar("i")


def both(function, args, sizes):
    """Runs both printers on copies of the arguments; returns both results, and checks that their codes agree."""
    compiled, plain = ({k: v.copy() for k, v in args.items()} for _ in range(2))
    codes = compile_function(function).run(compiled, sizes), run_python(function, plain, sizes)
    assert codes[0] == codes[1]
    return compiled, plain, codes[0]


def elementwise(expr, *inputs, dtype, out="out"):
    target = L.Buffer(out, dtype, N)
    return L.Function("f", inputs, (target,), (N,), (), (L.For(i, N, (L.Store(target, i, expr),)),))


@examples(40)
@given(functions(), st.integers(0, 5), st.sampled_from((0, 1, 5, 19, 40)), st.integers(0, 9), st.sampled_from((1, 5, 24)))
def test_random_functions_agree_exactly(function, m, n, seed, piece):
    sizes = {s.name: {"m": m, "n": n}[s.name] for s in function.sizes}
    with mock.patch("minigrad.compiler.llvm.to_llvm.PIECE", piece):
        compiled, plain, _ = both(function, arguments(function, sizes, seed), sizes)
    for name in compiled:
        np.testing.assert_array_equal(compiled[name], plain[name], err_msg=name)


def test_pieces_agree_with_the_whole():
    """A long body becomes several LLVM functions, with checks, outer scalars and outer variables among them."""
    x, y = L.Buffer("x", "float64", N), L.Buffer("y", "float64", N)
    j = L.LoopVar("j")
    term = L.Binary("mul", L.Read("scale", "float64"), L.Load(x, j))
    add = L.For(j, N, (L.Assign("sum", L.Binary("add", L.Read("sum", "float64"), term)),))
    check = L.Check(L.Compare("lt", L.Read("sum", "float64"), L.Const("float64", 1e6)), 7, i)
    step = (L.Let("scale", L.FromIndex(i, "float64")), L.Declare("sum", L.Const("float64", 0)), *[add] * 20, check)
    f = L.Function("f", (x,), (y,), (N,), (), (L.For(i, N, (*step, L.Store(y, i, L.Read("sum", "float64")))),))
    assert len(to_llvm([f]).units) > 3
    compiled, plain, code = both(f, {"x": np.arange(5.0), "y": np.zeros(5)}, {"n": 5})
    np.testing.assert_array_equal(compiled["y"], plain["y"])
    assert code == (0, 0)
    assert both(f, {"x": np.full(5, 1e4), "y": np.zeros(5)}, {"n": 5})[2] == (7, 1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_division_nan_and_infinity_are_numpys(dtype):
    special = np.array([0.0, -0.0, 1, -1, np.inf, -np.inf, np.nan, 3], dtype)
    pairs = np.meshgrid(special, special)
    x, y = L.Buffer("x", dtype, N), L.Buffer("y", dtype, N)
    args = {"x": pairs[0].ravel(), "y": pairs[1].ravel(), "out": np.empty(64, dtype)}
    for op in ("add", "sub", "mul", "div", "floor_divide", "remainder", "maximum", "minimum", "pow"):
        compiled, plain, _ = both(elementwise(L.Binary(op, L.Load(x, i), L.Load(y, i)), x, y, dtype=dtype), args, {"n": 64})
        (np.testing.assert_allclose if op == "pow" else np.testing.assert_array_equal)(compiled["out"], plain["out"], err_msg=op)
    for op in ("lt", "le", "gt", "ge", "eq", "ne"):
        f = elementwise(L.Cast(dtype, L.Compare(op, L.Load(x, i), L.Load(y, i))), x, y, dtype=dtype)
        compiled, plain, _ = both(f, args, {"n": 64})
        np.testing.assert_array_equal(compiled["out"], plain["out"], err_msg=op)
    for op in ("neg", "abs", "sign", "floor", "sqrt", "exp", "log", "tanh", "sigmoid", "softplus", "sin", "erf"):
        compiled, plain, _ = both(elementwise(L.Unary(op, L.Load(x, i)), x, y, dtype=dtype), args, {"n": 64})
        np.testing.assert_allclose(compiled["out"], plain["out"], rtol=1e-6, err_msg=op)


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8", "uint32", "uint64"])
def test_integers_wrap_and_divide_as_numpys(dtype):
    info = np.iinfo(dtype)
    special = np.array([0, 1, 2, 3, 7, 8, 31, 63, info.min, info.max, info.max - 1, -1 if info.min else 5], dtype)
    pairs = np.meshgrid(special, special)
    x, y = L.Buffer("x", dtype, N), L.Buffer("y", dtype, N)
    args = {"x": pairs[0].ravel(), "y": pairs[1].ravel(), "out": np.empty(144, dtype)}
    for op in ("add", "sub", "mul", "floor_divide", "remainder", "maximum", "minimum", "and", "or", "xor", "pow"):
        compiled, plain, _ = both(elementwise(L.Binary(op, L.Load(x, i), L.Load(y, i)), x, y, dtype=dtype), args, {"n": 144})
        np.testing.assert_array_equal(compiled["out"], plain["out"], err_msg=op)
    args["y"] = np.abs(args["y"] % 70).astype(dtype)
    for op in ("shl", "shr"):
        compiled, plain, _ = both(elementwise(L.Binary(op, L.Load(x, i), L.Load(y, i)), x, y, dtype=dtype), args, {"n": 144})
        np.testing.assert_array_equal(compiled["out"], plain["out"], err_msg=op)


def test_casts_between_all_types():
    sources = (*DTYPES, "bool")
    for source in sources:
        x = L.Buffer("x", source, N)
        values = np.array([0, 1, 1, 0, 5, 100], "int64").astype(source)
        for target in sources:
            f = elementwise(L.Cast(target, L.Load(x, i)), x, dtype=target)
            compiled, _, _ = both(f, {"x": values, "out": np.zeros(6, target)}, {"n": 6})
            np.testing.assert_array_equal(compiled["out"], values.astype(target), err_msg=f"{source} to {target}")


def test_bits_are_read_as_every_dtype_of_their_width():
    rng = np.random.default_rng(0)
    for source, target in itertools.product(L.BITS, L.BITS):
        if L.BITS[source] == L.BITS[target] and "bool" not in (source, target):
            values = rng.integers(0, 256, 40 * L.BITS[source] // 8, "uint8").view(source)
            f = elementwise(L.Bitcast(target, L.Load(L.Buffer("x", source, N), i)), L.Buffer("x", source, N), dtype=target)
            for found in both(f, {"x": values, "out": np.zeros(40, target)}, {"n": 40})[:2]:
                assert found["out"].tobytes() == values.tobytes()


@pytest.mark.parametrize("exponent", [-1, 0, 0.5, 1, 2, 3, 4, -2, 1.5])
def test_constant_powers(exponent):
    x = L.Buffer("x", "float64", N)
    f = elementwise(L.Binary("pow", L.Load(x, i), L.Const("float64", exponent)), x, dtype="float64")
    args = {"x": np.array([0.0, 0.25, 1, 3, -2, np.nan]), "out": np.empty(6)}
    compiled, plain, _ = both(f, args, {"n": 6})
    np.testing.assert_allclose(compiled["out"], plain["out"], rtol=1e-15)


def test_a_failed_check_stops_the_function_and_records_the_value():
    x, at, out = L.Buffer("x", "float32", N), L.Buffer("at", "int64", 3), L.Buffer("out", "float32", 3)
    found = L.AsIndex(L.Load(at, i))
    inside = L.Compare("lt", L.Load(at, i), L.FromIndex(N, "int64"))
    f = L.Function("f", (x, at), (out,), (N,), (), (L.For(i, 3, (L.Check(inside, 4, found), L.Store(out, i, L.Load(x, found)))),))
    args = {"x": np.arange(5, dtype="f4"), "at": np.array([1, 4, 0]), "out": np.zeros(3, "f4")}
    compiled, plain, code = both(f, args, {"n": 5})
    np.testing.assert_array_equal(compiled["out"], [1, 4, 0])
    assert code == (0, 0)
    compiled, plain, code = both(f, args | {"at": np.array([1, 9, 0])}, {"n": 5})
    assert code == (4, 9)
    np.testing.assert_array_equal(compiled["out"], plain["out"])


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "uint64"])
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("first", [None, 3, 32])
def test_argsort_is_stable_with_nan_last(dtype, descending, first):
    m, rng = L.Size("m"), np.random.default_rng(0)
    x, order = L.Buffer("x", dtype, N * m * 2), L.Buffer("order", "int64", N * m)
    sort = L.Argsort(order, i, x, i * N * 2, N, 2, m, descending, first)
    f = L.Function("f", (x,), (order,), (m, N), (), (L.For(i, m, (sort,)),))
    kernel = compile_function(f)
    for count in (0, 1, 2, 7, 100, 1023, 1024, 1025, 1500) if first is None else (first, first + 2, 200):
        values = rng.integers(0, 50, (3, count, 2)).astype(dtype)
        if dtype.startswith("float"):
            values[rng.random(values.shape) < 0.1] = np.nan
        args = {"x": values, "order": np.zeros((count, 3), "int64")}
        want = {"x": values, "order": np.zeros((count, 3), "int64")}
        kernel.run(args, {"m": 3, "n": count})
        run_python(f, want, {"m": 3, "n": count})
        np.testing.assert_array_equal(args["order"], want["order"], err_msg=str(count))


def test_index_arithmetic_floors():
    out = L.Buffer("out", "int64", N)
    index = (i - 7) % 5 * 100 + (i - 7) // 3 + i // 2 + i % 4
    f = L.Function("f", (), (out,), (N,), (), (L.For(i, N, (L.Store(out, i, L.FromIndex(index, "int64")),)),))
    compiled, plain, _ = both(f, {"out": np.zeros(30, "i8")}, {"n": 30})
    np.testing.assert_array_equal(compiled["out"], plain["out"])


def squashed_product(dtype):
    x, w, y, hidden = L.Buffer("x", dtype, N * 6), L.Buffer("w", dtype, 24), L.Buffer("y", dtype, N * 4), L.Buffer("h", dtype, N * 4)
    product = L.Gemm(N, 4, 6, L.View(x, 0, 6, 1), L.View(w, 0, 1, 6), L.View(hidden, 0, 4, 1))
    squash = L.For(i, N * 4, (L.Store(y, i, L.Unary("tanh", L.Load(hidden, i))),))
    return L.Function("step", (x, w), (y,), (N,), (hidden,), (product, squash))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gemm_inside_a_function(dtype):
    rng = np.random.default_rng(0)
    args = {"x": rng.random((5, 6)), "w": rng.random(24), "y": np.zeros((5, 4))}
    args = {k: v.astype(dtype) for k, v in args.items()}
    compiled, plain, _ = both(squashed_product(dtype), args, {"n": 5})
    np.testing.assert_allclose(compiled["y"], plain["y"], rtol=1e-6)


def test_threads_share_a_kernel():
    kernel, rng = compile_function(squashed_product("float32")), np.random.default_rng(0)
    x, w = rng.random((200, 6), dtype="f4"), rng.random(24, dtype="f4")
    results = [np.empty((200, 4), "f4") for _ in range(8)]

    def work(y):
        arena = kernel.arena(200)
        for _ in range(50):
            assert kernel([x, w, y], [200], arena) == (0, 0)

    threads = [threading.Thread(target=work, args=(y,)) for y in results]
    [t.start() for t in threads]
    [t.join() for t in threads]
    for y in results[1:]:
        np.testing.assert_array_equal(y, results[0])


def test_numba_code_calls_a_kernel():
    f = squashed_product("float64")
    kernel, rng = compile_function(f), np.random.default_rng(0)
    entry = kernel.entry

    @numba.njit(nogil=True)
    def train(pointers, sizes, arena):
        code = 0
        for _ in range(3):
            code += entry(pointers, sizes, arena)
        return code

    x, w, y, want = rng.random((5, 6)), rng.random(24), np.zeros((5, 4)), np.zeros((5, 4))
    kernel([x, w, want], [5])
    pointers = np.array([a.ctypes.data for a in (x, w, y)], np.uint64)
    arena = kernel.arena(5)
    assert train(pointers, np.array([5, 0]), arena) == 0
    np.testing.assert_array_equal(y, want)


def test_wrong_arguments_are_refused():
    kernel = compile_function(squashed_product("float32"))
    good = {"x": np.zeros((5, 6), "f4"), "w": np.zeros(24, "f4"), "y": np.zeros((5, 4), "f4")}
    with pytest.raises(TypeError, match="y: expected"):
        kernel.run(good | {"y": np.zeros((5, 4))}, {"n": 5})
    with pytest.raises(TypeError, match="x: expected"):
        kernel.run(good | {"x": np.zeros((6, 5), "f4").T}, {"n": 5})
