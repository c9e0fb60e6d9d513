"""The picture of a step with a memory: the controller below, above it write head, memory and read head, on top the readout.

All weightings stand side by side with the memory, so that a slot is one line across them all. A parameter of a head stands under the
weighting that it makes. Lines of states over slots run above them, each at one height through all steps.

Every dependence between two parts is a line, or the two stand in one head. What does not fit into this picture gets none.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from . import text
from .geometry import Point
from .layout import OUTSIDE, FixedEdge, FixedLayout, FixedNode, Layout, Panel
from .memory_edges import Edges
from .memory_marks import LABEL, LINE, ROW, TITLE, Marks
from .parts import Part
from .slots import View
from .wiring import Step, Wiring

PAD = 12.0
GAP = 16.0  # between two bands, and between two heads
TRACK = 14.0  # between two lines of states
PORT = 6.0  # between two lines that end at one weighting
FEED = 14.0  # the space on the left for the line of what was read


def draw(wiring: Wiring, step: Step, view: View) -> FixedLayout | None:
    """The picture; None for a step without a memory, or with dependences that have no place in it."""
    if step.number not in view.parts:
        return None
    memory, parts = view.parts[step.number]
    edges = Edges(wiring, step, parts, view.makers)
    return None if edges.odd else _Cell(wiring, step, view, edges, Marks(wiring, view, memory, edges)).fixed


@dataclass
class _Track:
    """A line above the weightings: of the lane that comes in, of the part whose value leaves or is read further right, or of both."""

    lane: int | None
    part: Part | None
    name: str
    reach: int  # how many weightings it spans
    y: float = 0.0


class _Cell:
    def __init__(self, wiring: Wiring, step: Step, view: View, edges: Edges, marks: Marks):
        self.wiring, self.step, self.view, self.edges, self.marks = wiring, step, view, edges, marks
        self.row, self.bottom = edges.row, edges.bottom
        self.place = {p.name: n for n, p in enumerate(self.row)}
        self.tracks = self._tracks()
        self.ports = {p.name: self._ports(p) for p in self.row}
        self.x: dict[str, float] = {}
        self.runs = [(scope, list(run)) for scope, run in groupby(self.row, key=lambda p: p.name if p.kind == "memory" else p.scope)]
        self.fixed = FixedLayout(Layout())
        self.fixed.sources = {}
        self._bands()
        self._columns()
        self._boxes()
        self._slotted()
        self._readings()
        self._states()
        self._finish()

    # ---- from bottom to top

    def _bands(self) -> None:
        e, m = self.edges, self.marks
        self.box_lanes = [k for k in e.box_lanes if k != e.read_lane]
        y = PAD + (12.0 if m.shows_input(self.step) else 0.0)
        self.box_y, self.box_h = y, max(30.0, TRACK * len(self.box_lanes) + 8)
        y += self.box_h + GAP
        self.heads_y = y
        y += 18.0 + GAP if e.heads is not None and e.heads is not e.bottom else 0.0
        self.panel_y = y
        y += TITLE + ROW * m.rows + LINE * m.lines + LABEL
        self.slots_y = y
        y += m.height + 7
        self.panel_top = y
        for track in self.tracks:
            track.y = y + 12 + TRACK * self.view.levels[track.name]
        y += 12 + TRACK * len(self.view.levels)
        self.level = y - 3
        self.read_y = y + 10
        y += 10 + m.read_height / 2 + 6 if e.reading else 0.0
        self.readout_y = y + GAP
        y = self.readout_y + 20 + (12.0 if m.output is not None else 0.0) if e.readout is not None else y
        self.fixed.layout.height = y + PAD + 2

    # ---- from left to right

    def _columns(self) -> None:
        m = self.marks
        x = PAD + (FEED if self.edges.read_lane is not None else 2.0) + (m.numbers_width if m.numbers_width else 0.0)
        self.left = x
        self.spans: list[tuple[float, float]] = []
        for _, run in self.runs:
            widths = [max(m.column(p), PORT * len(self.ports[p.name]) + 4) for p in run]
            inner, whole = sum(widths), max(sum(widths), m.least_width(run))
            pad = 0.0 if run[0].kind == "memory" else 7.0
            at = x + pad + (whole - inner) / 2
            for p, wide in zip(run, widths, strict=True):
                self.x[p.name] = at + wide / 2
                at += wide
            self.spans.append((x, x + whole + 2 * pad))
            x += whole + 2 * pad + GAP
        self.right = x - GAP
        self.fixed.layout.width = self.right + (18.0 if self.edges.rises else 10.0) + PAD - 2

    # ---- boxes

    def _boxes(self) -> None:
        e, width = self.edges, self.fixed.layout.width
        middle, w = width / 2, width - 2 * PAD + 8
        self._box("cell", e.bottom, middle, self.box_y + self.box_h / 2, w, self.box_h, 13.0)
        if e.heads is not None and e.heads is not e.bottom:
            fed = [span for span, (_, run) in zip(self.spans, self.runs, strict=True) if self._feeds(e.heads, run)]
            left, right = fed[0][0], fed[-1][1]
            self._box("heads", e.heads, (left + right) / 2, self.heads_y + 9, right - left, 18.0, 10.0)
            self._wire(((middle, self.box_y + self.box_h), (middle, self.heads_y)), e.bottom, e.heads)
        if e.readout is not None:
            self.readout_x = self.x[e.memory.name]
            label = e.label(e.readout)
            self.readout_w = max(text.width(label, 11) + 20, 56.0, self.marks.output_width)
            self._box("readout", e.readout, self.readout_x, self.readout_y + 10, self.readout_w, 20.0, 11.0)
        for source in (e.bottom, e.heads):
            for n, (_, run) in enumerate(self.runs):
                if source is not None and self._feeds(source, run):
                    self._up(source, n, run)

    def _box(self, id: str, part: Part, x: float, y: float, w: float, h: float, size: float) -> None:
        label = self.edges.label(part)
        look = "layer" if part is not self.edges.heads else "affine"
        self.fixed.nodes.append(FixedNode(id, x, y, w, h, look, label, self.edges.result(part), size=size))
        self.fixed.sources |= dict.fromkeys(part.items, id)

    def _feeds(self, source: Part, run: list[Part]) -> bool:
        return any(self.edges.of(source, p) for p in self._within(run))

    def _within(self, run: list[Part]) -> list[Part]:
        """The parts of a head: its weightings, and its parameters where it is the first with this scope."""
        first = next(r for _, r in self.runs if r[0].scope == run[0].scope and r[0].kind != "memory") if run[0].kind != "memory" else run
        return [*run, *(self.edges.parameters(run[0].scope) if run is first and run[0].kind != "memory" else [])]

    def _up(self, source: Part, n: int, run: list[Part]) -> None:
        """A line from the controller, or from the linear map after it, up into a head or into the memory."""
        left, right = self.spans[n]
        through = source is self.edges.bottom and self.edges.heads not in (None, self.edges.bottom)
        start = self.heads_y + 18.0 if source is self.edges.heads and source is not self.edges.bottom else self.box_y + self.box_h
        if through:
            self.edges.odd = True
        end, x = self.panel_y, (left + right) / 2
        if run[0].kind == "memory":
            end, x = self.slots_y, self.x[run[0].name] - self.marks.map_width / 2 + 8 + 10 * len(self.marks.writing)
        targets = [p for p in self._within(run) if self.edges.of(source, p)]
        self._wire(((x, start), (x, end)), source, *targets)

    def _id(self, part: Part) -> str:
        """The id of the mark of a part. A number, and what its weightings share, have that of the first weighting of their head."""
        boxes = {id(self.edges.heads): "heads", id(self.edges.readout): "readout", id(self.edges.bottom): "cell"}
        if part.kind in ("number", "head"):
            part = next(p for p in self.row if p.scope == part.scope and p.kind != "memory")
        return boxes.get(id(part)) or f"m{self.edges.parts.index(part)}"

    def _wire(self, points: tuple[Point, ...], source: Part | int, *targets: Part, heavy: bool = False, arrow: bool = True) -> None:
        """A line from a part, or from a lane, into parts, in the colour of the gradient that comes back along it."""
        tail = f"i{source}" if isinstance(source, int) else self._id(source)
        values = tuple(dict.fromkeys(a for t in targets for a in self.edges.of(source, t)))
        into = (values, tuple(f"{self.step.number}.{t.name}" for t in targets))
        self.fixed.edges.append(FixedEdge(points, tail, self._id(targets[0]), values[0], None, heavy, arrow, into))

    # ---- weightings and memory

    def _tracks(self) -> list[_Track]:
        """A track for each state over slots, and for each value that is read further right than by its neighbour."""
        e, count = self.edges, len(self.row)
        found: dict[str, _Track] = {}
        for k in e.slot_lanes:
            readers = [self.place[p.name] for p in self.row if e.of(k, p)]
            reach = max(readers, default=count)
            reach = count if any(e.of(k, p) for p in e.reading) else reach
            own = e.state_of(k) or str(k)
            apart = self.place.get(own, count) < reach  # its old value is read further right than the new one begins
            name = f"{own} before" if apart else own
            part = None if apart or own not in self.place else self.row[self.place[own]]
            found[name] = _Track(k, part, name, reach + 1)
        for n, part in enumerate(self.row):
            far = [p for m, p in enumerate(self.row) if m > n + 1 and e.of(part, p)]
            if far or part in e.leaving:
                track = found.setdefault(part.name, _Track(None, part, part.name, 0))
                track.part = part
                track.reach += count - n if part in e.leaving else max(self.place[p.name] for p in far) - n
        for track in sorted(found.values(), key=lambda t: t.reach):
            self.view.levels.setdefault(track.name, len(self.view.levels))
        return sorted(found.values(), key=lambda t: self.view.levels[t.name])

    def _ports(self, part: Part) -> list[_Track | str]:
        """The lines at the top of a weighting, from the left: those that come in, from the lowest track, and the one that goes out."""
        e = self.edges
        found: list[_Track | str] = [t for t in self.tracks if (t.lane is not None and e.of(t.lane, part)) or self._by_track(t, part)]
        if any(t.part is part for t in self.tracks) or any(e.of(part, r) for r in e.reading):
            found.append("out")
        return found

    def _by_track(self, track: _Track, part: Part) -> bool:
        source = track.part
        return source is not None and self.place[part.name] > self.place[source.name] + 1 and bool(self.edges.of(source, part))

    def _port(self, part: Part, which: _Track | str) -> float:
        ports = self.ports[part.name]
        return self.x[part.name] + PORT * (ports.index(which) - (len(ports) - 1) / 2)

    def _slotted(self) -> None:
        m, top = self.marks, self.slots_y + self.marks.height
        for (scope, run), (left, right) in zip(self.runs, self.spans, strict=True):
            if run[0].kind == "memory":
                m.memory(self.fixed, self._id(run[0]), run[0], self.x[scope], self.slots_y)
                continue
            fill, stroke = m.look(run)
            self.fixed.panels.append(Panel(left, self.panel_y, right - left, self.panel_top - self.panel_y, fill, stroke))
            for p in run:
                m.weighting(self.fixed, self._id(p), p, self.x[p.name], self.slots_y, PORT * len(self.ports[p.name]))
            m.head(self.fixed, run, self._within(run), left, right, self.panel_y, {p.name: self._id(p) for p in self._within(run)}, self.x)
        m.numbers(self.fixed, self.left - 4, self.slots_y)
        for n, (a, b) in enumerate(zip(self.row, self.row[1:], strict=False)):
            if self.edges.of(a, b):
                y = self.slots_y + m.height * 0.5 if b is not self.edges.memory else m.written(a, self.slots_y)
                self._wire(((self.x[a.name] + m.half(a), y), (self.x[b.name] - m.half(b), y)), a, self.row[n + 1])
        for n, part in enumerate(m.writing):
            x = self.x[self.edges.memory.name] - m.map_width / 2 + 8 + 10 * (len(m.writing) - 1 - n)
            start, y = m.side[part.name]
            self._wire(((start, y), (x, y), (x, self.slots_y)), part, self.edges.memory)
        for track in self.tracks:
            self._track(track, top)

    def _track(self, track: _Track, top: float) -> None:
        e = self.edges
        for part in self.row:
            if track.lane is not None and e.of(track.lane, part):
                x = self._port(part, track)
                self._wire(((0.0, track.y), (x, track.y), (x, top)), track.lane, part, heavy=True)
            elif track.part is not None and self._by_track(track, part):
                x, start = self._port(part, track), self._port(track.part, "out")
                self._wire(((start, top), (start, track.y), (x, track.y), (x, top)), track.part, part)

    # ---- what is read

    def _readings(self) -> None:
        e, m = self.edges, self.marks
        top = self.slots_y + m.height
        for part in e.reading:
            x = self.x[e.memory.name]
            m.reading(self.fixed, self._id(part), part, x, self.read_y)
            below = self.read_y - m.read_height / 2
            sources: list[Part | int] = [*(p for p in self.row if e.of(p, part)), *(k for k in e.slot_lanes if e.of(k, part))]
            for n, source in enumerate(sources):
                port = x + 12.0 * (n + 1)
                if isinstance(source, int):
                    track = next(t for t in self.tracks if t.lane == source)
                    self._wire(((0.0, track.y), (port, track.y), (port, below)), source, part, heavy=True)
                    continue
                start = self._port(source, "out")
                if source.kind == "memory":
                    self._wire(((start, top), (start, below)), source, part)
                else:
                    self._wire(((start, top), (start, self.level), (port, self.level), (port, below)), source, part)
        if e.readout is None:
            return
        for part in e.reading:
            if e.of(part, e.readout):
                x = self.x[e.memory.name] - 8
                self._wire(((x, self.read_y + m.read_height / 2), (x, self.readout_y)), part, e.readout)
        if e.rises:
            x, y = self.right + 9, self.readout_y + 10
            self._wire(((x, self.box_y + self.box_h), (x, y), (self.readout_x + self.readout_w / 2, y)), e.bottom, e.readout)

    # ---- states

    def _states(self) -> None:
        e, layout = self.edges, self.fixed.layout
        layout.lanes = [0.0] * len(self.step.lanes)
        for n, k in enumerate(self.box_lanes):
            y = layout.lanes[k] = self.box_y + self.box_h / 2 + TRACK * ((len(self.box_lanes) - 1) / 2 - n)
            self._wire(((0.0, y), (PAD - 4, y)), k, e.bottom, heavy=True)
        for track in self.tracks:
            if track.lane is not None:
                layout.lanes[track.lane] = track.y
        if e.read_lane is not None:
            y, x = self.read_y, PAD + 2
            layout.lanes[e.read_lane] = y
            self._wire(((0.0, y), (x, y), (x, self.box_y + self.box_h)), e.read_lane, e.bottom, heavy=True)
        free = list(self.box_lanes)
        for index in self.step.exits:
            layout.exits.append(self._exit(index, free))

    def _exit(self, index: int, free: list[int]) -> tuple[Point, ...]:
        part, width, lanes = self.edges.owner[index], self.fixed.layout.width, self.fixed.layout.lanes
        if part.slotted:
            track = next(t for t in self.tracks if t.part is part)
            x = self._port(part, "out")
            return (x, self.slots_y + self.marks.height), (x, track.y), (width, track.y)
        if part in self.edges.reading:
            return (self.x[self.edges.memory.name] + self.marks.map_width / 2, self.read_y), (width, self.read_y)
        if part is self.edges.readout:
            top = self.readout_y + 20 + (12.0 if self.marks.output is not None else 0.0)
            return (self.readout_x, top), (self.readout_x, top + 8), (width, top + 8)
        mine = next((k for k in free if self.edges.maker(k) == index), free[0] if free else None)
        y = self.box_y + self.box_h / 2 if mine is None else lanes[mine]
        if mine is not None:
            free.remove(mine)
        return (width - PAD + 4, y), (width, y)

    def _finish(self) -> None:
        e, m, layout = self.edges, self.marks, self.fixed.layout
        middle = layout.width / 2
        start = self.box_y - (12.0 if m.shows_input(self.step) else 0.0)
        layout.inputs = [(middle, -OUTSIDE)] * len(self.step.inputs)
        for k in self.step.inputs[:1]:
            self.fixed.edges.append(FixedEdge(((middle, -OUTSIDE), (middle, start)), "x0", "cell", k))
            m.input(self.fixed, k, middle, self.box_y - 7)
        for part in e.parts:
            if part.kind not in ("box", "shared"):
                self.fixed.sources |= dict.fromkeys(part.items, self._id(part))
        if e.readout is not None:
            m.result(self.fixed, self.readout_x, self.readout_y + 27)
        if not self.step.outputs:
            return
        if e.readout is not None:
            x, y = self.readout_x, self.readout_y + 20 + (12.0 if m.output is not None else 0.0)
        else:
            x, y = self.x[e.memory.name] - 8, self.read_y + m.read_height / 2
        layout.outputs = [(x, layout.height + OUTSIDE)]
        layout.risers = [((x, y), (x, layout.height + OUTSIDE))]
