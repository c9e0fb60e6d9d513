"""The value of an operation from the values of its arguments, by its NumPy rule."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextvars import Context
from typing import Any

import numpy as np

from .dims import product
from .errors import OutOfMemoryError, message
from .ir import Primitive
from .types import TensorType


class _Silent(threading.local):
    """A context without floating-point warnings; entering it is ten times faster than np.errstate, but it cannot be entered twice."""

    def __init__(self) -> None:
        self.run = Context().run
        self.run(np.seterr, all="ignore")


_silent = _Silent()


def _run_silent(f: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    with np.errstate(all="ignore"):
        return f(*args, **kwargs)


def compute(op: Primitive, values: Sequence[Any], attrs: dict[str, Any]) -> Any:
    """The NumPy rule, silent about overflow and invalid values; results are read-only."""
    try:
        value = (_silent.run if op.elementwise else _run_silent)(op.numpy, *values, **attrs)
    except MemoryError:
        raise OutOfMemoryError(message(op.name, _too_large(op, values, attrs), "Sum before you broadcast, or work on parts")) from None
    return tuple(map(_frozen, value)) if type(value) is tuple else _frozen(value)


def _too_large(op: Primitive, values: Sequence[Any], attrs: dict[str, Any]) -> str:
    found = op.type(*(TensorType(v.shape, v.dtype) for v in values), **attrs)
    types = [found] if isinstance(found, TensorType) else found
    needed = sum(int(product(t.shape)) * t.dtype.itemsize for t in types)
    return f"{', '.join(map(str, types))} needs {needed / 2**30:,.1f} GiB, more than there is"


def _frozen(value: Any) -> np.ndarray:
    array = value if type(value) is np.ndarray else np.asarray(value)
    array.flags.writeable = False
    return array
