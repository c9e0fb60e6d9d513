"""The layouts of all steps: of the layered algorithm, of a known cell, or of one box. Equal steps share one layout."""

from __future__ import annotations

from typing import Any

from . import cells, fan
from .layered import lay_out
from .layout import Layout, Source, StepGraph
from .scopes import inner
from .slots import View
from .tiles import leaf_size, operation_size
from .timeline import Timeline
from .wiring import Step, Wiring


def laid_out(timeline: Timeline, level: str = "op") -> Wiring:
    """The wiring of a timeline whose steps have their layouts. `level` is as for `unrolled`."""
    wiring = Wiring(timeline)
    known: dict[Any, Layout] = {}
    view = View(wiring) if level == "cell" else None
    for step in wiring.steps:
        graph = _graph(wiring, step)
        step.key = _key(wiring, step, graph)
        if level in ("cell", "box") and step.label:
            step.fixed = cells.draw(wiring, step, view)
            step.layout = step.fixed.layout
            continue
        if step.key not in known:
            known[step.key] = lay_out(graph)
        step.layout = known[step.key]
    if view is not None:
        view.tell(wiring)
        timeline.notes += [fan.NOTE] if any(fan.size(i) for i in timeline.items) else []
    return wiring


def _graph(wiring: Wiring, step: Step) -> StepGraph:
    """The graph of a step for the layered algorithm."""
    sizes = [operation_size(wiring, step, k) for k in range(len(step.items))]
    args = [[s for s in row if s is not None] for row in step.sources]
    inputs = [leaf_size(wiring, i, wiring.leaf_label(i, "0")) for i in step.inputs]
    outputs = [(_operation(step, i), leaf_size(wiring, i, wiring.value_label(i, "0"))) for i in step.outputs]
    paths = [tuple(inner(wiring.items[i])) for i in step.items]
    return StepGraph(sizes, args, inputs, outputs, len(step.lanes), [_operation(step, i) for i in step.exits], paths)


def _operation(step: Step, item: int) -> Source:
    return "op", step.local[item]


def _key(wiring: Wiring, step: Step, graph: StepGraph) -> Any:
    """The key of a step: steps with equal keys have equal pictures."""
    return (
        tuple(graph.sizes),
        tuple(map(tuple, graph.args)),
        tuple(graph.inputs),
        tuple(graph.outputs),
        graph.states,
        tuple(graph.exits),
        tuple(step.labels),
        tuple(wiring.items[i].kind for i in step.items),
        tuple(wiring.words(step, k) for k in range(len(step.items))),
        tuple(wiring.items[i].caption for i in (*step.items, *step.inputs)),
        tuple(tuple(inner(wiring.items[i])) for i in step.items),
    )
