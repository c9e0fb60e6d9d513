"""Learning rates: numbers, and schedules, which are functions of the number of updates made so far."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from .. import ops
from ..errors import SettingError
from ..tensor import Tensor, tensor

# A learning rate: a number, a scalar tensor (in jit one that changes from call to call), or a function of the number of updates made so far
# (int64 scalar tensor, 0 at the first).
Rate = float | Tensor | Callable[[Tensor], Any]


def _number(what: str, value: Any, low: float = 0.0, high: float = math.inf) -> float:
    """The setting as a float in [low, high), or a SettingError naming it."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        raise SettingError(f"{what} must be a number, got {value!r}") from None
    if not low <= found < high:
        raise SettingError(f"{what} must be a finite number in [{low:g}, {high:g}), got {value!r}")
    return found


def _level(what: str, value: Any) -> None:
    """Raises SettingError for a value that is no rate for all steps: a number from 0 on, or a scalar tensor."""
    if isinstance(value, Tensor) and value.shape:
        raise SettingError(f"{what} must be one number, got {value.type}")
    if not isinstance(value, Tensor) or value.is_concrete:
        _number(what, value)


def _rate(what: str, value: Rate) -> None:
    if not callable(value):
        _level(what, value)


def _at(rate: Rate, step: Tensor) -> Tensor:
    """The rate at a step, float64 scalar."""
    found = ops.astype(rate(step) if callable(rate) else rate if isinstance(rate, Tensor) else float(rate), "float64")
    if found.shape:
        raise SettingError(f"lr must be one number a step, its schedule gave {found.type}")
    return found


@dataclass(frozen=True)
class Constant:
    """The same rate at every step."""

    lr: float | Tensor

    def __post_init__(self) -> None:
        _level("lr", self.lr)

    def __call__(self, step: Tensor) -> Tensor:
        return _at(self.lr, step)


@dataclass(frozen=True)
class Cosine:
    """From lr down to `final` over `steps` updates along half a cosine, then `final` (Loshchilov and Hutter 2017, eq. 5)."""

    lr: float | Tensor
    steps: int
    final: float = 0.0

    def __post_init__(self) -> None:
        _level("lr", self.lr)
        _number("final", self.final)
        _number("steps", self.steps, 1)

    def __call__(self, step: Tensor) -> Tensor:
        done = ops.minimum(ops.astype(step, "float64") / self.steps, 1.0)
        return self.final + (_at(self.lr, step) - self.final) * 0.5 * (1 + ops.cos(done * math.pi))


@dataclass(frozen=True)
class Exponential:
    """lr·decay^(step / every)."""

    lr: float | Tensor
    decay: float
    every: int = 1

    def __post_init__(self) -> None:
        _level("lr", self.lr)
        _number("decay", self.decay, math.ulp(0.0))
        _number("every", self.every, 1)

    def __call__(self, step: Tensor) -> Tensor:
        return _at(self.lr, step) * ops.exp(ops.astype(step, "float64") * (math.log(self.decay) / self.every))


@dataclass(frozen=True)
class _Early:
    """Another rate, changed in the first `steps` updates."""

    lr: Rate
    steps: int

    def __post_init__(self) -> None:
        _rate("lr", self.lr)
        _number("steps", self.steps, 1)


@dataclass(frozen=True)
class Warmup(_Early):
    """Another rate, scaled up linearly over the first `steps` updates: 1/steps of it at the first, all of it from the last of them on."""

    def __call__(self, step: Tensor) -> Tensor:
        return _at(self.lr, step) * ops.minimum((ops.astype(step, "float64") + 1) / self.steps, 1.0)


@dataclass(frozen=True)
class Delayed(_Early):
    """0 for the first `steps` updates, then another rate."""

    def __call__(self, step: Tensor) -> Tensor:
        return ops.where(ops.less(step, self.steps), 0.0, _at(self.lr, step))


# ---- a rate that depends on a measure


class PlateauState(NamedTuple):
    """The rate and the best measure so far (float64), and the numbers (int64) of measures without improvement and of those left to rest."""

    rate: Tensor
    best: Tensor
    waited: Tensor
    resting: Tensor


@dataclass(frozen=True)
class Plateau:
    """A rate that falls when a measure, such as the loss of an evaluation, stops improving; PyTorch's ReduceLROnPlateau.

    state = plateau.init();  state = plateau.update(state, measure) after each evaluation;  Adam(state.rate) for the next updates

    lr          the rate at first; after more than `patience` measures without improvement it is multiplied by `factor`
    threshold   what counts as improvement: below best·(1 − threshold), or with relative=False below best − threshold
    cooldown    measures after a fall of the rate that do not count
    least       the rate falls to this at most, and no fall is smaller than `epsilon`
    maximize    larger measures are better: above best·(1 + threshold), or best + threshold
    """

    lr: float
    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-4
    relative: bool = True
    cooldown: int = 0
    least: float = 0.0
    epsilon: float = 1e-8
    maximize: bool = False

    def __post_init__(self) -> None:
        _number("factor", self.factor, 0, 1)
        for name in ("lr", "patience", "threshold", "cooldown", "least", "epsilon"):
            _number(name, getattr(self, name))

    def init(self) -> PlateauState:
        worst = -math.inf if self.maximize else math.inf
        return PlateauState(tensor(float(self.lr), "float64"), tensor(worst, "float64"), tensor(0), tensor(0))

    def update(self, state: PlateauState, measure: Any) -> PlateauState:
        """The state after one more measure, a scalar. NaN is no improvement. It runs eagerly and inside jit."""
        value = ops.astype(measure, "float64")
        margin = self.threshold if self.maximize else -self.threshold
        bound = state.best * (1 + margin) if self.relative else state.best + margin
        better = value > bound if self.maximize else value < bound
        resting = state.resting > 0
        waited = ops.where(ops.logical_or(better, resting), 0, state.waited + 1)
        falls = waited > self.patience
        lower = ops.maximum(state.rate * self.factor, self.least)
        return PlateauState(
            ops.where(ops.logical_and(falls, state.rate - lower > self.epsilon), lower, state.rate),
            ops.where(better, value, state.best),
            ops.where(falls, 0, waited),
            ops.where(falls, self.cooldown, state.resting - ops.astype(resting, "int64")),
        )
