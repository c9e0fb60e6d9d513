"""Passes over graphs, each checked by one sentence: the interpreter's value is preserved.

A rule looks at one operation and its new arguments and returns what to put in its place, or None. A pass is a named function
Graph -> Graph; `optimize` runs the standard ones in order, on loop bodies too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from .control.call import CALL
from .control.scan import SCAN, split
from .ir import Graph, Node, rebuild
from .nodes import interning, item, make
from .primitives import elementwise, linalg, movement, reduce
from .primitives.elementwise import alias, detach
from .tensor import Tensor, inline
from .types import TensorType, identical, is_one

Rule = Callable[[Node, Sequence[Tensor]], Any]


def rebuilt(graph: Graph, construct: Callable[[Node, tuple[Node, ...]], Node]) -> Graph:
    """The graph with every operation made anew from its new arguments; equal operations become one."""
    with interning():
        new = rebuild(graph.outputs, {p: p for p in graph.params}, construct)
    return Graph(graph.params, tuple(new[o] for o in graph.outputs), graph.name, graph.in_tree, graph.out_tree)


def apply_rules(graph: Graph, rules: Sequence[Rule]) -> Graph:
    """The graph built anew, each operation replaced by what the first rule that fits gives; equal operations become one."""

    def construct(node: Node, args: tuple[Node, ...]) -> Node:
        attrs = {k: apply_rules(v, rules) if isinstance(v, Graph) else v for k, v in node.attrs.items()}
        return _settle(make(node.op, args, attrs), rules)

    return rebuilt(graph, construct)


def _settle(node: Node, rules: Sequence[Rule]) -> Node:
    """Rules once more on their own results, until none fits."""
    while not node.is_constant:
        args = [Tensor(a) for a in node.args]
        found = next((r for r in (rule(node, args) for rule in rules) if r is not None), None)
        if found is None:
            return node
        node = found.node
    return node


# ---- rules: float-exact identities and movement clean-up


def inline_calls(node: Node, args: Sequence[Tensor]) -> Any:
    """A call becomes the operations of its graph; alias and detach become their argument."""
    if node.op is item and node.args[0].op is CALL:
        called = node.args[0]
        return inline(called.attrs["graph"], [Tensor(a) for a in called.args])[node.attrs["index"]]
    if node.op in (alias, detach):
        return args[0]
    return None


def filled_with(t: Tensor, value: float) -> bool:
    """Whether t is a number (repeated)."""
    node = t.node.args[0] if t.node.op is movement.broadcast else t.node
    return node.is_constant and isinstance(node.type, TensorType) and not node.type.shape and bool(node.value == value)


def identities(node: Node, args: Sequence[Tensor]) -> Any:
    """x·1, 1·x, x/1, x−0, −−x, x¹, where(c, x, x) are exactly x; x² is exactly x·x."""
    op = node.op
    if op is elementwise.mul:
        for one, other in (args, args[::-1]):
            if filled_with(one, 1):
                return other
    if (op is elementwise.div and filled_with(args[1], 1)) or (op is elementwise.sub and filled_with(args[1], 0)):
        return args[0]
    if op is elementwise.neg and args[0].node.op is elementwise.neg:
        return Tensor(args[0].node.args[0])
    if op is elementwise.where:
        if args[1].node is args[2].node or filled_with(args[0], True):
            return args[1]
        if filled_with(args[0], False):
            return args[2]
    if op is elementwise.pow and filled_with(args[1], 2):
        return args[0] * args[0]
    if op is elementwise.pow and filled_with(args[1], 1):
        return args[0]
    if op is elementwise.cast and args[0].dtype == node.attrs["dtype"]:
        return args[0]
    return None


def movements(node: Node, args: Sequence[Tensor]) -> Any:
    """Reshapes of reshapes, permutes of permutes, and movements that move nothing."""
    op, attrs = node.op, node.attrs
    if op not in (movement.reshape, movement.permute, movement.broadcast, movement.slice, movement.flip, reduce.sum):
        return None
    x = args[0]
    inner = x.node
    below = Tensor(inner.args[0]) if inner.args and not inner.is_constant else None
    if op in (movement.reshape, movement.broadcast, movement.slice) and identical(node.type.shape, x.shape):
        return x
    if op is movement.reshape and below is not None and inner.op is movement.reshape:
        return movement.reshape(below, shape=attrs["shape"])
    if op is movement.permute:
        if attrs["axes"] == tuple(range(x.ndim)):
            return x
        if below is not None and inner.op is movement.permute:
            return movement.permute(below, axes=tuple(inner.attrs["axes"][a] for a in attrs["axes"]))
    if op is movement.broadcast and below is not None and inner.op is movement.broadcast:
        return movement.broadcast(below, shape=attrs["shape"])
    if op in (reduce.sum, movement.flip) and not attrs["axes"]:
        return x
    if op is reduce.sum and below is not None and inner.op is reduce.sum:
        kept = [a for a in range(below.ndim) if a not in inner.attrs["axes"]]
        return reduce.sum(below, axes=tuple(sorted((*inner.attrs["axes"], *(kept[a] for a in attrs["axes"])))))
    if op is reduce.sum and all(is_one(x.shape[a]) for a in attrs["axes"]):
        return movement.reshape(x, shape=node.type.shape)
    return None


def stable(node: Node, args: Sequence[Tensor]) -> Any:
    """log(sigmoid(x)) = −softplus(−x): finite where sigmoid underflows."""
    if node.op is elementwise.log and args[0].node.op is elementwise.sigmoid:
        return elementwise.neg(elementwise.softplus(elementwise.neg(Tensor(args[0].node.args[0]))))
    return None


# ---- passes


def turn(graph: Graph) -> Graph:
    """Products that are only read transposed are made so: (x y)ᵀ = yᵀ xᵀ."""
    graph = in_bodies(graph, turn)
    readers = Counter(a for n in graph.nodes for a in n.args) + Counter(graph.outputs)

    def construct(node: Node, args: tuple[Node, ...]) -> Node:
        product = args[0] if node.op is movement.permute and args[0].op is linalg.matmul else None
        if product is None or readers[node.args[0]] > 1 or node.attrs["axes"] != _last_two_swapped(node.type.ndim):
            return make(node.op, args, node.attrs)
        x, y = (make(movement.permute, (a,), node.attrs) for a in product.args)
        return make(linalg.matmul, (y, x), {})

    return rebuilt(graph, construct)


def _last_two_swapped(n: int) -> tuple[int, ...]:
    return (*range(n - 2), n - 1, n - 2)


def _loops(graph: Graph) -> list[Node]:
    return [n for n in graph.nodes if n.op is SCAN]


def replace_loops(graph: Graph, change: Callable[[Node], dict[int, Tensor] | None]) -> Graph:
    """Each loop replaced by tensors for its results, as `change` gives for the loop with its arguments already replaced."""
    results: dict[Node, dict[int, Tensor]] = {}

    def construct(node: Node, args: tuple[Node, ...]) -> Node:
        if node.op is item and args[0] in results:
            return results[args[0]][node.attrs["index"]].node
        made = make(node.op, args, node.attrs)
        if node.op is SCAN:
            found = change(made)
            if found is not None:
                results[made] = found
        return made

    return rebuilt(graph, construct)


def in_bodies(graph: Graph, transform: Callable[[Graph], Graph]) -> Graph:
    """The pass on every body within."""
    if not graph.bodies():
        return graph

    def construct(node: Node, args: tuple[Node, ...]) -> Node:
        return make(node.op, args, {k: transform(v) if isinstance(v, Graph) else v for k, v in node.attrs.items()})

    return rebuilt(graph, construct)


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
        return make(node.op, args, node.attrs)

    def new_of(node: Node) -> Node:
        if node not in mapping:
            mapping.update(rebuild([node], mapping, construct))
        return mapping[node]

    with interning():
        outputs = tuple(new_of(o) for o in graph.outputs)
    return Graph(graph.params, outputs, graph.name, graph.in_tree, graph.out_tree)


def _contained(small: Node, big: Node) -> list[int] | None:
    """Where the results of one loop stand among those of another that does the same and more."""
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
        return make(node.op, args, node.attrs)

    pruned = rebuilt(graph, construct)
    return in_bodies(pruned, drop_unused)


def _pruned(node: Node, args: tuple[Node, ...], used: set[int]) -> tuple[Node, list[int]]:
    """A loop with only the results in `used` and what they need, and the old positions of the results it still has."""
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


CLEANUP: tuple[Rule, ...] = (inline_calls, identities, movements, stable)


def optimize(graph: Graph, log: Callable[[str], None] = lambda line: None) -> Graph:
    """The standard passes. `log` is told what each of them did."""
    from .hoist import defer, hoist, sink

    def cleanup(graph: Graph) -> Graph:
        """Calls inlined; identities, movements of movements and repeated operations gone; log of sigmoid made stable."""
        return apply_rules(graph, CLEANUP)

    for step in (cleanup, merge_loops, drop_unused, defer, hoist, sink, drop_unused, cleanup, turn, cleanup):
        before, graph = size(graph), step(graph)
        summary = (step.__doc__ or "").strip().split("\n")[0]
        log(f"{step.__name__:12} {before:5} -> {size(graph):5} operations   {summary}")
    return graph


def size(graph: Graph) -> int:
    """The operations of a graph and its bodies."""
    return len(graph.nodes) + sum(map(size, graph.bodies()))
