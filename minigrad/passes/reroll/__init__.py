"""reroll: steps that a Python loop wrote out become a loop again, a `scan`.

A loop in Python makes the same operations in the same order at every step, so its graph, in order of creation, is a periodic string of
operations (find.py). A run of that string is a loop if every argument of every operation is, at all of its steps, one of these (verify.py):

  Constant   the same node                                  a constant of the loop
  Inside     an operation of the same step                  an operation of the body
  Earlier    an operation of the step `back` steps before   a carry, or a chain of them
  Element    made before the loop                           an element of a sequence: slices of an array that move on, or stacked

Steps at either end that differ because they meet constants (a first state of zeros), or that are used in part, are instances of the body
all the same if the body, made on their arguments, gives the very nodes that are there (region.py). Others stay as they are, before and
after the loop. emit.py writes the loop. The interpreter's value of the graph stays the same to the last bit.

For drawings lines.py finds loops by the source lines that come again; their steps may differ.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...graph.ir import Graph, Node
from ...graph.nodes import CONSTANT, interning, make, number
from ...origin import override
from ...transforms.tracing import loop_finder
from .emit import with_loops
from .find import LEAST_SAVED, LEAST_STEPS, Operations, Run, Tokens, runs
from .notes import note_found, note_refused
from .region import NoLoop, Region
from .verify import region_of

LARGE = 1000  # operations: from here on a graph with gradients is searched again, though what it differentiates was searched before
INNER_SAVED = 64  # operations that a loop in the body of another saves at least: a short one, say over four heads, runs faster written out


def reroll(graph: Graph) -> Graph:
    """The graph with steps that repeat, as a Python loop wrote them out, as loops. Its values stay the same to the last bit.

    `mg.jit`, and gradients inside it, do this by themselves; `mg.reroll(mg.trace(f, x))` shows the loops of f, for a drawing.
    """
    return _rerolled(graph, LEAST_SAVED)


def _rerolled(graph: Graph, least: int) -> Graph:
    with interning():
        again: dict[Node, Node] = {p: p for p in graph.params}
        for node in graph.nodes:  # the table of equal nodes is to know them
            if node.is_constant:
                again[node] = number(node.value, node.type.dtype) if node.op is CONSTANT and not node.type.shape else node
                continue
            attrs = {k: _body(v) if isinstance(v, Graph) else v for k, v in node.attrs.items()}
            with override(node.place):
                again[node] = made = make(node.op, tuple([again[a] for a in node.args]), attrs)
            made.name = made.name or node.name
        outputs = rerolled([again[o] for o in graph.outputs], set(graph.params), least=least)
    return Graph(graph.params, tuple(outputs), graph.name, graph.in_tree, graph.out_tree)


def _body(graph: Graph) -> Graph:
    return _rerolled(graph, INNER_SAVED) if len(graph.nodes) > INNER_SAVED else graph


def rerolled(outputs: Sequence[Node], leaves: set[Node], first: int = -1, again: bool = False, least: int = LEAST_SAVED) -> list[Node]:
    """The outputs, computed with loops, while tracing. Nodes in `leaves` and those older than `first` are taken as they are.

    `again`: what gradients in it differentiate was searched before. A loop saves at least `least` operations.
    """
    tokens = Tokens()
    ops = Operations(outputs, leaves, first, tokens)
    if again and len(ops) < LARGE:
        return list(outputs)
    while len(ops) > least:
        regions = _regions(ops, least)
        if not regions:
            break
        found = with_loops(ops, outputs, regions, _body)
        after = Operations(found, leaves, first, tokens)
        if len(after) >= len(ops):
            break
        outputs, ops = found, after
    return list(outputs)


def _regions(ops: Operations, least: int) -> list[Region]:
    """Loops that do not overlap, in order."""
    taken = np.zeros(len(ops), bool)
    found: list[Region] = []
    refused: list[tuple[Run, NoLoop]] = []
    todo = runs(ops)[::-1]
    while todo:
        run = todo.pop()
        if taken[run.start : run.end].any():
            continue
        if run.saved < least or run.end - run.start < LEAST_STEPS * run.period:
            continue
        try:
            region = region_of(ops, run, taken)
        except NoLoop as reason:
            refused.append((run, reason))
            continue
        found.append(region)
        taken[region.start : region.end] = True
        for row in (*region.rows[: region.before], *region.rows[len(region.rows) - region.after :]):
            taken[[i for n in row if (i := ops.position.get(n, -1)) >= 0]] = True
        todo += [run.part(region.end, run.end), run.part(run.start, region.start)]
    found.sort(key=lambda r: r.start)
    note_found(ops, found)
    note_refused(ops, [(run, reason) for run, reason in refused if not taken[run.start : run.end].any()])
    return found


loop_finder["reroll"] = rerolled
