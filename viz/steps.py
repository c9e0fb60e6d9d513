"""The layouts of all steps: of the layered algorithm, of a known cell, or of one box. Equal steps share one layout."""

from __future__ import annotations

from typing import Any

from . import cells, fan, text, value_cell
from .layered import lay_out
from .layout import Layout, Source, StepGraph
from .scopes import inner
from .slots import View
from .tiles import leaf_size, operation_size
from .timeline import Timeline, step_key
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
        timeline.notes += value_cell.notes(wiring, view.seen)
        timeline.notes += _boxes(wiring, view)
        timeline.notes += [fan.NOTE] if any(fan.size(i) for i in timeline.items) else []
    return wiring


def _boxes(wiring: Wiring, view: View) -> list[str]:
    """Sentences about the steps that are one box, and why."""
    found: dict[str, Step] = {}
    for step in wiring.steps:
        mark = step.fixed.nodes[0] if step.fixed is not None and step.fixed.entry == cells.BOX else None
        if mark is not None and not wiring.timeline.columns[step.number].gradient:
            found[mark.label] = max(found.get(mark.label, step), step, key=lambda s: len(s.items))
    more = "level='gate' shows its lines, 'op' its"
    return [f"{name} is one box, because {_why(wiring, view, step)}; {more} {len(step.items)} operations" for name, step in found.items()]


def _why(wiring: Wiring, view: View, step: Step) -> str:
    """Why a step is one box."""
    items = [wiring.items[i] for i in step.items]
    names = dict.fromkeys(text.clean(i.called, 12) for i in items if i.named and i.called)
    if len({key.loop for i in items if (key := step_key(i.node))}) > 1:
        return "one of its layers is no known cell"
    if step.number in view.parts:
        return "its heads and its memory depend on each other in a way that the picture of a memory has no place for"
    if step.number in view.seen.families:
        return "it has too many values for a picture"
    if not names:
        return "its values have no names: x.named('h') gives one"
    loop = wiring.timeline.columns[step.number].loop
    if sum(c.loop == loop for c in wiring.timeline.columns) == 1:
        return "it is the only step: what it would hand on is not computed, and the rest is no known cell"
    return f"no known cell has just these values: {', '.join(list(names)[:8])}" + (" …" if len(names) > 8 else "")


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
