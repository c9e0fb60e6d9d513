"""The shape of an array and the order of its axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import shape_error
from ..graph import dims
from ..graph.dims import Dim, Extent
from ..graph.types import broadcast_shapes, identical, normalize_axes, normalize_axis, whole
from ..primitives import linalg as _l
from ..primitives import movement as _m
from ..primitives.rules import expand as _expand
from ..tensor import Tensor, tensor
from .creation import lengths
from .elementwise import Axis, Like


def reshape(x: Like, shape: Any, *, copy: bool | None = None) -> Tensor:
    """The same elements in the same order with another shape. One length may be −1. Raises ShapeError.

    `copy`, of the array API standard, changes nothing: tensors are immutable."""
    t = tensor(x)
    wanted = tuple([_length(n) for n in (shape if isinstance(shape, (tuple, list)) else (shape,))])
    if wanted.count(-1) > 1:
        raise shape_error("reshape", f"only one length can be -1, got {wanted}")
    if -1 in wanted:
        known = dims.product(n for n in wanted if not (isinstance(n, int) and n == -1))
        size = dims.product(t.shape)
        if known == 0 or (not isinstance(known, Dim) and not isinstance(size, Dim) and size % known):
            raise shape_error("reshape", f"{size} elements of {t.shape} cannot become {wanted}")
        wanted = tuple(size // known if isinstance(n, int) and n == -1 else n for n in wanted)
    return t if identical(wanted, t.shape) else _m.reshape(t, shape=wanted)


def _length(n: Any) -> Extent:
    return n if type(n) is int or isinstance(n, Dim) else whole("reshape", n)


def ravel(x: Like) -> Tensor:
    """All elements as a vector, in row-major order."""
    t = tensor(x)
    return t if t.ndim == 1 else _m.reshape(t, shape=(dims.product(t.shape),))


flatten = ravel


def permute_dims(x: Like, axes: Sequence[int]) -> Tensor:
    """x with its axes in another order. Raises ShapeError if not every axis is named once."""
    t = tensor(x)
    found = tuple(normalize_axis("permute_dims", a, t.ndim) for a in axes)
    if sorted(found) != list(range(t.ndim)):
        raise shape_error("permute_dims", f"axes {tuple(axes)} are not an order of the {t.ndim} axes of {t.shape}")
    return t if found == tuple(range(t.ndim)) else _m.permute(t, axes=found)


def transpose(x: Like, axes: Sequence[int] | None = None) -> Tensor:
    """x with its axes in another order, reversed by default; NumPy's name."""
    t = tensor(x)
    if axes is not None:
        return permute_dims(t, axes)
    return t if t.ndim < 2 else _m.permute(t, axes=tuple(range(t.ndim)[::-1]))


def matrix_transpose(x: Like) -> Tensor:
    """x with its last two axes swapped."""
    t = tensor(x)
    if t.ndim < 2:
        raise shape_error("matrix_transpose", f"needs two axes, got {t.type}")
    return _l.swap(t)


def moveaxis(x: Like, source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
    """x with axes moved to other positions; the others keep their order."""
    t = tensor(x)
    moved, places = _axes("moveaxis", source, t.ndim), _axes("moveaxis", destination, t.ndim)
    if len(moved) != len(places):
        raise shape_error("moveaxis", f"axes {source} cannot move to {destination}: these are {len(moved)} and {len(places)}")
    order = [a for a in range(t.ndim) if a not in moved]
    for place, axis in sorted(zip(places, moved, strict=True)):
        order.insert(place, axis)
    return permute_dims(t, order)


def _axes(what: str, axis: int | Sequence[int], ndim: int) -> list[int]:
    """Axes in the order given, each once."""
    given = axis if isinstance(axis, (tuple, list)) else (axis,)
    normalize_axes(what, given, ndim)
    return [normalize_axis(what, a, ndim) for a in given]


def swapaxes(x: Like, axis1: int, axis2: int) -> Tensor:
    """x with two axes swapped."""
    t = tensor(x)
    order = list(range(t.ndim))
    a, b = (normalize_axis("swapaxes", axis, t.ndim) for axis in (axis1, axis2))
    order[a], order[b] = b, a
    return permute_dims(t, order)


def broadcast_to(x: Like, shape: Sequence[Extent]) -> Tensor:
    """x broadcast to a shape, as in NumPy. Raises ShapeError."""
    return _expand(tensor(x), lengths("broadcast_to", shape))


def broadcast_arrays(*xs: Like) -> list[Tensor]:
    """The arrays broadcast to their common shape. Raises ShapeError."""
    found = [tensor(x) for x in xs]
    shape = broadcast_shapes("broadcast_arrays", *(t.shape for t in found))
    return [_expand(t, shape) for t in found]


def expand_dims(x: Like, axis: int | Sequence[int] = 0) -> Tensor:
    """x with new axes of length 1 at positions of the result."""
    t = tensor(x)
    count = len(axis) if isinstance(axis, (tuple, list)) else 1
    at = normalize_axes("expand_dims", axis, t.ndim + count)
    lengths_left = iter(t.shape)
    return _m.reshape(t, shape=tuple(1 if a in at else next(lengths_left) for a in range(t.ndim + count)))


def squeeze(x: Like, axis: Axis = None) -> Tensor:
    """x without axes of length 1, all of them by default. Raises ShapeError for an axis of another length.

    A run-time size is 1 or not in all calls of a program: for the other case there is another program.
    """
    t = tensor(x)
    axes = tuple(a for a, n in enumerate(t.shape) if dims.unify(n, 1)) if axis is None else normalize_axes("squeeze", axis, t.ndim)
    for a in axes:
        if not dims.unify(t.shape[a], 1):
            raise shape_error("squeeze", f"axis {a} of {t.shape} has length {t.shape[a]}, not 1")
    return _m.reshape(t, shape=tuple(n for a, n in enumerate(t.shape) if a not in axes))
