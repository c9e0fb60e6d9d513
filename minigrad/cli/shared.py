"""What every command uses: the application, the console, and errors as one message."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from ..errors import MinigradError
from ..experiments import Experiment, Run
from ..train import Metrics

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Train, measure and draw networks that remember.")
console = Console(highlight=False, soft_wrap=True)

Folder = Annotated[Path, typer.Argument(metavar="RUN", help="the folder of a run", exists=True, file_okay=False)]


def plainly(f: Callable[..., Any]) -> Callable[..., Any]:
    """Errors of ours as one message and exit code 1, without a traceback."""

    @wraps(f)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return f(*args, **kwargs)
        except MinigradError as error:
            Console(stderr=True, highlight=False, soft_wrap=True).print(f"minigrad: {error}", markup=False)
            raise typer.Exit(1) from None

    return wrapped


def last_evaluation(run: Run) -> dict[str, Any]:
    """The last evaluation, with its step and seconds, or {}."""
    events = [e for e in Metrics.read(run.metrics) if "evaluation" in e]
    return {**events[-1].pop("evaluation"), **events[-1]} if events else {}


def beside(e: Experiment, **changes: Any) -> str:
    """'guessing: 195.000 bits, optimum: 128.400 bits'; the optimum only where it is not plain."""
    first, base = e.measures[e.headline], e.baselines(**changes)
    return f"guessing: {first.show(base['chance'])}" + (f", optimum: {first.show(base['optimum'])}" if base["optimum"] % 1 else "")
