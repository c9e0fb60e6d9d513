"""Sparse Access Memory (SAM): a memory network that reads and writes a few rows of its memory in a step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import minigrad as mg
from minigrad import Tensor
from minigrad.errors import SettingError

from .addressing import content, memory_size, similarity
from .cell import Cell, Linear, keys, masked, over
from .controllers import controller as make_controller
from .settings import Controller, Heads, Hidden, Memory, require_at_least

ACCESS = 0.005  # δ: a row is accessed by a weight above it
CLIP = 20.0  # bound of the head parameters before their activations


class SAMState(NamedTuple):
    """The controller's state, the memory, what was read in the last step and where, and when each row was accessed last."""

    controller: Any
    M: Tensor  # (batch, slots, width)
    r: Tensor  # (batch, heads, width)
    w_read: Tensor  # (batch, heads, nearest)
    rows: Tensor  # (batch, heads, nearest): the rows that have these weights
    accessed: Tensor  # (batch, slots): the last step in which each row was accessed, 0 before the first one
    t: Tensor  # (batch,): steps done


class SAM(Cell):
    """Sparse Access Memory (Rae et al. 2016): x (batch, inputs) -> y (batch, outputs).

    controller    h_t = controller(x_t, r_{t−1});  each head's q, β, a, α and γ are linear maps of h_t
    least used    row 1^U of head j is the j-th least recently accessed one, ties by lowest index; it is set to 0       eq. 6
    write         M_t = M_{t−1} + Σ_heads w^W a,  w^W = α (γ w^R_{t−1} + (1 − γ) 1^U)                                   eqs. 3, 5
    read          w^R = softmax(β K[q, M_t(i)]) over the `nearest` rows i by K, the cosine similarity                  eqs. 2, 4
                  r_t = Σ_i w^R(i) M_t(i)
    output        y_t = [h_t; r_t] W + b

    A step writes nearest + 1 rows for each head, and reads as many less one; the search for the nearest is the only pass over the memory.
    No gradient flows through the choice of rows. Backpropagation keeps the rows that were read, not the memory of each step, so that its
    memory hardly grows with T: the paper gets them by rolling the memory back, which takes as many numbers, those of the rows written.
    A row is accessed by a weight of a read or of a write above 0.005.
    """

    label = "sam"

    def __init__(
        self,
        inputs: int,
        outputs: int,
        controller: Controller = "lstm",
        hidden: Hidden = 100,
        memory: Memory = (128, 20),
        heads: Heads = 1,
        nearest: Annotated[int, "rows that a head reads in a step, those nearest to its key"] = 4,
        key: Any = 0,
        dtype: Any = "float32",
    ):
        slots, width = memory_size("SAM", memory)
        require_at_least("SAM", 1, inputs=inputs, outputs=outputs, hidden=hidden, heads=heads, nearest=nearest)
        if max(heads, nearest) > slots:
            raise SettingError(f"heads={heads} and nearest={nearest}, but the memory has only {slots} slots")
        k = keys(key, 3)
        self.inputs, self.outputs, self.memory, self.head_count, self.nearest = inputs, outputs, (slots, width), heads, nearest
        self.controller = make_controller(controller, inputs, heads * width, hidden, key=k[0], dtype=dtype)
        self.heads = Linear(hidden, heads * sum(self._parts), k[1], dtype)
        self.readout = Linear(hidden + heads * width, outputs, k[2], dtype)

    @property
    def _parts(self) -> list[int]:
        """The widths of a head's parameters q, β, a, α and γ."""
        return [self.memory[1], 1, self.memory[1], 1, 1]

    def initial_state(self, batch: Any) -> SAMState:
        (slots, width), heads, nearest, dtype = self.memory, self.head_count, self.nearest, self.dtype
        M, r = mg.full((batch, slots, width), 1e-6, dtype), mg.zeros((batch, heads, width), dtype)
        w_read, rows = (mg.zeros((batch, heads, nearest), d) for d in (dtype, "int64"))
        accessed, t = mg.zeros((batch, slots), "int32"), mg.zeros((batch,), "int32")
        return SAMState(self.controller.initial_state(batch), M, r, w_read, rows, accessed, t)

    def step(self, state: SAMState, x: Tensor) -> tuple[SAMState, Tensor]:
        return self._step(state, x, lambda values: values)

    def masked_step(self, state: SAMState, x: Tensor, keep: Tensor) -> tuple[SAMState, Tensor]:
        """As of every cell, without a copy of the memory: where a sequence has ended, 0 is added to its rows."""
        after, y = self._step(state, x, lambda values: mg.where(over(keep, values.ndim), values, 0))
        others, _ = masked(lambda *_: (after._replace(M=()), y), state._replace(M=()), x, keep)
        return others._replace(M=after.M), y

    def _step(self, state: SAMState, x: Tensor, added: Callable[[Tensor], Tensor]) -> tuple[SAMState, Tensor]:
        """One step. `added` gives what is added to rows of the memory, from what is to be added."""
        batch, heads, width = x.shape[0], self.head_count, self.memory[1]
        with mg.scope("controller"):
            inner, h = self.controller(state.controller, x, mg.reshape(state.r, (batch, heads * width)))
        p = mg.reshape(mg.clip(self.heads(h), -CLIP, CLIP), (batch, heads, sum(self._parts)))
        q, beta, a, alpha, gamma = mg.split(p, self._parts)
        with mg.scope("write"):
            a, alpha, gamma = mg.tanh(a).named("add"), mg.sigmoid(alpha).named("alpha"), mg.sigmoid(gamma).named("gamma")
            least = mg.argsort(state.accessed)[:, :heads].named("least")
            M = add_rows(state.M, least, added(-take_rows(state.M, least)))
            w_write = (alpha * mg.concat([gamma * state.w_read, 1 - gamma], -1)).named("w_write")
            written = mg.concat([state.rows, mg.expand_dims(least, -1)], -1).named("rows")
            M = add_rows(M, written, added(mg.expand_dims(w_write, -1) * mg.expand_dims(a, -2))).named("M")
        with mg.scope("read"):
            q, beta = mg.tanh(q).named("k"), (1 + mg.softplus(beta)).named("beta")
            rows = nearest(q, M, self.nearest).named("rows")
            near = take_rows(M, rows)
            w_read = content(mg.expand_dims(q, -2), mg.expand_dims(beta, -2), near)
            r = (w_read @ near)[:, :, 0].named("r")
            w_read = w_read[:, :, 0].named("w_read")
        t = state.t + 1
        accessed = access(state.accessed, mg.concat([written, rows], -1), mg.concat([w_write, w_read], -1), t).named("accessed")
        y = self.readout(mg.concat([h, mg.reshape(r, (batch, heads * width))], -1)).named("y")
        return SAMState(inner, M, r, w_read, rows, accessed, t), y


def nearest(q: Tensor, M: Tensor, n: int) -> Tensor:
    """The n rows of M that are most similar to each key, the most similar first, ties by lowest index: (batch, heads, n). No gradient."""
    return mg.argsort(similarity(mg.detach(q), mg.detach(M)), descending=True)[..., :n]


def take_rows(M: Tensor, rows: Tensor) -> Tensor:
    """The rows of each memory (batch, slots, width): (batch, …, width) for rows (batch, …)."""
    return mg.vmap(mg.take)(M, rows)


def add_rows(M: Tensor, rows: Tensor, values: Tensor) -> Tensor:
    """The memory with values (batch, …, width) added to its rows (batch, …): (batch, slots, width)."""
    return mg.vmap(mg.index_add)(M, rows, values)


def access(accessed: Tensor, rows: Tensor, w: Tensor, t: Tensor) -> Tensor:
    """The last access (batch, slots) of each row after step t (batch,), which accesses rows (batch, heads, n) with the weights w."""
    now = mg.where(w > ACCESS, mg.reshape(t, (t.shape[0], 1, 1)), 0)
    return mg.vmap(lambda accessed, rows, now: accessed.at[rows].max(now))(accessed, rows, now)
