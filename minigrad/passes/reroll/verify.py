"""Whether a run is a loop: how the arguments of its operations are related from step to step."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...graph.ir import Node
from ...graph.nodes import is_number
from .find import LEAST_SAVED, LEAST_STEPS, MOVES, Operations, Run
from .region import Constant, Earlier, Element, Inside, NoLoop, Region, Relation, refused
from .sequences import size

MOST_MULTIPLE = 4  # of a period, where a step is several repetitions of a pattern
MOST_CUTS = 6
MOST_BACK = 8  # steps that a carry goes back

SAME, SHIFTED, OTHER = 0, 1, 2  # how the positions of an argument in two consecutive steps are related


def region_of(ops: Operations, run: Run, taken: np.ndarray) -> Region:
    """The largest region of the run that is a loop. Raises NoLoop."""
    best: Region | None = None
    reason: NoLoop | None = None
    for multiple in range(1, MOST_MULTIPLE + 1):
        p = run.period * multiple
        if (run.end - run.start) // p < LEAST_STEPS:
            break
        for cut in _cuts(ops, run.start, run.end, p):
            try:
                found = _verified(ops, run.start + cut, (run.end - run.start - cut) // p, p)
            except NoLoop as error:
                reason = reason or error
                continue
            found.absorb(ops, taken)
            if best is None or found.covers(ops) > best.covers(ops):
                best = found
        if best is not None:
            return best
    assert reason is not None
    raise reason


def _cuts(ops: Operations, a: int, b: int, p: int) -> list[int]:
    """Where a step may begin, as offsets from a: where there is least to carry, and where elements of sequences are read."""
    order, place = ops.order, ops.position
    middle = a + (b - a) // p // 2 * p
    reach, reads = [0] * p, set()
    for i in range(middle, min(middle + 2 * p, b)):
        node = order[i]
        if i + p < b and ops.parts[i] != ops.parts[i + p]:
            reads.add((i - a) % p)
        if node.op in MOVES:
            continue
        for x in node.args:
            while place[x] >= a and x.op in MOVES:
                x = x.args[0]
            j = place[x]
            if j >= a and i - j < 4 * p:
                reach[(j - a) % p] = max(reach[(j - a) % p], i - j)
    change, base = [0] * (2 * p + 1), 0
    for k, far in enumerate(reach):
        bytes_ = size(order[middle + k].type)
        base += far // p * bytes_
        change[k + 1] += bytes_
        change[k + 1 + far % p] -= bytes_
    total = np.cumsum(change)
    cost = base + total[:p] + total[p : 2 * p]
    cheapest = np.argsort(cost, kind="stable")[:MOST_CUTS].tolist()
    best = [r for i, r in enumerate(cheapest) if i < 2 or cost[r] == cost[cheapest[0]]]
    more = [0, (b - a) % p, *sorted(reads, key=lambda r: cost[r])]
    return list(dict.fromkeys(best + [r for r in more if cost[r] <= 2 * cost.min()][:MOST_CUTS]))


class _Columns(NamedTuple):
    """The arguments of a step's operations: the operation's lane, the argument's number, and its relation (SAME, SHIFTED, OTHER)."""

    lanes: np.ndarray
    numbers: np.ndarray
    kinds: np.ndarray


def _verified(ops: Operations, start: int, m: int, p: int) -> Region:
    """The longest part of the run from `start` in which every argument has one relation at all steps. Raises NoLoop."""
    if m < LEAST_STEPS:
        raise NoLoop(ops.order[start], f"there are {m} whole steps only")
    first = ops.first[start : start + p + 1] - ops.first[start]
    places = ops.args[ops.first[start] : ops.first[start] + m * first[-1]].reshape(m, first[-1])
    counts = np.diff(first)
    lanes = np.repeat(np.arange(p), counts)
    columns = _Columns(lanes, np.arange(first[-1]) - np.repeat(first[:-1], counts), _kinds(ops, places, p))
    parts = ops.parts[start : start + m * p].reshape(m, p)
    low, high, middle = _stretch(ops, places, parts, columns, start, p)
    low, high = _made_before(places, columns, start, low, high, middle, p)
    if high - low < LEAST_STEPS or (high - low - 1) * p < LEAST_SAVED:
        raise NoLoop(ops.order[start + low * p], f"only {max(high - low, 0)} steps have arguments from alike places")
    rows = [ops.order[start + s * p : start + (s + 1) * p] for s in range(low, high)]
    reference = ops.order[start + middle * p : start + (middle + 1) * p]
    at = places[middle] - (start + middle * p)
    _limit(ops, columns, at // p, high - low, start)
    relations: list[list[Relation]] = [[] for _ in range(p)]
    for lane, number, kind, offset in zip(*(c.tolist() for c in (*columns, at)), strict=True):
        relations[lane].append(_relation(kind, offset, p, reference[lane].args[number]))
    views = np.flatnonzero(parts[low] != parts[low + 1]).tolist()
    return Region(start + low * p, start + high * p, rows, reference, relations, views, _lanes(ops, places[low:high], columns))


def _limit(ops: Operations, columns: _Columns, back: np.ndarray, steps: int, start: int) -> None:
    """What is as many steps back as there are is made before the loop. Raises NoLoop for other carries that go far back."""
    columns.kinds[(columns.kinds == SHIFTED) & (-back >= steps)] = OTHER
    far = np.flatnonzero((columns.kinds == SHIFTED) & (-back > MOST_BACK)).tolist()
    if far:
        raise refused(ops.order[start + columns.lanes[far[0]]], int(columns.numbers[far[0]]), f"is of {-back[far[0]]} steps before")


def _relation(kind: int, offset: int, p: int, argument: Node) -> Relation:
    if kind == SAME:
        return Constant(argument)
    if kind == OTHER:
        return Element(-1)
    return Inside(offset) if offset >= 0 else Earlier(-(offset // p), offset % p)


def _lanes(ops: Operations, places: np.ndarray, columns: _Columns) -> set[tuple[int, int]]:
    """The arguments from outside, by lane and number, that are one operation of an earlier run, and not arrays that it only moves."""
    gaps = np.diff(places, axis=0)
    found = np.flatnonzero((columns.kinds == OTHER) & (places[0] >= 0) & (gaps == gaps[0]).all(0))
    computed = [c for c in found.tolist() if ops.order[places[0, c]].op.kind != "move"]
    return {(int(columns.lanes[c]), int(columns.numbers[c])) for c in computed}


def _kinds(ops: Operations, places: np.ndarray, p: int) -> np.ndarray:
    """The relation that each argument has at most steps."""
    gaps = np.diff(places, axis=0)
    same = (gaps == 0).sum(0)
    shifted = ((gaps == p) & (places[:-1] >= 0)).sum(0)
    other = len(gaps) - same - shifted
    found = np.where(shifted > np.maximum(same, other), SHIFTED, np.where(same >= other, SAME, OTHER))
    for c in np.flatnonzero((found == SAME) & (same < len(gaps))).tolist():
        if all(is_number(ops.at(i)) for i in places[:, c].tolist()):
            found[c] = OTHER  # numbers of a schedule, some of them equal
    return found


def _stretch(ops: Operations, places: np.ndarray, parts: np.ndarray, columns: _Columns, start: int, p: int) -> tuple[int, int, int]:
    """The steps low … high in which all relations hold, and one in their middle. The first steps may have other values of carries."""
    m, kinds = len(places), columns.kinds
    gaps, steps = np.diff(places, axis=0), np.diff(parts, axis=0)
    fits = np.where(kinds == SAME, gaps == 0, np.where(kinds == SHIFTED, gaps == p, True))
    moving = (steps != 0).sum(0) * 2 > len(steps)
    even = np.where(moving, steps != 0, steps == 0)
    good = np.concatenate([[0], (fits.all(1) & even.all(1)).view(np.int8), [0]])
    edges = np.flatnonzero(np.diff(good))
    if not edges.size:
        worst = int(fits.mean(0).argmin())
        raise refused(ops.order[start + columns.lanes[worst]], int(columns.numbers[worst]), "comes from another place at each step")
    begins, ends = edges[::2], edges[1::2]
    longest = int((ends - begins).argmax())
    middle = int(begins[longest] + ends[longest]) // 2
    offset = places[middle] - (start + middle * p)
    wanted = np.where(kinds == SHIFTED, start + np.arange(m)[:, None] * p + offset, np.where(kinds == SAME, places[middle], places))
    right = places == wanted
    carried = (kinds == SHIFTED) & (offset < 0)
    whole = right[:, ~carried].all(1)
    low, high = middle, middle + 1
    while low > 0 and whole[low - 1] and even[low - 1].all():
        low -= 1
    while high < m and right[high].all() and even[high - 1].all():
        high += 1
    depth = np.where(carried, -(offset // p), 0)
    while True:  # a step with another value of a carry is one of the first, as many as the carry goes back
        s = np.arange(low, middle + 1)[:, None]
        least = int(np.where(right[low : middle + 1], low, s - depth + 1).max())
        if least <= low:
            return low, high, middle
        low = least


def _made_before(places: np.ndarray, columns: _Columns, start: int, low: int, high: int, middle: int, p: int) -> tuple[int, int]:
    """The steps low … high for which all that comes from outside is made before them."""
    offset = places[middle] - (start + middle * p)
    carried = (columns.kinds == SHIFTED) & (offset < 0)
    outside = (columns.kinds != SHIFTED) | carried
    depth = np.where(carried, -(offset // p), high)
    while low < high:
        s = np.arange(low, high)[:, None]
        given = np.where(outside & (s < low + depth), places[low:high], -1).max(1, initial=-1)
        late = np.flatnonzero(given >= start + low * p)
        if not late.size:
            break
        if low + late[0] > middle:
            high = low + int(late[0])
        else:
            low = max(low + 1, (int(given[low + late[0] - low]) - start) // p + 1)
    return low, high
