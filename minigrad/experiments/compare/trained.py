"""Trained models, and what all measurements use: outputs, wrong bits, medians over seeds."""

from __future__ import annotations

import copy
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ... import random, tree
from ...compiled import jit
from ...models.attention import AttentiveLSTM
from ...models.encoder import Encoded
from ...models.hopfield import HopfieldNetwork
from ...models.transformer import Transformer
from ..run import Experiment, Run
from .figure import Curve


class Trained(NamedTuple):
    """A run's experiment and its model at the end."""

    experiment: Experiment
    model: Any

    @property
    def settings(self) -> dict[str, Any]:
        return self.experiment.config.task_settings


Models = Mapping[str, Sequence[Trained]]  # {model's name: its seeds}

MEMORY = ("ntm", "mann", "dnc")  # models with slots
KEY = random.key(20_260_101)  # of all fresh sequences that are measured: no run trains on its data


def load(runs: Sequence[Run]) -> list[Trained]:
    return [Trained(run.experiment, run.restore()[0]) for run in runs]


@jit
def forward(model: Any, xs: Any) -> Any:
    """Outputs (T, batch, outputs) of a model on xs (T, batch, inputs)."""
    return model(xs)


def medians(models: Models, measured: Callable[[Trained], Curve]) -> dict[str, Curve]:
    """{name: {x: the median over its seeds}}."""
    found: dict[str, Curve] = {}
    for name, seeds in models.items():
        each = [measured(t) for t in seeds]
        found[name] = {x: statistics.median(one[x] for one in each) for x in each[0]}
    return found


def wrong_bits(outputs: Any, targets: np.ndarray, mask: np.ndarray) -> float:
    """Percent of the scored bits that come out wrong when rounded."""
    return 100 * float(((outputs.numpy() > 0) != (targets > 0.5))[mask].mean())


def state_floats(model: Any, length: int) -> int:
    """Numbers that a model carries from step to step; for attention after `length` steps, with all the states that it looks back on:
    a transformer's keys and values, a Hopfield network's patterns."""
    if isinstance(model, Encoded):
        return state_floats(model.model, length)
    if isinstance(model, Transformer):
        return length * 2 * model.width * len(model.blocks)
    if isinstance(model, HopfieldNetwork):
        return length * model.hidden
    past = length * model.hidden if isinstance(model, AttentiveLSTM) else 0
    cell = model.lstm if isinstance(model, AttentiveLSTM) else model
    return past + sum(leaf.size for leaf in tree.leaves(cell.initial_state(1)))


def with_slots(model: Any, slots: int) -> Any:
    """The same weights with another number of slots, which none of them depends on."""
    made = copy.copy(model)
    made.memory = (slots, model.memory[1])
    return made
