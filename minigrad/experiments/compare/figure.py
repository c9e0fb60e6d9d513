"""A figure as data: curves, what to compare them with, and how they are drawn; written as JSON beside its SVG."""

from __future__ import annotations

import dataclasses
import io
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...viz import style

COLOURS = {
    "rnn": "#7F7F7F", "lstm": "#3A76B0", "gru": "#17A0B4", "attention": "#4F8F78", "transformer": "#8AA05A", "ntm": "#C4574B",
    "mann": "#C79A1E", "dnc": "#7A4E9E",
}  # fmt: skip

Curve = Mapping[float, float]  # {x: y}


@dataclass(frozen=True)
class Panel:
    """One pair of axes.

    curves     {name: {x: y}}; several runs of one name are already one number
    baselines  {name: y, or {x: y} where it depends on x}, drawn dashed
    trained    (first, last) x that the models were trained on, shaded
    marks      {words: x} of vertical lines
    log        the axes that are logarithmic: "", "x", "y" or "xy"
    bounds     of y
    """

    xlabel: str
    ylabel: str
    curves: Mapping[str, Curve]
    baselines: Mapping[str, float | Curve] = dataclasses.field(default_factory=dict)
    trained: tuple[float, float] | None = None
    marks: Mapping[str, float] = dataclasses.field(default_factory=dict)
    log: str = ""
    bounds: tuple[float, float] | None = None


@dataclass(frozen=True)
class Figure:
    """Panels side by side under a title."""

    name: str
    title: str
    panels: tuple[Panel, ...]

    def write(self, folder: Path) -> Path:
        """name.json, the numbers, and name.svg in the folder; gives the path of the picture."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{self.name}.json").write_text(json.dumps(_rounded(dataclasses.asdict(self)), ensure_ascii=False) + "\n")
        return draw(self, folder / f"{self.name}.svg")

    @classmethod
    def read(cls, path: Path) -> Figure:
        """The figure from its JSON."""
        found = json.loads(path.read_text())
        panels = [Panel(**{**p, "curves": _numbered(p["curves"]), "baselines": _numbered(p["baselines"])}) for p in found["panels"]]
        return cls(found["name"], found["title"], tuple(panels))


def _rounded(value: Any) -> Any:
    """Three digits are enough to draw by."""
    if isinstance(value, float):
        return float(f"{value:.3g}") if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {f"{k:g}" if isinstance(k, (int, float)) else k: _rounded(v) for k, v in value.items()}
    return [_rounded(v) for v in value] if isinstance(value, (list, tuple)) else value


def _numbered(curves: Mapping[str, Any]) -> dict[str, Any]:
    """Curves with numbers as keys again, which JSON makes words."""
    return {name: {float(x): y for x, y in c.items()} if isinstance(c, Mapping) else c for name, c in curves.items()}


def draw(figure: Figure, path: Path) -> Path:
    """The figure as SVG: one legend for all panels, colours by model."""
    from matplotlib.figure import Figure as Canvas

    with style.plotting(text="none"):
        canvas = Canvas(figsize=(1.2 + 3.6 * len(figure.panels), 3.1), layout="constrained")
        axes = canvas.subplots(1, len(figure.panels), squeeze=False)[0]
        for axis, panel in zip(axes, figure.panels, strict=True):
            _panel(axis, panel)
        found = {label: handle for axis in axes for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)}
        canvas.legend(found.values(), found.keys(), loc="outside right center", fontsize=8, frameon=False)
        canvas.suptitle(figure.title, fontsize=10, x=0.01, ha="left")
        text = io.StringIO()
        canvas.savefig(text, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    path.write_text(re.sub(r"(?m)^ +|(?<=\.\d)\d+", "", text.getvalue()))  # no indents; a tenth of a point is as fine as anyone sees
    return path


def _panel(axis: Any, panel: Panel) -> None:
    if panel.trained is not None:
        axis.axvspan(*panel.trained, color="#EEF2E6", lw=0, label="trained")
    for label, x in panel.marks.items():
        axis.axvline(x, color=style.SPINE, lw=1, label=label)
    for number, (label, y) in enumerate(panel.baselines.items()):
        line = {"color": "k", "lw": 1, "ls": ("--", ":", "-.")[number % 3], "label": label}
        if isinstance(y, Mapping):
            axis.plot(*zip(*sorted(y.items()), strict=True), **line)
        else:
            axis.axhline(y, **line)
    for name, curve in panel.curves.items():
        axis.plot(*zip(*sorted(curve.items()), strict=True), color=COLOURS.get(name), lw=1.4, marker="o", ms=2.5, label=name)
    axis.set(xlabel=panel.xlabel, ylabel=panel.ylabel)
    if "x" in panel.log:
        axis.set_xscale("log", base=2)
        axis.xaxis.set_major_formatter("{x:g}")
    if "y" in panel.log:
        axis.set_yscale("log")
    if panel.bounds is not None:
        axis.set_ylim(*panel.bounds)
    axis.grid(True, axis="y", color=style.GRID, lw=0.5)
    axis.set_axisbelow(True)
