"""Creation of arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import dtype_error, shape_error
from ..graph.dims import Dim, Extent
from ..graph.types import FLOAT, INT, check_dtype, whole
from ..primitives import index as _i
from ..primitives.rules import expand as _expand
from ..tensor import Tensor, scalar, tensor

MOST = 2**60  # the largest number of elements of an array, on every machine


def full(shape: Any, value: Any, dtype: Any = FLOAT) -> Tensor:
    """A tensor of one value."""
    if np.shape(value) or not isinstance(value, (bool, int, float, np.generic, np.ndarray)):
        raise dtype_error("full", f"takes one number, got {value!r}", "Repeat an array with mg.broadcast_to")
    return _filled("full", shape, value, dtype)


def _filled(what: str, shape: Any, value: Any, dtype: Any) -> Tensor:
    return _expand(scalar(value, check_dtype(dtype, what)), lengths(what, shape))


def lengths(what: str, shape: Any) -> tuple[Extent, ...]:
    """A shape, or one length, as a tuple. Raises DTypeError, and ShapeError for negative lengths or too many elements."""
    given = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    found = tuple(n if isinstance(n, Dim) else whole(what, n) for n in given)
    known = [n for n in found if isinstance(n, int)]
    if any(n < 0 for n in known):
        raise shape_error(what, f"lengths must not be negative, got {found}")
    if is_too_large(known):
        raise shape_error(what, f"{found} is too large: the lengths other than 0 multiply to 2⁶⁰ or more")
    return found


def is_too_large(shape: Sequence[int]) -> bool:
    """Whether NumPy has no array of this shape. It also counts the elements along the other axes of an empty array."""
    return math.prod(n for n in shape if n) >= MOST


def zeros(shape: Any, dtype: Any = FLOAT) -> Tensor:
    """A tensor of zeros, float32 by default."""
    return _filled("zeros", shape, 0, dtype)


def ones(shape: Any, dtype: Any = FLOAT) -> Tensor:
    """A tensor of ones, float32 by default."""
    return _filled("ones", shape, 1, dtype)


def zeros_like(x: Any) -> Tensor:
    t = tensor(x)
    return zeros(t.shape, t.dtype)


def ones_like(x: Any) -> Tensor:
    t = tensor(x)
    return ones(t.shape, t.dtype)


def arange(n: Extent, dtype: Any = INT) -> Tensor:
    """0, 1, …, n−1."""
    return _i.iota(n=lengths("arange", n)[0], dtype=check_dtype(dtype, "arange"))


def eye(n: Extent, dtype: Any = FLOAT) -> Tensor:
    """The identity matrix."""
    (n,) = lengths("eye", n)
    return _i.one_hot(arange(n), n=n, dtype=check_dtype(dtype, "eye"))


def extent(n: Extent) -> Tensor:
    """An axis length as an int64 tensor, so that a run-time size can be an operand."""
    return _i.extent(n=n)
