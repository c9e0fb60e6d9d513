"""The builder of a timeline: it makes items of nodes, and sorts them into columns.

It does not show reshapes and broadcasts. A slice of a stacked sequence is shown as the element that it takes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from minigrad.graph.ir import Node, ancestors
from minigrad.graph.types import TensorType

from . import names, repeats, style, text
from .columns import block_name, blocks_of, columns_of, place_leaves
from .folding import fold
from .leaves import cut, declared, extent, is_element, is_hidden, leaf_kind, leaf_label, piece, rectified
from .timeline import BEFORE, Item, Timeline, step_key
from .unrolling import GradientName, LeafName

MOST, KEPT = 1500, 50  # of more than MOST operations in one column, the first and the last KEPT are drawn


def build(
    outputs: Sequence[Node],
    title: str = "",
    leaves: Mapping[Node, LeafName] | None = None,
    level: str = "op",
    whole: bool = False,
    gradients: Mapping[Node, GradientName] | None = None,
    least: int | None = None,
    blocks: bool = False,
) -> Timeline:
    """The timeline of the graph that computes these nodes. The names in `leaves` and `gradients` replace those of the nodes.

    Of very many operations in one column only the first and the last are kept, unless `whole` is set. At least so many equal blocks
    are one. With `blocks`, the columns of a graph without time are its numbered blocks, such as those of a transformer.
    """
    nodes = ancestors(outputs)
    builder = _Builder(nodes, leaves or {}, gradients or {})
    names.shorten([i for i in builder.items if i.leaf and i.name])
    items, alias = builder.items, builder.alias
    if level == "gate":
        items, where = fold(items)
        alias = {node: where[i] for node, i in alias.items()}
    _prune(items, [alias[o] for o in outputs])
    blocks_key = blocks_of(items) if blocks else None
    columns = columns_of(items, blocks_key or step_key)
    place_leaves(items, columns)
    timeline = Timeline(items, columns, [], [], [], title)
    if blocks_key is not None:
        timeline.key_of, timeline.axis = blocks_key, block_name(columns[0].loop)
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
    _unstack_results(timeline)
    if least is not None:
        repeats.fold(timeline, least)
    names.name_values(timeline)
    _losses(timeline)
    if not whole:
        _elide(timeline)
    return timeline


def _elide(timeline: Timeline) -> None:
    """Put one item in place of the operations in the middle of each column that has too many."""
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
    """Makes the items of a graph. `alias` maps each node to the item that shows it."""

    def __init__(self, nodes: Sequence[Node], leaves: Mapping[Node, LeafName], gradients: Mapping[Node, GradientName]):
        self.items: list[Item] = []
        self.alias: dict[Node, int] = {}
        self.leaves = leaves
        self.traced = bool(leaves) or any(n.op.name == "input" for n in nodes)
        for node in nodes:
            found = self._shown_by(node)
            self.alias[node] = self._add(node) if found is None else found
            item = self.items[self.alias[node]]
            known = gradients.get(node)
            if known and known.one and not item.leaf:
                item.given, item.time = known.name, known.step
            elif known and not item.leaf:
                item.name, item.named, item.partial, item.time = known.name, True, known.part, known.step
                item.at = "" if not known.part and known.step is None else None  # of all steps, not of one
            elif node.name and not item.leaf and not item.named:
                item.name, item.named = text.pretty(node.name), True
                item.shape = tuple(getattr(node.type, "shape", ())) if node.op.name == "reshape" else ()

    def _shown_by(self, node: Node) -> int | None:
        """The item that shows a node without an item of its own; None where the node needs one."""
        if is_hidden(node):
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
        kind, symbol = node.op.kind, node.op.symbol
        item = Item(index, node, style.kind_of(kind), symbol or node.op.name, name=node.name)
        if not node.args:
            known = self.leaves.get(node)
            item.leaf = leaf_kind(node, self.traced) if not known and node.op.name != "input" else "argument"
            item.name = known.name if known else node.name or (declared(node) if item.leaf != "number" else None)
            if item.leaf == "argument" and "." in (item.name or ""):  # a leaf of a tree of arguments, such as a model
                item.leaf = "parameter"
            item.label = item.name or leaf_label(node, self.traced)
            if known and known.start is not None:
                item.leaf, item.label = "start", known.start
            item.kind = "parameter" if item.leaf == "parameter" else "input"
        elif (position := rectified(node)) is not None:
            item.label, item.args, item.edges = "relu", [self.alias[node.args[position]]], [[(node, position)]]
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
        """Show x[t] of a sequence as an input of its step, and a slice of a parameter as that parameter."""
        source = self.items[item.args[0]]
        if node.op.name == "slice" and source.leaf in ("argument", "parameter", "input", "constant") and source.node.type.shape:
            item.whole = source.index
            if source.leaf == "parameter" and ("." in (source.node.name or "") or not is_element(node)):
                item.leaf, item.kind, item.label, item.name = source.leaf, source.kind, source.label + extent(node), source.name
                return
            item.leaf, item.kind = "input", "input"
            name = source.name or "x"
            element = is_element(node) or re.fullmatch(r"\[\d+\]", extent(node))  # x[t], or x[:, t]
            if source.whole is not None or not element:  # a part of an element, or of the whole
                item.label, item.name, item.cut = source.label, source.name, source.cut + cut(node)
                item.whole = source.whole if source.whole is not None else source.index
                item.at = None if source.whole is not None else ""
                return
            item.label = name[:-1] if len(name) > 1 and name.endswith("s") and name[:-1].isalpha() else name
            item.name = item.label

    def _transposed(self, item: Item, node: Node) -> None:
        """Show the transpose of a leaf as a leaf, Wᵀ."""
        source = self.items[item.args[0]]
        if node.op.name == "permute" and source.leaf in ("argument", "parameter", "constant", "input") and source.whole is None:
            item.leaf, item.kind, item.label, item.name = source.leaf, source.kind, source.label + "ᵀ", source.name


def _prune(items: list[Item], outputs: Sequence[int]) -> None:
    """Mark the items that no result needs, such as a stack of which only one element is read."""
    alive: set[int] = set()
    stack = list(outputs)
    while stack:
        index = stack.pop()
        if index not in alive:
            alive.add(index)
            stack.extend(items[index].args)
    for item in items:
        if item.index not in alive:
            item.leaf, item.args, item.edges = "pruned", [], []


def _unstack_results(timeline: Timeline) -> None:
    """Replace each result that only stacks values of the steps by these values."""
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


def _losses(timeline: Timeline) -> None:
    """Draw each scalar result after the steps as a loss."""
    for output in timeline.outputs:
        item = timeline.items[output]
        if item.column == timeline.end and not item.leaf and isinstance(item.node.type, TensorType) and not item.node.type.shape:
            item.kind = "loss"
