"""Where operations repeat: the runs of a graph's operations, in order of creation, that are periodic.

A Python loop makes the same operations in the same order at every step. An operation's token tells it apart but for its arguments and for
where a slice starts: in the string of tokens a loop is a run with a period.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np

from ...graph.ir import Graph, Node, Signature
from ...graph.nodes import is_number
from ...graph.structure import structure
from ...primitives import movement

LEAST_STEPS = 4
LEAST_SAVED = 16  # operations
# Operations that give their argument's elements elsewhere: a later step does them again rather than carry the result.
MOVES = frozenset((movement.reshape, movement.permute, movement.broadcast, movement.slice, movement.flip))
VOTES = 4  # periods that are tried for each length of substring


class Operations:
    """The operations below the outputs, in order of creation, and as arrays. What is older than `first`, or in `leaves`, is given.

    `args` are the positions of all arguments, those of operation i from `first[i]` to `first[i + 1]`. What is given has a negative one.
    `parts` tells which part a slice takes: equal numbers are equal parts.
    """

    def __init__(self, outputs: Iterable[Node], leaves: set[Node], oldest: int, kind: Tokens):
        self.order = _below(outputs, leaves, oldest)
        self.kind = kind
        self.tokens = np.array([kind[n.signature or n] for n in self.order], np.int64)
        self.moving = np.array([n.op in MOVES for n in self.order], bool)

    def __len__(self) -> int:
        return len(self.order)

    @cached_property
    def parts(self) -> np.ndarray:
        part = self.kind.parts
        return np.array([part[n.signature or n] if n.op is movement.slice else -1 for n in self.order], np.int64)

    @cached_property
    def first(self) -> np.ndarray:
        return np.concatenate([[0], np.cumsum([len(n.args) for n in self.order], dtype=np.int64)])

    @cached_property
    def _places(self) -> tuple[dict[Node, int], list[Node], np.ndarray]:
        place = {n: i for i, n in enumerate(self.order)}
        given: list[Node] = []
        for node in self.order:
            for a in node.args:
                if a not in place:
                    given.append(a)
                    place[a] = -len(given)
        return place, given, np.array([place[a] for n in self.order for a in n.args], np.int64)

    @property
    def position(self) -> dict[Node, int]:
        return self._places[0]

    @property
    def args(self) -> np.ndarray:
        return self._places[2]

    def token(self, node: Node) -> int:
        """The token of an operation, of this graph or not."""
        return self.kind[node.signature or node]

    def at(self, place: int) -> Node:
        return self.order[place] if place >= 0 else self._places[1][-place - 1]


def _below(outputs: Iterable[Node], leaves: set[Node], oldest: int) -> list[Node]:
    """The operations below the outputs. Leaves, constants, numbers and nodes older than `oldest` are none."""
    seen: set[Node] = set()
    found: list[Node] = []
    stack = list(outputs)
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        args, op = node.args, node.op
        if not args or node.id < oldest or node in leaves or (node.value is not None and not op.lazy):
            continue
        if op is movement.broadcast and is_number(node):
            continue
        found.append(node)
        stack += args
    found.sort(key=attrgetter("id"))
    return found


class Parts(dict[Signature | Node, int]):
    """A number for where a slice starts and stops, by its signature."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers: dict[Any, int] = {}

    def __missing__(self, node: Signature | Node) -> int:
        found = self[node] = self.numbers.setdefault((node.attrs["start"], node.attrs["stop"]), len(self.numbers))
        return found


class Tokens(dict[Signature | Node, int]):
    """The token of an operation: a number for its kind, attributes, type and how many arguments it has. By its signature if it has one."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers: dict[Any, int] = {}
        self.parts = Parts()

    def __missing__(self, node: Signature | Node) -> int:
        attrs, op = node.attrs, node.op
        if not attrs:
            key: Any = (op, node.type, len(node.args))
        elif op is movement.slice:
            key = (op, node.type, attrs["step"])
        else:
            values = attrs.values()
            key = (op, node.type, len(node.args), *(map(_of_value, values) if op.kind == "control" else values))
        found = self[node] = self.numbers.setdefault(key, len(self.numbers))
        return found


def _of_value(value: Any) -> Any:
    """A key that two bodies share if they are the same program, whatever their names."""
    return (structure(value, rules=True) or value) if isinstance(value, Graph) else value


class Run(NamedTuple):
    """Operations from `start` to `end`, each like the one `period` later; `saved` of them are repetitions."""

    saved: int
    start: int
    end: int
    period: int

    def part(self, start: int, end: int) -> Run:
        """What of it lies between, in whole steps from `start` on."""
        return Run((end - start) // self.period * self.period - self.period, start, end, self.period)


def runs(ops: Operations) -> list[Run]:
    """The longest runs of each candidate period, those that save most first: outer loops before inner ones. None only moves elements."""
    found, tokens = [], ops.tokens
    work = np.concatenate([[0], np.cumsum(~ops.moving)])
    for p in _periods(tokens):
        if p * LEAST_STEPS > len(tokens):
            continue
        edges = np.flatnonzero(np.diff(np.concatenate([[0], (tokens[:-p] == tokens[p:]).view(np.int8), [0]])))
        for a, b in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            steps = (b + p - a) // p
            if steps >= LEAST_STEPS and (steps - 1) * p >= LEAST_SAVED and work[b + p] > work[a]:
                found.append(Run((steps - 1) * p, a, b + p, p))
    return sorted(found, key=lambda r: (-r.saved, r.period, r.start))


def _periods(tokens: np.ndarray) -> list[int]:
    """Candidates: the commonest distances between equal substrings of 1, 2, 4, … operations."""
    found: dict[int, None] = {}
    ids, w = tokens, 1
    while True:
        order = np.argsort(ids, kind="stable")
        ranked = ids[order]
        gaps = (order[1:] - order[:-1])[ranked[1:] == ranked[:-1]]
        if gaps.size < LEAST_STEPS - 1:
            break
        votes = np.bincount(gaps)
        best = np.argsort(votes)[: -VOTES - 1 : -1]
        found.update(dict.fromkeys(best[votes[best] > 0].tolist()))
        if ids.size <= 2 * w:
            break
        rank = np.empty(ids.size, np.int64)
        rank[order] = np.cumsum(np.concatenate([[0], ranked[1:] != ranked[:-1]]))
        ids = rank[:-w] * ids.size + rank[w:]
        w *= 2
    return list(found)
