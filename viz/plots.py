"""Plots of arrays over time, with matplotlib (the extra `cli`): memory and heads, and gradient norms."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from . import style, text
from .errors import DrawingError
from .parts import MEMORY, is_weighting

GATES = ("g", "gate", "β", "beta", "γ", "gamma", "f", "i", "o", "erase_gate", "alpha", "α")
CLASSES = ("class", "classes", "label", "labels")


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


# ---- memory


@style.plotting()
def memory(trace: Mapping[str, Any], title: str = "", steps: slice | None = None) -> Plot:
    """Plot the values of a memory network (NTM, MANN, DNC): panels below each other, on one time axis.

    trace    name -> array of one example, with time as first axis; the panels stand in this order
             "M", "memory", "links" (T, slots, width)   the memory, one heat map for each of at most 24 steps
             names with w, usage, least, allocation, …   weightings (T, slots) or (T, heads, slots); white is 0
             g, beta, gamma, …                           gates (T,) or (T, heads), as curves
             "class", "label" (T,), whole numbers        a colour for each class
             all other names (T, n)                      values such as inputs, outputs, adds, reads: blue < 0, white 0, red > 0
    steps    a slice of time

    Raises DrawingError for an empty trace, arrays of unequal length, or where matplotlib is missing.
    """
    rows = rows_of(trace, steps)
    heights = [_height(kind, array) for _, kind, array in rows]
    figure, axes = canvas(sum(heights) + 0.9 + 0.06 * len(rows), heights)
    length = len(rows[0][2])
    for axis, (label, kind, array) in zip(axes, rows, strict=True):
        _PANELS[kind](figure, axis, array, label)
        axis.set_ylabel(label + _extent(kind, array), rotation=0, ha="right", va="center", fontsize=9, color=style.TEXT)
        axis.tick_params(labelsize=7, colors=style.MUTED, length=2)
        for side in axis.spines.values():
            side.set_color(style.SPINE)
    start = (steps.start or 0) if steps else 0
    ticks = range(0, length, max(1, length // 20))
    axes[-1].set_xticks(list(ticks), [str(t + start) for t in ticks])
    axes[-1].set_xlim(-0.5, length - 0.5)
    axes[-1].set_xlabel("time step t", fontsize=9, color=style.TEXT)
    if title:
        figure.suptitle(text.clean(title, 80).replace("$", r"\$"), fontsize=11, color=style.TEXT)
    return Plot(figure, title)


def rows_of(trace: Mapping[str, Any], steps: slice | None = None) -> list[tuple[str, str, np.ndarray]]:
    """(label, kind of panel, array) for each panel. Each head has a panel of its own."""
    rows: list[tuple[str, str, np.ndarray]] = []
    length = None
    for name, value in trace.items():
        array = np.asarray(value, dtype=np.float64)
        if array.ndim == 0 or (length is not None and len(array) != length):
            raise DrawingError(f"memory: {text.clean(name)} has shape {array.shape}, expected {length or 'T'} steps as first axis")
        length = len(array)
        array = array[steps] if steps else array
        kind = _kind(str(name), array)
        label = _label(str(name))
        array = array.reshape(length if not steps else len(array), -1) if kind == "curves" else array
        if kind in ("weights", "values") and array.ndim == 3 and array.shape[1] <= 8:
            several = array.shape[1] > 1
            rows += [(f"{label} {h + 1}" if several else label, kind, array[:, h]) for h in range(array.shape[1])]
        else:
            rows.append((label, kind, array if kind == "memory" or array.ndim < 3 else array.reshape(len(array), -1)))
    if not rows or not length:
        raise DrawingError("memory: the trace is empty: record arrays with time as first axis, {'w_read': (T, slots), ...}")
    return rows


def _kind(name: str, array: np.ndarray) -> str:
    stem = name.rpartition(".")[2]
    if stem in MEMORY and array.ndim == 3:
        return "memory"
    if any(stem == g or stem.startswith(g + "_") for g in GATES) and array[0].size <= 4:
        return "curves"
    if stem in CLASSES and array.ndim == 1:
        return "classes"
    if array.ndim == 1:
        return "curves"
    if is_weighting(stem):
        return "weights"
    return "values"


def _label(name: str) -> str:
    words = [text.SIGNS.get(w, w) for w in text.clean(name, 24).replace("$", r"\$").replace(".", "_").split("_")]
    return " ".join(words)


def _extent(kind: str, array: np.ndarray) -> str:
    """The second line of a panel's label: the number of its rows, and what they are."""
    if kind == "memory":
        return f"\n{array.shape[1]} slots × {array.shape[2]}" + (" slots" if array.shape[1] == array.shape[2] else "")
    if array.ndim == 1 or kind == "curves":
        return ""
    return f"\n{array.shape[1]}" + (" slots" if kind == "weights" else "")


def _height(kind: str, array: np.ndarray) -> float:
    if kind == "classes":
        return 0.25
    if kind == "curves":
        return 0.6
    if kind == "memory":
        return min(1.6, 0.5 + 0.05 * array.shape[1])
    return min(1.7, max(0.3, 0.06 * (array.shape[1] if array.ndim > 1 else 1)))


def pooled(array: np.ndarray, height: float, width: float) -> np.ndarray:
    """The array (T, rows) with at most so many rows and steps. Of those that become one, the value farthest from zero stays.

    An image with more rows than pixels would leave out some of them, and with them what they show.
    """
    for axis, most in ((0, width), (1, height)):
        size, kept = array.shape[axis], max(int(min(most, array.shape[axis])), 1)
        if kept < size:
            starts = np.arange(kept) * size // kept
            low, high = (f.reduceat(array, starts, axis=axis) for f in (np.minimum, np.maximum))  # NaN stays NaN
            array = np.where(-low > high, low, high)
    return array


def heat_map(axis: Any, array: np.ndarray, **style: Any) -> Any:
    """Show an array (T, rows) as an image, rows downwards, each value at least a point wide and high; gives the image."""
    length, rows = array.shape
    wide, tall = _points(axis)
    shown = pooled(array, tall, wide)
    extent = (-0.5, length - 0.5, rows - 0.5, -0.5)
    return axis.imshow(np.ma.masked_invalid(shown.T), aspect="auto", interpolation="nearest", origin="upper", extent=extent, **style)


def _points(axis: Any) -> tuple[float, float]:
    """(width, height) of an axis in points, less what the layout may still take for labels."""
    box, (width, height) = axis.get_position(), axis.figure.get_size_inches()
    return 0.8 * 72 * box.width * width, 0.8 * 72 * box.height * height


def _heat(figure: Any, axis: Any, array: np.ndarray, cmap: str, low: float, high: float) -> None:
    from matplotlib import colormaps
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.ticker import MaxNLocator

    found = LinearSegmentedColormap.from_list("fade", ["#FFFFFF", cmap]) if cmap[0] == "#" else colormaps[cmap]
    colours = found.with_extremes(bad=style.NOT_FINITE)
    axis.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    image = heat_map(axis, array, cmap=colours, vmin=low, vmax=high)
    bar = figure.colorbar(image, ax=axis, pad=0.01, fraction=0.025, aspect=12)
    bar.ax.tick_params(labelsize=6, length=2, colors=style.MUTED)
    bar.outline.set_edgecolor(style.SPINE)


def _largest(array: np.ndarray) -> float:
    finite = np.abs(array[np.isfinite(array)])
    return float(finite.max()) if finite.size and finite.max() > 0 else 1.0


def _weights(figure: Any, axis: Any, array: np.ndarray, label: str) -> None:
    _heat(figure, axis, array, "#B8402F" if "write" in label else "#2C6AA6", 0.0, _largest(array))


def _values(figure: Any, axis: Any, array: np.ndarray, label: str) -> None:
    top = _largest(array)
    if not (array < 0).any():
        _heat(figure, axis, array, style.TEXT, 0.0, top)
    else:
        _heat(figure, axis, array, "RdBu_r", -top, top)


def _curves(figure: Any, axis: Any, array: np.ndarray, label: str) -> None:
    columns = array.reshape(len(array), -1)
    for k, column in enumerate(columns.T):
        axis.plot(column, color=style.CYCLE[k % len(style.CYCLE)], lw=1.3, marker=".", ms=3, label=f"head {k + 1}")
        for t in np.flatnonzero(~np.isfinite(column)):
            axis.axvspan(t - 0.5, t + 0.5, color=style.NOT_FINITE)
    if columns.shape[1] > 1:
        axis.legend(fontsize=6, ncols=columns.shape[1], loc="upper right", frameon=False)
    axis.margins(y=0.15)


def _memory(figure: Any, axis: Any, array: np.ndarray, label: str) -> None:
    """Draw the memory at some steps, at most 24, each as a small heat map (slots down, width across) at its place on the time axis."""
    length, slots, _ = array.shape
    stride = max(1, math.ceil(length / 24))
    top = _largest(array)
    tall = _points(axis)[1]
    for t in range(0, length, stride):
        left, right = t - 0.44, t - 0.44 + 0.88 * stride
        axis.imshow(
            np.ma.masked_invalid(pooled(array[t].T, tall, math.inf).T), extent=(left, right, slots - 0.5, -0.5), aspect="auto",
            cmap="RdBu_r", vmin=-top, vmax=top, interpolation="nearest",
        )  # fmt: skip
        axis.plot([left, right, right, left, left], [-0.5, -0.5, slots - 0.5, slots - 0.5, -0.5], color=style.SPINE, lw=0.6)
    axis.set_ylim(slots - 0.5, -0.5)


def _classes(figure: Any, axis: Any, array: np.ndarray, label: str) -> None:
    """Draw a cell for each step, in the colour of its class, with the number of the class where there is room. Negative means no class."""
    for t, value in enumerate(array):
        if value >= 0:
            fill = style.CYCLE[int(value) % len(style.CYCLE)]
            axis.axvspan(t - 0.5, t + 0.5, color=fill, lw=0)
            if len(array) <= 60:
                axis.text(t, 0.5, f"{value:g}", fontsize=6, color=style.ink(fill), ha="center", va="center")
    axis.set_ylim(0, 1)
    axis.set_yticks([])


_PANELS = {"classes": _classes, "weights": _weights, "values": _values, "curves": _curves, "memory": _memory}


# ---- gradient flow


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
            axis.legend(fontsize=8, frameon=False, ncols=max(1, count // 6 + 1))
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
