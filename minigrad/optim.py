"""Optimisers as pure functions of trees: init(params) -> state, update(params, grads, state) -> (params, state).

They run eagerly and inside jit alike. The new parameters are fresh leaves without history; inside a trace they are tensors of it, and
parameters again where they leave it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np

from . import ops, tree
from .errors import SettingError, shape_error
from .graph.nodes import is_tracing
from .graph.types import unify_types
from .tensor import Tensor, parameter, tensor

__all__ = [
    "SGD", "Adam", "AdamW", "Constant", "Cosine", "Delayed", "Exponential", "GravesRMSProp", "Optimizer", "OptimizerError", "RMSProp",
    "Rate", "State", "Warmup", "global_norm",
]  # fmt: skip

# A learning rate: a number, or a function of the number of updates made so far (int64 scalar tensor, 0 at the first).
Rate = float | Callable[[Tensor], Any]
Slots = dict[str, Tensor]
OptimizerError = SettingError  # its name among the optimisers


class State(NamedTuple):
    """What an optimiser remembers: the updates made so far (int64), and for each of its slots a tree like the parameters."""

    step: Tensor
    slots: dict[str, Any]


# ---- settings


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
    found = ops.astype(rate(step) if callable(rate) else float(rate), "float64")
    if found.shape:
        raise SettingError(f"lr must be one number a step, its schedule gave {found.type}")
    return found


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


# ---- what all optimisers share


def global_norm(grads: Any) -> Tensor:
    """√Σg² over all leaves of a tree of gradients."""
    total = sum((ops.astype(ops.sum(ops.square(g)), "float64") for g in tree.leaves(grads)), tensor(0.0, "float64"))
    return ops.sqrt(total)


@dataclass(frozen=True)
class Optimizer:
    """Base: a subclass names its slots and gives the step of one leaf.

    lr          learning rate ≥ 0, or a schedule: a function of the number of updates made so far
    clip_norm   gradients are scaled down together where their global norm exceeds this
    clip_value  gradients are limited to ±this, element by element, before the norm
    rates       {part: learning rate} of parts that have another: a part is the path of a parameter or of what holds it, "encoder" or
                "layers[0]"; the longest counts

    NaN in a gradient is not hidden by either. Settings that make no sense raise SettingError (a ValueError) naming the setting.
    """

    names: ClassVar[tuple[str, ...]] = ()
    lr: Rate = 1e-3
    clip_norm: float | None = field(default=None, kw_only=True)
    clip_value: float | None = field(default=None, kw_only=True)
    rates: Mapping[str, Rate] = field(default_factory=dict, kw_only=True, hash=False)

    def __post_init__(self) -> None:
        for name, rate in (("lr", self.lr), *((f"rates[{part!r}]", rate) for part, rate in self.rates.items())):
            _rate(name, rate)
        for name in ("clip_norm", "clip_value"):
            if getattr(self, name) is not None:
                _number(name, getattr(self, name), math.ulp(0.0))

    def init(self, params: Any) -> State:
        """The state before the first update. Raises SettingError for no parameters, one that stands twice, or one that is no float."""
        leaves, treedef = tree.flatten(params)
        paths = list(tree.paths(treedef))
        _require_trainable(type(self).__name__, [tensor(p) for p in leaves], paths)
        if idle := set(self.rates) - set(self._parts(paths)):
            have = ", ".join(path.removeprefix(".") for path in paths)
            raise SettingError(f"{type(self).__name__}: rates are given of {', '.join(sorted(idle))}, but the parameters are {have}")
        return State(tensor(0), {name: tree.map(_zeros, params) for name in self.names})

    def update(self, params: Any, grads: Any, state: State) -> tuple[Any, State]:
        """One step down: new parameters with their names, and the new state. `grads` is a tree like `params`.

        Raises GraphError where the trees differ in structure, ShapeError where a gradient is of another type than its parameter.
        """
        leaves, treedef = tree.flatten(params)
        found, grads_tree = tree.flatten(grads)
        tree.require_same(treedef, grads_tree, f"{type(self).__name__}: gradients against parameters")
        ps, gs = [tensor(p) for p in leaves], [tensor(g) for g in found]
        paths = list(tree.paths(treedef))
        for path, p, g in zip(paths, ps, gs, strict=True):
            if not unify_types(p.type, g.type):
                raise shape_error(type(self).__name__, f"the gradient of params{path} is {g.type}, the parameter {p.type}")
        gs = self._clipped(gs)
        slots = self._slots(state, treedef)
        step = ops.astype(state.step, "float64") + 1
        rates = {part: _at(rate, state.step) for part, rate in (("", self.lr), *self.rates.items())}
        new_ps, new_slots = [], []
        for i, (p, g, part) in enumerate(zip(ps, gs, self._parts(paths), strict=True)):
            new, kept = self.leaf(p, g, {name: slots[name][i] for name in self.names}, rates[part], step)
            new_ps.append(_settled(new, p.name, parameter))
            new_slots.append({name: _settled(kept[name], None, tensor) for name in self.names})
        trees = {name: tree.unflatten(treedef, [s[name] for s in new_slots]) for name in self.names}
        return tree.unflatten(treedef, new_ps), State(_settled(state.step + 1, None, tensor), trees)

    def _parts(self, paths: Sequence[str]) -> list[str]:
        """The longest of the parts with rates of their own that each path is or is below; "" for none."""
        longest_first = sorted(self.rates, key=len, reverse=True)
        return [next((part for part in longest_first if _is_below(path.removeprefix("."), part)), "") for path in paths]

    def _slots(self, state: Any, treedef: tree.TreeDef) -> dict[str, list[Any]]:
        """The leaves of each slot, if the state is one of these parameters'."""
        what = type(self).__name__
        if not isinstance(state, State) or set(state.slots) != set(self.names):
            has = f"slots {', '.join(state.slots) or 'none'}" if isinstance(state, State) else repr(state)
            needed = ", ".join(self.names) or "none"
            raise SettingError(f"{what}: the state must have slots {needed}, got {has}. Make it with {what}(…).init(params)")
        found = {name: tree.flatten(state.slots[name]) for name in self.names}
        for name, (_, structure) in found.items():
            tree.require_same(treedef, structure, f"{what}: slot {name!r} of the state against the parameters")
        return {name: leaves for name, (leaves, _) in found.items()}

    def leaf(self, p: Tensor, g: Tensor, slots: Slots, rate: Tensor, step: Tensor) -> tuple[Tensor, Slots]:
        """One parameter's update. `rate` and `step` (1 at the first update) are float64 scalars."""
        raise NotImplementedError

    def _clipped(self, grads: list[Tensor]) -> list[Tensor]:
        if self.clip_value is not None:
            grads = [ops.maximum(ops.minimum(g, self.clip_value), -self.clip_value) for g in grads]
        if self.clip_norm is None:
            return grads
        scale = self.clip_norm / ops.maximum(global_norm(grads), self.clip_norm)
        return [g * ops.astype(scale, g.dtype) for g in grads]


def _is_below(path: str, part: str) -> bool:
    return path.startswith(part) and path[len(part) : len(part) + 1] in ("", ".", "[")


def _require_trainable(what: str, params: list[Tensor], paths: list[str]) -> None:
    if not params:
        raise SettingError(f"{what}: there are no parameters to train")
    seen: dict[Any, str] = {}
    for path, p in zip(paths, params, strict=True):
        if not p.type.is_float:
            raise SettingError(f"{what}: params{path} is {p.type}; only floats can be trained")
        if p.node in seen:
            raise SettingError(f"{what}: params{path} and params{seen[p.node]} are the same tensor; keep it in one place")
        seen[p.node] = path


def _zeros(p: Any) -> Tensor:
    t = tensor(p)
    return ops.zeros_like(t) if is_tracing() or not t.is_concrete else tensor(np.zeros(t.shape, t.dtype))


def _settled(value: Tensor, name: str | None, make: Callable[..., Tensor]) -> Tensor:
    """Eagerly a fresh leaf, so that no history is kept; inside a trace the tensor itself."""
    return make(value.numpy() if value.is_concrete and not is_tracing() else value, name=name)


# ---- the optimisers


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
