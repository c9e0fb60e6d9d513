"""A timeline: the visible operations of a graph, sorted into columns of time."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from minigrad.graph.ir import Node

BEFORE = -1  # the column number of operations before the first step
Edge = tuple[Node, int]  # an edge of the graph: the node that reads a value, and the position of the argument
NUMBERED = re.compile(r"(.*?)[._]?(\d+)")


class StepKey(NamedTuple):
    """The loop and the step of a node, whether the node computes a gradient, and at which depth of its scopes the step stands."""

    loop: str
    step: int
    gradient: bool
    depth: int


def step_key(node: Node) -> StepKey | None:
    """The step of a node, from its outermost scope that has a step; None where there is none."""
    for i, scope in enumerate(node.origin.scopes):
        if scope.step is not None:
            return StepKey("/".join(s.name for s in node.origin.scopes[: i + 1]), scope.step, node.origin.vjp_of is not None, i)
    return None


def block_key(node: Node) -> StepKey | None:
    """The block of a node, from its outermost scope with a number, such as block3; None where there is none."""
    for i, scope in enumerate(node.origin.scopes):
        if match := NUMBERED.fullmatch(scope.name):
            path = [*(s.name for s in node.origin.scopes[:i]), match[1]]
            return StepKey("/".join(path), int(match[2]), node.origin.vjp_of is not None, i)
    return None


@dataclass(slots=True, eq=False)
class Item:
    """One visible operation or leaf of the graph.

    args     the items whose values it reads;  edges    for each of them, the edges of the graph by which the value arrives
    leaf     "" for an operation, else "argument" (of the graph), "input" (of one step), "start" (an initial state), "parameter",
             "constant", "number", "pruned": no result needs it, or "block": it is an operation for which a block stands
    whole    for an element of a sequence, the item of the sequence
    folded   whether the item stands for several operations
    named    whether its name comes from `.named(...)`
    at       for a value of another row, the number of its step as text; "" for a value that belongs to no step
    prefix, suffix    what tells its name from equal names of its step;  several    the names of all values that it stands for
    caption  the words of the line under its label
    partial  whether it is the part of a gradient that some steps give;  time    of a gradient, the step of the value that it belongs to
    cut      which part of a value it is: [1:3]
    given    the name of what one reader gives to a gradient, where it leaves its step
    shape    that of the value with its name, where the node has another one
    repeated the depth of the scope that stands for several, and its name: block ×6
    part     the part of a step with a memory to which it belongs (`parts`); "" without one
    inside   how many scopes lead to its step, and are around all of it
    """

    index: int
    node: Node
    kind: str
    label: str
    args: list[int] = field(default_factory=list)
    edges: list[list[Edge]] = field(default_factory=list)
    leaf: str = ""
    column: int | None = None
    name: str | None = None
    whole: int | None = None
    folded: bool = False
    named: bool = False
    at: str | None = None
    part: str = ""
    inside: int = 0
    prefix: str = ""
    suffix: str = ""
    several: str = ""
    caption: tuple[str, ...] = ()
    partial: bool = False
    time: int | None = None
    given: str = ""
    cut: str = ""
    repeated: tuple[int, str] | None = None
    shape: tuple[int, ...] = ()

    @property
    def called(self) -> str | None:
        """Its name in the drawing, which no other value of its step has."""
        return f"{self.prefix}{self.name}{self.suffix}" if self.name else None


@dataclass
class Column:
    """One time step of a loop, or one block. `backwards`: the loop runs from the last step to the first."""

    label: str
    loop: str
    step: int
    items: list[int] = field(default_factory=list)
    gradient: bool = False
    backwards: bool = False


@dataclass
class Timeline:
    """All items in the order of their creation, the columns of time, the items before and after the columns, and the results.

    `key_of` tells the column of a node: a step of time, or a block; `axis` is the word for it. `notes` say in words what is left out;
    `key` says what captions show.
    """

    items: list[Item]
    columns: list[Column]
    before: list[int]
    after: list[int]
    outputs: list[int]
    title: str = ""
    notes: list[str] = field(default_factory=list)
    key: str = ""
    key_of: Callable[[Node], StepKey | None] = step_key
    axis: str = "time step t"

    @property
    def end(self) -> int:
        """The column number of operations after the last step."""
        return len(self.columns)
