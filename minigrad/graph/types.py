"""Tensor types and the arithmetic of shapes and dtypes.

The rule for dtypes, of every function and operator that takes several operands:

1. Tensors and arrays decide, 0-d ones too: the widest float dtype if there is a float, else by NumPy's rule. A list is an array; its
   Python floats are float32, its integers int64, its bools bool.
2. NumPy scalars take that dtype. Where there is neither tensor nor array, they decide in the same way.
3. Python numbers and axis lengths take that dtype. Where they are alone, a float is float32, an integer int64, a bool bool.
4. A number is never converted to a lower kind: a float beside integers or bools makes the result float32, an integer beside bools int64.
   A number that its dtype does not hold raises RangeError.

In the function given to a transformation (jit, vmap, grad, vjp, checkpoint, cond, …) an argument that is a number is still one. A dtype of
None is the default of the function.

float16 and bfloat16 are for storage: they are moved, compared, cast, saved and loaded. Operations that compute refuse them by name; cast to
float32 first. Their gradients are float32 on the way, and have the dtype of the argument at the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np

from ..errors import AbstractValueError, AxisError, dtype_error, message, shape_error
from . import dims
from .dims import Dim, Extent, Shape, hint, unify

DTYPES = tuple(map(np.dtype, ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64"]))
BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
HALVES = np.dtype("float16"), BFLOAT16  # for storage: moved, compared and cast, not computed with
# NumPy has several objects of one dtype. Tensors have these, which are told apart by their identity.
OWN = {d: d for d in (*DTYPES, *HALVES)}
FLOAT = np.dtype("float32")
BOOL = np.dtype("bool")
INT = np.dtype("int64")
WIDE = np.dtype("float64")  # what sums of float32 accumulate in, and numbers are held as


class TensorType(NamedTuple):
    """The type of a tensor: its shape and dtype."""

    shape: Shape
    dtype: np.dtype

    def __str__(self) -> str:
        return f"{self.dtype}({', '.join(map(str, self.shape))})"

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def is_float(self) -> bool:
        return is_float(self.dtype)


def check_computed(what: str, dtype: np.dtype) -> None:
    """Raises DTypeError for float16 and bfloat16."""
    if dtype in HALVES:
        raise dtype_error(what, f"{dtype} is for storage, and nothing is computed in it", "Convert with .astype('float32')")


def check_dtype(dtype: Any, what: str = "tensor", default: np.dtype = FLOAT) -> np.dtype:
    """The dtype as a NumPy dtype; the default for None. Raises DTypeError if tensors cannot have it."""
    if dtype is None:
        return default
    try:
        found = None if hasattr(type(dtype), "__array__") else np.dtype(dtype)  # of a number or an array np.dtype takes the dtype it has
    except TypeError:
        found = None
    if found is not None and is_storable(found):
        return OWN[found.newbyteorder("=")]
    fix = "Give the shape as one tuple" if isinstance(dtype, (int, np.integer)) else "Take bool, an integer, float32 or float64"
    raise dtype_error(what, f"cannot make a tensor from dtype {dtype}", fix)


def promote(dtypes: Iterable[np.dtype]) -> np.dtype:
    """The common dtype: the widest float dtype if there is a float, else by NumPy's rule."""
    found = tuple(dict.fromkeys(dtypes))
    if len(found) == 1:
        return found[0]
    floats = [d for d in found if is_float(d)]
    wide = [d for d in floats if d not in HALVES]
    return np.result_type(*(wide or found)) if wide or not floats else floats[0] if len(floats) == 1 else FLOAT


def is_float(dtype: np.dtype) -> bool:
    return dtype.kind == "f" or dtype == BFLOAT16


def is_storable(dtype: np.dtype) -> bool:
    """Whether tensors can have the dtype, in either byte order."""
    return dtype.newbyteorder("=") in OWN


def unify_shapes(a: Shape, b: Shape) -> bool:
    return a is b or (len(a) == len(b) and all(x is y or unify(x, y) for x, y in zip(a, b, strict=True)))


def unify_types(a: TensorType, b: TensorType) -> bool:
    return a.dtype == b.dtype and unify_shapes(a.shape, b.shape)


def identical(a: Shape, b: Shape) -> bool:
    """Whether two shapes are equal for all sizes. Adds no guard and binds no symbol."""
    return a is b or (len(a) == len(b) and all(x is y or dims.identical(x, y) for x, y in zip(a, b, strict=True)))


def is_one(n: Extent) -> bool:
    """Whether an extent is the number 1. A run-time size is not, whatever its value."""
    return not isinstance(n, Dim) and n == 1


def broadcast_shapes(what: str, *shapes: Shape) -> Shape:
    """The shape by NumPy's broadcasting. Raises ShapeError, which names the axis and suggests a fix."""
    ndim = max(map(len, shapes), default=0)
    result: list[Extent] = [1] * ndim
    for shape in shapes:
        for i, n in enumerate(shape, ndim - len(shape)):
            if is_one(result[i]):
                result[i] = n
            elif not is_one(n) and not _fits(n, result[i]):
                raise _broadcast_error(what, shapes, i)
    return tuple(result)


def _fits(n: Extent, m: Extent) -> bool:
    for x, y in ((n, m), (m, n)):
        if isinstance(x, Dim) and hint(x) == 1 and hint(y) != 1:
            unify(x, 1)  # binds the run-time size to 1; otherwise it does not broadcast
    return unify(n, m)


def _broadcast_error(what: str, shapes: Sequence[Shape], axis: int) -> Exception:
    ndim = max(map(len, shapes))
    sizes = " vs ".join(str(s[axis - ndim + len(s)]) for s in shapes if axis - ndim + len(s) >= 0)
    fix = ""
    if len(shapes) == 2 and {len(s) for s in shapes} == {1, 2}:
        short, long = sorted(shapes, key=len)
        if short[0] == long[0]:
            fix = "To combine per row, index the vector as v[:, None]"
    return shape_error(what, f"shapes {' and '.join(map(str, shapes))} do not broadcast: axis {axis} is {sizes}", fix)


def whole(what: str, value: Any, role: str = "a length") -> int:
    """The value as an int. Raises DTypeError for anything else, also for a float with an integer value."""
    try:
        return value.__index__()
    except AbstractValueError:
        raise
    except (AttributeError, TypeError):  # an array has an __index__, which refuses all but one integer
        fix = "Divide with //, or convert with int()" if isinstance(value, float) else ""
        raise dtype_error(what, f"{role} must be an integer, got {value!r}", fix) from None


def normalize_axis(what: str, axis: Any, ndim: int) -> int:
    """The axis as a number with 0 ≤ axis < ndim. Raises AxisError."""
    index = axis if type(axis) is int else whole(what, axis, "axis")
    if not -ndim <= index < ndim:
        valid = f"valid {-ndim}..{ndim - 1}" if ndim else "it has no axes"
        raise AxisError(message(what, f"axis {index} out of range for a {ndim}-d tensor ({valid})"))
    return index % ndim


def normalize_axes(what: str, axis: Any, ndim: int) -> tuple[int, ...]:
    """Axes as a sorted tuple; None means all."""
    if axis is None:
        return tuple(range(ndim))
    if type(axis) is int and -ndim <= axis < ndim:
        return (axis % ndim,)
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    found = [normalize_axis(what, a, ndim) for a in axes]
    if len(set(found)) < len(found):
        raise shape_error(what, f"axis {axis} names an axis twice")
    return tuple(sorted(found))
