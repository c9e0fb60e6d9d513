"""The bits of numbers as another dtype: NumPy's view, eager and compiled, to the last bit, those of NaN among them."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from itertools import product
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from shares import shared

import minigrad as mg
from minigrad.primitives.bits import bitcast

FLOATS = {np.dtype(d): ml_dtypes.finfo(d) for d in ("float16", ml_dtypes.bfloat16, "float32", "float64")}
DTYPES = [*FLOATS, *(np.dtype(f"{kind}{width}") for width in (8, 16, 32, 64) for kind in ("int", "uint"))]
PAIRS = [(a, b) for a, b in product(DTYPES, DTYPES) if a.itemsize == b.itemsize]
COMPUTED = [(a, b) for a, b in PAIRS if a.itemsize >= 4]  # the others are compiled between float16 and bfloat16 alone
LENGTHS = st.sampled_from((0, 2, 3, 5, 17))


def unsigned(dtype: np.dtype) -> np.dtype:
    return np.dtype(f"uint{8 * dtype.itemsize}")


def special(dtype: np.dtype) -> list[int]:
    """The bits of zeros, the least number, infinities, and NaN: quiet, signalling, and with more bits; of both signs."""
    width, digits = 8 * dtype.itemsize, FLOATS[dtype].nmant
    infinity = ((1 << width - 1) - 1) >> digits << digits
    quiet = infinity | 1 << digits - 1
    return [sign << width - 1 | n for sign in (0, 1) for n in (0, 1, infinity, infinity | 1, quiet, quiet | 5)]


def arrays(dtype: np.dtype, shape: Any) -> st.SearchStrategy[np.ndarray]:
    known = [n for d in FLOATS if d.itemsize == dtype.itemsize for n in special(d)] or [0, 127, 128, 255]
    bits = st.sampled_from(known) | st.integers(0, 2 ** (8 * dtype.itemsize) - 1)
    return hnp.arrays(unsigned(dtype), shape, elements=bits).map(lambda x: x.view(dtype))


def identical(found: Any, expected: Any) -> None:
    found, expected = np.asarray(found), np.asarray(expected)
    assert (found.dtype, found.shape, found.tobytes()) == (expected.dtype, expected.shape, expected.tobytes())


@given(st.data())
def test_it_is_numpys_view_of_arrays_that_lie_in_memory_in_any_way(data: st.DataObject) -> None:
    source, target = data.draw(st.sampled_from(PAIRS))
    x = data.draw(arrays(source, hnp.array_shapes(min_dims=0, min_side=0)))
    for placed in (x, x.T, np.flip(x), np.broadcast_to(x, (2, *x.shape)), x[..., ::2] if x.ndim else x[()]):
        expected = np.frombuffer(placed.tobytes(), target).reshape(placed.shape)
        identical(bitcast.numpy(placed, dtype=target), expected)
        identical(bitcast(mg.tensor(placed), dtype=target).numpy(), expected)


@functools.cache
def program(source: np.dtype, target: np.dtype) -> tuple[Callable[..., Any], Any]:
    """A function that reads bits inside a loop with other work, and its compiled form."""
    bits = unsigned(source)

    def f(x: Any, y: Any, mask: Any) -> Any:
        kept = (bitcast(x, dtype=bits) & mask) ^ (bitcast(y, dtype=bits) >> 3)
        back = bitcast(kept, dtype=source)
        chosen = mg.where(kept > mask, -back, mg.flip(x, 1))
        return bitcast(x, dtype=target), back, bitcast(chosen, dtype=target), mg.sum(kept, 0), mg.permute_dims(chosen, (1, 0))

    return f, mg.jit(f)


@pytest.mark.parametrize(("source", "target"), shared(COMPUTED), ids=str)
@given(data=st.data(), m=LENGTHS, n=LENGTHS)
def test_compiled_loops_have_the_bits_of_eager_ones_at_every_size(
    source: np.dtype, target: np.dtype, data: st.DataObject, m: int, n: int
) -> None:
    f, fast = program(source, target)
    x, y, mask = (data.draw(arrays(d, (n, m))).T for d in (source, source, unsigned(source)))
    with warnings.catch_warnings(action="error"):
        found = fast(x, y, mask)
    for a, b in zip(found, f(*map(mg.tensor, (x, y, mask))), strict=True):
        identical(a, b)


HALVES = mg.jit(lambda x: tuple(bitcast(x, dtype=d) for d in (np.dtype("float16"), np.dtype(ml_dtypes.bfloat16))))


@given(data=st.data(), n=LENGTHS)
def test_compiled_halves_keep_their_bits(data: st.DataObject, n: int) -> None:
    for source in (d for d in FLOATS if d.itemsize == 2):
        x = data.draw(arrays(source, n))
        with warnings.catch_warnings(action="error"):
            found = HALVES(x)
        for t in found:
            identical(t, x.view(t.dtype))


def test_sixteen_bits_as_integers_run_in_the_interpreter() -> None:
    x = np.array([1.5, -0.0, np.nan], "float16")
    with pytest.warns(mg.CompileWarning, match="no loops for dtype int16"):
        identical(mg.jit(lambda x: bitcast(x, dtype=np.dtype("int16")))(x), x.view("int16"))


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_constants_keep_their_bits(dtype: np.dtype) -> None:
    """Read while the function is traced, and in compiled code: NaN has a sign and more that printed numbers do not show."""
    constants = [np.array(n, unsigned(dtype)) for n in special(dtype)]

    def f(c: Any, x: Any) -> Any:
        return tuple(mg.where(c, x, bitcast(mg.tensor(k), dtype=dtype)) for k in constants)

    c, x = np.array([True, False, False]), np.zeros(3, dtype)
    assert not any(n.op is bitcast for n in mg.trace(f, c, x).nodes)
    for found, k in zip(mg.jit(f)(c, x), constants, strict=True):
        identical(found, np.where(c, x, k.view(dtype)))


@given(st.data())
def test_a_batch_is_a_loop(data: st.DataObject) -> None:
    source, target = data.draw(st.sampled_from(PAIRS))
    x = data.draw(arrays(source, (3, 2)))
    identical(mg.vmap(lambda row: bitcast(row, dtype=target))(x).numpy(), x.view(target))


def test_bits_are_constants_of_a_gradient() -> None:
    def high(x: Any) -> Any:
        """x without the lower half of its digits."""
        return bitcast(bitcast(x, dtype=np.dtype("uint64")) & np.uint64(-(2**27) % 2**64), dtype=np.dtype("float64"))

    x = np.array([np.pi, -np.e, 1e-300])
    for f in (lambda x: mg.sum(high(x) * x), mg.jit(lambda x: mg.sum(high(x) * x))):
        identical(mg.grad(f)(x).numpy(), high(mg.tensor(x)).numpy())
    with pytest.raises(mg.errors.DTypeError, match=r"bitcast: has no gradient\. Stop the gradient with mg.detach"):
        mg.grad(lambda x: mg.sum(bitcast(x, dtype=np.dtype("float64"))))(x)


@given(st.sampled_from([*DTYPES, np.dtype("bool")]), st.sampled_from([*DTYPES, np.dtype("bool")]))
def test_other_widths_and_bools_are_refused(source: np.dtype, target: np.dtype) -> None:
    x = mg.zeros((2, 3), source)
    if (source, target) in PAIRS or source == target:
        assert bitcast(x, dtype=target).dtype == target
    elif "bool" in (source, target):
        with pytest.raises(mg.errors.DTypeError, match=rf"bitcast: reads numbers, got {source}\(2, 3\) for {target}. Convert with"):
            bitcast(x, dtype=target)
    else:
        width = 8 * source.itemsize
        match = rf"bitcast: {source}\(2, 3\) has {width} bits, {target} has \d+. Take a dtype of {width} bits, and shifts"
        with pytest.raises(mg.errors.DTypeError, match=match):
            bitcast(x, dtype=target)
