"""A scene as DOT text: valid for plain `dot`, and with positions, so that `neato -n2` draws the same picture."""

from __future__ import annotations

from collections.abc import Iterator

from .scene import Part, Placed, Point, Scene, Shape, Wire
from .style import FONT, LOOKS, ink
from .svg import rounded
from .text import number as n
from .text import quoted, width

_SHAPES = {"box": "box", "ellipse": "ellipse", "square": "box"}


def write(scene: Scene) -> str:
    """The DOT text. Names come from counters; every label is escaped text."""
    lines = [
        f"digraph {quoted(scene.title or 'minigrad')} {{",
        f'  graph [fontname="{FONT}", fontsize=11, rankdir=BT, nodesep=0.2, ranksep=0.28, outputorder=edgesfirst, splines=true]',
        f'  node [fontname="{FONT}", fontsize=11, height=0.26, penwidth=1, margin="0.05,0.02"]',
        '  edge [color="#7C8790", penwidth=1, arrowsize=0.6]',
    ]
    for i, placed in enumerate(scene.placed):
        lines.extend(_part(placed, i, scene.height))
    lines.append("}")
    return "\n".join(lines) + "\n"


def _part(placed: Placed, index: int, height: float) -> Iterator[str]:
    part, dx, dy, prefix, frame = placed
    indent = "  "

    def at(x: float, y: float) -> str:
        return f"{n(x + dx)},{n(height - y - dy)}"

    if frame is not None:
        yield f"  subgraph cluster_{index} {{"
        lower = f"{n(frame.x)},{n(height - frame.y - frame.h)}"
        upper = f"{n(frame.x + frame.w)},{n(height - frame.y)}"
        colours = f'fillcolor="{frame.fill}", color="{frame.stroke}"'
        yield f'    graph [label={quoted(frame.label)}, labeljust=l, style="rounded,filled", {colours}]'
        label = f"{n(frame.x + frame.at + width(frame.label, 11) / 2)},{n(height - frame.y + 8)}"
        yield f'    graph [fontcolor="{frame.ink}", bb="{lower},{upper}", lp="{label}"]'
        indent = "    "
    for s in part.shapes:
        yield f'{indent}{prefix}{s.id} [{_attributes(s)}, pos="{at(s.x, s.y)}"]'
    for p in part.ports:
        yield f'{indent}{prefix}{p.id} [shape=point, width=0.01, height=0.01, label="", style=invis, pos="{at(p.x, p.y)}"]'
    if frame is not None:
        yield "  }"
    for i, b in enumerate(part.bars):
        size = f'fillcolor="{b.fill}", width={b.w / 72:.3f}, height={b.h / 72:.3f}'
        yield f'  b{index}_{i} [label="", shape=box, style=filled, penwidth=0, {size}, pos="{at(b.x + b.w / 2, b.y + b.h / 2)}"]'
    for i, w in enumerate(part.words):
        wide = width(w.text, w.size)
        x = w.x + {"start": wide / 2, "middle": 0.0, "end": -wide / 2}[w.anchor]
        look = f'shape=none, fontsize={n(w.size)}, fontcolor="{w.colour}", width={wide / 72:.3f}, height=0.15, fixedsize=shape'
        yield f'  w{index}_{i} [label={quoted(w.text)}, {look}, pos="{at(x, w.y)}"]'
    yield from _wires(part, placed, height)


def _attributes(s: Shape) -> str:
    look = LOOKS[s.look]
    fill = s.fill or look.fill
    label = " ".join([s.label, *(f"[{c}]" for c in s.chips)]) if s.chips else s.label
    style = "filled" if s.shape != "box" else "rounded,filled"
    style += ",dashed" if s.dashed else ""
    return (
        f'label={quoted(label)}, shape={_SHAPES[s.shape]}, style="{style}", fillcolor="{fill}", color="{s.stroke or look.stroke}", '
        f'fontcolor="{ink(fill)}", width={s.w / 72:.3f}, height={s.h / 72:.3f}, fixedsize=true, fontsize={n(s.size)}'
    )


def _wires(part: Part, placed: Placed, height: float) -> Iterator[str]:
    for w in part.wires:
        if not w.tail or not w.head:
            continue
        tail, head = (name[1:] if name[0] == "^" else placed.prefix + name for name in (w.tail, w.head))
        more = ", style=dashed" if w.dashed else ""
        more += "" if w.arrow else ", arrowhead=none"
        yield f'  {tail} -> {head} [pos="{_spline(w, placed, height)}", color="{w.colour}", penwidth={n(w.width)}{more}]'


def _spline(wire: Wire, placed: Placed, height: float) -> str:
    points = [(x + placed.dx, height - y - placed.dy) for x, y in wire.points]
    start = ""
    if wire.arrow:
        (ax, ay), (bx, by) = points[-2], points[-1]
        length = abs(bx - ax) + abs(by - ay) or 1.0
        cut = min(6.0, length / 2) / length
        start = f"e,{n(bx)},{n(by)} "
        points[-1] = (bx - (bx - ax) * cut, by - (by - ay) * cut)
    out = [points[0]]
    for i in range(1, len(points)):
        corner = rounded(points[i - 1], points[i], points[i + 1]) if i + 1 < len(points) else None
        if corner is None:
            out.extend(_straight(out[-1], points[i]))
        else:
            out.extend(_straight(out[-1], corner[0]))
            out.extend((points[i], points[i], corner[1]))
    return start + " ".join(f"{n(x)},{n(y)}" for x, y in out)


def _straight(a: Point, b: Point) -> tuple[Point, Point, Point]:
    return (a[0] + (b[0] - a[0]) / 3, a[1] + (b[1] - a[1]) / 3), (a[0] + (b[0] - a[0]) * 2 / 3, a[1] + (b[1] - a[1]) * 2 / 3), b
