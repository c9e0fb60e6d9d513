"""Two threads on one phase.

Both run the same function. The leader does all of it, from start to end, and opens its `Shared` statements one by one on a board.
A helper that comes, however late, does nothing but the second parts of what is open. Nobody waits for a helper that has not come:
the leader takes the parts that are left. A loop over time with shared statements inside is run by both, in step.
The board holds int64: how many statements were opened, or -1 when all is over; of how many the second part was taken; how many of
those that the helper took are done; for each part the code and the value of a failed check.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any

from .llvm_text import Text

PARTS = 2
SPINS = 40000  # looks at the board before giving way to other threads, some tens of microseconds

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

OPENED, TAKEN, DONE, ERRORS = 0, 8, 16, 24  # cells on cache lines of their own
CELLS = ERRORS + 2 * PARTS
new_board = ctypes.c_int64 * CELLS


class Board:
    """Writes what the threads do with the board. `%team.turn` points to the number of statements that this thread has passed."""

    def __init__(self, text: Text) -> None:
        self.text = text

    def cell(self, i: int) -> str:
        return self.text.emit(f"getelementptr i64, ptr %team.board, i64 {i}")

    @contextmanager
    def by_leader(self) -> Iterator[None]:
        """What is no shared statement: a helper passes it over, unless both do all of a part of their own."""
        leads = self.text.emit("xor i1 %team.helps, true")
        with self.text.when(self.text.emit(f"or i1 {leads}, %team.alone")):
            yield

    def share(self, part: Callable[[int, str], str]) -> None:
        """Both parts of a statement. `part` writes the work on one, with a place for the value of a failed check; gives its code."""
        text = self.text
        turn = text.emit("load i64, ptr %team.turn")
        after = text.emit(f"add i64 {turn}, 1")
        text.do(f"store i64 {after}, ptr %team.turn")
        with text.when(text.emit("xor i1 %team.helps, true")):
            text.do(f"store atomic i64 {after}, ptr {self.cell(OPENED)} release, align 8")
            checked = self._do(part, 0)
            taken = self._take(turn, after)
            with text.when(taken):
                self._do(part, 1)
            with text.when(text.emit(f"xor i1 {taken}, true")):
                text.emit(f"call i64 @mg_wait(ptr {self.cell(DONE)}, i64 {after})")
            if checked:
                self._leave_if_failed()
        with text.when("%team.helps"):
            opened = text.emit(f"call i64 @mg_wait(ptr {self.cell(OPENED)}, i64 {after})")
            here = text.emit(f"icmp eq i64 {text.emit(f'load atomic i64, ptr {self.cell(TAKEN)} monotonic, align 8')}, {turn}")
            with text.when(text.emit(f"and i1 {here}, {text.emit(f'icmp ne i64 {opened}, -1')}")), text.when(self._take(turn, after)):
                self._do(part, 1)
                text.do(f"store atomic i64 {after}, ptr {self.cell(DONE)} release, align 8")

    def _take(self, turn: str, after: str) -> str:
        pair = self.text.emit(f"cmpxchg ptr {self.cell(TAKEN)}, i64 {turn}, i64 {after} acq_rel monotonic")
        return self.text.emit(f"extractvalue {{ i64, i1 }} {pair}, 1")

    def _do(self, part: Callable[[int, str], str], number: int) -> bool:
        code = part(number, self.cell(ERRORS + 2 * number + 1))
        if code:
            self.text.do(f"store i64 {code}, ptr {self.cell(ERRORS + 2 * number)}")
        return bool(code)

    def _leave_if_failed(self) -> None:
        """The first part that failed ends the function."""
        text = self.text
        for number in range(PARTS):
            code = text.emit(f"load i64, ptr {self.cell(ERRORS + 2 * number)}")
            with text.when(text.emit(f"icmp ne i64 {code}, 0"), leaves=True):
                text.do(f"store i64 {text.emit(f'load i64, ptr {self.cell(ERRORS + 2 * number + 1)}')}, ptr %error.slot")
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
    """Whether compiled functions do without the second thread: where the process has one core, or by MINIGRAD_THREADS=1."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return cores == 1 or os.environ.get("MINIGRAD_THREADS") == "1"
