"""Controllers of memory networks: (state, x_t, r_{t−1}) -> (state, h_t). What was read enters beside h, apart from x."""

from __future__ import annotations

from typing import Any

import minigrad as mg
from minigrad import Module, Tensor

from .cell import blocks, choose, keys
from .lstm import LSTMState, forget_bias, lstm_cell


class LSTMController(Module):
    """An LSTM of the input and what was read: z = x_t W_x + [r_{t−1}; h_{t−1}] W_h + b."""

    def __init__(self, inputs: int, reads: int, hidden: int, key: Any = 0, dtype: Any = "float32"):
        k = keys(key, 3)
        self.hidden = hidden
        self.W_x = blocks(k[0], (inputs, hidden), 4, "glorot", dtype)
        self.W_h = blocks(k[1], (reads + hidden, hidden), 4, "glorot", dtype)
        self.b = forget_bias(hidden, 4, None, k[2], dtype)

    def initial_state(self, batch: Any) -> LSTMState:
        zero = mg.zeros((batch, self.hidden), self.b.dtype)
        return LSTMState(zero, zero)

    def __call__(self, state: LSTMState, x: Tensor, r: Tensor) -> tuple[LSTMState, Tensor]:
        after = lstm_cell(x @ self.W_x + self.b + mg.concat([r, state.h], -1) @ self.W_h, state.c)
        return after, after.h


class FeedForward(Module):
    """h_t = tanh(x_t W_x + r_{t−1} W_r + b): all that lasts from step to step is in the memory."""

    def __init__(self, inputs: int, reads: int, hidden: int, key: Any = 0, dtype: Any = "float32"):
        k = keys(key, 2)
        self.hidden = hidden
        self.W_x = blocks(k[0], (inputs, hidden), 1, "glorot", dtype)
        self.W_r = blocks(k[1], (reads, hidden), 1, "glorot", dtype)
        self.b = mg.parameter(mg.zeros(hidden, dtype))

    def initial_state(self, batch: Any) -> tuple[()]:
        return ()

    def __call__(self, state: tuple[()], x: Tensor, r: Tensor) -> tuple[tuple[()], Tensor]:
        return (), mg.tanh(x @ self.W_x + self.b + r @ self.W_r).named("h")


def controller(kind: str, *args: Any, **kwargs: Any) -> Any:
    """ "lstm" or "feedforward" ("ff")."""
    made = {"lstm": LSTMController, "feedforward": FeedForward, "ff": FeedForward}
    return choose("controller", kind, made)(*args, **kwargs)
