"""minigrad train: a new run, or one gone on with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .. import module
from ..experiments import EXTENDABLE, Config, ConfigError, Experiment, Run, size, span
from ..progress import Display
from ..train import Outcome
from .draw import draw_run
from .shared import app, console, last_evaluation, plainly

train_app = typer.Typer(no_args_is_help=True, help="Train a model on a task.")
app.add_typer(train_app, name="train")
DEFAULT = Config()


@train_app.command("copy")
@plainly
def train_copy(
    context: typer.Context,
    model: Annotated[str, typer.Option(help="ntm, lstm or rnn")] = DEFAULT.model,
    controller: Annotated[str, typer.Option(help="of the NTM: lstm or ff")] = DEFAULT.controller,
    hidden: Annotated[int, typer.Option(help="units")] = DEFAULT.hidden,
    memory: Annotated[str, typer.Option(help="of the NTM: slots x width")] = "{}x{}".format(*DEFAULT.memory),
    heads: Annotated[int, typer.Option(help="of the NTM: read heads, and as many write heads")] = DEFAULT.heads,
    bits: Annotated[int, typer.Option(help="bits a step")] = DEFAULT.bits,
    lengths: Annotated[str, typer.Option(help="shortest-longest sequence")] = "{}-{}".format(*DEFAULT.lengths),
    batch: Annotated[int, typer.Option(help="sequences an update")] = DEFAULT.batch,
    steps: Annotated[int, typer.Option(help="updates at most")] = DEFAULT.steps,
    lr: Annotated[float, typer.Option(help="learning rate of Adam")] = DEFAULT.lr,
    clip_norm: Annotated[float, typer.Option(help="limit of the gradient's norm")] = DEFAULT.clip_norm,
    seed: Annotated[int, typer.Option(help="of weights and data")] = DEFAULT.seed,
    until: Annotated[float, typer.Option(help="stop below this many bits a sequence; 0 never stops")] = DEFAULT.until,
    evaluate_every: Annotated[int, typer.Option(help="updates between evaluations and checkpoints")] = DEFAULT.evaluate_every,
    out: Annotated[Path | None, typer.Option(help="folder of the new run")] = None,
    resume: Annotated[Path | None, typer.Option(metavar="RUN", help="go on with this run; only --steps and --until may be new")] = None,
    pictures: Annotated[bool, typer.Option(help="draw when done")] = True,
) -> None:
    """Read a sequence of random vectors, then give it back (Graves et al. 2014, §4.1)."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    given = {name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"}
    if resume is not None:
        run = _resume(resume, given, {"steps": steps, "until": until})
    else:
        config = Config(
            "copy", model, controller, hidden, size(memory), heads, bits, span(lengths), batch, steps, lr, clip_norm, seed, until,
            evaluate_every,
        )  # fmt: skip
        Experiment(config).optimizer()  # refuses bad rates before there is a folder
        run = Run.create(out if out is not None else _free(config), config)
    _go(run, pictures)


def _resume(folder: Path, given: set[str], values: dict[str, Any]) -> Run:
    fixed = sorted(given - {*EXTENDABLE, "resume", "pictures", "no_pictures"})
    if fixed:
        raise ConfigError(f"--resume takes the settings of the run; leave out --{', --'.join(fixed).replace('_', '-')}")
    return Run.open(folder, **{k: v for k, v in values.items() if k in given})


def _free(config: Config) -> Path:
    """runs/copy-ntm-0, or with a number behind where that is taken."""
    name = Path("runs") / f"{config.task}-{config.model}-{config.seed}"
    tries = (name if i == 1 else name.with_name(f"{name.name}-{i}") for i in range(1, 10_000))
    return next(p for p in tries if not p.exists())


def _go(run: Run, pictures: bool) -> None:
    from ..pictures import title

    model = run.experiment.model()
    console.print(f"[bold]{title(run.experiment)}[/], lengths {_range(run.config)}: {module.count(model):,} parameters, in {run.folder}")
    with Display(console, run) as display:
        outcome = run.train(display.event, display.step)
    if outcome.reason == "interrupted":
        console.print(f"Stopped and saved at step {outcome.step:,}. Go on with:\n  minigrad train {run.config.task} --resume {run.folder}")
        raise typer.Exit(128 + outcome.signal)
    _tell(run, outcome)
    if pictures:
        draw_run(run, outcome.model)


def _range(config: Config) -> str:
    return "{}–{}".format(*config.lengths)


def _tell(run: Run, outcome: Outcome) -> None:
    last, c = last_evaluation(run), run.config
    how = "Learned" if outcome.reason == "learned" else "All steps done, not learned"
    console.print(
        f"[bold]{how}[/] after {outcome.step:,} updates, {outcome.step * c.batch:,} sequences, {last['seconds']:.0f} s:\n"
        f"  lengths {_range(c)}: {last['bits']:.3f} bits a sequence (guessing {run.experiment.chance:g}), {last['wrong']:.3f} wrong, "
        f"over {last['sequences']:,} fresh sequences\n"
        f"  length {last['length_twice']}, never trained: {last['bits_twice']:.3f} bits, {last['wrong_twice']:.2f} wrong "
        f"of {c.bits * last['length_twice']}"
    )
    if outcome.reason == "steps":
        console.print(f"More: minigrad train {c.task} --resume {run.folder} --steps {2 * outcome.step}")
