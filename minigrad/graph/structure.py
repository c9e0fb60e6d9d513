"""The structure of a graph: equal for graphs that compute the same in the same order, however they were made."""

from __future__ import annotations

from typing import Any

from .ir import Graph, Node

LARGEST = 1024  # elements of a constant that are compared
RULES = {("call", "rule")}  # attributes that are gradient rules: values do not depend on them


def structure(graph: Graph, rules: bool = False) -> tuple[Any, ...] | None:
    """A key of the graph: operations, arguments, attributes, types and constants, with `rules` also the gradient rules. None for a graph
    with large constants."""
    key = "structure", rules
    if key not in graph.cache:
        graph.cache[key] = _structure(graph, rules)
    return graph.cache[key]


def _structure(graph: Graph, rules: bool) -> tuple[Any, ...] | None:
    place: dict[Node, int] = {p: i for i, p in enumerate(graph.params)}
    found: list[Any] = [*graph.in_types]
    for node in graph.nodes:
        place[node] = len(place)
        if node.is_constant:
            if node.value.size > LARGEST:
                return None
            found.append((node.type, node.value.tobytes()))
            continue
        attrs: list[Any] = []
        for name, value in node.attrs.items():
            if not rules and (node.op.name, name) in RULES:
                continue
            inner = structure(value, rules) if isinstance(value, Graph) else str(value) if isinstance(value, float) else value
            if inner is None and value is not None:
                return None
            attrs += (name, type(value), inner)
        found.append((node.op, *[place[a] for a in node.args], *attrs))
    return (*found, *[place[o] for o in graph.outputs])
