"""Results whose shape depends on the values: positions of true elements, and the different elements. They need the values of a tensor."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..errors import AbstractValueError, message, shape_error
from ..graph.values import asarray
from ..primitives import index as _i
from ..tensor import Tensor, tensor
from .elementwise import Like
from .shaping import reshape

__all__ = [
    "nonzero", "unique_all", "unique_counts", "unique_inverse", "unique_values",
]  # fmt: skip


class Unique(NamedTuple):
    """The different elements of a tensor; for each, the position of its first occurrence and how often it occurs; and for each element the
    position of its value."""

    values: Tensor
    indices: Tensor
    inverse_indices: Tensor
    counts: Tensor


class UniqueCounts(NamedTuple):
    values: Tensor
    counts: Tensor


class UniqueInverse(NamedTuple):
    values: Tensor
    inverse_indices: Tensor


def _concrete(what: str, x: Like) -> Tensor:
    t = tensor(x)
    if not t.is_concrete:
        fix = "Call it outside, or mask with mg.where"
        raise AbstractValueError(message(what, f"the shape of the result depends on the values of {t!r}, which has none yet", fix))
    return t


def nonzero(x: Like, /) -> tuple[Tensor, ...]:
    """The positions of the elements that are not zero, an int64 vector for each axis.

    Raises AbstractValueError inside jit and trace, and ShapeError for a 0-d tensor."""
    t = _concrete("nonzero", x)
    if not t.ndim:
        raise shape_error("nonzero", "a 0-d tensor has no positions", "Compare it, as in x != 0")
    return tuple(tensor(i) for i in t.numpy().nonzero())


def unique_all(x: Like, /) -> Unique:
    """The different elements in rising order, each NaN apart, with their positions and counts. The gradient of a value goes to its first
    occurrence. Raises AbstractValueError inside jit and trace."""
    return _unique("unique_all", x)


def unique_counts(x: Like, /) -> UniqueCounts:
    """The different elements, and how often each occurs; as unique_all."""
    found = _unique("unique_counts", x)
    return UniqueCounts(found.values, found.counts)


def unique_inverse(x: Like, /) -> UniqueInverse:
    """The different elements, and for each element the position of its value; as unique_all."""
    found = _unique("unique_inverse", x)
    return UniqueInverse(found.values, found.inverse_indices)


def unique_values(x: Like, /) -> Tensor:
    """The different elements; as unique_all."""
    return _unique("unique_values", x).values


def _unique(what: str, x: Like) -> Unique:
    t = _concrete(what, x)
    rest: Any = np.unique(t.numpy(), return_index=True, return_inverse=True, return_counts=True, equal_nan=False)[1:]
    indices, inverse, counts = (tensor(asarray(i, "int64")) for i in rest)
    return Unique(_i.take(reshape(t, (-1,)), indices, axis=0), indices, reshape(inverse, t.shape), counts)
