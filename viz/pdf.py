"""A scene as PDF, written by matplotlib (the extra `cli`): its font has all the signs that drawings use."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from .errors import DrawingError
from .scene import Curve, Fan, Frame, Heat, Part, Scene, Shape, Wire
from .style import LOOKS, TEXT, ink
from .svg import CAPTION, arrow_head, chips_of, label_line, label_place, outlines, rounded

FACE = "DejaVu Sans"
NARROW = 0.88  # the factor of font sizes: this font is wider than the one for which labels are measured


def write(scene: Scene) -> bytes:
    """The PDF of a scene, one page of its size. Equal scenes give equal bytes. Raises DrawingError where matplotlib is missing."""
    try:
        from matplotlib.backends.backend_pdf import FigureCanvasPdf
        from matplotlib.figure import Figure
    except ImportError:
        raise DrawingError("drawing: PDF needs matplotlib: pip install 'minigrad[cli]'; SVG needs nothing") from None
    figure = Figure(figsize=(scene.width / 72, scene.height / 72))
    canvas = FigureCanvasPdf(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, scene.width), ylim=(scene.height, 0))
    axes.axis("off")
    for artist in _artists(scene):
        axes.add_artist(artist)
    out = io.BytesIO()
    canvas.print_pdf(out, metadata={"CreationDate": None, "Title": scene.title or None})
    return out.getvalue()


def _artists(scene: Scene) -> Iterator[Any]:
    for p in scene.placed:
        if p.frame is not None:
            yield from _frame(p.frame, 0.0, 0.0)
        yield from _marks(p.part, p.dx, p.dy)


def _frame(f: Frame, dx: float, dy: float) -> Iterator[Any]:
    yield _box(f.x + dx, f.y + dy, f.w, f.h, f.round, f.fill, f.stroke)
    yield _text(f.x + f.at + dx, f.y + dy - 6, f.label, 11.0, f.ink, "left", "baseline")


def _marks(part: Part, dx: float, dy: float) -> Iterator[Any]:
    from matplotlib.patches import Circle, Rectangle

    for f in part.panels:
        yield from _frame(f, dx, dy)
    for b in part.bars:
        yield Rectangle((b.x + dx, b.y + dy), b.w, b.h, facecolor=b.fill, edgecolor="none")
    for w in part.wires:
        yield from _wire(w, dx, dy)
    for d in part.dots:
        yield Circle((d.x + dx, d.y + dy), d.r, facecolor=d.colour, edgecolor="none")
    for m in part.heats:
        yield from _heat(m, dx, dy)
    for c in part.curves:
        yield from _curve(c, dx, dy)
    for s in part.shapes:
        yield from _shape(s, dx, dy)
    for fan in part.fans:
        yield from _fan(fan, dx, dy)
    for t in part.words:
        yield _text(t.x + dx, t.y + dy, t.text, t.size, t.colour, {"start": "left", "middle": "center", "end": "right"}[t.anchor])


def _heat(m: Heat, dx: float, dy: float) -> Iterator[Any]:
    from matplotlib.collections import PolyCollection
    from matplotlib.patches import Rectangle

    left, top, tall = m.x - m.w / 2 + dx, m.y - m.h / 2 + dy, m.h / max(len(m.fills), 1)
    wide = m.w / max((len(row) for row in m.fills if row), default=1)
    cells = [(left + j * wide, top + k * tall, fill) for k, row in enumerate(m.fills) for j, fill in enumerate(row)]
    corners = [((x, y), (x + wide, y), (x + wide, y + tall), (x, y + tall)) for x, y, _ in cells]
    yield PolyCollection(corners, facecolors=[fill for *_, fill in cells], edgecolors="none")
    yield Rectangle((left, top), m.w, m.h, fill=False, edgecolor=m.stroke, lw=0.8)
    for x, y, w, h, colour in outlines(m):
        yield Rectangle((x + dx, y + dy), w, h, fill=False, edgecolor=colour, lw=1.6)


def _curve(c: Curve, dx: float, dy: float) -> Iterator[Any]:
    from matplotlib.lines import Line2D

    xs, ys = [x + dx for x, _ in c.points], [y + dy for _, y in c.points]
    yield Line2D(xs, ys, color=c.colour, lw=1.3, marker="o" if c.r else None, ms=2 * c.r)


def _fan(f: Fan, dx: float, dy: float) -> Iterator[Any]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Circle

    for ax, ay, bx, by, w, colour in f.lines:
        yield Line2D((f.x + ax + dx, f.x + bx + dx), (f.y + ay + dy, f.y + by + dy), color=colour, lw=w)
    for x, y in f.dots:
        yield Circle((f.x + x + dx, f.y + y + dy), 1.6, facecolor=TEXT, edgecolor="none")


def _wire(w: Wire, dx: float, dy: float) -> Iterator[Any]:
    from matplotlib.patches import PathPatch, Polygon
    from matplotlib.path import Path

    points = [(x + dx, y + dy) for x, y in w.points]
    vertices, codes = [points[0]], [Path.MOVETO]
    for i in range(1, len(points)):
        corner = rounded(points[i - 1], points[i], points[i + 1]) if i + 1 < len(points) else None
        if corner is None:
            vertices.append(points[i])
            codes.append(Path.LINETO)
        else:
            vertices += [corner[0], points[i], corner[1]]
            codes += [Path.LINETO, Path.CURVE3, Path.CURVE3]
    dash = (0, (5, 4)) if w.dashed else "solid"
    yield PathPatch(Path(vertices, codes), fill=False, edgecolor=w.colour, lw=w.width, linestyle=dash, capstyle="butt")
    if w.arrow:
        yield Polygon(arrow_head(tuple(points), w.width), closed=True, facecolor=w.colour, edgecolor="none")


def _shape(s: Shape, dx: float, dy: float) -> Iterator[Any]:
    from matplotlib.patches import Ellipse

    fill, stroke = s.fill or LOOKS[s.look].fill, s.stroke or LOOKS[s.look].stroke
    x, y = s.x + dx, s.y + dy
    dash = (0, (4, 3)) if s.dashed else "solid"
    if s.shape == "ellipse":
        yield Ellipse((x, y), s.w, s.h, facecolor=fill, edgecolor=stroke, lw=1, linestyle=dash)
    else:
        yield _box(x - s.w / 2, y - s.h / 2, s.w, s.h, 0.0 if s.shape == "square" else min(6.0, s.h / 3), fill, stroke, dash)
    y = label_line(s) + dy
    if s.label:
        yield _text(label_place(s) + dx, y, s.label, s.size, ink(fill))
    if s.caption:
        yield _text(x, y + 12, s.caption, CAPTION, ink(fill))
    for left, w, h, colour, words, chip in chips_of(s):
        yield _box(left + dx, y - h / 2, w, h, 4.0, colour, LOOKS["chip"].stroke)
        yield _text(left + dx + w / 2, y, chip, s.size - 2, words)


def _box(x: float, y: float, w: float, h: float, corner: float, fill: str, stroke: str, dash: Any = "solid") -> Any:
    from matplotlib.patches import FancyBboxPatch

    style = f"round,pad=0,rounding_size={corner}" if corner else "square,pad=0"
    return FancyBboxPatch((x, y), w, h, boxstyle=style, facecolor=fill, edgecolor=stroke, lw=1, linestyle=dash, mutation_aspect=1)


def _text(x: float, y: float, words: str, size: float, colour: str, align: str = "center", stand: str = "center_baseline") -> Any:
    from matplotlib.text import Text

    return Text(x, y, words, fontsize=size * NARROW, color=colour, ha=align, va=stand, fontfamily=FACE, parse_math=False)
