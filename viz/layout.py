"""What the layout of a step takes and gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .geometry import Point

Source = tuple[str, int]  # ("op", i), ("in", k) or ("state", s)


@dataclass
class Template:
    """What is to be laid out: ops in topological order with their sizes and sources, nodes below and above, values that leave."""

    sizes: Sequence[tuple[float, float]]
    args: Sequence[Sequence[Source]]
    inputs: Sequence[tuple[float, float]] = ()
    outputs: Sequence[tuple[Source, tuple[float, float]]] = ()
    states: int = 0
    exits: Sequence[Source] = ()


@dataclass
class Layout:
    """Where things are. `edges[op, position]` runs from its source to the op; `exits[i]` from its source into the right gutter."""

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
