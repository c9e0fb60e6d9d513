"""What is said about the loops that were found, and about those that were not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import pairwise

from .find import Operations, Run
from .region import NoLoop, Region

_notes: ContextVar[list[str] | None] = ContextVar("notes", default=None)


@contextmanager
def noting(notes: list[str]) -> Iterator[None]:
    """Inside the `with`, a line is appended to the notes about each loop that is found, and about what broke the pattern of one."""
    token = _notes.set(notes)
    try:
        yield
    finally:
        _notes.reset(token)


def note_found(ops: Operations, regions: Sequence[Region]) -> None:
    """A line about each loop, and about what stands between two parts of one."""
    notes = _notes.get()
    if notes is None:
        return
    for region in regions:
        carries, sequences = len(region.carries) - len(region.derived), len(region.sequences) + len(region.views)
        parts = [_count(len(region.reference), "operation"), _count(carries, "carry"), _count(sequences, "sequence")]
        notes.append(f"loop found: {len(region.rows)} steps of {', '.join(parts)}; at {region.reference[0].origin.describe()}")
    for one, two in pairwise(regions):
        p = len(one.reference)
        if p == len(two.reference) and 0 < two.start - one.end < 2 * p and _continues(ops, one, two):
            node = ops.order[_first_other(ops, one, two)]
            steps = f"{len(one.rows)} and {len(two.rows)}"
            notes.append(f"loop broken, in parts of {steps} steps, by {node.op.name} at {node.origin.describe()}")


def _first_other(ops: Operations, one: Region, two: Region) -> int:
    """The first operation after a region that does not go on as the steps before did."""
    p = len(one.reference)
    return next((i for i in range(one.end, two.start) if ops.tokens[i] != ops.tokens[i - p]), one.end)


def _continues(ops: Operations, one: Region, two: Region) -> bool:
    """Whether the steps of both have the same operations."""
    return sorted(ops.token(n) for n in one.reference) == sorted(ops.token(n) for n in two.reference)


def note_refused(ops: Operations, refused: Sequence[tuple[Run, NoLoop]]) -> None:
    """A line about the largest run that is no loop."""
    notes = _notes.get()
    if notes is None or not refused:
        return
    run, reason = max(refused, key=lambda r: r[0].saved)
    times = (run.end - run.start) // run.period
    what = f"{_count(run.period, 'operation')} {'stand' if run.period > 1 else 'stands'} there {times} times, but {reason.why}"
    notes.append(f"no loop: {what}; at {reason.node.origin.describe()}")


def _count(n: int, what: str) -> str:
    return f"1 {what}" if n == 1 else f"{n} {what[:-1]}ies" if what.endswith("y") else f"{n} {what}s"
