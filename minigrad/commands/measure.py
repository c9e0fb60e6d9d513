"""minigrad eval and minigrad info: how well a run does."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from .. import module
from ..experiments import ConfigError, Run, span
from .shared import Folder, app, console, last_evaluation, plainly


@app.command("eval")
@plainly
def evaluate(
    folder: Folder,
    lengths: Annotated[str, typer.Option(help="lengths to measure, with commas")] = "",
    sequences: Annotated[int, typer.Option(help="fresh sequences of each length", min=1)] = 100,
) -> None:
    """Measure a trained model on fresh sequences, at trained lengths and beyond."""
    run = Run.open(folder)
    model, step = run.restore()
    longest = run.config.lengths[1]
    wanted = [n for part in lengths.split(",") for n in [span(part)[0]]] if lengths else [longest, 2 * longest, 4 * longest]
    table = Table(title=f"{run.folder} at step {step:,}")
    for column in ("length", "bits a sequence", "guessing", "wrong bits", "wrong %"):
        table.add_column(column, justify="right")
    for n in wanted:
        if n < 1:
            raise ConfigError(f"a length must be at least 1, got {n}")
        found = run.experiment.measure(model, (n, n), sequences, start=2**63 + step * 2**16)
        total = run.experiment.task.chance(n, run.config.bits)
        cells = [f"{found['bits']:.3f}", f"{total:g}", f"{found['wrong']:.2f}", f"{100 * found['wrong'] / total:.2f}"]
        table.add_row(f"{n}" if n <= longest else f"{n} (never trained)", *cells)
    console.print(table)


@app.command()
@plainly
def info(folder: Folder) -> None:
    """What a run is, how far it is, and how well it does."""
    run = Run.open(folder)
    table = Table(show_header=False, title=str(run.folder))
    for name, value in run.config.as_json().items():
        table.add_row(
            name, "–".join(map(str, value)) if name == "lengths" else "×".join(map(str, value)) if name == "memory" else f"{value}"
        )
    model = run.experiment.model()
    table.add_row("parameters", f"{module.count(model):,}")
    table.add_row("checkpoints at steps", ", ".join(f"{s:,}" for s in run.checkpoints.steps()) or "none yet")
    last = last_evaluation(run)
    if last:
        table.add_row("trained for", f"{last['seconds']:.0f} s")
        table.add_row(f"at step {last['step']:,}", f"{last['bits']:.3f} bits a sequence, guessing costs {run.experiment.chance:g}")
        table.add_row(f"at length {last['length_twice']}", f"{last['bits_twice']:.3f} bits, {last['wrong_twice']:.2f} wrong")
    console.print(table)
