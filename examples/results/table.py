"""The table and the picture of many runs of one setting.

python examples/results/table.py OUT RUN… --threshold 0.05 --vary lengths=10,20,40

Every run is a row: its seed, the sequences until an evaluation (100 fresh ones) first was past the threshold, sequences and seconds of the
whole training, and the task's measures over fresh sequences, as trained and with one setting varied; last, how many of these sequences
have a fault. Then the medians over seeds, the least and the greatest.
Written to OUT/table.txt and OUT/curves.svg.
"""

from __future__ import annotations

import argparse
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from minigrad.experiments import Run
from minigrad.experiments.compare.trained import MEMORY, with_slots
from minigrad.train import Metrics

START = 2**41  # of the fresh sequences, after those of all evaluations
NOT_COMPARED = ("seed", "until", "evaluate_every", "lr_steps")


def evaluations(run: Run) -> list[dict[str, Any]]:
    """{"sequences seen", "seconds", and the measures} of each."""
    events = [e for e in Metrics.read(run.metrics) if "evaluation" in e]
    return [{"seen": e["step"] * run.config.batch, "seconds": e["seconds"], **e["evaluation"]} for e in events]


def grouped(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Runs of one setting together, named by their model and by what differs between any two of the runs."""
    flat = [{k: v for k, v in run.config.flat.items() if k not in NOT_COMPARED} for run in runs]
    differs = {k for f in flat for k in f if len({g[k] for g in flat if k in g}) > 1}
    groups: dict[str, list[Run]] = {}
    for run, settings in zip(runs, flat, strict=True):
        words = run.config.words({k: v for k, v in settings.items() if k in differs})
        groups.setdefault(", ".join([run.config.model, *([words] if words else [])]), []).append(run)
    return groups


def row(run: Run, threshold: float, changes: Sequence[dict[str, Any]], sequences: int, slots: int) -> list[list[float]]:
    """[seed], [sequences to the threshold], [seen], [seconds], the measures after each change, and after the last one in so many slots."""
    e, found = run.experiment, evaluations(run)
    rises = e.measures[e.headline].rises
    past = [f["seen"] for f in found if (f[e.headline] > threshold) == rises]
    model, _ = run.restore()
    samples = [e.measure(model, sequences, START, **c) for c in changes]
    if slots:
        samples.append(e.measure(with_slots(model, slots), sequences, START, **changes[-1]))
    measured = [[*s.means.values(), *([] if s.faulty is None else [s.faulty])] for s in samples]
    return [[run.config.seed], [min(past, default=np.inf)], [found[-1]["seen"]], [found[-1]["seconds"]], *measured]


def shown(cells: Sequence[Sequence[float]]) -> list[str]:
    """Each cell as text; a threshold never reached is a dash."""
    return [" / ".join("—" if v == np.inf else f"{v:,.0f}" if i < 4 else f"{v:.3g}" for v in c) for i, c in enumerate(cells)]


def table(label: str, runs: Sequence[Run], threshold: float, vary: str, values: Sequence[str], sequences: int, slots: int) -> str:
    """As text, with the medians; numbers of measures are 'first / second' over so many fresh sequences each."""
    e = runs[0].experiment
    changes = [{}, *({vary: runs[0].config.setting(vary).read(v)} for v in values)]
    heads = ["seed", f"to {threshold:g}", "seen", "seconds", "as trained", *(f"{vary} {v}" for v in values)]
    slots = slots if runs[0].config.model in MEMORY else 0
    heads += [f"{heads[-1]}, {slots} slots"] if slots else []
    rows = [row(run, threshold, changes, sequences, slots) for run in runs]
    cells = [heads, *map(shown, rows)]
    for name, middle in (("median", np.median), ("least", np.min), ("greatest", np.max)):
        column_by_column = [[float(middle(v)) for v in zip(*column, strict=True)] for column in zip(*rows, strict=True)]
        cells.append([name, *shown(column_by_column)[1:]])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(c.rjust(w) for c, w in zip(r, widths, strict=True)) for r in cells]
    base = ", ".join(f"{k} {v:g}" for k, v in e.baselines().items())
    measures = " / ".join([*(m.words for m in e.measures.values()), "sequences with a fault"])
    told = f"{measures}, over {sequences:,} fresh ones; {base} {e.measures[e.headline].words}"
    return "\n".join([label, runs[0].config.title, told, *lines])


def curves(groups: dict[str, list[Run]], threshold: float, path: Path) -> None:
    """The first measure on fresh sequences against sequences seen: each group's median over seeds, and the band between the extremes."""
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "minigrad", "path.simplify_threshold": 1.0})
    figure = Figure(figsize=(6.5, 3.6), layout="constrained")
    axis = figure.subplots()
    for label, runs in groups.items():
        e, found = runs[0].experiment, [evaluations(run) for run in runs]
        seen = sorted({f["seen"] for run in found for f in run})
        held = np.array([np.interp(seen, [f["seen"] for f in run], [max(f[e.headline], 1e-3) for f in run]) for run in found])
        x = np.array(seen) / 1000
        (line,) = axis.plot(
            x, np.median(held, 0), ".-", ms=2, lw=1.2, label=f"{label}: median of {len(runs)} seeds" if len(runs) > 1 else label
        )
        axis.fill_between(x, held.min(0), held.max(0), color=line.get_color(), alpha=0.2, lw=0)
    base = e.baselines()
    for name, style in (("chance", "--"), ("optimum", "-.")):
        if base[name]:
            axis.axhline(base[name], color="k", ls=style, lw=0.8, label=f"{name}, {base[name]:.3g}")
    axis.axhline(threshold, color="k", ls=":", lw=0.8, label=f"threshold, {threshold:g}")
    axis.set(yscale="log", xlabel="sequences seen (thousands)", ylabel=e.measures[e.headline].label, title=e.config.task)
    axis.minorticks_off()
    figure.legend(loc="outside lower center", ncols=2, fontsize=7)
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata=dict.fromkeys(["Date", "Creator", "Format", "Type"]))
    path.write_text(re.sub(r"(\d\.\d)\d{3,}", r"\1", text.getvalue()))  # a tenth of a point is enough: half the bytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("runs", type=Path, nargs="+", help="folders of runs; those of one setting are one group")
    parser.add_argument("--threshold", type=float, required=True, help="of the task's first measure")
    parser.add_argument("--vary", default="", metavar="NAME=VALUE,…")
    parser.add_argument("--slots", type=int, default=0, help="measure the last value once more in a memory of so many slots")
    parser.add_argument("--sequences", type=int, default=1000)
    given = parser.parse_args()
    vary, _, values = given.vary.partition("=")
    groups = grouped([Run.open(folder) for folder in given.runs])
    given.out.mkdir(parents=True, exist_ok=True)
    varied = [v for v in values.split(",") if v]
    text = "\n\n".join(table(label, runs, given.threshold, vary, varied, given.sequences, given.slots) for label, runs in groups.items())
    (given.out / "table.txt").write_text(text + "\n")
    curves(groups, given.threshold, given.out / "curves.svg")
    print(text)


if __name__ == "__main__":
    main()
