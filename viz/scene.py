"""What a drawing is made of, apart from any file format: shapes, wires, frames and words, y downwards, in points."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

Point = tuple[float, float]


class Shape(NamedTuple):
    """A node. Its id is ours, never the user's; chips are weights used in it; `title` is shown on hovering."""

    id: str
    x: float
    y: float
    w: float
    h: float
    look: str
    label: str
    shape: str = "box"
    chips: tuple[str, ...] = ()
    title: str = ""
    fill: str | None = None
    stroke: str | None = None
    dashed: bool = False
    size: float = 11.0
    chip_fills: tuple[str, ...] = ()


class Wire(NamedTuple):
    """An edge along horizontal and vertical segments, corners rounded. tail and head are ids of shapes or ports, for DOT."""

    points: tuple[Point, ...]
    tail: str = ""
    head: str = ""
    arrow: bool = True
    width: float = 1.2
    colour: str = "#7C8790"
    dashed: bool = False
    id: str = ""  # where a word belongs to it


class Frame(NamedTuple):
    """A rounded rectangle around a step."""

    x: float
    y: float
    w: float
    h: float
    label: str = ""
    fill: str = "#EEF6EE"
    stroke: str = "#7FB07F"
    ink: str = "#5E9A5E"
    at: float = 8.0  # of the label, from the left


class Word(NamedTuple):
    """Text; `of` is the id of the shape or the wire it belongs to, `id` its own where a wire is tied to it."""

    x: float
    y: float
    text: str
    size: float = 10.0
    colour: str = "#7C8790"
    anchor: str = "middle"
    of: str = ""
    id: str = ""


class Dot(NamedTuple):
    """Where a wire branches."""

    x: float
    y: float
    colour: str = "#7C8790"
    r: float = 2.0


class Port(NamedTuple):
    """A point without a mark, to which wires can be tied in DOT."""

    id: str
    x: float
    y: float


class Bar(NamedTuple):
    """A plain filled rectangle (colour scales)."""

    x: float
    y: float
    w: float
    h: float
    fill: str


@dataclass(eq=False)
class Part:
    """A group of marks that may stand at several places."""

    wires: list[Wire] = field(default_factory=list)
    dots: list[Dot] = field(default_factory=list)
    shapes: list[Shape] = field(default_factory=list)
    words: list[Word] = field(default_factory=list)
    ports: list[Port] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)


class Placed(NamedTuple):
    """A part at a place, perhaps in a frame (in the scene's coordinates); ids inside it get the prefix in DOT."""

    part: Part
    dx: float = 0.0
    dy: float = 0.0
    prefix: str = ""
    frame: Frame | None = None


@dataclass(eq=False)
class Scene:
    """A whole drawing; `notes` say what was left out."""

    width: float
    height: float
    placed: list[Placed] = field(default_factory=list)
    title: str = ""
    notes: list[str] = field(default_factory=list)
