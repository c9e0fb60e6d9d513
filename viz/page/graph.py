"""An unrolled graph as data for the script of the page: one template for all equal steps, and the numbers of each step.

A row of a template is one of its operations, or after these one of its inputs. Coordinates are in points. y runs downwards from the
lower border of a box, so boxes of any height stand on one line.
"""

from __future__ import annotations

import linecache
import math
import os
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import heat, style, svg, text
from ..cells import one_box
from ..colours import Colours
from ..geometry import place
from ..layout import OUTSIDE
from ..scene import Part
from ..tiles import HEAVY, LINE, StepBox, tile
from ..timeline import BEFORE, Item
from ..value_cards import STATE
from ..wiring import SIZE, Step, Wiring

LOW = 260.0  # a closed step has the height of the open one up to here, so that states run straight; else it is compact
LANE = 24.0  # between two states of a compact step
DROP = 9  # between two lines that come down from buses
BLOCK = 4_000_000  # numbers whose statistics are computed at once
_WIRES = {style.WIRE: "wire", style.STATE: "state"}
_CARDS = {STATE: "state", **{colours: role for role, colours in style.ROLES.items()}}

# The statistics of a value, in this order. A gradient norm of −1 means no gradient.
STATISTICS = ("min", "max", "mean", "norm", "bad", "gradient")


@dataclass
class Places(Colours):
    """In place of each colour, what the script is to colour: 'item', or 'item argument plain-colour' (argument −1: the value itself).

    A line between parts of the step is 'line number plain-colour'.
    """

    gradient: bool = True
    lines: int = 0

    def fill(self, item: Item) -> str:
        return str(item.index)

    def stroke(self, item: Item) -> None:
        return None

    def dashed(self, item: Item) -> bool:
        return False

    def wire(self, item: int, position: int, plain: str = style.WIRE) -> str:
        return f"{item} {position} {plain}"

    def value(self, item: int, plain: str = style.STATE) -> str:
        return f"{item} -1 {plain}"

    def through(self, values: Sequence[int], parts: Sequence[str], plain: str = style.WIRE) -> str:
        self.lines += 1
        return f"line {self.lines - 1} {plain}"


def packed(array: Any, dtype: str = "<f4") -> str:
    """The bytes of an array as base64."""
    return b64encode(np.ascontiguousarray(array, dtype).tobytes()).decode()


def lines_of(step: Step) -> list[tuple[tuple[int, ...], tuple[str, ...]]]:
    """What each line between parts of a step carries: (values, parts). Their numbers stand behind those of all arguments."""
    return [] if step.fixed is None else step.fixed.lines


def slot(wiring: Wiring, a: int) -> str:
    """The text that identifies a value in all steps, so that the page can follow it through time."""
    loop, name, count = wiring.slot[a] if a in wiring.slot else ("", wiring.items[a].label, 0)
    return f"{text.clean(loop, 80)}/{text.clean(name, 80)}/{count}"


def graph(wiring: Wiring, colours: Colours) -> dict[str, Any]:
    """{"steps", "templates", "shared", "weights", "buses"} for the script of the page."""
    return _Exporter(wiring, colours).data()


class _Exporter:
    def __init__(self, wiring: Wiring, colours: Colours):
        self.wiring, self.colours, self.timeline, self.items = wiring, colours, wiring.timeline, wiring.items
        self.bus = {slot: n for n, slot in enumerate(wiring.buses)}
        self.before = next((s for s in wiring.steps if s.number == BEFORE), None)
        self.shared: dict[int, int] = {a: n for n, a in enumerate(wiring.weights)}
        self.closed: dict[int, dict[str, Any]] = {}

    def data(self) -> dict[str, Any]:
        templates: list[dict[str, Any]] = []
        members: list[list[Step]] = []
        known: dict[Any, int] = {}
        steps = []
        for i, step in enumerate(self.wiring.steps):
            ahead = self._ahead(i)
            nodes = [self._node(self.items[a]) for a in (*step.items, *step.inputs)]
            links = [self._link(i, lane) for lane in step.lanes]
            rises = [(step.local[a], self._bus_of(a)) for a in step.outputs]
            args = [self._args(step, k) for k in range(len(step.items))]
            key = (step.key, step.fixed is None, tuple(ahead), tuple(nodes), tuple(map(tuple, links)), tuple(rises), str(args))
            if key not in known:
                known[key] = len(templates)
                templates.append(self._template(step, ahead, nodes, args, links, rises))
                members.append([])
            k = known[key]
            column = step.number if 0 <= step.number < self.timeline.end else -1
            labels = [*map(self.wiring.leaf_label, step.inputs), *map(self.wiring.value_label, step.outputs)]
            steps.append([column, self._name(step), k, len(members[k]), labels])
            members[k].append(step)
        for template, group in zip(templates, members, strict=True):
            template["numbers"] = packed(self._numbers(group))
            template["edges"] = packed(self._edges(group))
        return {
            "steps": steps,
            "templates": templates,
            "shared": [self._shared(a) for a in self.shared],
            "weights": len(self.wiring.weights),
            "buses": len(self.bus),
        }

    def _name(self, step: Step) -> str:
        return step.label or ("before" if step.number == BEFORE else "after" if self.timeline.end else "graph")

    # ---- connections between steps

    def _ahead(self, i: int) -> list[float]:
        """The heights at which values leave a step: those at which they enter the next one when it is open."""
        step = self.wiring.steps[i]
        if i + 1 == len(self.wiring.steps):
            return [0.0] * len(step.exits)
        after = self.wiring.steps[i + 1]
        return [after.layout.lanes[after.lanes.index(("item", a))] for a in step.exits]

    def _link(self, i: int, lane: tuple[str, Any]) -> list[Any]:
        """The origin of a lane: an exit of the step before, a bus, or an initial state (shared value, width, label)."""
        kind, what = lane
        if kind == "item":
            return ["exit", self.wiring.steps[i - 1].exits.index(what)]
        if kind == "bus":
            return ["bus", self.bus[what]]
        label = self.wiring.initial_label(what)
        return ["start", self._leaf(what[0]), max(text.width(label, SIZE) + 16, 30.0), label]

    def _leaf(self, a: int) -> int:
        return self.shared.setdefault(a, len(self.shared))

    def _bus_of(self, a: int) -> int:
        slot = self.wiring.slot.get(a)
        return self.bus[slot] if slot in self.bus and a in self.wiring.buses[slot] else -1

    # ---- one template

    def _template(
        self, step: Step, ahead: list[float], nodes: list[Any], args: list[Any], links: list[Any], rises: list[Any]
    ) -> dict[str, Any]:
        counts = [len(self.items[a].args) for a in step.items]
        return {
            "open": self._open(step, ahead, links, rises),
            "closed": self._closed(step, links, rises),
            "out": _short(ahead),
            "exits": [step.local[a] for a in step.exits],
            "links": links,
            "room": max((30.0 + link[2] + 6 * len(links) for link in links if link[0] == "start"), default=0.0),
            "nodes": nodes,
            "inputs": len(step.inputs),
            "slots": [slot(self.wiring, a) for a in (*step.items, *step.inputs)],
            "args": args,
            "first": [0, *np.cumsum([*counts, len(lines_of(step))]).tolist()],
            "weights": any(self.items[a].leaf for row in step.chips for _, a in row),
        }

    def _open(self, step: Step, ahead: list[float], links: list[Any], rises: list[Any]) -> dict[str, Any]:
        layout = step.layout
        view = self._around(step, layout.width, layout.height, layout.lanes, links, [x for x, _ in layout.inputs], layout.outputs, rises)
        self._marks(view, step, tile(self.wiring, step, ahead, StepBox(layout.height), Places()), layout.height)
        return view

    def _closed(self, step: Step, links: list[Any], rises: list[Any]) -> dict[str, Any]:
        """The view of a closed step: one box."""
        fixed = one_box(self.wiring, step)
        layout, lanes, height = fixed.layout, step.layout.lanes, step.layout.height
        if height > LOW:
            height = max(58.0, LANE * len(lanes) + 34)
            lower = (height - LANE * (len(lanes) - 1)) / 2
            rank = {k: n for n, k in enumerate(sorted(range(len(lanes)), key=lambda k: lanes[k]))}
            lanes = [lower + LANE * rank[k] for k in range(len(lanes))]
        width = layout.width if step.label else max(64.0, 30.0 * max(len(step.inputs), len(step.outputs)))
        view = self._around(step, width, height, lanes, links, [x for x, _ in layout.inputs], layout.outputs, rises)
        for k, (x, _) in enumerate(layout.inputs):
            view["wires"].append([f"M{_short(x)} {OUTSIDE}V0", "", len(step.items) + k, -1, "wire", LINE])
        for (x, _), (row, _) in zip(layout.outputs, rises, strict=True):
            view["wires"].append([f"M{_short(x)} {_short(-height)}V{_short(-height - OUTSIDE)}", "", row, -1, "wire", LINE])
        return {**view, "label": fixed.nodes[0].label or self._name(step)}

    def _around(
        self, step: Step, width: float, height: float, lanes: Sequence[float], links: list[Any],
        inputs: Sequence[float], outputs: Sequence[tuple[float, float]], rises: list[Any],
    ) -> dict[str, Any]:  # fmt: skip
        """A view with all that stands around the box: inputs below, outputs above, initial states on the left.

        shapes   [row, x, y, w, h, look, label (or the number of a label of the step), round, size, width of the label, chips]
        wires    [path, arrow head, row, argument, look, width];  a row below −1 is the shared value −2 − row
        """
        below = len(step.items)
        shapes = [
            [below + k, *_short([x, OUTSIDE + 11, self._width(a), 22]), "input", k, 1, SIZE, 0, []]
            for k, (a, x) in enumerate(zip(step.inputs, inputs, strict=True))
        ]
        shapes += [
            [row, *_short([x, -height - OUTSIDE - 11, self._width(a), 22]), "output", len(step.inputs) + k, 1, SIZE, 0, []]
            for k, (a, (x, _), (row, _)) in enumerate(zip(step.outputs, outputs, rises, strict=True))
        ]
        wires = []
        starts = sorted((lanes[k], link) for k, link in enumerate(links) if link[0] == "start")
        edge = -14 - 6 * len(starts) - DROP * sum(link[0] == "bus" for link in links)
        spots = place([y for y, _ in starts], [1.0] * len(starts), [9.5] * len(starts), 4.0)
        for n, ((y, (_, shared, wide, label)), spot) in enumerate(zip(starts, spots, strict=True)):
            turn = edge + 4 + 6 * (len(starts) - 1 - n if spot < y else n)
            points = ((edge, -spot), (turn, -spot), (turn, -y), (0.0, -y)) if abs(spot - y) > 0.5 else ((edge, -y), (0.0, -y))
            wires.append([svg.path(points), "", -2 - shared, -1, "state", HEAVY])
            shapes.append([-2 - shared, *_short([edge - wide / 2, -spot, wide, 19]), "parameter", label, 0, SIZE, 0, []])
        return {
            "size": _short([width, height]), "lanes": _short(lanes), "shapes": shapes, "wires": wires, "dots": [], "words": [],
            "frames": [], "names": [], "scopes": [], "cards": [], "plates": [],
            "outputs": [[_short(x), *rise] for (x, _), rise in zip(outputs, rises, strict=True)],
        }  # fmt: skip

    def _marks(self, view: dict[str, Any], step: Step, part: Part, height: float) -> None:
        """Add to a view all that stands inside the box."""
        rows = {a: k for k, a in enumerate((*step.items, *step.inputs))}
        written = {m.id: m for m in step.fixed.nodes if m.numbers is not None} if step.fixed is not None else {}
        for s in part.shapes:
            row = rows.get(int(s.fill), -1) if s.fill else -1
            chips = []
            for label, fill in zip(s.chips, s.chip_fills, strict=True):
                chips.append([label, _short(svg.chip_width(label, s.size)), int(fill.split()[1])])
            at = _short([s.x, s.y - height, s.w, s.h])
            node = written.get(s.id)
            label, numbers = (s.label, []) if node is None else (node.label, [self._places(node.item, node.numbers)])
            view["shapes"].append(
                [row, *at, s.look, label, int(s.shape == "ellipse"), s.size, _short(text.width(label, s.size)), chips, *numbers]
            )
        for w in part.wires:
            item, position, plain = w.colour.split(" ")
            points = tuple((x, y - height) for x, y in w.points)
            line = svg.path(svg.shortened(points) if w.arrow else points)
            head = svg.arrow(points, w.width) if w.arrow else ""
            row = len(step.items) if item == "line" else rows.get(int(item), -1)
            view["wires"].append([line, head, row, int(position), _WIRES.get(plain, "bus"), w.width])
        view["dots"] += [_short([d.x, d.y - height]) for d in part.dots]
        view["words"] += [[*_short([w.x, w.y - height]), w.text] for w in part.words if w.of]
        names = [w for w in part.words if not w.of]  # of outlines
        outlines = [_short([f.x, f.y - height, f.w, f.h]) for f in part.panels]
        if step.fixed is None:
            view["scopes"] += [[*outline, w.text] for outline, w in zip(outlines, names, strict=False)]
            return
        view["names"] += [[*_short([w.x, w.y - height]), w.text, w.size, w.anchor, int(w.colour == style.MUTED)] for w in names]
        for panel, outline in zip(step.fixed.panels, outlines, strict=True):
            if panel.item is None:
                view["frames"].append(outline)
            else:
                view["cards"].append([rows[panel.item], *outline, _CARDS[panel.fill, panel.stroke]])
        for h in step.fixed.heats:
            at = _short([h.x - h.w / 2, -h.y - h.h / 2, h.w, h.h])
            slots = [] if h.at is None else [rows[h.at], list(h.field.slots or ())]
            where = h.field._replace(form="matrix", slots=None) if slots else h.field
            view["plates"].append([rows[h.item], *at, h.scale, h.top, self._places(h.item, where), *slots])

    def _places(self, item: int, where: heat.Field) -> list[Any]:
        """Which numbers of a value are shown: [how many a member of the batch has, the first place of each row, from one to the next in a
        row, how many these are].
        """
        shape = self.items[item].shape or tuple(int(n) for n in self.items[item].node.type.shape)
        grid = where.places(shape)
        step = int(grid[0, 1] - grid[0, 0]) if grid.shape[1] > 1 else 1
        assert (grid == grid[:, :1] + step * np.arange(grid.shape[1])).all()
        return [math.prod(shape[where.lead :]), grid[:, 0].tolist(), step, grid.shape[1]]

    def _width(self, a: int) -> float:
        label = self.wiring.leaf_label(a, "0") if self.items[a].leaf else self.wiring.value_label(a, "0")
        return max(text.width(label, SIZE) + 16, 30.0)

    # ---- nodes

    def _node(self, item: Item) -> tuple[Any, ...]:
        """(name, label, operation, type, scope, file and line, text of that line, kind, how many numbers)."""
        origin = item.node.origin
        scope = "/".join(s.name for s in origin.scopes)
        where, source = _line(origin.code, origin.line) if origin.code else ("", "")
        operation = f"{item.node.op.name}{', with all of its line' if item.folded else ''}"
        look = "state" if self.wiring.slot.get(item.index) in self.wiring.stateful and item.kind != "loss" else item.kind
        name = text.clean(item.called or item.label, 80)
        return name, text.clean(item.label, 40), operation, str(item.node.type), text.clean(scope, 200), where, source, look, _size(item)

    def _args(self, step: Step, k: int) -> list[list[Any]]:
        """For each argument: ["row", r], ["lane", l], ["shared", n] or ["number", label]."""
        chips = dict(step.chips[k])
        found: list[list[Any]] = []
        for p, source in enumerate(step.sources[k]):
            if source is not None:
                kind, n = source
                found.append(["lane", n] if kind == "state" else ["row", n if kind == "op" else len(step.items) + n])
            elif p in chips and self.items[chips[p]].leaf:
                found.append(["shared", self._leaf(chips[p])])
            else:
                found.append(["number", text.clean(self.items[self.items[step.items[k]].args[p]].label, 40)])
        return found

    def _shared(self, a: int) -> dict[str, Any]:
        item = self.items[a]
        row = _summary(np.asarray(item.node.value)[None])[0] if _known(item) else np.full(5, np.nan)
        numbers = packed([*row, _norm(self.colours, a)])
        return {"node": self._node(item), "shape": text.shape(item.node.type.shape) or "scalar", "numbers": numbers, "item": a}

    # ---- numbers

    def _numbers(self, steps: Sequence[Step]) -> np.ndarray:
        """The statistics of all rows in these equal steps: (steps, rows, statistics), float32."""
        rows = len(steps[0].items) + len(steps[0].inputs)
        found = np.full((len(steps), rows, len(STATISTICS)), np.nan, "float32")
        for r, column in enumerate(zip(*((*s.items, *s.inputs) for s in steps), strict=True)):
            if all(_known(self.items[a]) for a in column):
                values = [self.items[a].node.value for a in column]
                size = max(1, BLOCK // max(values[0].size, 1))
                for at in range(0, len(values), size):
                    found[at : at + size, r, :5] = _summary(np.stack(values[at : at + size]))
            found[:, r, 5] = [_norm(self.colours, a) for a in column]
        return found

    def _edges(self, steps: Sequence[Step]) -> np.ndarray:
        """The norms of the cotangents along all arguments in these steps: (steps, arguments of all rows); −1 for none."""
        return np.array([list(self._flows(s)) for s in steps], "float32")

    def _flows(self, step: Step) -> Iterator[float]:
        for a in step.items:
            for p in range(len(self.items[a].args)):
                yield self.colours.edges.get((a, p), -1.0)
        for values, parts in lines_of(step):
            norm = self.colours.norm_through(values, parts)
            yield -1.0 if norm is None else norm


def _norm(colours: Colours, a: int) -> float:
    return colours.norms.get(a, -1.0)


def _size(item: Item) -> int:
    return int(np.size(item.node.value)) if _known(item) else 0


def _known(item: Item) -> bool:
    return isinstance(item.node.value, np.ndarray | np.generic)


def _summary(values: np.ndarray) -> np.ndarray:
    """For each of n values: least, greatest, mean and norm of its finite numbers, and how many are not finite; (n, 5)."""
    flat = values.reshape(len(values), -1).astype(np.float64)
    if not flat.shape[1]:
        return np.full((len(flat), 5), np.nan)
    bad = (~np.isfinite(flat)).sum(1)
    good = np.isfinite(flat)
    count = np.maximum(good.sum(1), 1)
    with np.errstate(all="ignore"):
        low = np.where(good, flat, np.inf).min(1)
        high = np.where(good, flat, -np.inf).max(1)
        kept = np.where(good, flat, 0.0)
        return np.stack([low, high, kept.sum(1) / count, np.sqrt((kept**2).sum(1)), bad], 1)


def _short(values: Any) -> Any:
    return round(float(values), 1) if np.isscalar(values) else [round(float(v), 1) for v in values]


_lines: dict[tuple[Any, int], tuple[str, str]] = {}


def _line(code: Any, line: int) -> tuple[str, str]:
    """('train.py:41', the text of that line)."""
    key = (code, line)
    if key not in _lines:
        source = text.clean(linecache.getline(code.co_filename, line).strip(), 200)
        _lines[key] = text.clean(f"{os.path.basename(code.co_filename)}:{line}", 80), source
    return _lines[key]
