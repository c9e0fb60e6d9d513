"""Controllers of memory networks: (state, x_t, r_{t−1}) -> (state, h_t). What was read enters beside h, apart from x."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import minigrad as mg
from minigrad import Module, Tensor

from .cell import blocks, choose, keys
from .lstm import LSTMState, forget_bias, lstm_cell


class LSTMController(Module):
    """An LSTM of the input and what was read: z = x_t W_x + [r_{t−1}; h_{t−1}] W_h + b. gain: of the first weights of r."""

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
    """h_t = tanh(x_t W_x + r_{t−1} W_r + b): all that lasts from step to step is in the memory. gain: of the first W_r."""

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
    """Controllers on top of each other (Graves et al. 2016, Methods): each sees [x_t; h_t of the one below], r_{t−1} and its own past.

    h_t = [h¹_t; …; hᴸ_t], the outputs of all.
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
    """ "lstm" or "feedforward" ("ff"), of one layer or several, each with `hidden` units."""
    made = choose("controller", kind, {"lstm": LSTMController, "feedforward": FeedForward, "ff": FeedForward})
    if layers == 1:
        return made(inputs, reads, hidden, key, dtype, gain)
    if layers < 1:
        raise ValueError(f"layers={layers}: a controller has at least one")
    return Deep([made(inputs + hidden * (i > 0), reads, hidden, k, dtype, gain) for i, k in enumerate(keys(key, layers))])
