"""The stack-augmented recurrent network (Stack-RNN)."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple

import minigrad as mg
from minigrad import Tensor
from minigrad.errors import SettingError

from .cell import Cell, Linear, blocks, choose, keys, read, readout
from .settings import OF_UNITS, Hidden, Weights, require_at_least

EMPTY = -1.0  # the value of every cell of an empty stack
ACTIVATIONS = {"sigmoid": mg.sigmoid, "tanh": mg.tanh, "relu": mg.relu}


class StackRNNState(NamedTuple):
    """h (batch, hidden) and the stacks s (batch, stacks, cells, cell_size), whose cell 0 is the top."""

    h: Tensor
    s: Tensor


class StackRNN(Cell):
    """Stack-augmented recurrent network (Joulin and Mikolov 2015): x (batch, inputs) -> y (batch, outputs), or h without `outputs`.

    state     h_t = f(x_t U + h_{t−1} R + s^k_{t−1} P + b), where s^k has the `top` uppermost cells of all stacks         eq. 6
    actions   a_t = softmax(h_t A + b) over push, pop and no-op, for each stack                                         eq. 3
    stacks    s_t[0] = a_t[push] σ(h_t D + b) + a_t[pop] s_{t−1}[1] + a_t[no-op] s_{t−1}[0]                             eq. 4
              s_t[i] = a_t[push] s_{t−1}[i−1] + a_t[pop] s_{t−1}[i+1] + a_t[no-op] s_{t−1}[i]                           eq. 5
    output    y_t = h_t W + b with `outputs`, else h_t

    A cell of an empty stack is −1. What is pushed below the last cell is lost.

    cells     of a stack. No weight depends on them: a trained model takes model.cells = 500 for longer sequences
    cell_size numbers in a cell; 1 in the paper
    no_op     whether there is the action no-op, beside push and pop
    start     initial R, as of an RNN. With relu and "glorot", much as in Delétang et al. (2023), h fades and the stack must remember
    rounded   whether the likeliest action is taken alone, as the paper does at test; then no gradient reaches the actions
    """

    label = "stack_rnn"

    def __init__(
        self,
        inputs: int,
        hidden: Hidden,
        outputs: int | None = None,
        stacks: Annotated[int, "stacks, each with actions of its own"] = 2,
        cells: Annotated[int, "of a stack or tape"] = 100,
        cell_size: Annotated[int, "numbers in a cell of a stack or tape"] = 1,
        top: Annotated[int, "uppermost cells that the network sees"] = 2,
        no_op: Annotated[bool, "a stack may stay as it is, beside push and pop"] = True,
        rounded: Annotated[bool, "take the likeliest action alone"] = False,
        activation: Annotated[Literal["sigmoid", "tanh", "relu"], OF_UNITS] = "sigmoid",
        start: Weights = "orthogonal",
        key: Any = 0,
        dtype: Any = "float32",
    ):
        require_at_least("StackRNN", 1, inputs=inputs, hidden=hidden, outputs=1 if outputs is None else outputs)
        require_at_least("StackRNN", 1, stacks=stacks, cells=cells, cell_size=cell_size, top=top)
        if top > cells:
            raise SettingError(f"top={top}, but a stack has only cells={cells}")
        k = keys(key, 6)
        self.inputs, self.hidden, self.outputs = inputs, hidden, outputs
        self.stacks, self.cells, self.cell_size, self.top = stacks, cells, cell_size, top
        self.no_op, self.rounded = bool(no_op), bool(rounded)
        self.activation = choose("activation", activation, list(ACTIVATIONS))
        self.U = blocks(k[0], (inputs, hidden), 1, "glorot", dtype)
        self.R = blocks(k[1], (hidden, hidden), 1, start, dtype)
        self.P = blocks(k[2], (stacks * top * cell_size, hidden), 1, "glorot", dtype)
        self.b = mg.parameter(mg.zeros(hidden, dtype))
        self.A = Linear(hidden, stacks * (2 + self.no_op), k[3], dtype)
        self.D = Linear(hidden, stacks * cell_size, k[4], dtype)
        self.readout = readout(hidden, outputs, k[5], dtype)

    def initial_state(self, batch: Any) -> StackRNNState:
        s = mg.full((batch, self.stacks, self.cells, self.cell_size), EMPTY, self.dtype)
        return StackRNNState(mg.zeros((batch, self.hidden), self.dtype), s)

    def step(self, state: StackRNNState, x: Tensor) -> tuple[StackRNNState, Tensor]:
        batch, actions = x.shape[0], 2 + self.no_op
        top = mg.reshape(state.s[:, :, : self.top], (batch, self.stacks * self.top * self.cell_size)).named("top")
        h = ACTIVATIONS[self.activation](x @ self.U + state.h @ self.R + top @ self.P + self.b).named("h")
        with mg.scope("stack"):
            a = mg.softmax(mg.reshape(self.A(h), (batch, self.stacks, actions)))
            a = (mg.one_hot(mg.argmax(a, -1), actions, a.dtype) if self.rounded else a).named("actions")
            v = mg.sigmoid(mg.reshape(self.D(h), (batch, self.stacks, self.cell_size))).named("pushed")
            s = moved(state.s, a, v).named("s")
        return StackRNNState(h, s), read(self.readout, h)


def moved(s: Tensor, a: Tensor, v: Tensor) -> Tensor:
    """The stacks after a mix of actions, eqs. 4 and 5: (batch, stacks, cells, cell_size).

    stacks s (batch, stacks, cells, cell_size); weights a of push, pop and no-op (batch, stacks, 2 or 3)
    pushed v (batch, stacks, cell_size)
    """
    push, pop, *stay = (mg.expand_dims(a[..., i : i + 1], -1) for i in range(a.shape[-1]))
    pushed = mg.concat([mg.expand_dims(v, 2), s[:, :, :-1]], 2)
    popped = mg.concat([s[:, :, 1:], mg.full_like(s[:, :, :1], EMPTY)], 2)
    return push * pushed + pop * popped + (stay[0] * s if stay else 0)
