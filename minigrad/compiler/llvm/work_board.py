"""Work sharing: code for two threads that run one phase, a parallel region, together.

Both run the same function. The main thread does all of it, from start to end, and opens its `Shared` statements one by one on a work board.
A worker that comes, however late, does nothing but the second parts of what is open. Nobody waits for a worker that has not come: the
main thread takes the parts that are left. A loop over time with shared statements inside is run by both, in step.
The board holds int64 cells: how many statements were opened, or -1 when the region is over; of how many the second part was taken; how
many of those that the worker took are done; for each part the code and the value of a failed check. A cell that publishes work is stored
with release order and read with acquire order, so whoever sees it sees what was written before it; TAKEN decides by compare-and-swap who
does a part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

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


OPENED, TAKEN, DONE, ERRORS = 0, 8, 16, 24  # cells on cache lines of their own
CELLS = ERRORS + 2 * PARTS


class WorkBoard:
    """Writes what the threads do with the board. `%region.passed` points to the number of statements that this thread has passed."""

    def __init__(self, text: Text) -> None:
        self.text = text

    def cell(self, i: int) -> str:
        return self.text.emit(f"getelementptr i64, ptr %region.board, i64 {i}")

    @contextmanager
    def by_main(self) -> Iterator[None]:
        """What is no shared statement: a worker passes it over, unless both do all of a part of their own."""
        main = self.text.emit("xor i1 %region.worker, true")
        with self.text.when(self.text.emit(f"or i1 {main}, %region.alone")):
            yield

    def share(self, part: Callable[[int, str], str]) -> None:
        """Both parts of a statement. `part` writes the work on one, with a place for the value of a failed check; gives its code."""
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
        """The first part that failed ends the function."""
        text = self.text
        for number in range(PARTS):
            code = text.emit(f"load i64, ptr {self.cell(ERRORS + 2 * number)}")
            with text.when(text.emit(f"icmp ne i64 {code}, 0"), leaves=True):
                text.do(f"store i64 {text.emit(f'load i64, ptr {self.cell(ERRORS + 2 * number + 1)}')}, ptr %error.slot")
                text.do(f"ret i64 {code}")
