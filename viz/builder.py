"""The builder of a timeline: from nodes to visible items, and from items to columns of time.

Reshapes and broadcasts are not shown, and slices of a stacked sequence stand for the element they take.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from minigrad.ir import Node, ancestors

from . import style, text
from .columns import columns_of, place_leaves
from .folding import fold
from .leaves import assigned, extent, is_element, leaf_kind, leaf_label, piece
from .timeline import BEFORE, Item, Timeline
from .unrolling import LeafName

HIDDEN = {"reshape", "broadcast", "alias", "item"}
MOST, KEPT = 1500, 50  # operations in one place; of more than so many, how many at each end are drawn


def build(
    outputs: Sequence[Node], title: str = "", leaves: Mapping[Node, LeafName] | None = None, level: str = "op", whole: bool = False
) -> Timeline:
    """The timeline of the computation of these nodes; `leaves` are names that go before their own.

    Of very many operations in one place only the first and the last are told, unless the `whole` is wanted.
    """
    nodes = ancestors(outputs, lambda n: False)
    builder = _Builder(nodes, leaves or {})
    _shorten([i for i in builder.items if i.leaf and i.name])
    items, alias = builder.items, builder.alias
    if level == "gate":
        items, where = fold(items)
        alias = {node: where[i] for node, i in alias.items()}
    _prune(items, [alias[o] for o in outputs])
    columns = columns_of(items)
    place_leaves(items, columns)
    timeline = Timeline(items, columns, [], [], [], title)
    for item in items:
        if item.leaf:
            continue
        if item.column == BEFORE:
            timeline.before.append(item.index)
        elif item.column == len(columns):
            timeline.after.append(item.index)
        elif item.column is not None:
            columns[item.column].items.append(item.index)
    timeline.outputs = list(dict.fromkeys(alias[o] for o in outputs))
    _drop_collectors(timeline)
    _name(timeline)
    if not whole:
        _elide(timeline)
    return timeline


def _elide(timeline: Timeline) -> None:
    """In each place one operation stands for all but the first and the last, where they are too many to look at."""
    for group in (timeline.before, *(c.items for c in timeline.columns), timeline.after):
        if len(group) <= MOST:
            continue
        hidden = group[KEPT:-KEPT]
        stand, members = timeline.items[hidden[0]], set(hidden)
        sources = {a: e for i in hidden for a, e in zip(timeline.items[i].args, timeline.items[i].edges, strict=True) if a not in members}
        sources = {a: e for a, e in sources.items() if not timeline.items[a].leaf}
        for item in timeline.items[hidden[0] :]:
            item.args = [stand.index if a in members else a for a in item.args]
        stand.args, stand.edges = list(sources), list(sources.values())
        stand.kind, stand.label, stand.name, stand.folded = "elided", f"⋯ {len(hidden):,} operations", None, True
        group[KEPT:-KEPT] = [stand.index]
        timeline.outputs = list(dict.fromkeys(stand.index if o in members else o for o in timeline.outputs))
        timeline.notes.append(
            f"{len(hidden):,} of {len(group) + len(hidden) - 1:,} operations in one place are left out; limit=None draws all"
        )


class _Builder:
    """Makes items of nodes, in order; `alias` says which item stands for a node."""

    def __init__(self, nodes: Sequence[Node], leaves: Mapping[Node, LeafName]):
        self.items: list[Item] = []
        self.alias: dict[Node, int] = {}
        self.leaves = leaves
        self.traced = bool(leaves) or any(n.op.name == "input" for n in nodes)
        for node in nodes:
            found = self._seen_through(node)
            self.alias[node] = self._add(node) if found is None else found
            item = self.items[self.alias[node]]
            if node.name and not item.leaf and not item.named:
                item.name, item.named = text.pretty(node.name), True

    def _seen_through(self, node: Node) -> int | None:
        """The item that stands for a node which is not shown itself."""
        if node.op.name in HIDDEN and node.args:
            return self.alias[node.args[0]]
        if node.op.name == "permute" and self.items[self.alias[node.args[0]]].leaf in ("number",):
            return self.alias[node.args[0]]
        if node.op.name == "slice":
            part = piece(node)
            return None if part is None else self.alias[part]
        if node.op.name == "concat":
            distinct = {self.alias[a] for a in node.args}
            if len(distinct) == 1:
                return distinct.pop()
        return None

    def _add(self, node: Node) -> int:
        index = len(self.items)
        kind, symbol = node.op.look
        item = Item(index, node, style.kind_of(kind), symbol or node.op.name, name=node.name)
        if not node.args:
            given = self.leaves.get(node)
            item.name = given.name if given else node.name
            item.leaf = leaf_kind(node, self.traced) if not given and node.op.name != "input" else "given"
            if item.leaf == "given" and "." in (item.name or ""):  # within a tree of arguments: a model's
                item.leaf = "parameter"
            item.label = item.name or leaf_label(node, self.traced)
            if given and given.start is not None:
                item.leaf, item.label = "start", given.start
            item.kind = "parameter" if item.leaf == "parameter" else "input"
        else:
            for position, arg in enumerate(node.args):
                item.args.append(self.alias[arg])
                item.edges.append([(node, position)])
            self._slice_of_leaf(item, node)
            self._transposed(item, node)
            if node.op.name == "slice" and not item.leaf:
                item.label = extent(node)
            for graph in node.attrs.values():
                if hasattr(graph, "outputs"):
                    item.label = text.clean(f"{symbol} {graph.name}", 18)
                    break
        self.items.append(item)
        return index

    def _slice_of_leaf(self, item: Item, node: Node) -> None:
        """x[t] of a sequence that is given: an input of its step."""
        source = self.items[item.args[0]]
        if node.op.name == "slice" and source.leaf in ("given", "parameter", "input", "constant") and source.node.type.shape:
            item.whole = source.index
            if source.leaf == "parameter" and not is_element(node):
                item.leaf, item.kind, item.label, item.name = source.leaf, source.kind, source.label + extent(node), source.name
                return
            item.leaf, item.kind = "input", "input"
            name = source.name or "x"
            item.label = name[:-1] if len(name) > 1 and name.endswith("s") and name[:-1].isalpha() else name
            item.name = item.label

    def _transposed(self, item: Item, node: Node) -> None:
        source = self.items[item.args[0]]
        if node.op.name == "permute" and source.leaf in ("given", "parameter", "constant", "input") and source.whole is None:
            item.leaf, item.kind, item.label, item.name = source.leaf, source.kind, source.label + "ᵀ", source.name


def _prune(items: list[Item], outputs: Sequence[int]) -> None:
    """What the results do not need (a stack of which one element is read) is no part of the timeline."""
    alive: set[int] = set()
    stack = list(outputs)
    while stack:
        index = stack.pop()
        if index not in alive:
            alive.add(index)
            stack.extend(items[index].args)
    for item in items:
        if item.index not in alive:
            item.leaf, item.args, item.edges = "dead", [], []


def _shorten(leaves: list[Item]) -> None:
    """model.readout.b -> readout.b where all start alike; W_h -> Wₕ."""
    names = [i.name or "" for i in leaves if "." in (i.name or "")]
    head = names[0].split(".")[0] + "." if names else ""
    for item in leaves:
        name = item.name or ""
        if head and name.startswith(head) and all(n.startswith(head) for n in names):
            name = name[len(head) :]
        if item.leaf != "start":
            old = item.name or ""
            item.label = text.pretty(name) + (item.label[len(old) :] if item.label.startswith(old) else "")
        item.name = text.pretty(name)


def _drop_collectors(timeline: Timeline) -> None:
    """A result that only stacks values of the steps is shown by those values."""
    for output in list(timeline.outputs):
        item = timeline.items[output]
        if output in timeline.after and item.node.op.name == "concat":
            parts = [a for a in dict.fromkeys(item.args) if not timeline.items[a].leaf]
            if parts and all(0 <= (timeline.items[a].column or 0) < timeline.end for a in parts):
                used = any(output in timeline.items[i].args for i in timeline.after)
                if not used:
                    timeline.after.remove(output)
                    at = timeline.outputs.index(output)
                    timeline.outputs[at : at + 1] = parts


# ---- names


def _name(timeline: Timeline) -> None:
    """Names for values that have none: the variable that the value's line assigns, if it is the last operation of its line."""
    for group in (*(c.items for c in timeline.columns), timeline.after, timeline.before):
        last: dict[tuple[Any, int], int] = {}
        for index in group:
            origin = timeline.items[index].node.origin
            if origin.code is not None:
                last[origin.code, origin.line] = index
        for (code, line), index in last.items():
            item = timeline.items[index]
            if item.name is None and item.node.origin.vjp_of is None:
                item.name = assigned(code.co_filename, line)
    for output in timeline.outputs:
        item = timeline.items[output]
        if item.column == timeline.end and not item.node.type.shape and not item.leaf:
            item.kind = "loss"
