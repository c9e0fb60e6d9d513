"""LLVM modules to object code, on as many threads as the process has cores."""

from __future__ import annotations

import ctypes
import functools
import sys
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import llvmlite.binding as llvm
from llvmlite.binding import ffi

from ..llvm.functions import Unit
from .worker import cores, system_functions

FLAGS = "O2 vectorize no-interleave no-unroll no-slp; functions without loops O0"
THREADS_FROM = 20_000  # characters of LLVM text that are worth starting threads, some 30 ms of compiling
_machines: dict[tuple[bool, tuple[str, str, str]], list[llvm.TargetMachine]] = {}  # those that no thread uses now


def assemble_all(units: Sequence[Unit]) -> list[bytes]:
    """The object code of each unit."""
    threads = min(cores(), len(units))
    if threads < 2 or sum(len(u.text) for u in units) < THREADS_FROM:
        return [assemble(u.text, u.plain) for u in units]
    with ThreadPoolExecutor(threads, "minigrad compiles") as pool:
        try:
            jobs = {u.name: pool.submit(assemble, u.text, u.plain) for u in sorted(units, key=lambda u: -len(u.text))}
        except RuntimeError:  # no more threads can start, or the process ends
            return [assemble(u.text, u.plain) for u in units]
        try:
            return [jobs[u.name].result() for u in units]
        finally:
            pool.shutdown(cancel_futures=True)


def begin(unit: Unit) -> Future[bytes] | None:
    """The object code of a unit to come, on another core; None if there is no other core or thread."""
    if cores() < 2:
        return None
    pool = ThreadPoolExecutor(1, "minigrad compiles")
    try:
        return pool.submit(assemble, unit.text, unit.plain)
    except RuntimeError:
        return None
    finally:
        pool.shutdown(wait=False)


def assemble(text: str, plain: bool = False) -> bytes:
    """The object code of a module."""
    free = _machines.setdefault((plain, machine()), [])
    try:
        target = free.pop()
    except IndexError:
        target = target_machine(plain)
    module = optimized(text, plain, target)
    with ffi.OutputString() as problem:
        buffer = _unlocked("LLVMPY_TargetMachineEmitToMemory")(target, module, 1, problem)
        if not buffer:
            raise RuntimeError(str(problem))
    start, size = ffi.lib.LLVMPY_GetBufferStart(buffer), ffi.lib.LLVMPY_GetBufferSize(buffer)
    code = ctypes.string_at(start, size)
    ffi.lib.LLVMPY_DisposeMemoryBuffer(buffer)
    free.append(target)
    return code


def optimized(text: str, plain: bool = False, target: llvm.TargetMachine | None = None) -> llvm.ModuleRef:
    """The module after LLVM's passes, in a context of its own, so that other threads may compile at the same time."""
    target = target or target_machine(plain)
    module = llvm.parse_assembly(text, llvm.create_context())
    module.triple, module.data_layout = target.triple, str(target.target_data)
    module.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=0 if plain else 2)
    options.loop_vectorization = not plain
    options.loop_interleaving = options.loop_unrolling = options.slp_vectorization = False  # each makes compiling and running slower
    builder = llvm.create_pass_builder(target, options)
    _unlocked("LLVMPY_RunNewModulePassManager")(builder.getModulePassManager(), module, builder)
    return module


@functools.cache
def _unlocked(name: str) -> ctypes._NamedFuncPointer:
    """A function of llvmlite without llvmlite's lock, which lets only one thread be in LLVM. LLVM needs none: each module has a context
    of its own, and each target machine is used by one thread at a time."""
    function, locked = getattr(ctypes.CDLL(ffi.lib._name), name), getattr(ffi.lib, name)
    function.argtypes, function.restype = locked.argtypes, locked.restype
    return function  # type: ignore[no-any-return]


def target_machine(plain: bool = False) -> llvm.TargetMachine:
    triple, cpu, features = machine()
    target = llvm.Target.from_triple(triple)
    return target.create_target_machine(cpu=cpu, features=features, opt=0 if plain else 3, reloc="static", codemodel="jitdefault", jit=True)


@functools.cache
def machine() -> tuple[str, str, str]:
    """The triple, the processor and its features."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    for name, address in system_functions().items():
        llvm.add_symbol(name, address)
    if sys.platform == "win32":  # LLVM calls it in functions with more than a page on the stack, such as a matrix product's
        llvm.add_symbol("__chkstk", ctypes.cast(ctypes.WinDLL("ntdll")["__chkstk"], ctypes.c_void_p).value or 0)
    return llvm.get_process_triple(), llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


def has_masks() -> bool:
    """Whether the processor computes with some elements of a vector as fast as with all: that is so with AVX-512."""
    return "+avx512vl" in machine()[2].split(",")
