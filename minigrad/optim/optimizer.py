"""What all optimisers share: the state, clipping, weight decay, rates of parts, and the checks of parameters and gradients."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import Any, ClassVar, NamedTuple

import numpy as np

from .. import ops, tree
from ..errors import SettingError, shape_error
from ..functional.statistics import safe_sqrt
from ..graph.nodes import is_tracing
from ..graph.types import unify_types
from ..tensor import Tensor, parameter, tensor
from .schedules import Rate, _at, _number, _rate

Slots = dict[str, Tensor]
OptimizerError = SettingError  # its name among the optimisers


class State(NamedTuple):
    """What an optimiser remembers: the updates made so far (int64), and for each of its slots a tree like the parameters,
    with 0 at the buffers of Modules."""

    step: Tensor
    slots: dict[str, Any]


def global_norm(grads: Any) -> Tensor:
    """√Σg² over all leaves of a tree of gradients but the buffers of Modules, float64. It neither overflows nor vanishes where it has a
    value."""
    leaves, treedef = tree.flatten(grads)
    return _norm(tensor(g) for g in compress(leaves, tree.trained(treedef)))


def _norm(grads: Iterable[Tensor]) -> Tensor:
    sizes = [_size(g) for g in grads]
    return ops.norm(ops.stack(sizes)) if sizes else tensor(0.0, "float64")


def _size(g: Tensor) -> Tensor:
    """√Σg² as float64, whose range holds the squares of float32."""
    return ops.norm(g) if g.dtype == np.float64 else safe_sqrt(ops.sum(ops.square(ops.astype(g, "float64"))))


@dataclass(frozen=True)
class Optimizer:
    """Base: a subclass names its slots and gives the step of one leaf.

    lr          learning rate ≥ 0: a number, a scalar tensor, or a schedule, which is a function of the number of updates made so far
    clip_norm   gradients are scaled down together where their global norm exceeds this
    clip_value  gradients are limited to ±this, element by element, before the norm
    rates       {part: learning rate} of parts that have another: a part is the path of a parameter or of what holds it, "encoder" or
                "layers[0]"; the longest counts
    weight_decay
                λ: λ·p is added to the clipped gradient (L2); AdamW decays the parameter instead
    maximize    steps go up, not down

    NaN in a gradient is not hidden by clipping. Settings that make no sense raise SettingError (a ValueError) naming the setting.
    """

    decoupled: ClassVar[bool] = False  # whether weight decay is apart from the gradient
    lr: Rate = 1e-3
    clip_norm: float | None = field(default=None, kw_only=True)
    clip_value: float | None = field(default=None, kw_only=True)
    rates: Mapping[str, Rate] = field(default_factory=dict, kw_only=True, hash=False)
    weight_decay: float = field(default=0.0, kw_only=True)
    maximize: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        for name, rate in (("lr", self.lr), *((f"rates[{part!r}]", rate) for part, rate in self.rates.items())):
            _rate(name, rate)
        for name in ("clip_norm", "clip_value"):
            if getattr(self, name) is not None:
                _number(name, getattr(self, name), math.ulp(0.0))
        _number("weight_decay", self.weight_decay)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the slots."""
        return ()

    def rate(self, step: Tensor) -> Tensor:
        """The learning rate after so many updates, float64."""
        return _at(self.lr, step)

    def init(self, params: Any) -> State:
        """The state before the first update. Raises SettingError for no parameters, one that stands twice, or one that is no float."""
        leaves, treedef = tree.flatten(params)
        chosen = tree.trained(treedef)
        paths = list(compress(tree.paths(treedef), chosen))
        _require_trainable(type(self).__name__, [tensor(p) for p in compress(leaves, chosen)], paths)
        if idle := set(self.rates) - set(self._parts(paths)):
            have = ", ".join(path.removeprefix(".") for path in paths)
            raise SettingError(f"{type(self).__name__}: rates are given of {', '.join(sorted(idle))}, but the parameters are {have}")
        slot = [_zeros(p) if is_trained else tensor(0.0) for p, is_trained in zip(leaves, chosen, strict=True)]
        return State(tensor(0), {name: tree.unflatten(treedef, slot) for name in self.names})

    def update(self, params: Any, grads: Any, state: State) -> tuple[Any, State]:
        """One step: new parameters with their names, and the new state. `grads` is a tree like `params`.

        Raises GraphError where the trees differ in structure, ShapeError where a gradient is of another type than its parameter.
        """
        leaves, treedef = tree.flatten(params)
        found, grads_tree = tree.flatten(grads)
        tree.require_same(treedef, grads_tree, f"{type(self).__name__}: gradients against parameters")
        chosen = tree.trained(treedef)
        ps, gs = ([tensor(v) for v in compress(values, chosen)] for values in (leaves, found))
        paths = list(compress(tree.paths(treedef), chosen))
        for path, p, g in zip(paths, ps, gs, strict=True):
            if not unify_types(p.type, g.type):
                raise shape_error(type(self).__name__, f"the gradient of params{path} is {g.type}, the parameter {p.type}")
        gs = self._clipped(gs)
        slots = self._slots(state, treedef)
        before = {name: list(compress(values, chosen)) for name, values in slots.items()}
        step = ops.astype(state.step, "float64") + 1
        rates = {"": self.rate(state.step), **{part: _at(rate, state.step) for part, rate in self.rates.items()}}
        new_ps, new_slots = [], []
        for i, (p, g, part) in enumerate(zip(ps, gs, self._parts(paths), strict=True)):
            decayed = self._decayed(p, g, rates[part])
            new, kept = self.leaf(*decayed, {name: before[name][i] for name in self.names}, rates[part], step)
            new_ps.append(_settled(new, p.name, parameter))
            new_slots.append({name: _settled(kept[name], None, tensor) for name in self.names})
        trees = {n: tree.unflatten(treedef, _replaced(slots[n], chosen, [s[n] for s in new_slots])) for n in self.names}
        return tree.unflatten(treedef, _replaced(leaves, chosen, new_ps)), State(_settled(state.step + 1, None, tensor), trees)

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
        return {name: [tensor(v) for v in leaves] for name, (leaves, _) in found.items()}

    def leaf(self, p: Tensor, g: Tensor, slots: Slots, rate: Tensor, step: Tensor) -> tuple[Tensor, Slots]:
        """One parameter's update. `rate` and `step` (1 at the first update) are float64 scalars."""
        raise NotImplementedError

    def _decayed(self, p: Tensor, g: Tensor, rate: Tensor) -> tuple[Tensor, Tensor]:
        """The parameter and the gradient downwards, one of them with weight decay."""
        g = -g if self.maximize else g
        if not self.weight_decay:
            return p, g
        if self.decoupled:
            return p * ops.astype(1 - rate * self.weight_decay, p.dtype), g
        return p, g + self.weight_decay * p

    def _clipped(self, grads: list[Tensor]) -> list[Tensor]:
        if self.clip_value is not None:
            grads = [ops.maximum(ops.minimum(g, self.clip_value), -self.clip_value) for g in grads]
        if self.clip_norm is None:
            return grads
        scale = self.clip_norm / ops.maximum(_norm(grads), self.clip_norm)
        return [g * ops.astype(scale, g.dtype) for g in grads]


def _replaced(items: Sequence[Any], chosen: Sequence[bool], new: Sequence[Any]) -> list[Any]:
    """The items, with the new ones where they are chosen."""
    source = iter(new)
    return [next(source) if is_chosen else item for item, is_chosen in zip(items, chosen, strict=True)]


def _is_below(path: str, part: str) -> bool:
    return path.startswith(part) and path[len(part) : len(part) + 1] in ("", ".", "[")


def _require_trainable(what: str, params: list[Tensor], paths: list[str]) -> None:
    if not params:
        raise SettingError(f"{what}: there are no parameters to train. Make what is to be learned with mg.parameter")
    seen: dict[Any, str] = {}
    for path, p in zip(paths, params, strict=True):
        if not p.type.is_float:
            raise SettingError(f"{what}: params{path} is {p.type}; only floats can be trained")
        if p.node in seen:
            raise SettingError(f"{what}: params{path} and params{seen[p.node]} are the same tensor; keep it in one place or in a Module")
        seen[p.node] = path


def _zeros(p: Any) -> Tensor:
    t = tensor(p)
    return ops.zeros_like(t) if is_tracing() or not t.is_concrete else tensor(np.zeros(t.shape, t.dtype))


def _settled(value: Tensor, name: str | None, make: Callable[..., Tensor]) -> Tensor:
    """Eagerly a fresh leaf, so that no history is kept; inside a trace the tensor itself."""
    return make(value.numpy() if value.is_concrete and not is_tracing() else value, name=name)
