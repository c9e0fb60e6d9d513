"""minigrad's training step."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from minigrad.models import GRU, LSTM, MANN, NTM, RNN, Linear
from minigrad.models.attention import causal
from minigrad.models.cell import keys
from minigrad.models.lstm import LSTMState, lstm_cell
from minigrad.models.transformer import Block

import minigrad as mg

from .work import BETA1, BETA2, EPSILON, LEARNING_RATE, Arrays, Work

LOSSES: dict[str, Callable[..., Any]] = {"bce": mg.binary_cross_entropy, "cross-entropy": mg.cross_entropy, "mse": mg.mse}


class Decoder(mg.Module):
    """An LSTM that attends to a source by Bahdanau's score at every step. The source stands in the first columns of xs."""

    def __init__(self, work: Work):
        k = keys(0, 5)
        self.width, self.hidden = work.width, work.hidden
        self.W, self.U = (mg.parameter(mg.init.glorot(k[i], (n, work.hidden))) for i, n in enumerate((work.hidden, work.width)))
        self.v = mg.parameter(mg.init.uniform(k[2], (work.hidden,), work.hidden**-0.5))
        self.W_h = mg.parameter(mg.init.glorot(k[3], (work.inputs + work.hidden, 4 * work.hidden)))
        self.b = mg.parameter(mg.zeros(4 * work.hidden))
        self.readout = Linear(work.hidden + work.width, work.outputs, k[4])

    def __call__(self, xs: Any) -> Any:
        source, xs = mg.tensor(xs)[..., : self.width], mg.tensor(xs)[..., self.width :]
        h, past = mg.moveaxis(source, 0, 1), mg.moveaxis(source @ self.U, 0, 1)

        def decoder(state: LSTMState, x: Any) -> Any:
            scores = mg.tanh(mg.expand_dims(state.h @ self.W, 1) + past) @ self.v
            context = (mg.expand_dims(mg.softmax(scores), 1) @ h)[:, 0]
            state = lstm_cell(mg.concat([x, context, state.h], -1) @ self.W_h + self.b, state.c)
            return state, self.readout(mg.concat([state.h, context], -1))

        zero = mg.zeros((xs.shape[1], self.hidden))
        return mg.scan(decoder, LSTMState(zero, zero), xs)[1]


class CausalBlock(Block):
    def __init__(self, work: Work):
        super().__init__(work.hidden, work.heads, key=0)

    def __call__(self, x: Any, mask: Any = None) -> Any:
        return super().__call__(mg.tensor(x), causal(x.shape[0]))


class Stack(mg.Module):
    def __init__(self, layers: list[Any]):
        self.layers = tuple(layers)

    def __call__(self, x: Any) -> Any:
        for layer in self.layers:
            x = layer(x)
        return x


def build(work: Work) -> Any:
    """The model with its own initial weights, the same in every process."""
    if work.layers > 1:
        return Stack([build(replace(work, layers=1)) for _ in range(work.layers)])
    if work.kind == "ntm":
        memory = (work.slots, work.width)
        heads = {"read_heads": work.heads, "write_heads": work.heads, "w_0": "focused"}
        return NTM(work.inputs, work.outputs, hidden=work.hidden, memory=memory, **heads, key=0)
    if work.kind == "mann":
        return MANN(work.inputs, work.outputs, hidden=work.hidden, memory=(work.slots, work.width), heads=work.heads, key=0)
    if work.kind == "bahdanau":
        return Decoder(work)
    if work.kind == "transformer":
        return CausalBlock(work)
    return {"lstm": LSTM, "gru": GRU, "rnn": RNN}[work.kind](work.inputs, work.hidden, key=0)


def arrays(tree: Any) -> Arrays:
    """The leaves of a tree under their paths."""
    leaves, treedef = mg.tree.flatten(tree)
    return {path.lstrip("."): leaf.numpy() for path, leaf in zip(mg.tree.paths(treedef), leaves, strict=True)}


class Minigrad:
    """`mg.jit` of value, gradient and `mg.optim.Adam`."""

    forward: Callable[..., Any] = staticmethod(lambda model, xs, **loop: model(xs, **loop))

    def __init__(self, work: Work, weights: Arrays | None = None, **loop: bool):
        optimizer = mg.optim.Adam(LEARNING_RATE, beta1=BETA1, beta2=BETA2, epsilon=EPSILON)
        self.model = build(work)
        self.state = optimizer.init(self.model)
        self.xs, self.ys = work.data()

        def loss(model: Any, xs: Any, ys: Any) -> Any:
            return LOSSES[work.loss](self.forward(model, xs, **loop), ys)

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

    def working_memory(self, xs: np.ndarray, ys: np.ndarray) -> int:
        """As explain() tells it, for the sizes of the first call."""
        found = re.search(r"working memory ([\d,]+) bytes", self.train.explain())
        return int(found[1].replace(",", "")) if found else 0


def written_out(model: Any, xs: Any) -> Any:
    """The outputs of a recurrent model, step by step in a Python loop."""
    state, ys = model.initial_state(xs.shape[1]), []
    for t in range(xs.shape[0]):
        state, y = model.step(state, xs[t])
        ys.append(y)
    return mg.stack(ys)


class MinigradLoop(Minigrad):
    forward = staticmethod(written_out)
