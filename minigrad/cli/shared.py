"""What several commands use: the application, the console, options, errors as one message."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import wraps
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import MinigradError, SettingError
from ..experiments import Experiment, Run, span
from ..experiments.config import run_settings
from ..experiments.progress import plain_console
from ..experiments.sample import counted
from ..train import Metrics

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Train, measure and draw networks that remember.")
console = plain_console(soft_wrap=True)

Folder = Annotated[Path, typer.Argument(metavar="RUN", help="the folder of a run", exists=True, file_okay=False)]
Workers = Annotated[int | None, typer.Option(help="processes of one thread each; as many as there are cores", min=1)]
Scheduler = Annotated[str | None, typer.Option(metavar="tcp://HOST:PORT", help="of a Dask cluster that shares the folder")]


def _show_version(wanted: bool) -> None:
    if wanted:
        console.print(f"minigrad {version('minigrad')}")
        raise typer.Exit


@app.callback()
def _options(
    _: Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True, help="show the version and exit")] = False,
) -> None: ...


def plainly(f: Callable[..., Any]) -> Callable[..., Any]:
    """Errors of ours, and files that cannot be read or written, as one message and exit code 1, without a traceback."""

    @wraps(f)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return f(*args, **kwargs)
        except (MinigradError, OSError) as error:
            plain_console(stderr=True, soft_wrap=True).print(f"minigrad: {error}")
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


def told(e: Experiment, found: dict[str, Any], suffix: str = "", **changes: Any) -> str:
    """'0.012 (0.010–0.014) bits, 0.000 wrong; 0 of 1,000 faulty; guessing: 84.000 bits', of an evaluation."""
    parts = [e.words(found, suffix), beside(e, **changes)]
    if f"sequences{suffix}" in found:
        parts.insert(1, f"{counted(found[f'sequences{suffix}'], found.get(f'faulty{suffix}'))} faulty")
    return "; ".join(parts)


def seeds_of(text: str) -> list[int]:
    """'0-4' or '1,5,7' or both."""
    seeds = run_settings()["seed"]
    found = [n for part in text.split(",") for low, high in [_ends(part)] for n in range(seeds.read(low), seeds.read(high) + 1)]
    if not found or len(set(found)) < len(found):
        raise SettingError(f"seeds are written 0-4 or 1,5,7, each once, got {text!r}")
    return found


def _ends(part: str) -> tuple[int, int]:
    try:
        return span(part)
    except ValueError:
        raise SettingError(f"seeds are written 0-4 or 1,5,7, got {part!r}") from None


def draw_run(run: Run, model: Any) -> None:
    """Every picture of a run, written to its folder."""
    from ..experiments.pictures import draw

    with console.status("drawing") if console.is_terminal else nullcontext():
        made = draw(run, model)
    console.print(f"Look at: {run.pictures}/  ({', '.join(p.name for p in made)})")
