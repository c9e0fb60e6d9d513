"""Long short-term memory."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import minigrad as mg
from minigrad import Tensor

from .cell import Cell, blocks, keys, read, readout
from .settings import Hidden, Longest, Weights, require_at_least


class LSTMState(NamedTuple):
    """h (batch, hidden, or projection) and the cell c (batch, hidden)."""

    h: Tensor
    c: Tensor


class LSTM(Cell):
    """Long short-term memory (Hochreiter and Schmidhuber 1997) with a forget gate (Gers et al. 2000).

    x (batch, inputs) -> y (batch, outputs), or h without `outputs`

    gates   i, f, o = σ(·), g = tanh(·) of x_t W_x + h_{t−1} W_h + b, whose blocks are in the order i, f, g, o
    cell    c_t = f ⊙ c_{t−1} + i ⊙ g
    state   h_t = o ⊙ tanh(c_t);  y_t = h_t W + b with `outputs`, else h_t

    longest      the longest dependency in steps, for chrono initialisation of the forget biases (Tallec and Ollivier 2018); 0: they are 1
    peephole     i and f depend on c_{t−1}, o on c_t, by diagonal weights (Gers and Schmidhuber 2000)
    coupled      i = 1 − f; the blocks are f, g, o
    projection   the size to which h_t is projected (Sak et al. 2014); 0: no projection
    """

    label = "lstm"

    def __init__(
        self,
        inputs: int,
        hidden: Hidden,
        outputs: int | None = None,
        longest: Longest = 0,
        peephole: Annotated[bool, "gates see the cell"] = False,
        coupled: Annotated[bool, "the input gate is 1 − the forget gate"] = False,
        projection: Annotated[int, "numbers that h is projected to; 0: it stays as it is"] = 0,
        start: Weights = "orthogonal",
        key: Any = 0,
        dtype: Any = "float32",
    ):
        require_at_least("LSTM", 1, inputs=inputs, hidden=hidden, outputs=1 if outputs is None else outputs)
        require_at_least("LSTM", 0, longest=longest, projection=projection or 0)
        k = keys(key, 5)
        gates, size = 3 if coupled else 4, projection or hidden
        self.inputs, self.hidden, self.outputs, self.projected = inputs, hidden, outputs, projection
        self.coupled = bool(coupled)
        self.W_x = blocks(k[0], (inputs, hidden), gates, "uniform" if start == "uniform" else "glorot", dtype)
        self.W_h = blocks(k[1], (size, hidden), gates, start, dtype)
        self.b = forget_bias(hidden, gates, longest, k[2], dtype)
        self.peephole = mg.parameter(mg.zeros((gates - 1, hidden), dtype)) if peephole else None
        self.projection = blocks(k[3], (hidden, projection), 1, "glorot", dtype) if projection else None
        self.readout = readout(size, outputs, k[4], dtype)

    def initial_state(self, batch: Any) -> LSTMState:
        return LSTMState(mg.zeros((batch, self.W_h.shape[0]), self.dtype), mg.zeros((batch, self.hidden), self.dtype))

    def step(self, state: LSTMState, x: Tensor) -> tuple[LSTMState, Tensor]:
        z = x @ self.W_x + self.b + state.h @ self.W_h
        after = lstm_cell(z, state.c, self.peephole)
        if self.projection is not None:
            after = after._replace(h=(after.h @ self.projection).named("projected"))
        return after, read(self.readout, after.h)


def lstm_cell(z: Tensor, c: Tensor, peephole: Tensor | None = None) -> LSTMState:
    """(h_t, c_t) from the gates before their activations, z (batch, gates · hidden), and c_{t−1} (batch, hidden).

    The blocks of z are i, f, g, o, or f, g, o for coupled gates.
    """
    *first, f, g, o = mg.split(z, z.shape[-1] // c.shape[-1])
    if peephole is not None:
        first, f = [v + peephole[-3] * c for v in first], f + peephole[-2] * c
    f, g = mg.sigmoid(f).named("f"), mg.tanh(g).named("g")
    i = (mg.sigmoid(first[0]) if first else 1 - f).named("i")
    c = (f * c + i * g).named("c")
    o = mg.sigmoid(o if peephole is None else o + peephole[-1] * c).named("o")
    return LSTMState((o * mg.tanh(c)).named("h"), c)


def forget_bias(hidden: int, gates: int, longest: int, key: Any, dtype: Any) -> Tensor:
    """The initial biases (gates · hidden,): 1 for the forget gate, else 0. With `longest`, chrono: b_f is drawn for it, and b_i = −b_f."""
    zero = mg.zeros(hidden, dtype)
    f = mg.init.chrono(key, hidden, longest, dtype) if longest else mg.ones(hidden, dtype)
    return mg.parameter(mg.concat([*([-f if longest else zero] * (gates - 3)), f, zero, zero]))
