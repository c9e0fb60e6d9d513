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
    """v = μ·v + (1−τ)·g, at first v = g; p −= lr·v. With Nesterov: p −= lr·(g + μ·v). PyTorch's form (Sutskever et al. 2013).

    momentum is μ, dampening τ.
    """

    momentum: float = 0.0
    nesterov: bool = False
    dampening: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _number("momentum", self.momentum, 0, 1)
        _number("dampening", self.dampening)
        if self.nesterov and not self.momentum:
            raise SettingError("nesterov needs a momentum above 0")
        if self.nesterov and self.dampening:
            raise SettingError("nesterov takes no dampening")

    @property
    def names(self) -> tuple[str, ...]:
        return ("velocity",)

    def leaf(self, p: Tensor, g: Tensor, slots: Slots, rate: Tensor, step: Tensor) -> tuple[Tensor, Slots]:
        v = self._velocity(slots["velocity"], g, step) if self.momentum else g
        change = g + self.momentum * v if self.nesterov else v
        return p - ops.astype(rate, p.dtype) * change, {"velocity": v if self.momentum else slots["velocity"]}

    def _velocity(self, v: Tensor, g: Tensor, step: Tensor) -> Tensor:
        if not self.dampening:
            return self.momentum * v + g
        return ops.where(step == 1, g, self.momentum * v + (1 - self.dampening) * g)


@dataclass(frozen=True)
class RMSProp(Optimizer):
    """n = ρ·n + (1−ρ)·g²; v = μ·v + g / (√n + ε); p −= lr·v (Tieleman and Hinton 2012).

    centered: with m = ρ·m + (1−ρ)·g, the variance n − m² stands in place of n. It is kept at 0 or above.
    """

    decay: float = 0.99
    momentum: float = 0.0
    epsilon: float = 1e-8
    centered: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        _number("decay", self.decay, 0, 1)
        _number("momentum", self.momentum, 0, 1)
        _number("epsilon", self.epsilon)

    @property
    def names(self) -> tuple[str, ...]:
        return ("square", "velocity", *(["mean"] if self.centered else []))

    def leaf(self, p: Tensor, g: Tensor, slots: Slots, rate: Tensor, step: Tensor) -> tuple[Tensor, Slots]:
        n = self.decay * slots["square"] + (1 - self.decay) * ops.square(g)
        kept = {"square": n, "velocity": slots["velocity"]}
        if self.centered:
            m = kept["mean"] = self.decay * slots["mean"] + (1 - self.decay) * g
            n = ops.maximum(n - ops.square(m), 0)
        change = g / (ops.sqrt(n) + self.epsilon)
        if self.momentum:
            change = kept["velocity"] = self.momentum * slots["velocity"] + change
        return p - ops.astype(rate, p.dtype) * change, kept


@dataclass(frozen=True)
class GravesRMSProp(Optimizer):
    """n = ρ·n + (1−ρ)·g²; m = ρ·m + (1−ρ)·g; d = μ·d − lr·g / √(n − m² + ε); p += d (Graves 2013, eqs. 38-45).

    The variance n − m² is kept at 0 or above: for large steady gradients rounding would take it below −ε.
    """

    lr: Rate = 1e-4
    decay: float = 0.95
    momentum: float = 0.9
    epsilon: float = 1e-4

    def __post_init__(self) -> None:
        super().__post_init__()
        _number("decay", self.decay, 0, 1)
        _number("momentum", self.momentum, 0, 1)
        _number("epsilon", self.epsilon, math.ulp(0.0))

    @property
    def names(self) -> tuple[str, ...]:
        return ("square", "mean", "delta")

    def leaf(self, p: Tensor, g: Tensor, slots: Slots, rate: Tensor, step: Tensor) -> tuple[Tensor, Slots]:
        n = self.decay * slots["square"] + (1 - self.decay) * ops.square(g)
        m = self.decay * slots["mean"] + (1 - self.decay) * g
        spread = ops.sqrt(ops.maximum(n - ops.square(m), 0) + self.epsilon)
        d = self.momentum * slots["delta"] - ops.astype(rate, p.dtype) * g / spread
        return p + d, {"square": n, "mean": m, "delta": d}


@dataclass(frozen=True)
class Adam(Optimizer):
    """m = β₁·m + (1−β₁)·g; v = β₂·v + (1−β₂)·g²; p −= lr·m̂ / (√v̂ + ε), with m̂ = m/(1−β₁ᵗ), v̂ = v/(1−β₂ᵗ) (Kingma and Ba 2015).

    amsgrad: v̂ is taken of the largest v so far (Reddi et al. 2018).
    """

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    amsgrad: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        _number("beta1", self.beta1, 0, 1)
        _number("beta2", self.beta2, 0, 1)
        _number("epsilon", self.epsilon)

    @property
    def names(self) -> tuple[str, ...]:
        return ("mean", "square", *(["largest"] if self.amsgrad else []))

    def leaf(self, p: Tensor, g: Tensor, slots: Slots, rate: Tensor, step: Tensor) -> tuple[Tensor, Slots]:
        m = self.beta1 * slots["mean"] + (1 - self.beta1) * g
        v = self.beta2 * slots["square"] + (1 - self.beta2) * ops.square(g)
        kept = {"mean": m, "square": v}
        if self.amsgrad:
            v = kept["largest"] = ops.maximum(slots["largest"], v)
        pace = ops.astype(rate / (1 - ops.pow(self.beta1, step)), p.dtype)
        unbias = ops.astype(1 / ops.sqrt(1 - ops.pow(self.beta2, step)), p.dtype)
        return p - pace * m / (ops.sqrt(v) * unbias + self.epsilon), kept


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam after p −= lr·λ·p: weight decay apart from the gradient (Loshchilov and Hutter 2019)."""

    decoupled = True
    weight_decay: float = field(default=1e-2, kw_only=True)
