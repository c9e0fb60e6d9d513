"""PyTensor: `scan` compiled by numba, parameters and Adam's state as shared variables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt

from .work import BETA1, BETA2, EPSILON, LEARNING_RATE, Arrays, Skip, Work


def lstm(work: Work, p: dict[str, Any], xs: Any) -> Any:
    n = work.hidden

    def step(x: Any, h: Any, c: Any, *weights: Any) -> Any:
        W_x, W_h, b = weights
        z = x @ W_x + b + h @ W_h
        i, f, g, o = (z[:, k * n : (k + 1) * n] for k in range(4))
        c = pt.sigmoid(f) * c + pt.sigmoid(i) * pt.tanh(g)
        return pt.sigmoid(o) * pt.tanh(c), c

    zero = pt.zeros((xs.shape[1], n), dtype="float32")
    found = pytensor.scan(step, sequences=[xs], outputs_info=[zero, zero], non_sequences=[p["W_x"], p["W_h"], p["b"]], return_updates=False)
    return found[0]


class PyTensor:
    compilations = 1

    def __init__(self, work: Work, weights: Arrays):
        if work.kind != "lstm":
            raise Skip(f"no {work.kind} written with it")
        self.xs, self.ys = work.data()
        p = {k: pytensor.shared(v.copy(), name=k) for k, v in weights.items()}
        xs, ys = pt.tensor3("xs", dtype="float32"), pt.tensor3("ys", dtype="float32")
        loss = pt.mean((lstm(work, p, xs) - ys) ** 2)
        grads = dict(zip(p, pytensor.grad(loss, list(p.values())), strict=True))
        self.names = list(p)
        self.grad = pytensor.function([xs, ys], [loss, *grads.values()], mode="NUMBA")
        self.train = pytensor.function([xs, ys], loss, updates=adam(p, grads), mode="NUMBA")

    def value_and_grad(self) -> tuple[float, Arrays]:
        value, *grads = self.grad(self.xs, self.ys)
        return float(value), dict(zip(self.names, map(np.asarray, grads), strict=True))

    def step(self) -> float:
        return self.step_on(self.xs, self.ys)

    def step_on(self, xs: np.ndarray, ys: np.ndarray) -> float:
        return float(self.train(xs, ys))

    def working_memory(self, xs: np.ndarray, ys: np.ndarray) -> int:
        return 0


def adam(p: dict[str, Any], grads: dict[str, Any]) -> list[tuple[Any, Any]]:
    step = pytensor.shared(np.float32(0))
    t = step + np.float32(1)
    b1, b2 = np.float32(BETA1), np.float32(BETA2)
    pace, unbias = np.float32(LEARNING_RATE) / (1 - b1**t), 1 / pt.sqrt(1 - b2**t)
    updates = [(step, t)]
    for name, w in p.items():
        m, v = (pytensor.shared(np.zeros_like(w.get_value())) for _ in range(2))
        new_m, new_v = b1 * m + (1 - b1) * grads[name], b2 * v + (1 - b2) * grads[name] ** 2
        updates += [(m, new_m), (v, new_v), (w, w - pace * new_m / (pt.sqrt(new_v) * unbias + np.float32(EPSILON)))]
    return updates
