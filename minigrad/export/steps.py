"""Time in a program of another library: the operations that a Python loop wrote out, found by the source lines that come again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ..origin import Scope

PERIODS = 32  # the commonest distances between equal operations, which are tried


class Frame(NamedTuple):
    """A function that is being called, and where it stands; `instruction` is 0 where nothing finer than the line is known."""

    function: Hashable
    name: str
    line: int
    instruction: int = 0


class Line(NamedTuple):
    """An operation of a program.

    what    equal operations have equal ones;  frames   the functions of the user's from which it comes, the outermost first
    reads   the numbers of the operations, or anything else for leaves, that it reads;  moves   it only moves elements
    """

    what: Hashable
    frames: tuple[Frame, ...]
    reads: Sequence[Hashable]
    moves: bool = False


class _Run(NamedTuple):
    """Operations from `start` to `end`, each like the one `period` later."""

    start: int
    end: int
    period: int


def steps(lines: Sequence[Line]) -> dict[int, Scope]:
    """The steps of the loops in a program, {number of an operation: the loop's name and the step}. What only moves elements has none.

    A loop is what repeats twice or more at the same lines, reads what its step before made, and reads the same weights in its steps: the
    layers of a network that a Python loop goes through have their own, and are no time.
    """
    places = [i for i, line in enumerate(lines) if not line.moves and line.frames]
    numbers: dict[Hashable, int] = {}
    tokens = np.array([numbers.setdefault((lines[i].what, lines[i].frames), len(numbers)) for i in places], np.int64)
    roots = _roots(lines)
    found: dict[int, Scope] = {}
    for run in sorted(_runs(tokens), key=lambda r: (r.start - r.end, r.period)):
        members = places[run.start : run.end]
        if found.keys().isdisjoint(members) and _is_time(run, members, roots):
            found |= {places[i]: scope for i, scope in _numbered(run, [lines[i].frames for i in places])}
    return found


def _roots(lines: Sequence[Line]) -> list[set[Hashable]]:
    """What each operation reads, looking through what only moves elements."""
    found: list[set[Hashable]] = []
    for line in lines:
        read: set[Hashable] = set()
        for a in line.reads:
            read |= found[a] if isinstance(a, int) and lines[a].moves else {a}
        found.append(read)
    return found


def _runs(tokens: np.ndarray) -> Iterator[_Run]:
    last: dict[int, int] = {}
    gaps: Counter[int] = Counter()
    for i, token in enumerate(tokens.tolist()):
        gaps[i - last.get(token, i)] += 1
        last[token] = i
    for period, _ in gaps.most_common(PERIODS):
        if period > 1:
            edges = np.flatnonzero(np.diff(np.concatenate([[0], (tokens[:-period] == tokens[period:]).view(np.int8), [0]])))
            for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
                if end - start >= period:
                    yield _Run(start, end + period, period)


def _is_time(run: _Run, members: Sequence[int], roots: Sequence[set[Hashable]]) -> bool:
    """Whether each step reads what the one before made, and the steps share more leaves than a step has of its own."""
    rows = [members[i : i + run.period] for i in range(0, len(members) - run.period + 1, run.period)]
    read = [set().union(*(roots[i] for i in row)) for row in rows]
    if not all(read[t] & set(rows[t - 1]) for t in range(1, len(rows))):
        return False
    inside = set(members)
    count = Counter(a for row in read for a in row if a not in inside)
    shared = sum(n > 1 for n in count.values())
    return shared * len(rows) >= len(count) - shared


def _numbered(run: _Run, frames: Sequence[tuple[Frame, ...]]) -> Iterator[tuple[int, Scope]]:
    """The step of each operation of a run, and of those beside it that the loop's lines made too: a first or last step with fewer."""
    body = frames[run.start : run.start + run.period]
    depth = _common(body)
    function, name = body[0][depth].function, body[0][depth].name
    at = [f[depth].instruction or f[depth].line for f in body]
    low, high = (f(frame[depth].line for frame in body) for f in (min, max))

    def is_inside(i: int) -> bool:
        same = 0 <= i < len(frames) and len(frames[i]) > depth and frames[i][:depth] == body[0][:depth]
        return same and frames[i][depth].function == function and low <= frames[i][depth].line <= high

    first, last = run.start, run.end
    while is_inside(first - 1) and run.start - first < run.period:
        first -= 1
    while is_inside(last) and last - run.end < run.period:
        last += 1
    rest = (run.end - run.start) % run.period  # of these, the first or the last step has fewer
    turn = at.index(min(at)) if first < run.start else min(0, rest, key=at.__getitem__)  # a step begins where the loop's body does
    start = run.start + turn
    before = start > first
    for i in range(first, last):
        yield i, Scope(name, (i - start) // run.period + before if i >= start else 0)


def _common(frames: Sequence[tuple[Frame, ...]]) -> int:
    """How many outer frames all have in common; the innermost one of an operation is not counted."""
    shortest = min(map(len, frames))
    return next((d for d, c in enumerate(zip(*frames, strict=False)) if len(set(c)) > 1), shortest - 1)
