"""The work board in every execution that its orderings allow: each part is done once, no thread waits for ever, no memory is raced for.

What is interpreted is the code that `WorkBoard` emits, so that a weaker ordering in it fails here. x86 alone would not show it.
"""

from __future__ import annotations

import pytest
from shares import swept
from weak_memory import Code, Violation, executions, value

from minigrad.compiler.llvm.llvm_text import Text
from minigrad.compiler.llvm.work_board import THREADS, TICKET, WAIT, WorkBoard


def add_one(text, cell):
    at = text.emit(f"getelementptr i64, ptr %data, i64 {cell}")
    old = text.emit(f"load i64, ptr {at}")
    text.do(f"store i64 {text.emit(f'add i64 {old}, 1')}, ptr {at}")


def region(statements, parts=2, fails=None):
    """The code of a region with shared statements, and before and after each of them a statement that is not shared.

    The first cells are an array of as many elements as parts: the parts of the next statement exchange them. Then each part of each
    statement has a cell that counts it. `fails` is a statement and the part in which its check fails, or None where no statement has a
    check.
    """
    text = Text()
    board = WorkBoard(text)

    def not_shared():
        with board.by_main():
            for cell in range(parts):
                add_one(text, cell)

    not_shared()
    for k in range(statements):

        def part(number, count, slot, k=k):
            add_one(text, text.emit(f"urem i64 {text.emit(f'add i64 {number}, {k}')}, {parts}"))
            add_one(text, text.emit(f"add i64 {number}, {parts * (k + 1)}"))
            if fails is None:
                return ""
            text.do(f"store i64 9, ptr {slot}")
            failed = text.emit(f"icmp eq i64 {number}, {fails[1] if k == fails[0] else parts}")
            return text.emit(f"select i1 {failed}, i64 7, i64 0")

        board.share(str(parts), part)
        not_shared()
    return [*text.lines, "  ret i64 0"]


def close(lines, parts=2):
    """What `Executable` does after the region: it ends it, by a plain store, and uses the memory again."""
    text = Text()
    text.do(f"store atomic i64 -1, ptr {WorkBoard(text).cell(TICKET)} monotonic, align 8")
    for cell in range(parts):
        add_one(text, cell)
    end = [line.replace("%v", "%close") for line in text.lines]
    return [part for line in lines for part in ((*end, line) if line.startswith("  ret") else (line,))]


SHARED = {"%region.board": "board", "%data": "data", "%error.slot": ("error", 0), "%region.alone": 0, "%region.passed": 0}


def explore(lines, wait=WAIT, statements=2, parts=2, fails=None, threads=2):
    """Look at every execution; gives their number of states. Raises Violation."""
    main, helper = Code(close(lines, parts), wait), Code(lines, wait)
    states = 0
    starts = [SHARED | {"%region.worker": int(n > 0)} for n in range(threads)]
    for state in executions([main, *[helper] * (threads - 1)], starts, {("board", THREADS): parts}):
        states += 1
        code = state.threads[0].returned
        if code is None:
            continue
        done = [value(state, ("data", parts + i)) for i in range(parts * statements)]
        ran = statements if fails is None else fails[0] + 1
        if done != [1] * parts * ran + [0] * parts * (statements - ran) or code != (0 if fails is None else 7):
            raise Violation(f"the main thread returned {code} when the parts had been done {done} times")
    return states


@pytest.mark.parametrize(("statements", "parts", "threads"), [(1, 2, 2), (2, 2, 2), (1, 3, 2), swept((1, 2, 3))])
def test_every_part_is_done_once_before_the_main_thread_returns(statements, parts, threads):
    assert explore(region(statements, parts), statements=statements, parts=parts, threads=threads) > 30 * statements


@pytest.mark.parametrize("fails", [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_a_failed_check_ends_the_region_for_all_threads(fails):
    assert explore(region(2, fails=fails), fails=fails) > 30


def test_the_main_thread_waits_for_no_worker_that_does_not_come():
    start = [SHARED | {"%region.worker": 0}]
    *_, last = executions([Code(close(region(3)), WAIT)], start, {("board", THREADS): 2})
    assert last.threads[0].returned == 0
    assert [value(last, ("data", 2 + i)) for i in range(6)] == [1] * 6


def planted(lines, old, new, at=0):
    """The lines with one occurrence of `old` replaced; `at` counts those before it."""
    parts = "\n".join(lines).split(old)
    assert len(parts) > at + 1
    return (old.join(parts[: at + 1]) + new + old.join(parts[at + 1 :])).split("\n")


@pytest.mark.parametrize("at", range(4), ids=["opened", "done", "opened again", "done again"])
def test_a_store_or_an_addition_without_release_is_found(at):
    assert "\n".join(region(2)).count(" release") == 4
    with pytest.raises(Violation, match="race"):
        explore(planted(region(2), " release", " monotonic", at))


def test_waiting_without_acquire_is_found():
    with pytest.raises(Violation, match="race"):
        explore(region(2), WAIT.replace(" acquire", " monotonic"))


@pytest.mark.parametrize("at", range(2))
def test_a_part_that_is_done_without_asking_whether_it_is_taken_is_found(at):
    with pytest.raises(Violation):
        explore(planted(region(2), "extractvalue { i64, i1 }", "icmp eq i64 0, 0 ;", at))


@pytest.mark.parametrize("at", range(2))
def test_a_part_that_is_never_said_to_be_done_is_found(at):
    with pytest.raises(Violation, match="no thread can go on"):
        explore(planted(region(2), "i64 1 release", "i64 0 release", at))


@pytest.mark.parametrize("at", [1, 3])
def test_a_main_thread_that_does_not_wait_is_found(at):
    with pytest.raises(Violation):
        explore(planted(region(2), "call i64 @mg_wait(", "add i64 0, 0 ; ", at))


def test_parts_that_are_counted_on_from_the_statement_before_are_found():
    with pytest.raises(Violation):
        explore(planted(region(2), "store atomic i64 0,", "; store atomic i64 0,", 1))


def test_a_worker_that_goes_on_after_the_end_is_found():
    with pytest.raises(Violation):
        explore([line.replace("icmp ult", "icmp slt") for line in region(2)])


def test_code_that_the_model_does_not_know_is_refused():
    with pytest.raises(Violation, match="does not know: fence"):
        explore(["  fence seq_cst", *region(1)])
