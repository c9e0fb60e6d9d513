"""Gated recurrent units."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import minigrad as mg
from minigrad import Tensor

from .cell import Cell, blocks, keys, read, readout
from .settings import Hidden, Weights, require_at_least

Reset = Annotated[bool, "reset the state before its product with the weights, as in the paper; else after it, as cuDNN"]


class GRUState(NamedTuple):
    """h (batch, hidden)."""

    h: Tensor


class GRU(Cell):
    """Gated recurrent unit (Cho et al. 2014, eqs. 5–8): x (batch, inputs) -> y (batch, outputs), or (batch, hidden) without `outputs`.

    reset, update gate   r, z = σ(x_t W_x + h_{t−1} W_h + b)
    candidate            n = tanh(x_t W_n + b_n + r ⊙ (h_{t−1} U_n + c_n)), as cuDNN and PyTorch; c_n is not redundant
                         n = tanh(x_t W_n + b_n + (r ⊙ h_{t−1}) U_n) with reset_first, as in the paper
    state                h_t = (1 − z) ⊙ n + z ⊙ h_{t−1};  y_t = h_t W + b with `outputs`, else h_t

    The blocks of the weights are in the order r, z, n.
    """

    label = "gru"

    def __init__(
        self,
        inputs: int,
        hidden: Hidden,
        outputs: int | None = None,
        reset_first: Reset = False,
        start: Weights = "orthogonal",
        key: Any = 0,
        dtype: Any = "float32",
    ):
        require_at_least("GRU", 1, inputs=inputs, hidden=hidden, outputs=1 if outputs is None else outputs)
        k = keys(key, 3)
        self.inputs, self.hidden, self.outputs, self.reset_first = inputs, hidden, outputs, reset_first
        self.W_x = blocks(k[0], (inputs, hidden), 3, "uniform" if start == "uniform" else "glorot", dtype)
        self.W_h = blocks(k[1], (hidden, hidden), 3, start, dtype)
        self.b = mg.parameter(mg.zeros(3 * hidden, dtype))
        self.c_n = None if reset_first else mg.parameter(mg.zeros(hidden, dtype))
        self.readout = readout(hidden, outputs, k[2], dtype)

    def initial_state(self, batch: Any) -> GRUState:
        return GRUState(mg.zeros((batch, self.hidden), self.dtype))

    def step(self, state: GRUState, x: Tensor) -> tuple[GRUState, Tensor]:
        h, n = state.h, 2 * self.hidden
        a = x @ self.W_x + self.b
        u = h @ (self.W_h[:, :n] if self.reset_first else self.W_h)
        r, z = (v.named(name) for v, name in zip(mg.split(mg.sigmoid(a[:, :n] + u[:, :n]), 2), "rz", strict=True))
        inner = (r * h) @ self.W_h[:, n:] if self.reset_first else r * (u[:, n:] + self.c_n)
        new = mg.tanh(a[:, n:] + inner).named("n")
        h = (new + z * (h - new)).named("h")
        return GRUState(h), read(self.readout, h)
