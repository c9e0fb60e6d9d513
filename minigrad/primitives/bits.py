"""Operations on the bits of integers, and on bools; the bits of a number read as another dtype.

A shift by the width or more, or by a negative number, moves all bits out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import dtype_error
from ..graph.types import BOOL, TensorType, check_dtype
from ..tensor import Primitive
from .rules import fold_number, same_operands

X = np.array([[5, -7, 0], [2**62, -1, 12]])
Y = np.array([[3, 2, 64], [1, -1, 63]])


def _bitwise(name: str, function: str, numpy: Callable[..., Any], symbol: str, arity: int = 2, bools: bool = True) -> Primitive:
    """An operation of the loop IR, under its name there; errors name the function of users."""

    def rule(*types: TensorType) -> TensorType:
        found = same_operands(function, *types)
        if found.dtype.kind not in ("biu" if bools else "iu"):
            fix = "Compare it, as in x != 0" if bools else "Multiply by a power of 2"
            raise dtype_error(function, f"takes integers{' or bools' if bools else ''}, got {found}", fix)
        return found

    given = [(X, Y), (X.astype("uint8"), Y.astype("uint8")), (X[:0], Y[:0]), *([(X > 0, Y > 2)] if bools else [])]
    examples: Any = tuple((arrays[:arity], {}) for arrays in given)
    return Primitive(
        name,
        rule,
        numpy,
        kind="pointwise",
        symbol=symbol,
        examples=examples,
        elementwise=True,
        fold=fold_number,
        cheap=True,
    )


bit_and: Primitive = _bitwise("and", "bitwise_and", np.bitwise_and, "&")
bit_or: Primitive = _bitwise("or", "bitwise_or", np.bitwise_or, "|")
bit_xor: Primitive = _bitwise("xor", "bitwise_xor", np.bitwise_xor, "⊕")
bit_not: Primitive = _bitwise("not", "bitwise_invert", np.invert, "~", arity=1)
shift_left: Primitive = _bitwise("shl", "bitwise_left_shift", np.left_shift, "«", bools=False)
shift_right: Primitive = _bitwise("shr", "bitwise_right_shift", np.right_shift, "»", bools=False)


def _bitcast_type(x: TensorType, dtype: np.dtype) -> TensorType:
    target = check_dtype(dtype, "bitcast")
    width = 8 * x.dtype.itemsize
    if BOOL in (x.dtype, target) and x.dtype != target:
        raise dtype_error("bitcast", f"reads numbers, got {x} for {target}", "Convert with .astype('uint8'), or compare, as in x != 0")
    if target.itemsize != x.dtype.itemsize:
        problem = f"{x} has {width} bits, {target} has {8 * target.itemsize}"
        raise dtype_error("bitcast", problem, f"Take a dtype of {width} bits, and shifts to get or to join parts")
    return TensorType(x.shape, target)


# The bits of a number as one of another dtype of that width. It is no function for users: `from_jax` needs it.
bitcast: Primitive = Primitive(
    "bitcast",
    _bitcast_type,
    lambda x, dtype: np.asarray(x).view(dtype),
    kind="pointwise",
    symbol="bits",
    examples=(
        ((X,), {"dtype": np.dtype("uint64")}),
        ((np.array([[0, 2**31, 1], [0x3F800000, 0xFF800000, 0x7FC00001]], "uint32"),), {"dtype": np.dtype("float32")}),
    ),
    elementwise=True,
    fold=fold_number,
    cheap=True,
)
