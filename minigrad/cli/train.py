"""minigrad train: a new run, or one gone on with."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from .. import module
from ..errors import SettingError
from ..experiments import EXTENDABLE, MODELS, TASKS, Config, Run
from ..experiments.config import RENAMED, Setting, model_settings, run_settings, task_settings
from ..experiments.progress import RunDisplay
from ..train import Outcome
from .shared import app, console, draw_run, last_evaluation, plainly, told

train_app = typer.Typer(no_args_is_help=True, help="Train a model on a task.")
app.add_typer(train_app, name="train")


def command(task: str) -> Callable[..., None]:
    """The command that trains on a task, with its settings, those of all models and those of every run as options."""

    @plainly
    def train(model: str | None, out: Path | None, resume: Path | None, pictures: bool, tensorboard: bool, **options: str | None) -> None:
        given = {k: v for k, v in options.items() if v is not None}
        if resume is not None:
            run = _resume(task, resume, {**given, **({"model": model} if model else {}), **({"out": out} if out else {})})
        else:
            config = Config.of(task, model, **given)
            run = Run.create(out if out is not None else _free(config), config)
        _go(run, pictures, tensorboard)

    resumable = ", ".join(f"--{n}" for n in EXTENDABLE)
    options = {
        "model": (str | None, typer.Option(help=f"{', '.join(MODELS)}", show_default=Config.of(task).model), None),
        "out": (Path | None, typer.Option(help="folder of the new run"), None),
        "resume": (Path | None, typer.Option(metavar="RUN", help=f"go on with this run; only {resumable} may be new"), None),
        "pictures": (bool, typer.Option(help="draw when done"), True),
        "tensorboard": (bool, typer.Option("--tensorboard", help="write event files for TensorBoard into the folder"), False),
        **_options(task),
    }
    parameters = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option])
        for name, (kind, option, default) in options.items()
    ]
    train.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    train.__annotations__ = {p.name: p.annotation for p in parameters}
    train.__doc__ = (TASKS[task].__doc__ or "").partition("\n\n")[0]
    return train


def _options(task: str) -> dict[str, Any]:
    """(type, option, default) of every setting."""
    default = Config.of(task)
    found = {s.name: _option(s, s.show(s.default), f"Of {task}") for s in task_settings(task).values()}
    settings: dict[str, Setting] = {}
    values: dict[str, dict[str, list[str]]] = {}  # {setting: {its default: [models]}}
    for model in MODELS:
        given = Config.of(task, model).model_settings
        for setting in model_settings(model).values():
            settings.setdefault(setting.name, setting)
            values.setdefault(setting.name, {}).setdefault(setting.show(given[setting.name]), []).append(model)
    for name, setting in settings.items():
        words = "; ".join(f"{value} for {', '.join(models)}" for value, models in values[name].items())
        found[name] = _option(setting, words, "Of the model")
    return found | {s.name: _option(s, s.show(getattr(default, s.name)), "Of the run") for s in run_settings().values()}


def _option(setting: Setting, default: str, panel: str) -> tuple[Any, Any, None]:
    return str | None, typer.Option(metavar=setting.form, help=setting.help, show_default=default, rich_help_panel=panel), None


for name in TASKS:
    train_app.command(name)(command(name))
for old, name in RENAMED.items():
    train_app.command(old, hidden=True)(command(name))


def _resume(task: str, folder: Path, given: dict[str, Any]) -> Run:
    fixed = sorted(given.keys() - set(EXTENDABLE))
    if fixed:
        raise SettingError(f"--resume takes the settings of the run; leave out --{', --'.join(fixed).replace('_', '-')}")
    run = Run.open(folder, **given)
    if run.config.task != task:
        raise SettingError(f"{folder} is a run on {run.config.task}: minigrad train {run.config.task} --resume {folder}")
    return run


def _free(config: Config) -> Path:
    """runs/copy-ntm-0, or with a number behind where that is taken."""
    name = Path("runs") / f"{config.task}-{config.model}-{config.seed}"
    tries = (name if i == 1 else name.with_name(f"{name.name}-{i}") for i in range(1, 10_000))
    return next(p for p in tries if not p.exists())


def _go(run: Run, pictures: bool, tensorboard: bool) -> None:
    model = run.experiment.model()
    console.print(f"[bold]{run.config.title}[/]: {module.count(model):,} parameters, in {run.folder}")
    with RunDisplay(console, run) as display:
        outcome = run.train(display.event, display.step, tensorboard)
    if outcome.reason == "interrupted":
        console.print(f"Stopped and saved at step {outcome.step:,}. Go on with:\n  minigrad train {run.config.task} --resume {run.folder}")
        raise typer.Exit(128 + outcome.signal)
    _tell(run, outcome)
    if pictures:
        draw_run(run, outcome.model)


def _tell(run: Run, outcome: Outcome) -> None:
    last, c, e = last_evaluation(run), run.config, run.experiment
    how = "Learned" if outcome.reason == "learned" else f"All steps done, {'' if last.get('passed') else 'not '}learned"
    lines = [
        f"[bold]{how}[/] after {outcome.step:,} updates, {outcome.step * c.batch:,} sequences, {last['seconds']:.0f} s:",
        f"  as trained: {told(e, last)}",
    ]
    if e.harder is not None:
        lines.append(f"  harder, {c.words(e.harder)}: {told(e, last, '_harder', **e.harder)}")
    console.print("\n".join(lines))
    if outcome.reason == "steps":
        console.print(f"More: minigrad train {c.task} --resume {run.folder} --steps {2 * outcome.step}")
