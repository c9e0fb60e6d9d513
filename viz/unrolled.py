"""unrolled(...): the graph of a recurrent computation, with time as columns."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from minigrad import Tensor
from minigrad.errors import SettingError

from . import blocks, captions, gradients, named_parts, repeats
from .aligned import scene_of
from .builder import build
from .colours import Colours
from .drawing import Drawing
from .logical import LogicalPart
from .timeline import Timeline
from .unrolling import unroll, with_gradients


def unrolled(
    what: Any,
    *args: Any,
    steps: int | None = None,
    level: str | None = None,
    color: str | None = None,
    backward: bool = False,
    limit: int | None = 12,
    scale: tuple[float, float] | None = None,
    show: str | Sequence[str] | None = None,
    wrap: float | None = None,
    fold: bool | None = None,
) -> Drawing:
    """Draw time as columns. States run from step to step; a weight stands once on the bar below, and as a small label at each use.

    what     a tensor (or list of tensors) computed eagerly; a traced Graph; a function and the arguments to trace it with; or the graph
             of another library, jax.make_jaxpr(f)(*args) or torch.export.export(module, args), and arguments where values are shown.
             Steps are those of scan loops and of `with mg.scope("rnn", step=t)`; those of other loops in Python are found by their lines
    steps    unroll each loop only so far
    level    "op": every operation;  "gate": one box for each source line;  "cell": LSTM, GRU and RNN as in
             textbooks, stacked ones above each other; a step with a memory, a value named M, by its heads, weightings and slots,
             with the values of the first member of the batch; a step of another known family by its values with names, such as q, k,
             v and S of a DeltaNet; any other step as one box, and what stands outside the steps as blocks; `.notes` say why;
             "box": every step as one box. By default "op", and "cell" with `backward`
    color    "kind", or "grad": the gradient norm, log10 ‖∂L/∂·‖, at each node and along each edge (before the sum over
             edges). "grad" is the default for a tensor after `backward()`; a graph needs a scalar first result and arguments
    backward draw the graph of the gradient too, mirrored below the steps; needs a scalar first result
    limit    of more steps than this the middle ones are left out; None draws all
    scale    the norms at the two ends of the colours, as (1e-8, 1e4); by default the whole decades of the norms in the drawing
    show     some of "value", "grad" and "shape", written under the label of each node; by default the values of a small graph of
             numbers without time, and after `backward()` their gradients. Needs the level "op" or "gate"
    wrap     steps that take more than this width go on in a line below, with the names of the states that go over; by default 2,400
             points, or 2.5 times the height of a line; math.inf: one line
    fold     draw equal blocks that follow each other once, with ×N in the name of their scope; by default three and more of them, in a
             graph or function whose gradients are not drawn

    Raises DrawingError for something that cannot be drawn, SettingError for an unknown level, colour or word of `show`, and for a
    scale that does not rise.
    """
    level = level or ("cell" if backward else "op")
    timeline, colours = timeline_of(what, args, steps, color, level, backward, limit is None, scale, show, fold)
    return Drawing(
        lambda: scene_of(timeline, colours, limit, level, wrap), lambda: {"": LogicalPart(timeline, colours, level == "box", limit)}
    )


def timeline_of(
    what: Any,
    args: Sequence[Any],
    steps: int | None,
    color: str | None,
    level: str,
    backward: bool = False,
    whole: bool = False,
    scale: tuple[float, float] | None = None,
    show: str | Sequence[str] | None = (),
    fold: bool | None = False,
) -> tuple[Timeline, Colours]:
    """The timeline of what is to be drawn, and its colours. The arguments are those of `unrolled`; `whole` is limit=None."""
    if level not in ("op", "gate", "cell", "box"):
        raise SettingError(f"level={level!r} is unknown: take 'op', 'gate', 'cell' or 'box'")
    if color not in (None, "kind", "grad"):
        raise SettingError(f"color={color!r} is unknown: take 'kind' or 'grad'")
    if scale is not None and not 0 < scale[0] < scale[1]:
        raise SettingError(f"scale={scale!r} must be two norms that rise from above 0, as (1e-8, 1e4)")
    words = captions.checked(show or (), level)
    with _no_collection():
        looked_at = bool(words) or level == "cell"  # the values are on the picture
        unrolling = unroll(what, args, steps, values=color == "grad" or (looked_at and bool(args)))
        unrolling = with_gradients(unrolling) if backward else unrolling
        auto = not (backward or color == "grad" or "grad" in words or isinstance(what, Tensor))
        least = 2 if fold else repeats.FEW if fold is None and auto else None
        timeline = build([o.node for o in unrolling.outputs], unrolling.title, unrolling.leaves, level, whole, unrolling.gradients, least)
        if level == "cell":
            named_parts.assign(timeline)
            blocks.assign(timeline)
        if show is None and isinstance(what, Tensor) and level == "op" and not backward:
            words = captions.default(timeline, what)
        if words:
            captions.write(timeline, unrolling.outputs[0], words)
        differentiated = isinstance(what, Tensor) and what.size == 1 and _has_gradient(timeline)
        gradient = color == "grad" or (color is None and not backward and "grad" not in words and differentiated)
        timeline.notes += unrolling.notes
        colours = gradients.colours(timeline, unrolling.outputs[0], scale) if gradient else Colours()
    return timeline, colours


@contextmanager
def _no_collection() -> Iterator[None]:
    """Switch garbage collection off: here many objects are made and none is garbage, so that searching would cost more than the work."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _has_gradient(timeline: Timeline) -> bool:
    return any(item.leaf == "parameter" and Tensor(item.node).grad is not None for item in timeline.items)
