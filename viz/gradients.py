"""Gradients for drawings: the cotangent along each edge of the graph, before cotangents are added up, and their norms."""

from __future__ import annotations

import math

import numpy as np

import minigrad as mg
from minigrad import Tensor
from minigrad.graph.ir import Node
from minigrad.transforms.reverse import pullback

from . import foreign, style
from .colours import Colours
from .errors import DrawingError
from .timeline import Edge, Item, Timeline


def colours(timeline: Timeline, loss: Tensor, scale: tuple[float, float] | None = None) -> Colours:
    """The colours of a timeline by the gradient of `loss`, from one norm to another, or over the whole decades of all norms.

    Raises DrawingError unless `loss` is a float scalar with a value.
    """
    found = Colours(gradient=True)
    flows, sums = _cotangents(timeline, loss)
    lanes: dict[tuple[int, int | None], list[np.ndarray]] = {}
    parts: dict[tuple[int, str], list[np.ndarray]] = {}
    known = any(item.part for item in timeline.items)
    own_gradients: set[int] = set()  # items that are themselves gradients
    for item in timeline.items:
        if (item.node.origin.vjp_of is not None or own_gradients & set(item.args)) and isinstance(item.node.value, np.ndarray):
            own_gradients.add(item.index)
            _gradient_value(found, item)
            continue
        if item.node in sums:
            found.norms[item.index] = _norm(sums[item.node])
            if item.part or (known and item.leaf == "input"):
                found.arrays[item.index] = sums[item.node]
        for position, edges in enumerate(item.edges):
            arrived = [flows[e] for e in edges if e in flows]
            if arrived:
                found.edges[item.index, position] = _norm_of_sum(arrived)
                lanes.setdefault((item.args[position], item.column), []).extend(arrived)
                if item.part:
                    parts.setdefault((item.args[position], item.part), []).extend(arrived)
    found.lanes = {(a, column): _norm_of_sum(arrived) for (a, column), arrived in lanes.items() if column is not None}
    found.scale = style.whole_decades(found.all_norms()) if scale is None else (math.log10(scale[0]), math.log10(scale[1]))
    found.parts = {key: _norm_of_sum(arrived) for key, arrived in parts.items()}
    return found


def totals(timeline: Timeline, loss: Tensor) -> dict[int, np.ndarray]:
    """item -> the gradient of `loss` with respect to it. Raises DrawingError unless `loss` is a float scalar with a value."""
    sums = _cotangents(timeline, loss)[1]
    return {item.index: sums[item.node] for item in timeline.items if item.node in sums}


def _cotangents(timeline: Timeline, loss: Tensor) -> tuple[dict[Edge, np.ndarray], dict[Node, np.ndarray]]:
    """(the cotangent along each edge, their sum for each value)."""
    if not loss.is_concrete or loss.size != 1 or not loss.type.is_float:
        raise DrawingError(f"drawing: color='grad' and show='grad' need a float scalar with a value as first result, got {loss.type}")
    foreign.require_real(item.node for item in timeline.items)
    flows: dict[Edge, np.ndarray] = {}
    sums: dict[Node, np.ndarray] = {loss.node: np.ones(loss.shape, loss.dtype)}

    def watch(consumer: Node, position: int, ct: Tensor) -> None:
        value = ct.numpy()
        flows[consumer, position] = value
        source = consumer.args[position]
        sums[source] = sums[source] + value if source in sums else value

    leaves = [Tensor(item.node) for item in timeline.items if not item.node.args and item.node.type.is_float]
    pullback([loss], [mg.tensor(np.ones(loss.shape, loss.dtype))], leaves, watch)
    return flows, sums


def _gradient_value(found: Colours, item: Item) -> None:
    """An item that is itself a gradient has the colour of its own norm."""
    found.norms[item.index] = _norm(item.node.value)
    for position, edges in enumerate(item.edges):
        values = [consumer.args[p].value for consumer, p in edges]
        found.edges[item.index, position] = max((_norm(v) for v in values if isinstance(v, np.ndarray)), default=0.0)


def _norm_of_sum(parts: list[np.ndarray]) -> float:
    """The norm of the sum of cotangents along several edges to one value; an estimate where their shapes differ, as those of views do."""
    if all(p.shape == parts[0].shape for p in parts):
        return _norm(sum(parts[1:], parts[0]))
    return float(np.hypot.reduce([_norm(p) for p in parts]))


def _norm(value: np.ndarray) -> float:
    with np.errstate(all="ignore"):
        return float(np.linalg.norm(value.astype(np.float64).ravel()))
