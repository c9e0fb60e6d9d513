"""Small SVG plots: ratios, and growth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

COLOURS = {
    "minigrad": "#c0392b",
    "jax": "#2471a3",
    "torch": "#d68910",
    "torch.nn": "#7d6608",
    "torch.compile": "#6c3483",
    "pytensor": "#1e8449",
    "autograd": "#717d7e",
}
STYLE: Any = {"font.size": 8, "axes.spines.top": False, "axes.spines.right": False, "svg.fonttype": "none", "svg.hashsalt": "minigrad"}


def draw(results: dict[str, Any], folder: Path) -> list[Path]:
    made = []
    with plt.rc_context(STYLE):
        if "steps" in results:
            made.append(save(steps(results["steps"]), folder / "steps.svg"))
        if "growth" in results:
            made.append(save(growth(results["growth"]), folder / "growth.svg"))
        if "large" in results:
            made.append(save(large(results["large"]), folder / "large.svg"))
    return made


def save(figure: Any, path: Path) -> Path:
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)
    return path


def steps(rows: list[dict[str, Any]]) -> Any:
    """Each contestant's time over minigrad's, with the bar to reach."""
    figure, axes = plt.subplots(figsize=(6, 0.32 * len(rows) + 0.8))
    seen: set[str] = set()
    for y, row in enumerate(reversed(rows)):
        ours = row["times"]["minigrad"]["median"]
        axes.plot([row["bar"]] * 2, [y - 0.3, y + 0.3], color="#888", lw=1.5, label=None if seen else "bar for the best peer")
        for name, t in row["times"].items():
            label = None if name in seen else name
            seen.add(name)
            axes.plot(t["median"] / ours, y, "o", ms=5, color=COLOURS.get(name), label=label)
            axes.plot([t["p10"] / ours, t["p90"] / ours], [y, y], color=COLOURS.get(name), lw=1)
    axes.set(xscale="log", yticks=range(len(rows)), yticklabels=[r["work"] for r in reversed(rows)], xlabel="time ÷ minigrad's")
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def growth(found: dict[str, Any]) -> Any:
    sweeps, kept = found["times"], found["memory"]["bytes"]
    figure, axes = plt.subplots(1, len(sweeps) + 1, figsize=(2.3 * len(sweeps) + 2.3, 2.6), layout="constrained")
    for a, (axis, sweep) in zip(axes, sweeps.items(), strict=False):
        for name, t in sweep["seconds"].items():
            sizes = list(map(int, t))
            label = f"{name}, {axis}^{sweep['exponent'][name]:.2f}"
            a.plot(sizes, [1e3 * v for v in t.values()], "o-", ms=3, lw=1, color=COLOURS.get(name), label=label)
        a.set(xscale="log", yscale="log", xlabel=axis, title=sweep["title"])
        label_sizes(a, sizes)
        legend(a)
    axes[0].set_ylabel("ms a step")
    for name, style in (("all kept", "o-"), ("checkpoints", "s--")):
        label = f"{name}, T^{found['memory']['exponent'][name]:.2f}"
        axes[-1].plot(list(map(int, kept[name])), [v / 2**20 for v in kept[name].values()], style, ms=3, lw=1, color="#c0392b", label=label)
    axes[-1].set(xscale="log", yscale="log", xlabel="T", title="NTM, B = 1: working MB")
    label_sizes(axes[-1], list(map(int, kept["all kept"])))
    legend(axes[-1])
    return figure


def large(found: dict[str, Any]) -> Any:
    """Times of a step, and below them the time that its working memory takes to be moved once."""
    figure, axes = plt.subplots(1, len(found["sweeps"]), figsize=(3 * len(found["sweeps"]), 2.8), layout="constrained")
    for a, (axis, sweep) in zip(axes, found["sweeps"].items(), strict=True):
        for name, t in sweep["seconds"].items():
            label = f"{name}, {axis}^{sweep['exponent'][name]:.2f}"
            a.plot(list(map(int, t)), [1e3 * v for v in t.values()], "o-", ms=3, lw=1, color=COLOURS.get(name), label=label)
        sizes = list(map(int, sweep["moved"]))
        a.plot(sizes, [1e3 * v for v in sweep["moved"].values()], "--", lw=1, color="#888", label="minigrad's memory moved once")
        a.set(xscale="log", yscale="log", xlabel=axis, title=sweep["title"])
        label_sizes(a, sizes)
        legend(a)
    axes[0].set_ylabel("ms a step")
    return figure


def label_sizes(axes: Any, sizes: list[int]) -> None:
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.minorticks_off()


def legend(axes: Any) -> None:
    """Below the axes, where no line is."""
    axes.legend(frameon=False, fontsize=6, loc="upper center", bbox_to_anchor=(0.5, -0.22))
