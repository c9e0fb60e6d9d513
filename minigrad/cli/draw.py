"""minigrad draw: the pictures of a run; the graph of a run, of a model, or of what a function in the user's file returns."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import typer

import minigrad as mg

from ..errors import SettingError
from ..experiments import MODELS, Config, Experiment, Run
from ..experiments.config import model_settings
from ..experiments.loading import brief, errors_of, is_target, load
from .shared import app, console, draw_run, plainly

Level = Literal["op", "gate", "cell", "box"]


@app.command()
@plainly
def draw(
    what: Annotated[
        str,
        typer.Argument(
            metavar="MODEL|FILE.py:NAME|RUN",
            help="a model's name, or its class in a file of yours; a function without arguments that returns what to draw: a tensor, "
            "a Graph, a tuple (function, *arguments) or a drawing; or the folder of a run: all its pictures, or with --out or "
            "--format its graph",
        ),
    ],
    out: Annotated[Path | None, typer.Option(help="file to write; by default the name of what is drawn")] = None,
    steps: Annotated[int | None, typer.Option(help="time steps of the graph", min=1)] = None,
    level: Annotated[
        Level | None,
        typer.Option(help="op: every operation; gate: one box a line; cell: as textbooks draw it, by default with --backward; box: a step"),
    ] = None,
    color: Annotated[
        Literal["kind", "grad"] | None, typer.Option(help="grad: by the gradient's norm; by default so after backward()")
    ] = None,
    format: Annotated[Literal["svg", "dot", "png", "pdf"] | None, typer.Option(help="by default that of --out, else svg")] = None,
    rolled: Annotated[bool, typer.Option("--rolled", help="the loop with its delays, and beside it the same unrolled")] = False,
    backward: Annotated[bool, typer.Option("--backward", help="the gradient's graph too, mirrored under the steps")] = False,
) -> None:
    """Draw a graph over time, or a run's pictures anew."""
    from ..viz import Drawing

    drawn: Any
    if Path(what).is_dir():
        run = Run.open(Path(what))
        model = run.restore()[0]
        if out is None and format is None:
            return draw_run(run, model)
        name, drawn = run.folder.name, _of_model(model, steps)
    elif what in MODELS or _is_model(what):
        experiment = Experiment(Config.of("copy", what, bits=2, **_small(what)))
        name, drawn = brief(what), _of_model(experiment.model(), steps)
    else:
        name, drawn = _of_file(what)
    if out is not None and format is not None and out.suffix not in ("", f".{format}"):
        raise SettingError(f"--out {out} and --format {format} are two formats: leave one of them out")
    target = out or Path(name)
    target = target if target.suffix else target.with_suffix(f".{format or 'svg'}")
    drawing = _drawing(drawn, steps, level, color, rolled, backward)
    drawing.save(target) if isinstance(drawing, Drawing) else target.write_bytes(drawing.pipe(target.suffix[1:]))
    console.print(f"Look at: {target}")
    for note in getattr(drawing, "notes", []):
        console.print(note)


def _drawing(what: Any, steps: int | None, level: str | None, color: str | None, rolled: bool, backward: bool) -> Any:
    from .. import viz

    if hasattr(what, "pipe"):
        return what
    what, *args = what if isinstance(what, tuple) else (what,)
    if rolled:
        return viz.rolled(what, *args, level=level or "op", steps=steps or 3)
    return viz.unrolled(what, *args, steps=steps, level=level, color=color, backward=backward)


def _of_model(model: Any, steps: int | None) -> tuple[Any, ...]:
    """A loss of the model's last output, and its arguments: sequences by chance."""
    xs = np.random.default_rng(0).standard_normal((steps or 3, 1, model.inputs), dtype="float32")

    def loss(model: Any, xs: Any) -> Any:
        return mg.mean(model(xs)[-1] ** 2)

    return loss, model, xs


def _is_model(what: str) -> bool:
    """Whether FILE.py:NAME is a model's class."""
    return is_target(what) and isinstance(load(what)[1], type)


def _of_file(what: str) -> tuple[str, Any]:
    """(name, result) of FILE.py:FUNCTION, called without arguments."""
    path, _, name = what.rpartition(":")
    if not path.endswith(".py"):
        known = ", ".join(MODELS)
        raise SettingError(f"{what!r} is neither the folder of a run nor a model ({known}) nor FILE.py:FUNCTION")
    _, f = load(what)
    with errors_of(Path(path)):
        return name, f()


def _small(model: str) -> dict[str, Any]:
    """Settings of a model that can be looked at."""
    return {k: v for k, v in {"hidden": 4, "memory": (6, 3), "heads": 1}.items() if k in model_settings(model)}
