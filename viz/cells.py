"""Steps of known cells drawn by hand (RNN, LSTM, GRU), and any step as one box."""

from __future__ import annotations

from collections.abc import Callable

from . import text
from .layered import OUTSIDE, Layout, Point
from .sketch import Line, Mark, Sketch
from .story import Item
from .wiring import Step, Wiring

BELOW = -OUTSIDE
Names = dict[str, Item]


def draw(wiring: Wiring, step: Step, known: bool = True) -> Sketch:
    """The step as a known cell if its values carry the cell's names, else as one box."""
    if known:
        names = {i.name: i for i in (wiring.items[k] for k in step.items) if i.name}
        for cell in (_lstm, _gru, _rnn):
            found = cell(wiring, step, names)
            if found is not None:
                return found
    return box(wiring, step)


# ---- one box


def box(wiring: Wiring, step: Step) -> Sketch:
    """The whole step as one box, states passing through it."""
    loop = wiring.story.columns[step.number].loop.rsplit("/", 1)[-1] if 0 <= step.number < wiring.story.end else step.label
    label = text.clean(loop.upper() if len(loop) <= 5 else loop, 14)
    lanes = max(len(step.lanes), len(step.exits), 1)
    above, below = (max((text.width(f(i, "0"), 11) + 20 for i in group), default=0.0) for f, group in _around(wiring, step))
    width = max(84.0, text.width(label, 15) + 28, above * (len(step.outputs) + 1), below * (len(step.inputs) + 1))
    height = max(58.0, 24.0 * lanes + 10)
    ys = [height / 2 + 12 * (lanes - 1) - 24 * k for k in range(lanes)]
    layout = Layout(width, height, lanes=ys[: len(step.lanes)])
    layout.inputs = [(x, BELOW) for x in _spread(len(step.inputs), width)]
    layout.outputs = [(x, height + OUTSIDE) for x in _spread(len(step.outputs), width)]
    layout.risers = [((x, height), (x, height + OUTSIDE)) for x, _ in layout.outputs]
    layout.exits = [((width, 0.0),) for _ in step.exits]
    sketch = Sketch(layout, entry="cell")
    sketch.marks = [Mark("cell", width / 2, height / 2, width, height, "cell", label, step.items[-1] if step.items else None, size=15.0)]
    sketch.lines = [Line(((x, BELOW), (x, 0.0)), f"x{k}", "cell", step.inputs[k]) for k, (x, _) in enumerate(layout.inputs)]
    sketch.sources = dict.fromkeys(step.items, "cell")
    return sketch


def _around(wiring: Wiring, step: Step) -> tuple[tuple[Callable[[int, str], str], list[int]], tuple[Callable[[int, str], str], list[int]]]:
    return (wiring.value_label, step.outputs), (wiring.leaf_label, step.inputs)


def _spread(count: int, width: float) -> list[float]:
    return [width * (k + 1) / (count + 1) for k in range(count)]


# ---- known cells


class _Pen:
    """Collects the marks of a hand-placed cell."""

    def __init__(self, width: float, height: float):
        self.sketch = Sketch(Layout(width, height))

    def gate(self, x: float, y: float, item: Item, letter: str = "") -> None:
        node = item.node
        while node.op.name in ("slice", "reshape"):
            node = node.args[0]
        label = node.op.look[1]
        self.sketch.marks.append(Mark(self._own(item), x, y, 30 if len(label) < 3 else 36, 20, "layer", label, item.index))
        if letter:
            self.sketch.words.append((x + 11, y + 17, letter))

    def point(self, x: float, y: float, item: Item) -> None:
        if len(item.label) > 1:
            self.sketch.marks.append(Mark(self._own(item), x, y, 34, 18, "pointwise", item.label, item.index))
        else:
            self.sketch.marks.append(Mark(self._own(item), x, y, 19, 19, "pointwise", item.label, item.index, "ellipse"))

    def _own(self, item: Item) -> str:
        return f"n{len(self.sketch.marks)}"

    def id(self, item: Item) -> str:
        return next(m.id for m in self.sketch.marks if m.item == item.index)

    def wire(self, points: tuple[Point, ...], tail: str, head: Item, arg: Item | int, heavy: bool = False) -> None:
        """Into a node: coloured by what flows along the argument."""
        wanted = arg if isinstance(arg, int) else arg.index
        position = head.args.index(wanted) if wanted in head.args else 0
        self.sketch.lines.append(Line(points, tail, self.id(head), head.index, position, heavy))

    def dot(self, x: float, y: float) -> None:
        self.sketch.layout.dots.append((x, y))

    def finish(self, step: Step, x_in: float, h: Item, x_out: float, start: Point, exits: dict[int, tuple[Point, ...]]) -> Sketch:
        """The input below, the output above, and what leaves."""
        layout = self.sketch.layout
        layout.inputs = [(x_in, BELOW)] * len(step.inputs)
        layout.outputs = [(x_out, layout.height + OUTSIDE)] * len(step.outputs)
        layout.risers = [(start, (x_out, start[1]), (x_out, layout.height + OUTSIDE)) for _ in step.outputs]
        layout.exits = [exits[i] for i in step.exits]
        self.sketch.sources = {i: self.id(h) for i in step.items}
        for mark in self.sketch.marks:
            if mark.item is not None:
                self.sketch.sources[mark.item] = mark.id
        return self.sketch


def _lanes(wiring: Wiring, step: Step) -> list[str]:
    """The names of the states that come in."""
    found = []
    for kind, what in step.lanes:
        index = what[1] if kind == "start" else what if kind == "item" else None
        found.append("" if index is None else wiring.items[index].name or "")
    return found


def _fits(wiring: Wiring, step: Step, names: Names, needed: str, states: set[str]) -> bool:
    return (
        all(n in names for n in needed)
        and set(_lanes(wiring, step)) == states
        and len(step.lanes) == len(states)
        and len(step.inputs) == 1
        and len(step.outputs) <= 1
        and all(i in {names[s].index for s in states} for i in step.exits)
    )


def _args(wiring: Wiring, item: Item) -> list[Item]:
    return [wiring.items[a] for a in item.args]


def _lstm(wiring: Wiring, step: Step, names: Names) -> Sketch | None:
    if not _fits(wiring, step, names, "figoch", {"c", "h"}):
        return None
    f, i, g, o, c, h = (names[n] for n in "figoch")
    products, squash = _args(wiring, c), [a for a in _args(wiring, h) if a is not o]
    kept = next((p for p in products if f.index in p.args), None)
    new = next((p for p in products if i.index in p.args and p is not kept), None)
    if kept is None or new is None or len(squash) != 1 or g.index not in new.args:
        return None
    tanh = squash[0]
    lanes = _lanes(wiring, step)
    before = {name: (what[1] if kind == "start" else what) for name, (kind, what) in zip(lanes, step.lanes, strict=True)}
    port = {name: f"i{k}" for k, name in enumerate(lanes)}
    pen = _Pen(254.0, 178.0)
    top, low, y = 150.0, 26.0, 66.0
    xs = {"f": 52.0, "i": 92.0, "g": 134.0, "o": 176.0}
    for letter, item in (("f", f), ("i", i), ("g", g), ("o", o)):
        pen.gate(xs[letter], y, item, letter)
    pen.point(52, top, kept)
    pen.point(134, top, c)
    pen.point(134, 108, new)
    pen.point(212, 108, tanh)
    pen.point(212, y, h)
    for letter, item in (("f", f), ("i", i), ("g", g), ("o", o)):
        pen.wire(((0, low), (xs[letter], low), (xs[letter], y - 10)), port["h"], item, item.args[0])
    pen.wire(((0, top), (42.5, top)), port["c"], kept, before["c"], heavy=True)
    pen.wire(((61.5, top), (124.5, top)), pen.id(kept), c, kept, heavy=True)
    pen.wire(((52, y + 10), (52, top - 9.5)), pen.id(f), kept, f)
    pen.wire(((92, y + 10), (92, 108), (124.5, 108)), pen.id(i), new, i)
    pen.wire(((134, y + 10), (134, 98.5)), pen.id(g), new, g)
    pen.wire(((134, 117.5), (134, top - 9.5)), pen.id(new), c, new)
    pen.wire(((143.5, top), (212, top), (212, 117)), pen.id(c), tanh, c)
    pen.wire(((212, 99), (212, y + 9.5)), pen.id(tanh), h, tanh)
    pen.wire(((191, y), (202.5, y)), pen.id(o), h, o)
    for x in (24.0, 52.0, 92.0, 134.0):
        pen.dot(x, low)
    if c.index in step.exits:
        pen.dot(212, top)
    pen.sketch.layout.lanes = [top if name == "c" else low for name in lanes]
    exits: dict[int, tuple[Point, ...]] = {c.index: ((143.5, top), (254.0, top)), h.index: ((212, y - 9.5), (212, low), (254.0, low))}
    _input(pen, step, f, 24.0, low)
    return pen.finish(step, 24.0, h, 236.0, (212, low) if h.index in step.exits else (212, y - 9.5), exits)


def _input(pen: _Pen, step: Step, user: Item, x: float, y: float) -> None:
    pen.sketch.lines.append(Line(((x, BELOW), (x, y)), "x0", pen.id(user), step.inputs[0], None, False, False))


def _rnn(wiring: Wiring, step: Step, names: Names) -> Sketch | None:
    h = names.get("h")
    if h is None or not _fits(wiring, step, names, "h", {"h"}) or len(h.args) != 1:
        return None
    pen = _Pen(128.0, 92.0)
    y = 46.0
    pen.gate(64, y, h)
    pen.wire(((0, y), (46, y)), "i0", h, h.args[0], heavy=True)
    pen.dot(22, y)
    pen.sketch.layout.lanes = [y]
    _input(pen, step, h, 22.0, y)
    if step.exits and step.outputs:
        pen.dot(106, y)
    return pen.finish(step, 22.0, h, 106.0, (82.0, y), {h.index: ((82.0, y), (128.0, y))})


def _gru(wiring: Wiring, step: Step, names: Names) -> Sketch | None:
    if not _fits(wiring, step, names, "zrnh", {"h"}):
        return None
    r, z, n, h = (names[k] for k in "rznh")
    mixed = next((a for a in _args(wiring, h) if z.index in a.args), None)
    gap = next((a for a in _args(wiring, mixed) if a is not z), None) if mixed else None
    if mixed is None or gap is None or n.index not in h.args or n.index not in gap.args:
        return None
    reset = next((wiring.items[k] for k in step.items if r.index in wiring.items[k].args), None)
    if reset is None or len(_lanes(wiring, step)) != 1:
        return None
    kind, what = step.lanes[0]
    old = what[1] if kind == "start" else what
    top, low, y = 150.0, 26.0, 66.0
    pen = _Pen(246.0, 178.0)
    pen.gate(60, y, r, "r")
    pen.point(104, y, reset)
    pen.gate(150, y, n, "n")
    pen.gate(196, y, z, "z")
    pen.point(150, 110, gap)
    pen.point(196, 110, mixed)
    pen.point(196, top, h)
    trunk = "i0"
    pen.wire(((0, low), (60, low), (60, y - 10)), trunk, r, r.args[0])
    pen.wire(((0, low), (104, low), (104, y - 9.5)), trunk, reset, next((a for a in reset.args if a != r.index), r.index))
    pen.wire(((0, low), (150, low), (150, y - 10)), trunk, n, n.args[0])
    pen.wire(((0, low), (196, low), (196, y - 10)), trunk, z, z.args[0])
    pen.wire(((75, y), (94.5, y)), pen.id(r), reset, r)
    pen.wire(((113.5, y), (132, y)), pen.id(reset), n, n.args[0])
    pen.wire(((150, y + 10), (150, 100.5)), pen.id(n), gap, n)
    pen.wire(((150, 84), (172, 84), (172, top), (186.5, top)), pen.id(n), h, n)
    pen.wire(((0, low), (26, low), (26, 110), (140.5, 110)), trunk, gap, old)
    pen.wire(((159.5, 110), (186.5, 110)), pen.id(gap), mixed, gap)
    pen.wire(((196, y + 10), (196, 100.5)), pen.id(z), mixed, z)
    pen.wire(((196, 119.5), (196, top - 9.5)), pen.id(mixed), h, mixed)
    for x in (26.0, 42.0, 60.0, 104.0, 150.0):
        pen.dot(x, low)
    pen.dot(150, 84)
    pen.sketch.layout.lanes = [low]
    _input(pen, step, r, 42.0, low)
    exits: dict[int, tuple[Point, ...]] = {h.index: ((205.5, top), (228.0, top))}
    return pen.finish(step, 42.0, h, 228.0, (205.5, top), exits)
