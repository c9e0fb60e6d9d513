"""Parallel regions on the threads of an OpenMP library, with which another library of the process computes.

Such a thread keeps its core while it waits: it looks for its next region for milliseconds before it sleeps. Our own workers would have to
share that core, so the thread does their work.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import llvmlite.binding as llvm
import numpy as np

from ..llvm.functions import Unit
from ..llvm.llvm_text import Text
from ..llvm.work_board import THREADS, TICKET
from .kernel import Kernel
from .link import link
from .memory import TUPLE_ITEMS

PROCESS = os.getpid()  # which a forked child is not
KERNEL, ARRAYS, ARENA, BOARD, CODE, SIZES = range(6)  # the words that describe a call; the sizes end with the value of a failed check


class OpenMP:
    """The threads that a library has for the thread that calls. There is one library in a process, or none."""

    def __init__(self, library: ctypes.CDLL, threads: Callable[[], int]):
        llvm.add_symbol("omp_get_thread_num", _address(library.omp_get_thread_num))
        self._region = link([_region()])["mg_region"]
        arguments = ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint
        self._parallel = ctypes.CFUNCTYPE(None, *arguments)(_address(library.GOMP_parallel))
        self._threads = threads

    def threads(self) -> int:
        """How many there are. In a forked child, where the library would wait for threads that are gone, there is one."""
        return self._threads() if os.getpid() == PROCESS else 1

    def call(
        self, kernel: Kernel, arrays: tuple[np.ndarray, ...], sizes: tuple[int, ...], arena: np.ndarray, board: Any
    ) -> tuple[int, int]:
        """Calls a kernel on all of them, the calling thread being the main one. Returns when all have returned."""
        words = kernel.address, id(arrays) + TUPLE_ITEMS, id(arena), ctypes.addressof(board), 0, *sizes, 0
        call = (ctypes.c_int64 * len(words))(*words)
        self._parallel(self._region, call, 0, 0)  # another number than the library's own would start and end threads
        return call[CODE], call[-1]


# Whose threads do the work, instead of our workers. A long call runs in a thread of its own, which has none.
current: ContextVar[OpenMP | None] = ContextVar("openmp", default=None)


def _address(function: Any) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0


def _region() -> Unit:
    """What each thread does: the first ones call the kernel, and the main one ends the region."""
    text = Text()

    def place(of: str, i: int) -> str:
        return text.emit(f"getelementptr i64, ptr {of}, i64 {i}")

    kernel, arrays, arena, board = (text.emit(f"load ptr, ptr {place('%call', i)}") for i in (KERNEL, ARRAYS, ARENA, BOARD))
    number = text.emit(f"zext i32 {text.call('i32', 'omp_get_thread_num')} to i64")
    wanted = text.emit(f"icmp ult i64 {number}, {text.emit(f'load i64, ptr {place(board, THREADS)}')}")
    with text.when(wanted):
        sizes = place("%call", SIZES)
        code = text.emit(f"call i64 {kernel}(ptr {arrays}, ptr {sizes}, ptr {arena}, ptr {board}, i64 {number})")
        with text.when(text.emit(f"icmp eq i64 {number}, 0")):
            text.do(f"store atomic i64 -1, ptr {place(board, TICKET)} release, align 8")
            text.do(f"store i64 {code}, ptr {place('%call', CODE)}")
    head = "define void @mg_region(ptr %call) {"
    return Unit("mg_region", "\n".join([*text.declarations.values(), head, "entry:", *text.lines, "  ret void", "}"]), plain=True)
