"""Many runs at once on Dask: each in a folder of its own, gone on with from its checkpoint wherever it stopped.

Needs the extra `sweep`. The workers train in the runs' folders, so those of a cluster on several machines must share them.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import math
import os
import queue
import signal
import statistics
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import dask
from distributed import Client, Event, KilledWorker, LocalCluster, WorkerPlugin, get_worker

from ..errors import SettingError
from ..models.tasks.draw import Words
from ..train import Metrics, stop_requests
from .config import EXTENDABLE, Config, model_settings, run_settings, task_settings
from .loading import brief
from .run import Run

Tell = Callable[[str, dict[str, Any]], None]


# ---- what to run


def grid(task: str, models: Sequence[str], seeds: Sequence[int], settings: Mapping[str, str]) -> dict[str, Config]:
    """{name: Config} of every combination; a name says what differs: 'ntm-lr=0.01-seed=3'.

    settings  {name: values with commas}; each is of those models that have it. Raises SettingError for what none of them has.
    """
    found = {}
    for model in models:
        known = {k: s for k, s in (task_settings(task) | model_settings(model) | run_settings()).items() if k in settings}
        values = [[s.read(text) for text in ([settings[k]] if s.kind == Words else settings[k].split(","))] for k, s in known.items()]
        for chosen in itertools.product(*values):
            given = dict(zip(known, chosen, strict=True))
            varied = "".join(f"-{k}={known[k].show(v)}" for (k, v), several in zip(given.items(), values, strict=True) if len(several) > 1)
            for seed in seeds:
                name = f"{brief(model)}{varied}-seed={seed}"
                if name in found:
                    raise SettingError(f"two models are named {brief(model)}: give their classes other names")
                found[name] = Config.of(task, model, **given, seed=seed)
    unknown = [k for k in settings if not any(k in c.flat for c in found.values())]
    if unknown:
        known_names = sorted({k for c in found.values() for k in c.flat})
        raise SettingError(f"no run of {', '.join(models)} on {task} has a setting {', '.join(unknown)}: take {', '.join(known_names)}")
    return found


def open_runs(folder: Path, configs: Mapping[str, Config]) -> dict[str, Run]:
    """The runs in folder/name: new ones, and those of an earlier call, whose settings must be the same but for EXTENDABLE."""
    runs = {}
    for name, config in configs.items():
        if not (folder / name / "config.json").exists():
            runs[name] = Run.create(folder / name, config)
            continue
        longer = {k: getattr(config, k) for k in EXTENDABLE}
        now, then = config.flat, Run.open(folder / name).config.flat
        free = {*EXTENDABLE, *(["lr_steps"] if config.lr_steps == config.steps else [])}  # left out, it follows the steps of the first call
        other = [f"{k} {then.get(k)}, now {v}" for k, v in now.items() if then.get(k) != v and k not in free]
        if other:
            raise SettingError(f"{folder / name} holds a run with other settings ({', '.join(other)}): choose another --out")
        runs[name] = Run.open(folder / name, **longer)
    return runs


# ---- how far it is


class Standing(NamedTuple):
    """How far a run is.

    state       new, stopped, steps (all are done) or learned (and ended for that)
    evaluation  the last one, {} before the first
    passed_at   the update of the first evaluation that passed, if the last one did too
    """

    state: str
    step: int
    seconds: float
    evaluation: dict[str, Any]
    passed_at: int | None

    @property
    def finished(self) -> bool:
        return self.state in ("learned", "steps")


def standing(run: Run) -> Standing:
    """From the newest checkpoint and the metrics up to it."""
    step = max(run.checkpoints.steps(), default=0)
    events = [e for e in Metrics.read(run.metrics) if e["step"] <= step]
    evaluated = [e for e in events if "evaluation" in e]
    last: dict[str, Any] = evaluated[-1] if evaluated else {"step": -1, "evaluation": {}}
    learned = last["step"] == step and last["evaluation"].get("learned", False)
    state = "learned" if learned else "steps" if step >= run.config.steps else "stopped" if step else "new"
    passed = [e["step"] for e in evaluated if e["evaluation"].get("passed", e["evaluation"].get("learned"))]
    passed_at = passed[0] if passed and passed[-1] == last["step"] else None
    return Standing(state, step, events[-1]["seconds"] if events else 0.0, last["evaluation"], passed_at)


# ---- running


@contextlib.contextmanager
def connected(workers: int | None = None, scheduler: str | None = None) -> Iterator[Client]:
    """A client of the scheduler at an address, or of a cluster of our own: processes of one thread, as many as there are cores."""
    if scheduler is not None:
        with Client(scheduler, timeout="10s") as client:
            yield client
        return
    options: dict[str, Any] = {"dashboard_address": ":0", "silence_logs": logging.CRITICAL}
    with (
        dask.config.set({"distributed.deploy.lost-worker-timeout": "1h"}),  # on a busy machine a dead worker is slow to begin anew
        LocalCluster(n_workers=workers, threads_per_worker=1, **options) as cluster,
        Client(cluster) as client,
    ):
        client.register_plugin(_Undisturbed())
        yield client


class _Undisturbed(WorkerPlugin):
    """Ctrl-C in a terminal reaches the workers too; it is for the program that started them to say what comes of it."""

    def setup(self, worker: Any) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def train_all(runs: Mapping[str, Run], client: Client, tell: Tell) -> tuple[dict[str, str], int]:
    """Train every run that is not finished. Gives ({name: error} of those that failed, the signal that stopped it or 0).

    tell  gets (name, event): {"from": step} when a worker takes a run up, then every line of its metrics, last {"end": state or "failed"}

    A run whose worker dies goes on in another one, from its checkpoint; one that fails does not stop the others. The first SIGINT or
    SIGTERM saves all that train and returns, the second acts at once.
    """
    events: queue.SimpleQueue[tuple[str, dict[str, Any]]] = queue.SimpleQueue()
    errors: dict[str, str] = {}
    label = f"sweep-{uuid.uuid4().hex}"
    with stop_requests() as stop:
        client.subscribe_topic(label, lambda event: events.put(event[1]))
        ended = Event(label, client=client)
        todo = {name: run for name, run in runs.items() if not standing(run).finished}
        futures = {
            name: client.submit(_train, name, str(run.folder.resolve()), label, key=f"train-{label}-{i}", pure=False)
            for i, (name, run) in enumerate(todo.items())
        }
        while futures:
            time.sleep(0.1)
            if stop:
                ended.set()
            done = [name for name, future in futures.items() if future.done()]
            for name in done:
                error = futures.pop(name).exception()
                if error is not None:
                    errors[name] = _told(error)
                events.put((name, {"end": "failed" if error is not None else standing(runs[name]).state}))
            while not events.empty():
                tell(*events.get())
    return errors, stop[0] if stop else 0


def _told(error: BaseException) -> str:
    if isinstance(error, KilledWorker):
        return "its worker died again and again, as where memory is short. The same command goes on from its checkpoint"
    return f"{type(error).__name__}: {error}"


def _train(name: str, folder: str, label: str) -> None:
    """In a worker: train one run until it ends, or is asked to stop. One thread each; the workers share the cores."""
    os.environ["MINIGRAD_THREADS"] = "1"
    run, worker, asked = Run.open(Path(folder)), get_worker(), _Asked(Event(label))

    def report(event: dict[str, Any]) -> None:
        worker.log_event(label, (name, event))

    if not asked():
        report({"from": max(run.checkpoints.steps(), default=0)})
        run.train(report, lambda step, numbers: asked())


class _Asked:
    """Whether an event of the cluster is set, looked up at most once a second."""

    def __init__(self, event: Event):
        self.event, self.found, self.next = event, False, 0.0

    def __call__(self) -> bool:
        if not self.found and time.monotonic() >= self.next:
            self.found = self.event.is_set()
            self.next = time.monotonic() + 1
        return self.found


# ---- what came of it


@dataclass(frozen=True)
class Group:
    """The seeds of one model and setting.

    sequences  the median until learned, seeds that have not learned counting as more than any; None where it is such a one
    seconds    the median time of training
    measure    the median of the task's first measure, at the end
    """

    name: str
    seeds: int
    learned: int
    failed: int
    sequences: int | None
    seconds: float
    measure: float | None


def groups(runs: Mapping[str, Run], errors: Mapping[str, str]) -> list[Group]:
    """A Group for each model and setting, in the order of the runs."""
    together: dict[str, list[str]] = {}
    for name in runs:
        together.setdefault(name.rpartition("-seed=")[0], []).append(name)
    return [_group(label, [runs[n] for n in names], sum(n in errors for n in names)) for label, names in together.items()]


def _group(name: str, runs: Sequence[Run], failed: int) -> Group:
    found = [standing(run) for run in runs]
    sequences = [math.inf if s.passed_at is None else s.passed_at * run.config.batch for s, run in zip(found, runs, strict=True)]
    middle = statistics.median_low(sequences)
    measures = [s.evaluation[runs[0].experiment.headline] for s in found if s.evaluation]
    return Group(
        name, len(runs), sum(s.passed_at is not None for s in found), failed, None if middle == math.inf else int(middle),
        statistics.median(s.seconds for s in found), statistics.median(measures) if measures else None,
    )  # fmt: skip
