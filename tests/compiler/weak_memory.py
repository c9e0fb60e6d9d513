"""Every execution of several threads of emitted LLVM code, in the release-acquire memory model.

The model is that of views (Kang et al. 2017, without promises). A cell has a list of messages, in the order in which they were written. A
thread's view says for each cell the last message that it knows of. An atomic load reads that message or any later one. A release store puts
the thread's view into its message, and an acquire load adds the view of the message that it reads to the thread's own. So a load may be
stale, and only orderings forbid it. An access that is not atomic must come after all accesses of the cell that came before it: else it is a
race. A thread that waits for a number goes on with any message that has it, if one is there.

The code is interpreted instruction by instruction. An instruction that is not known here is an error.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import Any, NamedTuple

INSTRUCTIONS = {  # those that touch no shared memory
    "label": r"()\S+:|",
    "branch": r"br (?:i1 (\S+), label %(\S+), label|label) %(\S+)",
    "number": r"(%\S+) = (add|sub|shl|urem|xor|and|or)(?: n[su]w)* \w+ (\S+), (\S+)",
    "compare": r"(%\S+) = icmp (eq|ne|ult|slt|sgt) i64 (\S+), (\S+)",
    "minimum": r"(%\S+) = call i64 @llvm.umin.i64\(i64 (\S+), i64 (\S+)\)",
    "address": r"(%\S+) = getelementptr i64, ptr (\S+), i64 (\S+)",
    "select": r"(%\S+) = select i1 (\S+), i64 (\S+), i64 (\S+)",
    "phi": r"(%\S+) = phi i64 (.*)",
    "success": r"(%\S+) = extractvalue { i64, i1 } (\S+), 1",
    "passed": r"(%\S+) = load i64, ptr %region.passed",
    "pass": r"store i64 (\S+), ptr %region.passed",
    "return": r"ret i64 (\S+)",
    "access": r"(.*)",
}
Cell = tuple[str, int]
View = tuple[tuple[Cell, int], ...]  # sorted; a cell that is not in it has 0
ORDER = "(monotonic|acquire|release|acq_rel|seq_cst)"
NUMBERS = {"true": 1, "false": 0}
KEPT = {"%region.passed"}  # the interpreter keeps its value in a register
OPERATIONS: dict[str, Callable[[int, int], int]] = {
    "add": operator.add,
    "sub": operator.sub,
    "shl": operator.lshift,
    "urem": operator.mod,
    "xor": operator.xor,
    "and": operator.and_,
    "or": operator.or_,
}
COMPARISONS: dict[str, Callable[[int, int], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "ult": lambda x, y: x % 2**64 < y % 2**64,
    "slt": operator.lt,
    "sgt": operator.gt,
}


class Violation(AssertionError):
    """An execution that goes wrong."""


class Message(NamedTuple):
    value: int
    view: View


class Thread(NamedTuple):
    """A thread before an access of shared memory, or at its end."""

    at: int  # the number of the line
    registers: tuple[tuple[str, Any], ...]
    view: View
    returned: int | None = None


class State(NamedTuple):
    threads: tuple[Thread, ...]
    memory: tuple[tuple[Cell, tuple[Message, ...]], ...]  # sorted; a cell that is not in it has one message, 0


class Code:
    """The lines of a function, and the orderings of the load by which `mg_wait` waits."""

    def __init__(self, lines: list[str], wait: str):
        self.lines = [line.split(";")[0].strip() for line in lines]
        self.labels = {line[:-1]: i for i, line in enumerate(self.lines) if line.endswith(":")}
        loads = re.findall(rf"load atomic i64, ptr %cell {ORDER}, align 8", wait)
        assert len(loads) == 1
        assert "%enough = icmp uge i64 %value, %least\n  br i1 %enough, label %end, label %again" in wait
        self.wait_order = loads[0]
        found = ([(kind, match.groups()) for kind, text in INSTRUCTIONS.items() if (match := re.fullmatch(text, x))] for x in self.lines)
        starts = {i: label for label, i in self.labels.items()}
        self.blocks = list(accumulate(range(len(lines)), lambda block, i: starts.get(i, block), initial="entry"))[1:]
        self.parsed = [kinds[0] for kinds in found]
        self.live = self.live_registers()

    def live_registers(self) -> list[set[str]]:
        """For each line the registers that it or a later line reads. The others make no difference between two states."""
        found: list[set[str]] = [set() for _ in range(len(self.lines) + 1)]
        changed = True
        while changed:
            changed = False
            for at in reversed(range(len(self.lines))):
                line = self.lines[at]
                name, _, read = line.rpartition(" = ")
                goals = [self.labels[label] for label in re.findall(r"label %(\S+?)(?:,|$)", line)]
                after = set[str]().union(*(found[i] for i in goals)) if goals or line.startswith("ret") else found[at + 1]
                now = (after - {name}) | (set(re.findall(r"%[\w.]+", read)) - {f"%{label}" for label in self.labels}) | KEPT
                changed, found[at] = changed or now != found[at], now
        return found


def executions(codes: list[Code], starts: list[dict[str, Any]], first: dict[Cell, int]) -> Iterator[State]:
    """Every reachable state, from memory with these first values. Raises Violation at a race, and where no thread can go on though one
    has not returned."""
    memory = tuple(sorted((cell, (Message(n, ()),)) for cell, n in first.items()))
    state = State(tuple(_to_access(c, Thread(0, tuple(sorted(s.items())), ())) for c, s in zip(codes, starts, strict=True)), memory)
    todo, seen = [state], {state}
    while todo:
        state = todo.pop()
        yield state
        found = [s for i, code in enumerate(codes) if state.threads[i].returned is None for s in _steps(code, state, i)]
        if not found and any(t.returned is None for t in state.threads):
            raise Violation(
                f"no thread can go on: {[c.lines[t.at] for c, t in zip(codes, state.threads, strict=True) if t.returned is None]}"
            )
        new = [s for s in found if s not in seen]
        seen.update(new)
        todo += new


def value(state: State, cell: Cell) -> int:
    """The last value of a cell."""
    return dict(state.memory).get(cell, (Message(0, ()),))[-1].value


def _joined(*views: View) -> View:
    found: dict[Cell, int] = {}
    for view in views:
        for cell, n in view:
            found[cell] = max(found.get(cell, 0), n)
    return tuple(sorted(found.items()))


def _get(registers: dict[str, Any], operand: str) -> Any:
    if operand in registers:
        return registers[operand]
    return NUMBERS[operand] if operand in NUMBERS else int(operand)


def _to_access(code: Code, thread: Thread) -> Thread:
    """The thread after the instructions that touch no shared memory."""
    at, registers, get, came_from = thread.at, dict(thread.registers), lambda name: _get(registers, name), ""
    while True:
        kind, (name, *x) = code.parsed[at]
        at += 1
        if kind == "branch":
            came_from = code.blocks[at - 1]
            at = code.labels[x[0] if name and get(name) else x[1]]
        elif kind == "number":
            registers[name] = OPERATIONS[x[0]](get(x[1]), get(x[2]))
        elif kind == "compare":
            registers[name] = int(COMPARISONS[x[0]](get(x[1]), get(x[2])))
        elif kind == "minimum":
            registers[name] = min(get(x[0]), get(x[1]))
        elif kind == "address":
            base, i = registers[x[0]], get(x[1])
            registers[name] = (base, i) if isinstance(base, str) else (base[0], base[1] + i)
        elif kind == "select":
            registers[name] = get(x[1] if get(x[0]) else x[2])
        elif kind == "phi":
            (registers[name],) = (get(value) for value, block in re.findall(r"\[(\S+), %(\S+)\]", x[0]) if block == came_from)
        elif kind == "success":
            registers[name] = registers[x[0]][1]
        elif kind == "passed":
            registers[name] = registers["%region.passed"]
        elif kind == "pass":
            registers["%region.passed"] = get(name)
        elif kind == "return":
            return Thread(at, (), thread.view, get(name))
        elif kind == "access":
            live = code.live[at - 1]
            return thread._replace(at=at - 1, registers=tuple(sorted((r, v) for r, v in registers.items() if r in live)))


def _steps(code: Code, state: State, i: int) -> Iterator[State]:
    """The states after the next access of a thread: one for each message that it may read."""
    thread, memory, line = state.threads[i], dict(state.memory), code.lines[state.threads[i].at]
    registers, view = dict(thread.registers), dict(thread.view)

    def messages(cell: Cell) -> tuple[Message, ...]:
        return memory.get(cell, (Message(0, ()),))

    def after(cell: Cell, *, read: int | None, write: int | None, order: str, result: str = "", found: Any = None) -> State:
        own = thread.view
        if read is not None:
            own = _joined(own, ((cell, read),), messages(cell)[read].view if order in ("acquire", "acq_rel", "seq_cst") else ())
        changed = memory
        if write is not None:
            new = ((cell, len(messages(cell))),)
            own = _joined(own, new)
            passed_on = messages(cell)[read].view if read is not None else ()  # an update goes on with the release before it
            sent = _joined(own if order in ("release", "acq_rel", "seq_cst") else new, passed_on)
            changed = memory | {cell: (*messages(cell), Message(write, sent))}
        values = registers | ({result: found} if result else {})
        next_ = _to_access(code, Thread(thread.at + 1, tuple(sorted(values.items())), own))
        return State((*state.threads[:i], next_, *state.threads[i + 1 :]), tuple(sorted(changed.items())))

    def readable(cell: Cell) -> range:
        return range(view.get(cell, 0), len(messages(cell)))

    def cell_of(pointer: str) -> Cell:
        return registers[pointer]

    if match := re.fullmatch(r"(?:(%\S+) = load|store) i64(?: (\S+))?, ptr (\S+)", line):
        result, operand, pointer = match.groups()
        cell = cell_of(pointer)
        last = len(messages(cell)) - 1
        if view.get(cell, 0) != last:
            raise Violation(f"race: {line} on {cell}")
        written = messages(cell)[last].value if operand is None else _get(registers, operand)  # a load is an access, too
        yield after(cell, read=None, write=written, order="monotonic", result=result or "", found=written)
    elif match := re.fullmatch(rf"(%\S+) = load atomic i64, ptr (\S+) {ORDER}, align 8", line):
        cell = cell_of(match[2])
        for n in readable(cell):
            yield after(cell, read=n, write=None, order=match[3], result=match[1], found=messages(cell)[n].value)
    elif match := re.fullmatch(rf"store atomic i64 (\S+), ptr (\S+) {ORDER}, align 8", line):
        yield after(cell_of(match[2]), read=None, write=_get(registers, match[1]), order=match[3])
    elif match := re.fullmatch(r"(%\S+) = call i64 @mg_wait\(ptr (\S+), i64 (\S+)\)", line):
        cell, least = cell_of(match[2]), _get(registers, match[3])
        for n in readable(cell):
            if messages(cell)[n].value % 2**64 >= least:
                yield after(cell, read=n, write=None, order=code.wait_order, result=match[1], found=messages(cell)[n].value)
    elif match := re.fullmatch(rf"(%\S+) = atomicrmw add ptr (\S+), i64 (\S+) {ORDER}, align 8", line):
        cell = cell_of(match[2])
        last = len(messages(cell)) - 1  # an update comes right after what it reads
        held = messages(cell)[last].value
        yield after(cell, read=last, write=held + _get(registers, match[3]), order=match[4], result=match[1], found=held)
    elif match := re.fullmatch(rf"(%\S+) = cmpxchg ptr (\S+), i64 (\S+), i64 (\S+) {ORDER} {ORDER}", line):
        result, pointer, old, new, won, lost = match.groups()
        cell, expected = cell_of(pointer), _get(registers, old)
        for n in readable(cell):
            held = messages(cell)[n].value
            if held != expected:
                yield after(cell, read=n, write=None, order=lost, result=result, found=(held, 0))
            elif n == len(messages(cell)) - 1:  # an update comes right after what it reads
                yield after(cell, read=n, write=_get(registers, new), order=won, result=result, found=(held, 1))
    else:
        raise Violation(f"the model does not know: {line}")
