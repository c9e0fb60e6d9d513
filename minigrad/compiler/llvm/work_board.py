"""Work sharing: the code with which several threads run one parallel region, a phase of a program.

The main thread and the workers run the same function. The main thread executes all statements in order. At a `Shared` statement it writes
a ticket on the work board, and all threads take parts of the statement until none is left. Workers skip all other statements; they may
start at any time, and the main thread never waits for a worker that has taken no part: it then runs all parts itself. A loop over time
that contains shared statements is executed by all threads, in step.

The work board is an array of int64 cells:
  TICKET   the number of the last shared statement that was opened, and how many of its parts were taken; -1 when the region has ended.
           A compare-and-swap on it decides which thread takes a part
  DONE     the number of completed parts of that statement
  THREADS  the number of threads that were asked to take part. It does not change, so that all threads see the same parts
  ERRORS   for each part the code and the value of a failed check
A ticket is stored with release order and loaded with acquire order: a thread that takes a part sees all that was written before the
statement. So are additions to DONE: the main thread sees all that the parts have written.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum

from .llvm_text import Text

MOST_THREADS = 64
TAKEN_BITS = 8  # the bits of a ticket that count parts taken
SPINS = 10000  # loads of a cell before a thread lets others run, some tens of microseconds
YIELDS = 200  # times that it lets others run before it sleeps
SLEEP = 0 if sys.platform == "win32" else 50  # microseconds; Windows counts milliseconds, and 0 gives the rest of the time slice away

WAIT = f"""
declare void @mg_give_way()
declare void @mg_sleep(i32)
define private i64 @mg_wait(ptr %cell, i64 %least) #1 {{
entry:
  br label %look
look:
  %tries = phi i64 [0, %entry], [%next, %again], [%next, %yield], [%next, %sleep]
  %value = load atomic i64, ptr %cell acquire, align 8
  %enough = icmp uge i64 %value, %least
  br i1 %enough, label %end, label %again
again:
  %spin = icmp ult i64 %tries, {SPINS}
  %next = add i64 %tries, 1
  br i1 %spin, label %look, label %longer
longer:
  %soon = icmp ult i64 %tries, {SPINS + YIELDS}
  br i1 %soon, label %yield, label %sleep
yield:
  call void @mg_give_way()
  br label %look
sleep:
  call void @mg_sleep(i32 {SLEEP})
  br label %look
end:
  ret i64 %value
}}
"""


class Mark(IntEnum):
    """What timed code marks: a shared statement is opened, or a part of it begins or ends."""

    OPENED, BEGUN, ENDED = range(3)


TICKET, DONE, THREADS, ERRORS = 0, 8, 16, 24  # the first index of each; each on its own cache line
CELLS = ERRORS + 2 * MOST_THREADS


class WorkBoard:
    """Generates the code that uses the work board.

    `%region.passed` points to the number of shared statements that the thread has passed. Timed code calls a function at each `Mark`."""

    def __init__(self, text: Text, timed: bool = False) -> None:
        self.text, self.timed = text, timed

    def cell(self, i: int) -> str:
        return self.text.emit(f"getelementptr i64, ptr %region.board, i64 {i}")

    @contextmanager
    def by_main(self) -> Iterator[None]:
        """Statements that are not shared: workers skip them, except inside a part, where the thread of the part runs all."""
        main = self.text.emit("xor i1 %region.worker, true")
        with self.text.when(self.text.emit(f"or i1 {main}, %region.alone")):
            yield

    def divide(self, extent: str, many: str, grain: int, part: Callable[[str, str, str], str]) -> None:
        """A shared statement, whose positions are divided if they are many. `part(low, high, slot)` generates the code for some of them."""
        emit = self.text.emit
        grains = emit(f"udiv i64 {emit(f'add i64 {extent}, {grain - 1}')}, {grain}")
        most = self.text.call("i64", "llvm.umax.i64", ("i64", "1"), ("i64", emit(f"select i1 {many}, i64 {grains}, i64 1")))

        def end(number: str, parts: str) -> str:
            """The first position of a part, which is the end of the part before it."""
            before = emit(f"udiv i64 {emit(f'mul i64 {grains}, {number}')}, {parts}")
            return self.text.call("i64", "llvm.umin.i64", ("i64", extent), ("i64", emit(f"mul i64 {before}, {grain}")))

        self.share(most, lambda number, parts, slot: part(end(number, parts), end(emit(f"add i64 {number}, 1"), parts), slot))

    def share(self, most: str, part: Callable[[str, str, str], str]) -> None:
        """The parts of a shared statement: as many as threads, and at most `most`, which is at least 1.

        `part(number, parts, slot)` generates the code of a part. It returns the register of the code of a failed check, whose value the
        part stores in the slot, or "" if the part contains no check."""
        text, emit = self.text, self.text.emit
        threads = emit(f"load atomic i64, ptr {self.cell(THREADS)} monotonic, align 8")
        parts = text.call("i64", "llvm.umin.i64", ("i64", threads), ("i64", most))
        passed = emit(f"add i64 {emit('load i64, ptr %region.passed')}, 1")
        text.do(f"store i64 {passed}, ptr %region.passed")
        first, ticket, main = emit(f"shl i64 {passed}, {TAKEN_BITS}"), self.cell(TICKET), emit("xor i1 %region.worker, true")
        self.mark(Mark.OPENED)
        with text.when(main):
            text.do(f"store atomic i64 0, ptr {self.cell(DONE)} monotonic, align 8")
            text.do(f"store atomic i64 {first}, ptr {ticket} release, align 8")
        with text.when("%region.worker"):
            emit(f"call i64 @mg_wait(ptr {ticket}, i64 {first})")
        with text.forever() as leave_unless:
            found = emit(f"load atomic i64, ptr {ticket} monotonic, align 8")
            number = emit(f"sub i64 {found}, {first}")
            leave_unless(emit(f"icmp ult i64 {number}, {parts}"))
            pair = emit(f"cmpxchg ptr {ticket}, i64 {found}, i64 {emit(f'add i64 {found}, 1')} acq_rel monotonic")
            with text.when(emit(f"extractvalue {{ i64, i1 }} {pair}, 1")):
                code_at, value_at = self.errors(number)
                self.mark(Mark.BEGUN)
                code = part(number, parts, value_at)
                self.mark(Mark.ENDED)
                if code:
                    text.do(f"store i64 {code}, ptr {code_at}")
                emit(f"atomicrmw add ptr {self.cell(DONE)}, i64 1 release, align 8")
        with text.when(main):
            emit(f"call i64 @mg_wait(ptr {self.cell(DONE)}, i64 {parts})")
            if code:
                self._leave_if_failed(parts)

    def mark(self, what: Mark) -> None:
        if self.timed:
            self.text.call("void", "mg_mark", ("i64", str(int(what))))

    def errors(self, number: str) -> tuple[str, str]:
        """The cells of the code and the value of a part's failed check."""
        at = self.text.emit(f"add i64 {self.text.emit(f'shl i64 {number}, 1')}, {ERRORS}")
        code = self.text.emit(f"getelementptr i64, ptr %region.board, i64 {at}")
        return code, self.text.emit(f"getelementptr i64, ptr {code}, i64 1")

    def _leave_if_failed(self, parts: str) -> None:
        """Returns from the function with the code and value of the first part that failed, if one did."""
        text, emit = self.text, self.text.emit
        with text.loop(parts, "part") as number:
            code_at, value_at = self.errors(number)
            code = emit(f"load i64, ptr {code_at}")
            with text.when(emit(f"icmp ne i64 {code}, 0"), leaves=True):
                text.do(f"store i64 {emit(f'load i64, ptr {value_at}')}, ptr %error.slot")
                text.do(f"ret i64 {code}")
