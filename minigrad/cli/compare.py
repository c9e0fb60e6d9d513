"""minigrad compare: the models side by side."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer

from ..errors import SettingError
from ..experiments.progress import SweepDisplay
from ..experiments.run import Run
from .shared import Scheduler, Workers, app, console, plainly, seeds_of

compare_app = typer.Typer()
app.add_typer(compare_app, name="compare")


@compare_app.callback(invoke_without_command=True)
@plainly
def compare(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="folder of the runs and of what comes of them; a second call goes on")] = Path("runs/story"),
    tasks: Annotated[str, typer.Option(help="with commas; FILE.py:CLASS for one of your own")] = "copy,delayed-recall,mqar,glyphs",
    models: Annotated[str, typer.Option(help="with commas; FILE.py:CLASS for one of your own")] = "rnn,lstm,gru,attention,ntm,mann,dnc",
    seeds: Annotated[str, typer.Option(help="first-last, or with commas")] = "0-2",
    quick: Annotated[bool, typer.Option(help="tiny models and tasks, to see that it works")] = False,
    workers: Workers = None,
    scheduler: Scheduler = None,
) -> None:
    """Train the models on four tasks, and measure what each remembers, how far, and what it costs: one table and nine figures."""
    if context.invoked_subcommand is not None:
        _refuse_options_before(context)
        return
    study = _imported("study")
    runs = study.runs_of(out, tasks.split(","), models.split(","), seeds_of(seeds), quick)
    _train(runs, out, workers, scheduler)
    figures = {}
    for name in study.names_of(runs):
        figures[name] = study.measure(runs, name, quick)
        console.print(f"Look at: {figures[name].write(out)}")
    rows = study.as_markdown(study.table(runs, figures))
    (out / "table.md").write_text(rows)
    console.print(f"{rows}Written: {out / 'table.md'}")


@compare_app.command()
@plainly
def story(
    rows: Annotated[str, typer.Option(help="which, as 1-3,8")] = "1-8",
    models: Annotated[str, typer.Option(help="of these rows, as minigrad train names them, with commas: deltanet; without it all")] = "",
    out: Annotated[Path, typer.Option(help="folder of the runs and of the table; a second call goes on")] = Path("runs/story-table"),
    seeds: Annotated[str, typer.Option(help="first-last, or with commas")] = "0-2",
    quick: Annotated[bool, typer.Option(help="tiny models and tasks, to see that it works")] = False,
    workers: Workers = None,
    scheduler: Scheduler = None,
) -> None:
    """What came after the memory networks, each on the task that it is known by: published numbers beside ours, failures beside what
    theory expects.

    Rows: 1 parity, 2 words of a group, 3 key reassignment, 4 reverse and duplicate strings, 5 selective copying, 6 who is "he", 7 recall
    of more pairs than a state has room for, 8 what a sparse memory costs.
    """
    table = _imported("story")
    numbers = table.rows_of(rows)
    chosen = table.models_of(models, numbers)
    runs = {n: table.runs_of(out, n, seeds_of(seeds), chosen, quick) for n in numbers if n != table.SPARSE}
    _train({name: run for each in runs.values() for name, run in each.items()}, out, workers, scheduler)
    sections = {n: table.section(n, runs[n], quick) if n in runs else table.sparse_section(out, quick) for n in numbers}
    path = table.write(out, sections)
    console.print("\n".join(sections.values()))
    console.print(f"Written: {path}")


def _imported(name: str) -> ModuleType:
    """A module of minigrad.experiments.compare, which takes an extra."""
    try:
        return import_module(f"minigrad.experiments.compare.{name}")
    except ImportError as missing:
        raise SettingError(f"compare needs {missing.name}: pip install 'minigrad[sweep]'") from None


def _refuse_options_before(context: typer.Context) -> None:
    """Options that stand before the name of a command are of the figures, not of that command."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    given = [f"--{name}" for name, source in sources.items() if source is not None and source.name != "DEFAULT"]
    if given:
        raise SettingError(f"{', '.join(given)} must stand behind {context.invoked_subcommand}")


def _train(runs: Mapping[str, Run], out: Path, workers: int | None, scheduler: str | None) -> None:
    """Train what is not finished. Exits where that was stopped, or failed."""
    from ..experiments.sweep import connected, standing, train_all

    todo = {name: run for name, run in runs.items() if not standing(run).finished}
    console.print(f"{len(runs)} runs in {out}, {len(todo)} to train")
    if not todo:
        return
    with connected(workers, scheduler) as client, SweepDisplay(console, dict(runs)) as display:
        errors, number = train_all(todo, client, display.event)
    for name, error in errors.items():
        console.print(f"{name} failed: {error}")
    if number or errors:
        console.print(f"{'Stopped and saved' if number else 'Not all are trained'}: the same command goes on.")
        raise typer.Exit(128 + number if number else 1)
