"""From loop IR functions to callable `Kernel`s: object code is found in the process, found in the disk cache, or made by LLVM; and linked.

The unit of all this is one LLVM function. A process compiles and links equal functions once, whichever programs have them. The disk cache
has one entry a program, with the object code of all its functions.
"""

from __future__ import annotations

import ctypes
import functools
import itertools
import os
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import llvmlite
import llvmlite.binding as llvm
import numpy as np
from llvmlite.binding import ffi

from .. import loop_ir as L
from ..llvm.functions import OUTSIDE, Unit, outside
from ..llvm.to_llvm import Code, to_llvm
from ..verify import verify
from . import cache
from .assemble import FLAGS, assemble_all, machine, target_machine
from .memory import TUPLE_ITEMS

_lock = threading.RLock()
_engines: list[llvm.ExecutionEngine] = []  # an engine owns its machine code, so all engines are kept for the life of the process
_linked: dict[str, tuple[int, bytes]] = {}  # the address and the object code of each function of the process


def _hold() -> None:
    """Before a fork: wait until no other thread is in LLVM. The child would never see its locks released, nor its work completed."""
    _lock.acquire()
    ffi.lib._lock.__enter__()


def _let_go() -> None:
    ffi.lib._lock.__exit__()
    _lock.release()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(before=_hold, after_in_parent=_let_go, after_in_child=_let_go)


def compile_function(function: L.Function) -> Kernel:
    """The machine code of a function."""
    return kernels([function])[0]


def kernels(functions: Sequence[L.Function], timed: bool = False) -> list[Kernel]:
    """The machine code of functions that have the same arguments, sizes and locals. If it is timed, it calls `mg_mark`."""
    for f in functions:
        verify(f)
    if not functions:
        return []
    code = to_llvm(functions, timed=timed)
    for stmt in (s for f in functions for s in L.walk(f.body) if isinstance(s, L.Extern)):
        llvm.add_symbol(stmt.function.symbol, stmt.function.address)
    addresses = link(code.units)
    return [Kernel(f, code, addresses[name]) for f, name in zip(functions, code.entries, strict=True)]


class Kernel:
    """A loop IR function as machine code.

    Calls release the GIL. They may run in parallel, each with its own arena and outputs."""

    def __init__(self, function: L.Function, code: Code, address: int) -> None:
        self.function, self.code = function, code
        self._call = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_void_p] * 4, ctypes.c_int64)(address)
        self._sizes = ctypes.c_int64 * (len(function.sizes) + 1)
        self._arena_size = functools.lru_cache(256)(self._layout_size)

    def __call__(self, arrays: Sequence[np.ndarray], sizes: Sequence[int], arena: np.ndarray | None = None) -> tuple[int, int]:
        """Calls the function. The arrays must be contiguous and of the right type and size; this is not checked. Returns (code, value)."""
        return self.call(tuple(arrays), sizes, self.arena(*sizes) if arena is None else arena)

    def call(
        self, arrays: tuple[np.ndarray, ...], sizes: Sequence[int], arena: np.ndarray, board: Any = None, worker: bool = False
    ) -> tuple[int, int]:
        """Calls the function: without a board on one thread, with a board as the main thread or a worker of a parallel region.

        A tuple holds the addresses of its objects one after the other: it is the table that the function reads."""
        slots = self._sizes(*sizes)
        code = self._call(id(arrays) + TUPLE_ITEMS, slots, id(arena), board, worker)
        return code, slots[len(sizes)]

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

        code = to_llvm([self.function], through=None)
        native = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_void_p] * 3, *[ctypes.c_int64] * 2)(link(code.units)[code.entries[0]])

        @numba.njit(nogil=True)  # type: ignore[untyped-decorator]
        def entry(pointers: Any, sizes: Any, arena: Any) -> Any:
            return native(pointers.ctypes, sizes.ctypes, arena.ctypes, 0, 0)

        return entry

    def _layout_size(self, *sizes: int) -> int:
        names = (s.name for s in self.function.sizes)
        return self.function.layout(dict(zip(names, sizes, strict=True)))[1]


def link(units: Sequence[Unit]) -> dict[str, int]:
    """The address of each function; of those that are new in the process after compiling, or loading from the disk cache, and linking."""
    with _lock:
        shared = {name for u in units for name in OUTSIDE.findall(u.text)}
        features = machine()[2].split(",")
        groups = [*([outside(name, features)] for name in sorted(shared - _linked.keys())), units]
        found = zip(itertools.chain(*groups), itertools.chain(*_object_code(groups)), strict=True)
        new = {u.name: (u, c) for u, c in found if u.name not in _linked}
        if new:
            engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target_machine())
            for _, code in new.values():
                engine.add_object_file(llvm.ObjectFileRef.from_data(code))
            engine.finalize_object()
            _engines.append(engine)
            for unit, code in new.values():
                addresses = [engine.get_function_address(name) for name in (unit.name, *unit.others)]
                for name, address in zip((unit.name, *unit.others), addresses, strict=True):
                    llvm.add_symbol(name, address)
                _linked[unit.name] = addresses[0], code
        return {u.name: _linked[u.name][0] for u in units}


def _object_code(groups: Sequence[Sequence[Unit]]) -> list[list[bytes]]:
    """The object code of groups of functions. Each group is an entry of the disk cache."""
    names = [cache.key(*(u.text for u in group), FLAGS, *machine(), *_versions()) for group in groups]
    loaded = [cache.load(name) for name in names]
    missing = [u for group, data in zip(groups, loaded, strict=True) if data is None for u in group if u.name not in _linked]
    made = dict(zip((u.name for u in missing), assemble_all(missing), strict=True))
    found = []
    for name, group, data in zip(names, groups, loaded, strict=True):
        if data is None:
            codes = [made[u.name] if u.name in made else _linked[u.name][1] for u in group]
            cache.save(name, b"".join(len(c).to_bytes(8, "little") + c for c in codes))
        else:
            codes = _parts(data)
        found.append(codes)
    return found


def _parts(data: bytes) -> list[bytes]:
    """The parts of an entry, each after its length."""
    found, at = [], 0
    while at < len(data):
        start, at = at + 8, at + 8 + int.from_bytes(data[at : at + 8], "little")
        found.append(data[start:at])
    return found


def _versions() -> tuple[str, ...]:
    return llvmlite.__version__, ".".join(map(str, llvm.llvm_version_info))
