"""What every recurrent model is: a state, a step, and one scan over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import minigrad as mg
from minigrad import Module, Tensor


class Cell(Module):
    """A recurrent model. Subclasses define `initial_state` and `step`; running it over time is one `mg.scan`.

    model(xs) -> ys                        xs (T, batch, inputs), ys (T, batch, outputs)
    model.run(xs, state) -> (ys, state)    the same, from a state, and with the last one
    model.step(state, x) -> (state, y)     one step, x (batch, inputs)
    model.initial_state(batch) -> state    a tree of tensors with the batch as first axis

    The first two take `mask` (T, batch), False where a shorter sequence of the batch has ended: its state then stays as it is; and
    scan's `reverse`, `truncate` and `checkpoint`. The state is memory; the parameters are the program.
    """

    label = "cell"  # names the loop's body in drawings: lstm[3]
    inputs: int

    def initial_state(self, batch: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__}.initial_state")

    def step(self, state: Any, x: Tensor) -> tuple[Any, Tensor]:
        raise NotImplementedError(f"{type(self).__name__}.step")

    @property
    def dtype(self) -> np.dtype:
        """The dtype of the parameters, which inputs and states take."""
        return mg.tree.leaves(self)[0].dtype

    def __call__(self, xs: Any, state: Any = None, mask: Any = None, **loop: Any) -> Tensor:
        return self.run(xs, state, mask, **loop)[0]

    def _checked(self, state: Any, batch: Any) -> Any:
        """The state, if it is one of this model for this batch. Raises GraphError for another structure, ShapeError for another shape."""
        wanted, structure = mg.tree.flatten(self.initial_state(batch))
        given, found = mg.tree.flatten(state)
        mg.tree.require_same(structure, found, f"{type(self).__name__}: its state against the one given")
        for path, w, g in zip(mg.tree.paths(structure), wanted, given, strict=True):
            shape = mg.tensor(g).shape
            if w.shape != shape:
                raise mg.errors.shape_error(type(self).__name__, f"state{path} has shape {shape}, a batch of {batch} needs {w.shape}")
        return state

    def run(self, xs: Any, state: Any = None, mask: Any = None, **loop: Any) -> tuple[Tensor, Any]:
        """(ys, last state) for xs (T, batch, inputs), from a state or the initial one. Raises ShapeError for inputs of another size."""
        xs = sequences(self, xs, self.dtype)
        state = self.initial_state(xs.shape[1]) if state is None else self._checked(state, xs.shape[1])
        require_mask(self, mask, xs)

        def step(state: Any, x: Any) -> tuple[Any, Tensor]:
            return self.step(state, x) if mask is None else masked(self.step, state, *x)

        step.__name__ = self.label
        rows = xs if mask is None else (xs, mg.tensor(mask))
        last, ys = mg.scan(step, state, rows, **loop)
        return ys, last


def sequences(model: Any, xs: Any, dtype: Any) -> Tensor:
    """xs (T, batch, inputs of the model) in this dtype. Raises ShapeError for another shape."""
    xs = mg.astype(mg.tensor(xs), dtype)
    if xs.ndim != 3 or xs.shape[2] != model.inputs:
        found = f"takes xs of shape (T, batch, {model.inputs}), got {xs.shape}"
        raise mg.errors.shape_error(type(model).__name__, found, "Time is the first axis")
    return xs


def require_mask(model: Any, mask: Any, xs: Tensor) -> None:
    """Raises ShapeError where there is a mask that is not (T, batch)."""
    if mask is not None and mg.tensor(mask).shape != xs.shape[:2]:
        problem = f"takes a mask of shape {xs.shape[:2]} for xs {xs.shape}, got {mg.tensor(mask).shape}"
        raise mg.errors.shape_error(type(model).__name__, problem)


def masked(step: Any, state: Any, x: Tensor, keep: Tensor) -> tuple[Any, Tensor]:
    """A step that changes only the rows of the batch where `keep` is true."""
    after, y = step(state, x)
    keep = mg.astype(keep, "bool")
    return mg.tree.map(lambda new, old: mg.where(mg.reshape(keep, (keep.shape[0], *(1,) * (new.ndim - 1))), new, old), after, state), y


class Linear(Module):
    """y = x W + b."""

    def __init__(self, inputs: int, outputs: int, key: Any = 0, dtype: Any = "float32"):
        self.W = mg.parameter(mg.init.glorot(mg.random.as_key(key), (inputs, outputs), dtype))
        self.b = mg.parameter(mg.zeros(outputs, dtype))

    def __call__(self, x: Tensor) -> Tensor:
        return x @ self.W + self.b


def readout(inputs: int, outputs: int | None, key: Any, dtype: Any) -> Linear | None:
    """hidden → outputs (logits on the tasks), or none."""
    return None if outputs is None else Linear(inputs, outputs, key, dtype)


def read(layer: Linear | None, h: Tensor) -> Tensor:
    return h if layer is None else layer(h).named("y")


def blocks(key: Any, shape: tuple[int, int], n: int, start: str, dtype: Any) -> Tensor:
    """n matrices of one shape side by side, (in, n · out): the weights of n gates in one product.

    start: glorot, orthogonal, identity, or uniform, U(±1/√out), as PyTorch.
    """
    starts = {
        "glorot": lambda k: mg.init.glorot(k, shape, dtype),
        "orthogonal": lambda k: mg.init.orthogonal(k, shape, dtype=dtype),
        "identity": lambda k: mg.tensor(np.eye(*shape), dtype),
        "uniform": lambda k: mg.init.uniform(k, shape, shape[1] ** -0.5, dtype),
    }
    return mg.parameter(mg.concat([choose("start", start, starts)(k) for k in mg.random.split(key, n)], axis=1))


def choose(what: str, name: Any, among: Any) -> Any:
    """among[name] (or the name, from a list), or a SettingError that lists what there is."""
    if name not in among:
        raise mg.errors.SettingError(f"{what}={name!r} is unknown: take one of {', '.join(map(repr, among))}")
    return among[name] if isinstance(among, dict) else name


def keys(key: Any, n: int) -> Sequence[Tensor]:
    """n keys from a seed or a key."""
    return list(mg.random.split(mg.random.as_key(key), n))
