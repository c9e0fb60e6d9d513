"""The loops that Python wrote out, found by source lines, for drawings: operations that repeat at the same lines are steps of time.

A loop in Python runs the same lines in the same order, so its operations, in order of creation, are periodic. They are steps of time if
each reads what the one before computed, and if none has weights of its own: layers of a network repeat as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

PERIODS = 16  # that are tried, the commonest distances between equal operations
LEAST = 3  # steps of a loop; two are enough if they share a leaf and are most of the program
NAMELESS = ("<module>", "<lambda>", "<genexpr>", "<listcomp>", "step", "__call__")
NOTHING: frozenset[Hashable] = frozenset()


class Frame(NamedTuple):
    """A function that is being called, by its code or file and its name, and the expression in it: what follows has a greater `at`."""

    function: Hashable
    name: str
    line: int
    at: int

    @property
    def home(self) -> Hashable:
        return self.function, self.name


class Line(NamedTuple):
    """An operation of a program.

    what     equal operations have equal ones;  frames    the functions of the user's from which it comes, the outermost first
    reads    the numbers of the operations that it reads
    weights  what it reads that is learned;  leaves    what it reads that may be learned or an input
    shared   what it reads that other steps may read as well: weights and inputs, but no part of one
    apart    it makes no loop, nor does what contains it;  adds    it is a sum
    """

    what: Hashable
    frames: tuple[Frame, ...]
    reads: Sequence[int]
    weights: frozenset[Hashable] = NOTHING
    leaves: frozenset[Hashable] = NOTHING
    shared: frozenset[Hashable] = NOTHING
    apart: bool = False
    adds: bool = False

    @property
    def place(self) -> tuple[Hashable, int]:
        """The innermost function, and the expression in it."""
        return self.frames[-1].home, self.frames[-1].at


class Loop(NamedTuple):
    """A loop: the numbers of the operations of each step, and its name."""

    steps: list[range]
    name: str


def loops(lines: Sequence[Line]) -> Iterator[Loop]:
    """The loops of a program whose operations are in order of creation: outer ones, which repeat most."""
    known: dict[Hashable, int] = {}
    tokens = np.array([known.setdefault((line.what, line.frames[:-1], line.place), len(known)) for line in lines], np.int64)
    latest = {line.frames[-1].home: i for i, line in enumerate(lines)}
    taken = np.zeros(len(lines), bool)
    names: Counter[str] = Counter()
    for start, end, period in sorted(_runs(tokens), key=lambda r: (r[0] + r[2] - r[1], r[2], r[0])):
        low = start
        while low < end and taken[low]:
            low += 1
        high = low + int(np.argmax(taken[low:end])) if taken[low:end].any() else end
        if high - low < 2 * period:
            continue
        first = _beginning(lines, latest, low, high, period)
        for at, count in _chains(lines, range(first, high - period + 1, period), period):
            cuts = _widened(lines, taken, range(at, at + count * period + 1, period))
            taken[cuts[0] : cuts[-1]] = True
            name = _name(lines[at : at + period])
            names[name] += 1
            yield Loop([range(i, j) for i, j in pairwise(cuts)], name if names[name] == 1 else f"{name} {names[name]}")


def _name(step: Sequence[Line]) -> str:
    """The name of the first function in which the whole step stands that tells something of it."""
    shortest = min(len(line.frames) for line in step)
    outer = zip(*(line.frames for line in step), strict=False)
    depth = next((d for d, frames in enumerate(outer) if len({(f.home, f.at) for f in frames}) > 1), shortest - 1)
    names = (line.frames[min(depth, shortest - 1)].name for line in step)
    return next((n for n in names if n not in NAMELESS), "loop")


# ---- where operations repeat


def _runs(tokens: np.ndarray) -> Iterator[tuple[int, int, int]]:
    """(start, end, period) of each run of operations that are like those one period later."""
    order = np.argsort(tokens, kind="stable")
    gaps = (order[1:] - order[:-1])[tokens[order][1:] == tokens[order][:-1]]
    votes = np.bincount(gaps) if gaps.size else np.zeros(1, np.int64)
    for p in np.argsort(-votes, kind="stable")[:PERIODS].tolist():
        if votes[p]:
            edges = np.flatnonzero(np.diff(np.concatenate([[0], (tokens[:-p] == tokens[p:]).view(np.int8), [0]])))
            yield from ((a, b + p, p) for a, b in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True) if b - a >= p)


def _beginning(lines: Sequence[Line], latest: dict[Hashable, int], start: int, end: int, period: int) -> int:
    """Where the first whole step of a run begins: where a function begins again, and the fewest values go over to the next step.

    The function that makes the last operation of all, if it is one of those, is the one in which the loop stands.
    """
    makers = range(end - 2 * period, end - period)
    last = {a: reader for reader in range(makers.start, end) for a in lines[reader].reads if a in makers}
    over = np.zeros(period, np.int64)
    for i, reader in last.items():
        over[np.arange(i + 1, min(reader, i + period) + 1) % period] += 1
    candidates = _heads(lines, makers) or list(makers)
    functions = {lines[i].frames[-1].home for i in candidates}
    outer = max(functions, key=lambda function: latest[function])

    def key(i: int) -> tuple[bool, int, int]:
        return latest[outer] >= end and lines[i].frames[-1].home != outer, over[i % period], (i - start) % period

    return start + (min(candidates, key=key) - start) % period


def _heads(lines: Sequence[Line], period: range) -> list[int]:
    """The operations of a period with which a function may begin a step: its first expression, if that runs once in a period."""
    found: dict[Hashable, list[int]] = {}
    for i in period:
        function, _ = place = lines[i].place
        if place != lines[i - 1 if i > period[0] else period[-1]].place:  # one expression may make several operations
            found.setdefault(function, []).append(i)
    first = [[i for i in own if lines[i].place[1] == min(lines[k].place[1] for k in own)] for own in found.values()]
    return [i for own in first if len(own) == 1 for i in own]


def _widened(lines: Sequence[Line], taken: np.ndarray, cuts: range) -> list[int]:
    """Where steps begin, and the end: whole ones, and at either end steps that run the same lines, if not all of them.

    Such are a first step that meets a number, and a last one from which less is read.
    """
    head, begins = lines[cuts[0]].frames[-1].home, lines[cuts[0]].place
    inner = [line.frames[-1] for line in lines[cuts[0] : cuts[-1]]]
    functions, numbers = {f.home for f in inner}, {f.line for f in inner if f.home == head}

    def belongs(i: int) -> bool:
        frame = lines[i].frames[-1]
        return not taken[i] and (frame.line in numbers if frame.home == head else frame.home in functions)

    found, low = list(cuts), cuts[0]
    while low > max(0, found[0] - 2 * cuts.step) and belongs(low - 1):
        low -= 1
        if lines[low].place == begins and not (low and belongs(low - 1) and lines[low - 1].place == begins):
            found.insert(0, low)
    low, left = found[0], Counter(line.place for line in lines[cuts[0] : cuts[1]])
    while low > max(0, found[0] - cuts.step) and belongs(low - 1):
        low -= 1
        if left[lines[low].place] < 1 and lines[low].frames[-1].home != head:  # a function that the loop calls, as others may
            low += 1
            break
        left[lines[low].place] -= 1
    if found[0] == cuts[0] and set(range(low, found[0])) & {a for line in lines[cuts[0] : cuts[1]] for a in line.reads}:
        found.insert(0, low)
    high, left = cuts[-1], Counter(line.place for line in lines[cuts[-2] : cuts[-1]])
    begun = high < len(lines) and lines[high].place == begins
    while begun and high < len(lines) and belongs(high) and left[lines[high].place]:
        left[lines[high].place] -= 1
        high += 1
    return found + ([high] if high > cuts[-1] else [])


# ---- whether it is time


def _chains(lines: Sequence[Line], starts: Sequence[int], period: int) -> Iterator[tuple[int, int]]:
    """(start, number of steps) of each part of a run in which each step reads what the one before computed, with the same weights."""
    steps = [lines[i : i + period] for i in starts]
    weights, shared = (list(map(_united, steps, [name] * len(steps))) for name in ("weights", "shared"))
    begin = 0
    for k in range(1, len(starts) + 1):
        goes_on = (
            k < len(starts)
            and weights[k] <= weights[k - 1]
            and (weights[k] == weights[k - 1] or k == begin + 1)
            and _recurs(lines, starts[k], period)
        )
        if not goes_on:
            members = [line for step in steps[begin:k] for line in step]
            most = set.intersection(*shared[begin:k]) and 2 * len(members) > len(lines)
            long = k - begin >= (2 if most else LEAST) and _share_more(steps[begin:k])
            if long and not any(line.apart for line in members) and not all(line.adds for line in members):  # a sum of many is no loop
                yield starts[begin], k - begin
            begin = k


def _recurs(lines: Sequence[Line], start: int, period: int) -> bool:
    """Whether an operation of this step is computed from the same one of the step before. Else nothing is handed on from step to step."""
    masks: dict[int, int] = {}  # operation -> those of the step before, as bits, from which it is computed
    for i in range(start - period, start + period):
        masks[i] = 0 if i >= start else 1 << (i - start + period)
        for a in lines[i].reads:
            masks[i] |= masks.get(a, 0)
        if i >= start and masks[i] >> (i - start) & 1:
            return True
    return False


def _united(step: Sequence[Line], name: str) -> set[Hashable]:
    return set().union(*(getattr(line, name) for line in step))


def _share_more(steps: Sequence[Sequence[Line]]) -> bool:
    """Whether the steps share more of the leaves that may be weights than a step has of its own."""
    count = Counter(a for step in steps for a in _united(step, "leaves"))
    shared = sum(n > 1 for n in count.values())
    return shared * len(steps) >= len(count) - shared
