"""Dtypes as values: their names, their limits, and the dtype of a result. Dtypes are NumPy's."""

from __future__ import annotations

from typing import Any, NamedTuple

import ml_dtypes
import numpy as np

from ..errors import dtype_error
from ..graph.types import BFLOAT16, DTYPES, FLOAT, check_dtype, is_float
from ..tensor import Tensor
from .numbers import EXAMPLE, NumPyNumber, dtype_kind, is_number, operands

__all__ = [
    "bool", "can_cast", "finfo", "float32", "float64", "iinfo", "int8", "int16", "int32", "int64", "isdtype", "result_type", "uint8",
    "uint16", "uint32", "uint64",
]  # fmt: skip

# As names: mg.bool, mg.int8, …, mg.float64
bool, int8, int16, int32, int64, uint8, uint16, uint32, uint64, float32, float64 = DTYPES


class FloatInfo(NamedTuple):
    """The limits of a float dtype."""

    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    dtype: np.dtype


class IntegerInfo(NamedTuple):
    """The limits of an integer dtype."""

    bits: int
    max: int
    min: int
    dtype: np.dtype


def _dtype(x: Any, what: str) -> np.dtype:
    return x.dtype if isinstance(x, (Tensor, np.ndarray)) else check_dtype(x, what)


def finfo(type: Any, /) -> FloatInfo:
    """bits, eps, max, min, smallest_normal and dtype of a float dtype, or of a tensor's. Raises DTypeError for others."""
    dtype = _dtype(type, "finfo")
    if not is_float(dtype):
        raise dtype_error("finfo", f"{dtype} is no float dtype", "Use mg.iinfo" if dtype.kind in "iu" else "")
    found = ml_dtypes.finfo(dtype)
    return FloatInfo(int(found.bits), float(found.eps), float(found.max), float(found.min), float(found.smallest_normal), dtype)


def iinfo(type: Any, /) -> IntegerInfo:
    """bits, max, min and dtype of an integer dtype, or of a tensor's. Raises DTypeError for others."""
    dtype = _dtype(type, "iinfo")
    if dtype.kind not in "iu":
        raise dtype_error("iinfo", f"{dtype} is no integer dtype", "Use mg.finfo" if is_float(dtype) else "")
    found = np.iinfo(dtype)
    return IntegerInfo(int(found.bits), int(found.max), int(found.min), dtype)


def isdtype(dtype: Any, kind: Any) -> Any:
    """Whether a dtype is of a kind: another dtype, "bool", "signed integer", "unsigned integer", "integral", "real floating", "numeric", or
    a tuple of these."""
    found = check_dtype(dtype, "isdtype")
    known = FLOAT if found == BFLOAT16 else found  # NumPy has no kind for bfloat16
    kinds = kind if isinstance(kind, tuple) else (kind,)
    return any(np.isdtype(known, k) if isinstance(k, str) else found == k for k in kinds)


def can_cast(from_: Any, to: Any, /) -> Any:
    """Whether every value of a dtype, or of a tensor's, can be held by another dtype: NumPy's safe casts."""
    return np.can_cast(_dtype(from_, "can_cast"), check_dtype(to, "can_cast"))


def result_type(*arrays_and_dtypes: Any) -> np.dtype:
    """The dtype of a result whose operands are these tensors, or have these dtypes; Python numbers give way to them."""
    if not arrays_and_dtypes:
        raise dtype_error("result_type", "needs at least one dtype")
    zeros = [_zero(x) if is_number(x) else np.zeros((), _dtype(x, "result_type")) for x in arrays_and_dtypes]
    return operands("result_type", zeros)[0].dtype


def _zero(number: Any) -> Any:
    """A number of the same kind that every dtype holds."""
    return number.dtype.type() if isinstance(number, (np.generic, NumPyNumber)) else EXAMPLE[dtype_kind(number)]
