"""Elementwise functions. They promote and broadcast their operands, then apply primitives."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import dtype_error, setting_error
from ..graph.types import BOOL, FLOAT, HALVES, broadcast_shapes, check_dtype, identical
from ..primitives import elementwise as _e
from ..primitives.rules import expand as _expand
from ..tensor import Tensor, scalar, tensor
from .creation import converted, full, is_number, ones_like, operands

Like = Any  # a tensor, an array, a number or a nested list
Axis = int | Sequence[int] | None


def _operands(what: str, *values: Like) -> list[Tensor]:
    """The operands as tensors of one dtype and shape."""
    if _alike(values):
        return list(values)
    found = operands(what, values)
    shapes = [t.shape for t in found if t.shape] or [()]
    shape = shapes[0] if builtins.all(identical(s, shapes[0]) for s in shapes) else broadcast_shapes(what, *shapes)
    return [_expand(t, shape) for t in found]


def _alike(values: Sequence[Like]) -> bool:
    """Whether all values are tensors of one type."""
    if type(values[0]) is not Tensor:
        return False
    dtype, shape = values[0].dtype, values[0].shape
    return builtins.all(type(v) is Tensor and v.dtype is dtype and identical(v.shape, shape) for v in values[1:])


def _floats(what: str, *values: Like) -> list[Tensor]:
    """The operands as floats. Integers become float32."""
    found = _operands(what, *values)
    return found if found[0].type.is_float else [astype(t, FLOAT) for t in found]


def _compared(what: str, *values: Like) -> list[Tensor]:
    """Operands of a comparison. float16 and bfloat16 become float32, which is exact."""
    found = _operands(what, *values)
    return [astype(t, FLOAT) for t in found] if found[0].dtype in HALVES else found


def _binary(name: str, op: Any, prepare: Callable[..., list[Tensor]] = _operands) -> Callable[[Like, Like], Tensor]:
    def function(x: Like, y: Like) -> Tensor:
        return op(*prepare(name, x, y))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{name}(x, y) of each pair of elements, broadcast and promoted as in NumPy. Raises ShapeError, DTypeError."
    return function


add = _binary("add", _e.add)
subtract = _binary("subtract", _e.sub)
multiply = _binary("multiply", _e.mul)
divide = _binary("divide", _e.div, _floats)
maximum = _binary("maximum", _e.maximum)
minimum = _binary("minimum", _e.minimum)
less = _binary("less", _e.less, _compared)
less_equal = _binary("less_equal", _e.less_equal, _compared)
greater = _binary("greater", lambda x, y: _e.less(y, x), _compared)
greater_equal = _binary("greater_equal", lambda x, y: _e.less_equal(y, x), _compared)
equal = _binary("equal", _e.equal, _compared)
not_equal = _binary("not_equal", _e.not_equal, _compared)


def negative(x: Like) -> Tensor:
    """−x."""
    return _e.neg(tensor(x))


def abs(x: Like) -> Tensor:
    """|x|; its gradient at 0 is 0."""
    return _e.abs(tensor(x))


def sign(x: Like) -> Tensor:
    """−1, 0 or 1; NaN for NaN. Its gradient is 0."""
    return _e.sign(tensor(x))


def floor(x: Like) -> Tensor:
    """The largest integer not above x, in the dtype of x. Its gradient is 0."""
    t = tensor(x)
    return _e.floor(t) if t.type.is_float else t


def pow(x: Like, y: Like) -> Tensor:
    """x to the power y. An integer to an integer power ≥ 0 stays an integer; other integers become float32. The gradient of x⁰ is 0."""
    if isinstance(y, (int, float)) and not isinstance(y, bool):
        t = tensor(x)
        if t.dtype.kind in "iu" and isinstance(y, int) and y >= 0:
            return _whole_power(t, y)
        (t,) = _floats("pow", t)
        if y == 2:
            return _e.mul(t, t)
        if y == 0.5:
            return _e.sqrt(t)
        if y == -1:
            return divide(1, t)
    return _e.pow(*_floats("pow", x, y))


def _whole_power(t: Tensor, n: int) -> Tensor:
    if n == 0:
        return ones_like(t)
    root = _whole_power(t, n // 2) if n > 1 else None
    even = t if root is None else _e.mul(root, root)
    return _e.mul(even, t) if root is not None and n % 2 else even


def square(x: Like) -> Tensor:
    """x·x."""
    t = tensor(x)
    return _e.mul(t, t)


def floor_divide(x: Like, y: Like) -> Tensor:
    """⌊x / y⌋. Exact for integers below 2⁵³. The gradient is 0."""
    a, b = _operands("floor_divide", x, y)
    if a.type.is_float:
        return _e.floor(_e.div(a, b))
    wide = np.dtype("float64")
    return astype(_e.floor(_e.div(astype(a, wide), astype(b, wide))), a.dtype)


def remainder(x: Like, y: Like) -> Tensor:
    """x − y·⌊x / y⌋, which has the sign of y."""
    a, b = _operands("remainder", x, y)
    return _e.sub(a, _e.mul(b, floor_divide(a, b)))


def bools(what: str, *values: Like) -> list[Tensor]:
    """Operands of & | ~ as tensors. Raises DTypeError if one is not bool."""
    found = [tensor(v) for v in values]
    for t in found:
        if t.dtype != BOOL:
            raise dtype_error(what, f"takes bools, got {t.type}", "Compare it, as in x != 0; bits of integers have no operation")
    return found


def logical_not(x: Like) -> Tensor:
    """not x, for bools."""
    t = astype(x, BOOL)
    return _e.equal(t, _expand(scalar(False, BOOL), t.shape))


def logical_and(x: Like, y: Like) -> Tensor:
    """x and y, for bools."""
    return _e.minimum(*_operands("logical_and", astype(x, BOOL), astype(y, BOOL)))


def logical_or(x: Like, y: Like) -> Tensor:
    """x or y, for bools."""
    return _e.maximum(*_operands("logical_or", astype(x, BOOL), astype(y, BOOL)))


def isnan(x: Like) -> Tensor:
    """Whether each element is NaN."""
    (t,) = _compared("isnan", x)
    return _e.not_equal(t, t)


def isfinite(x: Like) -> Tensor:
    """Whether each element is neither NaN nor infinite."""
    (t,) = _compared("isfinite", x)
    if not t.type.is_float:
        return full(t.shape, True, BOOL)
    zero = _e.mul(t, _expand(scalar(0, t.dtype), t.shape))
    return _e.equal(zero, zero)


def where(condition: Like, x: Like, y: Like) -> Tensor:
    """x where the condition is true, else y. A NaN in the operand that is not selected affects neither value nor gradient."""
    a, b = _operands("where", x, y)
    c = tensor(condition)
    shape = broadcast_shapes("where", c.shape, a.shape)
    return _e.where(_expand(c, shape), _expand(a, shape), _expand(b, shape))


def clip(x: Like, low: Like = None, high: Like = None) -> Tensor:
    """x limited to [low, high]. The gradient is 0 at and outside the bounds."""
    t = tensor(x)
    if isinstance(low, (int, float)) and isinstance(high, (int, float)) and low > high:
        raise setting_error("clip", f"low = {low} is above high = {high}")
    y = t if low is None else where(less_equal(t, low), low, t)
    return y if high is None else where(greater_equal(y, high), high, y)


def relu(x: Like) -> Tensor:
    """max(x, 0). The gradient at 0 is 0; NaN stays NaN."""
    t = tensor(x)
    return where(less_equal(t, 0), 0, t)


def astype(x: Like, dtype: Any) -> Tensor:
    """The elements with another dtype, float32 for None. A float is rounded towards zero to an integer."""
    target = dtype if isinstance(dtype, np.dtype) else check_dtype(dtype, "astype")
    if type(x) is not Tensor and is_number(x):
        return converted(x, target)
    t = tensor(x)
    return t if t.dtype == target else _e.cast(t, dtype=target)
