"""A training run as data: its settings, the model, task, loss and measures they stand for, and its folder.

This stands above the engine: it knows minigrad.models. The command line and the pictures are built on it.
"""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from . import io, ops, optim, random
from .errors import MinigradError
from .jit import jit
from .tensor import Tensor
from .train import Outcome, Progress, Report, train

MODELS = ("ntm", "lstm", "rnn")
CONFIRM, CONFIRM_TWICE = 1000, 100  # fresh sequences: in the trained range, and of twice its greatest length
FRESH = 2**24  # batches that one evaluation may draw before it would meet those of the next


class ConfigError(MinigradError, ValueError):
    """A setting of a run that makes no sense."""


@dataclass(frozen=True)
class Config:
    """The settings of a run. Those in EXTENDABLE may differ when it is resumed.

    lengths         shortest and longest sequence, both included
    memory          (slots, width); controller, memory and heads are for the NTM alone
    until           stop once the cost is below this many bits a sequence, over 1,000 fresh sequences of the trained lengths, and not one
                    bit is wrong in 100 sequences of twice the longest
    evaluate_every  updates between evaluations; checkpoints are written as often
    """

    task: str = "copy"
    model: str = "ntm"
    controller: str = "lstm"
    hidden: int = 100
    memory: tuple[int, int] = (128, 20)
    heads: int = 1
    bits: int = 8
    lengths: tuple[int, int] = (1, 20)
    batch: int = 8
    steps: int = 20_000
    lr: float = 2e-3
    clip_norm: float = 1.0
    seed: int = 0
    until: float = 0.05
    evaluate_every: int = 200

    def __post_init__(self) -> None:
        from .models.tasks import TASKS

        for name, known in (("task", tuple(TASKS)), ("model", MODELS), ("controller", ("lstm", "ff"))):
            if getattr(self, name) not in known:
                raise ConfigError(f"{name} {getattr(self, name)!r} is unknown: take one of {', '.join(known)}")
        whole = {n: getattr(self, n) for n in ("hidden", "heads", "bits", "batch", "steps", "evaluate_every")}
        for name, value in {**whole, "lengths": min(self.lengths), "memory": min(self.memory)}.items():
            if value < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.lengths[0] > self.lengths[1]:
            raise ConfigError(f"lengths go from the shortest to the longest, got {self.lengths[0]}-{self.lengths[1]}")
        if not 0 <= self.seed < 2**64:
            raise ConfigError(f"seed must be in 0 … 2⁶⁴ − 1, got {self.seed}")

    def as_json(self) -> dict[str, Any]:
        return {k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(self).items()}

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> Config:
        known = {f.name for f in dataclasses.fields(cls)}
        if not isinstance(found, dict) or set(found) != known:
            raise ConfigError(f"the settings are not those of a run: {sorted(set(found) ^ known) if isinstance(found, dict) else found}")
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in found.items()}
        return cls(**values)


EXTENDABLE = ("steps", "until")


def span(text: str) -> tuple[int, int]:
    """'1-20' or '20' as (1, 20) or (20, 20)."""
    found = re.fullmatch(r"(\d+)(?:\s*[-–]\s*(\d+))?", text.strip())
    if not found:
        raise ConfigError(f"lengths are written 1-20, got {text!r}")
    return int(found[1]), int(found[2] or found[1])


def size(text: str) -> tuple[int, int]:
    """'128x20' as (128, 20)."""
    found = re.fullmatch(r"(\d+)\s*[x×]\s*(\d+)", text.strip())
    if not found:
        raise ConfigError(f"memory is written 128x20, slots by width, got {text!r}")
    return int(found[1]), int(found[2])


class Keys(NamedTuple):
    """Independent sources of chance, all from the seed."""

    model: Tensor
    data: Tensor
    evaluation: Tensor
    pictures: Tensor


@dataclass(frozen=True)
class Experiment:
    """What a Config stands for."""

    config: Config

    @cached_property
    def task(self) -> Any:
        from .models.tasks import TASKS

        return TASKS[self.config.task]

    @cached_property
    def keys(self) -> Keys:
        return Keys(*random.split(random.key(self.config.seed), len(Keys._fields)))

    def model(self) -> Any:
        """The untrained model."""
        from .models import LSTM, NTM, RNN

        c = self.config
        inputs, outputs = self.task.sizes(c.bits)
        if c.model == "ntm":
            return NTM(inputs, outputs, c.controller, c.hidden, c.memory, c.heads, c.heads, key=self.keys.model)
        return {"lstm": LSTM, "rnn": RNN}[c.model](inputs, c.hidden, outputs, key=self.keys.model)

    def optimizer(self) -> optim.Optimizer:
        return optim.Adam(self.config.lr, clip_norm=self.config.clip_norm)

    def loss(self, model: Any, inputs: Tensor, targets: Tensor, mask: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """(loss in nats a sequence, {bits and wrong bits a sequence})."""
        logits = model(inputs)
        return self.task.loss(logits, targets, mask), self._means(logits, targets, mask)

    def _means(self, logits: Tensor, targets: Tensor, mask: Tensor) -> dict[str, Tensor]:
        wrong = ops.astype(self.task.wrong_bits(logits, targets, mask), "float32")
        return {"bits": ops.mean(self.task.bits_per_sequence(logits, targets, mask)), "wrong": ops.mean(wrong)}

    def data(self, key: Tensor, step: int) -> tuple[Any, ...]:
        c = self.config
        return self.task.batch(key, step, c.batch, lengths=c.lengths, bits=c.bits)

    @property
    def chance(self) -> float:
        """Bits a sequence that guessing costs, over the trained lengths."""
        low, high = self.config.lengths
        return float(np.mean([self.task.chance(n, self.config.bits) for n in range(low, high + 1)]))

    # ---- measuring

    @cached_property
    def _measure(self) -> Any:
        def measure(model: Any, inputs: Tensor, targets: Tensor, mask: Tensor) -> dict[str, Tensor]:
            return self._means(model(inputs), targets, mask)

        return jit(measure)

    def measure(self, model: Any, lengths: tuple[int, int], sequences: int, start: int = 0) -> dict[str, float]:
        """Mean bits and wrong bits over at least so many fresh sequences, as many of each length. `start` says which of the fresh ones."""
        every = range(lengths[0], lengths[1] + 1)
        count = -(-sequences // len(every))
        rows = []
        for i, n in enumerate(every):
            batch = self.task.batch(self.keys.evaluation, start + i, count, lengths=n, bits=self.config.bits)
            rows.append({k: float(v) for k, v in self._measure(model, *batch).items()})
        return {k: float(np.mean([r[k] for r in rows])) for k in rows[0]}

    def evaluate(self, model: Any, step: int) -> dict[str, Any]:
        """At trained lengths and at twice the longest: a small sample, and once that is below the threshold the full one."""
        longest, at = self.config.lengths[1], step * FRESH
        found = self._both(model, 100, 25, at)
        if found["bits"] >= self.config.until:
            return {**found, "length_twice": 2 * longest, "sequences": 100, "learned": False}
        found = self._both(model, CONFIRM, CONFIRM_TWICE, at + FRESH // 2)
        return {
            **found,
            "length_twice": 2 * longest,
            "sequences": CONFIRM,
            "learned": found["bits"] < self.config.until and found["wrong_twice"] == 0,
        }

    def _both(self, model: Any, sequences: int, twice: int, start: int) -> dict[str, float]:
        longest = 2 * self.config.lengths[1]
        far = self.measure(model, (longest, longest), twice, start + FRESH // 4)
        return {**self.measure(model, self.config.lengths, sequences, start), **{f"{k}_twice": v for k, v in far.items()}}


# ---- the folder of a run


@dataclass(frozen=True)
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

    @classmethod
    def create(cls, folder: Path, config: Config) -> Run:
        """A new run in a folder that holds none yet."""
        if (folder / "config.json").exists():
            raise ConfigError(f"{folder} holds a run already: go on with it by --resume {folder}, or choose another --out")
        folder.mkdir(parents=True, exist_ok=True)
        run = cls(folder, Experiment(config))
        run._write_config()
        return run

    @classmethod
    def open(cls, folder: Path, **changes: Any) -> Run:
        """The run in a folder; `changes` may be of EXTENDABLE settings."""
        try:
            found = Config.from_json(json.loads((folder / "config.json").read_text()))
        except (OSError, ValueError, TypeError) as error:
            raise ConfigError(f"{folder}: no run that can be read: {error}") from None
        run = cls(folder, Experiment(dataclasses.replace(found, **changes)))
        if changes:
            run._write_config()
        return run

    def _write_config(self) -> None:
        temporary = self.folder / ".config.json.tmp"
        temporary.write_text(json.dumps(self.config.as_json(), indent=2) + "\n")
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

    def train(self, report: Report, progress: Progress) -> Outcome:
        """Train from the newest checkpoint, or from the start."""
        e, c = self.experiment, self.config
        every = c.evaluate_every
        return train(
            e.model(), e.optimizer(), e.loss, e.data, folder=self.folder, steps=c.steps, key=e.keys.data,
            config={k: v for k, v in c.as_json().items() if k not in EXTENDABLE},
            evaluate=e.evaluate, evaluate_every=every, save_every=every, log_every=max(1, every // 10), report=report, progress=progress,
        )  # fmt: skip
