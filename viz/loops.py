"""Loops that Python wrote out: steps that repeat are found by their source lines, and are drawn as time.

A loop in Python runs the same lines in the same order, so its operations, in order of creation, are periodic. They are steps of time if
each reads what the one before computed, and if none has weights of its own: layers of a network repeat as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from operator import attrgetter
from types import CodeType
from typing import Any, NamedTuple

import numpy as np

from minigrad.graph.ir import Node, ancestors
from minigrad.origin import Origin, Scope

from .leaves import is_hidden, shown

PERIODS = 8  # that are tried, the commonest distances between equal operations
LEAST = 3  # steps of a loop; two are enough if they share a weight and are most of the graph
NAMELESS = ("<module>", "<lambda>", "<genexpr>", "<listcomp>", "step", "__call__")


class Loop(NamedTuple):
    """A loop: the operations of each step, its name, and where its steps begin."""

    steps: list[list[Node]]
    name: str
    head: Origin


def with_steps(outputs: Sequence[Node]) -> tuple[dict[Node, Node], list[str]]:
    """What stands for each node below the outputs, with loops that Python wrote out as scopes with a step; and sentences about them.

    Operations that are in a step already, and gradients, make no loops; the gradient of a step belongs to that step.
    """
    nodes = ancestors(outputs, lambda n: False)
    loops = list(_loops(sorted(filter(_is_free, nodes), key=attrgetter("id"))))
    places = {node: _in_step(node, loop, t) for loop in loops for t, step in enumerate(loop.steps) for node in step}
    new: dict[Node, Node] = {}
    for node in nodes if places else ():
        args = tuple(new[a] for a in node.args)
        place = places.get(node) or _of_gradient(node, new)
        new[node] = node if place is None and args == node.args else _copied(node, args, place or node.place)
    return new, [_told(loop) for loop in loops]


def _is_free(node: Node) -> bool:
    origin = node.origin
    return bool(node.args) and not is_hidden(node) and origin.code is not None and origin.vjp_of is None and origin.step is None


def _copied(node: Node, args: tuple[Node, ...], place: Any) -> Node:
    copy = Node(node.op, args, node.attrs, node.type, node.value, node.name, place, node.tracked)
    copy.learned, copy.signature = node.learned, node.signature
    return copy


def _of_gradient(node: Node, new: Mapping[Node, Node]) -> Origin | None:
    """The origin of the gradient of an operation that stands elsewhere now."""
    origin = node.origin
    other = new.get(origin.vjp_of) if origin.vjp_of is not None else None
    return None if other is None or other is origin.vjp_of else other.origin._replace(vjp_of=other)


def _in_step(node: Node, loop: Loop, t: int) -> Origin:
    """The origin of an operation in a step of a loop: the step stands within the scopes that all operations of the loop share."""
    scopes = node.origin.scopes
    shared = next((k for k in range(len(scopes)) if any(n.origin.scopes[: k + 1] != scopes[: k + 1] for n in loop.steps[-1])), len(scopes))
    return node.origin._replace(scopes=(*scopes[:shared], Scope(loop.name, t), *scopes[shared:]))


def _told(loop: Loop) -> str:
    code = loop.head.code
    lines = sorted({n.origin.line for step in loop.steps for n in step if n.origin.code is code})
    where = f"line {lines[0]}" if len(lines) == 1 else f"lines {lines[0]} to {lines[-1]}"
    name = "" if code is None or code.co_name[0] == "<" else f" of {code.co_name}"
    return f"t counts how often {where}{name} ran; mg.scope(name, step=t) in the loop gives its steps a name and other numbers"


# ---- where operations repeat


def _loops(ops: list[Node]) -> Iterator[Loop]:
    """The loops among these operations, which are in order of creation: outer ones, which repeat most."""
    known: dict[Any, int] = {}
    tokens = np.array([known.setdefault((*_place(n), n.op.name, n.origin.scopes), len(known)) for n in ops], np.int64)
    position = {n: i for i, n in enumerate(ops)}
    latest = {n.origin.code: i for i, n in enumerate(ops)}
    taken = np.zeros(len(ops), bool)
    names: Counter[str] = Counter()
    for start, end, period in sorted(_runs(tokens), key=lambda r: (r[0] + r[2] - r[1], r[2], r[0])):
        low = start
        while low < end and taken[low]:
            low += 1
        high = low + int(np.argmax(taken[low:end])) if taken[low:end].any() else end
        if high - low < 2 * period:
            continue
        first = _beginning(ops, position, latest, low, high, period)
        for at, count in _chains(ops, position, range(first, high - period + 1, period), period):
            cuts = _widened(ops, taken, range(at, at + count * period + 1, period))
            taken[cuts[0] : cuts[-1]] = True
            name = _name(ops[at : at + period])
            names[name] += 1
            yield Loop([ops[i:j] for i, j in pairwise(cuts)], name if names[name] == 1 else f"{name} {names[name]}", ops[at].origin)


def _name(step: Sequence[Node]) -> str:
    """The name of the first function in a step that tells something of it."""
    names = (n.origin.code.co_name for n in step if n.origin.code is not None)
    return next((n for n in names if n not in NAMELESS), "loop")


def _place(node: Node) -> tuple[CodeType, int]:
    """The function that makes an operation, and the number of the expression in it: what follows in a line has a greater one."""
    origin = node.origin
    assert origin.code is not None
    return origin.code, _expression(origin.code, origin.at)


@lru_cache(4096)
def _expression(code: CodeType, at: int) -> int:
    """The first instruction of an expression: Python may be at any of them, as it makes instructions faster that run often."""
    positions = list(code.co_positions())
    first = at // 2
    while first and positions[first - 1] == positions[first]:
        first -= 1
    return first


def _runs(tokens: np.ndarray) -> Iterator[tuple[int, int, int]]:
    """(start, end, period) of each run of operations that are like those one period later."""
    order = np.argsort(tokens, kind="stable")
    gaps = (order[1:] - order[:-1])[tokens[order][1:] == tokens[order][:-1]]
    votes = np.bincount(gaps) if gaps.size else np.zeros(1, np.int64)
    for p in np.argsort(-votes, kind="stable")[:PERIODS].tolist():
        if votes[p]:
            edges = np.flatnonzero(np.diff(np.concatenate([[0], (tokens[:-p] == tokens[p:]).view(np.int8), [0]])))
            yield from ((a, b + p, p) for a, b in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True) if b - a >= p)


def _beginning(ops: Sequence[Node], position: Mapping[Node, int], latest: Mapping[Any, int], start: int, end: int, period: int) -> int:
    """Where the first whole step of a run begins: where a function begins again, and the fewest values go over to the next step.

    The function that makes the last operation of all, if it is one of those, is the one in which the loop stands.
    """
    makers = range(end - 2 * period, end - period)
    last = {
        position[a]: reader for reader in range(makers.start, end) for a in map(shown, ops[reader].args) if position.get(a, -1) in makers
    }
    over = np.zeros(period, np.int64)
    for i, reader in last.items():
        over[np.arange(i + 1, min(reader, i + period) + 1) % period] += 1
    candidates = _heads(ops, makers) or list(makers)
    codes = {ops[i].origin.code for i in candidates}
    outer = max(codes, key=lambda code: latest[code])
    best = min(candidates, key=lambda i: (latest[outer] >= end and ops[i].origin.code is not outer, over[i % period], (i - start) % period))
    return start + (best - start) % period


def _heads(ops: Sequence[Node], period: range) -> list[int]:
    """The operations of a period with which a function may begin a step: its first expression, if that runs once in a period."""
    found: dict[CodeType, list[int]] = {}
    for i in period:
        code, _ = place = _place(ops[i])
        if place != _place(ops[i - 1 if i > period[0] else period[-1]]):  # one expression may make several operations
            found.setdefault(code, []).append(i)
    first = [[i for i in own if _place(ops[i]) == (code, min(_place(ops[k])[1] for k in own))] for code, own in found.items()]
    return [i for own in first if len(own) == 1 for i in own]


def _widened(ops: Sequence[Node], taken: np.ndarray, cuts: range) -> list[int]:
    """Where steps begin, and the end: whole ones, and at either end steps that run the same lines, if not all of them.

    Such are a first step that meets a number, and a last one from which less is read.
    """
    head, begins = ops[cuts[0]].origin, _place(ops[cuts[0]])
    codes = {n.origin.code for n in ops[cuts[0] : cuts[-1]]}
    lines = {n.origin.line for n in ops[cuts[0] : cuts[-1]] if n.origin.code is head.code}

    def belongs(i: int) -> bool:
        origin = ops[i].origin
        return not taken[i] and (origin.line in lines if origin.code is head.code else origin.code in codes)

    found, low = list(cuts), cuts[0]
    while low > max(0, found[0] - 2 * cuts.step) and belongs(low - 1):
        low -= 1
        if _place(ops[low]) == begins and not (low and belongs(low - 1) and _place(ops[low - 1]) == begins):
            found.insert(0, low)
    low, left = found[0], Counter(map(_place, ops[cuts[0] : cuts[1]]))
    while low and belongs(low - 1) and left[_place(ops[low - 1])]:
        low -= 1
        left[_place(ops[low])] -= 1
    if found[0] == cuts[0] and set(ops[low : found[0]]) & {shown(a) for n in ops[cuts[0] : cuts[1]] for a in n.args}:
        found.insert(0, low)
    high, left = cuts[-1], Counter(map(_place, ops[cuts[-2] : cuts[-1]]))
    begun = high < len(ops) and _place(ops[high]) == begins
    while begun and high < len(ops) and belongs(high) and left[_place(ops[high])]:
        left[_place(ops[high])] -= 1
        high += 1
    return found + ([high] if high > cuts[-1] else [])


# ---- whether it is time


def _chains(ops: Sequence[Node], position: Mapping[Node, int], starts: Sequence[int], period: int) -> Iterator[tuple[int, int]]:
    """(start, number of steps) of each part of a run in which each step reads what the one before computed, with the same weights."""
    steps = [ops[i : i + period] for i in starts]
    read = [{shown(a) for n in step for a in n.args} for step in steps]
    weights = [set(filter(_is_weight, group)) for group in read]
    shared = [
        {a for n in step if n.op.name != "slice" for a in map(shown, n.args) if not a.args and a.op.name != "constant"} for step in steps
    ]
    begin = 0
    for k in range(1, len(starts) + 1):
        goes_on = (
            k < len(starts)
            and weights[k] <= weights[k - 1]
            and (weights[k] == weights[k - 1] or k == begin + 1)
            and any(starts[k - 1] <= position.get(a, -1) < starts[k] for a in read[k])
        )
        if not goes_on:
            members = [n for step in steps[begin:k] for n in step]
            most = set.intersection(*shared[begin:k]) and 2 * len(members) > len(ops)
            long = k - begin >= (2 if most else LEAST)
            if long and not any(map(_is_apart, members)) and any(n.op.name != "add" for n in members):  # a sum of many is no loop
                yield starts[begin], k - begin
            begin = k


def _is_weight(node: Node) -> bool:
    return node.op.name == "parameter" or (not node.args and "." in (node.name or ""))


def _is_apart(node: Node) -> bool:
    """Whether it has steps of its own, or computes with gradients: such a loop is drawn as it stands."""
    return node.op.name in ("scan", "call") or any(shown(a).origin.vjp_of is not None for a in node.args)
