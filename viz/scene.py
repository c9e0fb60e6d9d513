"""A scene: the shapes, lines and texts of a drawing with positions and colours, for any file format.

Coordinates are in points, y runs downwards.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

Point = tuple[float, float]
MARGIN = 18.0  # around a drawing


class Shape(NamedTuple):
    """A node. Its id comes from a counter, never from a user's name.

    look    a key of style.LOOKS, the colours by kind, unless `fill` and `stroke` are set
    chips   the weights that it reads, as small labels;  caption    the line under the label;  title    its tooltip
    lift    the distance of the label above the middle
    """

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
    caption: str = ""
    lift: float = 0.0


class Wire(NamedTuple):
    """An edge along horizontal and vertical segments, with rounded corners.

    tail, head   ids of shapes, ports or words in a part with the same prefix, for DOT;  id    for a word that labels the edge
    """

    points: tuple[Point, ...]
    tail: str = ""
    head: str = ""
    arrow: bool = True
    width: float = 1.2
    colour: str = "#7C8790"
    dashed: bool = False
    id: str = ""


class Heat(NamedTuple):
    """A heat map with its centre at (x, y): rows of colours from the top, white without any.

    frames   (row, colour) of each row with an outline;  scale    a key of heat.SCALES, which the legend explains; "" for gradients
    """

    id: str
    x: float
    y: float
    w: float
    h: float
    fills: tuple[tuple[str, ...], ...]
    stroke: str = "#8A949C"
    title: str = ""
    frames: tuple[tuple[int, str], ...] = ()
    scale: str = ""
    top: float = 1.0


class Fan(NamedTuple):
    """Straight lines (x, y, x, y, width, colour), and points, about a centre at (x, y). They stand on a shape."""

    x: float
    y: float
    lines: tuple[tuple[float, float, float, float, float, str], ...]
    dots: tuple[Point, ...]


class Curve(NamedTuple):
    """A line straight from each point to the next, with a mark of this radius at each of them."""

    points: tuple[Point, ...]
    colour: str
    r: float = 0.0


class Frame(NamedTuple):
    """A rounded rectangle around a step, or around a head in it. `at` is the distance of its label from the left border."""

    x: float
    y: float
    w: float
    h: float
    label: str = ""
    fill: str = "#EEF6EE"
    stroke: str = "#7FB07F"
    ink: str = "#5E9A5E"
    at: float = 8.0
    round: float = 12.0


class Word(NamedTuple):
    """A text. `of` is the id of the shape or wire that it labels; `id` is its own, where a wire begins or ends at it."""

    x: float
    y: float
    text: str
    size: float = 10.0
    colour: str = "#7C8790"
    anchor: str = "middle"
    of: str = ""
    id: str = ""


class Dot(NamedTuple):
    """A point at which an edge branches."""

    x: float
    y: float
    colour: str = "#7C8790"
    r: float = 2.0


class Port(NamedTuple):
    """An invisible point at which edges begin and end, for DOT."""

    id: str
    x: float
    y: float


class Bar(NamedTuple):
    """A filled rectangle of a colour scale."""

    x: float
    y: float
    w: float
    h: float
    fill: str


@dataclass(eq=False)
class Part:
    """A group of shapes, edges and texts. It may stand at several places."""

    wires: list[Wire] = field(default_factory=list)
    dots: list[Dot] = field(default_factory=list)
    shapes: list[Shape] = field(default_factory=list)
    words: list[Word] = field(default_factory=list)
    ports: list[Port] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)
    heats: list[Heat] = field(default_factory=list)
    panels: list[Frame] = field(default_factory=list)
    fans: list[Fan] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)


class Placed(NamedTuple):
    """A part at a place, and perhaps a frame around it (in coordinates of the scene). In DOT the prefix stands before all its ids."""

    part: Part
    dx: float = 0.0
    dy: float = 0.0
    prefix: str = ""
    frame: Frame | None = None


@dataclass(eq=False)
class Scene:
    """A whole drawing. `notes` say in words what is left out."""

    width: float
    height: float
    placed: list[Placed] = field(default_factory=list)
    title: str = ""
    notes: list[str] = field(default_factory=list)
