"""The pictures of a run, as SVG: its learning curve, what it gives back, where it reads and writes, and its graph."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import numpy as np

import minigrad as mg

from .. import viz
from ..models.tasks.draw import Range
from ..train import Metrics
from ..viz.over_time import drawn
from ..viz.panels import Panel, panels_of
from ..viz.style import plotting
from .loading import brief
from .run import Experiment, Run

FIGURE = (("inputs", "add", "w_write"), ("outputs", "r", "w_read"))  # left what is written, right what is read
WORDS = {"add": "added a", "r": "read r", "w_write": "write weighting w", "w_read": "read weighting w", "h": "hidden state h"}
INSIDE = {
    "ntm": ["write.M", *(f"{side}.{name}" for side in ("write", "read") for name in ("g", "beta", "gamma", "s", f"w_{side}"))],
    "mann": ["write.M", "write.g", "usage", "write.w_least", "write.w_write", "read.w_read"],
    "sam": ["write.M", *(f"write.{name}" for name in ("alpha", "gamma")), "read.beta", "accessed", "write.w_write", "read.w_read"],
    "dnc": ["write.M", "write.usage", "write.allocation", "write.w_write", "read.w_read"],
}
LATE = 2**40  # an update at which a task that begins easy is as hard as it gets
LONGEST = 60  # time steps in a picture of arrays over time
ANSWERS = 40  # answers in a picture of probabilities


def draw(run: Run, model: Any) -> list[Path]:
    """All pictures of a run that its task and model allow, written to its folder; gives their paths."""
    run.pictures.mkdir(exist_ok=True)
    e, made = run.experiment, [learning_curve(run, run.pictures / "learning.svg")]
    outputs = {"bits": bits, "accuracy": answers}.get(e.headline)
    if outputs is not None:
        made.append(outputs(e, model, run.pictures / "outputs.svg"))
        if e.harder is not None:
            made.append(outputs(e, model, run.pictures / "outputs-harder.svg", **e.harder))
    # A model without a memory has none if it has no loop over time, or its cell names no h.
    with nullcontext() if run.config.model in INSIDE else suppress(viz.DrawingError):
        made.append(memory(e, model, run.pictures / "memory.svg"))
    if run.config.model in INSIDE:
        made.append(inside(e, model, run.pictures / "inside.svg"))
    return [*made, unrolled(e, model, run.pictures / "unrolled.svg")]


def _figure(rows: int, columns: int, width: float, height: float) -> Any:
    """(figure, axes[rows, columns]) without a window."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for a in axes.flat:
        a.xaxis.get_major_locator().set_params(integer=True)
        a.yaxis.get_major_locator().set_params(integer=True)
    return figure, axes


def _save(figure: Any, path: Path) -> Path:
    """Write the figure whole or not at all; the same figure gives the same bytes."""
    temporary = path.with_name(f".{path.name}.tmp")
    figure.savefig(temporary, format="svg", metadata={"Date": None, "Creator": "minigrad"})
    temporary.replace(path)
    return path


# ---- learning


@plotting()
def learning_curve(run: Run, path: Path) -> Path:
    """The first measure against sequences seen, on training batches and fresh ones, with the lines of guessing and of having learned."""
    e, c = run.experiment, run.config
    name, first = e.headline, e.measures[e.headline]
    events = Metrics.read(run.metrics)
    lines = [event for event in events if name in event]
    tests = [{"step": event["step"], **event["evaluation"]} for event in events if "evaluation" in event]
    figure, axes = _figure(1, 1, 7, 4)
    a = axes[0, 0]

    def curve(found: Sequence[dict[str, Any]], key: str, *style: Any, **more: Any) -> None:
        values = [event[key] if first.rises else max(event[key], 1e-4 if name == "error" else 1e-3) for event in found]
        a.plot([event["step"] * c.batch / 1000 for event in found], values, *style, **more)

    curve(lines, name, color="0.65", lw=1, label="training batches")
    curve(tests, name, "o-", ms=3, lw=1, label="fresh, as trained")
    if e.harder is not None:
        curve(tests, f"{name}_harder", "s-", ms=3, lw=1, label=f"fresh, {c.words(e.harder)}")
    base, beyond = e.baselines(), e.baselines(**(e.harder or {}))
    for name_of, line in (("chance", "--"), ("optimum", "-.")):
        words = {"chance": "guessing", "optimum": "optimum"}[name_of]
        if name_of == "chance" or base[name_of]:
            a.axhline(base[name_of], color="k", ls=line, lw=1, label=f"{words}, {base[name_of]:{first.form}}")
        if e.harder is not None and beyond[name_of] != base[name_of]:
            harder = f"{words}, {c.words(e.harder)}: {beyond[name_of]:{first.form}}"
            a.axhline(beyond[name_of], color="0.5", ls=line, lw=1, label=harder)
    if c.until > 0:
        a.axhline(c.until, color="k", ls=":", lw=1, label=f"learned, {c.until:{first.form}}")
    a.set(yscale="linear" if first.rises else "log", xlabel="sequences seen (thousands)", ylabel=first.label)
    _title(a, c.title)
    a.legend(fontsize=8)
    return _save(figure, path)


def _title(axis: Any, text: str) -> None:
    """Wrapped, and nothing in it taken for mathematics."""
    axis.set_title(text.replace("$", r"\$"), fontsize=9, wrap=True)


# ---- outputs


def example(e: Experiment, sequences: int = 1, **changes: Any) -> tuple[Any, Any, Any]:
    """A fresh sequence or several, as large as trained sequences are, but for some settings."""
    ranges = {k: v[1] for k, v in e.config.task_settings.items() if e.config.setting(k).kind == Range}
    return e.batch(e.keys.pictures, LATE, sequences, **{**ranges, **changes})


def bits(e: Experiment, model: Any, path: Path, **changes: Any) -> Path:
    """What was to be given back, what was, and the difference, for one fresh sequence."""
    xs, ys, mask = example(e, **changes)
    given = e.given(model, xs, ys)
    scored = mask[:, 0]
    target, output = ys[scored, 0], given[scored, 0]
    wrong = int(((output > 0.5) != (target > 0.5)).sum())
    rows = {"target": target, "output": output, "|difference|": np.abs(output - target)}
    panels = [Panel(name, "values", values, "write" if name == "|difference|" else "amount", 0.0, 1.0) for name, values in rows.items()]
    title = f"{e.config.title}\n{e.config.words(changes) or 'as trained'}: {wrong} of {target.size} bits wrong"
    return drawn([panels], title, axis="position in the sequence").save(path)


@plotting()
def answers(e: Experiment, model: Any, path: Path, **changes: Any) -> Path:
    """The probability of every class at the first answers of fresh sequences, one after the other, and what is right.

    Every letter of a string is an answer.
    """
    xs, ys, mask = example(e, ANSWERS, **changes)
    given, right_ones = e.given(model, xs, ys), ys if ys.ndim == 2 else ys.argmax(-1)
    output, target = (v.swapaxes(0, 1)[mask.T] for v in (given, right_ones))
    output, target = output.reshape(-1, output.shape[-1])[:ANSWERS].T, target.ravel()[:ANSWERS]
    figure, axes = _figure(1, 1, 7, max(3.0, 0.1 * len(output) + 1.5))
    a = axes[0, 0]
    image = a.imshow(output, aspect="auto", vmin=0, vmax=1, cmap="gray_r")
    a.plot(np.arange(len(target)), target, "o", mfc="none", mec="#B8402F", label="right")
    figure.colorbar(image, ax=a, label="probability")
    a.set(xlabel="answer", ylabel="class")
    if hasattr(e.task, "classes"):
        a.set_yticks(range(len(output)), e.task.classes(**e.config.task_settings))
    figure.legend(fontsize=8, loc="outside lower right")
    right = int((output.argmax(0) == target).sum())
    _title(a, f"{e.config.title}\n{e.config.words(changes) or 'as trained'}: {right} of {len(target)} right")
    return _save(figure, path)


# ---- inside the loop


def record(model: Any, xs: Any, names: Sequence[str] | None) -> dict[str, np.ndarray]:
    """The named values of the model's loop at every step, (T, …), for the first sequence of a batch: see `viz.record`."""
    return viz.record(lambda model, xs: model(xs), model, xs, names=names)


def memory(e: Experiment, model: Any, path: Path) -> Path:
    """As Fig. 6 of the NTM paper: left what is written, right what is read; inputs and outputs, vectors, weightings over time.

    For a model without memory its hidden state over time.
    """
    xs, ys, _ = (v[:LONGEST] for v in example(e))
    has_memory = e.config.model in INSIDE
    found = {"inputs": xs[:, 0], **record(model, xs, None if has_memory else ["h"])}
    if has_memory:
        found["outputs"] = e.given(model, xs, ys)[:, 0].reshape(len(xs), -1)
        found.setdefault("add", found.get("k"))  # a MANN may write its key
    columns = [[p for name in names for p in _panels(name, found[name])] for names in (FIGURE if has_memory else [("inputs", "h")])]
    return drawn(columns, f"{e.config.title}: one sequence").save(path)


def _panels(name: str, values: np.ndarray) -> list[Panel]:
    """The panels of a recorded value, one for each head. What is never negative has a scale up to 1 at least."""
    panels = panels_of({name: values})
    numbers = [f" {h + 1}" if len(panels) > 1 else "" for h in range(len(panels))]
    named = [p._replace(label=WORDS.get(name, name) + number) for p, number in zip(panels, numbers, strict=True)]
    return [p if p.low < 0 else p._replace(high=max(p.high, 1.0)) for p in named]


def inside(e: Experiment, model: Any, path: Path) -> Path:
    """The memory itself over time, and the gates, usage and weightings of its heads."""
    xs, _, _ = (v[:LONGEST] for v in example(e))
    viz.memory(record(model, xs, INSIDE[e.config.model]), title=f"{e.config.model} on {brief(e.config.task)}: one sequence").save(path)
    return path


def unrolled(e: Experiment, model: Any, path: Path, steps: int = 3, level: str = "cell") -> Path:
    """The model's graph over a few time steps, with the values of one sequence where its cell shows some."""
    xs = example(e)[0][:steps]
    viz.unrolled(lambda model, xs: model(xs), model, mg.tensor(xs), steps=steps, level=level).save(path)
    return path
