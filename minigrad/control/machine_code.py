"""A user's numba function as machine code for arguments of given types: for calls from Python, and from compiled programs by symbol.

A compiled program on disk names the symbol, not an address. So a symbol must be the same in each process; it contains a hash of the
function's code. Two functions that have the same code, such as closures, get numbers, and their order is that of first use. If another
process numbers them in another order, a program there still calls the function that it was made with, under the name that it has there.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from functools import cache, cached_property
from types import CodeType
from typing import Any, NamedTuple

import numba
import numpy as np
from numba import types
from numba.core.dispatcher import Dispatcher

_named: dict[str, MachineCode] = {}  # by symbol; machine code that calls them lives as long as the process


class Kind(NamedTuple):
    """What machine code depends on in the type of an array."""

    dtype: str
    ndim: int


class MachineCode:
    """f(*inputs, *outputs) for contiguous arrays of these kinds. Inputs are read-only, 0-d inputs are numbers."""

    def __init__(self, f: Dispatcher, inputs: Sequence[Kind], outputs: Sequence[Kind]):
        self.f, self.kinds = f, (*inputs, *outputs)
        self.numbers = [i < len(inputs) and kind.ndim == 0 for i, kind in enumerate(self.kinds)]
        signature = tuple(
            _scalar(kind) if number else types.Array(_scalar(kind), kind.ndim, "C", readonly=i < len(inputs))
            for i, (kind, number) in enumerate(zip(self.kinds, self.numbers, strict=True))
        )
        self.run = numba.njit(signature, **_options(f))(f.py_func)
        returned = self.run.nopython_signatures[0].return_type
        if returned != types.none:
            raise TypeError(f"it returns {returned}, and must write its results into its last {len(outputs)} arguments")

    def __repr__(self) -> str:
        return f"<machine code {self.symbol}>"

    def __call__(self, *arrays: Any) -> int:
        """Run it. Returns 0, or 1 if it raised an exception."""
        try:
            self.call(*arrays)
        except Exception:
            return 1
        return 0

    def call(self, *arrays: np.ndarray) -> None:
        """Run it. Its exception comes through."""
        self.run(*(a[()] if number else np.require(a, requirements=["C", "A"]) for a, number in zip(arrays, self.numbers, strict=True)))

    @cached_property
    def symbol(self) -> str:
        code = [_content(self.f.py_func.__code__), *map(str, self.kinds), str(sum(self.numbers)), numba.__version__]
        stem = f"mg_kernel_{hashlib.sha256(repr(code).encode()).hexdigest()[:16]}"
        names = (f"{stem}_{number}" for number in itertools.count())
        return next(name for name in names if _named.setdefault(name, self) is self)

    @property
    def address(self) -> int:
        """The address of `int64 symbol(pointers…, lengths…)`, which returns what a call from Python returns."""
        return self._function.address

    @cached_property
    def _function(self) -> Any:
        lengths = [[f"n{i}_{axis}" for axis in range(kind.ndim)] for i, kind in enumerate(self.kinds)]
        given = [_given(f"p{i}", ns, number) for i, (ns, number) in enumerate(zip(lengths, self.numbers, strict=True))]
        names = [*(f"p{i}" for i in range(len(self.kinds))), *itertools.chain(*lengths)]
        lines = [
            f"def entry({', '.join(names)}):",
            "    try:",
            f"        run({', '.join(given)})",
            "    except Exception:",
            "        return 1",
        ]
        scope: dict[str, Any] = {"carray": numba.carray, "run": self.run}
        exec("\n".join([*lines, "    return 0"]), scope)  # numba compiles functions with a fixed number of arguments
        pointers = [types.CPointer(_scalar(kind)) for kind in self.kinds]
        return numba.cfunc(types.int64(*pointers, *[types.int64] * sum(map(len, lengths))))(scope["entry"])


def _given(pointer: str, lengths: Sequence[str], number: bool) -> str:
    """An argument of the user's function, in the text of the C function."""
    if number:
        return f"{pointer}[0]"
    return f"carray({pointer}, ({', '.join(lengths)},))" if lengths else f"carray({pointer}, (1,)).reshape(())"


def _scalar(kind: Kind) -> types.Type:
    return numba.from_dtype(np.dtype(kind.dtype))


def _options(f: Dispatcher) -> dict[str, Any]:
    """The options of the user's @njit. Indices are checked unless it says otherwise."""
    given = {k: v for k, v in f.targetoptions.items() if k != "nopython"}
    return given | {"boundscheck": given.get("boundscheck") is not False}


def _content(code: CodeType) -> Any:
    """What a function's code consists of, without places in files."""
    constants = [_content(c) if isinstance(c, CodeType) else repr(c) for c in code.co_consts]
    return code.co_name, code.co_code, code.co_names, constants


machine_code = cache(MachineCode)
