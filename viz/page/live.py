"""What the script of a page needs to compute it again: the program, and where in it each number that the page shows comes from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.graph.ir import Node, ancestors

from ..timeline import Item
from ..wiring import Step, Wiring
from .graph import lines_of
from .panels import Parts, Series
from .program import NotComputed, Program, packed

MOST = 8_000_000  # numbers in all values; the script holds them several times
WHY = "values cannot be changed on this page"


def program_of(outputs: Sequence[Node], loss: Node | None, notes: list[str]) -> Program | None:
    """The program of these results; None for what the script cannot compute, and a note says why."""
    try:
        _require_computed(ancestors(outputs))
        return Program(outputs, loss)
    except NotComputed as reason:
        notes.append(f"{WHY}: {reason}")
        return None


def live(program: Program | None, wiring: Wiring, shown: dict[str, Any], example: int | None) -> str:
    """The program and the sources of all numbers, packed; "" without a program.

    `shown` are the data of the page. What is read here alone is taken out of them: the "source" of strips, the "item" of shared values.
    """
    strips = [strip.pop("source") for _, group in shown["groups"] for strip in group]
    memory = shown["memory"].pop("source") if shown["memory"] else None
    shared = [s.pop("item") for s in shown["shared"]]
    if program is None:
        return ""
    found = _Sources(program, wiring)
    more = {
        **found.steps(shared),
        "strips": [found.parts(s) if isinstance(s, list) else found.series(s) for s in strips],
        "memory": found.series(memory),
        "example": example,
    }
    return packed(program, more)


def _require_computed(nodes: Sequence[Node]) -> None:
    values = [n.value for n in nodes if isinstance(n.value, np.ndarray)]
    if (total := sum(v.size for v in values)) > MOST:
        raise NotComputed(f"they are {total / 1e6:.0f} million numbers")
    if any(n.origin.vjp_of is not None for n in nodes):
        raise NotComputed("some of them are gradients")


class _Sources:
    """Where numbers come from: numbers of values, and edges [node, argument] of the program."""

    def __init__(self, program: Program, wiring: Wiring):
        self.program, self.wiring, self.items = program, wiring, wiring.timeline.items

    def steps(self, shared: Sequence[int]) -> dict[str, Any]:
        """{"rows": the value of each row of each step; "edges": the edges of each argument, [] for that of the operation itself, and for
        each line between parts those of each value on it; "shared"; "slices": the values that have one axis, of length 1, before those
        of a step}.
        """
        steps = self.wiring.steps
        return {
            "rows": [[self._number(a) for a in (*s.items, *s.inputs)] for s in steps],
            "edges": [
                [self._edges(a, p) for a in s.items for p in range(len(self.items[a].args))]
                + [self._line(s, *line) for line in lines_of(s)]
                for s in steps
            ],
            "shared": [self._number(a) for a in shared],
            "slices": sorted({self._number(a) for s in steps for a in s.inputs if self.items[a].whole is not None}),
        }

    def series(self, series: Series | None) -> Any:
        """{"values": the number of the value in each column, "from": the first place in it, or all places, "width"; of weights of a few
        slots "at": the numbers of the values that name these, "count": how many they are}.
        """
        if series is None:
            return None
        values = [None if n is None else self.program.number(n) for n in series.nodes]
        rows = series.places.reshape(len(values), -1)
        starts = rows[:, 0].tolist()
        if (rows == rows[:, :1] + np.arange(rows.shape[1])).all():
            places: Any = starts[0] if len(set(starts)) == 1 else starts
        else:
            places = rows.tolist()
        at = [None if n is None else self.program.number(n) for n in series.at or ()]
        return {"values": values, "from": places, "width": series.width, **({"at": at, "count": rows.shape[1]} if at else {})}

    def parts(self, parts: Parts) -> list[list[Any]]:
        """For each column what a gradient row adds up: the numbers of values, and lists of edges."""
        return [[self._number(p) if isinstance(p, int) else self._all_edges(*p) for p in column] for column in parts]

    def _number(self, a: int) -> int:
        return self.program.number(self.items[a].node)

    def _edges(self, a: int, position: int) -> list[int]:
        edges = self._all_edges(a, position)
        return [] if edges == [self._number(a), position] else edges

    def _line(self, step: Step, values: Sequence[int], parts: Sequence[str]) -> list[list[int]]:
        """For each value of a line the edges by which it reaches the parts."""
        readers = [i for i in step.items if self.items[i].part in parts]
        return [[n for i in readers for p, arg in enumerate(self.items[i].args) if arg == a for n in self._all_edges(i, p)] for a in values]

    def _all_edges(self, a: int, position: int) -> list[int]:
        """[node, argument, node, argument, …]"""
        item: Item = self.items[a]
        return [n for node, p in item.edges[position] for n in (self.program.number(node), p)]


__all__ = ["live", "program_of"]
