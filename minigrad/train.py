"""The training loop: pure data by (key, step), one compiled step, and checkpoints from which a run goes on bit for bit."""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from filelock import FileLock, Timeout

from . import optim, tree
from .compiled import jit
from .errors import CheckpointError, MinigradError, NonFiniteError, dtype_error, setting_error
from .io import Checkpoints
from .ops.numbers import argument
from .random import as_key
from .tensor import Tensor, tensor
from .transforms.autodiff import value_and_grad
from .transforms.interpret import nan_watch, run
from .transforms.tracing import trace

__all__ = ["Metrics", "Outcome", "RunError", "flat", "make_step", "train"]

Loss = Callable[..., tuple[Tensor, dict[str, Tensor]]]
Report = Callable[[dict[str, Any]], None]
Progress = Callable[[int, dict[str, float]], bool | None]


class RunError(MinigradError, RuntimeError):
    """A run folder that can't be used: another process trains in it, or it holds another run."""


class Outcome(NamedTuple):
    """How a run ended. reason: 'learned', 'steps' (all are done), or 'interrupted' (after saving) by `signal`, 0 if by `progress`."""

    model: Any
    state: optim.State
    step: int
    reason: str
    checkpoint: Path
    signal: int = 0


def make_step(loss: Loss, optimizer: optim.Optimizer) -> Callable[..., Any]:
    """(model, state, *batch) -> (model, state, {'loss', 'norm', …}): the gradient and the update as one function, not yet compiled."""

    def pair(model: Any, *batch: Any) -> Any:
        found = loss(model, *batch)
        if not (isinstance(found, tuple) and len(found) == 2 and isinstance(found[1], dict)):
            fix = "Return loss, {} where there is nothing else to log"
            raise dtype_error("train", f"loss returned {found!r}, not a scalar and a dict of scalars to log", fix)
        return found

    def train_step(model: Any, state: optim.State, *batch: Any) -> Any:
        (value, more), grads = value_and_grad(pair, has_aux=True)(model, *batch)
        norm = optim.global_norm(grads)
        model, state = optimizer.update(model, grads, state)
        return model, state, {"loss": value, "norm": norm, **more}

    return train_step


def train(
    model: Any,
    optimizer: optim.Optimizer,
    loss: Loss,
    data: Callable[[Tensor, int], tuple[Any, ...]],
    *,
    folder: str | os.PathLike[str],
    steps: int,
    key: int | Tensor,
    config: dict[str, Any] | None = None,
    evaluate: Callable[[Any, int], dict[str, Any]] | None = None,
    evaluate_every: int = 500,
    save_every: int = 500,
    log_every: int = 50,
    keep: int = 3,
    report: Report = lambda event: None,
    progress: Progress = lambda step, numbers: None,
) -> Outcome:
    """Train until `steps` updates are made, the evaluation says {'learned': True}, or SIGINT or SIGTERM asks to stop.

    loss      (model, *batch) -> (scalar to minimise, {name: scalar to log})
    data      (key, step) -> batch, a pure function
    key       a seed or a key, from which `data` draws
    evaluate  (model, step) -> {name: number}, called every `evaluate_every` steps and at the end
    report    gets every line of metrics.jsonl as it is written, but what `evaluate` gave as the dict event["evaluation"]; `flat(event)` has
              one name for each number. mg.export.TensorBoard(folder) is a report; docs/en/howto/logs.md shows others
    progress  gets (step, numbers) after every step; True from it asks to stop, as a signal does

    Goes on from the newest checkpoint in folder/checkpoints if there is one: killed at any moment, a run ends with the same bits.
    Raises NonFiniteError naming the operation where a loss or gradient is not finite (the checkpoints stay as they are), RunError where
    another process trains in the folder, CheckpointError where the checkpoint is of another run.
    """
    folder, key = Path(folder), as_key(key)
    store, step_function = Checkpoints(folder / "checkpoints", keep), make_step(loss, optimizer)
    fast = jit(step_function)
    notes = {"config": config or {}, "key": [int(n) for n in key.numpy()]}
    with locked(folder), stop_requests() as stop:
        model, state, step = _resumed(store, model, optimizer, notes)
        metrics, window = Metrics(folder / "metrics.jsonl", step, report), Window()
        saved = step if store.steps() else -1
        learned = saved > 0 and _due(step, steps, evaluate_every) and _learned(evaluate, model, step)
        while step < steps and not learned and not stop:
            batch = data(key, step)
            new_model, new_state, found = fast(model, state, *batch)
            numbers = {k: float(v) for k, v in found.items()}
            _require_free(numbers)
            if not np.isfinite([numbers["loss"], numbers["norm"]]).all():
                raise _explained(step_function, (model, state, *batch), step + 1, numbers)
            model, state, step = new_model, new_state, step + 1
            window.add(numbers)
            if progress(step, numbers):
                stop.append(0)
            if step % log_every == 0:
                metrics.write({"step": step, "lr": _rate_of(optimizer, step), **window.means()})
            if evaluate is not None and _due(step, steps, evaluate_every):
                result = _evaluated(evaluate, model, step)
                metrics.write({"step": step, "evaluation": result})
                learned = bool(result.get("learned"))
            if learned or _due(step, steps, save_every):
                saved = _save(store, metrics, model, state, step, notes)
        if saved != step:
            _save(store, metrics, model, state, step, notes)
    reason = "learned" if learned else "steps" if step >= steps else "interrupted"
    return Outcome(model, state, step, reason, store.path(step), *stop[:1])


def _due(step: int, steps: int, every: int) -> bool:
    return step % every == 0 or step == steps


def _require_free(names: Iterable[str]) -> None:
    taken = [name for name in names if name in WRITTEN or name.startswith(EVALUATION)]
    if taken:
        raise setting_error("train", f"loss logs {', '.join(taken)}, which train writes into its lines itself", "Give another name")


def _rate_of(optimizer: optim.Optimizer, step: int) -> float:
    """The learning rate of the update that made `step` of them."""
    return float(optimizer.rate(tensor(step - 1)))


def _learned(evaluate: Callable[[Any, int], dict[str, Any]] | None, model: Any, step: int) -> bool:
    return evaluate is not None and bool(_evaluated(evaluate, model, step).get("learned"))


def _evaluated(evaluate: Callable[[Any, int], dict[str, Any]], model: Any, step: int) -> dict[str, Any]:
    found = evaluate(model, step)
    if not isinstance(found, dict):
        raise dtype_error("train", f"evaluate returned {found!r}, not a dict", "Name the number, as in {'accuracy': 0.9}")
    return found


def _save(store: Checkpoints, metrics: Metrics, model: Any, state: optim.State, step: int, notes: dict[str, Any]) -> int:
    metrics.sync()
    store.save(step, {"model": model, "optimizer": state}, {**notes, "position": step})
    return step


def _resumed(store: Checkpoints, model: Any, optimizer: optim.Optimizer, notes: dict[str, Any]) -> tuple[Any, optim.State, int]:
    state = optimizer.init(model)
    if not store.steps():
        return model, state, 0
    found, meta, path = store.restore({"model": model, "optimizer": state})
    if {k: meta.get(k) for k in notes} != notes:
        problem = f"it is of a run with other settings: {meta.get('config')}, here {notes['config']}"
        raise CheckpointError(f"{path}: {problem}. Nothing was loaded")
    return found["model"], found["optimizer"], meta["step"]


def _explained(f: Callable[..., Any], args: tuple[Any, ...], step: int, numbers: dict[str, float]) -> NonFiniteError:
    """The same step once more in the interpreter, to find the first value that is not finite."""
    what = f"step {step}: " + ", ".join(f"{k} = {v:g}" for k, v in numbers.items())
    try:
        run(trace(f, *args), [argument(leaf).numpy() for leaf in tree.leaves((args, {}))], watch=nan_watch)
    except NonFiniteError as error:
        return NonFiniteError(f"{what}. First in {error}")
    return NonFiniteError(f"{what}, where the interpreter finds all values finite")


# ---- around the loop


class Window:
    """Means of numbers since the last line."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []

    def add(self, numbers: dict[str, float]) -> None:
        self.rows.append(numbers)

    def means(self) -> dict[str, float]:
        rows, self.rows = self.rows, []
        return {k: float(np.mean([r[k] for r in rows])) for k in rows[0]}


def flat(event: dict[str, Any]) -> dict[str, Any]:
    """An event with the evaluation's results as items of their own, {"evaluation.bits": …}: a line of metrics.jsonl."""
    found = {k: v for k, v in event.items() if k != "evaluation"}
    return found | {f"{EVALUATION}{k}": v for k, v in event.get("evaluation", {}).items()}


def _nested(line: dict[str, Any]) -> dict[str, Any]:
    """The event of a line; earlier versions wrote the evaluation as a dict."""
    found = {k: v for k, v in line.items() if not k.startswith(EVALUATION)}
    evaluation = {k.removeprefix(EVALUATION): v for k, v in line.items() if k.startswith(EVALUATION)}
    return found | ({"evaluation": evaluation} if evaluation else {})


EVALUATION = "evaluation."
WRITTEN = frozenset(("step", "seconds", "time", "evaluation"))


class Metrics:
    """A file of JSON lines, one an event, each with its step, the seconds of training so far, and the time of day as a Unix time. Lines
    after `step` are dropped first. Keys are flat: `pandas.read_json(path, lines=True)` is a frame of all numbers."""

    def __init__(self, path: Path, step: int, report: Report):
        self.report, kept = report, [e for e in Metrics.read(path) if e["step"] <= step] if step else []
        temporary = path.with_name(f".{path.name}.tmp")
        temporary.write_text("".join(json.dumps(flat(e)) + "\n" for e in kept), "utf-8")
        os.replace(temporary, path)
        self.file = open(path, "a", encoding="utf-8")  # noqa: SIM115  (kept open for the run, flushed line by line)
        self.start = time.monotonic() - (kept[-1]["seconds"] if kept else 0)

    @staticmethod
    def read(path: Path) -> list[dict[str, Any]]:
        """The events of a file, without lines that are damaged or cut short."""
        found: list[Any] = []
        for line in path.read_bytes().splitlines() if path.exists() else []:
            with contextlib.suppress(ValueError, RecursionError):
                found.append(json.loads(line))
        return [_nested(e) for e in found if isinstance(e, dict) and _is_number(e.get("step")) and _is_number(e.get("seconds"))]

    def write(self, event: dict[str, Any]) -> None:
        event = {**event, "seconds": round(time.monotonic() - self.start, 2), "time": round(time.time(), 2)}
        self.file.write(json.dumps(flat(event), default=_plain) + "\n")
        self.file.flush()
        self.report(event)

    def sync(self) -> None:
        os.fsync(self.file.fileno())


def _plain(value: Any) -> Any:
    """A NumPy number, an array or a tensor as JSON can hold it."""
    if isinstance(value, (np.generic, np.ndarray, Tensor)):
        return value.tolist()
    raise dtype_error("train", f"{value!r} cannot stand in metrics.jsonl", "Give numbers, texts, lists or dicts of them")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """The folder for this process alone; the system lets go of it when the process ends, however that is."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise RunError(f"{folder}: another process is training in this folder; wait for it or choose another with --out") from None
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def stop_requests() -> Iterator[list[int]]:
    """A list that the first SIGINT or SIGTERM puts its number in; the second one acts at once. In other threads signals are left alone."""
    found: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield found
        return
    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, frame: Any) -> None:
        found.append(number)
        for n, handler in before.items():
            signal.signal(n, handler)

    for n in before:
        signal.signal(n, note)
    try:
        yield found
    finally:
        for n, handler in before.items():
            signal.signal(n, handler)
