"""compare(...): several runs below each other, on one colour scale."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any

from . import style, text
from .aligned import scene_of
from .drawing import Drawing
from .errors import DrawingError
from .logical import LogicalPart
from .scene import MARGIN, Part, Placed, Scene, Word
from .unrolled import timeline_of

HEAD = 24.0  # the height of a run's name


def compare(
    runs: Mapping[str, Any],
    *args: Any,
    steps: int | None = None,
    level: str = "op",
    color: str | None = None,
    limit: int | None = 12,
    scale: tuple[float, float] | None = None,
    wrap: float | None = None,
) -> Drawing:
    """Draw several computations below each other, each unrolled and with its name: before and after training, RNN and LSTM.

    runs    {name: what}, each as for `unrolled`; a tuple is a function and its first arguments, which stand before `args`
    steps, level, color, limit, scale, wrap    as for `unrolled`; one colour means the same gradient norm in all of them

    Raises DrawingError for an empty dict, and where `unrolled` does.
    """
    if not runs:
        raise DrawingError("compare: takes a dict of at least one run, {'before': loss, 'after': other}")
    found = {}
    for name, what in runs.items():
        f, *first = what if isinstance(what, tuple) else (what,)
        found[name] = timeline_of(f, (*first, *(args if callable(f) else ())), steps, color, level, whole=limit is None, scale=scale)
    coloured = [colours for _, colours in found.values() if colours.gradient]
    if scale is None and coloured:
        shared = style.whole_decades(chain.from_iterable(c.all_norms() for c in coloured))
        for colours in coloured:
            colours.scale = shared
    return Drawing(
        lambda: _stacked({name: scene_of(*pair, limit, level, wrap) for name, pair in found.items()}),
        lambda: {name: LogicalPart(*pair, level == "box", limit) for name, pair in found.items()},
    )


def _stacked(scenes: Mapping[str, Scene]) -> Scene:
    placed: list[Placed] = []
    y, notes = 0.0, []
    for n, (name, scene) in enumerate(scenes.items()):
        last = n == len(scenes) - 1
        words = [Word(MARGIN, y + HEAD - 4, text.clean(name), 14, style.TEXT, "start")]
        placed.append(Placed(Part(words=words)))
        shown = scene.placed if last else scene.placed[:-1]  # the last part is the legend: one is enough
        for p in shown:
            frame = p.frame._replace(y=p.frame.y + y + HEAD) if p.frame else None
            placed.append(Placed(p.part, p.dx, p.dy + y + HEAD, f"c{n}_{p.prefix}", frame))
        y += HEAD + (scene.height if last else max(_lower(p) for p in shown) + 12)
        notes += [f"{name}: {note}" for note in scene.notes]
    return Scene(max(s.width for s in scenes.values()), y, placed, text.clean(" and ".join(scenes), 60), notes)


def _lower(p: Placed) -> float:
    ends = [s.y + s.h / 2 for s in p.part.shapes] + [w.y + w.size / 2 for w in p.part.words]
    ends += [y for w in p.part.wires for _, y in w.points]
    return max([p.dy + e for e in ends] + ([p.frame.y + p.frame.h] if p.frame else []), default=0.0)
