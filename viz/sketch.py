"""A step drawn by hand, or as one box: marks and lines with fixed places, tied to the items whose gradients colour them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from .layered import Layout, Point


class Mark(NamedTuple):
    """A node; `item` is the operation it stands for."""

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


class Line(NamedTuple):
    """A wire, y upwards; coloured by the value `item`, or with `position` by what flows along that argument of it."""

    points: tuple[Point, ...]
    tail: str
    head: str
    item: int
    position: int | None = None
    heavy: bool = False
    arrow: bool = True


@dataclass
class Sketch:
    """What stands in a step's box. `entries` and `leaving` are the ids at which lanes arrive and leave ("" for a port at the border)."""

    layout: Layout
    marks: list[Mark] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    words: list[tuple[float, float, str, str]] = field(default_factory=list)  # x, y, text, the mark it belongs to
    entry: str = ""  # the node at which lanes end; "" for ports of their own
    sources: dict[int, str] = field(default_factory=dict)  # item -> id of the mark that makes it
