"""minigrad's training step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from minigrad.models import GRU, LSTM, MANN, NTM, RNN

import minigrad as mg

from .work import BETA1, BETA2, EPSILON, LEARNING_RATE, Arrays, Work

LOSSES: dict[str, Callable[..., Any]] = {"bce": mg.binary_cross_entropy, "cross-entropy": mg.cross_entropy, "mse": mg.mse}


def build(work: Work) -> Any:
    """The model with its own initial weights, the same in every process."""
    if work.kind == "ntm":
        memory = (work.slots, work.width)
        heads = {"read_heads": work.heads, "write_heads": work.heads, "w_0": "focused"}
        return NTM(work.inputs, work.outputs, hidden=work.hidden, memory=memory, **heads, key=0)
    if work.kind == "mann":
        return MANN(work.inputs, work.outputs, hidden=work.hidden, memory=(work.slots, work.width), heads=work.heads, key=0)
    return {"lstm": LSTM, "gru": GRU, "rnn": RNN}[work.kind](work.inputs, work.hidden, key=0)


def arrays(tree: Any) -> Arrays:
    """The leaves of a tree under their paths."""
    leaves, treedef = mg.tree.flatten(tree)
    return {path.lstrip("."): leaf.numpy() for path, leaf in zip(mg.tree.paths(treedef), leaves, strict=True)}


class Minigrad:
    """`mg.jit` of value, gradient and `mg.optim.Adam`."""

    def __init__(self, work: Work, weights: Arrays | None = None):
        optimizer = mg.optim.Adam(LEARNING_RATE, beta1=BETA1, beta2=BETA2, epsilon=EPSILON)
        self.model = build(work)
        self.state = optimizer.init(self.model)
        self.xs, self.ys = work.data()

        def loss(model: Any, xs: Any, ys: Any) -> Any:
            return LOSSES[work.loss](model(xs), ys)

        def train(model: Any, state: Any, xs: Any, ys: Any) -> Any:
            value, grads = mg.value_and_grad(loss)(model, xs, ys)
            model, state = optimizer.update(model, grads, state)
            return model, state, value

        self.loss, self.train = loss, mg.jit(train)

    def value_and_grad(self) -> tuple[float, Arrays]:
        value, grads = mg.jit(mg.value_and_grad(self.loss))(self.model, self.xs, self.ys)
        return float(value.numpy()), arrays(grads)

    def step(self) -> float:
        return self.step_on(self.xs, self.ys)

    def step_on(self, xs: np.ndarray, ys: np.ndarray) -> float:
        self.model, self.state, value = self.train(self.model, self.state, xs, ys)
        return float(value.numpy())

    @property
    def compilations(self) -> int:
        return sum(map(len, self.train.programs.values()))
