"""What stands below a row of steps: the bar of weights, and by how much a step back multiplies gradients."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from . import style, text
from .colours import Colours, describe
from .scene import Frame, Part, Port, Shape, Word
from .timeline import Item
from .wiring import SIZE, Step, Wiring

HIGH = 19.0  # of a weight that is a node of its own


def weight(item: Item) -> str:
    """The label of a weight on the bar: its name and its shape, and its caption."""
    shape = text.shape(item.node.type.shape) or "scalar"
    return f"{text.ending(item.label, 24)} ({shape})  {' · '.join(w for w in item.caption if w != shape)}".rstrip()


def bar(name: str, words: Sequence[str], left: float, right: float, top: float) -> Part:
    """The bar of weights as one node of this name."""
    rows = text.wrapped(words, right - left - 20, SIZE)
    height, middle = 16.0 * len(rows) + 10, (left + right) / 2
    part = Part(shapes=[Shape(name, middle, top + height / 2, right - left, height, "parameter", "")])
    part.words = [Word(middle, top + 13 + 16 * n, row, SIZE, style.TEXT, of=name) for n, row in enumerate(rows)]
    return part


def coloured_bar(
    name: str, first: str, weights: Sequence[Item], wiring: Wiring, colours: Colours, left: float, right: float, top: float
) -> tuple[Part, Frame]:
    """The bar of weights with a node for each of them, in the colour of its gradient."""
    part = Part(ports=[Port(name, left, top)], words=[Word(left + 10, top + 15, first, SIZE, style.TEXT, "start")])
    x, y = left + 22 + text.width(first, SIZE), top + 15.0
    for item in weights:
        label = weight(item)
        wide = text.width(label, SIZE) + 14
        if x + wide > right - 10 and x > left + 10:
            x, y = left + 10, y + HIGH + 6
        title = describe(item, wiring.timeline, colours)
        fill, stroke, dashed = colours.fill(item), colours.stroke(item), colours.dashed(item)
        place = (x + wide / 2, y, wide, HIGH)
        part.shapes.append(Shape(f"{name}{item.index}", *place, "parameter", label, title=title, fill=fill, stroke=stroke, dashed=dashed))
        x += wide + 8
    look = style.LOOKS["parameter"]
    return part, Frame(left, top, right - left, y - top + 15, "", look.fill, look.stroke)


def rates(wiring: Wiring, steps: Sequence[Step], colours: Colours) -> list[str]:
    """The factor by which one step back multiplies the gradient of each state along its lane: the geometric mean over all steps."""
    found: dict[object, list[float]] = {}
    names: dict[object, str] = {}
    for left, right in pairwise(steps):
        for a in left.exits:
            norm = colours.lanes.get((a, right.number))
            if norm is not None and 0 < norm < math.inf:
                names[wiring.slot[a]] = text.clean(wiring.items[a].called or wiring.items[a].label, 16)
                found.setdefault(wiring.slot[a], []).append(norm)
    means = {names[slot]: (norms[0] / norms[-1]) ** (1 / (len(norms) - 1)) for slot, norms in found.items() if len(norms) > 1}
    words = [f"‖∂L/∂{name}‖ × {rate:.2g}" for name, rate in sorted(means.items())]
    return [f"a step back: {words[0]}", *words[1:]] if words else []
