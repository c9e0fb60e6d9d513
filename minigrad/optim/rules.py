"""The optimisers: each names its slots and gives the step of one parameter."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from .. import ops
from ..errors import SettingError
from ..tensor import Tensor
from .optimizer import Optimizer, Slots
from .schedules import Rate, _number


@dataclass(frozen=True)
class SGD(Optimizer):
    """v = μ·v + g; p −= lr·v. With Nesterov: p −= lr·(g + μ·v). PyTorch's form (Sutskever et al. 2013)."""

    names = ("velocity",)
    momentum: float = 0.0
    nesterov: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        _number("momentum", self.momentum, 0, 1)
        if self.nesterov and not self.momentum:
            raise SettingError("nesterov needs a momentum above 0")

    def leaf(self, p: Tensor, g: Tensor, slots: Slots, rate: Tensor, step: Tensor) -> tuple[Tensor, Slots]:
        v = self.momentum * slots["velocity"] + g if self.momentum else g
        change = g + self.momentum * v if self.nesterov else v
        return p - ops.astype(rate, p.dtype) * change, {"velocity": v if self.momentum else slots["velocity"]}


@dataclass(frozen=True)
class RMSProp(Optimizer):
    """n = ρ·n + (1−ρ)·g²; v = μ·v + g / (√n + ε); p −= lr·v (Tieleman and Hinton 2012)."""

    names = ("square", "velocity")
    decay: float = 0.99
    momentum: float = 0.0
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        super().__post_init__()
        _number("decay", self.decay, 0, 1)
        _number("momentum", self.momentum, 0, 1)
        _number("epsilon", self.epsilon)

    def leaf(self, p: Tensor, g: Tensor, slots: Slots, rate: Tensor, step: Tensor) -> tuple[Tensor, Slots]:
        n = self.decay * slots["square"] + (1 - self.decay) * ops.square(g)
        change = g / (ops.sqrt(n) + self.epsilon)
        v = self.momentum * slots["velocity"] + change if self.momentum else change
        return p - ops.astype(rate, p.dtype) * v, {"square": n, "velocity": v if self.momentum else slots["velocity"]}


@dataclass(frozen=True)
class GravesRMSProp(Optimizer):
    """n = ρ·n + (1−ρ)·g²; m = ρ·m + (1−ρ)·g; d = μ·d − lr·g / √(n − m² + ε); p += d (Graves 2013, eqs. 38-45).

    The variance n − m² is kept at 0 or above: for large steady gradients rounding would take it below −ε.
    """

    names = ("square", "mean", "delta")
    lr: Rate = 1e-4
    decay: float = 0.95
    momentum: float = 0.9
    epsilon: float = 1e-4

    def __post_init__(self) -> None:
        super().__post_init__()
        _number("decay", self.decay, 0, 1)
        _number("momentum", self.momentum, 0, 1)
        _number("epsilon", self.epsilon, math.ulp(0.0))

    def leaf(self, p: Tensor, g: Tensor, slots: Slots, rate: Tensor, step: Tensor) -> tuple[Tensor, Slots]:
        n = self.decay * slots["square"] + (1 - self.decay) * ops.square(g)
        m = self.decay * slots["mean"] + (1 - self.decay) * g
        spread = ops.sqrt(ops.maximum(n - ops.square(m), 0) + self.epsilon)
        d = self.momentum * slots["delta"] - ops.astype(rate, p.dtype) * g / spread
        return p + d, {"square": n, "mean": m, "delta": d}


@dataclass(frozen=True)
class Adam(Optimizer):
    """m = β₁·m + (1−β₁)·g; v = β₂·v + (1−β₂)·g²; p −= lr·m̂ / (√v̂ + ε), with m̂ = m/(1−β₁ᵗ), v̂ = v/(1−β₂ᵗ) (Kingma and Ba 2015)."""

    names = ("mean", "square")
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        super().__post_init__()
        _number("beta1", self.beta1, 0, 1)
        _number("beta2", self.beta2, 0, 1)
        _number("epsilon", self.epsilon)

    def leaf(self, p: Tensor, g: Tensor, slots: Slots, rate: Tensor, step: Tensor) -> tuple[Tensor, Slots]:
        m = self.beta1 * slots["mean"] + (1 - self.beta1) * g
        v = self.beta2 * slots["square"] + (1 - self.beta2) * ops.square(g)
        pace = ops.astype(rate / (1 - ops.pow(self.beta1, step)), p.dtype)
        unbias = ops.astype(1 / ops.sqrt(1 - ops.pow(self.beta2, step)), p.dtype)
        return p - pace * m / (ops.sqrt(v) * unbias + self.epsilon), {"mean": m, "square": v}


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam after p −= lr·λ·p: weight decay apart from the gradient (Loshchilov and Hutter 2019)."""

    weight_decay: float = field(default=1e-2, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        _number("weight_decay", self.weight_decay)

    def leaf(self, p: Tensor, g: Tensor, slots: Slots, rate: Tensor, step: Tensor) -> tuple[Tensor, Slots]:
        return super().leaf(p * ops.astype(1 - rate * self.weight_decay, p.dtype), g, slots, rate, step)
