"""A scene as SVG text, without script, style sheet or link to the outside. A part that stands at several places is written once."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby

from .scene import Curve, Fan, Frame, Heat, Part, Point, Scene, Shape, Wire
from .style import FONT, LOOKS, TEXT, ink
from .text import number as n
from .text import width, xml

RADIUS = 6.0
ARROW = 7.0
FIT = 'style="max-width: 100%; height: auto"'  # a drawing wider than its page is made smaller, not cut
FACE = f'font-family="{FONT}" font-size="11"'
CHIP_GAP, CHIP_PAD = 4.0, 4.0
CAPTION = 8.5  # the size of captions
LINE = 11.0  # the height that a caption adds to a node


def write(scene: Scene) -> str:
    """The SVG text of a scene. Equal scenes give equal text."""
    count = Counter(id(p.part) for p in scene.placed)
    body: list[str] = []
    defs: list[str] = []
    names: dict[int, str] = {}
    prefix = "m" + hashlib.sha256(f"{scene.title}{scene.width}{len(scene.placed)}".encode()).hexdigest()[:6]
    for part, dx, dy, _, frame in scene.placed:
        if frame is not None:
            body.append(_frame(frame))
        if count[id(part)] == 1:
            shift = f' transform="translate({n(dx)},{n(dy)})"' if dx or dy else ""
            body.append(f"<g{shift}>{''.join(marks(part))}</g>")
            continue
        if id(part) not in names:
            names[id(part)] = f"{prefix}p{len(names)}"
            defs.append(f'<g id="{names[id(part)]}">{"".join(marks(part))}</g>')
        body.append(f'<use href="#{names[id(part)]}" x="{n(dx)}" y="{n(dy)}"/>')
    w, h = n(scene.width), n(scene.height)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{w}" height="{h}" viewBox="0 0 {w} {h}" {FIT} role="img" {FACE}>'
    title = f"<title>{xml(scene.title)}</title>" if scene.title else ""
    back = f'<rect width="{w}" height="{h}" fill="#FFFFFF"/>'
    inner = "\n".join(body)
    return f"{head}{title}{back}{f'<defs>{chr(10).join(defs)}</defs>' if defs else ''}\n{inner}\n</svg>\n"


def _frame(f: Frame) -> str:
    mark = f'<rect x="{n(f.x)}" y="{n(f.y)}" width="{n(f.w)}" height="{n(f.h)}" rx="{n(f.round)}" fill="{f.fill}" stroke="{f.stroke}"/>'
    return mark + (f'<text x="{n(f.x + f.at)}" y="{n(f.y - 6)}" fill="{f.ink}">{xml(f.label)}</text>' if f.label else "")


def marks(part: Part) -> Iterator[str]:
    """The SVG elements of one part, from the back to the front."""
    yield from map(_frame, part.panels)
    for b in part.bars:
        yield f'<rect x="{n(b.x)}" y="{n(b.y)}" width="{n(b.w)}" height="{n(b.h)}" fill="{b.fill}"/>'
    yield from _wires(part.wires)
    for d in part.dots:
        yield f'<circle cx="{n(d.x)}" cy="{n(d.y)}" r="{n(d.r)}" fill="{d.colour}"/>'
    yield from map(_heat, part.heats)
    yield from map(_curve, part.curves)
    yield from _shapes(part.shapes)
    yield from map(_fan, part.fans)
    for t in part.words:
        anchor = "" if t.anchor == "start" else f' text-anchor="{t.anchor}"'
        yield f'<text x="{n(t.x)}" y="{n(t.y + t.size * 0.35)}" font-size="{n(t.size)}" fill="{t.colour}"{anchor}>{xml(t.text)}</text>'


def _heat(m: Heat) -> str:
    """A heat map: for each colour one line through all its cells, in units of a cell."""
    left, top, tall = m.x - m.w / 2, m.y - m.h / 2, m.h / max(len(m.fills), 1)
    wide = m.w / max((len(row) for row in m.fills if row), default=1)
    cells: dict[str, list[str]] = {}
    for y, row in enumerate(m.fills):
        x = 0
        for fill, group in groupby(row):
            run = len(list(group))
            cells.setdefault(fill, []).append(f"M{x} {y}h{run}")
            x += run
    units = f'transform="translate({left:.2f},{top + tall / 2:.2f}) scale({wide:.4f},{tall:.4f})"'
    box = f'x="{n(left)}" y="{n(top)}" width="{n(m.w)}" height="{n(m.h)}"'
    inner = "".join(f'<path stroke="{fill}" d="{"".join(d)}"/>' for fill, d in cells.items() if fill != "#FFFFFF")
    rows = "".join(
        f'<rect x="{n(x)}" y="{n(y)}" width="{n(w)}" height="{n(h)}" fill="none" stroke="{colour}" stroke-width="1.6"/>'
        for x, y, w, h, colour in outlines(m)
    )
    title = f"<title>{xml(m.title)}</title>" if m.title else ""
    edge = f'<rect {box} fill="none" stroke="{m.stroke}" stroke-width="0.8"/>'
    return f'<g>{title}<rect {box} fill="#FFFFFF"/><g {units} shape-rendering="crispEdges">{inner}</g>{edge}{rows}</g>'


def _curve(c: Curve) -> str:
    d = "L".join(f"{x:.1f} {y:.1f}" for x, y in c.points) + "h0"  # a single point is drawn too
    marks = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{c.r}"/>' for x, y in c.points if c.r)
    line = f'<path d="M{d}" fill="none" stroke="{c.colour}" stroke-width="1.3" stroke-linecap="round"/>'
    return f'{line}<g fill="{c.colour}">{marks}</g>' if marks else line


def _fan(f: Fan) -> str:
    lines = "".join(
        f'<path d="M{n(f.x + ax)} {n(f.y + ay)}L{n(f.x + bx)} {n(f.y + by)}" stroke="{colour}" stroke-width="{w:.1f}"/>'
        for ax, ay, bx, by, w, colour in f.lines
    )
    dots = "".join(f'<circle cx="{n(f.x + x)}" cy="{n(f.y + y)}" r="1.6"/>' for x, y in f.dots)
    return f'<g fill="none">{lines}</g><g fill="{TEXT}">{dots}</g>'


def outlines(m: Heat) -> Iterator[tuple[float, float, float, float, str]]:
    """(left, top, width, height, colour) of the outline of each marked row. A second one of the same row stands inside the first."""
    tall = m.h / max(len(m.fills), 1)
    for before, (k, colour) in enumerate(m.frames):
        inset = 1.8 * sum(row == k for row, _ in m.frames[:before])
        x, y = m.x - m.w / 2 - 1 + inset, m.y - m.h / 2 + k * tall - 0.5 + inset
        yield x, y, m.w + 2 - 2 * inset, tall + 1 - 2 * inset, colour


def _wires(wires: Iterable[Wire]) -> Iterator[str]:
    for (colour, width_, dashed), group in groupby(wires, key=lambda w: (w.colour, w.width, w.dashed)):
        lines, heads = [], []
        for wire in group:
            points = wire.points
            if wire.arrow:
                heads.append(arrow(points, width_))
            d = path(shortened(points) if wire.arrow else points)
            lines.append(f'<path d="{d}"/>')
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        yield f'<g fill="none" stroke="{colour}" stroke-width="{n(width_)}"{dash}>{"".join(lines)}</g>'
        if heads:
            yield f'<path d="{"".join(heads)}" fill="{colour}"/>'


def path(points: tuple[Point, ...]) -> str:
    """The path data of a line along these points, with rounded corners."""
    out = [f"M{n(points[0][0])} {n(points[0][1])}"]
    for i in range(1, len(points) - 1):
        corner = rounded(points[i - 1], points[i], points[i + 1])
        if corner is None:
            out.append(f"L{n(points[i][0])} {n(points[i][1])}")
        else:
            (ax, ay), (bx, by) = corner
            out.append(f"L{n(ax)} {n(ay)}Q{n(points[i][0])} {n(points[i][1])} {n(bx)} {n(by)}")
    out.append(f"L{n(points[-1][0])} {n(points[-1][1])}")
    return "".join(out)


def rounded(a: Point, b: Point, c: Point) -> tuple[Point, Point] | None:
    """The points at which the curve around corner b begins and ends; None where there is no corner."""
    before = abs(a[0] - b[0]) + abs(a[1] - b[1])
    after = abs(c[0] - b[0]) + abs(c[1] - b[1])
    straight = (a[0] == b[0] == c[0]) or (a[1] == b[1] == c[1])
    if straight or not before or not after:
        return None
    r = min(RADIUS, before / 2, after / 2)
    return (
        (b[0] + (a[0] - b[0]) * r / before, b[1] + (a[1] - b[1]) * r / before),
        (b[0] + (c[0] - b[0]) * r / after, b[1] + (c[1] - b[1]) * r / after),
    )


def _direction(points: tuple[Point, ...]) -> Point:
    (ax, ay), (bx, by) = points[-2], points[-1]
    length = ((bx - ax) ** 2 + (by - ay) ** 2) ** 0.5 or 1.0
    return (bx - ax) / length, (by - ay) / length


def shortened(points: tuple[Point, ...], by: float = 3.0) -> tuple[Point, ...]:
    """The line made shorter at its end, so that it ends inside its arrow head."""
    dx, dy = _direction(points)
    return (*points[:-1], (points[-1][0] - dx * by, points[-1][1] - dy * by))


def arrow(points: tuple[Point, ...], line: float) -> str:
    """The path data of the arrow head of a line of this width."""
    return "M" + "L".join(f"{n(x)} {n(y)}" for x, y in arrow_head(points, line)) + "Z"


def arrow_head(points: tuple[Point, ...], line: float) -> tuple[Point, Point, Point]:
    """The corners of an arrow head; the first is its tip."""
    (x, y), (dx, dy) = points[-1], _direction(points)
    size = ARROW + (line - 1.2) * 1.5
    half = size * 0.38
    ax, ay = x - dx * size - dy * half, y - dy * size + dx * half
    bx, by = x - dx * size + dy * half, y - dy * size - dx * half
    return (x, y), (ax, ay), (bx, by)


def _shapes(shapes: Iterable[Shape]) -> Iterator[str]:
    def look(s: Shape) -> tuple[str, str, bool]:
        return s.fill or LOOKS[s.look].fill, s.stroke or LOOKS[s.look].stroke, s.dashed

    for (fill, stroke, dashed), group in groupby(sorted(shapes, key=look), key=look):
        dash = ' stroke-dasharray="4 3"' if dashed else ""
        members = list(group)
        yield f'<g fill="{fill}" stroke="{stroke}"{dash}>{"".join(map(_outline, members))}</g>'
        yield f'<g fill="{ink(fill)}" text-anchor="middle">{"".join(map(_label, members))}</g>'
        chips = [c for s in members for c in _chips(s)]
        if chips:
            yield "".join(chips)


def _outline(s: Shape) -> str:
    title = f"<title>{xml(s.title)}</title>" if s.title else ""
    if s.shape == "ellipse":
        tag = "ellipse"
        mark = f'<ellipse cx="{n(s.x)}" cy="{n(s.y)}" rx="{n(s.w / 2)}" ry="{n(s.h / 2)}"'
    else:
        tag = "rect"
        corner = 0 if s.shape == "square" else min(6.0, s.h / 3)
        mark = f'<rect x="{n(s.x - s.w / 2)}" y="{n(s.y - s.h / 2)}" width="{n(s.w)}" height="{n(s.h)}" rx="{n(corner)}"'
    return f"{mark}>{title}</{tag}>" if title else f"{mark}/>"


def chip_width(chip: str, size: float) -> float:
    return width(chip, size - 2) + 2 * CHIP_PAD


def label_width(label: str, chips: tuple[str, ...], size: float, caption: str = "") -> float:
    """The width of a label with its chips beside it and its caption below it."""
    return max(_line_width(label, chips, size), width(caption, CAPTION))


def _line_width(label: str, chips: tuple[str, ...], size: float) -> float:
    return width(label, size) + sum(chip_width(c, size) + CHIP_GAP for c in chips)


def label_place(s: Shape) -> float:
    """The x of the middle of a label. Its chips stand on the right."""
    return s.x - (_line_width(s.label, s.chips, s.size) - width(s.label, s.size)) / 2


def label_line(s: Shape) -> float:
    """The y of the middle of a label: higher where a caption stands below it, or by its lift."""
    return s.y - s.lift - LINE / 2 * bool(s.caption)


def chips_of(s: Shape) -> Iterator[tuple[float, float, float, str, str, str]]:
    """(left, width, height, fill, text colour, text) of each chip."""
    plain = LOOKS["chip"].fill
    x = s.x - _line_width(s.label, s.chips, s.size) / 2 + width(s.label, s.size)
    for i, chip in enumerate(s.chips):
        x += CHIP_GAP
        fill = s.chip_fills[i] if i < len(s.chip_fills) else plain
        wide = chip_width(chip, s.size)
        yield x, wide, s.size + 4, fill, TEXT if fill == plain else ink(fill), chip
        x += wide


def _label(s: Shape) -> str:
    if not s.label:
        return ""
    size = "" if s.size == 11.0 else f' font-size="{n(s.size)}"'
    y = label_line(s)
    mark = f'<text x="{n(label_place(s))}" y="{n(y + s.size * 0.35)}"{size}>{xml(s.label)}</text>'
    if s.caption:
        mark += f'<text x="{n(s.x)}" y="{n(y + 12 + CAPTION * 0.35)}" font-size="{n(CAPTION)}">{xml(s.caption)}</text>'
    return mark


def _chips(s: Shape) -> Iterator[str]:
    y = label_line(s)
    for x, w, h, fill, colour, chip in chips_of(s):
        yield (
            f'<rect x="{n(x)}" y="{n(y - h / 2)}" width="{n(w)}" height="{n(h)}" rx="4" fill="{fill}" stroke="{LOOKS["chip"].stroke}"/>'
            f'<text x="{n(x + w / 2)}" y="{n(y + (s.size - 2) * 0.35)}" font-size="{n(s.size - 2)}" text-anchor="middle" '
            f'fill="{colour}">{xml(chip)}</text>'
        )
