"""The logical graph as a graphviz.Digraph: a node for each operation, edges from values to their readers, clusters for steps and scopes.

It has no positions and no legend: Graphviz lays it out, and users go on with it. `dot` writes the picture itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import graphviz
import numpy as np

from . import scopes, style, text
from .colours import Colours, describe, source_line
from .dot import EDGE, NODE, verbatim
from .row import middle
from .style import FONT
from .timeline import Item, Timeline
from .wiring import Step, Wiring

GRAPH = {"fontname": FONT, "fontsize": "11", "rankdir": "BT", "nodesep": "0.2", "ranksep": "0.28"}
SMALL = NODE | {"height": "0.26", "width": "0.3", "margin": "0.09,0.04"}
TITLE = {"labeljust": "l", "labelloc": "b"}
CLUSTER = {**TITLE, "style": "rounded,filled", "fillcolor": style.FRAME[0], "color": style.FRAME[1], "fontcolor": style.GREEN}
SCOPE = {**TITLE, "style": "rounded", "color": style.SPINE, "fontcolor": style.MUTED}


@dataclass
class _Cluster:
    """A cluster: its nodes, with their attributes, and the clusters inside it."""

    nodes: dict[str, Mapping[str, str]] = field(default_factory=dict)
    inner: dict[str, _Cluster] = field(default_factory=dict)

    def at(self, path: Sequence[str]) -> _Cluster:
        """The cluster at the end of a path of labels."""
        found = self
        for label in path:
            found = found.inner.setdefault(label, _Cluster())
        return found

    def write(self, graph: graphviz.Digraph, name: str, attributes: Mapping[str, str]) -> None:
        for node, shown in self.nodes.items():
            graph.node(node, **shown)
        for k, (label, cluster) in enumerate(self.inner.items()):
            with graph.subgraph(name=f"cluster_{name}{k}", graph_attr={"label": verbatim(label), **attributes}) as inside:
                cluster.write(inside, f"{name}{k}_", SCOPE)


def digraph(parts: Mapping[str, LogicalPart]) -> graphviz.Digraph:
    """The graph of these parts, each in a cluster with its name; the only one may have no name."""
    title = next((p.timeline.title for p in parts.values()), "")
    graph = graphviz.Digraph(
        verbatim(text.clean(title, 60) or "minigrad"), filename="drawing.gv", graph_attr=GRAPH, node_attr=SMALL, edge_attr=EDGE
    )
    for n, (name, part) in enumerate(parts.items()):
        prefix = f"c{n}_" if len(parts) > 1 else ""
        if name:
            with graph.subgraph(name=f"cluster_{prefix}all", graph_attr={"label": verbatim(text.clean(name, 60)), **SCOPE}) as inside:
                part.write(inside, prefix)
        else:
            part.write(graph, prefix)
    return graph


class LogicalPart:
    """The logical graph of a timeline.

    boxes   draw each step as one node;  limit    of more steps than this the middle ones are one node
    only    draw these steps alone, with a dashed edge for each of these (value, reader): what the next step reads
    """

    def __init__(
        self,
        timeline: Timeline,
        colours: Colours,
        boxes: bool = False,
        limit: int | None = None,
        only: Collection[int] | None = None,
        feedback: Sequence[tuple[int, int]] = (),
    ):
        self.timeline, self.colours, self.boxes, self.feedback = timeline, colours, boxes, feedback
        self.items = timeline.items
        self.wiring = Wiring(timeline)
        self.starts = {what[0]: what for s in self.wiring.steps for kind, what in s.lanes if kind == "start"}
        steps = sorted({c.step for c in timeline.columns})
        self.left_out = {steps[i] for i in middle(range(len(steps)), limit)}
        self.shown = [s for s in self.wiring.steps if only is None or s.number in only]
        self.name: dict[int, str] = {}

    def write(self, graph: graphviz.Digraph, prefix: str) -> None:
        top = _Cluster()
        for step in self.shown:
            for index, label in zip(step.items, step.labels, strict=True):
                self._operation(top, step, index, label, prefix)
        drawn = list(self.name)
        edges = [(self._source(top, a, index, prefix), index, position, a) for index in drawn for position, a in self._args(index)]
        top.write(graph, prefix, CLUSTER)
        written = set()
        for tail, index, position, a in edges:
            ends = tail, self.name[index]
            if ends not in written and ends[0] != ends[1]:
                written.add(ends)
                graph.edge(*ends, **self._edge(a, index, position))
        for a, index in self.feedback:
            name = text.clean(self.items[a].called or self.items[a].label, 16)
            shown = {"label": verbatim(text.indexed(name, "t-1")), "tooltip": "one step later", "color": style.STATE, "penwidth": "2.2"}
            graph.edge(self.name[a], self.name[index], constraint="false", **shown)

    def _args(self, index: int) -> Iterator[tuple[int, int]]:
        """(position, argument) of what an operation reads; numbers stand in its label."""
        for position, a in enumerate(self.items[index].args):
            if a in self.name or (self.items[a].leaf and self.items[a].leaf != "number"):
                yield position, a

    # ---- nodes

    def _operation(self, top: _Cluster, step: Step, index: int, label: str, prefix: str) -> None:
        item = self.items[index]
        column = self.timeline.columns[step.number] if 0 <= step.number < self.timeline.end else None
        if column is not None and column.step in self.left_out:
            self.name[index] = f"{prefix}gap{int(column.gradient)}"
            words = verbatim(f"t = {min(self.left_out)} … {max(self.left_out)}")
            top.nodes[self.name[index]] = {"label": words, "style": "dashed", "tooltip": "steps that are left out"}
        elif column is not None and self.boxes:
            self.name[index] = f"{prefix}s{self.wiring.position[step.number]}"
            words = verbatim(text.clean(column.loop.rsplit("/", 1)[-1], 24), step.label)
            fill, stroke = style.FRAME
            top.nodes[self.name[index]] = {"label": words, "fillcolor": fill, "color": stroke, "tooltip": verbatim(step.label)}
        else:
            self.name[index] = f"{prefix}s{self.wiring.position[step.number]}_n{step.local[index]}"
            stateful = self.wiring.slot[index] in self.wiring.stateful and step.label and item.kind != "loss"
            path = [self._cluster(step.number)] if column is not None else []
            top.at([*path, *scopes.inner(item)]).nodes[self.name[index]] = self._shape(item, "state" if stateful else item.kind, label)

    def _source(self, top: _Cluster, a: int, reader: int, prefix: str) -> str:
        """The node of an argument. A leaf of many steps has one in each of them: edges from one node to all tie up Graphviz."""
        if a in self.name:
            return self.name[a]
        item, column = self.items[a], self.items[reader].column or 0
        label, look, at, path = item.label, item.kind, "", []
        if a in self.starts:
            label, look = self.wiring.initial_label(self.starts[a]), "parameter"
        elif 0 <= column < self.timeline.end:
            hidden = self.timeline.columns[column].step in self.left_out
            at = "" if hidden else f"_s{self.wiring.position[column]}"
            path = [] if hidden or self.boxes else [self._cluster(column)]
            if item.leaf != "parameter" and item.column is not None:
                label = text.indexed(text.clean(label, 16), "t") if self.feedback else self.wiring.leaf_label(a)
        name = f"{prefix}v{a}{at}"
        small = {"fontsize": "9", "style": "filled"} if at and item.column is None else {}
        top.at(path).nodes[name] = self._shape(item, look, text.ending(label, 24)) | small
        return name

    def _cluster(self, column: int) -> str:
        """The label of a step's cluster; of a loop that is rolled up, its name."""
        found = self.timeline.columns[column]
        return text.clean(found.loop.rsplit("/", 1)[-1], 24) if self.feedback else found.label

    def _shape(self, item: Item, kind: str, label: str) -> dict[str, str]:
        look = style.LOOKS[kind]
        fill = self.colours.fill(item) or look.fill
        shown = {
            "label": verbatim(label), "fillcolor": fill, "color": self.colours.stroke(item) or look.stroke,
            "tooltip": verbatim(self._tooltip(item)),
        }  # fmt: skip
        if style.ink(fill) != style.TEXT:
            shown["fontcolor"] = style.ink(fill)
        return shown | ({"shape": "ellipse", "style": "filled"} if look.shape == "ellipse" else {})

    def _tooltip(self, item: Item) -> str:
        value, line = item.node.value, source_line(item)
        words = [describe(item, self.timeline, self.colours)]
        words += [f"value {text.value(value)}"] if isinstance(value, np.ndarray) else []
        return " · ".join([*words, *([line] if line else [])])

    def _edge(self, a: int, index: int, position: int) -> dict[str, str]:
        source, reader = self.items[a], self.items[index]
        norm = self.colours.edges.get((index, position))
        words = f"{source.called or source.label} → {reader.called or reader.label}"
        shown = {"tooltip": verbatim(text.clean(words, 80) + (f" · ‖∂L/∂·‖ = {norm:.3g}" if norm is not None else ""))}
        weight = source.leaf and source.column is None and a not in self.starts
        plain = style.LOOKS["parameter"].stroke if weight else style.WIRE
        if self.colours.wire(index, position, plain) != style.WIRE:
            shown["color"] = self.colours.wire(index, position, plain)
        if weight:
            shown |= {"style": "dashed", "penwidth": "1"}
        elif source.column != reader.column and not source.leaf:
            shown["penwidth"] = "2.2"
        return shown


def feedback(step: Step, after: Step | None) -> Iterator[tuple[int, int]]:
    """(value, reader) in one step for each value that the next step reads."""
    for k, (kind, a) in enumerate(after.lanes if after is not None else ()):
        if kind == "item" and a in step.exits:
            yield from ((a, step.items[i]) for i, row in enumerate(step.sources) if ("state", k) in row)
