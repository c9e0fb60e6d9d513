"""The columns of a timeline: each operation belongs to a time step, or stands before or after all steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from minigrad.graph.ir import Node

from . import text
from .leaves import extent
from .timeline import BEFORE, Column, Item, StepKey, block_key, step_key

KeyOf = Callable[[Node], StepKey | None]


def columns_of(items: list[Item], key_of: KeyOf = step_key) -> list[Column]:
    """Give each operation a column: its step, or its block. No operation stands before one that it reads; parallel loops share columns."""
    columns: list[Column] = []
    number: dict[tuple[StepKey, int], int] = {}
    latest = [BEFORE] * len(items)  # the last column that an item depends on
    reverse = _reverse(items, key_of)
    passes = _passes(items, reverse, key_of)
    for item in items:
        after = max((latest[a] for a in item.args), default=BEFORE)
        key = key_of(item.node)
        item.inside = key.depth + 1 if key is not None else 0
        key = None if item.leaf else key
        if key is None:
            latest[item.index] = after
            continue
        column = number.get((key, passes[item.index]))
        if column is None or column < after:
            column = _shared(columns, key, after, (key.loop, key.gradient) in reverse)
            if column is None:
                column = len(columns)
                columns.append(Column(_label(key, key_of), key.loop, key.step, [], key.gradient, (key.loop, key.gradient) in reverse))
            number[key, passes[item.index]] = column
        item.column = latest[item.index] = column
    _place_rest(items, latest, len(columns))
    return columns


def _passes(items: list[Item], reverse: set[tuple[str, bool]], key_of: KeyOf) -> list[int]:
    """For each item how many loops with the name of its own ended before it began, such as the layers of a stack with one name.

    A loop has ended where what was collected of its steps, outside of them, is read in a step that is not after them.
    """
    found = [0] * len(items)
    collected: list[dict[str, tuple[int, int, int]]] = [{} for _ in items]  # without a step: loop -> its pass, first and last step read
    for item in items:
        key = None if item.leaf else key_of(item.node)
        if key is not None and key.gradient:
            continue
        for a in item.args:
            other = None if items[a].leaf else key_of(items[a].node)
            if key is not None:
                number, first, last = collected[a].get(key.loop, (0, 0, 0))
                ended = first < last and (first <= key.step if (key.loop, False) in reverse else last >= key.step)
                own = found[a] if other is not None and other.loop == key.loop else 0
                found[item.index] = max(found[item.index], own, number + ended)
            elif other is None or not other.gradient:
                for loop, read in ({other.loop: (found[a], other.step, other.step)} if other else collected[a]).items():
                    known = collected[item.index].setdefault(loop, read)
                    collected[item.index][loop] = max(known[0], read[0]), min(known[1], read[1]), max(known[2], read[2])
    return found


def _label(key: StepKey, key_of: KeyOf) -> str:
    name = "t =" if key_of is step_key else block_name(key.loop)
    return ("∂ " if key.gradient else "") + f"{name} {key.step}"


def block_name(loop: str) -> str:
    """What one block of these is called."""
    return text.clean(loop.rpartition("/")[2] or "block", 16)


def blocks_of(items: Sequence[Item]) -> KeyOf | None:
    """block_key where the columns of these operations are blocks: there are several, and no steps of time."""
    keys = [(step_key(i.node), block_key(i.node)) for i in items if not i.leaf]
    several = len({block.step for _, block in keys if block is not None}) > 1
    return block_key if several and all(step is None for step, _ in keys) else None


def _reverse(items: list[Item], key_of: KeyOf) -> set[tuple[str, bool]]:
    """The loops, each with whether it is a gradient's, that run from the last step to the first."""
    first: dict[tuple[str, bool], int] = {}
    found: dict[tuple[str, bool], bool] = {}
    for item in items:
        key = None if item.leaf else key_of(item.node)
        if key is not None:
            start = first.setdefault((key.loop, key.gradient), key.step)
            if key.step != start:
                found.setdefault((key.loop, key.gradient), key.step < start)
    return {loop for loop in first if found.get(loop, _reverse_by_name(*loop))}


def _reverse_by_name(loop: str, gradient: bool) -> bool:
    """Whether a loop of one step runs backwards: the name of a reverse scan ends in an arrow, and a gradient runs against its loop."""
    arrow = loop.endswith("←")
    return arrow if loop.removesuffix("←").endswith(".vjp") else arrow != gradient


def _shared(columns: list[Column], key: StepKey, after: int, backwards: bool) -> int | None:
    """The column of the same step of another loop, such as another layer, if it is not before the column `after`."""
    if key.gradient or not columns:
        return None
    low = max(after, 0)
    for i in (key.step, *range(low, min(low + 2, len(columns)))):
        if (
            low <= i < len(columns)
            and columns[i].step == key.step
            and not columns[i].gradient
            and columns[i].backwards == backwards
            and columns[i].loop != key.loop
        ):
            return i
    return None


def _place_rest(items: list[Item], latest: list[int], end: int) -> None:
    """Place the operations without a step: before all steps, after them, or in a step where a later step needs them."""
    soonest = [end + 1] * len(items)  # the first column that reads an item
    for item in reversed(items):
        use = soonest[item.index] if item.column is None else item.column
        for a in item.args:
            soonest[a] = min(soonest[a], use)
    loose = [i for i in items if i.column is None and not i.leaf]
    spread = {latest[i.index] for i in loose if latest[i.index] >= 0}
    accumulating = end > 1 and 2 * len(spread) >= end - 1 and len(spread) > 1
    for item in loose:
        last = latest[item.index]
        if last == BEFORE:
            item.column = BEFORE if end else 0
        elif soonest[item.index] < end or (accumulating and last < end - 1):
            item.column = last
        else:
            item.column = end


def place_leaves(items: list[Item], columns: Sequence[Column]) -> None:
    """Place each leaf that only one column reads into that column; other leaves have no column."""
    used: dict[int, set[int]] = {}
    for item in items:
        if item.column is not None:
            for a in item.args:
                if items[a].leaf:
                    used.setdefault(a, set()).add(item.column)
    for index, where in used.items():
        if len(where) == 1:
            items[index].column = where.pop()
        elif items[index].leaf == "input" and len({columns[c].step for c in where if 0 <= c < len(columns)}) > 1:  # row of a weight
            items[index].label += extent(items[index].node)
