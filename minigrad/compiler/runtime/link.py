"""From a loop IR function to a callable `Kernel`: LLVM optimises it and emits object code, which the disk cache keeps."""

from __future__ import annotations

import ctypes
import functools
import importlib.metadata
import os
import re
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from llvmlite.binding import ffi

from .. import loop_ir as L
from ..llvm.gemm import gemm_module
from ..llvm.gemm_kernels import tile
from ..llvm.to_llvm import to_llvm
from ..verify import verify
from . import cache
from .memory import TUPLE_ITEMS
from .worker import system_functions

_FLAGS = "O3 vectorize no-interleave no-unroll no-slp"
_lock = threading.RLock()
_engines: list[llvm.ExecutionEngine] = []  # an engine owns its machine code, so all engines are kept for the life of the process


def _hold() -> None:
    """Before a fork: wait until no other thread is in LLVM. The child would never see its locks released, nor its work completed."""
    _lock.acquire()
    ffi.lib._lock.__enter__()


def _let_go() -> None:
    ffi.lib._lock.__exit__()
    _lock.release()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(before=_hold, after_in_parent=_let_go, after_in_child=_let_go)


class Kernel:
    """A loop IR function as machine code, compiled or loaded from the disk cache.

    Calls release the GIL. They may run in parallel, each with its own arena and outputs."""

    def __init__(self, function: L.Function, timed: bool = False) -> None:
        verify(function)
        self.function = function
        self.llvm = to_llvm(function, timed)
        for stmt in L.walk(function.body):
            if isinstance(stmt, L.Extern):
                llvm.add_symbol(stmt.function.symbol, stmt.function.address)
        arrays = f"{function.name}.arrays"
        addresses = link(self.llvm, (function.name, arrays))
        pointers = [ctypes.c_void_p] * 3
        self.address = addresses[function.name]
        self.native = ctypes.CFUNCTYPE(ctypes.c_int64, *pointers)(self.address)
        self._call = ctypes.CFUNCTYPE(ctypes.c_int64, *pointers, ctypes.c_void_p, ctypes.c_int64)(addresses[arrays])
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

        native = self.native

        @numba.njit(nogil=True)  # type: ignore[untyped-decorator]
        def entry(pointers: Any, sizes: Any, arena: Any) -> Any:
            return native(pointers.ctypes, sizes.ctypes, arena.ctypes)

        return entry

    def _layout_size(self, *sizes: int) -> int:
        names = (s.name for s in self.function.sizes)
        return self.function.layout(dict(zip(names, sizes, strict=True)))[1]


def link(text: str, names: Sequence[str]) -> dict[str, int]:
    """Compiles a module, or loads it from the cache, links it, and returns the addresses of functions that it defines."""
    with _lock:
        for symbol in re.findall(r"^declare .*@(mg_gemm_\w+)\(", text, re.MULTILINE):
            _provide(symbol)
        name = cache.key(text, _FLAGS, *_machine(), *_versions())
        code = cache.load(name)
        if code is None:
            code = _assemble(text)
            cache.save(name, code)
        engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _target_machine())
        engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        engine.finalize_object()
        _engines.append(engine)
        return {name: engine.get_function_address(name) for name in names}


@functools.cache
def _provide(symbol: str) -> None:
    """Links a matrix product, once in a process, so that other modules can call it."""
    text = gemm_module(tile(symbol.removeprefix("mg_gemm_"), _machine()[2].split(",")))
    llvm.add_symbol(symbol, link(text, [symbol])[symbol])


def _assemble(text: str) -> bytes:
    return _target_machine().emit_object(optimized(text))


def optimized(text: str) -> llvm.ModuleRef:
    """The module after LLVM's passes."""
    machine = _target_machine()
    module = llvm.parse_assembly(text)
    module.triple, module.data_layout = machine.triple, str(machine.target_data)
    module.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = True
    options.loop_interleaving = options.loop_unrolling = options.slp_vectorization = False  # each makes compiling and running slower
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    return module


def _target_machine() -> llvm.TargetMachine:
    triple, cpu, features = _machine()
    target = llvm.Target.from_triple(triple)
    return target.create_target_machine(cpu=cpu, features=features, opt=3, reloc="pic", codemodel="jitdefault", jit=True)


@functools.cache
def _machine() -> tuple[str, str, str]:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    for name, address in system_functions().items():
        llvm.add_symbol(name, address)
    if sys.platform == "win32":  # LLVM calls it in functions with more than a page on the stack, such as a matrix product's
        llvm.add_symbol("__chkstk", ctypes.cast(ctypes.WinDLL("ntdll")["__chkstk"], ctypes.c_void_p).value or 0)
    return llvm.get_process_triple(), llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


@functools.cache
def _versions() -> tuple[str, ...]:
    return tuple(importlib.metadata.version(package) for package in ("llvmlite", "numba"))
