"""Fixed layouts of known cells (RNN, LSTM, GRU), and of any step as one box."""

from __future__ import annotations

from collections.abc import Callable

from minigrad.graph.ir import Node

from . import grid, memory_cell, text, value_cell
from .geometry import Point
from .layout import OUTSIDE, FixedEdge, FixedLayout, FixedNode, FixedWord, Layout
from .slots import View
from .timeline import Item, step_key
from .wiring import Step, Wiring

BELOW = -OUTSIDE
BOX = "cell"  # the id of a step that is one box
Names = dict[str, Item]


def draw(wiring: Wiring, step: Step, view: View | None = None) -> FixedLayout:
    """The layout of a known cell if the values of the step have the names of that cell, else one box; without a view, one box."""
    if view is not None:
        drawn = memory_cell.draw(wiring, step, view)
        if drawn is not None:
            return drawn
        found = grid.draw(wiring, step, _known) or _known(wiring, step) or value_cell.draw(wiring, step, view.seen)
        if found is not None:
            return found
    return one_box(wiring, step)


def _known(wiring: Wiring, step: Step) -> FixedLayout | None:
    """The layout of a known cell; None for another step."""
    names = {i.name: i for i in (wiring.items[k] for k in step.items) if i.name}
    return next((found for cell in (_lstm, _gru, _rnn) if (found := cell(wiring, step, names)) and _is_whole(wiring, step, found)), None)


def _is_whole(wiring: Wiring, step: Step, fixed: FixedLayout) -> bool:
    """Whether all that has no node of its own is what gates and readout stand for: products, sums and parts."""
    drawn = {m.item: m.id for m in fixed.nodes if m.item is not None}
    shown = {_squash(wiring.items[i].node) for i in drawn} | {wiring.items[i].node for i in drawn}
    state = fixed.sources[min(step.items)]  # where what has no node is drawn
    hidden = [wiring.items[i].node for i in step.items if i not in drawn and fixed.sources[i] == state]
    return all(n in shown or n.op.kind in ("affine", "move") or n.op.name in ("add", "mul") for n in hidden)


def _squash(node: Node) -> Node:
    """The node of which a gate is a part."""
    while node.op.name in ("slice", "reshape"):
        node = node.args[0]
    return node


# ---- one box


def one_box(wiring: Wiring, step: Step) -> FixedLayout:
    """The whole step as one box. States enter on the left and leave on the right."""
    label = _title(wiring, step)
    lanes = max(len(step.lanes), len(step.exits), 1)
    above, below = (max((text.width(f(i, "0"), 11) + 20 for i in group), default=0.0) for f, group in _around(wiring, step))
    beside = 2 * text.width(step.label, 11) + 28 if len(step.inputs) % 2 or len(step.outputs) % 2 else 0.0  # a line in the middle
    width = max(84.0, beside, text.width(label, 15) + 28, above * (len(step.outputs) + 1), below * (len(step.inputs) + 1))
    height = max(58.0, 24.0 * lanes + 10)
    ys = [height / 2 - 12 * (lanes - 1) + 24 * k for k in range(lanes)]  # what is read first enters lowest, as in other layouts
    layout = Layout(width, height, lanes=ys[: len(step.lanes)])
    layout.inputs = [(x, BELOW) for x in _spread(len(step.inputs), width)]
    layout.outputs = [(x, height + OUTSIDE) for x in _spread(len(step.outputs), width)]
    layout.risers = [((x, height), (x, height + OUTSIDE)) for x, _ in layout.outputs]
    layout.exits = [((width, 0.0),) for _ in step.exits]
    fixed = FixedLayout(layout, entry=BOX)
    fixed.nodes = [FixedNode(BOX, width / 2, height / 2, width, height, "cell", label, step.items[-1] if step.items else None, size=15.0)]
    fixed.edges = [FixedEdge(((x, BELOW), (x, 0.0)), f"x{k}", BOX, step.inputs[k]) for k, (x, _) in enumerate(layout.inputs)]
    fixed.sources = dict.fromkeys(step.items, BOX)
    return fixed


def _title(wiring: Wiring, step: Step) -> str:
    """The label of the box: LSTM; ∂ LSTM for its gradient; LSTM · GRU for two layers."""
    keys = (step_key(wiring.items[i].node) for i in step.items)
    loops = dict.fromkeys(key.loop.rsplit("/", 1)[-1].removesuffix("←").removesuffix(".vjp") for key in keys if key) or {step.label: None}
    words = [text.clean(loop.upper() if len(loop) <= 5 else loop, 14) for loop in loops]
    gradient = 0 <= step.number < wiring.timeline.end and wiring.timeline.columns[step.number].gradient
    return ("∂ " if gradient else "") + " · ".join(words[:3]) + (" …" if len(words) > 3 else "")


def _around(wiring: Wiring, step: Step) -> tuple[tuple[Callable[[int, str], str], list[int]], tuple[Callable[[int, str], str], list[int]]]:
    return (wiring.value_label, step.outputs), (wiring.leaf_label, step.inputs)


def _spread(count: int, width: float) -> list[float]:
    return [width * (k + 1) / (count + 1) for k in range(count)]


# ---- known cells


class _CellBuilder:
    """Collects the nodes and edges of a known cell. `head` holds the operations after the cell: a readout."""

    def __init__(self, wiring: Wiring, step: Step, head: list[int], width: float, height: float):
        self.wiring, self.step, self.head = wiring, step, head
        self.fixed = FixedLayout(Layout(width, height))

    def gate(self, x: float, y: float, item: Item, letter: str = "", side: float = 11.0) -> None:
        label = _squash(item.node).op.symbol
        self.fixed.nodes.append(FixedNode(self._own(), x, y, 30 if len(label) < 3 else 36, 20, "layer", label, item.index))
        if letter:
            self.fixed.words.append(FixedWord(x + side, y + 17, letter, self.fixed.nodes[-1].id))

    def point(self, x: float, y: float, item: Item) -> None:
        if len(item.label) > 1:
            self.fixed.nodes.append(FixedNode(self._own(), x, y, 34, 18, "pointwise", item.label, item.index))
        else:
            self.fixed.nodes.append(FixedNode(self._own(), x, y, 19, 19, "pointwise", item.label, item.index, "ellipse"))

    def _own(self) -> str:
        return f"n{len(self.fixed.nodes)}"

    def id(self, item: Item) -> str:
        return next(m.id for m in self.fixed.nodes if m.item == item.index)

    def wire(self, points: tuple[Point, ...], tail: str, head: Item, arg: Item | int, heavy: bool = False) -> None:
        """An edge into a node, in the colour of the gradient along that argument."""
        wanted = arg if isinstance(arg, int) else arg.index
        position = head.args.index(wanted) if wanted in head.args else 0
        self.fixed.edges.append(FixedEdge(points, tail, self.id(head), head.index, position, heavy))

    def dot(self, x: float, y: float) -> None:
        self.fixed.layout.dots.append((x, y))

    def peephole(self, points: tuple[Point, ...], tail: str, gate: Item, user: Item, arg: Item | int) -> None:
        """An edge from a state into a gate, in the colour of the gradient along the argument of the operation that reads the state."""
        position = user.args.index(arg if isinstance(arg, int) else arg.index)
        self.fixed.edges.append(FixedEdge(points, tail, self.id(gate), user.index, position))
        self.dot(*points[0])

    def finish(self, h: Item, x_in: float, x_out: float, start: Point, exits: dict[int, tuple[Point, ...]]) -> FixedLayout:
        """Add the input below, the output above, the readout between cell and output, and the states that leave."""
        layout, step = self.fixed.layout, self.step
        layout.inputs = [(x_in, BELOW)] * len(step.inputs)
        riser: tuple[Point, ...] = (start, (x_out, start[1]), (x_out, layout.height + OUTSIDE))
        self.fixed.sources = {i: self.id(h) for i in step.items}
        if self.head:
            riser = self._readout(h, x_out, start, exits)
        layout.outputs = [(riser[-1][0], layout.height + OUTSIDE)] * len(step.outputs)
        layout.risers = [riser for _ in step.outputs]
        layout.exits = [exits[i] for i in step.exits]
        for mark in self.fixed.nodes:
            if mark.item is not None:
                self.fixed.sources[mark.item] = mark.id
        return self.fixed

    def _readout(self, h: Item, x: float, start: Point, exits: dict[int, tuple[Point, ...]]) -> tuple[Point, ...]:
        """Add one box above the cell for all operations after h. Gives the path from the box to the output."""
        layout, last = self.fixed.layout, self.head[-1]
        names = [self.wiring.items[a].name or "" for k in self.head for a in self.wiring.items[k].args if self.wiring.items[a].leaf]
        stems = {n.rpartition(".")[0].rpartition(".")[2] for n in names}
        label = text.clean((stems.pop() if len(stems) == 1 else "") or self.wiring.items[last].name or "readout", 10)
        width = text.width(label, 11) + 14
        middle, y = layout.width - 16 - width / 2, layout.height + 10
        mark = FixedNode(self._own(), middle, y, width, 20, "layer", label, last, size=11.0)
        reader = next(k for k in self.head if h.index in self.wiring.items[k].args)
        position = self.wiring.items[reader].args.index(h.index)
        self.fixed.edges.append(FixedEdge((start, (x, start[1]), (x, y - 10)), self.id(h), mark.id, reader, position))
        self.fixed.nodes.append(mark)
        self.fixed.sources |= dict.fromkeys(self.head, mark.id)
        layout.height += 34
        exits[last] = ((layout.width - 16, y), (layout.width - 8, y))
        return (middle, y + 10), (middle, layout.height + OUTSIDE)


def _lanes(wiring: Wiring, step: Step) -> list[str]:
    """The names of the states that enter, in the order of the lanes."""
    found = []
    for kind, what in step.lanes:
        index = what[1] if kind == "start" else what if kind == "item" else None
        found.append("" if index is None else wiring.items[index].name or "")
    return found


def _head(wiring: Wiring, step: Step, names: Names, needed: str, states: set[str]) -> list[int] | None:
    """The operations after the cell in its step (a readout); None if the step is not such a cell.

    The cell must have all `needed` names (one letter each) and exactly these states.
    """
    if not all(n in names for n in needed) or set(_lanes(wiring, step)) != states or len(step.lanes) != len(states):
        return None
    ends = {names[s].index for s in states}
    core = set(ends)
    for index in reversed(step.items):
        if index in core:
            core.update(wiring.items[index].args)
    head = [i for i in step.items if i not in core]
    inside = {*head, names["h"].index}
    local = all(a in inside or wiring.items[a].leaf not in ("", "input") for i in head for a in wiring.items[i].args)
    leaving = ends | set(head[-1:])
    fits = len(step.inputs) == 1 and len(step.outputs) <= 1 and leaving.issuperset(step.exits)
    if not fits or not local or (head and any(o != head[-1] for o in step.outputs)):
        return None
    return head


def _args(wiring: Wiring, item: Item) -> list[Item]:
    return [wiring.items[a] for a in item.args]


def _lstm(wiring: Wiring, step: Step, names: Names) -> FixedLayout | None:
    head = _head(wiring, step, names, "figoch", {"c", "h"})
    if head is None:
        return None
    f, i, g, o, c, h = (names[n] for n in "figoch")
    products, squash = _args(wiring, c), [a for a in _args(wiring, h) if a is not o]
    kept = next((p for p in products if f.index in p.args), None)
    new = next((p for p in products if i.index in p.args and p is not kept), None)
    if kept is None or new is None or len(squash) != 1 or g.index not in new.args:
        return None
    tanh = squash[0]
    lanes = _lanes(wiring, step)
    before = {name: (what[0] if kind == "start" else what) for name, (kind, what) in zip(lanes, step.lanes, strict=True)}
    port = {name: f"i{k}" for k, name in enumerate(lanes)}
    cell = _CellBuilder(wiring, step, head, 254.0, 178.0)
    top, low, y = 150.0, 26.0, 66.0
    xs = {"f": 52.0, "i": 92.0, "g": 134.0, "o": 176.0}
    coupled = f.index in i.args
    for letter, item in (("f", f), ("i", i), ("g", g), ("o", o)):
        if not (coupled and item is i):
            cell.gate(xs[letter], y, item, letter)
    cell.point(52, top, kept)
    cell.point(134, top, c)
    cell.point(134, 108, new)
    cell.point(212, 108, tanh)
    cell.point(212, y, h)
    if coupled:
        cell.point(92, 108, i)
        cell.wire(((52, 108), (75, 108)), cell.id(f), i, f)
        cell.wire(((109, 108), (124.5, 108)), cell.id(i), new, i)
        cell.dot(52, 108)
    else:
        cell.wire(((92, y + 10), (92, 108), (124.5, 108)), cell.id(i), new, i)
    for letter, item in (("f", f), ("i", i), ("g", g), ("o", o)):
        if not (coupled and item is i):
            cell.wire(((0, low), (xs[letter], low), (xs[letter], y - 10)), port["h"], item, item.args[0])
    cell.wire(((0, top), (42.5, top)), port["c"], kept, before["c"], heavy=True)
    cell.wire(((61.5, top), (124.5, top)), cell.id(kept), c, kept, heavy=True)
    cell.wire(((52, y + 10), (52, top - 9.5)), cell.id(f), kept, f)
    cell.wire(((134, y + 10), (134, 98.5)), cell.id(g), new, g)
    cell.wire(((134, 117.5), (134, top - 9.5)), cell.id(new), c, new)
    cell.wire(((143.5, top), (212, top), (212, 117)), cell.id(c), tanh, c)
    cell.wire(((212, 99), (212, y + 9.5)), cell.id(tanh), h, tanh)
    cell.wire(((191, y), (202.5, y)), cell.id(o), h, o)
    for x in (24.0, 52.0, *(() if coupled else (92.0,)), 134.0):
        cell.dot(x, low)
    _peepholes(cell, step, before["c"], kept, c, tanh, f, i, o, port["c"])
    if c.index in step.exits:
        cell.dot(212, top)
    cell.fixed.layout.lanes = [top if name == "c" else low for name in lanes]
    exits: dict[int, tuple[Point, ...]] = {c.index: ((143.5, top), (254.0, top)), h.index: ((212, y - 9.5), (212, low), (254.0, low))}
    _input(cell, step, f, 24.0, low)
    return cell.finish(h, 24.0, 236.0, (212, low) if h.index in step.exits else (212, y - 9.5), exits)


def _peepholes(cell: _CellBuilder, step: Step, old: int, kept: Item, c: Item, tanh: Item, f: Item, i: Item, o: Item, port: str) -> None:
    """Add the peephole connections: the gates f and i read the old state, o the new one."""
    items = cell.wiring.items
    readers = [items[k] for k in step.items if old in items[k].args and k != kept.index and items[k].kind != "affine"]
    for user in readers:
        gate = f if _leads(cell.wiring, step, user, f) else i
        if gate is f:
            cell.peephole(((30, 150), (30, 66), (37, 66)), port, f, user, old)
        else:
            cell.peephole(((30, 98), (70, 98), (70, 66), (77, 66)), port, i, user, old)
    for user in (items[k] for k in step.items if c.index in items[k].args and k != tanh.index and _leads(cell.wiring, step, items[k], o)):
        cell.peephole(((157, 150), (157, 66), (161, 66)), cell.id(c), o, user, c)


def _leads(wiring: Wiring, step: Step, start: Item, goal: Item) -> bool:
    """Whether the goal depends on the start within the step."""
    reached = {start.index}
    for k in step.items:
        if reached & set(wiring.items[k].args):
            reached.add(k)
    return goal.index in reached


def _input(cell: _CellBuilder, step: Step, user: Item, x: float, y: float) -> None:
    cell.fixed.edges.append(FixedEdge(((x, BELOW), (x, y)), "x0", cell.id(user), step.inputs[0], None, False, False))


def _rnn(wiring: Wiring, step: Step, names: Names) -> FixedLayout | None:
    h = names.get("h")
    head = _head(wiring, step, names, "h", {"h"})
    if h is None or head is None or len(h.args) != 1 or not names.keys() - {"h"} <= {wiring.items[k].name for k in head}:
        return None
    cell = _CellBuilder(wiring, step, head, 128.0, 92.0)
    y = 46.0
    cell.gate(64, y, h)
    cell.wire(((0, y), (46, y)), "i0", h, h.args[0], heavy=True)
    cell.dot(22, y)
    cell.fixed.layout.lanes = [y]
    _input(cell, step, h, 22.0, y)
    if h.index in step.exits and (step.outputs or head):
        cell.dot(106, y)
    return cell.finish(h, 22.0, 106.0, (82.0, y), {h.index: ((82.0, y), (128.0, y))})


def _gru(wiring: Wiring, step: Step, names: Names) -> FixedLayout | None:
    head = _head(wiring, step, names, "zrnh", {"h"})
    if head is None:
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
    old = what[0] if kind == "start" else what
    top, low, y = 150.0, 26.0, 66.0
    cell = _CellBuilder(wiring, step, head, 246.0, 178.0)
    cell.gate(60, y, r, "r")
    cell.point(104, y, reset)
    cell.gate(150, y, n, "n", -11.0)
    cell.gate(196, y, z, "z")
    cell.point(150, 110, gap)
    cell.point(196, 110, mixed)
    cell.point(196, top, h)
    trunk = "i0"
    cell.wire(((0, low), (60, low), (60, y - 10)), trunk, r, r.args[0])
    cell.wire(((0, low), (104, low), (104, y - 9.5)), trunk, reset, next((a for a in reset.args if a != r.index), r.index))
    cell.wire(((0, low), (150, low), (150, y - 10)), trunk, n, n.args[0])
    cell.wire(((0, low), (196, low), (196, y - 10)), trunk, z, z.args[0])
    cell.wire(((75, y), (94.5, y)), cell.id(r), reset, r)
    cell.wire(((113.5, y), (132, y)), cell.id(reset), n, n.args[0])
    cell.wire(((150, y + 10), (150, 100.5)), cell.id(n), gap, n)
    cell.wire(((150, 84), (172, 84), (172, top), (186.5, top)), cell.id(n), h, n)
    cell.wire(((0, low), (26, low), (26, 110), (140.5, 110)), trunk, gap, old)
    cell.wire(((159.5, 110), (186.5, 110)), cell.id(gap), mixed, gap)
    cell.wire(((196, y + 10), (196, 100.5)), cell.id(z), mixed, z)
    cell.wire(((196, 119.5), (196, top - 9.5)), cell.id(mixed), h, mixed)
    for x in (26.0, 42.0, 60.0, 104.0, 150.0):
        cell.dot(x, low)
    cell.dot(150, 84)
    cell.fixed.layout.lanes = [low]
    _input(cell, step, r, 42.0, low)
    exits: dict[int, tuple[Point, ...]] = {h.index: ((205.5, top), (228.0, top))}
    return cell.finish(h, 42.0, 228.0, (205.5, top), exits)
