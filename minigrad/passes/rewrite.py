"""Graph rewriting: by rules, in the bodies of control flow, and of loops.

A rewrite rule takes an operation and its new arguments and returns a replacement, or None. A graph in which nothing changes is returned as
it is, so that a pass without work costs one look at each operation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..control.scan import SCAN
from ..graph.ir import Graph, Node, rebuild_nodes
from ..graph.nodes import interning, item, make, remake
from ..tensor import Tensor

Rule = Callable[[Node, Sequence[Tensor]], Any]


def rebuilt(graph: Graph, construct: Callable[[Node, tuple[Node, ...]], Node]) -> Graph:
    """The graph with every operation rebuilt by `construct` from its new arguments. Equal operations are merged."""
    with interning():
        new = rebuild_nodes(graph.nodes, {p: p for p in graph.params}, construct)
    return Graph(graph.params, tuple(new[o] for o in graph.outputs), graph.name, graph.in_tree, graph.out_tree)


def apply_rules(graph: Graph, rules: Sequence[Rule]) -> Graph:
    """The rebuilt graph, where each operation is replaced by the result of the first rule that applies. Equal operations are merged."""

    def construct(node: Node, args: tuple[Node, ...]) -> Node:
        if not node.bodies:
            return _settle(remake(node, args), rules)
        attrs = {k: apply_rules(v, rules) if isinstance(v, Graph) else v for k, v in node.attrs.items()}
        return _settle(make(node.op, args, attrs), rules)

    return rebuilt(graph, construct)


def _settle(node: Node, rules: Sequence[Rule]) -> Node:
    """Apply the rules to a node, and again to the result, until none applies."""
    while not node.is_constant:
        args = [Tensor(a) for a in node.args]
        found = next((r for r in (rule(node, args) for rule in rules) if r is not None), None)
        if found is None:
            return node
        node = found.node
    return node


def in_bodies(graph: Graph, transform: Callable[[Graph], Graph]) -> Graph:
    """The graph with a pass applied to every body: loop bodies, branches, called graphs."""
    if not graph.bodies:
        return graph
    with interning():  # bodies that have nodes in common still have them in common: what one of them changes is rebuilt in all
        new = {body: transform(body) for body in graph.bodies}
        if all(after is body for body, after in new.items()):
            return graph
        new = {body: rebuilt(body, remake) if after is body else after for body, after in new.items()}

        def construct(node: Node, args: tuple[Node, ...]) -> Node:
            if not node.bodies:
                return remake(node, args)
            return make(node.op, args, {k: new[v] if isinstance(v, Graph) else v for k, v in node.attrs.items()})

        return rebuilt(graph, construct)


def replace_loops(graph: Graph, change: Callable[[Node], dict[int, Tensor] | None]) -> Graph:
    """The graph with loops replaced. `change` gets a loop with rebuilt arguments and returns tensors for its results, or None."""
    if not any(n.op is SCAN for n in graph.nodes):
        return graph
    results: dict[Node, dict[int, Tensor]] = {}

    def construct(node: Node, args: tuple[Node, ...]) -> Node:
        if node.op is item and args[0] in results:
            return results[args[0]][node.attrs["index"]].node
        made = remake(node, args)
        if node.op is SCAN:
            found = change(made)
            if found is not None:
                results[made] = found
        return made

    new = rebuilt(graph, construct)
    return new if results else graph
