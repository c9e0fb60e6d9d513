"""The memory-augmented neural network (MANN) of one-shot learning, with least recently used access (LRUA)."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple, get_args

import numpy as np

import minigrad as mg
from minigrad import Tensor
from minigrad.errors import SettingError

from .addressing import memory_size, similarity
from .cell import Cell, Linear, choose, keys
from .controllers import controller as make_controller
from .settings import Controller, Heads, Hidden, Memory, Read, require_at_least

Content = Literal["key", "add"]
SHARP = 8.0  # the initial bias of β before its softplus


class MANNState(NamedTuple):
    """The controller's state, the memory, the last read vectors and read weightings, and the usage."""

    controller: Any
    M: Tensor  # (batch, slots, width)
    r: Tensor  # (batch, heads, width)
    w_read: Tensor  # (batch, heads, slots)
    usage: Tensor  # (batch, slots)


class MANN(Cell):
    """Memory-augmented neural network with LRUA (Santoro et al. 2016, §3.2): x (batch, inputs) -> y (batch, outputs).

    The paper's input at step t is (x_t, y_{t−1}), an image and the label of the image before.

    controller        h_t = controller(x_t, r_{t−1});  each head's key k = tanh(·) and gate α are linear maps of h_t
    least used        w^lu of head j is the j-th least used slot by w^u_{t−1}, ties by lowest index      eq. 6
    write weighting   w^w = σ(α) w^r_{t−1} + (1 − σ(α)) w^lu                                             eq. 7
    write             the least used row is set to 0, then M_t(i) = M_{t−1}(i) + Σ_heads w^w(i) k        eq. 8
    read              w^r = softmax_i K[k, M_t(i)];  r_t = Σ_i w^r(i) M_t(i)                             eqs. 2–4
    usage             w^u = decay w^u_{t−1} + Σ w^r + Σ w^w                                              eq. 5
    output            y_t = [h_t; r_t] W + b

    No gradient flows through w^u and w^lu; it does through w^r_{t−1} in eq. 7. M_0 = 1e-6, w^r_0 is on slot 0, w^u_0 = 0.

    content    what is written: "key", as in the paper, or "add", a separate vector, as in public implementations
    strength   multiply similarities by β = 1 + softplus(·), at first about 9; without β one perfect match among 128 slots gets 2 % of
               the weight
    read       "after" the write, from M_t, or "before" it, from M_{t−1}
    """

    label = "mann"

    def __init__(
        self,
        inputs: int,
        outputs: int,
        controller: Controller = "lstm",
        hidden: Hidden = 200,
        memory: Memory = (128, 40),
        heads: Heads = 4,
        decay: Annotated[float, "of usage in a step"] = 0.99,
        content: Annotated[Content, "what is written: the key, or a vector of its own"] = "key",
        strength: Annotated[bool, "scale similarities by a strength β"] = False,
        read: Read = "after",
        key: Any = 0,
        dtype: Any = "float32",
    ):
        slots, width = memory_size("MANN", memory)
        require_at_least("MANN", 1, inputs=inputs, outputs=outputs, hidden=hidden, heads=heads)
        if heads > slots:
            raise SettingError(f"heads={heads}, but the memory has only {slots} slots to write to")
        k = keys(key, 3)
        self.inputs, self.outputs, self.memory = inputs, outputs, (slots, width)
        self.head_count, self.decay, self.strength = heads, float(decay), bool(strength)
        self.content, self.order = choose("content", content, get_args(Content)), choose("read", read, ["after", "before"])
        self.controller = make_controller(controller, inputs, heads * width, hidden, key=k[0], dtype=dtype)
        self.heads = Linear(hidden, heads * sum(self._parts), k[1], dtype)
        self.readout = Linear(hidden + heads * width, outputs, k[2], dtype)
        self.heads.b = mg.parameter(np.tile(np.repeat([0, 0, SHARP, 0], self._parts), heads).astype(dtype))

    @property
    def _parts(self) -> list[int]:
        """The widths of a head's parameters k, α, β and a."""
        width = self.memory[1]
        return [width, 1, int(self.strength), width if self.content == "add" else 0]

    def initial_state(self, batch: Any) -> MANNState:
        (slots, width), heads, dtype = self.memory, self.head_count, self.dtype
        w_read = mg.broadcast_to(mg.one_hot(np.zeros(heads, int), slots, dtype), (batch, heads, slots))
        M, r = mg.full((batch, slots, width), 1e-6, dtype), mg.zeros((batch, heads, width), dtype)
        return MANNState(self.controller.initial_state(batch), M, r, w_read, mg.zeros((batch, slots), dtype))

    def step(self, state: MANNState, x: Tensor) -> tuple[MANNState, Tensor]:
        batch, heads, width = x.shape[0], self.head_count, self.memory[1]
        with mg.scope("controller"):
            inner, h = self.controller(state.controller, x, mg.reshape(state.r, (batch, heads * width)))
        k, alpha, beta, add = mg.split(mg.reshape(self.heads(h), (batch, heads, sum(self._parts))), self._parts)
        k = mg.tanh(k).named("k")
        with mg.scope("write"):
            w_least = least_used(state.usage, heads).named("w_least")
            gate = mg.sigmoid(alpha).named("g")
            w_write = (gate * state.w_read + (1 - gate) * w_least).named("w_write")
            add = (k if self.content == "key" else mg.tanh(add)).named("add")
            M = (state.M * (1 - mg.expand_dims(w_least[:, 0], -1)) + w_write.mT @ add).named("M")
        with mg.scope("read"):
            source = M if self.order == "after" else state.M
            scores = similarity(k, source)
            if self.strength:
                scores = (1 + mg.softplus(beta)).named("beta") * scores
            w_read = mg.softmax(scores).named("w_read")
            r = (w_read @ source).named("r")
        usage = mg.detach(self.decay * state.usage + mg.sum(w_read + w_write, 1)).named("usage")
        y = self.readout(mg.concat([h, mg.reshape(r, (batch, heads * width))], -1)).named("y")
        return MANNState(inner, M, r, w_read, usage), y


def least_used(usage: Tensor, n: int) -> Tensor:
    """Least-used weightings w^lu (eq. 6): one-hot rows (batch, n, slots) of the n least used slots, ties by lowest index. No gradient."""
    return mg.one_hot(mg.argsort(usage)[:, :n], usage.shape[-1], usage.dtype)
