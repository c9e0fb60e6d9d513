"""More elementwise functions: rounding, signs, special values, angles, and bits."""

from __future__ import annotations

import builtins
from typing import Any

import ml_dtypes
import numpy as np

from ..errors import dtype_error
from ..graph.types import BOOL, whole
from ..primitives import bits as _bits
from ..primitives import rounding as _r
from ..primitives import trigonometry as _t
from ..primitives.trigonometry import acos, acosh, asin, asinh, atan, atanh
from ..tensor import Tensor, tensor
from .creation import full
from .elementwise import Like, _binary, _compared, _floats, abs, astype, divide, equal, isnan, less, multiply, not_equal, where

__all__ = [
    "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "atan2", "bitwise_and", "bitwise_invert",
    "bitwise_left_shift", "bitwise_or", "bitwise_right_shift", "bitwise_xor", "ceil", "copysign", "hypot", "isinf", "logaddexp",
    "logical_xor", "nan_to_num", "nextafter", "positive", "reciprocal", "round", "signbit", "trunc",
]  # fmt: skip

arcsin, arccos, arctan, arcsinh, arccosh, arctanh = asin, acos, atan, asinh, acosh, atanh  # NumPy's names

hypot = _binary("hypot", _t.hypot, _floats)
atan2 = arctan2 = _binary("atan2", _t.atan2, _floats)
logaddexp = _binary("logaddexp", _t.logaddexp, _floats)
copysign = _binary("copysign", _r.copysign, _floats)
nextafter = _binary("nextafter", _r.nextafter, _floats)
bitwise_and = _binary("bitwise_and", _bits.bit_and)
bitwise_or = _binary("bitwise_or", _bits.bit_or)
bitwise_xor = _binary("bitwise_xor", _bits.bit_xor)
bitwise_left_shift = _binary("bitwise_left_shift", _bits.shift_left)
bitwise_right_shift = _binary("bitwise_right_shift", _bits.shift_right)


def bitwise_invert(x: Like) -> Tensor:
    """Every bit of an integer inverted; not x, for bools."""
    return _bits.bit_not(tensor(x))


def ceil(x: Like) -> Tensor:
    """The smallest integer not below x, in the dtype of x. Its gradient is 0."""
    return _rounded(_r.ceil, x)


def trunc(x: Like) -> Tensor:
    """x rounded towards zero, in the dtype of x. Its gradient is 0."""
    return _rounded(_r.trunc, x)


def round(x: Like, decimals: int = 0) -> Tensor:
    """x rounded to the nearest multiple of 10^−decimals, half to even, in the dtype of x. Its gradient is 0.

    As NumPy's: with decimals it is x·10^decimals that is rounded. Integers are rounded to no fewer than 0 decimals."""
    t = tensor(x)
    if not whole("round", decimals, "decimals"):
        return _rounded(_r.round, t)
    if not t.type.is_float:
        if decimals < 0:
            raise dtype_error("round", f"takes floats for decimals = {decimals}, got {t.type}", "Convert with .astype('float64')")
        return t
    scale = 10.0 ** builtins.abs(decimals)
    into, back = (multiply, divide) if decimals > 0 else (divide, multiply)
    return back(_r.round(into(t, scale)), scale)


def _rounded(op: Any, x: Like) -> Tensor:
    t = tensor(x)
    return op(t) if t.type.is_float else t


def reciprocal(x: Like) -> Tensor:
    """1 / x. Integers become float32."""
    return divide(1, x)


def positive(x: Like) -> Tensor:
    """x, a number."""
    t = tensor(x)
    if t.dtype == BOOL:
        raise dtype_error("positive", f"takes numbers, got {t.type}", "Convert with .astype('int64')")
    return t


def signbit(x: Like) -> Tensor:
    """Whether the sign is minus, also of −0 and NaN."""
    t = tensor(x)
    return _r.signbit(t) if t.type.is_float else less(t, 0)


def isinf(x: Like) -> Tensor:
    """Whether each element is infinite."""
    (t,) = _compared("isinf", x)
    return equal(abs(t), np.inf) if t.type.is_float else full(t.shape, False, BOOL)


def logical_xor(x: Like, y: Like) -> Tensor:
    """Whether one of x and y is true, and not both."""
    return not_equal(astype(x, BOOL), astype(y, BOOL))


def nan_to_num(x: Like, *, nan: Like = 0.0, posinf: Like = None, neginf: Like = None) -> Tensor:
    """x with other numbers for NaN, ∞ and −∞; the largest and smallest finite one by default for ∞ and −∞. Their gradient is 0."""
    t = tensor(x)
    if not t.type.is_float:
        return t
    limits = ml_dtypes.finfo(t.dtype)
    high, low = float(limits.max), float(limits.min)
    t = where(isnan(t), nan, t)
    t = where(equal(t, np.inf), high if posinf is None else posinf, t)
    return where(equal(t, -np.inf), low if neginf is None else neginf, t)
