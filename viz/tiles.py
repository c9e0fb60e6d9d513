"""One step as a part of a scene: its nodes, edges and labels, from its layout."""

from __future__ import annotations

from . import fan, heat, scopes, style, text
from .colours import Colours, describe
from .geometry import Point
from .layout import OUTSIDE, FixedLayout
from .scene import Dot, Frame, Part, Port, Shape, Wire, Word
from .svg import CAPTION, label_width
from .svg import LINE as CAPTION_LINE
from .timeline import Item
from .wiring import SIZE, Step, Wiring

LINE = 1.2
HEAVY = 2.2
BUS = 1.4
BUS_COLOUR = style.LOOKS["output"].stroke
STUB = 9.0  # from the right border to the line that leads to the bar of weights
USE = "use"  # the port at which that line ends


class StepBox:
    """The box of a step. All boxes of a row have one height, and layouts stand on the lower edge.

    up, down   the distances to the outputs above and to the inputs below;  leaf    the height of these
    """

    def __init__(self, height: float, up: float = OUTSIDE, down: float = OUTSIDE, leaf: float = 22.0):
        self.height, self.up, self.down, self.leaf = height, up, down, leaf

    def at(self, points: tuple[Point, ...]) -> tuple[Point, ...]:
        """Points of a layout in coordinates of the box, where y runs downwards."""
        return tuple((x, self.height - y) for x, y in points)

    def above(self) -> float:
        """The y of the centres of outputs, from the upper edge of the box."""
        return -self.up - self.leaf / 2

    def below(self) -> float:
        """The y of the centres of inputs, from the upper edge of the box."""
        return self.height + self.down + self.leaf / 2


def tile(wiring: Wiring, step: Step, lanes_out: list[float], box: StepBox, colours: Colours) -> Part:
    """The inside of a step's box, with its edges to the inputs below, the outputs above, and both borders.

    `lanes_out` are the heights at which values leave.
    """
    part = Part()
    layout = step.layout
    if step.fixed is not None:
        _fixed(part, wiring, step.fixed, box, colours)
    else:
        _scopes(part, wiring, step, box)
        _ops(part, wiring, step, box, colours)
        _inner_wires(part, wiring, step, box, colours)
    _risers(part, wiring, step, box, colours)
    _exits(part, wiring, step, lanes_out, box, colours)
    for k, y in enumerate(layout.lanes if step.entry(0) == "i0" else ()):
        part.ports.append(Port(f"i{k}", 0.0, box.height - y))
    if any(step.chips):
        part.ports.append(Port(USE, layout.width - STUB, box.height))
    colour = style.WIRE if not colours.gradient else "#59636B"
    part.dots = [Dot(x, box.height - y, colour) for x, y in layout.dots]
    return part


def _fixed(part: Part, wiring: Wiring, fixed: FixedLayout, box: StepBox, colours: Colours) -> None:
    for m in fixed.nodes:
        item = None if m.item is None else wiring.items[m.item]
        title = describe(item, wiring.timeline, colours) if item else ""
        fill, stroke, dashed = (colours.fill(item), colours.stroke(item), colours.dashed(item)) if item else (None, None, False)
        label = heat.written(m.label, m.numbers, item) if item and m.numbers else m.label
        part.shapes.append(Shape(m.id, m.x, box.height - m.y, m.w, m.h, m.look, label, m.shape, (), title, fill, stroke, dashed, m.size))
    for line in fixed.edges:
        points = line.points
        if line.tail[0] == "x":
            points = ((points[0][0], -box.down), *points[1:])
        plain = style.STATE if line.heavy else style.WIRE
        if line.into is not None:
            colour = colours.through(*line.into, plain)
        else:
            colour = colours.value(line.item, plain) if line.position is None else colours.wire(line.item, line.position, plain)
        part.wires.append(Wire(box.at(points), line.tail, line.head, line.arrow, HEAVY if line.heavy else LINE, colour))
    part.words = [Word(w.x, box.height - w.y, w.text, w.size, w.colour, w.anchor, w.of) for w in fixed.words]
    for h in fixed.heats:
        item = wiring.items[h.item]
        part.heats.append(heat.drawn(h, item, box.height - h.y, describe(item, wiring.timeline, colours), colours))
    for p in fixed.panels:
        part.panels.append(
            Frame(p.x, box.height - p.y - p.h, p.w, p.h, "", *(style.PANEL_GRADIENT if colours.gradient else (p.fill, p.stroke)), round=8.0)
        )


def _scopes(part: Part, wiring: Wiring, step: Step, box: StepBox) -> None:
    """Outline the scopes of a step, and write their names above."""
    sizes = [operation_size(wiring, step, k) for k in range(len(step.items))]
    for frame in scopes.outlines([wiring.items[i] for i in step.items], box.at(tuple(step.layout.centres)), sizes, "none"):
        part.panels.append(frame._replace(label=""))
        part.words.append(Word(frame.x + frame.at, frame.y - 5, frame.label, scopes.NAME, frame.ink, "start"))


def _ops(part: Part, wiring: Wiring, step: Step, box: StepBox, colours: Colours) -> None:
    for k, index in enumerate(step.items):
        item = wiring.items[index]
        x, y = step.layout.centres[k]
        look = "state" if step.label and wiring.slot[index] in wiring.stateful and item.kind != "loss" else item.kind
        chips = wiring.chips(step, k)
        fills = tuple(colours.wire(index, p) for p, _ in chips) if colours.gradient else ()
        part.shapes.append(
            Shape(
                f"n{k}", x, box.height - y, *operation_size(wiring, step, k), look, step.labels[k],
                chips=wiring.words(step, k), title=describe(item, wiring.timeline, colours),
                fill=colours.fill(item), stroke=colours.stroke(item), dashed=colours.dashed(item), size=SIZE, chip_fills=fills,
                caption=caption_of(item),
            )
        )  # fmt: skip
        lines = fan.drawn(item, x, box.height - y, colours)
        if lines is not None:  # on white, with the colour of the gradient as its border
            part.fans.append(lines)
            stroke = colours.fill(item) or style.LOOKS["fan"].stroke
            place = {"look": "fan", "fill": "#FFFFFF", "stroke": stroke, "lift": part.shapes[-1].h / 2 - fan.TITLE / 2 - 2}
            part.shapes[-1] = part.shapes[-1]._replace(**place)


def caption_of(item: Item) -> str:
    return " · ".join(item.caption)


def operation_size(wiring: Wiring, step: Step, k: int) -> tuple[float, float]:
    """(width, height) of the node of an operation."""
    caption = caption_of(wiring.items[step.items[k]])
    wide = max(label_width(step.labels[k], wiring.words(step, k), SIZE, caption) + 14, 30.0)
    found = fan.size(wiring.items[step.items[k]])
    return (wide, 19.0 + CAPTION_LINE * bool(caption)) if found is None else (max(wide, found[0]), found[1])


def leaf_size(wiring: Wiring, index: int, label: str) -> tuple[float, float]:
    """(width, height) of the node of an input or an output."""
    caption = caption_of(wiring.items[index])
    bow = 0.25 * text.width(caption, CAPTION)  # an ellipse is narrower below its middle
    return max(label_width(label, (), SIZE, caption) + 16 + bow, 30.0), 22.0 + CAPTION_LINE * bool(caption)


def _inner_wires(part: Part, wiring: Wiring, step: Step, box: StepBox, colours: Colours) -> None:
    seen = set()
    found = []
    for k, row in enumerate(step.sources):
        shown = 0
        for position, source in enumerate(row):
            if source is None:
                continue
            points = step.layout.edges[k, shown]
            shown += 1
            norm = colours.edges.get((step.items[k], position), 0.0)
            if (k, points) in seen:
                continue
            seen.add((k, points))
            kind, number = source
            if kind == "in":
                points = ((points[0][0], -box.down), *points[1:])
            tail = {"op": "n", "in": "x", "state": "i"}[kind] + str(number)
            bus = kind == "state" and step.lanes[number][0] == "bus"
            width = BUS if bus else HEAVY if kind == "state" else LINE
            plain = BUS_COLOUR if bus else style.STATE if kind == "state" else style.WIRE
            colour = colours.wire(step.items[k], position, plain)
            found.append((norm, Wire(box.at(points), tail, f"n{k}", True, width, colour)))
    found.sort(key=lambda pair: (pair[1].width, pair[0]))
    part.wires.extend(wire for _, wire in found)


def _risers(part: Part, wiring: Wiring, step: Step, box: StepBox, colours: Colours) -> None:
    for k, (index, points) in enumerate(zip(step.outputs, step.layout.risers, strict=True)):
        flat = (*box.at(points)[:-1], (points[-1][0], -box.up))
        part.wires.append(Wire(flat, step.node(index), f"y{k}", True, LINE, colours.value(index, style.WIRE)))


def _exits(part: Part, wiring: Wiring, step: Step, lanes_out: list[float], box: StepBox, colours: Colours) -> None:
    width = step.layout.width
    for k, (index, points) in enumerate(zip(step.exits, step.layout.exits, strict=True)):
        gutter = points[-1][0]
        path = (*box.at(points), (gutter, box.height - lanes_out[k]), (width, box.height - lanes_out[k]))
        clean = tuple(p for i, p in enumerate(path) if i == 0 or p != path[i - 1])
        if step.fixed is not None and step.fixed.entry:
            continue
        part.wires.append(Wire(clean, step.node(index), f"e{k}", False, HEAVY, colours.value(index)))
        part.ports.append(Port(f"e{k}", width, box.height - lanes_out[k]))


def surroundings(wiring: Wiring, step: Step, box: StepBox, colours: Colours) -> Part:
    """The inputs below and the outputs above a step. Their labels name the step, so equal steps do not share them."""
    part = Part()
    for k, index in enumerate(step.inputs):
        item = wiring.items[index]
        look = "reference" if item.at is not None and item.kind == "reference" else "parameter" if item.leaf == "parameter" else "input"
        part.shapes.append(_leaf(wiring, index, f"x{k}", step.layout.inputs[k][0], box.below(), look, wiring.leaf_label(index), colours))
    for k, index in enumerate(step.outputs):
        x = step.layout.outputs[k][0]
        part.shapes.append(_leaf(wiring, index, f"y{k}", x, box.above(), "output", wiring.value_label(index), colours))
    return part


def _leaf(wiring: Wiring, index: int, name: str, x: float, y: float, look: str, label: str, colours: Colours) -> Shape:
    item = wiring.items[index]
    return Shape(
        name, x, y, *leaf_size(wiring, index, label), look, label, style.LOOKS[look].shape, (), describe(item, wiring.timeline, colours),
        colours.fill(item), colours.stroke(item), colours.dashed(item), SIZE, caption=caption_of(item),
    )  # fmt: skip
