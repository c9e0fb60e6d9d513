"""minigrad check: the gradient of a function or model in a file of the user's."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

import typer
from rich.table import Table

from ..errors import SettingError
from ..experiments.loading import load
from ..module import Module
from .shared import app, console, plainly


@app.command()
@plainly
def check(
    target: Annotated[str, typer.Argument(metavar="FILE.py:FUNCTION", help="a function, or a model (its parameters are checked too)")],
    order: Annotated[int, typer.Option(help="2: the gradient's gradient as well", min=1, max=2)] = 2,
    dtype: Annotated[Literal["float64", "float32"], typer.Option(help="float32: the gradient in float32 as well")] = "float64",
    key: Annotated[int, typer.Option(help="seed of the random direction and cotangent", min=0)] = 0,
) -> None:
    """Compare a gradient with the derivative, element by element; exit code 1 where it is wrong.

    The arguments are what the file's function inputs() returns (a tuple), or else FUNCTION's own defaults.
    Of several results a random weighted sum is differentiated.
    """
    from ..testing import GradientError, check_grads

    try:
        f, args, names = _load(target)
    except SettingError as error:
        raise typer.BadParameter(str(error)) from None  # exit code 2: 1 says that the gradient is wrong
    report, problem = None, ""
    try:
        report = check_grads(f, *args, order=order, dtype=dtype, key=key, full=True)
    except GradientError as error:
        report, problem = error.report, str(error)
    if report is not None:
        console.print(_table(report.leaves, names))
    if report is None or problem:
        console.print(problem)
        raise typer.Exit(1)
    at_kinks = f", {report.kinks} of them at kinks or jumps" if report.kinks else ""
    console.print(f"{target}: right in {report.elements:,} elements{at_kinks}, at order {' and '.join('12'[:order])}")


def _load(target: str) -> tuple[Callable[..., Any], Sequence[Any], list[str]]:
    """(function, arguments, their names). Raises SettingError where the file, the function or its arguments are not there."""
    module, f = load(target)
    name = target.rpartition(":")[2]
    args = _arguments(module, name, f)
    names = list(inspect.signature(f).parameters)
    return (lambda f, *args: f(*args), (f, *args), [name, *names]) if isinstance(f, Module) else (f, args, names)


def _arguments(module: Any, name: str, f: Callable[..., Any]) -> Sequence[Any]:
    if hasattr(module, "inputs"):
        found = module.inputs()
        return found if isinstance(found, tuple) else (found,)
    parameters = inspect.signature(f).parameters.values()
    missing = [p.name for p in parameters if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if missing:
        raise SettingError(f"{name} needs {', '.join(missing)}: give them defaults, or write a function inputs() that returns all of them")
    return [p.default for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]


def _table(leaves: Sequence[Any], names: Sequence[str]) -> Table:
    """A row for each leaf: its worst element."""
    table = Table("argument", "worst at", "derivative", "gradient", "error", "verdict")
    for leaf in leaves:
        path = re.sub(r"^args\[(\d+)\]", lambda m: names[int(m[1])] if int(m[1]) < len(names) else m[0], leaf.path)
        if not leaf.gradient.size:
            table.add_row(path, "", "", "", "", leaf.verdict)
            continue
        at = leaf.worst
        numbers = (f"{leaf.derivative[at]:.8g}", f"{leaf.gradient[at]:.8g}", f"{leaf.distance[at]:.1e}")
        table.add_row(path, ", ".join(map(str, at)), *numbers, leaf.verdict, style="red" if leaf.wrong.any() else None)
    return table
