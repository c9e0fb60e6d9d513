"""JAX: the same equations written plainly, `jit` around `lax.scan`, parameters and optimiser state donated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax, nn

from .work import BETA1, BETA2, EPSILON, LEARNING_RATE, Arrays, Work

Forward = Callable[[Any, Any], Any]  # (parameters, xs) -> ys
Cell = tuple[Callable[..., Any], Callable[..., Any]]  # start(p, batch) -> state; step(p, state, x) -> (state, y)

LOSSES: dict[str, Callable[..., Any]] = {
    "bce": lambda z, y: jnp.mean(nn.softplus(z) - z * y),
    "cross-entropy": lambda z, y: -jnp.mean(jnp.sum(nn.log_softmax(z) * y, -1)),
    "mse": lambda z, y: jnp.mean(jnp.square(z - y)),
}


def lstm_cell(z: Any, c: Any) -> tuple[Any, Any]:
    i, f, g, o = jnp.split(z, 4, axis=-1)
    c = nn.sigmoid(f) * c + nn.sigmoid(i) * jnp.tanh(g)
    return nn.sigmoid(o) * jnp.tanh(c), c


def lstm(work: Work) -> Cell:
    def start(p: Any, batch: int) -> Any:
        return jnp.zeros((batch, work.hidden)), jnp.zeros((batch, work.hidden))

    def step(p: Any, state: Any, x: Any) -> Any:
        h, c = lstm_cell(x @ p["W_x"] + p["b"] + state[0] @ p["W_h"], state[1])
        return (h, c), h

    return start, step


def gru(work: Work) -> Cell:
    n = 2 * work.hidden

    def step(p: Any, h: Any, x: Any) -> Any:
        a, u = x @ p["W_x"] + p["b"], h @ p["W_h"]
        r, z = jnp.split(nn.sigmoid(a[:, :n] + u[:, :n]), 2, axis=-1)
        new = jnp.tanh(a[:, n:] + r * (u[:, n:] + p["c_n"]))
        h = new + z * (h - new)
        return h, h

    return lambda p, batch: jnp.zeros((batch, work.hidden)), step


def rnn(work: Work) -> Cell:
    def step(p: Any, h: Any, x: Any) -> Any:
        h = jnp.tanh(x @ p["W_x"] + p["b"] + h @ p["W_h"])
        return h, h

    return lambda p, batch: jnp.zeros((batch, work.hidden)), step


def controller(p: Any, state: Any, x: Any, r: Any) -> tuple[Any, Any]:
    inner = jnp.concatenate([r.reshape(len(r), -1), state[0]], -1)
    return lstm_cell(x @ p["controller.W_x"] + p["controller.b"] + inner @ p["controller.W_h"], state[1])


def similarity(k: Any, M: Any) -> Any:
    squares = jnp.sum(k * k, -1, keepdims=True) * jnp.sum(M * M, -1)[:, None]
    return k @ M.mT / jnp.sqrt(squares + 1e-8)


def address(p: Any, M: Any, previous: Any, width: int) -> Any:
    k, beta, g, s, gamma = jnp.split(p, [width, width + 1, width + 2, width + 5], axis=-1)
    w = nn.softmax(nn.softplus(beta) * similarity(jnp.tanh(k), M))
    g, s = nn.sigmoid(g), nn.softmax(s)
    w = g * w + (1 - g) * previous
    w = jnp.roll(w, -1, -1) * s[..., :1] + w * s[..., 1:2] + jnp.roll(w, 1, -1) * s[..., 2:]
    return nn.softmax((1 + nn.softplus(gamma)) * jnp.log(w + 1e-16))


def readout(p: Any, h: Any, r: Any) -> Any:
    return jnp.concatenate([h, r.reshape(len(h), -1)], -1) @ p["readout.W"] + p["readout.b"]


def ntm(work: Work) -> Cell:
    heads, width = work.heads, work.width
    size = width + 6  # k, β, g, three shifts, γ

    def start(p: Any, batch: int) -> Any:
        M = jnp.full((batch, work.slots, width), 1e-6)
        focused = jnp.zeros((2 * heads, work.slots)).at[:, 0].set(1)
        r, w = (jnp.broadcast_to(v, (batch, *v.shape)) for v in (jnp.tanh(p["r_0"]), focused))
        zero = jnp.zeros((batch, work.hidden))
        return (zero, zero), M, r, w[:, :heads], w[:, heads:]

    def step(p: Any, state: Any, x: Any) -> Any:
        inner, M, r, w_read, w_write = state
        inner = controller(p, inner, x, r)
        out = jnp.clip(inner[0] @ p["heads.W"] + p["heads.b"], -20, 20)
        p_read = out[:, : heads * size].reshape(len(x), heads, size)
        p_write = out[:, heads * size :].reshape(len(x), heads, size + 2 * width)
        w_write = address(p_write[..., :size], M, w_write, width)
        erase, add = nn.sigmoid(p_write[..., size : size + width]), jnp.tanh(p_write[..., size + width :])
        for i in range(heads):
            M = M * (1 - w_write[:, i, :, None] * erase[:, i, None])
        M = M + w_write.mT @ add
        w_read = address(p_read, M, w_read, width)
        r = w_read @ M
        return (inner, M, r, w_read, w_write), readout(p, inner[0], r)

    return start, step


def mann(work: Work) -> Cell:
    heads, slots, width = work.heads, work.slots, work.width

    def start(p: Any, batch: int) -> Any:
        zero = jnp.zeros((batch, work.hidden))
        w_read = jnp.zeros((batch, heads, slots)).at[..., 0].set(1)
        return (zero, zero), jnp.full((batch, slots, width), 1e-6), jnp.zeros((batch, heads, width)), w_read, jnp.zeros((batch, slots))

    def step(p: Any, state: Any, x: Any) -> Any:
        inner, M, r, w_read, usage = state
        inner = controller(p, inner, x, r)
        out = (inner[0] @ p["heads.W"] + p["heads.b"]).reshape(len(x), heads, width + 1)
        k, gate = jnp.tanh(out[..., :width]), nn.sigmoid(out[..., width:])
        least = nn.one_hot(jnp.argsort(usage)[:, :heads], slots)
        w_write = gate * w_read + (1 - gate) * least
        M = M * (1 - least[:, 0, :, None]) + w_write.mT @ k
        w_read = nn.softmax(similarity(k, M))
        r = w_read @ M
        usage = lax.stop_gradient(0.99 * usage + jnp.sum(w_read + w_write, 1))
        return (inner, M, r, w_read, usage), readout(p, inner[0], r)

    return start, step


def over_time(cell: Callable[[Work], Cell]) -> Callable[[Work], Forward]:
    def make(work: Work) -> Forward:
        start, step = cell(work)
        return lambda p, xs: lax.scan(lambda state, x: step(p, state, x), start(p, xs.shape[1]), xs)[1]

    return make


def decoder(work: Work) -> Forward:
    """An LSTM that attends to a source by Bahdanau's score; the source stands in the first columns of xs."""

    def forward(p: Any, xs: Any) -> Any:
        source, xs = xs[..., : work.width], xs[..., work.width :]
        h, keys = jnp.moveaxis(source, 0, 1), jnp.moveaxis(source @ p["U"], 0, 1)

        def step(state: Any, x: Any) -> Any:
            scores = jnp.tanh((state[0] @ p["W"])[:, None] + keys) @ p["v"]
            context = jnp.einsum("bs,bsk->bk", nn.softmax(scores), h)
            state = lstm_cell(jnp.concatenate([x, context, state[0]], -1) @ p["W_h"] + p["b"], state[1])
            return state, jnp.concatenate([state[0], context], -1) @ p["readout.W"] + p["readout.b"]

        zero = jnp.zeros((xs.shape[1], work.hidden))
        return lax.scan(step, (zero, zero), xs)[1]

    return forward


def normed(p: Any, name: str, x: Any) -> Any:
    centred = x - jnp.mean(x, -1, keepdims=True)
    return centred / jnp.sqrt(jnp.mean(centred * centred, -1, keepdims=True) + 1e-5) * p[f"{name}.scale"] + p[f"{name}.shift"]


def block(work: Work) -> Forward:
    """A causal pre-norm transformer block, (T, batch, width)."""

    def attention(p: Any, x: Any) -> Any:
        T, batch, width = x.shape
        qkv = (x @ p["attention.W"] + p["attention.b"]).reshape(T, batch, 3, work.heads, width // work.heads)
        q, k, v = jnp.moveaxis(qkv, 2, 0)
        scores = jnp.einsum("tbhd,sbhd->bhts", q, k) / jnp.sqrt(jnp.float32(width // work.heads))
        weights = nn.softmax(jnp.where(jnp.tril(jnp.ones((T, T), bool)), scores, -jnp.inf))
        return jnp.einsum("bhts,sbhd->tbhd", weights, v).reshape(x.shape) @ p["attention.out.W"] + p["attention.out.b"]

    def forward(p: Any, x: Any) -> Any:
        x = x + attention(p, normed(p, "norm1", x))
        h = nn.gelu(normed(p, "norm2", x) @ p["linear1.W"] + p["linear1.b"], approximate=False)
        return x + h @ p["linear2.W"] + p["linear2.b"]

    return forward


def written_out(cell: Callable[[Work], Cell]) -> Callable[[Work], Forward]:
    """Step by step in a Python loop."""

    def make(work: Work) -> Forward:
        start, step = cell(work)

        def forward(p: Any, xs: Any) -> Any:
            state, ys = start(p, xs.shape[1]), []
            for x in xs:
                state, y = step(p, state, x)
                ys.append(y)
            return jnp.stack(ys)

        return forward

    return make


CELLS: dict[str, Callable[[Work], Cell]] = {"lstm": lstm, "gru": gru, "rnn": rnn, "ntm": ntm, "mann": mann}
MODELS: dict[str, Callable[[Work], Forward]] = {
    **{name: over_time(cell) for name, cell in CELLS.items()},
    "bahdanau": decoder,
    "transformer": block,
}


def stack(models: dict[str, Callable[[Work], Forward]], work: Work) -> Forward:
    """As many layers as the work has, one after the other."""
    layer = models[work.kind](work)

    def forward(p: Any, x: Any) -> Any:
        for i in range(work.layers):
            prefix = f"layers[{i}]."
            x = layer({k.removeprefix(prefix): v for k, v in p.items() if k.startswith(prefix)}, x)
        return x

    return forward if work.layers > 1 else layer


def adam(p: Any, g: Any, m: Any, v: Any, t: Any) -> tuple[Any, Any, Any]:
    m = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, m, g)
    v = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, v, g)
    pace, unbias = LEARNING_RATE / (1 - BETA1**t), 1 / jnp.sqrt(1 - BETA2**t)
    return jax.tree.map(lambda p, m, v: p - pace * m / (jnp.sqrt(v) * unbias + EPSILON), p, m, v), m, v


class Jax:
    models = MODELS

    def __init__(self, work: Work, weights: Arrays):
        forward = stack(self.models, work)

        def loss(p: Any, xs: Any, ys: Any) -> Any:
            return LOSSES[work.loss](forward(p, xs), ys)

        def train(p: Any, slots: Any, xs: Any, ys: Any) -> Any:
            m, v, t = slots
            value, grads = jax.value_and_grad(loss)(p, xs, ys)
            p, m, v = adam(p, grads, m, v, t + 1)
            return p, (m, v, t + 1), value

        self.grad = jax.jit(jax.value_and_grad(loss))
        self.train: Any = jax.jit(train, donate_argnums=(0, 1))
        self.first = weights
        self.p: Any = {k: jnp.array(v) for k, v in weights.items()}
        self.slots: Any = ({k: jnp.zeros_like(v) for k, v in self.p.items()}, {k: jnp.zeros_like(v) for k, v in self.p.items()}, 0.0)
        self.xs, self.ys = work.data()

    def value_and_grad(self) -> tuple[float, Arrays]:
        value, grads = self.grad({k: jnp.array(v) for k, v in self.first.items()}, self.xs, self.ys)
        return float(value), {k: np.asarray(g) for k, g in grads.items()}

    def step(self) -> float:
        return self.step_on(self.xs, self.ys)

    def step_on(self, xs: np.ndarray, ys: np.ndarray) -> float:
        self.p, self.slots, value = self.train(self.p, self.slots, xs, ys)
        jax.block_until_ready(self.p)
        return float(value)

    @property
    def compilations(self) -> int:
        return int(self.train._cache_size())

    def working_memory(self, xs: np.ndarray, ys: np.ndarray) -> int:
        found = self.train.lower(self.p, self.slots, xs, ys).compile().memory_analysis()
        return int(found.temp_size_in_bytes)


class JaxLoop(Jax):
    models = {name: written_out(cell) for name, cell in CELLS.items()}  # noqa: RUF012
