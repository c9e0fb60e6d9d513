"""The story RNN → LSTM → GRU → attention → NTM → MANN → DNC as runs to train, figures to measure, and one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import module
from ..experiments import Run
from ..sweep import Group, grid, groups, open_runs
from . import answering, copying
from .cost import cost
from .figure import Curve, Figure
from .trained import Models, load, state_floats

RUNS = {
    "copy": {"steps": "3000", "hidden": "100", "memory": "64x20", "heads": "1"},
    "delayed-recall": {"steps": "1500", "batch": "16", "hidden": "100", "memory": "32x20", "heads": "1"},
    "mqar": {"steps": "2500", "batch": "16", "hidden": "100", "memory": "32x20", "heads": "1", "strength": "yes"},
    "glyphs": {
        "steps": "1500", "easy": "600", "lr": "3e-3", "schedule": "cosine", "warmup": "100", "clip_norm": "10", "evaluate_every": "500",
        "memory": "32x40", "heads": "1", "strength": "yes", "size": "14", "hidden": "150",
    },
}  # fmt: skip
_SMALL = {"steps": "10", "evaluate_every": "10", "batch": "4", "hidden": "6", "memory": "8x4", "heads": "1"}
QUICK = {
    "copy": {**_SMALL, "lengths": "1-4", "bits": "2"},
    "delayed-recall": {**_SMALL, "lag": "1-4"},
    "mqar": {**_SMALL, "pairs": "2-3", "words": "8"},
    "glyphs": {**_SMALL, "ways": "2", "shots": "3", "size": "8"},
}
SIZES: dict[str, dict[str, Any]] = {
    "length_generalisation": {"lengths": (2, 4, 8), "count": 4},
    "memory_pressure": {"slots": (2, 4, 8), "count": 4},
    "interference": {"sequences": 2, "length": 3, "count": 4},
    "gradient_span": {"count": 4},
    "intervention": {"count": 4},
    "lag": {"lags": (1, 4, 8), "count": 4},
    "mqar": {"pairs": (2, 4), "count": 4},
    "presentations": {"count": 4},
    "cost": {"lengths": (4, 8), "repeats": 1},
}  # of a quick look
MEASURES: dict[str, tuple[str, Callable[..., Figure]]] = {
    "length_generalisation": ("copy", copying.length_generalisation),
    "memory_pressure": ("copy", copying.memory_pressure),
    "interference": ("copy", copying.interference),
    "gradient_span": ("copy", copying.gradient_span),
    "intervention": ("copy", copying.intervention),
    "lag": ("delayed-recall", answering.lag_curve),
    "mqar": ("mqar", answering.mqar),
    "presentations": ("glyphs", answering.presentations),
}


def runs_of(folder: Path, models: Sequence[str], seeds: Sequence[int], quick: bool = False) -> dict[str, Run]:
    """{'copy/ntm-seed=0': its run in the folder} of every task, model and seed."""
    every = {
        f"{task}/{name}": config
        for task, settings in (QUICK if quick else RUNS).items()
        for name, config in grid(task, models, seeds, settings).items()
    }
    return open_runs(folder, every)


def by_model(runs: Mapping[str, Run], task: str) -> dict[str, list[Run]]:
    found: dict[str, list[Run]] = {}
    for run in runs.values():
        if run.config.task == task:
            found.setdefault(run.config.model, []).append(run)
    return found


def measure(runs: Mapping[str, Run], name: str, quick: bool = False) -> Figure:
    """One figure, from the runs' newest checkpoints."""
    sizes = SIZES[name] if quick else {}
    if name == "cost":
        return cost({model: seeds[0].experiment.model() for model, seeds in by_model(runs, "copy").items()}, **sizes)
    task, measured = MEASURES[name]
    models: Models = {model: load(seeds) for model, seeds in by_model(runs, task).items()}
    return measured(models, **sizes)


# ---- the table

Rows = dict[str, dict[str, str]]  # {what: {model: its number}}


def table(runs: Mapping[str, Run], figures: Mapping[str, Figure]) -> Rows:
    """The one table: every model's numbers, "–" where it has no such thing."""
    copied = by_model(runs, "copy")
    length = next(iter(copied.values()))[0].config.task_settings["lengths"][1]
    models = {name: seeds[0].experiment.model() for name, seeds in copied.items()}
    stand = {g.name.rpartition("/")[2]: g for g in groups({n: r for n, r in runs.items() if r.config.task == "copy"}, {})}
    budget = {name: seeds[0].config.steps * seeds[0].config.batch for name, seeds in copied.items()}
    rows: Rows = {
        "parameters": {name: f"{module.count(model):,}" for name, model in models.items()},
        "state, floats": {name: f"{state_floats(model, 2 * length + 1):,}" for name, model in models.items()},
        "copy: learned": {name: f"{g.learned} of {g.seeds}" for name, g in stand.items()},
        "copy: sequences to threshold": {name: _threshold(g, budget[name]) for name, g in stand.items()},
        "copy: seconds of training": {name: f"{g.seconds:.0f}" for name, g in stand.items()},
    }
    for words, name, panel, pick in _picked(length):
        rows[words] = {model: f"{pick(curve):.3g}" for model, curve in figures[name].panels[panel].curves.items()}
    return {words: {model: found.get(model, "–") for model in models} for words, found in rows.items()}


def _threshold(group: Group, budget: int) -> str:
    return f"> {budget:,}" if group.sequences is None else f"{group.sequences:,}"


def _picked(length: int) -> list[tuple[str, str, int, Callable[[Curve], float]]]:
    """(what a row is called, its figure and panel, the number of a curve)."""
    return [
        (f"copy: wrong bits at length {2 * length}, %", "length_generalisation", 0, lambda c: c[2 * length]),
        (
            "copy: wrong bits with a slot for every other item, %",
            "memory_pressure",
            0,
            lambda c: c[min(c, key=lambda n: abs(n - length / 2))],
        ),
        ("copy: wrong bits, memory never wiped, %", "interference", 0, last),
        ("copy: outputs that follow an overwritten slot, %", "intervention", 0, lambda c: sum(c.values()) / len(c)),
        ("gradient span before training, steps", "gradient_span", 0, reach),
        ("gradient span after training, steps", "gradient_span", 1, reach),
        ("span@90 of the lag curve, steps", "lag", 0, answering.span),
        ("pairs held at 90 %", "mqar", 0, answering.span),
        ("right at the 2nd drawing, %", "presentations", 0, lambda c: c[2]),
        ("right at the last drawing, %", "presentations", 0, last),
        ("microseconds a step, longest sequence", "cost", 0, last),
        ("bytes held an item, longest sequence", "cost", 1, last),
    ]


def last(curve: Curve) -> float:
    return curve[max(curve)]


def reach(curve: Curve) -> float:
    """The gradient span: the farthest k at which the norm is at least a hundredth of its greatest."""
    return max(k for k, norm in curve.items() if norm >= max(curve.values()) / 100)


def as_markdown(rows: Rows) -> str:
    models = list(next(iter(rows.values())))
    lines = [["", *models], ["---"] * (len(models) + 1), *([words, *found.values()] for words, found in rows.items())]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
