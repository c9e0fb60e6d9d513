"""Functions of the loop IR as callable machine code."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import llvmlite.binding as llvm
import numpy as np

from .. import loop_ir as L
from ..llvm.to_llvm import Code, to_llvm
from ..verify import verify
from .assemble import has_masks
from .link import link
from .objects import caller


def compile_function(function: L.Function) -> Kernel:
    """The machine code of a function."""
    return kernels([function])[0]


def kernels(functions: Sequence[L.Function], timed: bool = False) -> list[Kernel]:
    """The machine code of functions that have the same arguments, sizes and locals. If it is timed, it calls `mg_mark`."""
    for f in functions:
        verify(f)
    if not functions:
        return []
    code = to_llvm(functions, timed=timed, masks=has_masks())
    for stmt in (s for f in functions for s in L.walk(f.body) if isinstance(s, L.Extern)):
        llvm.add_symbol(stmt.function.symbol, stmt.function.address)
    addresses = link(code.units)
    return [Kernel(f, code, addresses[name]) for f, name in zip(functions, code.entries, strict=True)]


class Kernel:
    """A loop IR function as machine code.

    Calls release the GIL. They may run in parallel, each with its own arena and outputs."""

    def __init__(self, function: L.Function, code: Code, address: int) -> None:
        self.function, self.code, self.address = function, code, address
        self._call = caller(address, len(function.sizes))
        self._arena_size = functools.lru_cache(256)(self._layout_size)

    def __call__(self, arrays: Sequence[np.ndarray], sizes: Sequence[int], arena: np.ndarray | None = None) -> tuple[int, int]:
        """Calls the function. The arrays must be contiguous and of the right type and size; this is not checked. Returns (code, value)."""
        return self.call(tuple(arrays), tuple(sizes), self.arena(*sizes) if arena is None else arena)

    def call(
        self, arrays: tuple[np.ndarray, ...], sizes: tuple[int, ...], arena: np.ndarray, board: Any = None, worker: bool = False
    ) -> tuple[int, int]:
        """Calls the function: without a board on one thread, with a board as the main thread or a worker of a parallel region."""
        return self._call(arrays, sizes, arena, 0 if board is None else ctypes.addressof(board), worker)

    def arena(self, *sizes: int) -> np.ndarray:
        """Working memory for these sizes, for one call at a time."""
        return np.empty(self._arena_size(*sizes) + L.ALIGNMENT, np.uint8)

    def run(self, args: Mapping[str, np.ndarray], sizes: Mapping[str, int]) -> tuple[int, int]:
        """Like `run_python`: the arguments are given by name and checked."""
        arrays = [args[b.name] for b in self.function.arguments]
        for b, array in zip(self.function.arguments, arrays, strict=True):
            if array.dtype != b.dtype or not array.flags.c_contiguous:
                raise TypeError(f"{b.name}: expected a contiguous array of {b.dtype}, got {array.dtype}")
        return self(arrays, [sizes[s.name] for s in self.function.sizes])

    @functools.cached_property
    def entry(self) -> Any:
        """`entry(pointers: uint64[:], sizes: int64[:], arena: uint8[:]) -> int64`, for use inside `@njit` code.

        `pointers` are the arrays' addresses; `sizes` has one more element, for the value of a failed check."""
        import numba

        code = to_llvm([self.function], through=None, masks=has_masks())
        native = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_void_p] * 3, *[ctypes.c_int64] * 2)(link(code.units)[code.entries[0]])

        @numba.njit(nogil=True)  # type: ignore[untyped-decorator]
        def entry(pointers: Any, sizes: Any, arena: Any) -> Any:
            return native(pointers.ctypes, sizes.ctypes, arena.ctypes, 0, 0)

        return entry

    def _layout_size(self, *sizes: int) -> int:
        names = (s.name for s in self.function.sizes)
        return self.function.layout(dict(zip(names, sizes, strict=True)))[1]
