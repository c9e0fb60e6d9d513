"""Outlines of scopes: a layer, a block, a head, around its operations in a step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from . import text
from .geometry import Point
from .scene import Frame
from .style import MUTED, SPINE
from .timeline import Item

SIDE, BELOW, ABOVE, NAME = 6.0, 5.0, 4.0, 8.0  # from the nodes to the outline; the height of its name, which stands above it


def inner(item: Item) -> list[str]:
    """The scopes of an operation within its step; all of them where there is no step."""
    scopes = item.node.origin.scopes
    at = next((k for k, s in enumerate(scopes) if s.step is not None), -1)
    return [text.clean(s, 24) for s in scopes[at + 1 :]]


def outlines(items: Sequence[Item], centres: Sequence[Point], sizes: Sequence[tuple[float, float]], fill: str) -> Iterator[Frame]:
    """The outlines of the outermost scopes in a step, where y runs downwards. A scope between whose operations others stand has none."""
    boxes = [(x - w / 2, y - h / 2, x + w / 2, y + h / 2) for (x, y), (w, h) in zip(centres, sizes, strict=True)]
    names = [next(iter(inner(item)), "") for item in items]
    taken: list[tuple[float, float, float, float]] = []
    for name in dict.fromkeys(filter(None, names)):
        own = [b for b, n in zip(boxes, names, strict=True) if n == name]
        x0, y0, x1, y1 = (f(b[k] for b in own) for k, f in enumerate((min, min, max, max)))
        x0, y0, x1, y1 = x0 - SIDE, y0 - ABOVE, x1 + SIDE, y1 + BELOW
        x1 = max(x1, x0 + text.width(name, NAME) + 4)
        others = [b for b, n in zip(boxes, names, strict=True) if n != name] + taken
        if not any(x0 < b[2] and b[0] < x1 and y0 - NAME < b[3] and b[1] < y1 for b in others):
            taken.append((x0, y0 - NAME, x1, y1))
            yield Frame(x0, y0, x1 - x0, y1 - y0, name, fill, SPINE, MUTED, 2.0, 7.0)
