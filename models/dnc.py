"""The differentiable neural computer (DNC)."""

from __future__ import annotations

from typing import Any, NamedTuple

import minigrad as mg
from minigrad import Tensor

from .addressing import content, memory_size, write
from .cell import Cell, Linear, keys
from .controllers import controller as make_controller
from .settings import Controller, Heads, Hidden, Layers, Memory, require_at_least

CLIP = 20.0  # bound of the interface vector before its activations
USAGE_EPSILON = 1e-6  # usage is taken as ε + (1 − ε) u, so that its logarithm is finite


class DNCState(NamedTuple):
    """The controller's state, the memory, and the read vectors and weightings of the last step."""

    controller: Any
    M: Tensor  # (batch, slots, width)
    r: Tensor  # (batch, read heads, width)
    w_read: Tensor  # (batch, read heads, slots)
    w_write: Tensor  # (batch, 1, slots)
    usage: Tensor  # (batch, slots)
    precedence: Tensor  # (batch, slots)
    links: Tensor  # (batch, slots, slots): [i, j] is high where slot i was written right after slot j


class DNC(Cell):
    """Differentiable neural computer (Graves et al. 2016, Methods) with one write head: x (batch, inputs) -> y (batch, outputs).

    controller        h_t = controller(x_t, r_{t−1});  the interface vector is a linear map of h_t
    usage             u = (u + w^w − u ⊙ w^w) ⊙ Π_i (1 − f_i w^r_i), all of t − 1;  allocation a = allocation(u)
    write weighting   w^w = g_w (g_a a + (1 − g_a) c^w);  M_t = M_{t−1} ⊙ (1 − w^w e) + w^w v
    temporal links    L[i, j] = (1 − w^w(i) − w^w(j)) L[i, j] + w^w(i) p_{t−1}(j);  precedence p_t = (1 − Σ w^w) p_{t−1} + w^w
    read weighting    w^r = π₁ Lᵀ w^r_{t−1} + π₂ c^r + π₃ L w^r_{t−1};  r_t = Σ_i w^r(i) M_t(i)
    output            y_t = [h_t; r_t] W + b

    c^w and c^r are content weightings. Memory, usage, links and weightings start at 0; allocation makes the slots differ.
    """

    label = "dnc"

    def __init__(
        self,
        inputs: int,
        outputs: int,
        controller: Controller = "lstm",
        hidden: Hidden = 100,
        memory: Memory = (64, 20),
        read_heads: Heads = 1,
        layers: Layers = 1,
        key: Any = 0,
        dtype: Any = "float32",
    ):
        slots, width = memory_size("DNC", memory)
        require_at_least("DNC", 1, inputs=inputs, outputs=outputs, hidden=hidden, layers=layers, read_heads=read_heads)
        k = keys(key, 3)
        self.inputs, self.outputs, self.memory, self.read_heads = inputs, outputs, (slots, width), read_heads
        self.controller = make_controller(controller, inputs, read_heads * width, hidden, layers, k[0], dtype)
        hidden = self.controller.hidden
        self.interface = Linear(hidden, sum(self._parts), k[1], dtype)
        self.readout = Linear(hidden + read_heads * width, outputs, k[2], dtype)

    @property
    def _parts(self) -> list[int]:
        """The widths of the parts of the interface vector: k_r, β_r, k_w, β_w, e, v, f, g_a, g_w, π."""
        R, W = self.read_heads, self.memory[1]
        return [R * W, R, W, 1, W, W, R, 1, 1, 3 * R]

    def initial_state(self, batch: Any) -> DNCState:
        (slots, width), R, dtype = self.memory, self.read_heads, self.dtype
        shapes = [(slots, width), (R, width), (R, slots), (1, slots), (slots,), (slots,), (slots, slots)]
        return DNCState(self.controller.initial_state(batch), *(mg.zeros((batch, *s), dtype) for s in shapes))

    def step(self, state: DNCState, x: Tensor) -> tuple[DNCState, Tensor]:
        batch, R, W = x.shape[0], self.read_heads, self.memory[1]
        with mg.scope("controller"):
            inner, h = self.controller(state.controller, x, mg.reshape(state.r, (batch, R * W)))
        k_r, beta_r, k_w, beta_w, e, v, f, g_a, g_w, pi = mg.split(mg.clip(self.interface(h), -CLIP, CLIP), self._parts)
        with mg.scope("write"):
            usage = used(state.usage, state.w_write[:, 0], state.w_read, mg.sigmoid(f).named("f")).named("usage")
            allocated = mg.expand_dims(allocation(usage).named("allocation"), 1)
            beta = (1 + mg.softplus(mg.expand_dims(beta_w, 1))).named("beta")
            c_w = content(mg.expand_dims(k_w, 1).named("k"), beta, state.M).named("w_content")
            g_a, g_w = (mg.expand_dims(mg.sigmoid(g), 1).named(n) for g, n in ((g_a, "g_a"), (g_w, "g_w")))
            w_write = (g_w * (g_a * allocated + (1 - g_a) * c_w)).named("w_write")
            erase, add = mg.sigmoid(mg.expand_dims(e, 1)).named("erase"), mg.expand_dims(v, 1).named("add")
            M = write(state.M, w_write, erase, add).named("M")
        links = link(state.links, w_write[:, 0], state.precedence).named("links")
        precedence = (1 - mg.sum(w_write[:, 0], -1, keepdims=True)) * state.precedence + w_write[:, 0]
        with mg.scope("read"):
            beta = (1 + mg.softplus(mg.expand_dims(beta_r, -1))).named("beta")
            c_r = content(mg.reshape(k_r, (batch, R, W)).named("k"), beta, M).named("w_content")
            modes = mg.softmax(mg.reshape(pi, (batch, R, 3))).named("modes")
            ahead, back = (state.w_read @ links.mT).named("forward"), (state.w_read @ links).named("backward")
            w_read = (modes[..., :1] * back + modes[..., 1:2] * c_r + modes[..., 2:] * ahead).named("w_read")
            r = (w_read @ M).named("r")
        y = self.readout(mg.concat([h, mg.reshape(r, (batch, R * W))], -1)).named("y")
        return DNCState(inner, M, r, w_read, w_write, usage, precedence.named("precedence"), links), y


def used(usage: Tensor, w_write: Tensor, w_read: Tensor, free: Tensor) -> Tensor:
    """Usage u = (u + w^w − u ⊙ w^w) ⊙ Π_i (1 − f_i w^r_i): a written slot is in use until a free gate f_i releases it.

    usage and w_write (batch, slots), w_read (batch, heads, slots), free gates (batch, heads) -> (batch, slots)
    """
    usage = usage + w_write - usage * w_write
    for head in range(w_read.shape[1]):
        usage = usage * (1 - free[:, head : head + 1] * w_read[:, head])
    return usage


def allocation(usage: Tensor) -> Tensor:
    """Allocation weighting a(φ_j) = (1 − u(φ_j)) Π_{i<j} u(φ_i): (batch, slots). φ sorts the slots by usage, ties by lowest index."""
    usage = USAGE_EPSILON + (1 - USAGE_EPSILON) * usage
    order = mg.argsort(usage)
    rising = mg.take_along_axis(usage, order)
    before = mg.cumsum(mg.log(rising), -1)[:, :-1]  # of the slots before; a sum less its own term would cancel, and its gradient too
    free = (1 - rising) * mg.exp(mg.concat([mg.zeros_like(rising[:, :1]), before], -1))
    return mg.take_along_axis(free, mg.argsort(order))


def link(links: Tensor, w: Tensor, precedence: Tensor) -> Tensor:
    """Temporal links L[i, j] = (1 − w(i) − w(j)) L[i, j] + w(i) p(j) with a diagonal of 0: (batch, slots, slots). w, p (batch, slots)."""
    row, column = mg.expand_dims(w, 2), mg.expand_dims(w, 1)
    links = (1 - row - column) * links + row * mg.expand_dims(precedence, 1)
    return links * (1 - mg.eye(w.shape[1], dtype=w.dtype))
