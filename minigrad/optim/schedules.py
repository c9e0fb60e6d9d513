"""Learning rates: numbers, and schedules, which are functions of the number of updates made so far."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .. import ops
from ..errors import SettingError
from ..tensor import Tensor, tensor

# A learning rate: a number, or a function of the number of updates made so far (int64 scalar tensor, 0 at the first).
Rate = float | Callable[[Tensor], Any]


def _number(what: str, value: Any, low: float = 0.0, high: float = math.inf) -> float:
    """The setting as a float in [low, high), or a SettingError naming it."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        raise SettingError(f"{what} must be a number, got {value!r}") from None
    if not low <= found < high:
        raise SettingError(f"{what} must be a finite number in [{low:g}, {high:g}), got {value!r}")
    return found


def _rate(what: str, value: Rate) -> None:
    if not callable(value):
        _number(what, value)


def _at(rate: Rate, step: Tensor) -> Tensor:
    """The rate at a step, float64 scalar."""
    found = rate(step) if callable(rate) else float(rate)
    found = tensor(found, "float64" if isinstance(found, (int, float)) else None)
    if found.shape:
        raise SettingError(f"lr must be one number a step, its schedule gave {found.type}")
    return ops.astype(found, "float64")


@dataclass(frozen=True)
class Constant:
    """The same rate at every step."""

    lr: float

    def __post_init__(self) -> None:
        _number("lr", self.lr)

    def __call__(self, step: Tensor) -> Tensor:
        return tensor(float(self.lr), "float64")


@dataclass(frozen=True)
class Cosine:
    """From lr down to `final` over `steps` updates along half a cosine, then `final` (Loshchilov and Hutter 2017, eq. 5)."""

    lr: float
    steps: int
    final: float = 0.0

    def __post_init__(self) -> None:
        _number("lr", self.lr)
        _number("final", self.final)
        _number("steps", self.steps, 1)

    def __call__(self, step: Tensor) -> Tensor:
        done = ops.minimum(ops.astype(step, "float64") / self.steps, 1.0)
        return self.final + (self.lr - self.final) * 0.5 * (1 + ops.cos(done * math.pi))


@dataclass(frozen=True)
class Exponential:
    """lr·decay^(step / every)."""

    lr: float
    decay: float
    every: int = 1

    def __post_init__(self) -> None:
        _number("lr", self.lr)
        _number("decay", self.decay, math.ulp(0.0))
        _number("every", self.every, 1)

    def __call__(self, step: Tensor) -> Tensor:
        return self.lr * ops.exp(ops.astype(step, "float64") * (math.log(self.decay) / self.every))


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
