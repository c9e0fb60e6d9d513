"""minigrad train: a new run, or one gone on with."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Callable
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text
from typer.core import TyperGroup

from .. import module
from ..errors import SettingError
from ..experiments import EXTENDABLE, MODELS, TASKS, Config, Run
from ..experiments.config import RENAMED, Setting, model_settings, run_settings, task_of, task_settings
from ..experiments.loading import absolute, brief
from ..experiments.progress import trained
from ..train import Outcome
from .shared import app, console, draw_run, last_evaluation, plainly, told


class Tasks(TyperGroup):
    """The commands of all tasks, each made when it is asked for: with the options of the model that `--model` names."""

    def list_commands(self, _: Any) -> list[str]:
        return list(TASKS)

    def get_command(self, _: Any, name: str) -> Any:
        return _made(name, None) if name in TASKS else None

    def parse_args(self, context: Any, args: list[str]) -> list[str]:
        """`--task TASK` is the same as TASK."""
        task = _value(args, "--task")
        if task is not None:
            at = next(i for i, word in enumerate(args) if word.startswith("--task"))
            args = [task, *args[:at], *args[at + (1 if "=" in args[at] else 2) :]]
        return super().parse_args(context, args)

    def resolve_command(self, context: Any, args: list[str]) -> Any:
        name = RENAMED.get(args[0], args[0])
        return name, _made(name, _value(args, "--model")), args[1:]


def _value(args: list[str], option: str) -> str | None:
    """What stands behind an option among the words of a command."""
    for word, after in zip_longest(args, args[1:]):
        if word == option:
            return after
        if word.startswith(f"{option}="):
            return word.partition("=")[2]
    return None


@plainly
def _made(task: str, model: str | None) -> Any:
    """The command of a task, for a model."""
    single = typer.Typer(add_completion=False)
    single.command(task)(command(task, model))
    return typer.main.get_command(single)


train_app = typer.Typer(cls=Tasks, no_args_is_help=True, help="Train a model on a task, one of these or FILE.py:CLASS of your own.")
train_app.callback()(lambda: None)
app.add_typer(train_app, name="train")


def command(task: str, model: str | None = None) -> Callable[..., None]:
    """The command that trains on a task, with its settings, those of a model (by default the task's usual one) and those of every run."""
    default = Config.of(task, model)

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
        "model": (str | None, typer.Option(help=f"{', '.join(MODELS)}, or FILE.py:CLASS", show_default=Config.of(task).model), None),
        "out": (Path | None, typer.Option(help="folder of the new run"), None),
        "resume": (Path | None, typer.Option(metavar="RUN", help=f"go on with this run; only {resumable} may be new"), None),
        "pictures": (bool, typer.Option(help="draw when done"), True),
        "tensorboard": (bool, typer.Option("--tensorboard", help="write event files for TensorBoard into the folder"), False),
        **_options(default),
    }
    parameters = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option])
        for name, (kind, option, default) in options.items()
    ]
    train.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    train.__annotations__ = {p.name: p.annotation for p in parameters}
    train.__doc__ = (task_of(task).__doc__ or "").partition("\n\n")[0]
    return train


def _options(c: Config) -> dict[str, Any]:
    """(type, option, default) of every setting. Those of other models are not shown: Config.of refuses them by name."""
    parts = [
        (f"Of {brief(c.task)}", task_settings(c.task), c.task_settings),
        (f"Of {brief(c.model)}", model_settings(c.model), c.model_settings),
        ("Of the run", run_settings(), c.flat),
    ]
    others = {name: (str | None, typer.Option(hidden=True), None) for model in MODELS for name in model_settings(model)}
    return others | {s.name: _option(s, s.show(values[s.name]), panel) for panel, known, values in parts for s in known.values()}


def _option(setting: Setting, default: str, panel: str) -> tuple[Any, Any, None]:
    return str | None, typer.Option(metavar=setting.form, help=setting.help, show_default=default, rich_help_panel=panel), None


def _resume(task: str, folder: Path, given: dict[str, Any]) -> Run:
    fixed = sorted(given.keys() - set(EXTENDABLE))
    if fixed:
        raise SettingError(f"--resume takes the settings of the run; leave out --{', --'.join(fixed).replace('_', '-')}")
    run = Run.open(folder, **given)
    if run.config.task != absolute(task):
        raise SettingError(f"{folder} is a run on {run.config.task}: {_again(run)}")
    return run


def _again(run: Run) -> str:
    """The command that goes on with a run, for a shell."""
    return shlex.join(["minigrad", "train", run.config.task, "--resume", str(run.folder)])


def _free(config: Config) -> Path:
    """runs/copy-ntm-0, or with a number behind where that is taken."""
    name = Path("runs") / f"{brief(config.task)}-{brief(config.model)}-{config.seed}"
    tries = (name if i == 1 else name.with_name(f"{name.name}-{i}") for i in range(1, 10_000))
    return next(p for p in tries if not p.exists())


def _go(run: Run, pictures: bool, tensorboard: bool) -> None:
    model = run.experiment.model()
    console.print(Text(run.config.title, "bold") + f": {module.count(model):,} parameters, in {run.folder}")
    outcome = trained(run, console, tensorboard)
    if outcome.reason == "interrupted":
        console.print(f"Stopped and saved at step {outcome.step:,}. Go on with:\n  {_again(run)}")
        raise typer.Exit(128 + outcome.signal)
    _tell(run, outcome)
    if pictures:
        draw_run(run, outcome.model)


def _tell(run: Run, outcome: Outcome) -> None:
    last, c, e = last_evaluation(run), run.config, run.experiment
    how = "Learned" if outcome.reason == "learned" else f"All steps done, {'' if last.get('passed') else 'not '}learned"
    lines = [
        Text(how, "bold") + f" after {outcome.step:,} updates, {outcome.step * c.batch:,} sequences, {last['seconds']:.0f} s:",
        f"  as trained: {told(e, last)}",
    ]
    if e.harder is not None:
        lines.append(f"  harder, {c.words(e.harder)}: {told(e, last, '_harder', **e.harder)}")
    console.print(*lines, sep="\n")
    if outcome.reason == "steps":
        console.print(f"More: {_again(run)} --steps {2 * outcome.step}")
