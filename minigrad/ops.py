"""Array functions with array-API names and NumPy's meaning: they promote, broadcast, normalise axes, and apply primitives."""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import dims
from .dims import Dim, Extent
from .errors import dtype_error, message, shape_error
from .primitives import control as _control
from .primitives import elementwise as _e
from .primitives import index as _i
from .primitives import linalg as _l
from .primitives import movement as _m
from .primitives import reduce as _r
from .primitives.rules import expand as _expand
from .tensor import Tensor, scalar, tensor
from .types import BOOL, FLOAT, INT, broadcast_shapes, check_dtype, identical, is_one, normalize_axes, normalize_axis, promote

__all__ = [
    "abs", "add", "all", "any", "arange", "argmax", "argmin", "argsort", "astype", "broadcast_to", "clip", "concat",
    "concatenate", "cos", "cumsum", "cumulative_sum", "detach", "divide", "equal", "erf", "exp", "expand_dims", "expm1", "extent",
    "eye", "flip", "floor", "floor_divide", "full", "greater", "greater_equal", "isfinite", "isnan", "less", "less_equal", "log",
    "log1p", "logical_and", "logical_not", "logical_or", "matmul", "matrix_transpose", "max", "maximum", "mean", "min", "minimum",
    "moveaxis", "multiply", "negative", "not_equal", "one_hot", "ones", "ones_like", "outer", "pad", "permute_dims", "pow",
    "prod", "relu", "remainder", "reshape", "roll", "sigmoid", "sign", "sin", "softplus", "sort", "split", "sqrt", "square",
    "squeeze", "stack", "subtract", "sum", "take", "take_along_axis", "tanh", "tensordot", "top_k", "transpose", "tril", "where",
    "zeros", "zeros_like",
]  # fmt: skip

Like = Any  # a tensor, an array, a number or a nested list
Axis = int | Sequence[int] | None
LARGEST = float(np.finfo(FLOAT).max)


# ---- operands


def _is_number(x: Any) -> bool:
    return isinstance(x, (bool, int, float, np.generic))


def _operands(what: str, *values: Like) -> list[Tensor]:
    """Tensors of one dtype and shape. Python and NumPy scalars take the dtype of the tensors (an integer one gives way to a float)."""
    if _alike(values):
        return list(values)
    tensors = [None if _is_number(v) else tensor(v) for v in values]
    dtypes = [t.dtype for t in tensors if t is not None]
    kinds = [_kind(v) for v, t in zip(values, tensors, strict=True) if t is None]
    common = promote(dtypes) if dtypes else promote(FLOAT if k == "f" else INT if k in "iu" else BOOL for k in kinds)
    for kind in kinds:
        if kind == "f" and common.kind != "f":
            common = FLOAT
        elif kind in "iu" and common == BOOL:
            common = INT
    found = [_number(what, v, common) if t is None else astype(t, common) for t, v in zip(tensors, values, strict=True)]
    shapes = [t.shape for t in found if t.shape] or [()]
    shape = shapes[0] if builtins.all(identical(s, shapes[0]) for s in shapes) else broadcast_shapes(what, *shapes)
    return [_expand(t, shape) for t in found]


def _alike(values: Sequence[Like]) -> bool:
    """Whether all are tensors of one type already."""
    if type(values[0]) is not Tensor:
        return False
    dtype, shape = values[0].dtype, values[0].shape
    return builtins.all(type(v) is Tensor and v.dtype is dtype and identical(v.shape, shape) for v in values[1:])


def _kind(value: Any) -> str:
    if isinstance(value, float):
        return "f"
    return check_dtype(value.dtype).kind if isinstance(value, np.generic) else "b" if isinstance(value, bool) else "i"


def _number(what: str, value: Any, dtype: np.dtype) -> Tensor:
    if dtype.kind in "iu" and not np.iinfo(dtype).min <= value <= np.iinfo(dtype).max:
        raise OverflowError(message(what, f"{value} does not fit {dtype}"))
    if dtype == FLOAT and LARGEST < builtins.abs(value) < math.inf:
        raise OverflowError(message(what, f"{value} does not fit {dtype}", "Convert the tensor with .astype('float64')"))
    return scalar(value, dtype)


def _floats(what: str, *values: Like) -> list[Tensor]:
    """Operands as floats: integers become float32."""
    found = _operands(what, *values)
    return found if found[0].type.is_float else [astype(t, FLOAT) for t in found]


def _float_function(op: Any) -> Callable[[Like], Tensor]:
    def function(x: Like) -> Tensor:
        return op(*_floats(op.name, x))

    function.__name__ = function.__qualname__ = op.name
    function.__doc__ = f"{op.name}(x) of each element, with the shape and dtype of x; integers become float32."
    return function


def _binary(name: str, op: Any, prepare: Callable[..., list[Tensor]] = _operands) -> Callable[[Like, Like], Tensor]:
    def function(x: Like, y: Like) -> Tensor:
        return op(*prepare(name, x, y))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{name}(x, y) of each pair of elements, broadcast and promoted as in NumPy. Raises ShapeError, DTypeError."
    return function


exp, expm1, log, log1p = map(_float_function, (_e.exp, _e.expm1, _e.log, _e.log1p))
sqrt, tanh, sigmoid, softplus = map(_float_function, (_e.sqrt, _e.tanh, _e.sigmoid, _e.softplus))
sin, cos, erf = map(_float_function, (_e.sin, _e.cos, _e.erf))

add = _binary("add", _e.add)
subtract = _binary("subtract", _e.sub)
multiply = _binary("multiply", _e.mul)
divide = _binary("divide", _e.div, _floats)
maximum = _binary("maximum", _e.maximum)
minimum = _binary("minimum", _e.minimum)
less = _binary("less", _e.less)
less_equal = _binary("less_equal", _e.less_equal)
greater = _binary("greater", lambda x, y: _e.less(y, x))
greater_equal = _binary("greater_equal", lambda x, y: _e.less_equal(y, x))
equal = _binary("equal", _e.equal)
not_equal = _binary("not_equal", _e.not_equal)


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
    """The largest whole number not above x, in the dtype of x. Its gradient is 0."""
    t = tensor(x)
    return _e.floor(t) if t.type.is_float else t


def pow(x: Like, y: Like) -> Tensor:
    """x to the power y. An integer to a whole power ≥ 0 stays an integer, else integers become float32. x⁰ has gradient 0, at x = 0 too."""
    if isinstance(y, (int, float)) and not isinstance(y, bool):
        t = tensor(x)
        if t.dtype.kind in "iu" and isinstance(y, int) and y >= 0:
            return _whole_power(t, y)
        if y == 2:
            return _e.mul(t, t)
        if y == 0.5:
            return sqrt(t)
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
    """⌊x / y⌋. For integers exact below 2⁵³; the gradient is 0."""
    a, b = _operands("floor_divide", x, y)
    if a.type.is_float:
        return _e.floor(_e.div(a, b))
    wide = np.dtype("float64")
    return astype(_e.floor(_e.div(astype(a, wide), astype(b, wide))), a.dtype)


def remainder(x: Like, y: Like) -> Tensor:
    """x − y·⌊x / y⌋: has the sign of y."""
    a, b = _operands("remainder", x, y)
    return _e.sub(a, _e.mul(b, floor_divide(a, b)))


def bools(what: str, *values: Like) -> list[Tensor]:
    """Operands of & | ~, which must be bools."""
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
    t = tensor(x)
    return _e.not_equal(t, t)


def isfinite(x: Like) -> Tensor:
    """Whether each element is neither NaN nor infinite."""
    t = tensor(x)
    if not t.type.is_float:
        return full(t.shape, True, BOOL)
    zero = _e.mul(t, _expand(scalar(0, t.dtype), t.shape))
    return _e.equal(zero, zero)


def where(condition: Like, x: Like, y: Like) -> Tensor:
    """x where the condition holds, else y. Selects, never multiplies: NaN in the branch not taken reaches neither value nor gradient."""
    a, b = _operands("where", x, y)
    c = tensor(condition)
    shape = broadcast_shapes("where", c.shape, a.shape)
    return _e.where(_expand(c, shape), _expand(a, shape), _expand(b, shape))


def clip(x: Like, low: Like = None, high: Like = None) -> Tensor:
    """x limited to [low, high]; the gradient is 0 at and beyond the bounds."""
    t = tensor(x)
    y = t if low is None else where(less_equal(t, low), low, t)
    return y if high is None else where(greater_equal(y, high), high, y)


def relu(x: Like) -> Tensor:
    """max(x, 0), with gradient 0 at 0; NaN stays NaN."""
    t = tensor(x)
    return where(less_equal(t, 0), 0, t)


def astype(x: Like, dtype: Any) -> Tensor:
    """The elements as another dtype; towards zero from float to integer."""
    t = x if isinstance(x, Tensor) else tensor(x)
    target = dtype if isinstance(dtype, np.dtype) else check_dtype(dtype, "astype")
    return t if t.dtype == target else _e.cast(t, dtype=target)


# ---- reductions


def _reduce(op: Any, x: Like, axis: Axis, keepdims: bool) -> Tensor:
    t = tensor(x)
    axes = normalize_axes(op.name, axis, t.ndim)
    y = op(t, axes=axes)
    return _m.reshape(y, shape=tuple(1 if a in axes else n for a, n in enumerate(t.shape))) if keepdims else y


def sum(x: Like, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The sum over axes (all by default), in the dtype of x; bools are counted as int64. Of nothing: 0."""
    t = tensor(x)
    return _reduce(_r.sum, astype(t, INT) if t.dtype == BOOL else t, axis, keepdims)


def prod(x: Like, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The product over axes. Of nothing: 1. The gradient is exact where elements are zero."""
    return _reduce(_r.prod, x, axis, keepdims)


def max(x: Like, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The largest element; NaN if any is. Ties share the gradient evenly. Raises ValueError over no elements."""
    return _reduce(_r.max, x, axis, keepdims)


def min(x: Like, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The smallest element; NaN if any is. Ties share the gradient evenly. Raises ValueError over no elements."""
    return _reduce(_r.min, x, axis, keepdims)


def any(x: Like, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Whether any element is true."""
    return greater(sum(astype(x, BOOL), axis, keepdims), 0)


def all(x: Like, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Whether all elements are true."""
    return logical_not(any(logical_not(x), axis, keepdims))


def mean(x: Like, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The mean over axes; integers become float32. Raises ValueError over no elements."""
    (t,) = _floats("mean", x)
    count = dims.product(t.shape[a] for a in normalize_axes("mean", axis, t.ndim))
    if not isinstance(count, Dim) and count == 0:
        raise _r.EmptyError(message("mean", f"{t.type} has no elements along axis {axis}, and the mean of nothing has no value"))
    return divide(sum(t, axis, keepdims), count)


def argmax(x: Like, axis: int | None = None) -> Tensor:
    """The position of the largest element, the lowest one among ties; over all elements as in the flattened tensor by default."""
    t = tensor(x)
    if axis is None:
        return _r.argmax(reshape(t, (-1,)), axis=0)
    return _r.argmax(t, axis=normalize_axis("argmax", axis, t.ndim))


def argmin(x: Like, axis: int | None = None) -> Tensor:
    """The position of the smallest element, the lowest one among ties."""
    t = tensor(x)
    if t.dtype.kind in "iu":  # the order reversed without overflow
        return argmax(subtract(np.iinfo(t.dtype).max if t.dtype.kind == "u" else -1, t), axis)
    return argmax(negative(t), axis)


def cumsum(x: Like, axis: int = -1, reverse: bool = False) -> Tensor:
    """Running sums along an axis, from the end with `reverse`."""
    t = tensor(x)
    return _r.cumsum(t, axis=normalize_axis("cumsum", axis, t.ndim), reverse=builtins.bool(reverse))


cumulative_sum = cumsum


# ---- movement


def reshape(x: Like, shape: Any) -> Tensor:
    """The same elements in order with another shape; one length may be −1. Raises ShapeError."""
    t = tensor(x)
    wanted = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    if wanted.count(-1) > 1:
        raise shape_error("reshape", f"only one length can be -1, got {wanted}")
    if -1 in wanted:
        known = dims.product(n for n in wanted if not (isinstance(n, int) and n == -1))
        size = dims.product(t.shape)
        if not isinstance(known, Dim) and (known == 0 or (not isinstance(size, Dim) and size % known)):
            raise shape_error("reshape", f"{size} elements of {t.shape} cannot become {wanted}")
        wanted = tuple(size // known if isinstance(n, int) and n == -1 else n for n in wanted)
    wanted = tuple(n if isinstance(n, Dim) else n.__index__() for n in wanted)
    return t if identical(wanted, t.shape) else _m.reshape(t, shape=wanted)


def permute_dims(x: Like, axes: Sequence[int]) -> Tensor:
    """The axes in another order. Raises ShapeError unless each is named once."""
    t = tensor(x)
    found = tuple(normalize_axis("permute_dims", a, t.ndim) for a in axes)
    if sorted(found) != list(range(t.ndim)):
        raise shape_error("permute_dims", f"axes {tuple(axes)} are not an order of the {t.ndim} axes of {t.shape}")
    return t if found == tuple(range(t.ndim)) else _m.permute(t, axes=found)


def transpose(x: Like, axes: Sequence[int] | None = None) -> Tensor:
    """NumPy's name: axes reversed by default."""
    t = tensor(x)
    return permute_dims(t, range(t.ndim)[::-1] if axes is None else axes)


def matrix_transpose(x: Like) -> Tensor:
    """The last two axes swapped."""
    t = tensor(x)
    if t.ndim < 2:
        raise shape_error("matrix_transpose", f"needs two axes, got {t.type}")
    return _l.swap(t)


def moveaxis(x: Like, source: int, destination: int) -> Tensor:
    """One axis moved to another place."""
    t = tensor(x)
    order = [a for a in range(t.ndim) if a != normalize_axis("moveaxis", source, t.ndim)]
    order.insert(normalize_axis("moveaxis", destination, t.ndim), normalize_axis("moveaxis", source, t.ndim))
    return permute_dims(t, order)


def broadcast_to(x: Like, shape: Sequence[Extent]) -> Tensor:
    """x repeated to a shape, as in NumPy. Raises ShapeError."""
    return _expand(tensor(x), _lengths("broadcast_to", tuple(shape)))


def expand_dims(x: Like, axis: int = 0) -> Tensor:
    """A new axis of length 1 at a position of the result."""
    t = tensor(x)
    at = normalize_axis("expand_dims", axis, t.ndim + 1)
    return _m.reshape(t, shape=(*t.shape[:at], 1, *t.shape[at:]))


def squeeze(x: Like, axis: Axis = None) -> Tensor:
    """Without axes of length 1 (all of them by default). Raises ShapeError for a longer one."""
    t = tensor(x)
    axes = [a for a, n in enumerate(t.shape) if is_one(n)] if axis is None else normalize_axes("squeeze", axis, t.ndim)
    for a in axes:
        if not dims.same(t.shape[a], 1):
            raise shape_error("squeeze", f"axis {a} of {t.shape} has length {t.shape[a]}, not 1")
    return _m.reshape(t, shape=tuple(n for a, n in enumerate(t.shape) if a not in axes))


def concat(tensors: Sequence[Like], axis: int = 0) -> Tensor:
    """Tensors one after the other along an axis; promoted to one dtype. Raises ShapeError naming the one that does not fit."""
    if not len(tensors):
        raise shape_error("concat", "needs at least one tensor")
    found = [tensor(t) for t in tensors]
    common = promote(t.dtype for t in found)
    return _m.concat(*(astype(t, common) for t in found), axis=normalize_axis("concat", axis, found[0].ndim))


concatenate = concat


def stack(tensors: Sequence[Like], axis: int = 0) -> Tensor:
    """Tensors of one shape along a new axis."""
    return concat([expand_dims(t, axis) for t in tensors], axis)


def split(x: Like, parts: int | Sequence[int], axis: int = -1) -> list[Tensor]:
    """Equal parts along an axis, or parts of given lengths (their sum is the axis). Raises ShapeError."""
    t = tensor(x)
    a = normalize_axis("split", axis, t.ndim)
    lengths = [t.shape[a] // parts] * parts if isinstance(parts, int) else list(parts)
    if not dims.same(builtins.sum(lengths), t.shape[a]):
        raise shape_error("split", f"axis {a} of {t.shape} has length {t.shape[a]}, the parts {lengths} add up to {builtins.sum(lengths)}")
    found, at = [], 0
    for n in lengths:
        found.append(t[(builtins.slice(None),) * a + (builtins.slice(at, at + n),)])
        at += n
    return found


def flip(x: Like, axis: Axis = None) -> Tensor:
    """Elements in reverse along axes (all by default)."""
    t = tensor(x)
    return _m.flip(t, axes=normalize_axes("flip", axis, t.ndim))


def roll(x: Like, shift: int, axis: int = -1) -> Tensor:
    """Elements moved `shift` places along an axis, those that leave the end coming in at the start."""
    t = tensor(x)
    return _m.roll(t, shift=shift.__index__(), axis=normalize_axis("roll", axis, t.ndim))


def pad(x: Like, widths: Sequence[tuple[int, int]]) -> Tensor:
    """Zeros before and after, `(before, after)` for each axis."""
    t = tensor(x)
    if len(widths) != t.ndim or builtins.any(n < 0 for pair in widths for n in pair):
        raise shape_error("pad", f"needs one (before, after) of numbers ≥ 0 for each axis of {t.shape}, got {widths}")
    low, high = zip(*widths, strict=True) if widths else ((), ())
    return _m.pad(t, low=tuple(low), high=tuple(high), interior=(0,) * t.ndim)


def tril(x: Like, k: int = 0) -> Tensor:
    """The lower triangle of the last two axes, zeros above diagonal k."""
    t = tensor(x)
    keep = less_equal(arange(t.shape[-1])[None, :], arange(t.shape[-2])[:, None] + k)
    return where(broadcast_to(keep, t.shape), t, 0)


# ---- indexing


def take(x: Like, index: Like, axis: int = 0) -> Tensor:
    """Slices of x at integer positions of an axis; negative ones count from the end. Raises IndexError outside."""
    t = tensor(x)
    return _i.take(t, tensor(index), axis=normalize_axis("take", axis, t.ndim))


def take_along_axis(x: Like, index: Like, axis: int = -1) -> Tensor:
    """One element per position along an axis, as NumPy's take_along_axis."""
    t = tensor(x)
    return _i.gather(t, tensor(index), axis=normalize_axis("take_along_axis", axis, t.ndim))


def one_hot(index: Like, n: Extent, dtype: Any = FLOAT) -> Tensor:
    """A new last axis of length n, 1 at the index and 0 elsewhere."""
    return _i.one_hot(tensor(index), n=n, dtype=check_dtype(dtype, "one_hot"))


def argsort(x: Like, axis: int = -1, descending: bool = False) -> Tensor:
    """The positions that sort x; stable, so among equals the lowest index first; NaN last."""
    t = tensor(x)
    return _i.argsort(t, axis=normalize_axis("argsort", axis, t.ndim), descending=builtins.bool(descending))


def sort(x: Like, axis: int = -1, descending: bool = False) -> Tensor:
    """x in order along an axis; the gradient goes back to where each element came from."""
    return take_along_axis(x, argsort(x, axis, descending), axis)


def top_k(x: Like, k: int, axis: int = -1) -> tuple[Tensor, Tensor]:
    """The k largest elements along an axis in falling order, and their positions; the lowest index first among equals."""
    t = tensor(x)
    a = normalize_axis("top_k", axis, t.ndim)
    if not 0 <= k <= t.shape[a]:
        raise shape_error("top_k", f"k = {k}, but axis {a} of {t.shape} has {t.shape[a]} elements")
    index = argsort(t, a, descending=True)[(builtins.slice(None),) * a + (builtins.slice(0, k),)]
    return take_along_axis(t, index, a), index


# ---- products


def matmul(x: Like, y: Like) -> Tensor:
    """The matrix product over the last two axes, batched and broadcast over the others; a vector counts as a row or column.

    Raises ShapeError naming both shapes.
    """
    a, b = tensor(x), tensor(y)
    common = promote((a.dtype, b.dtype))
    a, b = astype(a, common), astype(b, common)
    if not a.ndim or not b.ndim:
        raise shape_error("matmul", f"takes no 0-d tensor: x {a.shape} @ y {b.shape}", "Use * to scale")
    row, column = a.ndim == 1, b.ndim == 1
    a = expand_dims(a, 0) if row else a
    b = expand_dims(b, 1) if column else b
    y = _matmul(a, b)
    if row:
        y = squeeze(y, -2)
    return squeeze(y, -1) if column else y


def _matmul(a: Tensor, b: Tensor) -> Tensor:
    _l.require_inner(a.type, b.type)
    if b.ndim == 2 and a.ndim > 2:  # one matrix for all: rows of every batch in one product
        rows = _l.matmul(_m.reshape(a, shape=(dims.product(a.shape[:-1]), a.shape[-1])), b)
        return _m.reshape(rows, shape=(*a.shape[:-1], b.shape[-1]))
    batch = broadcast_shapes("matmul", a.shape[:-2], b.shape[:-2])
    return _l.matmul(_expand(a, (*batch, *a.shape[-2:])), _expand(b, (*batch, *b.shape[-2:])))


def tensordot(x: Like, y: Like, axes: int = 1) -> Tensor:
    """The product summed over the last `axes` axes of x and the first of y."""
    a, b = tensor(x), tensor(y)
    inner = dims.product(a.shape[a.ndim - axes :])
    left = reshape(a, (dims.product(a.shape[: a.ndim - axes]), inner))
    right = reshape(b, (inner, dims.product(b.shape[axes:])))
    return reshape(matmul(left, right), (*a.shape[: a.ndim - axes], *b.shape[axes:]))


def outer(x: Like, y: Like) -> Tensor:
    """x_i·y_j for two vectors."""
    return multiply(expand_dims(x, 1), expand_dims(y, 0))


# ---- from nothing


def full(shape: Any, value: Any, dtype: Any = FLOAT) -> Tensor:
    """A tensor of one value."""
    wanted = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    return _expand(scalar(value, check_dtype(dtype, "full")), _lengths("full", wanted))


def _lengths(what: str, shape: Sequence[Any]) -> tuple[Extent, ...]:
    found = tuple(n if isinstance(n, Dim) else n.__index__() for n in shape)
    if builtins.any(isinstance(n, int) and n < 0 for n in found):
        raise shape_error(what, f"lengths must not be negative, got {found}")
    return found


def zeros(shape: Any, dtype: Any = FLOAT) -> Tensor:
    """Zeros; float32 unless told otherwise."""
    return full(shape, 0, dtype)


def ones(shape: Any, dtype: Any = FLOAT) -> Tensor:
    """Ones; float32 unless told otherwise."""
    return full(shape, 1, dtype)


def zeros_like(x: Like) -> Tensor:
    t = tensor(x)
    return zeros(t.shape, t.dtype)


def ones_like(x: Like) -> Tensor:
    t = tensor(x)
    return ones(t.shape, t.dtype)


def arange(n: Extent, dtype: Any = INT) -> Tensor:
    """0, 1, …, n−1."""
    return _i.iota(n=_lengths("arange", (n,))[0], dtype=check_dtype(dtype, "arange"))


def eye(n: Extent, dtype: Any = FLOAT) -> Tensor:
    """The identity matrix."""
    return one_hot(arange(n), n, dtype)


def extent(n: Extent) -> Tensor:
    """An axis length as an int64 tensor: how a run-time size enters arithmetic."""
    return _i.extent(n=n)


def detach(x: Like) -> Tensor:
    """The same values, through which no gradient flows."""
    return _control.detach(tensor(x))


UFUNCS: dict[str, Callable[..., Tensor]] = {
    "add": add, "subtract": subtract, "multiply": multiply, "divide": divide, "power": pow, "matmul": matmul,
    "floor_divide": floor_divide, "remainder": remainder, "maximum": maximum, "minimum": minimum, "less": less,
    "less_equal": less_equal, "greater": greater, "greater_equal": greater_equal, "equal": equal, "not_equal": not_equal,
    "negative": negative, "absolute": abs, "sign": sign, "floor": floor, "exp": exp, "expm1": expm1, "log": log, "log1p": log1p,
    "sqrt": sqrt, "square": square, "tanh": tanh, "sin": sin, "cos": cos, "logical_and": logical_and, "logical_or": logical_or,
    "logical_not": logical_not, "bitwise_and": lambda x, y: logical_and(*bools("&", x, y)),
    "bitwise_or": lambda x, y: logical_or(*bools("|", x, y)), "invert": lambda x: logical_not(*bools("~", x)),
    "isnan": isnan, "isfinite": isfinite,
}  # fmt: skip
