"""NumPy's functions that move, join and split: adapters, where meaning or arguments differ from those of the function here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from .. import ops
from ..errors import dtype_error, shape_error
from ..graph.types import normalize_axis
from ..ops.elementwise import Like
from ..tensor import Tensor, tensor
from .table import replaces

# ---- order and shape of the elements


@replaces("copy", "real", "real_if_close")
def copy(a: Like) -> Tensor:
    return tensor(a)


@replaces("fliplr")
def fliplr(m: Like) -> Tensor:
    return ops.flip(m, 1)


@replaces("flipud")
def flipud(m: Like) -> Tensor:
    return ops.flip(m, 0)


@replaces("rot90")
def rot90(m: Like, k: int = 1, axes: Sequence[int] = (0, 1)) -> Tensor:
    t = tensor(m)
    for _ in range(k % 4):
        t = ops.flip(ops.swapaxes(t, *axes), axes[0])
    return t


@replaces("rollaxis")
def rollaxis(a: Like, axis: int, start: int = 0) -> Tensor:
    t = tensor(a)
    at, to = normalize_axis("np.rollaxis", axis, t.ndim), normalize_axis("np.rollaxis", start + t.ndim * (start < 0), t.ndim + 1)
    return ops.moveaxis(t, at, to - (at < to))


@replaces("atleast_1d")
def atleast_1d(*arys: Like) -> Any:
    return _each(lambda t: t if t.ndim else ops.reshape(t, (1,)), arys)


@replaces("atleast_2d")
def atleast_2d(*arys: Like) -> Any:
    return _each(lambda t: t if t.ndim > 1 else ops.reshape(t, (*(1,) * (2 - t.ndim), *t.shape)), arys)


@replaces("atleast_3d")
def atleast_3d(*arys: Like) -> Any:
    return _each(lambda t: t if t.ndim > 2 else ops.expand_dims(atleast_2d(t), 2), arys)


def _each(f: Callable[[Tensor], Tensor], arys: Sequence[Like]) -> Any:
    found = tuple(f(tensor(a)) for a in arys)
    return found[0] if len(found) == 1 else found


# ---- joining and splitting


@replaces("vstack")
def vstack(tup: Sequence[Like]) -> Tensor:
    return ops.concat([atleast_2d(a) for a in tup], 0)


@replaces("hstack")
def hstack(tup: Sequence[Like]) -> Tensor:
    found = [atleast_1d(a) for a in tup]
    return ops.concat(found, 0 if found and found[0].ndim == 1 else 1)


@replaces("dstack")
def dstack(tup: Sequence[Like]) -> Tensor:
    return ops.concat([atleast_3d(a) for a in tup], 2)


@replaces("column_stack")
def column_stack(tup: Sequence[Like]) -> Tensor:
    found = map(tensor, tup)
    return ops.concat([t if t.ndim > 1 else ops.reshape(t, (-1, 1)) for t in found], 1)


@replaces("append")
def append(arr: Like, values: Like, axis: int | None = None) -> Tensor:
    return ops.concat([arr, values], axis)


@replaces("array_split")
def array_split(ary: Like, indices_or_sections: Any, axis: int = 0) -> list[Tensor]:
    t = tensor(ary)
    a = normalize_axis("np.array_split", axis, t.ndim)
    if np.ndim(indices_or_sections):
        edges = [0, *map(int, indices_or_sections), t.shape[a]]
    else:
        size, rest = t.shape[a] // indices_or_sections, t.shape[a] % indices_or_sections
        edges = [size * i + min(i, rest) for i in range(indices_or_sections + 1)]
    return [t[(slice(None),) * a + (slice(start, stop),)] for start, stop in pairwise(edges)]


@replaces("split")
def split(ary: Like, indices_or_sections: Any, axis: int = 0) -> list[Tensor]:
    equal = not np.ndim(indices_or_sections)
    return ops.split(ary, indices_or_sections, axis) if equal else array_split(ary, indices_or_sections, axis)


@replaces("hsplit")
def hsplit(ary: Like, indices_or_sections: Any) -> list[Tensor]:
    t = _require_axes("np.hsplit", ary, 1)
    return split(t, indices_or_sections, 1 if t.ndim > 1 else 0)


def _require_axes(what: str, ary: Like, ndim: int) -> Tensor:
    t = tensor(ary)
    if t.ndim < ndim:
        raise shape_error(what, f"needs {ndim} axes, got {t.type}")
    return t


@replaces("vsplit")
def vsplit(ary: Like, indices_or_sections: Any) -> list[Tensor]:
    return split(_require_axes("np.vsplit", ary, 2), indices_or_sections, 0)


@replaces("dsplit")
def dsplit(ary: Like, indices_or_sections: Any) -> list[Tensor]:
    return split(_require_axes("np.dsplit", ary, 3), indices_or_sections, 2)


@replaces("broadcast_arrays")
def broadcast_arrays(*args: Like) -> tuple[Tensor, ...]:
    return tuple(ops.broadcast_arrays(*args))


@replaces("pad")
def pad(array: Like, pad_width: Any, mode: str = "constant", constant_values: float = 0) -> Tensor:
    t = tensor(array)
    if mode != "constant" or np.ndim(constant_values):
        raise dtype_error("np.pad", f"pads a tensor with one number, not {mode!r} of {constant_values}", "Join the rim with mg.concat")
    return ops.pad(t, [tuple(pair) for pair in np.broadcast_to(pad_width, (t.ndim, 2)).tolist()], constant_values)
