"""The table and the picture of one-shot runs: how often the k-th drawing of a character never seen in training is named.

python examples/results/one_shot.py OUT RUN…

Each run's model is asked about the alphabets kept for its test, as they were drawn and moved about as in training, over fresh episodes.
Written to OUT/table.txt, OUT/presentations.svg and OUT/learning.svg; a run is called by its folder's name.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from minigrad.models.tasks import glyphs

import minigrad as mg
from minigrad.experiments import Run
from minigrad.train import Metrics

START = 2**41  # of the fresh episodes, after those of all evaluations
LARGEST = 100  # episodes at once
SHOWN = (1, 2, 3, 4, 5, 10)
PAPER = {  # Santoro et al. 2016, all of Omniglot: {classes: {model: per cent}}
    5: {  # table 1, one-hot labels
        "human": (34.5, 57.3, 70.1, 71.8, 81.4, 92.4),
        "feedforward": (24.4, 19.6, 21.1, 19.9, 22.8, 19.5),
        "lstm": (24.4, 49.5, 55.3, 61.0, 63.6, 62.5),
        "mann": (36.4, 82.8, 91.0, 92.6, 94.9, 98.1),
    },
    15: {  # table 2, labels of five letters
        "lstm": (0.0, 2.2, 2.9, 4.3, 5.6, 12.7),
        "mann": (0.1, 62.6, 79.3, 86.6, 88.7, 95.3),
    },
}


def accuracies(run: Run, model: Any, episodes: int, **changes: Any) -> tuple[np.ndarray, np.ndarray]:
    """(shots,) per cent right at each presentation, of the model and of the nearest neighbour by pixels."""
    e, shots = run.experiment, run.config.task_settings["shots"]
    forward, right, seen = mg.jit(lambda model, xs: model(xs)), np.zeros((2, shots)), np.zeros(shots)
    for n in range(episodes // LARGEST):
        inputs, targets, _ = e.batch(e.keys.evaluation, START + n, LARGEST, split="test", **changes)
        nth = glyphs.presentation(targets).numpy()
        seen += np.bincount(nth.ravel() - 1, minlength=shots)
        for row, said in enumerate((forward(model, inputs).numpy(), glyphs.nearest(inputs, targets))):
            hit = (said.reshape(targets.shape).argmax(-1) == targets.argmax(-1)).reshape(*nth.shape, -1).all(-1)
            right[row] += np.bincount(nth[hit] - 1, minlength=shots)
    model_right, nearest_right = 100 * right / seen
    return model_right, nearest_right


def line(name: str, values: Any) -> str:
    return f"{name:<44}" + "".join(f"{v:7.1f}" for v in values)


def table(runs: list[Run], episodes: int) -> tuple[str, dict[str, np.ndarray]]:
    """As text, and {name: per cent right at every presentation} of the drawings as drawn."""
    lines = [f"{'per cent right at presentation':<44}" + "".join(f"{k:7}" for k in SHOWN)]
    lines += [line(f"{name}, published", values) for name, values in PAPER[runs[0].config.task_settings["ways"]].items()]
    curves: dict[str, np.ndarray] = {}
    for run in runs:
        model, step = run.restore()
        c, seconds = run.config, Metrics.read(run.metrics)[-1]["seconds"]
        known = "synthetic" if not c.task_settings["data"] else "drawn by people"
        lines += ["", f"{run.folder.name}, {known}: {step:,} updates, {step * c.batch:,} episodes, seed {c.seed}, {seconds:.0f} s"]
        lines.append(
            "  " + c.words({**c.model_settings, **{k: getattr(c, k) for k in ("lr", "schedule", "warmup", "encoder_after", "clip_norm")}})
        )
        for how, changes in (("as drawn", glyphs.harder()), ("moved about", {})):
            found, nearest = accuracies(run, model, episodes, **{k: v for k, v in changes.items() if k != "split"})
            lines += [line(f"{run.folder.name}, {how}", found[[k - 1 for k in SHOWN]])]
            lines += [line(f"nearest neighbour, {how}", nearest[[k - 1 for k in SHOWN]])]
            if how == "as drawn":
                curves[run.folder.name], curves[f"nearest neighbour, {known}"] = found, nearest
    lines += [
        "",
        f"The first is guessed: {first_guess(runs[0]):.3g} at best. {episodes:,} fresh episodes of the test alphabets for each row.",
    ]
    return "\n".join(lines) + "\n", curves


def first_guess(run: Run) -> float:
    """Per cent right at a class's first drawing when guessing among the labels that are left; a string is hardly ever guessed."""
    settings = run.config.task_settings
    return 100 * (glyphs.first_guess(settings["ways"]) if settings["labels"] == "one-hot" else run.experiment.baselines()["chance"])


def presentations(curves: dict[str, np.ndarray], run: Run, path: Path) -> None:
    """Accuracy on new alphabets by presentation, with the published one, chance and the ideal first guess."""
    figure, axis = _figure()
    for name, values in curves.items():
        axis.plot(range(1, len(values) + 1), values, "--" if name.startswith("nearest") else "-", lw=1.2, label=name)
    axis.plot(SHOWN, PAPER[run.config.task_settings["ways"]]["mann"], "k+", ms=5, label="mann, published (all of Omniglot)")
    for level, style, name in ((first_guess(run), ":", "ideal first guess"), (100 * run.experiment.baselines()["chance"], "--", "chance")):
        axis.axhline(level, color="0.4", ls=style, lw=0.8, label=name)
    axis.set(xlabel="presentation of the class", ylabel="right (%)", title="new alphabets, as drawn", ylim=(0, 100), xticks=SHOWN)
    _save(figure, axis, path)


def learning(runs: list[Run], k: int, path: Path) -> None:
    """Accuracy on new alphabets at the k-th presentation against episodes seen."""
    figure, axis = _figure()
    for run in runs:
        found = [e for e in Metrics.read(run.metrics) if "evaluation" in e]
        seen = [e["step"] * run.config.batch / 1000 for e in found]
        axis.plot(seen, [100 * e["evaluation"][f"accuracy@{k}_harder"] for e in found], lw=1.2, label=run.folder.name)
    axis.set(xlabel="episodes seen (thousands)", ylabel="right (%)", title=f"new alphabets, presentation {k}", ylim=(0, 100))
    _save(figure, axis, path)


def _figure() -> tuple[Figure, Any]:
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "minigrad", "path.simplify_threshold": 1.0})
    figure = Figure(figsize=(5.5, 3.8), layout="constrained")
    return figure, figure.subplots()


def _save(figure: Figure, axis: Any, path: Path) -> None:
    axis.legend(fontsize=6)
    figure.savefig(path, format="svg", metadata={"Date": None, "Creator": "minigrad"})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("runs", type=Path, nargs="+", help="folders of runs on glyphs")
    parser.add_argument("--episodes", type=int, default=1000)
    given = parser.parse_args()
    runs = [Run.open(folder) for folder in given.runs]
    given.out.mkdir(parents=True, exist_ok=True)
    text, curves = table(runs, given.episodes)
    (given.out / "table.txt").write_text(text)
    presentations(curves, runs[0], given.out / "presentations.svg")
    learning(runs, 5, given.out / "learning.svg")
    print(text)


if __name__ == "__main__":
    main()
