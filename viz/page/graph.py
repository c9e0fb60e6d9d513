"""An unrolled graph as data for the page: templates of steps, what stands in each of them, and its numbers in every step.

Coordinates are in points, y downwards from the lower border of a step's box, so that boxes of any height stand on one line.
"""

from __future__ import annotations

import linecache
import os
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import style, svg, text
from ..cells import box
from ..geometry import place
from ..paint import Paint
from ..scene import Part
from ..story import BEFORE, Item
from ..tiles import Frame, tile
from ..wiring import SIZE, Step, Wiring

LOW = 260.0  # a closed step is as high as the open one up to here, so that states run straight; else it is compact
LANE = 24.0  # between states at a compact step
BLOCK = 4_000_000  # numbers that are looked at together
_WIRES = {style.WIRE: "wire", style.STATE: "state"}

# Statistics of a value, in this order. A norm of −1: no gradient.
STATISTICS = ("min", "max", "mean", "norm", "bad", "gradient")


@dataclass
class Places(Paint):
    """In place of colours, what is to be coloured: 'item', or 'item argument plain-colour' (argument −1: the value itself)."""

    gradient: bool = True

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


def packed(array: Any, dtype: str = "<f4") -> str:
    """An array as base64 of its bytes."""
    return b64encode(np.ascontiguousarray(array, dtype).tobytes()).decode()


def graph(wiring: Wiring, paint: Paint) -> dict[str, Any]:
    """{"steps", "templates", "shared", "buses"} for the page's script."""
    return _Exporter(wiring, paint).data()


class _Exporter:
    def __init__(self, wiring: Wiring, paint: Paint):
        self.wiring, self.paint, self.story, self.items = wiring, paint, wiring.story, wiring.items
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
            key = (step.key, step.sketch is None, tuple(ahead), tuple(nodes), tuple(map(tuple, links)), tuple(rises))
            if key not in known:
                known[key] = len(templates)
                templates.append(self._template(step, ahead, nodes, links, rises))
                members.append([])
            k = known[key]
            column = step.number if 0 <= step.number < self.story.end else -1
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
        return step.label or ("before" if step.number == BEFORE else "after" if self.story.end else "graph")

    # ---- how steps hang together

    def _ahead(self, i: int) -> list[float]:
        """The heights at which values leave a step: those at which the next one, when open, takes them in."""
        step = self.wiring.steps[i]
        if i + 1 == len(self.wiring.steps):
            return [0.0] * len(step.exits)
        after = self.wiring.steps[i + 1]
        return [after.layout.lanes[after.lanes.index(("item", a))] for a in step.exits]

    def _link(self, i: int, lane: tuple[str, Any]) -> list[Any]:
        """Where a lane comes from: an exit of the step before, a bus, or an initial state (shared value, label, width)."""
        kind, what = lane
        if kind == "item":
            return ["exit", self.wiring.steps[i - 1].exits.index(what)]
        if kind == "bus":
            return ["bus", self.bus[what]]
        label = self.wiring.initial_label(what)
        return ["start", self._leaf(what[0]), label, max(text.width(label, SIZE) + 16, 30.0)]

    def _leaf(self, a: int) -> int:
        return self.shared.setdefault(a, len(self.shared))

    def _bus_of(self, a: int) -> int:
        slot = self.wiring.slot.get(a)
        return self.bus[slot] if slot in self.bus and a in self.wiring.buses[slot] else -1

    # ---- one template

    def _template(self, step: Step, ahead: list[float], nodes: list[Any], links: list[Any], rises: list[Any]) -> dict[str, Any]:
        layout = step.layout
        part = tile(self.wiring, step, ahead, Frame(layout.height), Places())
        rows = {a: k for k, a in enumerate((*step.items, *step.inputs))}
        counts = [len(self.items[a].args) for a in step.items]
        return {
            "size": _short([layout.width, layout.height]),
            "lanes": _short(layout.lanes),
            "out": _short(ahead),
            "exits": [step.local[a] for a in step.exits],
            "links": links,
            "starts": self._starts(step),
            "inputs": [[round(x, 1), self._width(a)] for a, (x, _) in zip(step.inputs, layout.inputs, strict=True)],
            "outputs": [[round(x, 1), self._width(a), *rise] for a, (x, _), rise in zip(step.outputs, layout.outputs, rises, strict=True)],
            "closed": self._closed(step),
            "nodes": nodes,
            "slots": [self._slot(a) for a in (*step.items, *step.inputs)],
            "args": [self._args(step, k) for k in range(len(step.items))],
            "first": [0, *np.cumsum(counts).tolist()],
            "weights": any(self.items[a].leaf for row in step.chips for _, a in row),
            **self._marks(step, part, rows, layout.height),
        }

    def _marks(self, step: Step, part: Part, rows: dict[int, int], height: float) -> dict[str, Any]:
        """Shapes [row, x, y, w, h, look, label, ellipse, size, chips], wires [line, head, row, argument, look, width], dots and words."""
        shapes, wires = [], []
        for s in part.shapes:
            row = rows.get(int(s.fill), -1) if s.fill else -1
            chips = []
            for label, fill in zip(s.chips, s.chip_fills, strict=True):
                item, position = map(int, fill.split()[:2])
                leaf = self.items[item].args[position]
                chips.append([label, _short(svg.chip_width(label, s.size)), self.shared.get(leaf, -1), position])
            place_ = _short([s.x, s.y - height, s.w, s.h])
            shapes.append([row, *place_, s.look, s.label, int(s.shape == "ellipse"), s.size, _short(text.width(s.label, s.size)), chips])
        for w in part.wires:
            item, position, plain = w.colour.split(" ")
            points = tuple((x, y - height) for x, y in w.points)
            line = svg.path(svg.shortened(points) if w.arrow else points)
            head = svg.arrow(points, w.width) if w.arrow else ""
            wires.append([line, head, rows.get(int(item), -1), int(position), _WIRES.get(plain, "bus"), w.width])
        return {
            "shapes": shapes,
            "wires": wires,
            "dots": [_short([d.x, d.y - height]) for d in part.dots],
            "words": [[*_short([w.x, w.y - height]), w.text] for w in part.words],
        }

    def _width(self, a: int) -> float:
        label = self.wiring.leaf_label(a, "0") if self.items[a].leaf else self.wiring.value_label(a, "0")
        return round(max(text.width(label, SIZE) + 16, 30.0), 1)

    def _starts(self, step: Step) -> list[list[float]]:
        """(height of the lane, height of its leaf) for initial states: the leaves do not overlap."""
        lanes = sorted(step.layout.lanes[k] for k, (kind, _) in enumerate(step.lanes) if kind == "start")
        return [_short(pair) for pair in zip(lanes, place(lanes, [1.0] * len(lanes), [9.5] * len(lanes), 4.0), strict=True)]

    def _closed(self, step: Step) -> dict[str, Any]:
        """The step as one box: [width, height], label, heights of lanes, places of inputs and outputs."""
        sketch = box(self.wiring, step)
        layout, lanes = sketch.layout, step.layout.lanes
        height = step.layout.height
        if height > LOW:
            height = max(58.0, LANE * len(lanes) + 34)
            lower = (height - LANE * (len(lanes) - 1)) / 2
            rank = {k: n for n, k in enumerate(sorted(range(len(lanes)), key=lambda k: lanes[k]))}
            lanes = [lower + LANE * rank[k] for k in range(len(lanes))]
        width = layout.width if step.label else max(64.0, 30.0 * max(len(step.inputs), len(step.outputs)))
        return {
            "size": _short([width, height]),
            "label": sketch.marks[0].label or self._name(step),
            "lanes": _short(lanes),
            "inputs": _short([x for x, _ in layout.inputs]),
            "outputs": _short([x for x, _ in layout.outputs]),
        }

    # ---- what a node is

    def _node(self, item: Item) -> tuple[Any, ...]:
        """(name, label, operation, type, scope, place, source line, kind, how many numbers)."""
        origin = item.node.origin
        scope = "/".join(s.name for s in origin.scopes)
        where, source = _line(origin.code, origin.line) if origin.code else ("", "")
        operation = f"{item.node.op.name}{', with all of its line' if item.folded else ''}"
        look = "state" if self.wiring.slot.get(item.index) in self.wiring.stateful and item.kind != "loss" else item.kind
        name = text.clean(item.name or item.label, 80)
        return name, text.clean(item.label, 40), operation, str(item.node.type), text.clean(scope, 200), where, source, look, _size(item)

    def _slot(self, a: int) -> str:
        """What a value is in every step, to follow it through time."""
        loop, name, count = self.wiring.slot[a] if a in self.wiring.slot else ("", self.items[a].label, 0)
        return f"{text.clean(loop, 80)}/{text.clean(name, 80)}/{count}"

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
        numbers = packed([*row, _norm(self.paint, a)])
        return {"node": self._node(item), "shape": text.shape(item.node.type.shape) or "scalar", "numbers": numbers}

    # ---- numbers

    def _numbers(self, steps: Sequence[Step]) -> np.ndarray:
        """(steps, rows, statistics), float32."""
        rows = len(steps[0].items) + len(steps[0].inputs)
        found = np.full((len(steps), rows, len(STATISTICS)), np.nan, "float32")
        for r, column in enumerate(zip(*((*s.items, *s.inputs) for s in steps), strict=True)):
            if all(_known(self.items[a]) for a in column):
                values = [self.items[a].node.value for a in column]
                size = max(1, BLOCK // max(values[0].size, 1))
                for at in range(0, len(values), size):
                    found[at : at + size, r, :5] = _summary(np.stack(values[at : at + size]))
            found[:, r, 5] = [_norm(self.paint, a) for a in column]
        return found

    def _edges(self, steps: Sequence[Step]) -> np.ndarray:
        """(steps, arguments of all rows): the norm of what flows back along each, −1 for nothing."""
        return np.array([list(self._flows(s)) for s in steps], "float32")

    def _flows(self, step: Step) -> Iterator[float]:
        for a in step.items:
            for p in range(len(self.items[a].args)):
                yield self.paint.edges.get((a, p), -1.0)


def _norm(paint: Paint, a: int) -> float:
    return paint.norms.get(a, -1.0)


def _size(item: Item) -> int:
    return int(np.size(item.node.value)) if _known(item) else 0


def _known(item: Item) -> bool:
    return isinstance(item.node.value, np.ndarray | np.generic)


def _summary(values: np.ndarray) -> np.ndarray:
    """(n, 5): least, greatest, mean and norm of the finite numbers of each row, and how many are not finite."""
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
    """('train.py:41', the line itself)."""
    key = (code, line)
    if key not in _lines:
        source = text.clean(linecache.getline(code.co_filename, line).strip(), 200)
        _lines[key] = text.clean(f"{os.path.basename(code.co_filename)}:{line}", 80), source
    return _lines[key]
