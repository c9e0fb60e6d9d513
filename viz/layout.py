"""The layout of one step: what a layout algorithm takes, what it gives, and layouts with fixed positions.

Coordinates have y upwards, from the lower edge of the step's box.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from . import style
from .geometry import Point
from .heat import Field, FixedHeat

OUTSIDE = 34.0  # from the box to the inputs below and the outputs above
Source = tuple[str, int]  # where a value comes from: ("op", i), ("in", k) or ("state", s)


@dataclass
class StepGraph:
    """The graph of one step: operations in topological order, inputs below them, outputs above them, states from the left.

    sizes     (width, height) of each operation;  args    the sources of its arguments
    inputs    (width, height) of each input;  outputs    (the value that is shown, its size)
    states    how many states come in at the left border;  exits    the values that leave at the right border
    scopes    the path of scopes of each operation, if room for outlines is wanted
    """

    sizes: Sequence[tuple[float, float]]
    args: Sequence[Sequence[Source]]
    inputs: Sequence[tuple[float, float]] = ()
    outputs: Sequence[tuple[Source, tuple[float, float]]] = ()
    states: int = 0
    exits: Sequence[Source] = ()
    scopes: Sequence[tuple[str, ...]] = ()


@dataclass
class Layout:
    """The positions of a step's nodes and the paths of its edges.

    centres   of the operations;  inputs, outputs    centres of those nodes
    lanes     the height at which each state comes in
    edges     (operation, argument) -> the path from its source
    risers    the path to each output;  exits    the path of each value that leaves, up to the right border
    dots      points at which an edge branches
    """

    width: float = 0.0
    height: float = 0.0
    centres: list[Point] = field(default_factory=list)
    inputs: list[Point] = field(default_factory=list)
    outputs: list[Point] = field(default_factory=list)
    lanes: list[float] = field(default_factory=list)
    edges: dict[tuple[int, int], tuple[Point, ...]] = field(default_factory=dict)
    risers: list[tuple[Point, ...]] = field(default_factory=list)
    exits: list[tuple[Point, ...]] = field(default_factory=list)
    dots: list[Point] = field(default_factory=list)


class FixedNode(NamedTuple):
    """A node at a fixed position; `item` is the operation that it stands for, and `numbers` are those of its value behind the label."""

    id: str
    x: float
    y: float
    w: float
    h: float
    look: str
    label: str
    item: int | None = None
    shape: str = "box"
    size: float = 12.0
    numbers: Field | None = None


class FixedEdge(NamedTuple):
    """An edge with a fixed path. Its colour is that of the value `item`, or with `position` of the gradient along that argument of it.

    into   (values, parts of the step): the colour of the gradient that comes to these values from these parts
    """

    points: tuple[Point, ...]
    tail: str
    head: str
    item: int
    position: int | None = None
    heavy: bool = False
    arrow: bool = True
    into: tuple[tuple[int, ...], tuple[str, ...]] | None = None


class FixedWord(NamedTuple):
    """A text at a fixed position; `of` is the id of the node that it belongs to."""

    x: float
    y: float
    text: str
    of: str = ""
    size: float = 9.5
    anchor: str = "middle"
    colour: str = style.MUTED


class Panel(NamedTuple):
    """The rectangle behind the parts of a head, or of a card that stands for `item`, from its lower left corner."""

    x: float
    y: float
    w: float
    h: float
    fill: str
    stroke: str
    item: int | None = None


@dataclass
class FixedLayout:
    """A step with fixed positions: a known cell, or one box.

    entry     the node at which all states come in and leave; "" where each state has a port of its own
    sources   item -> the id of the node that computes it
    """

    layout: Layout
    nodes: list[FixedNode] = field(default_factory=list)
    edges: list[FixedEdge] = field(default_factory=list)
    words: list[FixedWord] = field(default_factory=list)
    heats: list[FixedHeat] = field(default_factory=list)
    panels: list[Panel] = field(default_factory=list)
    entry: str = ""
    sources: dict[int, str] = field(default_factory=dict)

    @property
    def lines(self) -> list[tuple[tuple[int, ...], tuple[str, ...]]]:
        """What each line between parts of the step carries, in the order of the lines: (values, parts)."""
        return [e.into for e in self.edges if e.into is not None]
