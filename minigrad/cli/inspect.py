"""minigrad inspect: a trained model at work, as an interactive page."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import SettingError
from ..experiments import Experiment, Run
from ..experiments.config import task_settings
from ..experiments.loading import brief
from .shared import Folder, app, console, plainly

LENGTHS = ("lengths", "length", "items", "pairs", "delay", "lag", "distance")  # what tasks call the length of a sequence


@app.command()
@plainly
def inspect(
    folder: Folder,
    length: Annotated[int | None, typer.Option(help="of the sequence, in the task's own measure; by default the longest trained")] = None,
    out: Annotated[Path | None, typer.Option(help="the file; by default page.html in the run's folder")] = None,
    browser: Annotated[bool, typer.Option("--open/--no-open", help="open the page in the browser")] = True,
) -> None:
    """Write a page of a trained model on one fresh sequence: graph, gradients, memory and states under one cursor."""
    run = Run.open(folder)
    model, step = run.restore()
    with console.status("drawing"):
        page = page_of(run.experiment, model, step, length)
        path = page.save(out or run.folder / "page.html")
    for note in page.notes:
        console.print(f"Note: {note}")
    console.print(f"Look at: {path}")
    if browser:
        webbrowser.open(path.resolve().as_uri())


def page_of(experiment: Experiment, model: Any, step: int, length: int | None = None) -> Any:
    """The page of one fresh sequence. Raises SettingError for a length that the task has not."""
    from ..experiments.pictures import example
    from ..viz import page

    inputs, targets, mask = example(experiment, **_changes(experiment, length))
    shown = {"input": inputs, "output": experiment.given(model, inputs, targets), "target": targets}

    def loss(model: Any, xs: Any) -> Any:
        return experiment.task.loss(model(xs), targets, mask)

    config, steps = experiment.config, len(inputs)
    panels = {name: v[:, 0].reshape(steps, -1) if v.ndim > 3 else v[:, 0] for name, v in shown.items() if v.ndim > 1 and len(v) == steps}
    return page(loss, model, inputs, panels=panels, title=f"{brief(config.model)} on {brief(config.task)} after {step:,} updates")


def _changes(experiment: Experiment, length: int | None) -> dict[str, Any]:
    if length is None:
        return {}
    known = task_settings(experiment.config.task)
    name = next((n for n in LENGTHS if n in known), None)
    if name is None:
        raise SettingError(f"{experiment.config.task} has no setting for a length: leave --length out; it has {', '.join(known)}")
    return {name: length}
