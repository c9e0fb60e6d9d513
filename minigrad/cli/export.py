"""minigrad export: a trained model as a file for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from ..experiments import Run
from ..experiments.exported import FORMS, compare, form_of, write
from .shared import Folder, app, console, plainly

CLOSE = 1e-4  # of the largest output; more is no rounding


@app.command()
@plainly
def export(
    folder: Folder,
    to: Annotated[str, typer.Option(metavar="|".join(FORMS), help="; ".join(f"{name}: {f.words}" for name, f in FORMS.items()))] = "onnx",
    out: Annotated[Path | None, typer.Option(help="the file; by default model.onnx, or with another ending, in the run's folder")] = None,
) -> None:
    """Write a trained model as a file that other programs run, and compare its outputs with the model's on fresh sequences.

    The file takes sequences of any length and any number of them. Exit code 1 says that the outputs differ.
    """
    run = Run.open(folder)
    model, step = run.restore()
    path = out or run.folder / f"model.{form_of(to).ending}"
    program = write(run.experiment, model, path, to)
    console.print(f"{path}: {run.config.title} after {step:,} updates, {path.stat().st_size:,} bytes")
    rows = compare(run.experiment, model, program)
    table = Table("fresh sequences", "steps", "largest output", "largest difference")
    for row in rows:
        table.add_row(f"{row.sequences} of {row.settings}", f"{row.steps}", f"{row.largest:.3g}", f"{row.difference:.1e}")
    console.print(table)
    if not all(row.relative < CLOSE for row in rows):
        console.print(f"The file's outputs differ from the model's by more than {CLOSE:g} of the largest.")
        raise typer.Exit(1)
