"""Gradient norms for drawings: every cotangent of a reverse sweep, edge by edge, before it is added up."""

from __future__ import annotations

import numpy as np

import minigrad as mg
from minigrad import Tensor
from minigrad.autodiff import pullback
from minigrad.ir import Node

from .colours import Colours
from .errors import DrawingError
from .timeline import Item, Timeline


def colours(timeline: Timeline, loss: Tensor) -> Colours:
    """The colours of a timeline by the gradient of its first result. Raises DrawingError if that is no scalar with a value."""
    if not loss.is_concrete or loss.size != 1 or not loss.type.is_float:
        raise DrawingError(f"drawing: color='grad' needs a float scalar with a value as first result, got {loss.type}")
    found = Colours(gradient=True)
    flows: dict[tuple[Node, int], np.ndarray] = {}
    totals: dict[Node, np.ndarray] = {loss.node: np.ones(loss.shape, loss.dtype)}

    def watch(consumer: Node, position: int, ct: Tensor) -> None:
        value = ct.numpy()
        flows[consumer, position] = value
        source = consumer.args[position]
        totals[source] = totals[source] + value if source in totals else value

    leaves = [Tensor(item.node) for item in timeline.items if not item.node.args and item.node.type.is_float]
    one = mg.tensor(np.ones(loss.shape, loss.dtype))
    pullback([loss], [one], leaves, watch)
    lanes: dict[tuple[int, int | None], list[np.ndarray]] = {}
    own: set[int] = set()  # what is itself a gradient
    for item in timeline.items:
        if (item.node.origin.vjp_of is not None or own & set(item.args)) and isinstance(item.node.value, np.ndarray):
            own.add(item.index)
            _own(found, item)
            continue
        if item.node in totals:
            found.norms[item.index] = _norm(totals[item.node])
        for position, edges in enumerate(item.edges):
            arrived = [flows[e] for e in edges if e in flows]
            if arrived:
                found.edges[item.index, position] = _together(arrived)
                lanes.setdefault((item.args[position], item.column), []).extend(arrived)
    found.lanes = {(a, column): _together(arrived) for (a, column), arrived in lanes.items() if column is not None}
    return found


def _own(found: Colours, item: Item) -> None:
    """What is itself a gradient is coloured by its own norm."""
    found.norms[item.index] = _norm(item.node.value)
    for position, edges in enumerate(item.edges):
        values = [consumer.args[p].value for consumer, p in edges]
        found.edges[item.index, position] = max((_norm(v) for v in values if isinstance(v, np.ndarray)), default=0.0)


def _together(parts: list[np.ndarray]) -> float:
    """The norm of the sum of what flows along several edges from one value; a bound where views of it differ in shape."""
    if all(p.shape == parts[0].shape for p in parts):
        return _norm(sum(parts[1:], parts[0]))
    return float(np.hypot.reduce([_norm(p) for p in parts]))


def _norm(value: np.ndarray) -> float:
    with np.errstate(all="ignore"):
        return float(np.linalg.norm(value.astype(np.float64).ravel()))
