"""Conversion of Python values and arrays to the arrays of tensors, and errors for values that cannot be converted."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

import numpy as np

from ..errors import AbstractValueError, DTypeError, RangeError, dtype_error, message
from .dims import Dim
from .types import BFLOAT16, FLOAT, HALVES, OWN, check_dtype, is_float, is_storable


class HoldsTensors(Exception):
    """Raised while a list is read: it holds a tensor or a run-time size. The caller stacks it, which keeps gradients."""


_reading_list: ContextVar[bool] = ContextVar("reading_list", default=False)


def require_no_list() -> None:
    """Raises HoldsTensors while NumPy reads a list. `Tensor.__array__` calls it."""
    if _reading_list.get():
        raise HoldsTensors


def asarray(value: Any, dtype: Any = None, what: str = "tensor") -> np.ndarray:
    """The value as a read-only copy. Python floats and lists of them become float32; integers, bools and NumPy values keep their dtype.

    Raises HoldsTensors for a list with tensors in it, DTypeError for what tensors cannot hold.
    """
    given = value
    if dtype is None and type(value) is np.ndarray and value.dtype in OWN and value.dtype.isnative:
        array = np.array(value, order="C")
        array.setflags(write=False)
        return array
    if isinstance(value, (np.ndarray, np.generic)):
        default = value.dtype
    else:
        value = _read(what, value)
        default = FLOAT if value.dtype.kind == "f" and not hasattr(given, "__array__") else value.dtype
    if not is_storable(value.dtype) or isinstance(value, np.ma.MaskedArray):
        raise _unreadable(what, given, value)
    target = check_dtype(default if dtype is None else dtype, what)
    with np.errstate(over="ignore"):
        array = np.array(value if target == value.dtype else cast(value, target), dtype=target, order="C")
    if target != value.dtype:
        require_held(what, value, array)
    array.flags.writeable = False
    return array


def cast(x: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """x in another dtype, rounded once. A float becomes the nearest integer towards zero that the dtype holds; NaN becomes 0."""
    if is_float(x.dtype) and dtype.kind in "iu":
        return _whole(x.astype(FLOAT) if x.dtype in HALVES else x, dtype)
    return _in_bfloat16(x) if dtype == BFLOAT16 and x.dtype.itemsize >= 4 and x.dtype != FLOAT else x.astype(dtype)


def _whole(x: np.ndarray, dtype: np.dtype) -> np.ndarray:
    info = np.iinfo(dtype)
    low, high = x < info.min, x >= 2.0**info.bits / (2 if dtype.kind == "i" else 1)
    kept = np.where(low | high | np.isnan(x), 0, x).astype(dtype)
    return np.where(low, np.array(info.min, dtype), np.where(high, np.array(info.max, dtype), kept))


def _in_bfloat16(x: np.ndarray) -> np.ndarray:
    """x in bfloat16, rounded once. (NumPy's cast from float64 rounds to float32 first.)"""
    exact = x.astype("float64")
    found = exact.astype(FLOAT)
    bits = found.view("uint32")
    cut = np.where(np.abs(found) > np.abs(exact), bits - np.uint32(1), bits)
    odd = np.where((found == exact) | np.isnan(exact), bits, cut | np.uint32(1)).view(FLOAT)  # so that no tie arises from rounding
    return odd.reshape(x.shape).astype(BFLOAT16)


def require_held(what: str, value: np.ndarray, array: np.ndarray) -> None:
    """Raises RangeError if by the conversion an integer wrapped, a float lost more than its fraction, or a finite one became infinite."""
    if array.dtype.kind in "iu" and value.dtype.kind in "iu":
        lost = array.astype(object) != value if array.size < 2 else array != value
    elif array.dtype.kind in "iu" and is_float(value.dtype):
        lost = array != np.trunc(value)
    elif is_float(array.dtype):
        lost = np.isinf(array) & np.isfinite(value)
    else:
        return
    if np.any(lost):
        raise RangeError(message(what, f"{value[lost].flat[0]} does not fit {array.dtype}", "Give a wider dtype"))


def _read(what: str, value: Any) -> np.ndarray:
    """The value as an array of any dtype. Raises DTypeError for ragged lists and for tensors of other libraries that cannot be read."""
    try:
        return _read_list(value) if isinstance(value, (list, tuple)) else np.asarray(value)
    except (AbstractValueError, HoldsTensors):
        raise
    except Exception as error:
        if hasattr(value, "__array__"):
            raise _not_ours(what, value, error) from None
        if not isinstance(value, (list, tuple)):
            raise
        raise dtype_error(
            what, f"cannot make a tensor from ragged nested lists, of lengths {_lengths(value)}", "Pad them, and pass a mask"
        ) from None


def _read_list(values: Any) -> np.ndarray:
    """NumPy finds the tensors in a list: it asks each for its array. So a list of numbers is read once, and no slower."""
    token = _reading_list.set(True)
    try:
        found = np.asarray(values)
    finally:
        _reading_list.reset(token)
    if found.dtype == object and any(isinstance(v, Dim) for v in found.flat):
        raise HoldsTensors
    return found


def _lengths(value: Any) -> str:
    return ", ".join(str(len(v)) if isinstance(v, (list, tuple)) else "none" for v in value[:8])


def _not_ours(what: str, value: Any, error: Exception) -> DTypeError:
    name = f"{type(value).__module__.split('.')[0]}.{type(value).__name__}"
    device = f" on {value.device}" if getattr(value, "device", None) is not None else ""
    fix = "Give it as .detach().numpy()" if getattr(value, "requires_grad", False) else "Bring it to the host as a NumPy array first"
    fix = "Give it in float32" if "bfloat16" in str(getattr(value, "dtype", "")) else fix
    return dtype_error(what, f"cannot read a {name}{device} ({str(error).splitlines()[0].rstrip('.')})", fix)


def _unreadable(what: str, given: Any, array: np.ndarray) -> DTypeError:
    """The error for a value whose array has a dtype that tensors cannot have."""
    if isinstance(array, np.ma.MaskedArray):
        return dtype_error(what, "a masked array would lose its mask", "Fill it with .filled(0), and pass the mask as weights")
    if isinstance(given, (np.ndarray, np.generic)):
        description = f"an array of dtype {array.dtype}"
    elif isinstance(given, int):
        description = f"{given}, which no integer dtype holds"
    elif isinstance(given, (str, bytes)):
        description = f"the text {given[:40]!r}"
    elif given is None or isinstance(given, (complex, float)):
        description = repr(given)
    else:
        kind = "function" if callable(given) and not _holds_arrays(given) else type(given).__name__
        description = f"a {kind} (it reads as dtype {array.dtype})"
    return dtype_error(what, f"cannot make a tensor from {description}", _remedy(given, array.dtype))


def _holds_arrays(given: Any) -> bool:
    return any(hasattr(v, "__array__") for v in getattr(given, "__dict__", {}).values())


def _remedy(given: Any, dtype: np.dtype) -> str:
    if isinstance(given, dict):
        return "Take its leaves apart with mg.tree.map" if type(given) is dict else "Make it a dict: other mappings are no trees"
    if dtype.kind == "c":
        return "Take .real and .imag"
    if _holds_arrays(given):
        return f"Derive {type(given).__name__} from mg.Module, or make it a dataclass: then it is a tree of its tensors"
    if dtype.kind == "f":
        return "Convert with .astype('float32')"
    if dtype.kind in "mM":
        return "Count in a unit, as in (t - t[0]) / np.timedelta64(1, 's')"
    return "Take bool, an integer, float32 or float64"
