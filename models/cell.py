"""The base class of recurrent models, the linear layer, and what models share: checks of shapes, initial weights, random keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import minigrad as mg
from minigrad import Module, Tensor

from .settings import require_at_least


class Cell(Module):
    """Base class of recurrent models. A subclass defines `initial_state` and `step`; `run` is one `mg.scan` of the step over time.

    model(xs) -> ys                        xs (T, batch, inputs), ys (T, batch, outputs)
    model.run(xs, state) -> (ys, state)    the same from a given state, with the last state
    model.step(state, x) -> (state, y)     one step, x (batch, inputs), y (batch, outputs)
    model.initial_state(batch) -> state    a tree of tensors with the batch as first axis

    The first two take `mask` (T, batch), which is False where a shorter sequence has ended: its state then stays unchanged, and what
    stands in xs has no effect. They also take `reverse`, `truncate` and `checkpoint` of `mg.scan`.
    """

    label = "cell"  # the name of the loop's body in drawings, as in lstm[3]
    inputs: int

    def initial_state(self, batch: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__}.initial_state")

    def step(self, state: Any, x: Tensor) -> tuple[Any, Tensor]:
        raise NotImplementedError(f"{type(self).__name__}.step")

    def masked_step(self, state: Any, x: Tensor, keep: Tensor) -> tuple[Any, Tensor]:
        """One step that changes the state of only those sequences where `keep` (batch,) is True."""
        return masked(self.step, state, x, keep)

    @property
    def reads_channels(self) -> bool:
        """Whether it asks which channels of an input are on, so that no vectors may stand in their place."""
        return False

    @property
    def dtype(self) -> np.dtype:
        """The dtype of the parameters; inputs and states have it too."""
        return mg.tree.leaves(self)[0].dtype

    def __call__(self, xs: Any, state: Any = None, mask: Any = None, **loop: Any) -> Tensor:
        return self.run(xs, state, mask, **loop)[0]

    def _checked(self, state: Any, batch: Any) -> Any:
        """The state. Raises GraphError if its structure, and ShapeError if a shape, is not that of this model's state for the batch."""
        wanted, structure = mg.tree.flatten(self.initial_state(batch))
        given, found = mg.tree.flatten(state)
        mg.tree.require_same(structure, found, f"{type(self).__name__}: its state against the one given")
        for path, w, g in zip(mg.tree.paths(structure), wanted, given, strict=True):
            shape = mg.tensor(g).shape
            if w.shape != shape:
                raise mg.errors.shape_error(type(self).__name__, f"state{path} has shape {shape}, a batch of {batch} needs {w.shape}")
        return state

    def run(self, xs: Any, state: Any = None, mask: Any = None, **loop: Any) -> tuple[Tensor, Any]:
        """(ys, last state) for xs (T, batch, inputs), from `state` or the initial state. Raises ShapeError for another shape of xs."""
        xs = sequences(self, xs, self.dtype, mask)
        state = self.initial_state(xs.shape[1]) if state is None else self._checked(state, xs.shape[1])

        def step(state: Any, x: Any) -> tuple[Any, Tensor]:
            return self.step(state, x) if mask is None else self.masked_step(state, *x)

        step.__name__ = self.label
        rows = xs if mask is None else (xs, mg.tensor(mask))
        last, ys = mg.scan(step, state, rows, **loop)
        return ys, last


def sequences(model: Any, xs: Any, dtype: Any, mask: Any = None) -> Tensor:
    """xs as a tensor (T, batch, model.inputs) of this dtype, 0 where the mask (T, batch) is False. Raises ShapeError for other shapes.

    A step that is masked off is thus computed on zeros: whatever stands there, even NaN, reaches neither a value nor a gradient.
    """
    xs = mg.astype(mg.tensor(xs), dtype)
    if xs.ndim != 3 or xs.shape[2] != model.inputs:
        found = f"takes xs of shape (T, batch, {model.inputs}), got {xs.shape}"
        raise mg.errors.shape_error(type(model).__name__, found, "Time is the first axis")
    if mask is None:
        return xs
    if mg.tensor(mask).shape != xs.shape[:2]:
        problem = f"takes a mask of shape {xs.shape[:2]} for xs {xs.shape}, got {mg.tensor(mask).shape}"
        raise mg.errors.shape_error(type(model).__name__, problem)
    return mg.where(over(mask, 3), xs, 0)


def over(mask: Any, ndim: int) -> Tensor:
    """A mask of the first axes as bools, in a shape that broadcasts with a tensor of `ndim` axes."""
    keep = mg.astype(mg.tensor(mask), "bool")
    return mg.reshape(keep, (*keep.shape, *(1,) * (ndim - keep.ndim)))


def masked(step: Any, state: Any, x: Tensor, keep: Tensor) -> tuple[Any, Tensor]:
    """One step that changes the state of only those sequences where `keep` (batch,) is True."""
    after, y = step(state, x)
    return mg.tree.map(lambda new, old: mg.where(over(keep, new.ndim), new, old), after, state), y


class Linear(Module):
    """Linear layer y = x W + b, or x W without bias: (…, inputs) -> (…, outputs)."""

    def __init__(self, inputs: int, outputs: int, key: Any = 0, dtype: Any = "float32", bias: bool = True):
        require_at_least("Linear", 1, inputs=inputs, outputs=outputs)
        self.W = mg.parameter(mg.init.glorot(mg.random.as_key(key), (inputs, outputs), dtype))
        self.b = mg.parameter(mg.zeros(outputs, dtype)) if bias else None

    def __call__(self, x: Tensor) -> Tensor:
        return x @ self.W if self.b is None else x @ self.W + self.b


def readout(inputs: int, outputs: int | None, key: Any, dtype: Any) -> Linear | None:
    """The linear layer from hidden units to outputs (logits in the tasks); None without outputs."""
    return None if outputs is None else Linear(inputs, outputs, key, dtype)


def read(layer: Linear | None, h: Tensor) -> Tensor:
    """The readout of h, or h itself without a readout."""
    return h if layer is None else layer(h).named("y")


def blocks(key: Any, shape: tuple[int, int], n: int, start: str, dtype: Any) -> Tensor:
    """n initial weight matrices side by side, (in, n · out), so that n gates take one product.

    start: "glorot", "orthogonal", "identity", or "uniform", U(±1/√out) as in PyTorch
    """
    starts = {
        "glorot": lambda k: mg.init.glorot(k, shape, dtype),
        "orthogonal": lambda k: mg.init.orthogonal(k, shape, dtype=dtype),
        "identity": lambda k: mg.tensor(np.eye(*shape), dtype),
        "uniform": lambda k: mg.init.uniform(k, shape, shape[1] ** -0.5, dtype),
    }
    return mg.parameter(mg.concat([choose("start", start, starts)(k) for k in mg.random.split(key, n)], axis=1))


def choose(what: str, name: Any, among: Any) -> Any:
    """among[name], or the name itself where `among` is a sequence. Raises SettingError with all names for an unknown one."""
    if name not in among:
        raise mg.errors.SettingError(f"{what}={name!r} is unknown: take one of {', '.join(map(repr, among))}")
    return among[name] if isinstance(among, dict) else name


def keys(key: Any, n: int) -> Sequence[Tensor]:
    """n random keys from a seed or a key."""
    return list(mg.random.split(mg.random.as_key(key), n))
