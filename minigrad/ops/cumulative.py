"""Sums and products, also of exponentials, of all elements up to each position."""

from __future__ import annotations

import builtins
import math
from typing import Any

from ..errors import AxisError, message
from ..graph.types import normalize_axis
from ..primitives import elementwise as _e
from ..primitives import reduce as _r
from ..tensor import Tensor
from .creation import full
from .elementwise import Like, _floats, add, detach, equal, isfinite, maximum, subtract, where
from .parts import concat
from .reductions import accumulated
from .shaping import ravel


def _along(op: Any, x: Like, axis: int | None, reverse: bool, dtype: Any) -> Tensor:
    t = accumulated(op.name, x, dtype)
    if axis is None:
        return op(ravel(t), axis=0, reverse=builtins.bool(reverse))
    return op(t, axis=normalize_axis(op.name, axis, t.ndim), reverse=builtins.bool(reverse))


def cumsum(x: Like, axis: int | None = None, reverse: bool = False, dtype: Any = None) -> Tensor:
    """Cumulative sums along an axis, or of the flattened x, in the dtype of `sum`; from the end with `reverse`."""
    return _along(_r.cumsum, x, axis, reverse, dtype)


def cumprod(x: Like, axis: int | None = None, reverse: bool = False, dtype: Any = None) -> Tensor:
    """Cumulative products along an axis, or of the flattened x, in the dtype of `prod`; from the end with `reverse`.

    The gradient is also exact if elements are zero.
    """
    return _along(_r.cumprod, x, axis, reverse, dtype)


def cumulative_sum(x: Like, axis: int | None = None, dtype: Any = None, include_initial: bool = False) -> Tensor:
    """Cumulative sums along an axis, which only a vector may leave out; with include_initial they begin with 0."""
    return _from_first(_r.cumsum, "cumulative_sum", x, axis, dtype, 0 if include_initial else None)


def cumulative_prod(x: Like, axis: int | None = None, dtype: Any = None, include_initial: bool = False) -> Tensor:
    """Cumulative products along an axis, which only a vector may leave out; with include_initial they begin with 1."""
    return _from_first(_r.cumprod, "cumulative_prod", x, axis, dtype, 1 if include_initial else None)


def _from_first(op: Any, name: str, x: Like, axis: int | None, dtype: Any, first: int | None) -> Tensor:
    t = accumulated(name, x, dtype)
    if axis is None and t.ndim > 1:
        raise AxisError(message(name, f"needs an axis for {t.type}", "mg.cumsum flattens without one"))
    a = normalize_axis(name, 0 if axis is None else axis, t.ndim)
    y = op(t, axis=a, reverse=False)
    return y if first is None else concat([full((*t.shape[:a], 1, *t.shape[a + 1 :]), first, t.dtype), y], a)


def logcumsumexp(x: Like, axis: int = -1) -> Tensor:
    """log Σ exp of all elements up to each position of an axis, without overflow; −∞ where all are −∞."""
    (y,) = _floats("logcumsumexp", x)
    a = normalize_axis("logcumsumexp", axis, y.ndim)
    before, n, step = (builtins.slice(None),) * a, y.shape[a].__index__(), 1
    while step < n:  # each position has the sum of `step` elements, and takes that of the `step` before them
        first = y[(*before, builtins.slice(0, step))]
        y = concat([first, _log_add(y[(*before, builtins.slice(step, n))], y[(*before, builtins.slice(0, n - step))])], a)
        step *= 2
    return y


def _log_add(x: Tensor, y: Tensor) -> Tensor:
    """log(exp(x) + exp(y)), with gradient 0 where both are −∞."""
    top = detach(maximum(x, y))
    shift = where(isfinite(top), top, 0)
    total = add(_e.exp(subtract(x, shift)), _e.exp(subtract(y, shift)))
    none = equal(total, 0)
    return where(none, -math.inf, add(_e.log(where(none, 1, total)), shift))
