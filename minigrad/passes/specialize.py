"""Specialisation: from a graph with run-time sizes to a graph for given sizes, which the interpreter can run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import GraphError
from ..graph.dims import Dim, Extent, Symbol, evaluate, symbol_of
from ..graph.ir import Graph, Node
from ..graph.types import TensorType
from ..transforms.interpret import Watch, run


def specialize(graph: Graph, sizes: Mapping[Symbol, int]) -> Graph:
    """The graph with its run-time sizes replaced by numbers."""
    return with_sizes(graph, lambda n: evaluate(n, sizes))


def with_sizes(graph: Graph, change: Callable[[Dim], Extent], new: dict[Node, Node] | None = None) -> Graph:
    """The graph with its run-time sizes changed. Bodies that have nodes in common still have them in common; `new` are those of others."""
    new = {} if new is None else new
    for node in (*graph.params, *graph.nodes):
        if node in new:
            continue
        if node.is_constant:
            new[node] = node
            continue
        attrs = {k: _changed(v, change, new) for k, v in node.attrs.items()}
        new[node] = Node(
            node.op, tuple(new[a] for a in node.args), attrs, _changed(node.type, change, new), node.value, node.name, node.origin
        )
        new[node].learned = node.learned
    params, outputs = (tuple(new[n] for n in group) for group in (graph.params, graph.outputs))
    return Graph(params, outputs, graph.name, graph.in_tree, graph.out_tree)


def _changed(value: Any, change: Callable[[Dim], Extent], new: dict[Node, Node]) -> Any:
    if isinstance(value, Dim):
        return change(value)
    if isinstance(value, TensorType):
        return TensorType(_changed(value.shape, change, new), value.dtype)
    if isinstance(value, tuple):
        return tuple(_changed(v, change, new) for v in value)
    return with_sizes(value, change, new) if isinstance(value, Graph) else value


def sizes_of(types: Sequence[TensorType], shapes: Sequence[tuple[int, ...]]) -> dict[Symbol, int]:
    """The value of each run-time size for arguments of these shapes. Raises GraphError if the shapes contradict the types."""
    sizes: dict[Symbol, int] = {}
    for type_, shape in zip(types, shapes, strict=True):
        for n, size in zip(type_.shape, shape, strict=True):
            symbol = symbol_of(n)
            if symbol is not None:
                sizes.setdefault(symbol, size)
    for type_, shape in zip(types, shapes, strict=True):
        if tuple(evaluate(n, sizes) for n in type_.shape) != tuple(shape):
            raise GraphError(f"an argument of shape {shape} does not fit {type_}")
    return sizes


def evaluate_graph(graph: Graph, args: Sequence[np.ndarray], watch: Watch | None = None) -> list[np.ndarray]:
    """Like `run`, for a graph that may have run-time sizes. Their values are taken from the shapes of the arguments."""
    sizes = sizes_of(graph.in_types, [np.shape(a) for a in args])
    found = run(specialize(graph, sizes) if sizes else graph, args, watch)
    return [np.asarray(v) for v in found]
