"""The story table: what came after the memory networks, each model on the task that it is known by, beside what is published.

A row is trained in a folder of its own; runs and measurements that are there already are not made again.
"""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...errors import SettingError
from ...models.tasks.draw import Range
from ...models.tasks.metrics import Measure, measure
from ..config import Config, model_settings, run_settings, task_settings
from ..run import Run
from ..sweep import open_runs
from .sparse import QUICK_SLOTS, SLOTS, STEPS, costs
from .story_rows import ROWS, Entry, Row
from .trained import state_floats

SEQUENCES = 1000  # of each point
QUICK: dict[str, Any] = {
    "steps": 4, "evaluate_every": 4, "batch": 2, "hidden": 8, "memory": (8, 4), "layers": 1, "cells": 8,
    "keys": 3, "lengths": 4, "length": 8, "distance": 1, "pairs": 2,
}  # fmt: skip
SPARSE = len(ROWS) + 1  # the number of the row that is not trained
PUBLISHED = "with 1M words 12 s for the NTM and 7 ms for SAM with an index; 100 steps with 64k words 29 GiB and 7.8 MiB"


def rows_of(text: str) -> list[int]:
    """'1-3,8' as numbers of rows. Raises SettingError for one that there is not."""
    found = re.fullmatch(r"\d+(-\d+)?(,\d+(-\d+)?)*", text)
    parts = [[int(n) for n in part.split("-")] for part in text.split(",")] if found else []
    numbers = [n for part in parts for n in range(part[0], part[-1] + 1)]
    if not numbers or not set(numbers) <= set(range(1, SPARSE + 1)):
        raise SettingError(f"rows are written 1-3,8 and go from 1 to {SPARSE}, got {text!r}")
    return list(dict.fromkeys(numbers))


def models_of(text: str, numbers: Iterable[int]) -> list[str]:
    """'rnn,deltanet' as names of models. Raises SettingError for one that is in none of these rows."""
    known = {entry.model for n in numbers if n != SPARSE for entry in ROWS[n - 1].entries}
    found = [name for name in text.split(",") if name]
    for name in found:
        if name not in known:
            raise SettingError(f"model {name!r} is in none of these rows: take one of {', '.join(sorted(known)) or 'other rows'}")
    return found


def folder_of(entry: Entry) -> str:
    """The name as it stands in that of a folder."""
    words = entry.name.replace("−1, 1]", "reflecting").lower()
    return re.sub(r"[^a-z0-9]+", "-", words).strip("-")


def runs_of(folder: Path, number: int, seeds: Sequence[int], models: Sequence[str] = (), quick: bool = False) -> dict[str, Run]:
    """{'1-parity/lstm-seed=0': its run} of every model in a row, or of those named."""
    row = ROWS[number - 1]
    every = {
        f"{number}-{row.name}/{folder_of(entry)}-seed={seed}": config_of(row, entry, seed, quick)
        for entry in row.entries if not models or entry.model in models for seed in seeds
    }  # fmt: skip
    return open_runs(folder, every)


def config_of(row: Row, entry: Entry, seed: int, quick: bool = False) -> Config:
    """The settings of a run: the row's as far as the model has them, and its own."""
    known = {*task_settings(row.task), *model_settings(entry.model), *run_settings()}
    shared = {k: v for k, v in row.settings.items() if k in known}
    small = {k: v for k, v in QUICK.items() if k in known} if quick else {}
    return Config.of(row.task, entry.model, **{**shared, **entry.settings, **small}, seed=seed)


def measured(run: Run, row: Row, at_test: Mapping[str, Any] = {}, quick: bool = False) -> dict[str, float]:
    """{point: the mean of the row's measure}, of fresh sequences by the newest checkpoint; kept in the run's folder.

    at_test   attributes of the model that are others than in training
    """
    kept, step = run.folder / "points.json", max(run.checkpoints.steps())
    found = json.loads(kept.read_text()) if kept.exists() else {}
    if (found.get("step"), found.get("at_test", {})) != (step, dict(at_test)):
        found = {"step": step, **({"at_test": dict(at_test)} if at_test else {})}
    model = None
    for words, changes in row.points.items():
        if words not in found:
            model = _changed(run.restore()[0], at_test) if model is None else model
            small = {k: v for k, v in QUICK.items() if k in changes} if quick else {}
            sample = run.experiment.measure(model, 10 if quick else SEQUENCES, 2**62, **{**changes, **small})
            found[words] = sample.means[row.measure]
    kept.write_text(json.dumps(found) + "\n")
    return {words: found[words] for words in row.points}


def _changed(model: Any, attributes: Mapping[str, Any]) -> Any:
    for name, value in attributes.items():
        setattr(model, name, value)
    return model


# ---- the table


def section(number: int, runs: Mapping[str, Run], quick: bool = False) -> str:
    """A row as Markdown: each model's published number, ours as median and range over seeds, what was expected and what came out."""
    row = ROWS[number - 1]
    form, place = measure(row.measure), f"{number}-{row.name}/"
    lines = []
    for entry in row.entries:
        seeds = [run for name, run in runs.items() if name.rpartition("-seed=")[0] == place + folder_of(entry)]
        if seeds:
            lines.append(_line(row, entry, form, seeds, [measured(run, row, entry.at_test, quick) for run in seeds]))
    head = ["", "state", "published", *row.points, "learned", "expected", "found"]
    decides = [*row.points][-1]
    about = [
        f"## {number}. {row.title}",
        f"{form.label}; learned: {form.number(row.bar)}, failed: {form.number(row.fail)} or worse, at {decides}. Published: {row.source}.",
    ]
    return "\n\n".join([*about, as_table(head, lines)])


def _line(row: Row, entry: Entry, form: Measure, seeds: Sequence[Run], found: Sequence[Mapping[str, float]]) -> list[str]:
    bar = row.bar if entry.bar is None else entry.bar
    decisive = [f[[*row.points][-1]] for f in found]
    learned = sum(_past(value, bar, form) for value in decisive)
    outcome = verdict(statistics.median(decisive), bar, row.fail, form)
    expected = {True: "learns", False: "fails", None: "–"}[entry.expected]
    return [
        entry.name,
        f"{_state(seeds[0]):,}",
        "–" if entry.published is None else form.number(entry.published),
        *(spread([f[words] for f in found], form) for words in row.points),
        f"{learned} of {len(seeds)}",
        expected,
        outcome if outcome == expected or entry.expected is None else f"**{outcome}**",
    ]


def _state(run: Run) -> int:
    """Numbers that the model carries after the longest trained sequence."""
    ranges = {k: v[1] for k, v in run.config.task_settings.items() if run.config.setting(k).kind == Range}
    e = run.experiment
    return state_floats(e.model(), len(e.batch(e.keys.pictures, 0, 1, **ranges)[0]))


def _past(value: float, bar: float, form: Measure) -> bool:
    return value >= bar if form.rises else value <= bar


def verdict(value: float, bar: float, fail: float, form: Measure) -> str:
    """learns, fails, or neither."""
    if _past(value, bar, form):
        return "learns"
    return "neither" if _past(value, fail, form) and value != fail else "fails"


def spread(values: Sequence[float], form: Measure) -> str:
    """'0.98 (0.95–1.00)': the median, and the range of several."""
    low, middle, high = (form.number(v) for v in (min(values), statistics.median(values), max(values)))
    return middle if len(values) == 1 else f"{middle} ({low.rstrip('%')}–{high})"


def sparse_section(out: Path, quick: bool = False) -> str:
    """The row that is measured alone: what dense and sparse memories cost."""
    steps = 4 if quick else STEPS
    found = costs(out / f"{SPARSE}-sparse" / "costs.json", QUICK_SLOTS if quick else SLOTS, steps)
    lines = []
    for slots, each in found.items():
        dense, sparse = each["NTM"], each["SAM"]
        ratios = f"{dense.milliseconds / sparse.milliseconds:.1f}", f"{dense.bytes / sparse.bytes:.1f}"
        numbers = (f"{dense.milliseconds:.3f}", f"{sparse.milliseconds:.3f}", ratios[0], f"{dense.bytes:,}", f"{sparse.bytes:,}", ratios[1])
        lines.append([f"{slots:,}", *numbers])
    head = ["slots", "NTM, ms a step", "SAM, ms", "ratio", "NTM, bytes", "SAM, bytes", "ratio"]
    about = f"Forward and backward, {steps} steps of one sequence, words of 32, processor time. Published (Rae et al. 2016): {PUBLISHED}."
    return "\n\n".join([f"## {SPARSE}. What a step costs by the number of slots", about, as_table(head, lines)])


def as_table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Markdown."""
    rule = ["---"] + ["---:"] * (len(head) - 1)
    return "".join(f"| {' | '.join(line)} |\n" for line in (head, rule, *lines))


def write(out: Path, sections: Mapping[int, str]) -> Path:
    """table.md in the folder, with these rows and those that other calls left there, in order."""
    kept = out / "table.md"
    old = re.split(r"(?m)^(?=## \d+\. )", kept.read_text()) if kept.exists() else []
    found: dict[int, Any] = {int(part[3 : part.index(".")]): part for part in old if part.startswith("## ")}
    found.update(sections)
    kept.write_text("\n".join(found[n].rstrip("\n") + "\n" for n in sorted(found)))
    return kept
