"""What the command line does; needs the extra `cli`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from . import module
from .backend import cache
from .errors import MinigradError
from .experiments import EXTENDABLE, Config, ConfigError, Experiment, Run, size, span
from .optim import OptimizerError
from .progress import Display
from .train import Metrics, Outcome

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Train, measure and draw networks that remember.")
train_app = typer.Typer(no_args_is_help=True, help="Train a model on a task.")
app.add_typer(train_app, name="train")
console = Console(highlight=False, soft_wrap=True)

Folder = Annotated[Path, typer.Argument(metavar="RUN", help="the folder of a run", exists=True, file_okay=False)]
DEFAULT = Config()


def plainly(f: Callable[..., Any]) -> Callable[..., Any]:
    """Errors of ours as one message and exit code 1, without a traceback."""

    @wraps(f)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return f(*args, **kwargs)
        except (MinigradError, OptimizerError) as error:
            Console(stderr=True, highlight=False, soft_wrap=True).print(f"minigrad: {error}", markup=False)
            raise typer.Exit(1) from None

    return wrapped


# ---- train


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
    from .pictures import title

    model = run.experiment.model()
    console.print(f"[bold]{title(run.experiment)}[/], lengths {_range(run.config)}: {module.count(model):,} parameters, in {run.folder}")
    with Display(console, run) as display:
        outcome = run.train(display.event, display.step)
    if outcome.reason == "interrupted":
        console.print(f"Stopped and saved at step {outcome.step:,}. Go on with:\n  minigrad train {run.config.task} --resume {run.folder}")
        raise typer.Exit(128 + outcome.signal)
    _tell(run, outcome)
    if pictures:
        _draw(run, outcome.model)


def _range(config: Config) -> str:
    return "{}–{}".format(*config.lengths)


def _last(run: Run) -> dict[str, Any]:
    """The last evaluation, with its step and seconds, or {}."""
    events = [e for e in Metrics.read(run.metrics) if "evaluation" in e]
    return {**events[-1].pop("evaluation"), **events[-1]} if events else {}


def _tell(run: Run, outcome: Outcome) -> None:
    last, c = _last(run), run.config
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


def _draw(run: Run, model: Any) -> None:
    from .pictures import draw

    with console.status("drawing") if console.is_terminal else _nothing():
        made = draw(run, model)
    console.print(f"Look at: {run.pictures}/  ({', '.join(p.name for p in made)})")


@contextmanager
def _nothing() -> Any:
    yield


# ---- eval, info, draw


@app.command("eval")
@plainly
def evaluate(
    folder: Folder,
    lengths: Annotated[str, typer.Option(help="lengths to measure, with commas")] = "",
    sequences: Annotated[int, typer.Option(help="fresh sequences of each length", min=1)] = 100,
) -> None:
    """Measure a trained model on fresh sequences, at trained lengths and beyond."""
    run = Run.open(folder)
    model, step = run.restore()
    longest = run.config.lengths[1]
    wanted = [n for part in lengths.split(",") for n in [span(part)[0]]] if lengths else [longest, 2 * longest, 4 * longest]
    table = Table(title=f"{run.folder} at step {step:,}")
    for column in ("length", "bits a sequence", "guessing", "wrong bits", "wrong %"):
        table.add_column(column, justify="right")
    for n in wanted:
        if n < 1:
            raise ConfigError(f"a length must be at least 1, got {n}")
        found = run.experiment.measure(model, (n, n), sequences, start=2**63 + step * 2**16)
        total = run.experiment.task.chance(n, run.config.bits)
        cells = [f"{found['bits']:.3f}", f"{total:g}", f"{found['wrong']:.2f}", f"{100 * found['wrong'] / total:.2f}"]
        table.add_row(f"{n}" if n <= longest else f"{n} (never trained)", *cells)
    console.print(table)


@app.command()
@plainly
def info(folder: Folder) -> None:
    """What a run is, how far it is, and how well it does."""
    run = Run.open(folder)
    table = Table(show_header=False, title=str(run.folder))
    for name, value in run.config.as_json().items():
        table.add_row(
            name, "–".join(map(str, value)) if name == "lengths" else "×".join(map(str, value)) if name == "memory" else f"{value}"
        )
    model = run.experiment.model()
    table.add_row("parameters", f"{module.count(model):,}")
    table.add_row("checkpoints at steps", ", ".join(f"{s:,}" for s in run.checkpoints.steps()) or "none yet")
    last = _last(run)
    if last:
        table.add_row("trained for", f"{last['seconds']:.0f} s")
        table.add_row(f"at step {last['step']:,}", f"{last['bits']:.3f} bits a sequence, guessing costs {run.experiment.chance:g}")
        table.add_row(f"at length {last['length_twice']}", f"{last['bits_twice']:.3f} bits, {last['wrong_twice']:.2f} wrong")
    console.print(table)


@app.command()
@plainly
def draw(
    what: Annotated[str, typer.Argument(metavar="RUN|MODEL", help="the folder of a run, or ntm, lstm or rnn")],
    out: Annotated[Path, typer.Option(help="file for a model's drawing (.svg .dot .png .pdf)")] = Path("unrolled.svg"),
    steps: Annotated[int, typer.Option(help="time steps of a model's drawing", min=1)] = 3,
    level: Annotated[str, typer.Option(help="op: every operation; cell: one box a step")] = "op",
) -> None:
    """Draw a run's pictures anew, or the unrolled graph of an untrained model."""
    from .experiments import MODELS
    from .pictures import unrolled

    if what in MODELS:
        experiment = Experiment(Config(model=what, hidden=4, memory=(6, 3), bits=2))
        console.print(f"Look at: {unrolled(experiment, experiment.model(), out, steps, level)}")
        return
    if not Path(what).is_dir():
        raise ConfigError(f"{what!r} is neither the folder of a run nor a model: {', '.join(MODELS)}")
    run = Run.open(Path(what))
    _draw(run, run.restore()[0])


@app.command(name="cache")
@plainly
def compiled(
    clear: Annotated[bool, typer.Option("--clear", help="delete every entry")] = False,
) -> None:
    """Where compiled programs are kept, how many there are, and how large they are."""
    found = cache.entries()
    bytes_kept = sum(path.stat().st_size for path in found)
    console.print(f"{cache.directory() or 'no cache'}: {len(found)} entries, {bytes_kept / 1e6:.1f} MB", soft_wrap=True)
    if clear:
        cache.clear()
        console.print("Cleared. The next run of each program compiles it again.")
