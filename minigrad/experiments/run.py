"""A training run: the model, task, loss and measures that its settings stand for, and its folder."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .. import io, ops, optim, random
from ..compiled import jit
from ..errors import SettingError
from ..export.tensorboard import TensorBoard
from ..models.tasks.draw import Range
from ..models.tasks.metrics import Measure, measure
from ..tensor import Tensor, notebook
from ..train import Outcome, Progress, Report, train
from .config import EXTENDABLE, Config, builder_of, task_of, task_settings
from .presets import UNTIL_HARDER
from .sample import Sample, controlled

SAMPLE = 100  # fresh sequences of an evaluation, as trained, and harder
CONFIRM = 1000  # of each once those look learned: a rare fault must not escape
LARGEST = 100  # sequences measured at once, and values of a range that are measured
FRESH = 2**24  # batches that one evaluation may draw before it would meet those of the next


class Keys(NamedTuple):
    """Independent sources of chance, all from the seed."""

    model: Tensor
    data: Tensor
    evaluation: Tensor
    pictures: Tensor


OPTIMIZERS: dict[str, type[optim.Optimizer]] = {
    "adam": optim.Adam, "adamw": optim.AdamW, "rmsprop": optim.RMSProp, "graves-rmsprop": optim.GravesRMSProp, "sgd": optim.SGD,
}  # fmt: skip


@contextmanager
def _refused(what: str) -> Iterator[None]:
    """Errors of a task or model about its settings, or the files it reads, as SettingError."""
    try:
        yield
    except (ValueError, OSError) as error:
        raise SettingError(f"{what}: {error}") from None


@dataclass(frozen=True)
class Experiment:
    """What a Config stands for."""

    config: Config

    @cached_property
    def task(self) -> Any:
        return task_of(self.config.task)

    @cached_property
    def keys(self) -> Keys:
        return Keys(*random.split(random.key(self.config.seed), len(Keys._fields)))

    @cached_property
    def sizes(self) -> tuple[int, int]:
        """(inputs, outputs) of the model."""
        with _refused(self.config.task):
            return self.task.sizes(**self.config.task_settings)

    def model(self) -> Any:
        """The untrained model. Raises SettingError for sizes that do not fit each other."""
        with _refused(self.config.model):
            return builder_of(self.config.model)(self.keys.model, *self.sizes, **self.config.model_settings)

    def optimizer(self) -> optim.Optimizer:
        c = self.config
        return OPTIMIZERS[c.optimizer](c.rate(), clip_norm=None if c.clip_norm == math.inf else c.clip_norm, rates=c.rates())

    def loss(self, model: Any, *batch: Any) -> tuple[Tensor, dict[str, Tensor]]:
        """(loss, {measure: its mean over the batch}) on a batch (inputs, targets, mask)."""
        inputs, *rest = batch
        outputs = model(inputs)
        return self.task.loss(outputs, *rest), {k: ops.mean(v) for k, v in self.task.measures(outputs, *rest).items()}

    def batch(self, key: Tensor, step: int, count: int, **changes: Any) -> tuple[Any, ...]:
        """(inputs, targets, mask) of so many sequences, as trained but for some settings. Raises SettingError for settings of no sense."""
        with _refused(self.config.task):
            return self.task.batch(key, step, count, **{**self.config.task_settings, **changes})

    def data(self, key: Tensor, step: int) -> tuple[Any, ...]:
        return self.batch(key, step, self.config.batch)

    def check(self) -> None:
        """Raises SettingError where the run could not begin, be tested, or fail to learn."""
        self.model(), self.optimizer(), self.batch(self.keys.pictures, 0, 1), self.batch(self.keys.pictures, 0, 1, **(self.harder or {}))
        first, until, chance = self.measures[self.headline], self.config.until, self.baselines()["chance"]
        if until and (until <= chance if first.rises else until >= chance):
            raise SettingError(f"until={until:g} is reached by guessing, {first.show(chance)}, with these settings: give another until")

    def given(self, model: Any, inputs: Any, targets: Any) -> np.ndarray:
        """What the model's outputs stand for: bits, numbers, or probabilities of classes, (T, batch, letters, classes) for strings."""
        outputs = model(inputs)
        return self.task.given(ops.reshape(outputs, targets.shape) if targets.ndim == 4 else outputs).numpy()

    # ---- measuring

    @cached_property
    def measures(self) -> dict[str, Measure]:
        """The task's measures by name; it is judged by the first."""
        _, targets, mask = self.batch(self.keys.pictures, 0, 1)
        outputs = np.zeros((*mask.shape, self.sizes[1]), "float32")
        return {name: measure(name) for name in self.task.measures(outputs, targets, mask)}

    @property
    def headline(self) -> str:
        return next(iter(self.measures))

    def words(self, found: dict[str, Any], suffix: str = "") -> str:
        """'0.012 bits, 0.000 wrong', without those of which there is no value."""
        ends = {self.headline: (found[f"low{suffix}"], found[f"high{suffix}"])} if f"low{suffix}" in found else {}
        shown = {k: found[k + suffix] for k in self.measures if not math.isnan(found[k + suffix])}
        return ", ".join(self.measures[k].show(v, ends.get(k)) for k, v in shown.items())

    @property
    def harder(self) -> dict[str, Any] | None:
        """What changes in the settings for the generalisation test, where the task has one."""
        return self.task.harder(**self.config.task_settings) if hasattr(self.task, "harder") else None

    def baselines(self, **changes: Any) -> dict[str, float]:
        """{"chance": …, "optimum": …} of the first measure."""
        return self.task.baselines(**{**self.config.task_settings, **changes})

    @cached_property
    def _measure(self) -> Any:
        return jit(lambda model, inputs, targets, mask: self.task.measures(model(inputs), targets, mask))

    def measure(self, model: Any, sequences: int, start: int = 0, **changes: Any) -> Sample:
        """A sample of at least so many fresh sequences, as trained but for some settings; of every value of a range as many.

        `start` says which of the fresh ones. Raises SettingError for settings that need a model of another size.
        """
        with _refused(self.config.task):
            inputs, outputs = self.task.sizes(**{**self.config.task_settings, **changes})
        if (inputs, outputs) != self.sizes:
            found = f"{self.config.words(changes)} makes {inputs} inputs and {outputs} outputs"
            raise SettingError(f"{found}, but the model was trained with {self.sizes[0]} and {self.sizes[1]}: leave it as it was")
        return self._sample(lambda *batch: self._measure(model, *batch), sequences, start, changes)

    def nearest(self, sequences: int, start: int = 0, **changes: Any) -> Sample | None:
        """The same of the nearest neighbour on the same sequences, where the task has one; a measure of probabilities it has not: NaN."""
        if not hasattr(self.task, "nearest"):
            return None

        def measured(inputs: Any, targets: Any, mask: Any) -> dict[str, Tensor]:
            found = self.task.measures(self.task.nearest(inputs, targets).reshape(*mask.shape, -1), targets, mask)
            return {k: v if self.measures[k].rises else v * math.nan for k, v in found.items()}

        return self._sample(measured, sequences, start, changes)

    def _sample(self, measured: Callable[..., dict[str, Tensor]], sequences: int, start: int, changes: dict[str, Any]) -> Sample:
        """Of what is measured of batches of fresh sequences."""
        points = self._points(changes)
        count = -(-sequences // len(points))
        rows: list[dict[str, Tensor]] = []
        best: list[np.ndarray] = []
        for point in points:
            for size in (min(LARGEST, count - done) for done in range(0, count, LARGEST)):
                batch = self.batch(self.keys.evaluation, start + len(rows), size, **point)
                rows.append(measured(*batch))
                if hasattr(self.task, "optimal"):
                    best.append(self.task.optimal(*batch, **{**self.config.task_settings, **point}))
        found = {k: np.concatenate([r[k].numpy() for r in rows]) for k in self.measures}
        if best:
            found[self.headline] = controlled(found[self.headline], np.concatenate(best), self.baselines(**changes)["optimum"])
        return Sample.of(found)

    def _points(self, changes: dict[str, Any]) -> list[dict[str, Any]]:
        """Settings with one value for each range: all combinations, or evenly chosen ones where there are many."""
        values = {**self.config.task_settings, **changes}
        ranges = {k: _both_ends(values[k]) for k, s in task_settings(self.config.task).items() if s.kind == Range}
        most = int(LARGEST ** (1 / max(1, len(ranges))))
        every = [_evenly(low, high, most) for low, high in ranges.values()]
        return [{**changes, **dict(zip(ranges, point, strict=True))} for point in product(*every)]

    def evaluate(self, model: Any, step: int) -> dict[str, Any]:
        """As trained, and harder (names with _harder): a small sample, and once that looks learned the full one.

        Of each: the means, the ends of the first one's interval, the sequences, and how many of them are faulty. passed: whether it is
        learned; learned: whether the run stops for that.
        """
        at = step * FRESH
        found = self._both(model, SAMPLE, at)
        if self._passed(found):
            found = self._both(model, CONFIRM, at + FRESH // 2)
        passed = self._passed(found)
        return {**found, "passed": passed, "learned": passed and self.config.stop}

    def _both(self, model: Any, sequences: int, start: int) -> dict[str, Any]:
        found = {"": self.measure(model, sequences, start)}
        if self.harder is not None:
            found["_harder"] = self.measure(model, sequences, start + FRESH // 4, **self.harder)
        numbers: dict[str, Any] = {}
        for suffix, sample in found.items():
            numbers |= {f"{k}{suffix}": v for k, v in sample.means.items()}
            low, high = sample.intervals[self.headline]
            about = {"low": low, "high": high, "sequences": sample.sequences, "faulty": sample.faulty}
            numbers |= {f"{k}{suffix}": v for k, v in about.items() if v is not None}
        return numbers

    def _passed(self, found: dict[str, Any]) -> bool:
        """Past `until`, and in the harder test as far as the task asks."""
        name, until = self.headline, self.config.until
        if not (found[name] > until if self.measures[name].rises else found[name] < until):
            return False
        wanted = UNTIL_HARDER.get(self.config.task, {}).items()
        return all(found[f"{k}_harder"] >= v if self.measures[k].rises else found[f"{k}_harder"] <= v for k, v in wanted)


def _both_ends(values: Range) -> tuple[int, int]:
    return (values, values) if isinstance(values, int) else values


def _evenly(low: int, high: int, most: int) -> Sequence[int]:
    """All of low … high, or so many of them, both ends included."""
    return range(low, high + 1) if high - low < most else [int(n) for n in np.linspace(low, high, most).round()]


# ---- the folder of a run


@dataclass(frozen=True, repr=False)
class Run:
    """A run's folder: config.json, metrics.jsonl, checkpoints/, pictures/."""

    folder: Path
    experiment: Experiment

    @property
    def config(self) -> Config:
        return self.experiment.config

    @property
    def metrics(self) -> Path:
        return self.folder / "metrics.jsonl"

    @property
    def pictures(self) -> Path:
        return self.folder / "pictures"

    def __repr__(self) -> str:
        done = max(self.checkpoints.steps(), default=0)
        return f"<Run {self.config.title}: {done:,} of {self.config.steps:,} updates, in {self.folder}>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """What a notebook shows: the learning curve and the pictures."""
        draw = notebook.get("run")
        return {"text/plain": repr(self), **(draw(self) if draw is not None else {})}

    @classmethod
    def create(cls, folder: Path, config: Config) -> Run:
        """A new run in a folder that holds none yet."""
        if (folder / "config.json").exists():
            raise SettingError(f"{folder} holds a run already: go on with it by --resume {folder}, or choose another --out")
        run = cls(folder, Experiment(config))
        run.experiment.check()
        folder.mkdir(parents=True, exist_ok=True)
        run._write_config(config.as_json())
        return run

    @classmethod
    def open(cls, folder: Path, **changes: Any) -> Run:
        """The run in a folder; `changes` may be of EXTENDABLE settings."""
        try:
            found = Config.from_json(json.loads((folder / "config.json").read_text()))
        except SettingError as error:
            raise SettingError(f"{folder}: {error}") from None
        except (OSError, ValueError, TypeError) as error:
            raise SettingError(f"{folder}: no run that can be read: {error}") from None
        run = cls(folder, Experiment(dataclasses.replace(found, **changes)))
        done = max(run.checkpoints.steps(), default=0)
        if changes.get("steps") is not None and run.config.steps < done:
            raise SettingError(f"{folder} has made {done:,} updates, more than steps={run.config.steps:,}: give {done:,} or more")
        if changes:
            run._write_config({**run._written(), **{k: getattr(run.config, k) for k in EXTENDABLE}})
        return run

    def _written(self) -> dict[str, Any]:
        """The settings as the folder has them: without those that models and tasks got since the run began."""
        return json.loads((self.folder / "config.json").read_text())

    def _write_config(self, settings: dict[str, Any]) -> None:
        temporary = self.folder / ".config.json.tmp"
        temporary.write_text(json.dumps(settings, indent=2) + "\n")
        temporary.replace(self.folder / "config.json")

    @property
    def checkpoints(self) -> io.Checkpoints:
        return io.Checkpoints(self.folder / "checkpoints")

    def restore(self) -> tuple[Any, int]:
        """(model, step) of the newest checkpoint."""
        model = self.experiment.model()
        like = {"model": model, "optimizer": self.experiment.optimizer().init(model)}
        found, meta, _ = self.checkpoints.restore(like)
        return found["model"], meta["step"]

    def train(self, report: Report, progress: Progress, tensorboard: bool = False) -> Outcome:
        """Train from the newest checkpoint, or from the start; with `tensorboard`, event files of it stand in the folder."""
        e, c = self.experiment, self.config
        reports: list[Report] = [report, *([TensorBoard(self.folder)] if tensorboard else [])]

        def every_report(event: dict[str, Any]) -> None:
            for each in reports:
                each(event)

        every = c.evaluate_every
        return train(
            e.model(), e.optimizer(), e.loss, e.data, folder=self.folder, steps=c.steps, key=e.keys.data,
            config={k: v for k, v in self._written().items() if k not in EXTENDABLE},
            evaluate=e.evaluate, evaluate_every=every, save_every=every, log_every=max(1, every // 10),
            report=every_report, progress=progress,
        )  # fmt: skip
