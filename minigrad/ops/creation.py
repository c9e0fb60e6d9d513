"""Creation of arrays. `device` is "cpu" or None, and `dtype=None` the default dtype."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import dtype_error, setting_error, shape_error
from ..graph import dims
from ..graph.dims import Dim, Extent
from ..graph.standard import require_cpu
from ..graph.types import FLOAT, INT, WIDE, check_computed, check_dtype, is_float, promote, whole
from ..primitives import elementwise as _e
from ..primitives import index as _i
from ..primitives import movement as _m
from ..primitives.rules import expand as _expand
from ..tensor import Tensor, tensor
from .numbers import is_number, number, operands

MOST = 2**60  # the largest number of elements of an array, on every machine


def full(shape: Any, fill_value: Any, dtype: Any = None, *, device: Any = None) -> Tensor:
    """A tensor of one value, a number or a 0-d tensor: float32, int64 or bool for a Python number, by default."""
    return _filled("full", shape, _number("full", fill_value), dtype, device)


def _number(what: str, value: Any) -> Any:
    if not is_number(value) and (not isinstance(value, (np.ndarray, Tensor)) or value.shape):
        raise dtype_error(what, f"takes one number, got {value!r}", "Repeat an array with mg.broadcast_to")
    return value


def _filled(what: str, shape: Any, value: Any, dtype: Any, device: Any) -> Tensor:
    require_cpu(what, device)
    target = tensor(value).dtype if dtype is None else check_dtype(dtype, what)
    one = number(what, value, target) if is_number(value) else tensor(value, target)
    return _expand(one, lengths(what, shape))


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


def zeros(shape: Any, dtype: Any = None, *, device: Any = None) -> Tensor:
    """A tensor of zeros, float32 by default."""
    return _filled("zeros", shape, 0.0, dtype, device)


def ones(shape: Any, dtype: Any = None, *, device: Any = None) -> Tensor:
    """A tensor of ones, float32 by default."""
    return _filled("ones", shape, 1.0, dtype, device)


def empty(shape: Any, dtype: Any = None, *, device: Any = None) -> Tensor:
    """A tensor of zeros: a tensor is never without values."""
    return _filled("empty", shape, 0.0, dtype, device)


def zeros_like(x: Any, dtype: Any = None, *, device: Any = None) -> Tensor:
    """Zeros in the shape of x, and in its dtype by default."""
    t = tensor(x)
    return _filled("zeros_like", t.shape, 0, t.dtype if dtype is None else dtype, device)


def ones_like(x: Any, dtype: Any = None, *, device: Any = None) -> Tensor:
    """Ones in the shape of x, and in its dtype by default."""
    t = tensor(x)
    return _filled("ones_like", t.shape, 1, t.dtype if dtype is None else dtype, device)


def empty_like(x: Any, dtype: Any = None, *, device: Any = None) -> Tensor:
    """Zeros in the shape of x, and in its dtype by default: a tensor is never without values."""
    t = tensor(x)
    return _filled("empty_like", t.shape, 0, t.dtype if dtype is None else dtype, device)


def full_like(x: Any, fill_value: Any, dtype: Any = None, *, device: Any = None) -> Tensor:
    """One value in the shape of x, and in its dtype by default."""
    t = tensor(x)
    return _filled("full_like", t.shape, _number("full_like", fill_value), t.dtype if dtype is None else dtype, device)


def eye(n: Extent, m: Extent | None = None, k: int = 0, dtype: Any = None, *, device: Any = None) -> Tensor:
    """A matrix (n, m), by default (n, n), with ones on diagonal k and zeros elsewhere, float32 by default. With k > 0 an upper one."""
    require_cpu("eye", device)
    rows, columns = lengths("eye", (n, n if m is None else m))
    index = _i.iota(n=rows, dtype=INT)
    offset = which_diagonal("eye", k)
    return _i.one_hot(index + offset if offset else index, n=columns, dtype=FLOAT if dtype is None else check_dtype(dtype, "eye"))


def which_diagonal(what: str, k: Any) -> int:
    """The number of a diagonal; beyond 2⁶⁰ there is none, and the number is one of those."""
    return min(max(whole(what, k, "the diagonal"), -MOST), MOST)


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None, *, device: Any = None) -> Tensor:
    """start, start + step, … before stop; 0, 1, … before the one number that is given. Each number is start + i·step, without drift.

    Run-time sizes count as integers. int64 by default, float32 if a number is a float. Raises DTypeError for what is no number.
    """
    require_cpu("arange", device)
    first, last, by = (_bound(v) for v in ((0, start, step) if stop is None else (start, stop, step)))
    real = any(isinstance(v, float) for v in (first, last, by))
    target = check_dtype((FLOAT if real else INT) if dtype is None else dtype, "arange")
    check_computed("arange", target)
    if target.kind == "b" or (real and target.kind != "f"):
        raise dtype_error("arange", f"{target} does not hold the numbers from {first} to {last} by {by}", "Give another dtype")
    if by == 0:
        raise setting_error("arange", "the step must not be 0")
    if real:
        first, last, by = map(float, (first, last, by))
        if not all(map(math.isfinite, (first, last, by))):
            raise setting_error("arange", f"takes finite numbers, got {first}, {last} and {by}")
        (n,) = lengths("arange", max(0, math.ceil((last - first) / by)))
        return (_i.iota(n=n, dtype=WIDE) * by + first).astype(target)
    span, stride = (last - first, by) if by > 0 else (first - last, -by)
    (n,) = lengths("arange", (span + stride - 1) // stride if span >= 0 else 0)
    if by == 1 and isinstance(first, int) and first == 0:
        return _i.iota(n=n, dtype=target)
    return (_i.iota(n=n, dtype=INT) * _wrapped(by) + (tensor(first) if isinstance(first, Dim) else _wrapped(first))).astype(target)


def _bound(value: Any) -> Any:
    """A size, an int or a float."""
    if isinstance(value, (Dim, float)):
        return value
    return float(value) if isinstance(value, np.floating) else whole("arange", value, "a bound or step")


def _wrapped(value: int) -> int:
    """The number modulo 2⁶⁴, as int64 holds it."""
    return (value + 2**63) % 2**64 - 2**63


def linspace(start: Any, stop: Any, num: Extent = 50, endpoint: bool = True, dtype: Any = None, *, device: Any = None) -> Tensor:
    """num numbers at equal distances from start to stop, the last being stop itself, or one step short of it with endpoint=False.

    start and stop may be tensors of one shape, of which linspace makes rows along a new first axis. Each number is start + i·step, without
    drift. The result is float32, or has the float dtype of start and stop; numbers are computed in float64.
    """
    require_cpu("linspace", device)
    (n,) = lengths("linspace", num)
    target = _common((start, stop)) if dtype is None else check_dtype(dtype, "linspace")
    first, last = (number("linspace", v, WIDE) if is_number(v) else tensor(v) for v in (start, stop))
    wide = promote(t.dtype if t.type.is_float else WIDE for t in (first, last))
    first, last = first.astype(wide), last.astype(wide)
    steps = n - 1 if endpoint else n
    index = _i.iota(n=n, dtype=wide)
    index = _m.reshape(index, shape=(n, *(1,) * max(first.ndim, last.ndim)))
    y = first + index * ((last - first) / extent(steps)) if steps > 0 else first + index * (last - first)
    if endpoint and n > 1:
        y = _m.concat(y[:-1], _expand(last, (1, *y.shape[1:])), axis=0)
    return (y if is_float(target) else _e.floor(y)).astype(target)


def _common(values: Any) -> np.dtype:
    """The float dtype of these values as operands; float32 for integers."""
    found = operands("linspace", values)[0].dtype
    return found if is_float(found) else FLOAT


def meshgrid(*xs: Any, indexing: str = "xy") -> list[Tensor]:
    """Vectors of coordinates as arrays over the grid of all their combinations, one for each vector.

    Axis i belongs to vector i; with indexing="xy" the first two axes are swapped, as in a picture.
    """
    if indexing not in ("xy", "ij"):
        raise setting_error("meshgrid", f"indexing is 'xy' or 'ij', got {indexing!r}")
    vectors = [tensor(x) for x in xs]
    if any(t.ndim > 1 for t in vectors):
        raise shape_error("meshgrid", f"takes vectors, got {', '.join(str(t.type) for t in vectors)}")
    order = list(range(len(vectors)))
    if indexing == "xy" and len(order) > 1:
        order[:2] = [1, 0]
    shape = tuple(dims.product(vectors[a].shape) for a in order)
    ones = [tuple(n if a == i else 1 for a, n in zip(order, shape, strict=True)) for i in range(len(vectors))]
    return [_expand(_m.reshape(t, shape=s), shape) for t, s in zip(vectors, ones, strict=True)]


def extent(n: Extent) -> Tensor:
    """An axis length as an int64 tensor, so that a run-time size can be an operand."""
    return _i.extent(n=n)
