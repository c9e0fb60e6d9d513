"""Elementwise functions. They promote and broadcast their operands, then apply primitives."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import tree
from ..errors import RangeError, message, setting_error
from ..graph.nodes import CONSTANT, NO_ATTRS, is_tracing, known, make
from ..graph.standard import require_cpu
from ..graph.types import BOOL, FLOAT, HALVES, INT, broadcast_shapes, check_dtype, identical
from ..primitives import elementwise as _e
from ..primitives.rules import expand as _expand
from ..tensor import Tensor, scalar, tensor
from .creation import full, ones_like
from .numbers import converted, is_number, operands
from .quick import pair

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


def _binary(
    name: str, op: Any, prepare: Callable[..., list[Tensor]] = _operands, note: str = "", swapped: bool = False
) -> Callable[[Like, Like], Tensor]:
    def function(x: Like, y: Like) -> Tensor:
        nodes = pair(name, x, y, prepare)
        return Tensor(make(op, nodes[::-1] if swapped else nodes, NO_ATTRS))

    function.__name__ = function.__qualname__ = name
    text = f"{name}(x, y) of each pair of elements, broadcast and promoted as in NumPy. Raises ShapeError, DTypeError."
    function.__doc__ = f"{text}\n\n    {note}" if note else text
    return function


add = _binary("add", _e.add)
subtract = _binary("subtract", _e.sub)
multiply = _binary("multiply", _e.mul)
divide = _binary("divide", _e.div, _floats)
floor_divide = _binary("floor_divide", _e.floor_divide, note="⌊x / y⌋, as NumPy computes it: 0 for an integer x // 0. The gradient is 0.")
remainder = _binary("remainder", _e.remainder, note="x − y·⌊x / y⌋, which has the sign of y; 0 for an integer x % 0. ∂/∂y is −⌊x / y⌋.")
maximum = _binary("maximum", _e.maximum)
minimum = _binary("minimum", _e.minimum)
less = _binary("less", _e.less, _compared)
less_equal = _binary("less_equal", _e.less_equal, _compared)
greater = _binary("greater", _e.less, _compared, swapped=True)
greater_equal = _binary("greater_equal", _e.less_equal, _compared, swapped=True)
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
    """x to the power y. Integers stay integers, and wrap; 0⁰ is 1, and its gradient 0.

    Raises RangeError for a negative power of an integer, if its value is known. Inside jit, 1 / x⁻ʸ is rounded towards zero, and 0 for
    x = 0."""
    if isinstance(y, (int, float)) and not isinstance(y, bool) and not is_number(x):
        t = tensor(x)
        t = astype(t, INT) if t.dtype == BOOL and isinstance(y, int) else t
        if t.dtype.kind in "iu" and isinstance(y, int):
            if y < 0:
                raise _negative_power(t)
            return _whole_power(t, y)
        (t,) = _floats("pow", t)
        if y == 2:
            return _e.mul(t, t)
        if y == 0.5:
            return _e.sqrt(t)
        if y == -1:
            return divide(1, t)
    base, power = _operands("pow", x, y)
    if base.dtype.kind == "b":
        return _e.pow(*_floats("pow", base, power))
    known = power.node.value
    if power.dtype.kind == "i" and known is not None and np.any(known < 0):
        raise _negative_power(base)
    return _e.pow(base, power)


def _negative_power(t: Tensor) -> Exception:
    return RangeError(message("pow", f"{t.type} to a negative power is no integer", "Convert the base with .astype('float32')"))


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
    zero = multiply(t, 0)
    return equal(zero, zero)


def where(condition: Like, x: Like, y: Like) -> Tensor:
    """x where the condition is true, else y. The operand that is not selected affects no value, and its gradient is exactly 0.

    What computes that operand may still make NaN of 0·∞, as the gradient of sqrt at 0 does: select its input, too.
    """
    c = tensor(condition)
    nodes = pair("where", x, y, _operands)
    one, other = c.node.type[0], nodes[0].type[0]
    if one is other or (c.node.value is not None and one == other):
        return Tensor(make(_e.where, (c.node, *nodes), NO_ATTRS))
    a, b = map(Tensor, nodes)
    shape = broadcast_shapes("where", c.shape, a.shape)
    return _e.where(_expand(c, shape), _expand(a, shape), _expand(b, shape))


def clip(x: Like, /, min: Like = None, max: Like = None) -> Tensor:
    """x limited to [min, max]. The gradient is 0 at and outside the bounds. Where x or a bound is NaN, the result is NaN."""
    t = tensor(x)
    if isinstance(min, (int, float)) and isinstance(max, (int, float)) and min > max:
        raise setting_error("clip", f"min = {min} is above max = {max}")
    y = t if min is None else _limited(t, less_equal, min)
    return y if max is None else _limited(y, greater_equal, max)


def _limited(t: Tensor, beyond: Callable[[Like, Like], Tensor], bound: Like) -> Tensor:
    """The bound where t is at it or beyond it, or where the bound is NaN; else t."""
    chosen = beyond(t, bound)
    is_usual = isinstance(bound, (int, float, np.generic)) and bound == bound
    return where(chosen if is_usual else logical_or(chosen, isnan(bound)), bound, t)


def relu(x: Like) -> Tensor:
    """max(x, 0). The gradient at 0 is 0; NaN stays NaN."""
    t = tensor(x)
    return where(less_equal(t, 0), 0, t)


def astype(x: Like, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Tensor:
    """The elements with another dtype, float32 for None. A float is rounded towards zero to an integer; one out of its range becomes the
    nearest that the dtype holds, and NaN 0. An integer wraps to a smaller one. `copy` changes nothing: tensors are immutable."""
    require_cpu("astype", device)
    target = dtype if isinstance(dtype, np.dtype) else check_dtype(dtype, "astype")
    if type(x) is not Tensor and is_number(x):
        return converted(x, target)
    t = tensor(x)
    return t if t.dtype == target else _e.cast(t, dtype=target)


def detach(x: Any) -> Any:
    """The same values without a gradient, of a tensor or of each leaf of a tree. An eager result is a constant, and keeps no history."""
    if not isinstance(x, Tensor) and builtins.any(isinstance(leaf, Tensor) for leaf in tree.leaves(x)):
        return tree.map(detach, x)
    found = _e.detach(tensor(x))
    return Tensor(known(CONSTANT, found.numpy(), found.name)) if found.node.args and found.is_concrete and not is_tracing() else found
