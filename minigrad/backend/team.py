"""Two threads on one phase.

One thread does a phase from start to end and opens its `Shared` statements one by one on a board. A helper that comes, however
late, takes parts of what is open. Nobody waits for a helper that has not come: the first thread takes the parts that are left.
The board holds int64: how many statements were opened, or -1 when all is over; for each statement the parts taken and the
parts done; for each part the code and the value of a failed check.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any

from .llvm_text import Text

PARTS = 2
SPINS = 2000  # looks at the board before giving way to other threads, about a microsecond

WAIT = f"""
declare void @mg_give_way()
define internal i64 @mg_wait(ptr %cell, i64 %least) #1 {{
entry:
  br label %look
look:
  %tries = phi i64 [0, %entry], [%next, %again], [%next, %yield]
  %value = load atomic i64, ptr %cell acquire, align 8
  %enough = icmp uge i64 %value, %least
  br i1 %enough, label %end, label %again
again:
  %spin = icmp ult i64 %tries, {SPINS}
  %next = add i64 %tries, 1
  br i1 %spin, label %look, label %yield
yield:
  call void @mg_give_way()
  br label %look
end:
  ret i64 %value
}}
"""


def give_way() -> int:
    """The address of the system's function that lets other threads run."""
    if sys.platform == "win32":
        function = ctypes.WinDLL("kernel32").SwitchToThread
    else:
        function = ctypes.CDLL(None).sched_yield
    return ctypes.cast(function, ctypes.c_void_p).value or 0


# ---- the board


def board_size(statements: int) -> int:
    return 1 + 2 * statements + 2 * PARTS


class Board:
    """Writes what the threads do with the board of a phase that has so many shared statements."""

    def __init__(self, text: Text, statements: int) -> None:
        self.text, self.statements, self.numbers = text, statements, itertools.count()

    def cell(self, i: int | str) -> str:
        return self.text.emit(f"getelementptr i64, ptr %team.board, i64 {i}")

    @contextmanager
    def first_only(self) -> Iterator[None]:
        with self.text.when(self.text.emit("xor i1 %team.helps, true")):
            yield

    def open(self, statement: int) -> None:
        """Opens a statement, or waits until it is open; leaves the function when all is over."""
        with self.first_only():
            self.text.do(f"store atomic i64 {statement + 1}, ptr {self.cell(0)} release, align 8")
        with self.text.when("%team.helps"):
            opened = self.text.emit(f"call i64 @mg_wait(ptr {self.cell(0)}, i64 {statement + 1})")
            with self.text.when(self.text.emit(f"icmp eq i64 {opened}, -1"), leaves=True):
                self.text.do("ret i64 0")

    def parts(self, statement: int, do: Callable[[str, str], str]) -> None:
        """Takes parts while there are any. `do` writes the work on a part, with a place for the value of a failed check; gives its code."""
        text, n = self.text, self.text.fresh()
        text.do(f"br label %take.{n}")
        text.label(f"take.{n}")
        part = text.emit(f"atomicrmw add ptr {self.cell(1 + 2 * statement)}, i64 1 acq_rel")
        text.do(f"br i1 {text.emit(f'icmp ult i64 {part}, {PARTS}')}, label %part.{n}, label %taken.{n}")
        text.label(f"part.{n}")
        error = text.emit(f"add i64 {1 + 2 * self.statements}, {text.emit(f'mul i64 {part}, 2')}")
        code = do(part, self.cell(text.emit(f"add i64 {error}, 1")))
        if code:
            text.do(f"store i64 {code}, ptr {self.cell(error)}")
        text.emit(f"atomicrmw add ptr {self.cell(2 + 2 * statement)}, i64 1 release")
        text.do(f"br label %take.{n}")
        text.label(f"taken.{n}")

    def close(self, statement: int, checked: bool) -> None:
        """Waits for the parts that a helper took; the first that failed ends the function."""
        text = self.text
        with self.first_only():
            text.emit(f"call i64 @mg_wait(ptr {self.cell(2 + 2 * statement)}, i64 {PARTS})")
            for part in range(PARTS) if checked else ():
                at = 1 + 2 * self.statements + 2 * part
                code = text.emit(f"load i64, ptr {self.cell(at)}")
                with text.when(text.emit(f"icmp ne i64 {code}, 0"), leaves=True):
                    text.do(f"store i64 {text.emit(f'load i64, ptr {self.cell(at + 1)}')}, ptr %error.slot")
                    text.do(f"ret i64 {code}")


# ---- the helper

_jobs: list[SimpleQueue[Callable[[], Any]]] = []
if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_jobs.clear)


def invite(job: Callable[[], Any]) -> None:
    """Have the second thread run a job when it gets to it."""
    if not _jobs:
        _jobs.append(SimpleQueue())
        threading.Thread(target=_serve, args=(_jobs[0],), name="minigrad", daemon=True).start()
    _jobs[0].put(job)


def _serve(jobs: SimpleQueue[Callable[[], Any]]) -> None:
    while True:
        jobs.get()()


def one_thread() -> bool:
    """Whether compiled functions do without the second thread: on one core, or by MINIGRAD_THREADS=1."""
    return os.environ.get("MINIGRAD_THREADS") == "1" or os.cpu_count() == 1
