"""A compiled minigrad function for the user's own @numba.njit code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numba
import numpy as np
from numba import types

from ..compiled import Compiled, jit
from ..errors import GraphError, message

WHAT = "export.numba"


def function(f: Callable[..., Any], *args: Any) -> Any:
    """f compiled for arrays of the shapes and dtypes of args: an @njit function g(*inputs, *results) that fills the results.

    Inputs and results are the leaves of the arguments and of what f returns, as contiguous arrays, 0-d ones too. g runs on the thread that
    calls it. Another dtype or number of axes is refused where the caller is compiled; another length, or a result that shares memory with
    another array, is a ValueError. An index out of bounds, and whatever else f raises, is a RuntimeError. What f takes from outside has
    the values of now.
    """
    compiled = f if isinstance(f, Compiled) else jit(f)
    found, arrays = compiled.specialized(*args)
    executable, results = found.program.executable, found.types
    if executable is None:
        raise GraphError(message(WHAT, f"{found.program.graph.name} does not compile: {found.program.why_not}"))
    given = len(arrays) - len(found.program.outside(compiled.function) or ())
    inputs, fixed = arrays[:given], [np.array(a, order="C") for a in arrays[given:]] + list(executable.lowered.constants)
    ins, outs = [f"x{i}" for i in range(given)], [f"y{i}" for i in range(len(results))]
    shapes = dict(zip([*ins, *outs], [a.shape for a in inputs] + [r.shape for r in results], strict=True))
    lines = [f"def g({', '.join([*ins, *outs])}):", *_checks(shapes, outs)]
    pointers = [*(f"{x}.ctypes.data" for x in ins), *(str(a.ctypes.data) for a in fixed), *(f"{y}.ctypes.data" for y in outs)]
    lines += [f"    pointers = np.array([{', '.join(pointers)}], np.uint64)"]
    lines += [f"    sizes, arena = np.array({[*found.numbers, 0]}, np.int64), np.empty({_arena(executable, found.numbers)}, np.uint8)"]
    for i in range(len(executable.kernels)):
        lines += [f"    if phase{i}(pointers, sizes, arena):", f"        raise RuntimeError({f'{compiled.__name__}: a check failed'!r})"]
    scope = {"np": np, "fixed": fixed, **{f"phase{i}": k.entry for i, k in enumerate(executable.kernels)}}  # g keeps what it points to
    exec("\n".join(lines), scope)  # numba compiles functions with a fixed number of arguments
    signature = [_array(a.dtype, a.ndim, True) for a in inputs] + [_array(r.dtype, r.ndim, False) for r in results]
    return numba.njit(types.none(*signature), nogil=True)(scope["g"])


def _arena(executable: Any, numbers: tuple[int, ...]) -> int:
    return executable.kernels[0].arena(*numbers).nbytes if executable.kernels else 0


def _array(dtype: np.dtype, ndim: int, readonly: bool) -> Any:
    return types.Array(numba.from_dtype(dtype), ndim, "C", readonly=readonly)


def _checks(shapes: dict[str, tuple[int, ...]], outs: Sequence[str]) -> list[str]:
    """Lines that raise for other lengths, and for results that share memory with another array."""
    lines = []
    for name, shape in shapes.items():
        for axis, n in enumerate(shape):
            lines += [f"    if {name}.shape[{axis}] != {n}:", f'        raise ValueError("{WHAT}: {name} must have the shape {shape}")']
    for i, (name, shape) in enumerate(shapes.items()):
        for other in list(shapes)[i + 1 :]:
            if other in outs and 0 not in (*shape, *shapes[other]):
                a, b = (f"{x}.ctypes.data" for x in (name, other))
                lines += [f"    if {a} < {b} + {other}.nbytes and {b} < {a} + {name}.nbytes:"]
                lines += [f'        raise ValueError("{WHAT}: {name} and {other} share memory")']
    return lines
