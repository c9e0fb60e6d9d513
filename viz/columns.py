"""The columns of a timeline: each operation belongs to a time step, or to what comes before or after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .leaves import extent
from .timeline import BEFORE, Column, Item, step_key


def columns_of(items: list[Item]) -> list[Column]:
    """Give each operation a column such that time never runs backwards; loops that run side by side share columns."""
    columns: list[Column] = []
    number: dict[tuple[Any, ...], int] = {}
    latest = [BEFORE] * len(items)  # the last column an item depends on
    reverse = _reverse(items)
    for item in items:
        after = max((latest[a] for a in item.args), default=BEFORE)
        key = None if item.leaf else step_key(item.node)
        if key is None:
            latest[item.index] = after
            continue
        column = number.get(key)
        if column is None or column < after:
            column = _beside(columns, key, after, (key[0], key[2]) in reverse)
            if column is None:
                column = len(columns)
                columns.append(Column(_column_label(key), key[0], key[1], [], key[2], (key[0], key[2]) in reverse))
            number[key] = column
        item.column = latest[item.index] = column
    _place_rest(items, latest, len(columns))
    return columns


def _column_label(key: tuple[Any, ...]) -> str:
    _, step, gradient = key
    return ("∂ " if gradient else "") + f"t = {step}"


def _reverse(items: list[Item]) -> set[tuple[str, bool]]:
    """The loops (and whether of a gradient) whose second step is an earlier time than their first."""
    first: dict[tuple[str, bool], int] = {}
    found: dict[tuple[str, bool], bool] = {}
    for item in items:
        key = None if item.leaf else step_key(item.node)
        if key is not None:
            start = first.setdefault((key[0], key[2]), key[1])
            if key[1] != start:
                found.setdefault((key[0], key[2]), key[1] < start)
    return {loop for loop in first if found.get(loop, loop[1])}


def _beside(columns: list[Column], key: tuple[Any, ...], after: int, backwards: bool) -> int | None:
    """A column that exists for the same step of another loop and is not too early: layers and directions stand in one column."""
    if key[2] or not columns:
        return None
    low = max(after, 0)
    for i in (key[1], *range(low, min(low + 2, len(columns)))):
        if (
            low <= i < len(columns)
            and columns[i].step == key[1]
            and not columns[i].gradient
            and columns[i].backwards == backwards
            and columns[i].loop != key[0]
        ):
            return i
    return None


def _place_rest(items: list[Item], latest: list[int], end: int) -> None:
    """Operations outside any step: before the loops, after them, or, where each step or a later one needs them, in a step."""
    soonest = [end + 1] * len(items)  # the first column that uses an item
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
    """A leaf used in one column only stands there; one used in several has no column."""
    used: dict[int, set[int]] = {}
    for item in items:
        if item.column is not None:
            for a in item.args:
                if items[a].leaf:
                    used.setdefault(a, set()).add(item.column)
    for index, where in used.items():
        if len(where) == 1:
            items[index].column = where.pop()
        elif items[index].leaf == "input" and len({columns[c].step for c in where if 0 <= c < len(columns)}) > 1:  # a row of a weight
            items[index].label += extent(items[index].node)
