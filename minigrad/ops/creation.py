"""Arrays made from nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..dims import Dim, Extent
from ..errors import shape_error
from ..primitives import index as _i
from ..primitives.rules import expand as _expand
from ..tensor import Tensor, scalar, tensor
from ..types import FLOAT, INT, check_dtype


def full(shape: Any, value: Any, dtype: Any = FLOAT) -> Tensor:
    """A tensor of one value."""
    wanted = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    return _expand(scalar(value, check_dtype(dtype, "full")), lengths("full", wanted))


def lengths(what: str, shape: Sequence[Any]) -> tuple[Extent, ...]:
    found = tuple(n if isinstance(n, Dim) else n.__index__() for n in shape)
    if any(isinstance(n, int) and n < 0 for n in found):
        raise shape_error(what, f"lengths must not be negative, got {found}")
    return found


def zeros(shape: Any, dtype: Any = FLOAT) -> Tensor:
    """Zeros; float32 unless told otherwise."""
    return full(shape, 0, dtype)


def ones(shape: Any, dtype: Any = FLOAT) -> Tensor:
    """Ones; float32 unless told otherwise."""
    return full(shape, 1, dtype)


def zeros_like(x: Any) -> Tensor:
    t = tensor(x)
    return zeros(t.shape, t.dtype)


def ones_like(x: Any) -> Tensor:
    t = tensor(x)
    return ones(t.shape, t.dtype)


def arange(n: Extent, dtype: Any = INT) -> Tensor:
    """0, 1, …, n−1."""
    return _i.iota(n=lengths("arange", (n,))[0], dtype=check_dtype(dtype, "arange"))


def eye(n: Extent, dtype: Any = FLOAT) -> Tensor:
    """The identity matrix."""
    return _i.one_hot(arange(n), n=n, dtype=check_dtype(dtype, "eye"))


def extent(n: Extent) -> Tensor:
    """An axis length as an int64 tensor: how a run-time size enters arithmetic."""
    return _i.extent(n=n)
