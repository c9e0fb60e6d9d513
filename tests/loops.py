"""Networks written as Python loops: each entry of NETWORKS takes a number of steps and gives (function, arguments)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from minigrad.models import DNC, GRU, LSTM, MANN, NTM

import minigrad as mg

B, N = 2, 3
Made = tuple[Callable[..., Any], tuple[Any, ...]]
NETWORKS: dict[str, Callable[[int], Made]] = {}


def network(make: Callable[[int], Made]) -> Callable[[int], Made]:
    NETWORKS[make.__name__] = make
    return make


def drawn(seed: int, *shape: int) -> np.ndarray:
    return 0.5 * np.random.default_rng(seed).standard_normal(shape)


def weights(*names: str) -> dict[str, Any]:
    return {n: mg.tensor(drawn(ord(n), N, N)) for n in names}


def start() -> Any:
    return mg.zeros((B, N), "float64")


def cell(p: Any, x: Any, h: Any) -> Any:
    return mg.tanh(x @ p["W"] + h @ p["U"])


def over(model: Any, inputs: int, outputs: int, summed: bool = False) -> Callable[[int], Made]:
    """A model called step by step; the loss is summed on the way, or is of the stacked outputs."""

    def make(steps: int) -> Made:
        def f(m: Any, xs: Any, ys: Any) -> Any:
            state, total, out = m.initial_state(xs.shape[1]), 0.0, []
            for t in range(steps):
                state, y = m.step(state, xs[t])
                total = total + mg.mse(y, ys[t])
                out.append(y)
            return total / steps if summed else mg.mse(mg.stack(out), ys)

        return f, (model, drawn(1, steps, B, inputs), drawn(2, steps, B, outputs))

    return make


MEMORY = {"hidden": 4, "memory": (5, 3), "key": 0, "dtype": "float64"}
NETWORKS["lstm"] = over(LSTM(N, 4, 2, key=0, dtype="float64"), N, 2)
NETWORKS["gru"] = over(GRU(N, 4, 2, key=0, dtype="float64"), N, 2, True)
NETWORKS["ntm"] = over(NTM(N, 2, **MEMORY), N, 2)
NETWORKS["ntm_learned_start"] = over(NTM(N, 2, read_heads=2, w_0="learned", read="before", **MEMORY), N, 2, True)
NETWORKS["mann"] = over(MANN(N, 2, heads=2, **MEMORY), N, 2, True)
NETWORKS["dnc"] = over(DNC(N, 2, **MEMORY), N, 2, True)


def recurrent(body: Callable[..., Any], *names: str) -> Callable[[int], Made]:
    """A network of body(p, xs, ys, steps)."""

    def make(steps: int) -> Made:
        return lambda p, xs, ys: body(p, xs, ys, steps), (weights(*names), drawn(3, steps, B, N), drawn(4, steps, B, N))

    NETWORKS[body.__name__] = make
    return make


def rnn(*names: str) -> Callable[[Callable[..., Any]], Callable[[int], Made]]:
    return lambda body: recurrent(body, *names)


@rnn("W", "U")
def last_state(p: Any, xs: Any, ys: Any, steps: int) -> Any:
    h = start()
    for x in xs:
        h = cell(p, x, h)
    return mg.mse(h, ys[0])


@rnn("W", "U")
def list_of_losses(p: Any, xs: Any, ys: Any, steps: int) -> Any:
    h, losses = start(), []
    for t in range(steps):
        h = cell(p, xs[t], h)
        losses.append(mg.mse(h, ys[t]))
    return sum(losses) / steps


@rnn("W", "U", "V", "X")
def two_layers(p: Any, xs: Any, ys: Any, steps: int) -> Any:
    h, g, total = start(), start(), 0.0
    for t in range(steps):
        h = cell(p, xs[t], h)
        g = cell({"W": p["V"], "U": p["X"]}, h, g)
        total = total + mg.mse(g, ys[t])
    return total


@rnn("W", "U", "V", "X")
def layer_after_layer(p: Any, xs: Any, ys: Any, steps: int) -> Any:
    rows = [xs[t] for t in range(steps)]
    for q in (p, {"W": p["V"], "U": p["X"]}):
        h, out = start(), []
        for x in rows:
            h = cell(q, x, h)
            out.append(h)
        rows = out
    return mg.mse(mg.stack(rows), ys)


@rnn("W", "U")
def both_directions(p: Any, xs: Any, ys: Any, steps: int) -> Any:
    there, back, h = [], [], start()
    for t in range(steps):
        h = cell(p, xs[t], h)
        there.append(h)
    h = start()
    for t in reversed(range(steps)):
        h = cell(p, xs[t], h)
        back.append(h)
    return mg.mse(mg.stack([mg.concat([a, b], -1)[:, 1:4] for a, b in zip(there, back[::-1], strict=True)]), ys)


@rnn("W", "U", "V")
def delays_and_discount(p: Any, xs: Any, ys: Any, steps: int) -> Any:
    h, total = [start(), start()], 0.0
    for t in range(1, steps):
        h.append(mg.tanh(xs[t] @ p["W"] + xs[t - 1] @ p["V"] + h[-1] @ p["U"] + 0.5 * h[-2]))
        total = total + 0.9**t * mg.mse(h[-1], ys[t])
    return total


@rnn("W", "U")
def loop_in_a_loop(p: Any, xs: Any, ys: Any, steps: int) -> Any:
    h, total = start(), 0.0
    for t in range(steps):
        u = xs[t] @ p["W"]
        for _ in range(20):
            h = mg.tanh(u + h @ p["U"]) * 0.5 + h * 0.5
        total = total + mg.mse(h, ys[t])
    return total


@rnn("W", "U")
def scan_in_a_loop(p: Any, xs: Any, ys: Any, steps: int) -> Any:
    h, total = start(), 0.0
    for t in range(steps):
        u = xs[t] @ p["W"]
        h, _ = mg.scan(lambda h, _, u=u: (mg.tanh(u + h @ p["U"]), None), h, length=3)
        total = total + mg.mse(h, ys[t])
    return total


@rnn("W", "U", "V", "X")
def decoder(p: Any, xs: Any, ys: Any, steps: int) -> Any:
    h, states = start(), []
    for t in range(steps):
        h = cell(p, xs[t], h)
        states.append(h)
    source, y, total = mg.stack(states, 1), start(), 0.0
    for t in range(steps):
        weights = mg.softmax((source @ mg.expand_dims(h, -1))[..., 0])
        context = (mg.expand_dims(weights, 1) @ source)[:, 0]
        h = cell({"W": p["V"], "U": p["X"]}, y + context, h)
        y = h * context
        total = total + mg.mse(y, ys[t])
    return total


@rnn("W", "U")
def batch_first(p: Any, xs: Any, ys: Any, steps: int) -> Any:
    xs, h, out = mg.moveaxis(xs, 0, 1), start(), []
    for t in range(steps):
        h = cell(p, xs[:, t], h)
        out.append(h)
    return mg.mse(mg.stack(out, 1), mg.moveaxis(ys, 0, 1))


@rnn("W", "U")
def masks(p: Any, xs: Any, ys: Any, steps: int) -> Any:
    keep = np.arange(steps)[:, None] < np.array([steps, steps // 2])
    h, total = start(), 0.0
    for t in range(steps):
        h = mg.where(mg.tensor(keep[t])[:, None], cell(p, xs[t], h), h)
        total = total + mg.mse(h, ys[t])
    return total


@rnn("W", "U")
def dropout_keys(p: Any, xs: Any, ys: Any, steps: int) -> Any:
    key, h, total = mg.random.key(7), start(), 0.0
    for t in range(steps):
        kept = mg.random.bernoulli(mg.random.fold_in(key, t), 0.5, (B, N))
        h = mg.where(kept, cell(p, xs[t], h), 0.0)
        total = total + mg.mse(h, ys[t])
    return total


@rnn("W", "U")
def keys_in_a_chain(p: Any, xs: Any, ys: Any, steps: int) -> Any:
    key, h = mg.random.key(7), start()
    for t in range(steps):
        key, now = mg.random.split(key)
        h = cell(p, xs[t] + mg.random.normal(now, (B, N), "float64"), h)
    return mg.mse(h, ys[0])


@rnn("W", "U")
def checkpoints(p: Any, xs: Any, ys: Any, steps: int) -> Any:
    h, total = start(), 0.0
    for t in range(steps):
        h = mg.checkpoint(lambda x, h: mg.sin(cell(p, x, h)))(xs[t], h)
        total = total + mg.mse(h, ys[t])
    return total


@mg.custom_vjp
def clipped(x: Any, limit: float) -> Any:
    return x * 1.0


@clipped.defvjp
def _(ct: Any, out: Any, x: Any, limit: float) -> Any:
    return mg.clip(ct, -limit, limit), None


@rnn("W", "U")
def own_gradient_rule(p: Any, xs: Any, ys: Any, steps: int) -> Any:
    h, total = start(), 0.0
    for t in range(steps):
        h = clipped(cell(p, xs[t], h), 0.01)
        total = total + mg.mse(h, ys[t])
    return total


@rnn("W", "U")
def branches(p: Any, xs: Any, ys: Any, steps: int) -> Any:
    h, total = start(), 0.0
    for t in range(steps):
        h = cell(p, xs[t], h)
        h = mg.cond(mg.sum(h) > 0, lambda h: h * 2, lambda h: mg.sin(h), h)
        total = total + mg.mse(h, ys[t])
    return total


@rnn("W", "U")
def windows(p: Any, xs: Any, ys: Any, steps: int) -> Any:
    h, total = start(), 0.0
    for t in range(steps - 1):
        h = cell(p, mg.sum(xs[t : t + 2], 0), h)
        total = total + mg.mse(h, ys[t + 1])
    return total


@rnn("W", "U")
def every_other(p: Any, xs: Any, ys: Any, steps: int) -> Any:
    h, out = start(), []
    for t in range(0, steps - 1, 2):
        h = cell(p, xs[t], h)
        h = cell(p, h, xs[t + 1])
        out.append(h)
    return mg.mse(mg.stack(out), ys[: len(out)])


@rnn("W", "U")
def inner_gradient(p: Any, xs: Any, ys: Any, steps: int) -> Any:
    w, total = p["W"], 0.0
    for t in range(steps):
        loss, g = mg.value_and_grad(lambda w, t=t: mg.mse(mg.tanh(xs[t] @ w), ys[t]))(w)
        w = w - 0.1 * g
        total = total + loss
    return total


@network
def own_arguments(steps: int) -> Made:
    """Every x is an argument; the loss begins with that of the first step."""

    def f(p: Any, xs: Any, ys: Any) -> Any:
        h, total = start(), None
        for x, y in zip(xs, ys, strict=True):
            h = cell(p, x, h)
            total = mg.mse(h, y) if total is None else total + mg.mse(h, y)
        return total

    return f, (weights("W", "U"), list(drawn(3, steps, B, N)), list(drawn(4, steps, B, N)))


@network
def embeddings(steps: int) -> Made:
    def f(p: Any, table: Any, words: Any) -> Any:
        h, total = start(), 0.0
        for t in range(steps - 1):
            h = cell(p, mg.take(table, words[t], 0), h)
            total = total + mg.cross_entropy(h @ table.T, words[t + 1])
        return total

    return f, (weights("W", "U"), drawn(5, 7, N), np.random.default_rng(6).integers(0, 7, (steps, B)))


def growing_attention(steps: int) -> Made:
    """No loop: every step looks back at one state more than the step before."""

    def f(p: Any, xs: Any) -> Any:
        h, past = start(), []
        for t in range(steps):
            past.append(h)
            states = mg.stack(past, 1)
            attention = mg.softmax((states @ mg.expand_dims(h, -1))[..., 0])
            h = cell(p, xs[t], (mg.expand_dims(attention, 1) @ states)[:, 0])
        return mg.sum(h * h)

    return f, (weights("W", "U"), drawn(3, steps, B, N))
