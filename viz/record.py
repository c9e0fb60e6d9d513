"""record(...): the values of all named values of a loop, at every step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from minigrad import tree
from minigrad.graph.ir import Node, ancestors
from minigrad.passes.specialize import evaluate_graph

from . import foreign, text
from .accesses import over_slots
from .errors import DrawingError
from .loops import with_steps
from .unrolling import graph_of, is_computed

Values = dict[str, dict[int, np.ndarray]]  # {path: {step: value}}


def record(what: Any, *args: Any, names: Sequence[str] | None = None, example: int | None = 0) -> dict[str, np.ndarray]:
    """Record named values of a loop as arrays with time as first axis, for `memory`: {"write.g": (T, heads, 1), "M": (T, slots, width)}.

    what      a function or Graph and its arguments, or a tensor computed in steps (as for `unrolled`)
    names     only these, in this order; a name includes the values of inner scopes: "g" gives "write.g" and "read.g"
    example   the member of the batch, which is the first axis of each value; None keeps the whole batch

    Only values that have a name, given by `.named(...)`, in every step are recorded. Weights of a few rows of a memory, as w_read beside
    rows in a SAM, are recorded over all slots. Raises DrawingError if there are no values, and for a name that none of them has.
    """
    found: Values = {}

    def note(node: Node, value: Any, steps: tuple[int, ...]) -> None:
        place = _place(node, steps)
        if place is not None and isinstance(value, (np.ndarray, np.generic)):
            found.setdefault(place[0], {})[place[1]] = np.asarray(value)

    if is_computed(what):
        ends = [t.node for t in tree.leaves(what)]
        found_steps, _ = with_steps(ends)
        for node in ancestors([found_steps.get(n, n) for n in ends]):
            note(node, node.value, ())
    else:
        graph = graph_of(what, args)
        evaluate_graph(graph, [t.numpy() for t in foreign.leaves(what, graph, args)], note)
    return _chosen(_in_every_step(found, example), names)


def _place(node: Node, steps: tuple[int, ...]) -> tuple[str, int] | None:
    """(path, step) of a named value: its scopes within the step of the outermost loop, or within the outermost scope that is a step."""
    if node.name is None or not node.args or node.origin.vjp_of is not None:
        return None
    scopes = node.origin.scopes
    if not steps:
        depth = next((i for i, s in enumerate(scopes) if s.step is not None), None)
        if depth is None:
            return None
        steps, scopes = (scopes[depth].step or 0,), scopes[depth + 1 :]
    return ".".join([*(s.name for s in scopes), node.name]), steps[0]


def _in_every_step(found: Values, example: int | None) -> dict[str, np.ndarray]:
    """What has a value of one shape in every step, stacked."""
    length = max((len(v) for v in found.values()), default=0)
    whole = _over_slots(
        {k: np.stack([v[t] for t in sorted(v)]) for k, v in found.items() if len(v) == length and len({a.shape for a in v.values()}) == 1}
    )
    return whole if example is None else {k: v[:, example] if v.ndim > 1 else v for k, v in whole.items()}


def _over_slots(whole: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The values, with weights of some rows of a memory as weights of all its slots."""
    found = dict(whole)
    for path, (rows, slots) in over_slots({k: v.shape for k, v in whole.items()}, whole.__getitem__).items():
        weights = whole[path]
        found[path] = np.zeros((*weights.shape[:-1], slots), weights.dtype)
        np.add.at(found[path], (*np.indices((*weights.shape[:-1], 1))[:-1], whole[rows]), weights)
    return found


def _chosen(whole: Mapping[str, np.ndarray], names: Sequence[str] | None) -> dict[str, np.ndarray]:
    """Those of these names, each called by the last part of its path where no other value has it."""
    stems = [k.rpartition(".")[2] for k in whole]
    if not whole:
        raise DrawingError("record: no value is named in every step; name them in the step with .named('w_read')")
    found = {n: [k for k in whole if k == n or k.endswith("." + n)] for n in (whole if names is None else names)}
    missing = [text.clean(n) for n, paths in found.items() if not paths]
    if missing:
        known = ", ".join(text.clean(k) for k in whole)
        raise DrawingError(f"record: no value is named {', '.join(missing)} in every step; the names are {known}")
    chosen = list(dict.fromkeys(k for paths in found.values() for k in paths))
    short = {k: stem for k, stem in zip(whole, stems, strict=True) if stems.count(stem) == 1}
    return {short.get(k, k): whole[k] for k in chosen}
