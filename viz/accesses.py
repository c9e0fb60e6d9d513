"""Weights of a few rows of a memory, as w_read beside rows in a SAM: the memory, and the numbers of the rows, to which they belong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import takewhile
from typing import NamedTuple

import numpy as np

from . import text
from .families import loop_of
from .heat import value_of
from .parts import inner_scope
from .timeline import Item

MEMORY, ROWS = "M", "rows"


class Access(NamedTuple):
    """Three items of one step: a memory, the numbers of some of its rows, and the weights with which these are written or read."""

    memory: int
    rows: int
    weights: int


def accesses(items: Sequence[Item], members: Sequence[int], role: str) -> list[Access]:
    """What a step writes or reads: the memory M, and the values named rows and w_write in the scope write, or rows and w_read in read.

    Of several memories in a loop, an operation tells what belongs together: it reads one of each, with no value with a name between.
    """
    loops: dict[str, list[int]] = {}
    for i in members:
        loops.setdefault(loop_of(items[i]), []).append(i)
    return [a for inside in loops.values() for a in _in_loop(items, inside, role) if _fits(items, a)]


def _in_loop(items: Sequence[Item], members: Sequence[int], role: str) -> Iterator[Access]:
    named = {i: text.plain(items[i].name or "") for i in members if items[i].named}
    memories = {i for i, name in named.items() if name == MEMORY and len(_shape(items[i])) > 1}
    rows, weights = ({i for i, n in named.items() if n == name and inner_scope(items[i].node) == role} for name in (ROWS, f"w_{role}"))
    if memories and rows and weights:
        together = ((memories & values, rows & values, weights & values) for values in [set(named), *_near(items, members)])
        yield from dict.fromkeys(Access(*map(min, three)) for three in together if all(len(one) == 1 for one in three))


def _near(items: Sequence[Item], members: Sequence[int]) -> Iterator[set[int]]:
    """For each operation, itself and the values with names that it reads, also through operations without names."""
    read: dict[int, set[int]] = {}
    for i in members:
        read[i] = set().union(*({a} if items[a].named else read.get(a, set()) for a in items[i].args))
        yield {i} | read[i]


def _fits(items: Sequence[Item], access: Access) -> bool:
    """Whether there is a number of a row of the memory for each weight."""
    memory, rows, weights = (_shape(items[i]) for i in access)
    numbers = value_of(items[access.rows])
    whole = items[access.rows].node.type.dtype.kind in "iu" if numbers is None else are_rows(numbers, memory[-2])
    return rows == weights and whole


def _shape(item: Item) -> tuple[int, ...]:
    return tuple(int(n) for n in item.shape or item.node.type.shape)


def are_rows(numbers: np.ndarray, slots: int) -> bool:
    """Whether these are numbers of rows of a memory with so many."""
    return numbers.dtype.kind in "iu" and bool(((numbers >= 0) & (numbers < slots)).all())


def over_slots(shapes: Mapping[str, tuple[int, ...]], value: Callable[[str], np.ndarray]) -> dict[str, tuple[str, int]]:
    """The weights of a few rows among values over time, by their paths such as read.w_read: {path: (path of the rows, how many slots)}.

    The rows stand beside the weights. The memory is the value M that shares most scopes with them; of several such ones none is.
    """
    found = {}
    for path, shape in shapes.items():
        *scope, stem = path.split(".")
        rows, slots = ".".join([*scope, ROWS]), _slots(shapes, scope)
        if stem.startswith("w_") and shapes.get(rows) == shape and are_rows(value(rows), slots):
            found[path] = rows, slots
    return found


def _slots(shapes: Mapping[str, tuple[int, ...]], scope: Sequence[str]) -> int:
    """How many slots the memory of a scope has; 0 where there is none."""
    near: dict[int, list[int]] = {}
    for path, shape in shapes.items():
        *around, stem = path.split(".")
        if stem == MEMORY and len(shape) > 2:
            near.setdefault(sum(takewhile(bool, map(str.__eq__, around, scope))), []).append(shape[-2])
    found = near[max(near)] if near else []
    return found[0] if len(found) == 1 else 0
