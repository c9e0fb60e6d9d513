"""The story RNN → LSTM → GRU → attention → NTM → MANN → DNC as runs to train, figures to measure, and one table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ... import module
from ...errors import SettingError
from ..config import model_settings, run_settings, task_settings
from ..loading import brief, is_target
from ..run import Run
from ..sweep import Group, grid, groups, open_runs
from . import answering, copying
from .cost import cost
from .figure import Curve, Figure
from .trained import MEMORY, Models, load, state_floats

RUNS = {
    "copy": {"steps": "3000", "hidden": "100", "memory": "64x20", "heads": "1"},
    "delayed-recall": {"steps": "1500", "batch": "16", "hidden": "100", "memory": "32x20", "heads": "1"},
    "mqar": {"steps": "2500", "batch": "16", "hidden": "100", "memory": "32x20", "heads": "1", "strength": "yes"},
    "glyphs": {"steps": "8000"},
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
    "memory_pressure": {"slots": (4, 8), "count": 4},
    "interference": {"sequences": 2, "length": 3, "count": 4},
    "gradient_span": {"count": 4},
    "intervention": {"count": 4},
    "lag": {"lags": (1, 4, 8), "count": 4},
    "mqar": {"pairs": (2, 4), "count": 4},
    "presentations": {"count": 4},
    "cost": {"lengths": (4, 8), "repeats": 1},
}  # of a quick look


class TaskFigure(NamedTuple):
    """A figure of the models that learned a task; of those `models` alone, if that is given."""

    task: str
    figure: Callable[..., Figure]
    models: tuple[str, ...] | None = None

    def takes(self, run: Run) -> bool:
        return run.config.task == self.task and (self.models is None or run.config.model in self.models)


MEASURES = {
    "length_generalisation": TaskFigure("copy", copying.length_generalisation),
    "memory_pressure": TaskFigure("copy", copying.memory_pressure, MEMORY),
    "interference": TaskFigure("copy", copying.interference),
    "gradient_span": TaskFigure("copy", copying.gradient_span),
    "intervention": TaskFigure("copy", copying.intervention, (*MEMORY, "attention")),
    "lag": TaskFigure("delayed-recall", answering.lag_curve),
    "mqar": TaskFigure("mqar", answering.mqar),
    "presentations": TaskFigure("glyphs", answering.presentations),
    "cost": TaskFigure("copy", cost),
}


def runs_of(folder: Path, tasks: Sequence[str], models: Sequence[str], seeds: Sequence[int], quick: bool = False) -> dict[str, Run]:
    """{'copy/ntm-seed=0': its run in the folder} of every task, model and seed. Raises SettingError for a task that is none of RUNS."""
    settings = QUICK if quick else RUNS
    unknown = [task for task in tasks if task not in settings and not is_target(task)]
    if unknown:
        raise SettingError(f"compare has no task {', '.join(unknown)}: take some of {', '.join(settings)}")
    every = {}
    for task in tasks:
        known = {*task_settings(task), *run_settings(), *(s for model in models for s in model_settings(model))}
        of_some = {name: text for name, text in settings.get(task, {}).items() if name in known}
        every.update({f"{brief(task)}/{name}": config for name, config in grid(task, models, seeds, of_some).items()})
    return open_runs(folder, every)


def by_model(runs: Iterable[Run]) -> dict[str, list[Run]]:
    found: dict[str, list[Run]] = {}
    for run in runs:
        found.setdefault(brief(run.config.model), []).append(run)
    return found


def names_of(runs: Mapping[str, Run]) -> list[str]:
    """The figures that these runs are enough for."""
    return [name for name, m in MEASURES.items() if any(map(m.takes, runs.values()))]


def measure(runs: Mapping[str, Run], name: str, quick: bool = False) -> Figure:
    """One figure, from the runs' newest checkpoints."""
    m = MEASURES[name]
    models: Models = {model: load(seeds) for model, seeds in by_model(filter(m.takes, runs.values())).items()}
    return m.figure(models, **(SIZES[name] if quick else {}))


# ---- the table

Rows = dict[str, dict[str, str]]  # {what: {model: its number}}


def table(runs: Mapping[str, Run], figures: Mapping[str, Figure]) -> Rows:
    """The one table: every model's numbers, "–" where it has no such thing."""
    rows: Rows = {}
    for task in dict.fromkeys(run.config.task for run in runs.values()):
        rows |= _training(brief(task), {n: r for n, r in runs.items() if r.config.task == task})
    for words, name, panel, pick in _PICKED:
        if name in figures:
            rows[words] = {model: _short(pick(curve)) for model, curve in figures[name].panels[panel].curves.items()}
    models = next(iter(rows.values()))
    return {words: {model: found.get(model, "–") for model in models} for words, found in rows.items()}


def _training(task: str, runs: Mapping[str, Run]) -> Rows:
    """How training went; for copy also the models' sizes."""
    seeds = by_model(runs.values())
    rows: Rows = {}
    if task == "copy":
        models = {name: each[0].experiment.model() for name, each in seeds.items()}
        length = 2 * next(iter(seeds.values()))[0].config.task_settings["lengths"][1] + 1
        rows["parameters"] = {name: f"{module.count(model):,}" for name, model in models.items()}
        rows[f"state after {length} steps, floats"] = {name: f"{state_floats(model, length):,}" for name, model in models.items()}
    found = {g.name.rpartition("/")[2]: g for g in groups(runs, {})}
    budget = {name: each[0].config.steps * each[0].config.batch for name, each in seeds.items()}
    return rows | {
        f"{task}: seeds that learned": {name: f"{g.learned} of {g.seeds}" for name, g in found.items()},
        f"{task}: sequences to threshold": {name: _threshold(g, budget[name]) for name, g in found.items()},
        f"{task}: seconds of training": {name: f"{g.seconds:.0f}" for name, g in found.items()},
    }


def _threshold(group: Group, budget: int) -> str:
    return f"> {budget:,}" if group.sequences is None else f"{group.sequences:,}"


def _short(number: float) -> str:
    return f"{number:.3g}" if number < 1000 else f"{number:,.0f}"


def first(curve: Curve) -> float:
    return curve[min(curve)]


def last(curve: Curve) -> float:
    return curve[max(curve)]


def peak(curve: Curve) -> float:
    """Where the curve is highest."""
    return max(curve, key=lambda x: curve[x])


def after(x: float) -> Callable[[Curve], float]:
    """The value at the first point that is not before x."""
    return lambda curve: curve[min(n for n in curve if n >= min(x, max(curve)))]


def mean(curve: Curve) -> float:
    return sum(curve.values()) / len(curve)


# what a row is called, its figure and panel, the number of a curve
_PICKED: list[tuple[str, str, int, Callable[[Curve], float]]] = [
    ("copy: wrong bits at length 40, twice the trained, %", "length_generalisation", 0, after(40)),
    ("copy: wrong bits at length 120, %", "length_generalisation", 0, last),
    ("copy: wrong bits with 12 slots for 20 items, %", "memory_pressure", 0, after(12)),
    ("copy: wrong bits in the 8th sequence, memory never wiped, %", "interference", 0, last),
    ("copy: outputs that follow an overwritten slot, %", "intervention", 0, mean),
    ("copy: the gradient is greatest, steps back, before training", "gradient_span", 0, peak),
    ("copy: after training (the answer was read 21 steps back)", "gradient_span", 1, peak),
    ("span@90 of the lag curve, steps", "lag", 0, answering.span),
    ("pairs held at 90 %", "mqar", 0, answering.span),
    ("right at the 1st drawing, %", "presentations", 0, first),
    ("right at the 2nd drawing, %", "presentations", 0, after(2)),
    ("right at the last drawing, %", "presentations", 0, last),
    ("microseconds a step, longest sequence", "cost", 0, last),
    ("bytes held an item, longest sequence", "cost", 1, last),
]


def as_markdown(rows: Rows) -> str:
    models = list(next(iter(rows.values())))
    lines = [["", *models], ["---"] * (len(models) + 1), *([words, *found.values()] for words, found in rows.items())]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
