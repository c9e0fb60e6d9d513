"""Time in a program of another library: the operations that a Python loop wrote out, found by the source lines that come again."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

from ..origin import Scope
from ..passes.reroll.lines import Frame, Line, loops


class Operation(NamedTuple):
    """An operation of a program.

    what    equal operations have equal ones;  frames   the functions of the user's from which it comes, the outermost first
    reads   the numbers of the operations, or anything else for leaves, that it reads;  moves   it only moves elements
    """

    what: Hashable
    frames: tuple[Frame, ...]
    reads: Sequence[Hashable]
    moves: bool = False


def steps(program: Sequence[Operation]) -> dict[int, Scope]:
    """The steps of the loops in a program, {number of an operation: the loop's name and the step}. What only moves elements has none."""
    places = [i for i, op in enumerate(program) if not op.moves and op.frames]
    number = {i: n for n, i in enumerate(places)}
    roots = _roots(program)
    lines = []
    for i in places:
        leaves = frozenset(a for a in roots[i] if not isinstance(a, int))
        reads = [number[a] for a in roots[i] if isinstance(a, int) and a in number]
        lines.append(Line(program[i].what, program[i].frames, reads, leaves=leaves, shared=leaves))
    return {places[n]: Scope(loop.name, t) for loop in loops(lines) for t, step in enumerate(loop.steps) for n in step}


def _roots(program: Sequence[Operation]) -> list[set[Hashable]]:
    """What each operation reads, looking through what only moves elements."""
    found: list[set[Hashable]] = []
    for op in program:
        read: set[Hashable] = set()
        for a in op.reads:
            read |= found[a] if isinstance(a, int) and program[a].moves else {a}
        found.append(read)
    return found
