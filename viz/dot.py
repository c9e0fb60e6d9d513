"""A scene as a graphviz.Digraph, with positions: `neato -n2` draws the same picture. The graph without a picture is in `logical`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import graphviz

from .errors import DrawingError
from .scene import Bar, Frame, Heat, Placed, Point, Scene, Shape, Wire, Word
from .style import FONT, LOOKS, TEXT, WIRE, ink
from .svg import rounded
from .text import number as n
from .text import width

GRAPH = {"fontname": FONT, "fontsize": "11", "rankdir": "BT", "nodesep": "0.2", "ranksep": "0.28", "splines": "true"}
PAGE = {"outputorder": "edgesfirst", "pad": "0.25", "inputscale": "72"}  # pad: a margin of 18 points; inputscale: positions are in points
NODE = {"fontname": FONT, "fontsize": "11", "fontcolor": TEXT, "shape": "box", "style": "rounded,filled", "fillcolor": "#FFFFFF"}
EDGE = {"fontname": FONT, "color": WIRE, "penwidth": "1.2", "arrowsize": "0.6"}
PORT = {"label": "", "shape": "point", "width": "0.01", "height": "0.01", "style": "invis"}
SHAPES = {"box": "box", "ellipse": "ellipse", "square": "box"}

At = Callable[[float, float], str]  # a point of a part -> "x,y" for Graphviz, where y runs upwards


def digraph(scene: Scene) -> graphviz.Digraph:
    """The nodes, edges and clusters of a scene. Their names come from counters, and every label is plain text.

    Raises DrawingError for panels over time, which are no graph.
    """
    if not any(p.part.shapes or p.part.wires for p in scene.placed):
        raise DrawingError("drawing: it has no nodes for DOT: take svg or pdf, or png after pip install 'minigrad[cli]'")
    title = verbatim(scene.title or "minigrad")
    graph = graphviz.Digraph(title, filename="drawing.gv", graph_attr=GRAPH | PAGE, node_attr=NODE, edge_attr=EDGE)
    for name, x, y in (("corner0", 0.0, 0.0), ("corner1", scene.width, scene.height)):  # Graphviz cuts what stands beyond all nodes
        graph.node(name, **PORT, pos=f"{n(x)},{n(y)}")
    for index, placed in enumerate(scene.placed):
        _place(graph, placed, index, scene.height)
    return graph


def verbatim(*lines: str) -> str:
    """Text that Graphviz shows as it stands: no HTML label, no escape such as `\\N`, no entity such as `&amp;`."""
    return graphviz.nohtml("\\n".join(graphviz.escape(line.replace("&", "&amp;").replace("\n", " ")) for line in lines))


def _place(graph: graphviz.Digraph, placed: Placed, index: int, height: float) -> None:
    """Add one part to the graph. The nodes inside a frame are a cluster."""
    part, dx, dy, prefix, frame = placed

    def at(x: float, y: float) -> str:
        return f"{n(x + dx)},{n(height - y - dy)}"

    words: dict[str, list[Word]] = {}
    for word in part.words:
        words.setdefault(word.of, []).append(word)
    inside = graph if frame is None else graphviz.Digraph(f"cluster_{index}", graph_attr=_cluster(frame, height))
    for s in part.shapes:
        inside.node(prefix + s.id, **_differing(_shape(s, words.get(s.id, ()), at), NODE))
    for m in part.heats:
        inside.node(prefix + m.id, **_differing(_heat(m, at), NODE))
    for p in part.ports:
        inside.node(prefix + p.id, **PORT, pos=at(p.x, p.y))
    if frame is not None:
        graph.subgraph(inside)
    if part.bars:
        graph.node(f"b{index}", **_scale(part.bars, at))
    for k, word in enumerate(words.get("", ())):
        graph.node(prefix + word.id if word.id else f"w{index}_{k}", **_text(word, at))
    for w in part.wires:
        label = words.get(w.id, ()) if w.id else ()
        graph.edge(prefix + w.tail, prefix + w.head, **_differing(_wire(w, at), EDGE), **_beside(label, at))


def _differing(attributes: dict[str, str], defaults: dict[str, str]) -> dict[str, str]:
    """The attributes that are not the defaults of the graph."""
    return {k: v for k, v in attributes.items() if defaults.get(k) != v}


def _cluster(frame: Frame, height: float) -> dict[str, str]:
    bottom, top = height - frame.y - frame.h, height - frame.y
    return {
        "label": verbatim(frame.label), "labeljust": "l", "fontcolor": frame.ink,
        "style": "rounded,filled", "fillcolor": frame.fill, "color": frame.stroke,
        "bb": f"{n(frame.x)},{n(bottom)},{n(frame.x + frame.w)},{n(top)}",
        "lp": f"{n(frame.x + frame.at + width(frame.label, 11) / 2)},{n(top + 8)}",
    }  # fmt: skip


def _shape(s: Shape, words: Sequence[Word], at: At) -> dict[str, str]:
    """The attributes of a node. Words inside it are lines of its label; a word beside it is its external label."""
    look = LOOKS[s.look]
    fill = s.fill or look.fill
    style = ("filled" if s.shape != "box" else "rounded,filled") + (",dashed" if s.dashed else "")
    inner = [w for w in words if abs(w.x - s.x) < s.w / 2 and abs(w.y - s.y) < s.h / 2]
    label = verbatim(*filter(None, (" ".join([s.label, *(f"[{c}]" for c in s.chips)]), *(w.text for w in inner), s.caption)))
    return {
        "label": label, "shape": SHAPES[s.shape], "style": style, "fillcolor": fill, "color": s.stroke or look.stroke,
        "width": f"{s.w / 72:.3f}", "height": f"{s.h / 72:.3f}", "fixedsize": "true", "pos": at(s.x, s.y),
        **({"tooltip": verbatim(s.title)} if s.title else {}),
        **_beside([w for w in words if w not in inner], at),
        **({"fontcolor": ink(fill), "fontsize": n(s.size)} if label else {}),
    }  # fmt: skip


def _heat(m: Heat, at: At) -> dict[str, str]:
    """The attributes of a heat map: a white box, its title as tooltip."""
    return {
        "label": "", "shape": "box", "style": "filled", "fillcolor": "#FFFFFF", "color": m.stroke, "tooltip": verbatim(m.title),
        "width": f"{m.w / 72:.3f}", "height": f"{m.h / 72:.3f}", "fixedsize": "true", "pos": at(m.x, m.y),
    }  # fmt: skip


def _scale(bars: Sequence[Bar], at: At) -> dict[str, str]:
    """The attributes of a colour scale: one box with stripes."""
    left, right = bars[0].x, bars[-1].x + bars[-1].w
    return {
        "label": "", "shape": "box", "style": "striped", "penwidth": "0", "fillcolor": ":".join(b.fill for b in bars),
        "width": f"{(right - left) / 72:.3f}", "height": f"{bars[0].h / 72:.3f}", "pos": at((left + right) / 2, bars[0].y + bars[0].h / 2),
    }  # fmt: skip


def _text(word: Word, at: At) -> dict[str, str]:
    """The attributes of a node that is only text."""
    wide = width(word.text, word.size)
    return {
        "label": verbatim(word.text), "shape": "none", "fontsize": n(word.size), "fontcolor": word.colour,
        "width": f"{wide / 72:.3f}", "height": "0.15", "fixedsize": "shape", "pos": at(_middle(word), word.y),
    }  # fmt: skip


def _beside(words: Sequence[Word], at: At) -> dict[str, str]:
    """The attributes of the external label of a node or an edge."""
    if not words:
        return {}
    (word,) = words
    return {"xlabel": verbatim(word.text), "xlp": at(_middle(word), word.y), "fontsize": n(word.size), "fontcolor": word.colour}


def _middle(word: Word) -> float:
    wide = width(word.text, word.size)
    return word.x + {"start": wide / 2, "middle": 0.0, "end": -wide / 2}[word.anchor]


def _wire(w: Wire, at: At) -> dict[str, str]:
    """The attributes of an edge. A dashed edge does not decide which of its ends stands above the other."""
    dashed = {"style": "dashed", "constraint": "false"} if w.dashed else {}
    head = {} if w.arrow else {"arrowhead": "none"}
    return {"pos": _spline(w, at), "color": w.colour, "penwidth": n(w.width), **dashed, **head}


def _spline(wire: Wire, at: At) -> str:
    """The path of an edge as cubic Bézier curves, with rounded corners."""
    points, start = list(wire.points), ""
    if wire.arrow:
        (ax, ay), (bx, by) = points[-2], points[-1]
        length = abs(bx - ax) + abs(by - ay) or 1.0
        cut = min(6.0, length / 2) / length
        start = f"e,{at(bx, by)} "
        points[-1] = (bx - (bx - ax) * cut, by - (by - ay) * cut)
    out = [points[0]]
    for i in range(1, len(points)):
        corner = rounded(points[i - 1], points[i], points[i + 1]) if i + 1 < len(points) else None
        if corner is None:
            out.extend(_straight(out[-1], points[i]))
        else:
            out.extend(_straight(out[-1], corner[0]))
            out.extend((points[i], points[i], corner[1]))
    return start + " ".join(at(x, y) for x, y in out)


def _straight(a: Point, b: Point) -> tuple[Point, Point, Point]:
    return (a[0] + (b[0] - a[0]) / 3, a[1] + (b[1] - a[1]) / 3), (a[0] + (b[0] - a[0]) * 2 / 3, a[1] + (b[1] - a[1]) * 2 / 3), b
