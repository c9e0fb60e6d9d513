"""minigrad sweep: seeds × models × settings, many runs at once."""

from __future__ import annotations

import dataclasses
import json
import shlex
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from ..errors import SettingError
from ..experiments import TASKS, Run
from ..experiments.loading import brief
from ..experiments.progress import SweepDisplay, plain_console
from .shared import Scheduler, Workers, app, console, plainly, seeds_of


@app.command()
@plainly
def sweep(
    task: Annotated[str, typer.Argument(metavar="TASK", help=f"{', '.join(TASKS)}, or FILE.py:CLASS")],
    models: Annotated[str, typer.Option(help="with commas; FILE.py:CLASS for one of your own")] = "ntm,lstm",
    seeds: Annotated[str, typer.Option(help="first-last, or with commas")] = "0-4",
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE,…", help="a setting; several values are compared")] = None,
    out: Annotated[Path | None, typer.Option(help="folder of the runs; a second call goes on with them")] = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
) -> None:
    """Train seeds × models × settings in parallel, and say how many learned and how fast."""
    try:
        from ..experiments.sweep import connected, grid, open_runs, standing, train_all
    except ImportError as error:
        raise SettingError(f"sweep needs {error.name}: pip install 'minigrad[sweep]'") from None
    folder = out if out is not None else Path("runs") / f"sweep-{brief(task)}"
    settings = dict(_setting(text) for text in set_ or ())
    runs = open_runs(folder, grid(task, models.split(","), seeds_of(seeds), settings))
    todo = [name for name, run in runs.items() if not standing(run).finished]
    console.print(f"{len(runs)} runs in {folder}, {len(todo)} to train")
    errors: dict[str, str] = {}
    number = 0
    if todo:
        with connected(workers, scheduler) as client, SweepDisplay(console, runs) as display:
            errors, number = train_all(runs, client, display.event)
    tell(folder, runs, errors)
    if number:
        again = ["minigrad", "sweep", task, "--models", models, "--seeds", seeds, *(w for text in set_ or () for w in ("--set", text))]
        console.print(f"Stopped and saved. Go on with:\n  {shlex.join([*again, '--out', str(folder)])}")
        raise typer.Exit(128 + number)
    if errors:
        raise typer.Exit(1)


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise SettingError(f"a setting is written NAME=VALUE or NAME=VALUE,VALUE, got {text!r}")
    if name == "seed":
        raise SettingError("seeds are given by --seeds 0-4")
    return name.replace("-", "_"), value


# ---- what came of it


def tell(folder: Path, runs: dict[str, Run], errors: dict[str, str]) -> None:
    """Print the table and the errors, and write both to results.txt and results.json."""
    from ..experiments.sweep import groups

    found = groups(runs, errors)
    experiment = next(iter(runs.values())).experiment
    measure = experiment.measures[experiment.headline]
    table = Table(title=f"{brief(experiment.config.task)}: learned is past {experiment.config.until:g}", title_justify="left")
    for column in ("model", "learned", "median sequences to threshold", "median seconds", f"median {measure.words}", "guessing", "optimum"):
        table.add_column(column, justify="left" if column == "model" else "right", no_wrap=column == "model")
    first = {name.rpartition("-seed=")[0]: run for name, run in runs.items()}
    for g in found:
        config, base = first[g.name].config, first[g.name].experiment.baselines()
        sequences = f"{g.sequences:,}" if g.sequences is not None else f"more than {config.steps * config.batch:,}"
        failed = f", {g.failed} failed" if g.failed else ""
        last = "" if g.measure is None else measure.number(g.measure)
        beside = [measure.number(base[k]) for k in ("chance", "optimum")]
        table.add_row(g.name, f"{g.learned} of {g.seeds} seeds{failed}", sequences, f"{g.seconds:.0f}", last, *beside)
    with open(folder / "results.txt", "w") as file:
        for target in (console, plain_console(file=file, width=160)):
            target.print(table)
            for name, error in errors.items():
                target.print(f"{name} failed: {error}")
    what = {"groups": [dataclasses.asdict(g) for g in found], "errors": errors, "runs": {n: r.config.as_json() for n, r in runs.items()}}
    (folder / "results.json").write_text(json.dumps(what, indent=1) + "\n")
    console.print(f"Written: {folder}/results.txt, {folder}/results.json")
