"""A timeline: the visible operations of a graph in columns of time, with what comes before and after."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from minigrad.ir import Node

BEFORE = -1  # the column number of what comes before the steps
Edge = tuple[Node, int]  # a consumer, and which of its arguments


@dataclass(slots=True, eq=False)
class Item:
    """One visible operation or leaf. `edges` are the engine's edges that its arguments came in by."""

    index: int
    node: Node
    kind: str
    label: str
    args: list[int] = field(default_factory=list)
    edges: list[list[Edge]] = field(default_factory=list)
    leaf: str = ""  # input (of a step), given (an argument of the graph), start (an initial state), dead, parameter, constant or number
    column: int | None = None
    name: str | None = None
    whole: int | None = None  # of a slice of a sequence: the sequence
    folded: bool = False  # several operations in one
    named: bool = False  # by the program, not by us
    at: str | None = None  # of a value from another row: the step it is from ("" if from none)


@dataclass
class Column:
    """A time step of a loop."""

    label: str
    loop: str
    step: int
    items: list[int] = field(default_factory=list)
    gradient: bool = False
    backwards: bool = False  # in a loop from the last step to the first


@dataclass
class Timeline:
    """Items in order of creation, the columns of time, what comes before and after, and the results."""

    items: list[Item]
    columns: list[Column]
    before: list[int]
    after: list[int]
    outputs: list[int]
    title: str = ""
    notes: list[str] = field(default_factory=list)  # what is left out, in words

    @property
    def end(self) -> int:
        """The column number of what comes after."""
        return len(self.columns)


def step_key(node: Node) -> tuple[Any, ...] | None:
    """(loop, step, whether of a gradient), from the outermost scope that has a step."""
    for i, scope in enumerate(node.origin.scopes):
        if scope.step is not None:
            return "/".join(s.name for s in node.origin.scopes[: i + 1]), scope.step, node.origin.vjp_of is not None
    return None
