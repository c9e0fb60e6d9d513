"""Matrix products over sizes, edges and strides, against NumPy in float64."""

import functools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shares import examples

from minigrad.compiler import compile_function
from minigrad.compiler import loop_ir as L

STRIDES = [L.Size(name) for name in ("ars", "acs", "brs", "bcs", "crs", "ccs")]


@functools.cache
def kernel(dtype):
    m, n, k = sizes = L.Size("m"), L.Size("n"), L.Size("k")
    a, b, c = (L.Buffer(name, dtype, 1) for name in "abc")
    ars, acs, brs, bcs, crs, ccs = STRIDES
    views = L.View(a, 0, ars, acs), L.View(b, 0, brs, bcs), L.View(c, 0, crs, ccs)
    return compile_function(L.Function("product", (a, b), (c,), (*sizes, *STRIDES), (), (L.Gemm(m, n, k, *views),)))


def matrix(rng, rows, columns, layout, dtype):
    """A matrix whose rows (`N`) or columns (`T`) are contiguous, padded, or neither (`S`)."""
    if layout == "N":
        return rng.standard_normal((rows, columns + 3)).astype(dtype)[:, :columns]
    if layout == "T":
        return rng.standard_normal((columns, rows)).astype(dtype).T
    return rng.standard_normal((rows, 2 * columns)).astype(dtype)[:, ::2]


def check(m, n, k, layouts, dtype, seed=0):
    rng = np.random.default_rng(seed)
    a, b, c = (matrix(rng, *shape, layout, dtype) for shape, layout in zip(((m, k), (k, n), (m, n)), layouts, strict=True))
    whole = c.base if c.base is not None else c
    before, old = whole.copy(), c.copy()
    exact = a.astype("f8") @ b.astype("f8")
    size = a.itemsize
    strides = [s // size for x in (a, b, c) for s in x.strides]
    assert kernel(dtype)([a, b, c], [m, n, k, *strides]) == (0, 0)
    scale = abs(a.astype("f8")) @ abs(b.astype("f8")) + 1e-30
    assert (abs(c - exact) <= 4 * np.finfo(dtype).eps * np.sqrt(k + 1) * scale).all()
    c[...] = old
    np.testing.assert_array_equal(whole, before, err_msg="wrote outside of C")


SIZES = st.sampled_from((0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 15, 16, 17, 20, 31, 33, 48, 64, 65, 100, 127, 130, 260))


@examples(300)
@given(SIZES, SIZES, SIZES, st.text("NTS", min_size=3, max_size=3), st.sampled_from(("float32", "float64")), st.integers(0, 9))
def test_any_size_and_layout(m, n, k, layouts, dtype, seed):
    check(m, n, k, layouts, dtype, seed)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("layouts", ["NNN", "NTN", "TNN", "TTN", "NNT"])
@pytest.mark.parametrize("shape", [(1, 128, 64), (128, 1, 20), (1, 1, 1), (0, 5, 3), (5, 0, 3), (5, 3, 0), (16, 64, 700), (150, 90, 300)])
def test_the_shapes_of_recurrent_networks(shape, layouts, dtype):
    check(*shape, layouts, dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("layouts", ["NNN", "NTN", "TNT", "SSS"])
@pytest.mark.parametrize("shape", [(1, 1, 4096), (1, 3, 4097), (5, 1, 9001), (260, 70, 8193), (9, 130, 5000)])
def test_products_of_many_terms(shape, layouts, dtype):
    check(*shape, layouts, dtype)


def test_bits_do_not_depend_on_the_batch():
    """A row of a product is the same whether it is computed alone in a part or with others of the same kind."""
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((64, 100)).astype("f4"), rng.standard_normal((100, 70)).astype("f4")
    c, d = np.empty((64, 70), "f4"), np.empty((32, 70), "f4")
    for rows, out in ((64, c), (32, d)):
        kernel("float32")([a, b, out], [rows, 70, 100, 100, 1, 70, 1, 70, 1])
    np.testing.assert_array_equal(c[:32], d)


def test_nan_and_infinity_pass_through():
    a = np.array([[np.nan, 1.0], [np.inf, 1]])
    b, c = np.array([[0.0, 1, 2], [1, 1, 1]]), np.empty((2, 3))
    kernel("float64")([a, b, c], [2, 3, 2, 2, 1, 3, 1, 3, 1])
    np.testing.assert_array_equal(c, [[np.nan] * 3, [np.nan, np.inf, np.inf]])
