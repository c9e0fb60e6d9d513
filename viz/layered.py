"""The layered layout of one time step (Sugiyama's method), with orthogonal edges.

Operations stand in layers, from the inputs upwards. In the gap between two layers edges run along horizontal tracks. States enter at
the left border and leave at the right one. y runs upwards from the lower edge of the step's box.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from .errors import DrawingError
from .geometry import SEP, Point, inversions, place, simplify
from .layout import OUTSIDE, Layout, Source, StepGraph
from .scopes import FOOT, HEAD, edges

TRACK = 7.0  # between two tracks
GAP = 22.0  # between two layers, without tracks
GUTTER = 16.0  # from the left border to the first node
LIMIT = 60_000  # layers that all edges of one step together may cross


class _Vertex(NamedTuple):
    """A node, or a dummy: the point at which an edge crosses a layer."""

    layer: int
    w: float
    h: float
    dummy: bool


@dataclass
class _Net:
    """The edges of one value in one gap: from a vertex of the layer below (None: the left border) to vertices of the layer above.

    targets   (vertex, number of its port);  leaves    the exit that the value feeds, at the right border
    y         first the number of the track, then its height;  span    the horizontal extent
    """

    source: int | None
    targets: list[tuple[int, int]]
    leaves: int | None = None
    y: float = 0.0
    span: tuple[float, float] = (0.0, 0.0)


def lay_out(graph: StepGraph) -> Layout:
    """The layout of one step."""
    return _Layered(graph).run()


class _Layered:
    """n operations and m inputs; `vertices` holds operations, inputs, outputs, and then dummies."""

    def __init__(self, graph: StepGraph):
        self.graph = graph
        self.n = len(graph.sizes)
        self.m = len(graph.inputs)
        self.vertices: list[_Vertex] = []
        self.layers: list[list[int]] = []
        self.nets: list[list[_Net]] = []
        self.x: list[float] = []

    def run(self) -> Layout:
        self._vertices(self._ranks())
        self._connect()
        self._order()
        self._horizontal()
        self._ports()
        return self._vertical()

    # ---- layers

    def _ranks(self) -> list[int]:
        """The layer of each operation: as low as possible. A tree of operations that reads only inputs stands close below its reader."""
        rank = [1] * self.n
        users: list[list[int]] = [[] for _ in range(self.n)]
        for i, args in enumerate(self.graph.args):
            for kind, k in args:
                if kind == "op":
                    rank[i] = max(rank[i], rank[k] + 1)
                    users[k].append(i)
        free = [False] * self.n
        for i, args in enumerate(self.graph.args):
            free[i] = all(kind != "op" or (free[k] and len(set(users[k])) == 1) for kind, k in args)
        for i in reversed(range(self.n)):
            if users[i] and free[i]:
                rank[i] = max(rank[i], min(rank[u] for u in users[i]) - 1)
        return rank

    def _vertices(self, rank: list[int]) -> None:
        """Make the vertices: of operations, of inputs (layer 0) and of outputs (the top layer), in this order."""
        self.top = max(rank, default=0) + 1
        self.vertices = [_Vertex(r, w, h, False) for r, (w, h) in zip(rank, self.graph.sizes, strict=True)]
        self.vertices += [_Vertex(0, w, h, False) for w, h in self.graph.inputs]
        self.vertices += [_Vertex(self.top, w, h, False) for _, (w, h) in self.graph.outputs]

    def _connect(self) -> None:
        """Make the nets of each gap, and a dummy in every layer that a value crosses."""
        self.nets = [[] for _ in range(self.top + 1)]
        self.path: dict[Source, dict[int, int | None]] = {}  # value -> layer -> its vertex there
        users: dict[Source, list[tuple[int, int]]] = {}
        self.port_count = [0] * len(self.vertices)
        self.port: dict[tuple[int, int], int] = {}
        for i, args in enumerate(self.graph.args):
            known: dict[Source, int] = {}
            for position, source in enumerate(args):
                if source not in known:
                    known[source] = self.port_count[i]
                    self.port_count[i] += 1
                    users.setdefault(source, []).append((i, known[source]))
                self.port[i, position] = known[source]
        for k, (source, _) in enumerate(self.graph.outputs):
            users.setdefault(source, []).append((self.n + self.m + k, 0))
            self.port_count[self.n + self.m + k] = 1
        exits: dict[Source, list[int]] = {}
        for i, source in enumerate(self.graph.exits):
            exits.setdefault(source, []).append(i)
        self.lane_net: dict[int, _Net] = {}
        self.exit_net: dict[int, _Net] = {}
        self._refuse_huge(users)
        sources = dict.fromkeys([*(("state", s) for s in range(self.graph.states)), *users, *exits])
        for source in sources:
            self._route(source, users.get(source, []), exits.get(source, []))

    def _refuse_huge(self, users: dict[Source, list[tuple[int, int]]]) -> None:
        """Raise DrawingError where edges cross too many layers: each crossing costs a dummy, and nobody could read the picture."""
        spans = sum(max((self.vertices[v].layer for v, _ in found), default=0) - self._start(s, found)[0] for s, found in users.items())
        if spans > LIMIT:
            problem = f"drawing: one step has {self.n:,} operations whose wires cross {spans:,} layers"
            raise DrawingError(f"{problem}: draw it with level='gate' or 'box', or give its parts scopes: mg.scope(name, step=t)")

    def _start(self, source: Source, uses: list[tuple[int, int]]) -> tuple[int, int | None]:
        kind, k = source
        if kind == "state":
            return min((self.vertices[v].layer for v, _ in uses), default=1) - 1, None
        vertex = k if kind == "op" else self.n + k
        return self.vertices[vertex].layer, vertex

    def _route(self, source: Source, uses: list[tuple[int, int]], exits: list[int]) -> None:
        layer, vertex = self._start(source, uses)
        last = max((self.vertices[v].layer for v, _ in uses), default=layer + 1)
        path = self.path[source] = {layer: vertex}
        for gap in range(layer, max(last, layer + 1)):
            net = _Net(path[gap], [(v, p) for v, p in uses if self.vertices[v].layer == gap + 1])
            if gap + 1 < last:
                path[gap + 1] = len(self.vertices)
                self.vertices.append(_Vertex(gap + 1, 2.0, 2.0, True))
                self.port_count.append(1)
                net.targets.append((len(self.vertices) - 1, 0))
            if gap == layer:
                if source[0] == "state":
                    self.lane_net[source[1]] = net
                for e in exits:
                    self.exit_net[e] = net
                    net.leaves = e
            self.nets[gap].append(net)

    # ---- order within layers

    def _order(self) -> None:
        self.layers = [[] for _ in range(self.top + 1)]
        for v, vertex in enumerate(self.vertices):
            self.layers[vertex.layer].append(v)
        self.below: list[list[int]] = [[] for _ in self.vertices]
        self.above: list[list[int]] = [[] for _ in self.vertices]
        self.left = [0] * len(self.vertices)
        for gap in self.nets:
            for net in gap:
                for v, _ in net.targets:
                    if net.source is None:
                        self.left[v] += 1
                    else:
                        self.below[v].append(net.source)
                        self.above[net.source].append(v)
        rank = {v: float(i) for layer in self.layers for i, v in enumerate(layer)}
        best, best_layers = math.inf, [list(layer) for layer in self.layers]
        for sweep in range(8):
            up = sweep % 2 == 0
            for layer in self.layers if up else self.layers[::-1]:
                self._sort(layer, rank, self.below if up else self.above)
            crossings = self._crossings(rank)
            if crossings < best:
                best, best_layers = crossings, [list(layer) for layer in self.layers]
        self.layers = best_layers

    def _sort(self, layer: list[int], rank: dict[int, float], near: list[list[int]]) -> None:
        def key(v: int) -> float:
            places = [rank[u] for u in near[v]]
            if near is self.below and self.left[v]:
                places.append(-1.0)
            return sum(places) / len(places) if places else rank[v]

        keys = {v: key(v) for v in layer}
        layer.sort(key=lambda v: (keys[v], rank[v]))
        for i, v in enumerate(layer):
            rank[v] = float(i)

    def _crossings(self, rank: dict[int, float]) -> int:
        total = 0
        for gap in self.nets:
            ends = sorted((rank[n.source] if n.source is not None else -1.0, rank[v]) for n in gap for v, _ in n.targets)
            total += inversions([int(b) for _, b in ends])
        return total

    # ---- horizontal positions

    def _horizontal(self) -> None:
        self.x = [0.0] * len(self.vertices)
        halves = [v.w / 2 for v in self.vertices]
        for layer in self.layers:
            packed = place([0.0] * len(layer), [1.0] * len(layer), [halves[v] for v in layer])
            for v, x in zip(layer, packed, strict=True):
                self.x[v] = x
        for sweep in range(14):
            for layer in self.layers if sweep % 2 else self.layers[::-1]:
                self._settle(layer, halves, both=sweep > 3, up=bool(sweep % 2))
        for layer in self.layers:
            self._align(layer, halves)
        low = min((self.x[v] - h for v, h in enumerate(halves)), default=0.0)
        high = max((self.x[v] + h for v, h in enumerate(halves)), default=30.0)
        shift = GUTTER - low
        self.x = [x + shift for x in self.x]
        self.right = max(high + shift, 40.0) + 8
        self.width = self.right + TRACK * len(self.graph.exits) + 10

    def _settle(self, layer: list[int], halves: list[float], both: bool, up: bool) -> None:
        desired, weights = [], []
        for v in layer:
            near = self.below[v] + self.above[v] if both else (self.below[v] if up else self.above[v])
            pulls = [(self.x[u], 8.0 if self.vertices[u].dummy or self.vertices[v].dummy else 1.0) for u in near]
            total = sum(w for _, w in pulls)
            desired.append(sum(x * w for x, w in pulls) / total if total else self.x[v])
            weights.append(max(total, 0.1))
        for v, x in zip(layer, place(desired, weights, [halves[v] for v in layer]), strict=True):
            self.x[v] = x

    def _align(self, layer: list[int], halves: list[float]) -> None:
        """Put each dummy exactly above the vertex that it comes from, where there is room."""
        for i, v in enumerate(layer):
            if not self.vertices[v].dummy or len(self.below[v]) != 1:
                continue
            low = self.x[layer[i - 1]] + halves[layer[i - 1]] + SEP / 2 + 1 if i else -math.inf
            high = self.x[layer[i + 1]] - halves[layer[i + 1]] - SEP / 2 - 1 if i + 1 < len(layer) else math.inf
            want = self.x[self.below[v][0]]
            if low <= want <= high:
                self.x[v] = want

    def _ports(self) -> None:
        """The points at which edges reach the lower side of a node: in the order of their sources, straight above them if possible."""
        self.px: dict[tuple[int, int], float] = {}
        arriving: dict[int, list[tuple[float, int]]] = {}
        for gap in self.nets:
            for net in gap:
                for v, port in net.targets:
                    arriving.setdefault(v, []).append((self.x[net.source] if net.source is not None else -1e6, port))
        for v, found in arriving.items():
            found.sort()
            room = self.vertices[v].w - 10
            step = min(14.0, room / max(len(found) - 1, 1))
            low, high = self.x[v] - room / 2, self.x[v] + room / 2
            want = []
            for i, (sx, _) in enumerate(found):
                even = self.x[v] + (i - (len(found) - 1) / 2) * step
                want.append(sx if low <= sx <= high else even)
            fixed = place(want, [1.0] * len(want), [0.0] * len(want), min(8.0, step))
            for (_, port), x in zip(found, fixed, strict=True):
                self.px[v, port] = min(max(x, low), high) if room > 0 else self.x[v]

    # ---- vertical positions, and the result

    def _vertical(self) -> Layout:
        heights = [max((self.vertices[v].h for v in layer), default=0.0) for layer in self.layers]
        tracks = [self._tracks(gap) for gap in self.nets]
        above, below = edges(self.graph.scopes, [v.layer for v in self.vertices], self.top + 1)
        y, self.centre = 0.0, [0.0] * (self.top + 1)
        self.base = [0.0] * (self.top + 1)
        for layer in range(self.top):
            if layer:
                self.centre[layer] = y + heights[layer] / 2
                y += heights[layer]
            self.base[layer] = y + 8 + HEAD * above[layer]
            y += GAP + TRACK * max(tracks[layer] - 1, 0) + HEAD * above[layer] + FOOT * max(below[layer + 1] - 1, 0)
        height = y
        self.centre[0] = -OUTSIDE - heights[0] / 2
        self.centre[self.top] = height + OUTSIDE + heights[self.top] / 2
        for layer, gap in enumerate(self.nets):
            for net in gap:
                net.y = self.base[layer] + net.y * TRACK
        self.net_y: dict[tuple[int, int | None], float] = {
            (g, net.source): net.y for g, nets in enumerate(self.nets) for net in nets if net.source is not None
        }
        return self._result(height)

    def _tracks(self, gap: list[_Net]) -> int:
        """Give each net of a gap a track, so that nets on one track do not touch. Gives the number of tracks.

        The order in which the nets are taken keeps crossings few.
        """
        for net in gap:
            xs = [self.px[v, port] for v, port in net.targets]
            xs += [self.x[net.source]] if net.source is not None else [0.0]
            xs += [self.width] if net.leaves is not None else []
            net.span = (min(xs), max(xs))

        def key(net: _Net) -> tuple[int, float]:
            sx = self.x[net.source] if net.source is not None else 0.0
            rightward = net.span[1] - sx > sx - net.span[0]
            return (1, -sx) if rightward else (0, sx)

        levels: list[list[tuple[float, float]]] = []
        for net in sorted(gap, key=key):
            if net.span[1] - net.span[0] < 0.01 and net.source is not None:
                net.y = 0.0
                continue
            low, high = net.span[0] - 4, net.span[1] + 4
            level = len(levels)
            while level and not any(a < high and low < b for a, b in levels[level - 1]):
                level -= 1
            if level == len(levels):
                levels.append([])
            levels[level].append((low, high))
            net.y = float(level)
        return len(levels)

    def _top_of(self, v: int) -> float:
        return self.centre[self.vertices[v].layer] + self.vertices[v].h / 2

    def _result(self, height: float) -> Layout:
        n, m = self.n, self.m
        spots = [(self.x[v], self.centre[self.vertices[v].layer]) for v in range(n + m + len(self.graph.outputs))]
        found = Layout(self.width, height, spots[:n], spots[n : n + m], spots[n + m :])
        found.lanes = [self.lane_net[s].y for s in range(self.graph.states)]
        for i, args in enumerate(self.graph.args):
            for position, source in enumerate(args):
                found.edges[i, position] = self._path(source, i, self.port[i, position])
        for k, (source, _) in enumerate(self.graph.outputs):
            found.risers.append(self._path(source, n + m + k, 0))
        found.exits = [self._leave(i) for i in range(len(self.graph.exits))]
        found.dots = self._branches()
        return found

    def _path(self, source: Source, target: int, port: int) -> tuple[Point, ...]:
        """The path of a value to one of its readers."""
        path = self.path[source]
        layer = min(path)
        v = path[layer]
        goal = self.vertices[target].layer
        net_y = self.lane_net[source[1]].y if source[0] == "state" else 0.0
        points: list[Point] = [(0.0, net_y)] if v is None else [(self.x[v], self._top_of(v))]
        for gap in range(layer, goal):
            passing = path.get(gap + 1)
            tx = self.px[target, port] if gap + 1 == goal or passing is None else self.x[passing]
            y = net_y if v is None and gap == layer else self._net_y(gap, path[gap])
            if abs(points[-1][0] - tx) > 0.01:
                points += [(points[-1][0], y), (tx, y)]
        last = points[-1][0]
        points.append((last, self.centre[goal] - self.vertices[target].h / 2))
        return simplify(points)

    def _net_y(self, gap: int, source: int | None) -> float:
        return self.net_y[gap, source]

    def _leave(self, exit: int) -> tuple[Point, ...]:
        """The path of a value to its vertical track at the right border."""
        source, net = self.graph.exits[exit], self.exit_net[exit]
        gutter = self.right + TRACK * exit
        if source[0] == "state":
            return ((0.0, net.y), (gutter, net.y))
        v = source[1] if source[0] == "op" else self.n + source[1]
        layer = self.layers[self.vertices[v].layer]
        y = self.centre[self.vertices[v].layer]
        if layer[-1] == v and source[0] == "op":
            return ((self.x[v] + self.vertices[v].w / 2, y), (gutter, y))
        return ((self.x[v], self._top_of(v)), (self.x[v], net.y), (gutter, net.y))

    def _branches(self) -> list[Point]:
        """The points at which an edge branches."""
        found = []
        side = {e for e in range(len(self.graph.exits)) if len(self._leave(e)) == 2 and self.graph.exits[e][0] == "op"}
        for gap in self.nets:
            for net in gap:
                ends = [self.px[t] for t in net.targets]
                start = self.x[net.source] if net.source is not None else 0.0
                through = ends + ([self.width] if net.leaves is not None and net.leaves not in side else [])
                if len(through) < 2:
                    continue
                low, high = min([start, *through]), max([start, *through])
                found += [(x, net.y) for x in {start, *ends} if low + 1 < x < high - 1 or (x == start and x in ends)]
        return sorted(found)
