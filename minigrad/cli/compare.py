"""minigrad compare: the models side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import SettingError
from ..experiments.progress import SweepDisplay
from .shared import Scheduler, Workers, app, console, plainly, seeds_of


@app.command()
@plainly
def compare(
    out: Annotated[Path, typer.Option(help="folder of the runs and of what comes of them; a second call goes on")] = Path("runs/story"),
    tasks: Annotated[str, typer.Option(help="with commas; FILE.py:CLASS for one of your own")] = "copy,delayed-recall,mqar,glyphs",
    models: Annotated[str, typer.Option(help="with commas; FILE.py:CLASS for one of your own")] = "rnn,lstm,gru,attention,ntm,mann,dnc",
    seeds: Annotated[str, typer.Option(help="first-last, or with commas")] = "0-2",
    quick: Annotated[bool, typer.Option(help="tiny models and tasks, to see that it works")] = False,
    workers: Workers = None,
    scheduler: Scheduler = None,
) -> None:
    """Train the models on four tasks, and measure what each remembers, how far, and what it costs: one table and nine figures."""
    try:
        from ..experiments.compare import study
        from ..experiments.sweep import connected, standing, train_all
    except ImportError as missing:
        raise SettingError(f"compare needs {missing.name}: pip install 'minigrad[sweep]'") from None

    runs = study.runs_of(out, tasks.split(","), models.split(","), seeds_of(seeds), quick)
    todo = {name: run for name, run in runs.items() if not standing(run).finished}
    console.print(f"{len(runs)} runs in {out}, {len(todo)} to train")
    if todo:
        with connected(workers, scheduler) as client, SweepDisplay(console, runs) as display:
            errors, number = train_all(todo, client, display.event)
        for name, error in errors.items():
            console.print(f"{name} failed: {error}", markup=False)
        if number or errors:
            console.print(f"{'Stopped and saved' if number else 'Not all are trained'}: the same command goes on.")
            raise typer.Exit(128 + number if number else 1)
    figures = {}
    for name in study.names_of(runs):
        figures[name] = study.measure(runs, name, quick)
        console.print(f"Look at: {figures[name].write(out)}")
    rows = study.as_markdown(study.table(runs, figures))
    (out / "table.md").write_text(rows)
    console.print(f"{rows}Written: {out / 'table.md'}", markup=False)
