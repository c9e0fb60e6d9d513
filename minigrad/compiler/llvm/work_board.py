"""Work sharing: the code with which two threads run one parallel region, a phase of a program.

The main thread and a worker thread run the same function. The main thread executes all statements in order. Each `Shared` statement has
two parts: the main thread opens the statement on the work board and runs the first part; whichever thread takes the second part first
runs it. The worker skips all other statements, and it may start at any time. The main thread never waits for a worker that has not taken
a part: it then runs the second part itself. A loop over time that contains shared statements is executed by both threads, in step.

The work board is an array of int64 cells:
  OPENED   the number of shared statements that were opened; -1 when the region has ended
  TAKEN    the number of second parts that were taken; a compare-and-swap on it decides which thread takes a part
  DONE     the number of shared statements passed when the worker last completed a part
  ERRORS   for each part the code and the value of a failed check
OPENED and DONE are stored with release order and loaded with acquire order: a thread that reads the new number also sees all that the
other thread wrote before it. The compare-and-swap on TAKEN acquires and releases.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .llvm_text import Text

PARTS = 2
SPINS = 40000  # loads of a cell before the thread yields to others, some tens of microseconds

WAIT = f"""
declare void @mg_give_way()
define private i64 @mg_wait(ptr %cell, i64 %least) #1 {{
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


OPENED, TAKEN, DONE, ERRORS = 0, 8, 16, 24  # the first index of each; each on its own cache line
CELLS = ERRORS + 2 * PARTS


class WorkBoard:
    """Generates the code that uses the work board.

    `%region.passed` points to the number of shared statements that the thread has passed."""

    def __init__(self, text: Text) -> None:
        self.text = text

    def cell(self, i: int) -> str:
        return self.text.emit(f"getelementptr i64, ptr %region.board, i64 {i}")

    @contextmanager
    def by_main(self) -> Iterator[None]:
        """Statements that are not shared: the worker skips them, except inside a part, where the thread of the part runs all."""
        main = self.text.emit("xor i1 %region.worker, true")
        with self.text.when(self.text.emit(f"or i1 {main}, %region.alone")):
            yield

    def share(self, part: Callable[[int, str], str]) -> None:
        """The two parts of a shared statement.

        `part(number, slot)` generates the code of a part. It returns the register of the code of a failed check, whose value the part
        stores in the slot, or "" if the part contains no check."""
        text = self.text
        passed = text.emit("load i64, ptr %region.passed")
        after = text.emit(f"add i64 {passed}, 1")
        text.do(f"store i64 {after}, ptr %region.passed")
        with text.when(text.emit("xor i1 %region.worker, true")):
            text.do(f"store atomic i64 {after}, ptr {self.cell(OPENED)} release, align 8")
            checked = self._do(part, 0)
            taken = self._take(passed, after)
            with text.when(taken):
                self._do(part, 1)
            with text.when(text.emit(f"xor i1 {taken}, true")):
                text.emit(f"call i64 @mg_wait(ptr {self.cell(DONE)}, i64 {after})")
            if checked:
                self._leave_if_failed()
        with text.when("%region.worker"):
            opened = text.emit(f"call i64 @mg_wait(ptr {self.cell(OPENED)}, i64 {after})")
            here = text.emit(f"icmp eq i64 {text.emit(f'load atomic i64, ptr {self.cell(TAKEN)} monotonic, align 8')}, {passed}")
            with text.when(text.emit(f"and i1 {here}, {text.emit(f'icmp ne i64 {opened}, -1')}")), text.when(self._take(passed, after)):
                self._do(part, 1)
                text.do(f"store atomic i64 {after}, ptr {self.cell(DONE)} release, align 8")

    def _take(self, passed: str, after: str) -> str:
        pair = self.text.emit(f"cmpxchg ptr {self.cell(TAKEN)}, i64 {passed}, i64 {after} acq_rel monotonic")
        return self.text.emit(f"extractvalue {{ i64, i1 }} {pair}, 1")

    def _do(self, part: Callable[[int, str], str], number: int) -> bool:
        code = part(number, self.cell(ERRORS + 2 * number + 1))
        if code:
            self.text.do(f"store i64 {code}, ptr {self.cell(ERRORS + 2 * number)}")
        return bool(code)

    def _leave_if_failed(self) -> None:
        """Returns from the function with the code and value of the first part that failed, if one did."""
        text = self.text
        for number in range(PARTS):
            code = text.emit(f"load i64, ptr {self.cell(ERRORS + 2 * number)}")
            with text.when(text.emit(f"icmp ne i64 {code}, 0"), leaves=True):
                text.do(f"store i64 {text.emit(f'load i64, ptr {self.cell(ERRORS + 2 * number + 1)}')}, ptr %error.slot")
                text.do(f"ret i64 {code}")
