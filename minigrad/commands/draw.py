"""minigrad draw: the pictures of a run, or a model's unrolled graph."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from ..config import model_settings
from ..experiments import MODELS, Config, ConfigError, Experiment, Run
from .shared import app, console, plainly


@app.command()
@plainly
def draw(
    what: Annotated[str, typer.Argument(metavar="RUN|MODEL", help="the folder of a run, or a model's name")],
    out: Annotated[Path, typer.Option(help="file for a model's drawing (.svg .dot .png .pdf)")] = Path("unrolled.svg"),
    steps: Annotated[int, typer.Option(help="time steps of a model's drawing", min=1)] = 3,
    level: Annotated[str, typer.Option(help="op: every operation; cell: one box a step")] = "op",
) -> None:
    """Draw a run's pictures anew, or the unrolled graph of an untrained model."""
    from ..pictures import unrolled

    if what in MODELS:
        experiment = Experiment(Config.of("copy", what, bits=2, **_small(what)))
        console.print(f"Look at: {unrolled(experiment, experiment.model(), out, steps, level)}")
        return
    if not Path(what).is_dir():
        raise ConfigError(f"{what!r} is neither the folder of a run nor a model: {', '.join(MODELS)}")
    run = Run.open(Path(what))
    draw_run(run, run.restore()[0])


def _small(model: str) -> dict[str, Any]:
    """Settings of a model that can be looked at."""
    return {k: v for k, v in {"hidden": 4, "memory": (6, 3), "heads": 1}.items() if k in model_settings(model)}


def draw_run(run: Run, model: Any) -> None:
    """Every picture of a run, written to its folder."""
    from ..pictures import draw

    with console.status("drawing") if console.is_terminal else nullcontext():
        made = draw(run, model)
    console.print(f"Look at: {run.pictures}/  ({', '.join(p.name for p in made)})")
