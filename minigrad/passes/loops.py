"""Passes over loops: merging of equal loops, and removal of unused outputs, carries and arguments."""

from __future__ import annotations

from ..control.scan import SCAN, split
from ..graph.ir import Graph, Node, rebuild
from ..graph.nodes import interning, item, make, remake
from .rewrite import in_bodies, rebuilt


def _loops(graph: Graph) -> list[Node]:
    return [n for n in graph.nodes if n.op is SCAN]


def merge_loops(graph: Graph) -> Graph:
    """A loop that another one repeats with more outputs (the forward loop, and the same with what the gradient keeps) is that one."""
    graph = in_bodies(graph, merge_loops)
    loops = _loops(graph)
    larger: dict[Node, tuple[Node, list[int]]] = {}
    for small in loops:
        for big in loops:
            found = None if small is big else _contained(small, big)
            if found is not None and big not in larger:
                larger[small] = (big, found)
                break
    if not larger:
        return graph
    swapped = {small: big for small, (big, _) in larger.items()}
    mapping: dict[Node, Node] = {p: p for p in graph.params}

    def construct(node: Node, args: tuple[Node, ...]) -> Node:
        if node.op is item and node.args[0] in swapped:
            big, order = larger[node.args[0]]
            source = new_of(big)
            return make(item, (source,), {"index": order[node.attrs["index"]]})
        return remake(node, args)

    def new_of(node: Node) -> Node:
        if node not in mapping:
            mapping.update(rebuild([node], mapping, construct))
        return mapping[node]

    with interning():
        outputs = tuple(new_of(o) for o in graph.outputs)
    return Graph(graph.params, outputs, graph.name, graph.in_tree, graph.out_tree)


def _contained(small: Node, big: Node) -> list[int] | None:
    """The positions of the results of one loop among those of another that has the same steps and at least these outputs; else None."""
    a, b = small.attrs, big.attrs
    if small.args != big.args or a["body"].params != b["body"].params or a["reverse"] != b["reverse"]:
        return None
    outputs, others = a["body"].outputs, b["body"].outputs
    n = a["carries"]
    if n != b["carries"] or outputs[:n] != others[:n] or not set(outputs[n:]) <= set(others[n:]):
        return None
    if len(outputs) == len(others) and small.id > big.id:
        return None
    return [*range(n), *(n + others[n:].index(o) for o in outputs[n:])]


def drop_unused(graph: Graph) -> Graph:
    """Outputs that nobody reads, carries that only feed themselves, and arguments without a use leave their loops."""
    used: dict[Node, set[int]] = {}
    for node in (n for n in graph.nodes if n.op is item and n.args[0].op is SCAN):
        used.setdefault(node.args[0], set()).add(node.attrs["index"])
    if not used:
        return in_bodies(graph, drop_unused)
    kept_of: dict[Node, list[int]] = {}

    def construct(node: Node, args: tuple[Node, ...]) -> Node:
        if node.op is item and args[0] in kept_of:
            return make(item, args, {"index": kept_of[args[0]].index(node.attrs["index"])})
        if node.op is SCAN:
            made, kept = _pruned(node, args, used.get(node, set()))
            kept_of[made] = kept
            return made
        return remake(node, args)

    pruned = rebuilt(graph, construct)
    return in_bodies(pruned, drop_unused)


def _pruned(node: Node, args: tuple[Node, ...], used: set[int]) -> tuple[Node, list[int]]:
    """The loop with only the results in `used` and what they depend on, and the old positions of the results that are left."""
    body, constants, carries = node.attrs["body"], node.attrs["constants"], node.attrs["carries"]
    params = split(body.params, constants, carries)
    keep = set(used)
    while True:
        below = set(Graph(body.params, tuple(body.outputs[i] for i in sorted(keep))).nodes)
        inputs = below | {a for n in below for a in n.args} | {body.outputs[i] for i in keep}
        more = keep | {i for i, p in enumerate(params.carries) if p in inputs}
        if more == keep:
            break
        keep = more
    kept = sorted(keep)
    position = {p: i for i, p in enumerate(body.params)}
    chosen = [p for p in params.constants if p in inputs]
    count = len(chosen)
    chosen += [p for i, p in enumerate(params.carries) if i in keep]
    chosen += [p for p in params.sequences if p in inputs]
    small = Graph(tuple(chosen), tuple(body.outputs[i] for i in kept), body.name)
    attrs = {**node.attrs, "body": small, "constants": count, "carries": sum(i < carries for i in kept)}
    return make(node.op, tuple(args[position[p]] for p in chosen), attrs), kept
