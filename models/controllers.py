"""Controllers of memory networks: (state, x_t, r_{t−1}) -> (state, h_t).

Shapes: input x (batch, inputs), read vectors r (batch, reads), output h (batch, hidden).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import minigrad as mg
from minigrad import Module, Tensor
from minigrad.errors import SettingError

from .cell import blocks, choose, keys
from .lstm import LSTMState, forget_bias, lstm_cell


class LSTMController(Module):
    """LSTM controller with z = x_t W_x + [r_{t−1}; h_{t−1}] W_h + b before the gates' activations. gain scales the initial weights of r."""

    def __init__(self, inputs: int, reads: int, hidden: int, key: Any = 0, dtype: Any = "float32", gain: float = 1.0):
        k = keys(key, 3)
        self.hidden = hidden
        self.W_x = blocks(k[0], (inputs, hidden), 4, "glorot", dtype)
        rows = np.where(np.arange(reads + hidden) < reads, gain, 1.0)[:, None]
        self.W_h = mg.parameter(blocks(k[1], (reads + hidden, hidden), 4, "glorot", dtype) * mg.tensor(rows, dtype))
        self.b = forget_bias(hidden, 4, 0, k[2], dtype)

    def initial_state(self, batch: Any) -> LSTMState:
        zero = mg.zeros((batch, self.hidden), self.b.dtype)
        return LSTMState(zero, zero)

    def __call__(self, state: LSTMState, x: Tensor, r: Tensor) -> tuple[LSTMState, Tensor]:
        after = lstm_cell(x @ self.W_x + self.b + mg.concat([r, state.h], -1) @ self.W_h, state.c)
        return after, after.h


class FeedForward(Module):
    """Feed-forward controller h_t = tanh(x_t W_x + r_{t−1} W_r + b). It has no state of its own. gain scales the initial W_r."""

    def __init__(self, inputs: int, reads: int, hidden: int, key: Any = 0, dtype: Any = "float32", gain: float = 1.0):
        k = keys(key, 2)
        self.hidden = hidden
        self.W_x = blocks(k[0], (inputs, hidden), 1, "glorot", dtype)
        self.W_r = mg.parameter(blocks(k[1], (reads, hidden), 1, "glorot", dtype) * gain)
        self.b = mg.parameter(mg.zeros(hidden, dtype))

    def initial_state(self, batch: Any) -> tuple[()]:
        return ()

    def __call__(self, state: tuple[()], x: Tensor, r: Tensor) -> tuple[tuple[()], Tensor]:
        return (), mg.tanh(x @ self.W_x + self.b + r @ self.W_r).named("h")


class Deep(Module):
    """A controller of several layers (Graves et al. 2016, Methods). Each takes [x_t; h_t of the layer below], r_{t−1} and its own state.

    h_t = [h¹_t; …; hᴸ_t] joins the outputs of all layers.
    """

    def __init__(self, layers: Sequence[Any]):
        self.layers = tuple(layers)
        self.hidden = sum(layer.hidden for layer in layers)

    def initial_state(self, batch: Any) -> tuple[Any, ...]:
        return tuple(layer.initial_state(batch) for layer in self.layers)

    def __call__(self, state: tuple[Any, ...], x: Tensor, r: Tensor) -> tuple[tuple[Any, ...], Tensor]:
        after, hs = [], []
        for i, (layer, s) in enumerate(zip(self.layers, state, strict=True)):
            with mg.scope(f"layer{i}"):
                s, h = layer(s, mg.concat([x, *hs[-1:]], -1), r)
            after.append(s)
            hs.append(h)
        return tuple(after), mg.concat(hs, -1)


def controller(
    kind: str, inputs: int, reads: int, hidden: int, layers: int = 1, key: Any = 0, dtype: Any = "float32", gain: float = 1.0
) -> Any:
    """The controller of this kind, "lstm" or "feedforward" ("ff"), with one layer or several of `hidden` units each."""
    made = choose("controller", kind, {"lstm": LSTMController, "feedforward": FeedForward, "ff": FeedForward})
    if layers == 1:
        return made(inputs, reads, hidden, key, dtype, gain)
    if layers < 1:
        raise SettingError(f"layers={layers}: a controller has at least one")
    return Deep([made(inputs + hidden * (i > 0), reads, hidden, k, dtype, gain) for i, k in enumerate(keys(key, layers))])
