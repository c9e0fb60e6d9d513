"""The simple recurrent network (RNN)."""

from __future__ import annotations

from typing import Any, NamedTuple

import minigrad as mg
from minigrad import Tensor

from .cell import Cell, blocks, choose, keys, read, readout
from .settings import Hidden, Units, Weights, require_at_least

ACTIVATIONS = {"tanh": mg.tanh, "relu": mg.relu}


class RNNState(NamedTuple):
    """h (batch, hidden)."""

    h: Tensor


class RNN(Cell):
    """Simple recurrent network (Elman 1990): x (batch, inputs) -> y (batch, outputs), or h (batch, hidden) without `outputs`.

    h_t = f(x_t W_x + h_{t−1} W_h + b), f tanh or relu;  y_t = h_t W + b with `outputs`, else h_t

    start   initial W_h: "orthogonal" (Saxe et al. 2014), "identity" (with relu the IRNN of Le et al. 2015), "glorot" or "uniform"
    """

    label = "rnn"

    def __init__(
        self,
        inputs: int,
        hidden: Hidden,
        outputs: int | None = None,
        activation: Units = "tanh",
        start: Weights = "orthogonal",
        key: Any = 0,
        dtype: Any = "float32",
    ):
        require_at_least("RNN", 1, inputs=inputs, hidden=hidden, outputs=1 if outputs is None else outputs)
        k = keys(key, 3)
        self.inputs, self.hidden, self.outputs = inputs, hidden, outputs
        self.activation = choose("activation", activation, list(ACTIVATIONS))
        self.W_x = blocks(k[0], (inputs, hidden), 1, "uniform" if start == "uniform" else "glorot", dtype)
        self.W_h = blocks(k[1], (hidden, hidden), 1, start, dtype)
        self.b = mg.parameter(mg.zeros(hidden, dtype))
        self.readout = readout(hidden, outputs, k[2], dtype)

    def initial_state(self, batch: Any) -> RNNState:
        return RNNState(mg.zeros((batch, self.hidden), self.dtype))

    def step(self, state: RNNState, x: Tensor) -> tuple[RNNState, Tensor]:
        h = ACTIVATIONS[self.activation](x @ self.W_x + self.b + state.h @ self.W_h).named("h")
        return RNNState(h), read(self.readout, h)
