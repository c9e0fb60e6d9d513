"""Movements: functions that change the shape of a tensor or the order of its elements."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any

from ..errors import shape_error
from ..graph import dims
from ..graph.dims import Dim, Extent
from ..graph.types import identical, is_one, normalize_axes, normalize_axis, whole
from ..primitives import linalg as _l
from ..primitives import movement as _m
from ..primitives.rules import expand as _expand
from ..tensor import Tensor, tensor
from .creation import lengths, operands
from .elementwise import Axis, Like


def reshape(x: Like, shape: Any) -> Tensor:
    """The same elements in the same order with another shape. One length may be −1. Raises ShapeError."""
    t = tensor(x)
    wanted = tuple(n if isinstance(n, Dim) else whole("reshape", n) for n in (shape if isinstance(shape, (tuple, list)) else (shape,)))
    if wanted.count(-1) > 1:
        raise shape_error("reshape", f"only one length can be -1, got {wanted}")
    if -1 in wanted:
        known = dims.product(n for n in wanted if not (isinstance(n, int) and n == -1))
        size = dims.product(t.shape)
        if not isinstance(known, Dim) and (known == 0 or (not isinstance(size, Dim) and size % known)):
            raise shape_error("reshape", f"{size} elements of {t.shape} cannot become {wanted}")
        wanted = tuple(size // known if isinstance(n, int) and n == -1 else n for n in wanted)
    return t if identical(wanted, t.shape) else _m.reshape(t, shape=wanted)


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
    return permute_dims(t, range(t.ndim)[::-1] if axes is None else axes)


def matrix_transpose(x: Like) -> Tensor:
    """x with its last two axes swapped."""
    t = tensor(x)
    if t.ndim < 2:
        raise shape_error("matrix_transpose", f"needs two axes, got {t.type}")
    return _l.swap(t)


def moveaxis(x: Like, source: int, destination: int) -> Tensor:
    """x with one axis moved to another position."""
    t = tensor(x)
    order = [a for a in range(t.ndim) if a != normalize_axis("moveaxis", source, t.ndim)]
    order.insert(normalize_axis("moveaxis", destination, t.ndim), normalize_axis("moveaxis", source, t.ndim))
    return permute_dims(t, order)


def broadcast_to(x: Like, shape: Sequence[Extent]) -> Tensor:
    """x broadcast to a shape, as in NumPy. Raises ShapeError."""
    return _expand(tensor(x), lengths("broadcast_to", shape))


def expand_dims(x: Like, axis: int = 0) -> Tensor:
    """x with a new axis of length 1 at a position of the result."""
    t = tensor(x)
    at = normalize_axis("expand_dims", axis, t.ndim + 1)
    return _m.reshape(t, shape=(*t.shape[:at], 1, *t.shape[at:]))


def squeeze(x: Like, axis: Axis = None) -> Tensor:
    """x without axes of length 1, all of them by default. Raises ShapeError for an axis of another length."""
    t = tensor(x)
    axes = [a for a, n in enumerate(t.shape) if is_one(n)] if axis is None else normalize_axes("squeeze", axis, t.ndim)
    for a in axes:
        if not dims.unify(t.shape[a], 1):
            raise shape_error("squeeze", f"axis {a} of {t.shape} has length {t.shape[a]}, not 1")
    return _m.reshape(t, shape=tuple(n for a, n in enumerate(t.shape) if a not in axes))


def concat(tensors: Sequence[Like], axis: int = 0) -> Tensor:
    """Tensors joined along an axis, promoted to one dtype. Raises ShapeError, which names the tensor that does not fit."""
    if not len(tensors):
        raise shape_error("concat", "needs at least one tensor")
    found = operands("concat", tensors)
    return _m.concat(*found, axis=normalize_axis("concat", axis, found[0].ndim))


concatenate = concat


def stack(tensors: Sequence[Like], axis: int = 0) -> Tensor:
    """Tensors of one shape joined along a new axis."""
    if not len(tensors):
        raise shape_error("stack", "needs at least one tensor")
    return concat([expand_dims(t, axis) for t in operands("stack", tensors)], axis)


def split(x: Like, parts: int | Sequence[int], axis: int = -1) -> list[Tensor]:
    """Equal parts along an axis, or parts of given lengths, whose sum is the length of the axis. Raises ShapeError."""
    t = tensor(x)
    a = normalize_axis("split", axis, t.ndim)
    if not isinstance(parts, (list, tuple)):
        count = whole("split", parts, "the number of parts")
        if count < 1 or t.shape[a] % count:
            raise shape_error("split", f"axis {a} of {t.shape} has length {t.shape[a]}, which is not {count} equal parts")
        parts = [t.shape[a] // count] * count
    sizes = [n if isinstance(n, Dim) else whole("split", n, "a part's length") for n in parts]
    if not dims.unify(builtins.sum(sizes), t.shape[a]):
        raise shape_error("split", f"axis {a} of {t.shape} has length {t.shape[a]}, the parts {sizes} add up to {builtins.sum(sizes)}")
    found: list[Tensor] = []
    at: Extent = 0
    for n in sizes:
        found.append(t[(builtins.slice(None),) * a + (builtins.slice(at, at + n),)])
        at += n
    return found


def flip(x: Like, axis: Axis = None) -> Tensor:
    """x with its elements in reverse order along axes (all by default)."""
    t = tensor(x)
    return _m.flip(t, axes=normalize_axes("flip", axis, t.ndim))


def roll(x: Like, shift: int, axis: int = -1) -> Tensor:
    """x with its elements moved by `shift` positions along an axis; elements that leave the end return at the start."""
    t = tensor(x)
    places, a = whole("roll", shift, "the shift"), normalize_axis("roll", axis, t.ndim)
    return _m.roll(t, shift=places, axis=a) if t.shape[a] > 0 else t


def pad(x: Like, widths: Sequence[tuple[int, int]]) -> Tensor:
    """x with zeros before and after, `(before, after)` for each axis."""
    t = tensor(x)
    pairs = isinstance(widths, (list, tuple)) and builtins.all(isinstance(p, (list, tuple)) and len(p) == 2 for p in widths)
    if not pairs or len(widths) != t.ndim or builtins.any(n < 0 for pair in widths for n in pair):
        raise shape_error("pad", f"needs one (before, after) of numbers ≥ 0 for each axis of {t.shape}, got {widths}")
    low, high = zip(*widths, strict=True) if widths else ((), ())
    return _m.pad(t, low=tuple(low), high=tuple(high), interior=(0,) * t.ndim)
