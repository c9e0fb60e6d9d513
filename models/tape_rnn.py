"""The tape-augmented recurrent network (Tape-RNN)."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, Literal, NamedTuple

import minigrad as mg
from minigrad import Tensor

from .cell import Cell, Linear, blocks, choose, keys, read, readout
from .rnn import ACTIVATIONS
from .settings import Hidden, Units, Weights, require_at_least

MOVES = 5  # stay, left, right, and jumps to the left and to the right


class TapeRNNState(NamedTuple):
    """h (batch, hidden), the tape (batch, cells, cell_size), whose cell 0 is under the head, and the length of a jump (batch,)."""

    h: Tensor
    tape: Tensor
    jump: Tensor


class TapeRNN(Cell):
    """Tape-augmented recurrent network (Delétang et al. 2023): x (batch, inputs) -> y (batch, outputs), or h without `outputs`.

    state    h_t = f([x_t; tape_{t−1}[0]] W_x + h_{t−1} W_h + b), f relu, or tanh
    write    tape[0] = v_t, where v_t is a network of two layers of relu units over h_t
    move     tape_t = Σ a_t[m] roll(tape, m) over the moves m = 0, ±1, ±n, with a_t = softmax(h_t A + b)
    output   y_t = h_t W + b with `outputs`, else h_t

    The tape is a ring of `cells` that moves under the head: after roll(tape, 1) cell 0 has what was in the last cell.

    This is what the authors' code does. In the paper only the move "stay" and the moves by one cell write, and jumps leave the tape as it
    was. Jumps are by the length n of the input, which the authors give the model. Here `jump` says what n is:

    jump     "counted", the steps until now whose input is not 0 on all channels but the last, on which tasks end an input or ask for an
             answer, so that the model is told no more than others; or "given", by initial_state(batch, n)
    cells    no weight depends on them: a trained model takes model.cells = 500 for longer sequences
    """

    label = "tape_rnn"

    def __init__(
        self,
        inputs: int,
        hidden: Hidden,
        outputs: int | None = None,
        cells: Annotated[int, "of a stack or tape"] = 100,
        cell_size: Annotated[int, "numbers in a cell of a stack or tape"] = 8,
        writer: Annotated[int, "units in each layer of the network that writes on the tape"] = 64,
        jump: Annotated[Literal["counted", "given"], "by the inputs counted until now, or by a length given with the state"] = "counted",
        activation: Units = "relu",
        start: Weights = "glorot",
        key: Any = 0,
        dtype: Any = "float32",
    ):
        require_at_least("TapeRNN", 1, inputs=inputs, hidden=hidden, outputs=1 if outputs is None else outputs)
        require_at_least("TapeRNN", 1, cells=cells, cell_size=cell_size, writer=writer)
        k = keys(key, 7)
        self.inputs, self.hidden, self.outputs, self.cells, self.cell_size = inputs, hidden, outputs, cells, cell_size
        self.jump = choose("jump", jump, ["counted", "given"])
        self.activation = choose("activation", activation, list(ACTIVATIONS))
        self.W_x = blocks(k[0], (inputs + cell_size, hidden), 1, "glorot", dtype)
        self.W_h = blocks(k[1], (hidden, hidden), 1, start, dtype)
        self.b = mg.parameter(mg.zeros(hidden, dtype))
        sizes = (hidden, writer, writer, cell_size)
        self.write = tuple(Linear(a, b, key, dtype) for (a, b), key in zip(pairwise(sizes), k[2:5], strict=True))
        self.A = Linear(hidden, MOVES, k[5], dtype)
        self.readout = readout(hidden, outputs, k[6], dtype)

    @property
    def reads_channels(self) -> bool:
        return self.jump == "counted"

    def initial_state(self, batch: Any, length: Any = 0) -> TapeRNNState:
        """An empty tape. `length` is that of a jump: a number, or one for each sequence (batch,)."""
        tape = mg.zeros((batch, self.cells, self.cell_size), self.dtype)
        jump = mg.broadcast_to(mg.astype(mg.tensor(length), "int64"), (batch,))
        return TapeRNNState(mg.zeros((batch, self.hidden), self.dtype), tape, jump)

    def step(self, state: TapeRNNState, x: Tensor) -> tuple[TapeRNNState, Tensor]:
        h = ACTIVATIONS[self.activation](mg.concat([x, state.tape[:, 0]], -1) @ self.W_x + state.h @ self.W_h + self.b).named("h")
        jump = state.jump + mg.any(x[:, :-1] != 0, -1) if self.jump == "counted" else state.jump
        with mg.scope("tape"):
            v = h
            for layer in self.write[:-1]:
                v = mg.relu(layer(v))
            v = self.write[-1](v).named("written")
            a = mg.softmax(self.A(h)).named("moves")
            tape = mg.concat([mg.expand_dims(v, 1), state.tape[:, 1:]], 1)
            tape = moved(tape, a, jump).named("tape")
        return TapeRNNState(h, tape, jump), read(self.readout, h)


def moved(tape: Tensor, a: Tensor, jump: Tensor) -> Tensor:
    """The tape (batch, cells, cell_size) after a mix of moves: stay, −1, +1, −jump, +jump, with weights a (batch, 5). jump is (batch,)."""
    moves = (tape, mg.roll(tape, -1, 1), mg.roll(tape, 1, 1), rolled(tape, -jump), rolled(tape, jump))
    return mg.einsum("bm,bmcw->bcw", a, mg.stack(moves, 1))


def rolled(tape: Tensor, by: Tensor) -> Tensor:
    """The tape (batch, cells, cell_size) of each sequence rolled by its own number of cells, by (batch,)."""
    cells = tape.shape[1]
    return mg.vmap(mg.take)(tape, (mg.arange(cells) - mg.expand_dims(by, -1)) % cells)
