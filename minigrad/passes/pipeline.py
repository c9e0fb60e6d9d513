"""The standard passes, in order."""

from __future__ import annotations

from collections.abc import Callable

from ..graph.ir import Graph
from .columns import by_columns
from .hoist import defer, hoist, sink
from .loops import drop_unused, merge_loops
from .parts import join_parts
from .rewrite import apply_rules
from .rules import CLEANUP, outer_products, transpose_products


def cleanup(graph: Graph) -> Graph:
    """Calls inlined; identities, movements of movements and repeated operations gone; log of sigmoid made stable."""
    return apply_rules(graph, CLEANUP)


PASSES = (
    cleanup, merge_loops, drop_unused, defer, hoist, sink, drop_unused, cleanup, join_parts, by_columns,
    transpose_products, outer_products, cleanup,
)  # fmt: skip


def optimize(graph: Graph, log: Callable[[str], None] = lambda line: None) -> Graph:
    """Apply all passes to the graph and its loop bodies. `log` is called with a line about each pass."""
    after = size(graph)
    for step in PASSES:
        before, graph = after, step(graph)
        after = size(graph)
        summary = (step.__doc__ or "").strip().split("\n")[0]
        log(f"{step.__name__:18} {before:5} -> {after:5} operations   {summary}")
    return graph


def size(graph: Graph) -> int:
    """The number of operations of a graph and its bodies."""
    return len(graph.nodes) + sum(map(size, graph.bodies))
