"""Outlines of scopes: a layer, a block, a head, around its operations in a step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from . import text
from .geometry import Point
from .scene import Frame
from .style import MUTED, SPINE
from .timeline import Item

Box = tuple[float, float, float, float]  # left, top, right, bottom
SIDE, BELOW, ABOVE, NAME = 6.0, 5.0, 4.0, 8.0  # from the nodes to the outline; the height of its name, which stands above it

HEAD, FOOT = ABOVE + NAME, BELOW  # the room for the upper edge of an outline with its name, and for a lower edge


def inner(item: Item) -> list[str]:
    """The scopes of an operation within its step, or block; all of them where there is none."""
    found = [text.clean(s, 24) for s in item.node.origin.scopes[item.inside :]]
    if item.repeated is not None:
        found[item.repeated[0]] = item.repeated[1]
    return found


def outlines(items: Sequence[Item], centres: Sequence[Point], sizes: Sequence[tuple[float, float]], fill: str) -> Iterator[Frame]:
    """The outlines of the scopes in a step, outer ones first, where y runs downwards.

    A scope between whose operations others stand has none, nor has one that would touch the outline of another.
    """
    boxes = [(x - w / 2, y - h / 2, x + w / 2, y + h / 2) for (x, y), (w, h) in zip(centres, sizes, strict=True)]
    paths = [tuple(inner(item)) for item in items]
    prefixes = dict.fromkeys(path[: k + 1] for path in paths for k in range(len(path)))
    found: dict[tuple[str, ...], Box] = {}
    for scope in sorted(prefixes, key=len, reverse=True):
        inside = [path[: len(scope)] == scope for path in paths]
        if all(inside) and any(len(p) == len(scope) + 1 and p[:-1] == scope for p in found):
            continue  # an outline around all that has outlines tells nothing
        own = [b for b, is_in in zip(boxes, inside, strict=True) if is_in]
        own += [_with_name(b) for p, b in found.items() if p[: len(scope)] == scope]
        x0, y0, x1, y1 = (f(b[k] for b in own) for k, f in enumerate((min, min, max, max)))
        x0, y0, x1, y1 = x0 - SIDE, y0 - ABOVE, x1 + SIDE, y1 + BELOW
        box = x0, y0, max(x1, x0 + text.width(scope[-1], NAME) + 4), y1
        others = [b for b, is_in in zip(boxes, inside, strict=True) if not is_in]
        others += [_with_name(b) for p, b in found.items() if p[: len(scope)] != scope]
        if not any(_touch(_with_name(box), b) for b in others):
            found[scope] = box
    for scope, (x0, y0, x1, y1) in sorted(found.items(), key=lambda pair: len(pair[0])):
        yield Frame(x0, y0, x1 - x0, y1 - y0, scope[-1], fill, SPINE, MUTED, 2.0, 7.0)


def _with_name(box: Box) -> Box:
    """An outline with the name above it."""
    x0, y0, x1, y1 = box
    return x0, y0 - NAME, x1, y1


def _touch(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def edges(paths: Sequence[tuple[str, ...]], layers: Sequence[int], count: int) -> tuple[list[int], list[int]]:
    """For each layer of a layout, how many outlines inside each other end above it, and how many begin below it."""
    ends: dict[tuple[str, ...], tuple[int, int]] = {}
    for path, layer in zip(paths, layers, strict=False):
        for depth in range(1, len(path) + 1):
            low, high = ends.get(path[:depth], (layer, layer))
            ends[path[:depth]] = min(low, layer), max(high, layer)
    above, below = [0] * count, [0] * count
    for path in dict.fromkeys(paths):
        lows, highs = (Counter(ends[path[: depth + 1]][side] for depth in range(len(path))) for side in (0, 1))
        for found, own in ((below, lows), (above, highs)):
            for layer, n in own.items():
                found[layer] = max(found[layer], n)
    return above, below
