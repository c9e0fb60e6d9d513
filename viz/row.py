"""One row of steps beside each other: the scene of an unrolled graph."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Sequence
from typing import Any

from . import below, style, text
from .colours import Colours
from .geometry import place
from .scene import MARGIN, Frame, Part, Placed, Port, Shape, Wire, Word
from .tiles import HEAVY, STUB, USE, StepBox, leaf_size, surroundings, tile
from .timeline import BEFORE
from .wiring import SIZE, Step, Wiring

CORRIDOR = (30.0, 58.0)  # the least and the greatest width between two steps, where the names of states stand
DROP = 9.0
GAP_WIDTH = 70.0
LEGEND = 460.0  # the width of the legend of gradients, at least
HEAD, TAIL = 6, 5


class RowScene:
    """Draws one row of steps.

    names   the prefix of all ids;  known    weights that the bar of another row shows already
    edges   the room for what comes from the line above, and what goes on in the line below, if the row is one of several lines
    earlier, later    the steps of those lines
    """

    def __init__(self, wiring: Wiring, colours: Colours, limit: int | None = None, names: str = "", known: Collection[str] = ()):
        self.wiring, self.colours, self.names, self.known = wiring, colours, names, known
        self.ends, self.upside_down = ("before", "after"), False
        self.edges = (0.0, 0.0)
        self.earlier: list[int] = []
        self.later: list[int] = []
        self.items, self.timeline = wiring.items, wiring.timeline
        self.steps = wiring.steps
        self.inner = [i for i, s in enumerate(self.steps) if 0 <= s.number < self.timeline.end]
        self.hide(middle(self.inner, limit))
        inner = [s.layout.height for s in self.steps if s.label]
        around = [a for s in self.steps for a in (*s.inputs, *s.outputs)]
        leaf = max((leaf_size(wiring, a, "")[1] for a in around), default=22.0)
        self.box = StepBox(max(inner or [s.layout.height for s in self.steps]), leaf=leaf)
        self.between = self._corridor()
        self.x: dict[int, float] = {}
        self.gap_x = 0.0
        self.placed: list[Placed] = []
        self.corridor = Part()
        self.tiles: dict[Any, Part] = {}
        self.notes = list(self.timeline.notes)

    def hide(self, steps: Collection[int]) -> None:
        """Leave out the steps at these positions, which must follow each other."""
        hidden = set(steps)
        self.shown = [i for i in range(len(self.steps)) if i not in hidden]
        self.gap = min(hidden) - 1 if hidden else None

    # ---- the whole

    def draw(self) -> float:
        """Make all parts of the row. Gives its lower end."""
        self._vertical()
        for i in self.shown:
            self._step(i)
        for a, b in zip(self.shown, self.shown[1:], strict=False):
            self._between(a, b)
        if self.gap is not None:
            self._gap()
        self._drop_covered_labels()
        self._initial()
        self._buses()
        bottom = self._weights()
        self.placed.append(Placed(self.corridor))
        return bottom

    def columns(self) -> None:
        """Place the steps beside each other."""
        x = MARGIN
        for i in self.shown:
            x += self.room(i)
            self.x[i] = x
            x += self.steps[i].layout.width
            if i == self.gap:
                self.gap_x = x + self.between
                x += self.between + GAP_WIDTH
        self.right = x + self.edges[1]

    def _corridor(self) -> float:
        """The width between two steps, enough for the names of states."""
        names = {lane[1] for i in self.shown for lane in self.steps[i].lanes if lane[0] == "item"}
        widest = max((text.width(self.state_label(a), 8.5) for a in names), default=0.0)
        return min(max(widest + 6, CORRIDOR[0]), CORRIDOR[1])

    def room(self, i: int) -> float:
        """The width on the left of a step, enough for its initial states and for values from buses."""
        step = self.steps[i]
        leaves = [a for kind, a in step.lanes if kind == "start"]
        drops = DROP * sum(kind == "bus" for kind, _ in step.lanes)
        wide = max((text.width(self.wiring.initial_label(a), SIZE) + 16 for a in leaves), default=0.0)
        between = self.between if i != self.shown[0] else self.edges[0]
        return between + drops + (max(wide, 30.0) + 14 + 6 * len(leaves) if leaves else 0.0)

    def _vertical(self) -> None:
        any_output = any(self.steps[i].outputs for i in self.shown)
        self.buses = list(self.wiring.buses)
        start = MARGIN + 12 + (len(self.buses) * 10 + 8 if self.buses else 0)
        over = max((s.layout.height for s in self.steps), default=0.0) - self.box.height
        self.top = start + max(self.box.leaf / 2 - self.box.above() if any_output else 6, over + 12)
        any_input = any(self.steps[i].inputs for i in self.shown)
        self.bottom = self.top + (self.box.below() + self.box.leaf / 2 if any_input else self.box.height)

    # ---- steps

    def _step(self, i: int) -> None:
        step = self.steps[i]
        lanes = self._lanes_out(i)
        key = (id(step.fixed) if step.fixed else None, step.key, tuple(lanes))
        if self.colours.gradient or key not in self.tiles:
            self.tiles[key] = tile(self.wiring, step, lanes, self.box, self.colours)
        x, prefix = self.x[i], self.prefix(i)
        around = surroundings(self.wiring, step, self.box, self.colours)
        if around.shapes:
            self.placed.append(Placed(around, x, self.top, prefix))
        fill, stroke = style.FRAME_GRADIENT if self.colours.gradient else style.FRAME
        label = step.label or (self.ends[step.number != BEFORE] if self.timeline.end else text.clean(self.timeline.title, 24))
        ink = style.MUTED if self.colours.gradient or not step.label else style.GREEN
        if not step.label:
            fill, stroke = "#FAFBFC", "#C9D0D5"
        whole = step.label and not (step.fixed and step.fixed.entry)
        height = self.box.height if whole else step.layout.height
        frame = Frame(
            x, self.top + self.box.height - height, step.layout.width, height, label, fill, stroke, ink, self._label_at(step, label)
        )
        self.placed.append(Placed(self.tiles[key], x, self.top, prefix, frame))

    def _label_at(self, step: Step, label: str) -> float:
        """The x of the label above a box: as far left as possible without a line through it."""
        risers = [x for x, _ in (step.layout.inputs if self.upside_down else step.layout.outputs)]
        wide = text.width(label, 11)
        fits = (at for at in (8.0, *(x + 4 for x in sorted(risers))) if not any(at - 3 < x < at + wide + 3 for x in risers))
        return next((at for at in fits if at + wide <= step.layout.width), 8.0)

    def prefix(self, i: int) -> str:
        return f"{self.names}s{i}_"

    def _lanes_out(self, i: int) -> list[float]:
        """The heights at which values leave a step: those at which they enter the next one."""
        step = self.steps[i]
        if i + 1 >= len(self.steps):
            return [0.0] * len(step.exits)
        after = self.steps[i + 1]
        return [after.layout.lanes[after.lanes.index(("item", a))] for a in step.exits]

    def _between(self, a: int, b: int) -> None:
        if b != a + 1:
            return
        left, right = self.steps[a], self.steps[b]
        for k, lane in enumerate(right.lanes):
            if lane[0] == "item" and lane[1] in left.local:
                y = self.top + self.box.height - right.layout.lanes[k]
                e = left.exits.index(lane[1])
                x0, x1 = self.x[a] + left.layout.width, self.x[b]
                self._lane(x0, x1, y, f"{self.prefix(a)}{left.exit(e)}", f"{self.prefix(b)}{right.entry(k)}", lane[1], right)

    def _lane(self, x0: float, x1: float, y: float, tail: str, head: str, value: int, reader: Step) -> None:
        colour = self.colours.lane(value, reader.number)
        name = f"lane{len(self.corridor.wires)}"
        self.corridor.wires.append(Wire(((x0, y), (x1, y)), tail, head, head.endswith("cell"), HEAVY, colour, id=name))
        label = self.colours.exponent(value, reader.number) if self.colours.gradient else self.state_label(value)
        room = self.between if any(kind == "start" for kind, _ in reader.lanes) else x1 - x0  # initial states stand in the rest
        if label and text.width(label, 8.5) <= room - 2:
            ink = style.TEXT if self.colours.gradient else style.MUTED
            self.corridor.words.append(Word(x0 + room / 2, y - 7, label, 8.5, ink, of=name))

    def state_label(self, value: int) -> str:
        item = self.items[value]
        name = item.called or item.given
        return self.wiring.value_label(value) if name and len(name) < 12 and item.column != BEFORE else ""

    def _drop_covered_labels(self) -> None:
        """Remove the labels that would stand on another line between the same two steps."""
        lines: dict[int, list[float]] = {}
        for w in self.corridor.wires:
            lines.setdefault(round(w.points[0][0]), []).append(w.points[0][1])
        for ys in lines.values():
            ys.sort()
        starts = {w.id: round(w.points[0][0]) for w in self.corridor.wires}
        kept = []
        for word in self.corridor.words:
            ys = lines[starts[word.of]]
            i = bisect_left(ys, word.y - 5)
            if i >= len(ys) or ys[i] > word.y + 5:
                kept.append(word)
        self.corridor.words = kept

    def _gap(self) -> None:
        """Draw one dashed box in place of the steps that are left out."""
        assert self.gap is not None
        left, after = self.gap, self.shown[self.shown.index(self.gap) + 1]
        first, last = self.steps[left + 1], self.steps[after - 1]
        names = (first.label.replace("∂ ", ""), last.label.replace("∂ ", "").replace("t = ", ""))
        label = f"{names[0]} … {names[1]}"
        x, w, h = self.gap_x, GAP_WIDTH, self.box.height
        part = Part([], [], [Shape("gap", w / 2, h / 2, w, h, "elided", "⋯", dashed=True, size=20.0)])
        part.words.append(Word(w / 2, -10, label, 10, style.GREEN, of="gap"))
        self.placed.append(Placed(part, x, self.top, f"{self.names}gap_"))
        ys_in = {k: self.top + h - y for k, y in enumerate(self._lanes_out(left))}
        for k, y in ys_in.items():
            self._lane(
                self.x[left] + self.steps[left].layout.width,
                x,
                y,
                f"{self.prefix(left)}{self.steps[left].exit(k)}",
                f"{self.names}gap_gap",
                self.steps[left].exits[k],
                first,
            )
        right = self.steps[after]
        for k, lane in enumerate(right.lanes):
            if lane[0] == "item":
                y = self.top + h - right.layout.lanes[k]
                self._lane(x + w, self.x[after], y, f"{self.names}gap_gap", f"{self.prefix(after)}{right.entry(k)}", lane[1], right)
        count = after - left - 1
        nodes = sum(len(s.items) for s in self.steps[left + 1 : after])
        self.notes.append(f"{label}: {count} steps ({nodes:,} operations) are left out; limit=None draws all")

    # ---- states at the ends

    def _initial(self) -> None:
        for i in self.shown:
            step = self.steps[i]
            lanes = [(k, a) for k, (kind, a) in enumerate(step.lanes) if kind == "start"]
            if not lanes:
                continue
            part = Part()
            lanes.sort(key=lambda pair: step.layout.lanes[pair[0]])
            spots = self._spots(step)
            width = max(max(text.width(self.wiring.initial_label(a), SIZE) + 16, 30.0) for _, a in lanes)
            for n, (k, a) in enumerate(lanes):
                spot = spots[k]
                y = self.top + self.box.height - step.layout.lanes[k]
                edge = self.x[i] - 14 - 6 * len(lanes)
                turn = edge + 7 + 6 * (n if spot < y else len(lanes) - 1 - n)
                item = self.items[a[0]]
                label = self.wiring.initial_label(a)
                part.shapes.append(
                    Shape(f"h{k}", edge - width / 2, spot, width, 19.0, "parameter", label, title=str(item.node.type),
                          fill=self.colours.fill(item), stroke=self.colours.stroke(item))
                )  # fmt: skip
                points = ((edge, spot), (self.x[i], y)) if abs(spot - y) < 0.5 else ((edge, spot), (turn, spot), (turn, y), (self.x[i], y))
                if len(points) == 2:
                    points = ((edge, y), (self.x[i], y))
                part.wires.append(
                    Wire(points, f"h{k}", step.entry(k), bool(step.fixed and step.fixed.entry), HEAVY, self.colours.value(a[0]))
                )
            self.placed.append(Placed(part, 0.0, 0.0, self.prefix(i)))

    def _spots(self, step: Step) -> dict[int, float]:
        """The heights of initial states: each as near to its lane as the other lanes allow."""
        order = sorted(range(len(step.lanes)), key=lambda k: -step.layout.lanes[k])
        order = [k for k in order if step.lanes[k][0] != "bus"]
        starts = [step.lanes[k][0] == "start" for k in order]
        ys = [self.top + self.box.height - step.layout.lanes[k] for k in order]
        found = dict(zip(order, place(ys, [1.0 if s else 1e6 for s in starts], [9.5 if s else 0.0 for s in starts], 4.0), strict=True))
        passing = [(y, 9.5) for y, s in zip(ys, starts, strict=True) if not s]  # with how near another label may come
        for k in (k for k, s in zip(order, starts, strict=True) if s and passing):
            free = (y for at, room in passing for y in (found[k], at - room - 2.0, at + room + 2.0))
            found[k] = min((y for y in free if all(abs(y - at) > room for at, room in passing)), key=lambda y: abs(y - found[k]))
            passing.append((found[k], 19.0))
        return found

    # ---- buses and weights

    def _buses(self) -> None:
        for n, slot in enumerate(self.buses):
            members, ends = self.wiring.buses[slot], self._ends(slot, self.shown)
            onwards = bool(self._ends(slot, self.later)) and any(
                a in self.steps[i].local for i in (*self.earlier, *self.shown) for a in members
            )
            if ends or onwards:
                self._bus(n, MARGIN + 12 + 10 * n, members, ends, onwards)

    def _ends(self, slot: Any, steps: Sequence[int]) -> list[tuple[int, int]]:
        """(step, lane) where a bus ends in these steps."""
        return [(i, k) for i in steps for k, lane in enumerate(self.steps[i].lanes) if lane == ("bus", slot)]

    def _bus(self, n: int, level: float, members: Sequence[int], ends: Sequence[tuple[int, int]], onwards: bool) -> None:
        """Draw a bus over the steps of this line: from where it begins, or from the left; to where it ends, or to the right."""
        name = f"{self.names}bus{n}" + (f"line{self.shown[0]}" if self.earlier else "")
        part = Part()
        colour = self.colours.value(members[-1], style.LOOKS["output"].stroke)
        reach = self.right - self.edges[1] + 14 if onwards else self._bus_x(*ends[-1])
        part.ports.append(Port(name, reach, level))
        for i in self.shown:
            step = self.steps[i]
            for k, a in enumerate(step.outputs):
                if a in members:
                    x = self.x[i] + step.layout.outputs[k][0]
                    y = self.top + self.box.above() - self.box.leaf / 2
                    mine = self.colours.value(a, style.LOOKS["output"].stroke)
                    part.wires.append(Wire(((x, y), (x, level), (reach, level)), f"{self.prefix(i)}y{k}", name, False, 1.4, mine))
        before = [a for i in self.earlier for a in self.steps[i].outputs if a in members]
        if before:
            part.words.append(Word(MARGIN + 4, level, self.state_label(before[-1]), 8.5, style.MUTED, "start", id=f"{name}from"))
            left = MARGIN + 8 + text.width(part.words[-1].text, 8.5)
            part.wires.append(Wire(((left, level), (reach, level)), f"{name}from", name, False, 1.4, colour))
        if onwards:
            now = [a for i in (*self.earlier, *self.shown) for a in self.steps[i].outputs if a in members]
            part.words.append(Word(reach + 4, level, self.state_label(now[-1]), 8.5, style.MUTED, "start"))
        for i, k in ends:
            x, y = self._bus_x(i, k), self.top + self.box.height - self.steps[i].layout.lanes[k]
            points = ((reach, level), (x, level), (x, y), (self.x[i], y)) if x != reach else ((x, level), (x, y), (self.x[i], y))
            part.wires.append(Wire(points, name, f"{self.prefix(i)}{self.steps[i].entry(k)}", False, 1.4, colour))
        self.placed.append(Placed(part))

    def _bus_x(self, i: int, k: int) -> float:
        before = sum(lane[0] == "bus" for lane in self.steps[i].lanes[:k])
        return self.x[i] - 8 - DROP * before

    def _weights(self) -> float:
        """Draw the bar with all weights, and a dashed line from it to each step that reads one. Gives the lower end."""
        own = {self.items[a].label: a for a in self.wiring.weights if self.items[a].at is None}
        weights = [a for label, a in own.items() if label.rstrip("ᵀ") not in self.known]
        if not weights:
            return self.bottom + 16
        bar, named = f"{self.names}weights", {self.items[a].label for a in weights}
        users = [i for i in self.shown if any(self.items[a].label in named for row in self.steps[i].chips for _, a in row)]
        if not users:
            return self.bottom + 16
        left, right = (
            self.x[users[0]],
            max(self.x[users[-1]] + self.steps[users[-1]].layout.width, self.x[users[0]] + (160 if len(weights) < 9 else 420)),
        )
        first, top = "shared" if len(users) > 1 else "parameters", self.bottom + 34
        members = [self.items[a] for a in weights]
        if self.colours.gradient:
            part, frame = below.coloured_bar(bar, first, members, self.wiring, self.colours, left, right, top)
        else:
            part, frame = below.bar(bar, [first, *map(below.weight, members)], left, right, top), None
        for i in users:
            x, y = self.x[i] + self.steps[i].layout.width - STUB, self.top + self.box.height
            read = {a for row in self.steps[i].chips for _, a in row if self.items[a].label in named}
            colour = self.colours.uses(read, self.steps[i].number, style.LOOKS["parameter"].stroke)
            part.wires.append(Wire(((x, top), (x, y)), bar, f"{self.prefix(i)}{USE}", True, 1.0, colour, True))
        self.placed.append(Placed(part, frame=frame))
        self.right = max(self.right, right)
        return top + (frame or part.shapes[0]).h + 18

    def arrow(self, bottom: float) -> float:
        """Draw an arrow from the loss back in time, the direction of gradients. Gives the lower end."""
        inner = [i for i in self.shown if 0 <= self.steps[i].number < self.timeline.end]
        if len(inner) < 2:
            return bottom
        left, right = self.x[inner[0]] + 36, self.x[inner[-1]] + self.steps[inner[-1]].layout.width - 30
        self.corridor.wires.append(Wire(((right, bottom), (left, bottom)), "from", "to", True, 1.2, style.LOSS, True))
        self.corridor.words.append(Word(left - 6, bottom, "BPTT", 10, style.LOSS, "end", id="to"))
        self.corridor.words.append(Word(right + 6, bottom, "loss", 10, style.LOSS, "start", id="from"))
        rates = below.rates(self.wiring, [self.steps[i] for i in self.inner], self.colours)
        lines = text.wrapped(rates, max(self.right - left, LEGEND), 10)
        for n, line in enumerate(lines):
            self.corridor.words.append(Word(left, bottom + 16 + 14 * n, line, 10, style.TEXT, "start"))
        self.right = max(self.right, *(left + text.width(line, 10) for line in lines), 0.0)
        return bottom + 22 + 14 * len(lines)


def middle(steps: Sequence[int], limit: int | None) -> Sequence[int]:
    """The steps that are left out: none up to `limit` steps, else all but the first few and the last few."""
    if limit is None or len(steps) <= max(limit, 3):
        return []
    tail = min(TAIL, (limit - 1) // 2)
    return steps[min(HEAD, limit - tail) : -tail]
