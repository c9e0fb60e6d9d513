"""Parts of arrays: joined, divided, repeated, moved along an axis, and padded."""

from __future__ import annotations

import builtins
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from ..errors import setting_error, shape_error
from ..graph import dims
from ..graph.dims import Dim, Extent
from ..graph.types import BOOL, INT, normalize_axes, normalize_axis, unify_shapes, whole
from ..primitives import index as _i
from ..primitives import movement as _m
from ..primitives.rules import expand as _expand
from ..tensor import Tensor, scalar, tensor
from .creation import lengths, zeros
from .elementwise import Axis, Like, add, not_equal, subtract, where
from .numbers import operands
from .shaping import expand_dims, ravel, reshape


def concat(tensors: Iterable[Like], axis: int | None = 0) -> Tensor:
    """Tensors joined along an axis, promoted to one dtype; with axis=None all their elements as one vector.

    Raises ShapeError, which names the tensor that does not fit.
    """
    tensors = _known(tensors)
    if not len(tensors):
        raise shape_error("concat", "needs at least one tensor")
    if axis is None:
        return concat([ravel(t) for t in tensors])
    found = operands("concat", tensors)
    return _m.concat(*found, axis=normalize_axis("concat", axis, found[0].ndim))


concatenate = concat


def stack(tensors: Iterable[Like], axis: int = 0) -> Tensor:
    """Tensors of one shape joined along a new axis."""
    tensors = _known(tensors)
    if not len(tensors):
        raise shape_error("stack", "needs at least one tensor")
    return concat([expand_dims(t, axis) for t in operands("stack", tensors)], axis)


def _known(tensors: Iterable[Like]) -> Sequence[Like]:
    """The tensors; what a generator gives as a list."""
    return list(tensors) if isinstance(tensors, Iterator) else tensors  # type: ignore[return-value]


def stack_nested(what: str, values: Sequence[Any]) -> Tensor:
    """A nested list of tensors, arrays and numbers as one tensor, of the dtype that they have as operands of one operation."""
    alike = operands(what, list(_leaves(values)))
    found = iter(alike)

    def joined(value: Any) -> Tensor:
        if not isinstance(value, (list, tuple)):
            return next(found)
        if not value:
            return zeros(0, alike[0].dtype)
        parts = [joined(v) for v in value]
        if not builtins.all(unify_shapes(p.shape, parts[0].shape) for p in parts):
            raise shape_error(what, f"a list holds tensors of shapes {', '.join(str(p.shape) for p in parts[:8])}, which cannot be stacked")
        return stack(parts)

    return joined(values)


def _leaves(values: Sequence[Any]) -> Iterator[Any]:
    for v in values:
        if isinstance(v, (list, tuple)):
            yield from _leaves(v)
        else:
            yield v


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


def unstack(x: Like, axis: int = 0) -> tuple[Tensor, ...]:
    """The slices of x along an axis, without that axis; the inverse of `stack`."""
    t = tensor(x)
    a = normalize_axis("unstack", axis, t.ndim)
    return tuple(t[(builtins.slice(None),) * a + (i,)] for i in range(t.shape[a].__index__()))


def tile(x: Like, repetitions: Any) -> Tensor:
    """x repeated as a whole, `repetitions` times along each axis; one number is for the last axis, more numbers than axes make new axes."""
    t = tensor(x)
    counts = lengths("tile", repetitions)
    ndim = builtins.max(t.ndim, len(counts))
    shape, counts = (1,) * (ndim - t.ndim) + t.shape, (1,) * (ndim - len(counts)) + counts
    parts = _m.reshape(t, shape=tuple(n for size in shape for n in (1, size)))
    parts = _expand(parts, tuple(n for pair in zip(counts, shape, strict=True) for n in pair))
    return _m.reshape(parts, shape=tuple(c * n for c, n in zip(counts, shape, strict=True)))


def repeat(x: Like, repeats: Any, axis: int | None = None) -> Tensor:
    """Each element repeated in place along an axis; with axis=None those of the flattened x.

    `repeats` is a number, or has one number for each position; these decide a shape and must be known.
    """
    t = tensor(x)
    if axis is None:
        return repeat(ravel(t), repeats, 0)
    a = normalize_axis("repeat", axis, t.ndim)
    n = t.shape[a]
    counts = repeats if isinstance(repeats, (int, Dim)) else np.asarray(repeats, None if np.size(repeats) else INT)
    if isinstance(counts, np.ndarray) and counts.dtype.kind in "iu" and counts.size == 1:
        counts = counts.item()
    if isinstance(counts, np.ndarray) and counts.shape:
        if counts.dtype.kind not in "iu" or counts.shape != (n.__index__(),) or counts.min(initial=0) < 0:
            raise shape_error("repeat", f"needs one number ≥ 0 for each of the {n} positions of axis {a}, got {repeats}")
        return _i.take(t, tensor(np.repeat(np.arange(len(counts)), counts.astype(INT))), axis=a)
    (count,) = lengths("repeat", counts)
    new = (*t.shape[: a + 1], count, *t.shape[a + 1 :])
    return _m.reshape(_expand(expand_dims(t, a + 1), new), shape=(*t.shape[:a], n * count, *t.shape[a + 1 :]))


def flip(x: Like, axis: Axis = None) -> Tensor:
    """x with its elements in reverse order along axes (all by default)."""
    t = tensor(x)
    return _m.flip(t, axes=normalize_axes("flip", axis, t.ndim))


def roll(x: Like, shift: int | Sequence[int], axis: Axis = None) -> Tensor:
    """x with its elements moved by `shift` positions along an axis, or each of several; those that leave the end return at the start.

    With axis=None the elements move in the flattened x, as in NumPy. One shift is for all axes.
    """
    t = tensor(x)
    if axis is None:
        return reshape(roll(ravel(t), shift, 0), t.shape)
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    shifts = shift if isinstance(shift, (tuple, list)) else (shift,) * len(axes)
    axes = axes * len(shifts) if len(axes) == 1 else axes
    if len(shifts) != len(axes):
        raise shape_error("roll", f"there are {len(shifts)} shifts {shift} for {len(axes)} axes {axis}")
    for s, a in zip(shifts, axes, strict=True):
        places, at = whole("roll", s, "the shift"), normalize_axis("roll", a, t.ndim)
        t = _m.roll(t, shift=places, axis=at) if t.shape[at] > 0 else t
    return t


def pad(x: Like, widths: Any, value: float = 0) -> Tensor:
    """x with a value before and after its elements, `(before, after)` for each axis; one pair or one number is for all axes."""
    t = tensor(x)
    given = widths if isinstance(widths, (list, tuple)) else (widths, widths)
    given = (given,) * t.ndim if len(given) == 2 and not builtins.any(isinstance(p, (list, tuple)) for p in given) else given
    pairs = builtins.all(isinstance(p, (list, tuple)) and len(p) == 2 for p in given)
    if not pairs or len(given) != t.ndim or builtins.any(n < 0 for pair in given for n in pair):
        raise shape_error("pad", f"needs one (before, after) of numbers ≥ 0 for each axis of {t.shape}, got {widths}")
    low, high = (lengths("pad", side) for side in zip(*given, strict=True)) if given else ((), ())

    def padded(t: Tensor) -> Tensor:
        return _m.pad(t, low=low, high=high, interior=(0,) * t.ndim)

    if not isinstance(value, Tensor) and value == 0 and math.copysign(1, value) > 0:
        return padded(t)
    return where(padded(_expand(scalar(True, BOOL), t.shape)), padded(t), value)


def diff(x: Like, n: int = 1, axis: int = -1, prepend: Like = None, append: Like = None) -> Tensor:
    """The n-th differences of neighbours along an axis; for bools, whether they differ. `prepend` and `append` stand beside x."""
    t = tensor(x)
    a = normalize_axis("diff", axis, t.ndim)
    if whole("diff", n, "n") < 0:
        raise setting_error("diff", f"n must not be negative, got {n}")
    if n > 0 and not (prepend is None and append is None):
        edge = zeros((*t.shape[:a], 1, *t.shape[a + 1 :]), t.dtype)
        t = concat([add(edge, v) if _ndim(v) == 0 else v for v in (prepend, t, append) if v is not None], a)
    before = (builtins.slice(None),) * a
    for _ in range(n):
        later, earlier = t[(*before, builtins.slice(1, None))], t[(*before, builtins.slice(None, -1))]
        t = not_equal(later, earlier) if t.dtype == BOOL else subtract(later, earlier)
    return t


def _ndim(value: Like) -> int:
    return value.ndim if isinstance(value, Tensor) else np.ndim(value)
