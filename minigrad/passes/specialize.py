"""Specialisation: from a graph with run-time sizes to a graph for given sizes, which the interpreter can run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import GraphError
from ..graph.dims import Dim, Symbol, evaluate, symbol_of
from ..graph.ir import Graph, Node
from ..graph.types import TensorType
from ..transforms.interpret import Watch, run


def specialize(graph: Graph, sizes: Mapping[Symbol, int]) -> Graph:
    """The graph with its run-time sizes replaced by numbers."""
    new: dict[Node, Node] = {}
    for node in (*graph.params, *graph.nodes):
        if node.is_constant:
            new[node] = node
            continue
        attrs = {k: _specialized(v, sizes) for k, v in node.attrs.items()}
        new[node] = Node(
            node.op, tuple(new[a] for a in node.args), attrs, _specialized(node.type, sizes), node.value, node.name, node.origin
        )
    params, outputs = (tuple(new[n] for n in group) for group in (graph.params, graph.outputs))
    return Graph(params, outputs, graph.name, graph.in_tree, graph.out_tree)


def _specialized(value: Any, sizes: Mapping[Symbol, int]) -> Any:
    if isinstance(value, Dim):
        return evaluate(value, sizes)
    if isinstance(value, TensorType):
        return TensorType(_specialized(value.shape, sizes), value.dtype)
    if isinstance(value, tuple):
        return tuple(_specialized(v, sizes) for v in value)
    return specialize(value, sizes) if isinstance(value, Graph) else value


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
