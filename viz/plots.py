"""Plots with matplotlib (the extra `cli`): gradient norms over time."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from . import style, text
from .errors import DrawingError


class Plot:
    """A matplotlib figure: `.figure`, `.save(path)`, `.pipe(format)`. A notebook shows it as SVG."""

    def __init__(self, figure: Any, title: str = ""):
        self.figure, self.title = figure, title

    @style.plotting()
    def pipe(self, format: str = "svg") -> bytes:
        """The plot as bytes: svg, png, pdf or another format of matplotlib. Raises DrawingError for an unknown format."""
        out = io.BytesIO()
        fixed = {"Date": None} if format == "svg" else {"CreationDate": None} if format == "pdf" else {}
        try:
            self.figure.savefig(out, format=format, metadata=fixed, dpi=150, facecolor="white")
        except ValueError as error:
            raise DrawingError(f"plot: {error}") from None
        return out.getvalue()

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the plot in the format of the path's suffix. Gives the path."""
        target = Path(path)
        target.write_bytes(self.pipe(target.suffix.lstrip(".").lower() or "svg"))
        return target

    def __repr__(self) -> str:
        return f"<Plot {text.clean(self.title) or 'untitled'}>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        bundle: dict[str, Any] = {"text/plain": repr(self)}
        try:
            bundle["image/svg+xml"] = self.pipe("svg").decode()
        except Exception as error:  # a repr never raises
            bundle["text/plain"] += f" ({error})"
        return bundle


def canvas(height: float, rows: Sequence[float], width: float = 9.0, columns: int = 1) -> tuple[Any, Sequence[Any]]:
    """(a figure without a window, its axes row by row). Sizes are in inches; rows have these relative heights and share their x axis."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(rows), columns, sharex=True, squeeze=False, gridspec_kw={"height_ratios": rows})
    return figure, list(axes.flat)


@style.plotting()
def gradient_flow(what: Any, *args: Any, steps: int | None = None) -> Plot:
    """Plot ‖∂L/∂h_t‖ over time for every state of a loop, and the norm of the part of each weight's gradient that each step adds.

    what     a scalar tensor; a Graph or function and its arguments; or a dict {label: tensor} to compare runs on one scale
    steps    unroll each loop only so far

    The scale is logarithmic. Raises DrawingError where no step hands a state to the next one, or where there is no scalar loss.
    """
    if isinstance(what, Mapping):
        runs = {text.clean(k, 30): _flows(v, (), None) for k, v in what.items()}
    else:
        runs = {"": _flows(what, args, steps)}
    figure, axes = canvas(4.6, [3, 2], 8.0)
    for part, axis, words in ((0, axes[0], "‖∂L/∂state‖"), (1, axes[1], "‖contribution‖\nto ∂L/∂weight")):
        count = 0
        for run, flows in runs.items():
            for name, points in flows[part].items():
                _curve(axis, points, f"{run} {name}".strip().replace("$", r"\$"), style.CYCLE[count % len(style.CYCLE)])
                count += 1
        axis.set_yscale("log")
        axis.set_ylabel(words, fontsize=9, color=style.TEXT)
        axis.grid(True, which="major", color=style.GRID, lw=0.6)
        axis.tick_params(labelsize=8, colors=style.MUTED)
        if count:
            axis.legend(fontsize=8, frameon=False, ncols=(count - 1) // 7 + 1, loc="upper left", bbox_to_anchor=(1, 1))  # beside the curves
    axes[-1].set_xlabel("time step t", fontsize=9, color=style.TEXT)
    return Plot(figure, "gradient flow")


def _curve(axis: Any, points: Mapping[int, float], label: str, colour: str) -> None:
    steps = sorted(points)
    values = [points[t] if math.isfinite(points[t]) and points[t] > 0 else math.nan for t in steps]
    axis.plot(steps, values, color=colour, lw=1.5, marker=".", ms=4, label=label)
    for t in steps:
        if not math.isfinite(points[t]):
            axis.axvline(t, color=style.NOT_FINITE, lw=2)


Series = dict[str, dict[int, float]]


def _flows(what: Any, args: Sequence[Any], steps: int | None) -> tuple[Series, Series]:
    from .unrolled import timeline_of
    from .wiring import Wiring

    timeline, colours = timeline_of(what, args, steps, "grad", "op")
    wiring = Wiring(timeline)
    states: Series = {}
    weights: Series = {}
    for step in wiring.steps:
        if not step.label:
            continue
        t = timeline.columns[step.number].step
        for index in step.items:
            slot = wiring.slot[index]
            if slot in wiring.stateful and index in colours.norms:
                states.setdefault(text.clean(timeline.items[index].name or slot[1], 12), {})[t] = colours.norms[index]
        for index, chips in zip(step.items, step.chips, strict=True):
            for position, leaf in chips:
                if (index, position) in colours.edges:
                    points = weights.setdefault(wiring.chip(leaf), {})
                    points[t] = math.hypot(points.get(t, 0.0), colours.edges[index, position])
    if not states:
        raise DrawingError("gradient_flow: no step hands a state on to the next, so no gradient flows through time")
    return states, weights
