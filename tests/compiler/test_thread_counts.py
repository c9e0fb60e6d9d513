"""A training step of every model has the same bits for any number of threads, though all is shared that can be, however small."""

from __future__ import annotations

import inspect
import itertools

import numpy as np
import pytest
from minigrad.models.registry import MODELS
from shares import shared

import minigrad as mg
from minigrad.compiler import compile_function
from minigrad.compiler import loop_ir as L
from minigrad.compiler.lower import block, control
from minigrad.compiler.lower import program as lowering
from minigrad.compiler.runtime import executable, worker
from minigrad.errors import SettingError

SIZES = (lowering, "SHARED_WORK"), (block, "COLUMNS_WORK"), (block, "PRODUCT_WORK"), (control, "NESTED_WORK")
THREADS = (1, 2, 3, 4, 8, 16)
SMALL = {"hidden": 12, "heads": 2, "memory": (6, 4)}


def bits(*trees):
    return [leaf.numpy().tobytes() for leaf in mg.tree.leaves(trees)]


@pytest.fixture
def everything_shared(monkeypatch):
    for module, name in (*SIZES, (executable, "THREAD_WORK")):
        monkeypatch.setattr(module, name, 1)
    monkeypatch.setattr(block, "COLUMNS", 16)


@pytest.mark.parametrize("name", shared(MODELS, 1, of=4))
def test_a_training_step_has_the_same_bits_for_any_number_of_threads(name, everything_shared, monkeypatch):
    known = inspect.signature(MODELS[name]).parameters
    model = MODELS[name](mg.random.key(0), 8, 4, **{k: v for k, v in SMALL.items() if k in known})
    optimizer = mg.optim.Adam(1e-2, clip_norm=0.1)
    state = optimizer.init(model)

    @mg.jit
    def step(model, state, xs):
        loss, grads = mg.value_and_grad(lambda m: mg.mean(mg.square(m(xs) - 0.5)))(model)
        return *optimizer.update(model, grads, state), loss

    for batch in (17, 3):  # rows divided, and a loop in step
        xs = mg.random.normal(mg.random.key(1), (6, batch, 8)).numpy()
        found = []
        for threads in THREADS:
            monkeypatch.setenv("MINIGRAD_THREADS", str(threads))
            found.append(bits(step(model, state, xs)))
        assert found == found[:1] * len(THREADS)
    assert "for several threads" in step.explain()


@pytest.mark.parametrize("how", [{"checkpoint": 2}, {"truncate": 3, "checkpoint": True}])
def test_loops_inside_a_loop_are_shared_and_have_the_same_bits_for_any_number_of_threads(how, everything_shared, monkeypatch):
    rng = np.random.default_rng(0)
    w, xs = rng.standard_normal((20, 20)) / 5, rng.standard_normal((7, 17, 20))

    def loss(w, xs):
        def step(h, x):
            h = mg.tanh(x + h @ w)
            return h, h

        last, hs = mg.scan(step, mg.zeros((xs.shape[1], 20), "float64"), xs, **how)
        return mg.sum(hs**3) + mg.sum(last)

    f = mg.value_and_grad(loss)
    fast, found = mg.jit(f), []
    for threads in THREADS:
        monkeypatch.setenv("MINIGRAD_THREADS", str(threads))
        found.append(bits(fast(w, xs)))
    assert found == found[:1] * len(THREADS)
    for got, want in zip(fast(w, xs), f(w, xs), strict=True):
        np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-10)
    phases = fast.newest.executable.lowered.phases
    assert any(isinstance(s, L.For) and any(isinstance(t, L.Shared) for t in L.walk(s.body)) for p in phases for s in p.body)


@pytest.mark.parametrize("wrong", ["0", "-1", "two", "1.5"])
def test_a_number_of_threads_that_is_none_is_refused(wrong, monkeypatch):
    monkeypatch.setenv("MINIGRAD_THREADS", wrong)
    with pytest.raises(SettingError, match="MINIGRAD_THREADS"):
        worker.threads()


N, LOW, HIGH = L.Size("n"), L.Size("low"), L.Size("high")


def test_an_element_is_the_same_in_a_vector_loop_and_in_the_loop_for_the_rest():
    """Products and sums of few terms, for each row: LLVM makes the rows a vector loop, and would fuse or reassociate there otherwise."""
    i, j, place = L.LoopVar("i"), L.LoopVar("j"), L.LoopVar("i") * 6 + L.LoopVar("j")
    a, b, c, y, z = (L.Buffer(name, "float32", size) for name, size in zip("abcyz", (N, N * 6, N * 6, N * 6, N), strict=True))
    product, total = L.Read("product", "float32"), L.Read("total", "float32")
    row = (
        L.Let("product", L.Binary("mul", L.Load(a, i), L.Load(b, place))),
        L.Store(y, place, L.Binary("add", product, L.Load(c, place))),
        L.Assign("total", L.Binary("add", total, L.Load(b, place))),
    )
    body = L.Declare("total", L.Const("float32", 0)), L.For(j, 6, row), L.Store(z, i, total)
    kernel = compile_function(L.Function("rows", (a, b, c), (y, z), (N, LOW, HIGH), (), (L.For(i, HIGH - LOW, body, start=LOW),)))
    rng, n = np.random.default_rng(0), 67
    arrays = [rng.standard_normal(n * k).astype("float32") for k in (1, 6, 6)]
    whole, parts = ([np.empty(n * k, "float32") for k in (6, 1)] for _ in range(2))
    kernel([*arrays, *whole], [n, 0, n])
    ends = [0, 1, 4, 20, 21, 40, 66, n]
    for low, high in itertools.pairwise(ends):
        kernel([*arrays, *parts], [n, low, high])
    assert [x.tobytes() for x in whole] == [x.tobytes() for x in parts]


def test_a_product_that_is_also_read_elsewhere_is_rounded():
    i = L.LoopVar("i")
    x, y = L.Buffer("x", "float32", N), L.Buffer("y", "float32", N)
    product = L.Read("product", "float32")
    square = L.Let("product", L.Binary("mul", L.Load(x, i), L.Load(x, i)))
    kernel = compile_function(
        L.Function("zero", (x,), (y,), (N,), (), (L.For(i, N, (square, L.Store(y, i, L.Binary("sub", product, product)))),))
    )
    found = np.empty(100, "float32")
    kernel([np.random.default_rng(0).standard_normal(100).astype("float32"), found], [100])
    assert not found.any()


M, K = L.Size("m"), L.Size("k")
STRIDES = [L.Size(f"{matrix}_{axis}") for matrix in "abc" for axis in ("rows", "columns")]


@pytest.fixture(scope="module")
def product():
    """Rows low … high of C = A @ B, with any strides."""
    buffers = a, b, c = [L.Buffer(name, "float32", size) for name, size in zip("abc", (M * K, K * N, M * N), strict=True)]
    views = (L.View(x, LOW * STRIDES[at] if at != 2 else 0, *STRIDES[at : at + 2]) for at, x in zip((0, 2, 4), buffers, strict=True))
    gemm = L.Gemm(HIGH - LOW, N, K, *views, M, N)
    return compile_function(L.Function("product", (a, b), (c,), (M, N, K, LOW, HIGH, *STRIDES), (), (gemm,)))


@pytest.mark.parametrize(("m", "n", "k"), [(60, 32, 80), (25, 1, 40), (1, 40, 30), (40, 65, 33), (13, 7, 90), (150, 20, 300)])
def test_a_row_of_a_matrix_product_is_the_same_in_whichever_part_it_is(product, m, n, k):
    shapes = (m, k), (k, n), (m, n)
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal(rows * columns).astype("float32") for rows, columns in shapes[:2])
    for by_columns in itertools.product([False, True], repeat=3):
        strides = [x for (r, c), turned in zip(shapes, by_columns, strict=True) for x in ((1, r) if turned else (c, 1))]
        whole, parts = np.empty(m * n, "float32"), np.empty(m * n, "float32")
        product([a, b, whole], [m, n, k, 0, m, *strides])
        for low, high in itertools.pairwise([0, m // 9, m // 2, m - m // 3, m]):
            product([a, b, parts], [m, n, k, low, high, *strides])
        assert whole.tobytes() == parts.tobytes()
