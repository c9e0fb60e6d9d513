"""unrolled(...): a recurrent computation as columns of time."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from minigrad import Tensor

from . import gradients
from .aligned import scene_of
from .builder import build
from .colours import Colours
from .drawing import Drawing
from .timeline import Timeline
from .unrolling import unroll, with_gradients


def unrolled(
    what: Any,
    *args: Any,
    steps: int | None = None,
    level: str = "op",
    color: str | None = None,
    backward: bool = False,
    limit: int | None = 12,
) -> Drawing:
    """Time as columns: states run straight through, weights stand once on a bar below and as a chip at each use.

    what     a tensor (or list of tensors) computed eagerly, its steps marked by `with mg.scope("rnn", step=t)`;
             a traced Graph with scan loops; or a function and the arguments to trace it with
    steps    write out loops only that far
    level    "op": every operation;  "gate": one box for each line of the program;  "cell": LSTM, GRU and RNN as
             textbooks draw them, any other step as a box;  "box": every step as one box
    color    "kind", or "grad": log10 of ‖∂L/∂·‖ at each node and along each edge, before it is added up. For a tensor
             "grad" is the default after `backward()`; for a graph it needs a scalar first result and the arguments
    backward the gradient's graph too, mirrored under the steps that it is the gradient of; needs a scalar first result
    limit    of more steps than this the middle is left out; None draws all

    Raises DrawingError for something that cannot be drawn, ValueError for an unknown level or colour.
    """
    timeline, colours = timeline_of(what, args, steps, color, level, backward, limit is None)
    return Drawing(lambda: scene_of(timeline, colours, limit, level))


def timeline_of(
    what: Any, args: Sequence[Any], steps: int | None, color: str | None, level: str, backward: bool = False, whole: bool = False
) -> tuple[Timeline, Colours]:
    """What there is to draw, and its colours."""
    if level not in ("op", "gate", "cell", "box"):
        raise ValueError(f"level={level!r} is unknown: take 'op', 'gate', 'cell' or 'box'")
    if color not in (None, "kind", "grad"):
        raise ValueError(f"color={color!r} is unknown: take 'kind' or 'grad'")
    with _no_collection():
        unrolling = unroll(what, args, steps, values=color == "grad")
        unrolling = with_gradients(unrolling) if backward else unrolling
        timeline = build([o.node for o in unrolling.outputs], unrolling.title, unrolling.leaves, level, whole)
        gradient = color == "grad" or (
            color is None and not backward and isinstance(what, Tensor) and what.size == 1 and _has_gradient(timeline)
        )
        colours = gradients.colours(timeline, unrolling.outputs[0]) if gradient else Colours()
    return timeline, colours


@contextmanager
def _no_collection() -> Iterator[None]:
    """While many small objects are made that all stay, looking for garbage costs more than the work."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _has_gradient(timeline: Timeline) -> bool:
    return any(item.leaf == "parameter" and item.node.grad is not None for item in timeline.items)
