"""What the tests of the array API standard share: array-api-strict, another implementation of it, and how results are compared."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
from hypothesis import assume
from hypothesis import strategies as st

import minigrad as mg

strict = pytest.importorskip("array_api_strict")

VERSION = "2024.12"
COMPLEX = "minigrad has no complex dtypes"
EXCLUDED = {
    **dict.fromkeys(("complex64", "complex128", "conj", "imag", "real"), COMPLEX),
    **dict.fromkeys(("fft", "linalg"), "an extension, which is optional"),
    **dict.fromkeys(("isin", "broadcast_shapes"), "of a later version"),
    **dict.fromkeys(("Device", "__version__"), "of array-api-strict, not of the standard"),
    **{name: "a setting of array-api-strict" for name in strict.__all__ if "strict_flags" in name.lower() or "StrictFlags" in name},
}
NAMES = sorted(set(strict.__all__) - set(EXCLUDED))
FUNCTIONS = [name for name in NAMES if inspect.isfunction(getattr(strict, name))]

strict.set_array_api_strict_flags(api_version=VERSION)

NUMBERS = {"b": st.booleans(), "i": st.integers(-3, 3), "u": st.integers(0, 3), "f": st.integers(-9, 9).map(lambda n: n / 4)}


def parameters(f: Any) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(f).parameters)


def peer(x: Any) -> Any:
    """The same value for array-api-strict."""
    if isinstance(x, mg.Tensor):
        return strict.asarray(x.numpy().copy())
    if isinstance(x, np.dtype):
        return getattr(strict, x.name)
    return type(x)(map(peer, x)) if isinstance(x, (list, tuple)) else x


def same(found: Any, expected: Any) -> None:
    """Equal in structure, type, shape and value, up to a few roundings."""
    if isinstance(expected, (list, tuple)):
        assert len(found) == len(expected)
        for a, b in zip(found, expected, strict=True):
            same(a, b)
        return
    assert isinstance(found, mg.Tensor)
    b = np.asarray(expected)
    assert (found.shape, found.dtype) == (b.shape, b.dtype)
    rtol = 8 * np.finfo(b.dtype).eps if b.dtype.kind == "f" else 0
    np.testing.assert_allclose(found.numpy(), b, rtol=rtol, atol=rtol * 8)


def agree(name: str, *args: Any, **options: Any) -> None:
    try:
        expected = getattr(strict, name)(*map(peer, args), **{k: peer(v) for k, v in options.items()})
    except TypeError:  # a dtype that the standard leaves out
        assume(False)
    same(getattr(mg, name)(*args, **options), expected)
