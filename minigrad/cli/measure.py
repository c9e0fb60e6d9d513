"""minigrad eval and minigrad info: how well a run does."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from .. import module
from ..errors import SettingError
from ..experiments import Experiment, Run
from ..experiments.config import task_settings
from ..experiments.loading import brief
from ..experiments.sample import counted
from .shared import Folder, app, console, last_evaluation, plainly, told


@app.command("eval", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
@plainly
def evaluate(
    context: typer.Context,
    folder: Folder,
    sequences: Annotated[int, typer.Option(help="fresh sequences of each setting", min=1)] = 100,
) -> None:
    """Measure a trained model on fresh sequences, as trained and beyond: means, with the interval of 95 %, and sequences with a fault.

    Any setting of the task may take other values, with commas: minigrad eval RUN --lengths 10,20,40
    """
    run = Run.open(folder)
    model, step = run.restore()
    e, rows = run.experiment, _wanted(run.experiment, context.args)
    first = e.measures[e.headline]
    title = f"{run.folder} at step {step:,}, trained with {run.config.words(run.config.task_settings)}"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    more = [m.words for m in e.measures.values() if m is not first]
    for column in ("", *rows[0], first.words, "95 %", *more, "faulty", "guessing", "optimum"):
        table.add_column(column, justify="right" if column else "left", overflow="fold")
    start = 2**63 + step * 2**16
    for changes in rows:
        settings, base = [run.config.setting(k).show(v) for k, v in changes.items()], e.baselines(**changes)
        each = {
            brief(run.config.model): e.measure(model, sequences, start, **changes),
            "nearest neighbour": e.nearest(sequences, start, **changes),
        }
        for name, found in each.items():
            if found is not None:
                costs = [m.number(found.means[k]) for k, m in e.measures.items()]
                costs.insert(1, first.between(*found.intervals[e.headline]))
                beside = [counted(found.sequences, found.faulty), *(first.number(base[k]) for k in ("chance", "optimum"))]
                table.add_row(name, *settings, *costs, *beside)
    console.print(table)


def _wanted(e: Experiment, given: list[str]) -> list[dict[str, Any]]:
    """The settings to measure at: those given, or as trained, harder, and harder still."""
    if given:
        known = task_settings(e.config.task)
        names = [name.removeprefix("--").replace("-", "_") for name in given[::2]]
        unknown = [n for n in names if n not in known]
        if unknown or len(given) % 2:
            raise SettingError(f"eval takes settings of {e.config.task}, as --{next(iter(known))} 10,20: {', '.join(known)}; got {given}")
        values = [[known[n].read(v) for v in text.split(",")] for n, text in zip(names, given[1::2], strict=True)]
        return [dict(zip(names, point, strict=True)) for point in product(*values)]
    if e.harder is None:
        return [{}]
    still = e.task.harder(**{**e.config.task_settings, **e.harder})
    rows = [{k: e.config.task_settings[k] for k in e.harder}, e.harder, still]
    return [row for i, row in enumerate(rows) if row not in rows[:i]]


@app.command()
@plainly
def info(folder: Folder) -> None:
    """What a run is, how far it is, and how well it does."""
    run = Run.open(folder)
    c, e = run.config, run.experiment
    table = Table(show_header=False, title=str(run.folder))
    for name, value in {"task": c.task, "model": c.model, **{f"SHA-256 of {Path(f).name}": d for f, d in c.sources.items()}}.items():
        table.add_row(name, value)
    for name, value in c.flat.items():
        table.add_row(name, c.setting(name).show(value))
    table.add_row("parameters", f"{module.count(e.model()):,}")
    table.add_row("checkpoints at steps", ", ".join(f"{s:,}" for s in run.checkpoints.steps()) or "none yet")
    last = last_evaluation(run)
    if last:
        table.add_row("trained for", f"{last['seconds']:.0f} s")
        table.add_row(f"at step {last['step']:,}", told(e, last))
        if e.harder is not None:
            table.add_row(f"at {c.words(e.harder)}", told(e, last, "_harder", **e.harder))
    console.print(table)
