"""The pictures of a run, as SVG: its learning curve, what it gives back, where it reads and writes, and its graph."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import minigrad as mg

from .experiments import Experiment, Run
from .interpret import run as interpret
from .train import Metrics

CONTROLS: Any = {"svg.hashsalt": "minigrad", "svg.fonttype": "path", "font.size": 9, "image.interpolation": "nearest"}
NTM_ROWS = (("add", "r", "vector"), ("w_write", "w_read", "slot"))


def draw(run: Run, model: Any) -> list[Path]:
    """All pictures of a run, written to its folder; gives their paths."""
    run.pictures.mkdir(exist_ok=True)
    longest = run.config.lengths[1]
    lengths = sorted({longest, 20, 2 * longest})
    return [
        learning_curve(run, run.pictures / "learning.svg"),
        *(outputs(run.experiment, model, n, run.pictures / f"outputs-{n}.svg") for n in lengths),
        memory(run.experiment, model, min(longest, 20), run.pictures / "memory.svg"),
        *([inside(run.experiment, model, min(longest, 20), run.pictures / "inside.svg")] if run.config.model == "ntm" else []),
        unrolled(run.experiment, model, run.pictures / "unrolled.svg"),
    ]


def _figure(rows: int, columns: int, width: float, height: float) -> Any:
    """(figure, axes[rows, columns]) without a window."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams.update(CONTROLS)
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


def learning_curve(run: Run, path: Path) -> Path:
    """Bits a sequence against sequences seen, training and fresh ones, with the lines of guessing and of having learned."""
    events = Metrics.read(run.metrics)
    lines = [e for e in events if "bits" in e]
    tests = [e for e in events if "evaluation" in e]
    figure, axes = _figure(1, 1, 7, 4)
    a = axes[0, 0]
    batch, low = run.config.batch / 1000, 1e-3

    def curve(found: Sequence[dict[str, Any]], values: Sequence[float], *style: Any, **more: Any) -> None:
        a.plot([e["step"] * batch for e in found], np.maximum(values, low), *style, **more)

    curve(lines, [e["bits"] for e in lines], color="0.65", lw=1, label="training batches")
    curve(
        tests,
        [e["evaluation"]["bits"] for e in tests],
        "o-",
        ms=3,
        lw=1,
        label=f"fresh, lengths {run.config.lengths[0]}–{run.config.lengths[1]}",
    )
    twice = 2 * run.config.lengths[1]
    curve(tests, [e["evaluation"]["bits_twice"] for e in tests], "s-", ms=3, lw=1, label=f"fresh, length {twice}")
    a.axhline(run.experiment.chance, color="k", ls="--", lw=1, label=f"guessing, {run.experiment.chance:g} bits")
    if run.config.until > 0:
        a.axhline(run.config.until, color="k", ls=":", lw=1, label=f"learned, {run.config.until:g} bits")
    a.set(yscale="log", xlabel="sequences seen (thousands)", ylabel="cost (bits a sequence)", title=title(run.experiment))
    a.legend(fontsize=8)
    return _save(figure, path)


def title(experiment: Experiment) -> str:
    """'ntm (lstm 100, memory 128×20) on copy, 8 bits'."""
    c = experiment.config
    inside = f"{c.controller} {c.hidden}, memory {c.memory[0]}×{c.memory[1]}" if c.model == "ntm" else f"{c.hidden}"
    return f"{c.model} ({inside}) on {c.task}, {c.bits} bits"


# ---- outputs


def _example(experiment: Experiment, length: int) -> tuple[Any, Any, Any]:
    return experiment.task.batch(experiment.keys.pictures, length, 1, lengths=length, bits=experiment.config.bits)


def outputs(experiment: Experiment, model: Any, length: int, path: Path) -> Path:
    """What was to be given back, what was, and the difference, for one fresh sequence of this length."""
    xs, ys, mask = _example(experiment, length)
    given = mg.sigmoid(model(xs)).numpy()
    scored = mask[:, 0]
    target, output = ys[scored, 0].T, given[scored, 0].T
    wrong = int(((output > 0.5) != (target > 0.5)).sum())
    figure, axes = _figure(3, 1, max(5.0, 0.14 * length + 2), 4)
    rows = (("target", target, "gray_r"), ("output", output, "gray_r"), ("|difference|", np.abs(output - target), "Reds"))
    for a, (label, values, colours) in zip(axes[:, 0], rows, strict=True):
        image = a.imshow(values, aspect="auto", vmin=0, vmax=1, cmap=colours)
        a.set(ylabel=f"{label}\nchannel")
        figure.colorbar(image, ax=a, label="bit")
    trained = "{}–{}".format(*experiment.config.lengths)
    axes[0, 0].set_title(f"{title(experiment)}\nlength {length} (trained on {trained}): {wrong} of {target.size} bits wrong", fontsize=9)
    axes[2, 0].set_xlabel("position in the sequence")
    return _save(figure, path)


# ---- inside the loop


def record(model: Any, xs: Any, names: Sequence[str]) -> dict[str, np.ndarray]:
    """The values of named nodes of the model's loop at every step, (T, …), for the first sequence of a batch.

    'M', or with the scope it was made in, 'write/g'.
    """
    graph = mg.trace(lambda model, xs: model(xs), model, mg.tensor(xs))
    found: dict[str, dict[int, np.ndarray]] = {n: {} for n in names}

    def watch(node: Any, value: Any, steps: tuple[int, ...]) -> None:
        if node.name and len(steps) == 1 and isinstance(value, np.ndarray):
            for name in {node.name, f"{node.origin.scope}/{node.name}"} & found.keys():
                found[name][steps[0]] = value[0]

    interpret(graph, [mg.tensor(leaf).numpy() for leaf in mg.tree.leaves(((model, xs), {}))], watch=watch)
    return {n: np.stack([rows[t] for t in sorted(rows)]) for n, rows in found.items() if rows}


def memory(experiment: Experiment, model: Any, length: int, path: Path) -> Path:
    """As Fig. 6 of the NTM paper: left what is written, right what is read; inputs and outputs, vectors, weightings over time.

    For a model without memory its hidden state over time.
    """
    xs, _, _ = _example(experiment, length)
    given = mg.sigmoid(model(xs)).numpy()[:, 0].T
    names = [n for row in NTM_ROWS for n in row[:2]] if experiment.config.model == "ntm" else ["h"]
    values = {n: v.reshape(len(v), -1).T for n, v in record(model, xs, names).items()}
    figure, axes = _figure(3 if len(names) > 1 else 2, 2 if len(names) > 1 else 1, 8, 6)
    panels: list[tuple[Any, str, np.ndarray, str]] = [(axes[0, 0], "inputs", xs[:, 0].T, "channel")]
    if len(names) > 1:
        panels.append((axes[0, 1], "outputs", given, "channel"))
        panels += [(axes[1 + i, j], names_[j], values[names_[j]], names_[2]) for i, names_ in enumerate(NTM_ROWS) for j in (0, 1)]
        labels = {"add": "added a", "r": "read r", "w_write": "write weighting w", "w_read": "read weighting w"}
    else:
        panels.append((axes[1, 0], "h", values["h"], "unit"))
        labels = {"h": "hidden state h"}
    for a, name, found, unit in panels:
        signed = bool((found < 0).any())
        top = max(float(np.abs(found).max()), 1e-6) if signed else max(1.0, float(found.max()))
        image = a.imshow(found, aspect="auto", cmap="RdBu_r" if signed else "gray_r", vmin=-top if signed else 0, vmax=top)
        a.set(title=labels.get(name, name), ylabel=unit, xlabel="time step")
        figure.colorbar(image, ax=a)
    figure.suptitle(f"{title(experiment)}: one sequence of length {length}")
    return _save(figure, path)


def inside(experiment: Experiment, model: Any, length: int, path: Path) -> Path:
    """The memory itself over time, and the gates and weightings of the NTM's heads (eqs. 5-9)."""
    from .viz import memory as panels

    xs, _, _ = _example(experiment, length)
    heads = [f"{side}/{name}" for side in ("write", "read") for name in ("g", "beta", "gamma", "s", f"w_{side}")]
    panels(record(model, xs, ["write/M", *heads]), title=f"{title(experiment)}: one sequence of length {length}").save(path)
    return path


def unrolled(experiment: Experiment, model: Any, path: Path, steps: int = 3, level: str = "cell") -> Path:
    """The model's graph over a few time steps."""
    from .viz import unrolled as drawing

    xs, _, _ = _example(experiment, steps)
    graph = mg.trace(lambda model, xs: model(xs), model, mg.tensor(xs))
    drawing(graph, steps=steps, level=level).save(path)
    return path
