"""The feed-forward network, a baseline without memory."""

from __future__ import annotations

from typing import Any

import minigrad as mg
from minigrad import Tensor

from .cell import Cell, Linear, keys
from .settings import Hidden, require_at_least


class FeedForwardNetwork(Cell):
    """y_t = tanh(x_t W + b) V + c: x (batch, inputs) -> y (batch, outputs). No step depends on another."""

    label = "feedforward"

    def __init__(self, inputs: int, hidden: Hidden, outputs: int, key: Any = 0, dtype: Any = "float32"):
        require_at_least("FeedForwardNetwork", 1, inputs=inputs, hidden=hidden, outputs=outputs)
        k = keys(key, 2)
        self.inputs = inputs
        self.layer, self.readout = Linear(inputs, hidden, k[0], dtype), Linear(hidden, outputs, k[1], dtype)

    def initial_state(self, batch: Any) -> tuple[()]:
        return ()

    def step(self, state: tuple[()], x: Tensor) -> tuple[tuple[()], Tensor]:
        h = mg.tanh(self.layer(x)).named("h")
        return (), self.readout(h).named("y")
