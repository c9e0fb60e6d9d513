"""HIPS autograd: NumPy with a tape, step by step."""

from __future__ import annotations

from typing import Any

import autograd
import autograd.numpy as anp
import numpy as np

from .work import BETA1, BETA2, EPSILON, LEARNING_RATE, Arrays, Skip, Work


def sigmoid(x: Any) -> Any:
    return 0.5 * (anp.tanh(0.5 * x) + 1)


def lstm(p: Any, state: Any, x: Any) -> Any:
    h, c = state
    i, f, g, o = anp.split(anp.dot(x, p["W_x"]) + p["b"] + anp.dot(h, p["W_h"]), 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * anp.tanh(g)
    return (sigmoid(o) * anp.tanh(c), c)


def rnn(p: Any, state: Any, x: Any) -> Any:
    return (anp.tanh(anp.dot(x, p["W_x"]) + p["b"] + anp.dot(state[0], p["W_h"])),)


CELLS = {"lstm": (lstm, 2), "rnn": (rnn, 1)}


class Autograd:
    compilations = 0

    def __init__(self, work: Work, weights: Arrays):
        if work.kind not in CELLS:
            raise Skip(f"no {work.kind} written with it")
        cell, parts = CELLS[work.kind]

        def loss(p: Any, xs: Any, ys: Any) -> Any:
            state, total = (np.zeros((xs.shape[1], work.hidden), np.float32),) * parts, 0.0
            for x, y in zip(xs, ys, strict=True):
                state = cell(p, state, x)
                total = total + anp.sum((state[0] - y) ** 2)
            return total / ys.size

        self.grad = autograd.value_and_grad(loss)
        self.p = {k: v.copy() for k, v in weights.items()}
        self.m, self.v = ({k: np.zeros_like(v) for k, v in weights.items()} for _ in range(2))
        self.t = 0
        self.xs, self.ys = work.data()

    def value_and_grad(self) -> tuple[float, Arrays]:
        value, grads = self.grad(self.p, self.xs, self.ys)
        return float(value), dict(grads)

    def step(self) -> float:
        return self.step_on(self.xs, self.ys)

    def step_on(self, xs: np.ndarray, ys: np.ndarray) -> float:
        value, grads = self.grad(self.p, xs, ys)
        self.t += 1
        pace, unbias = LEARNING_RATE / (1 - BETA1**self.t), (1 - BETA2**self.t) ** -0.5
        for k, g in grads.items():
            self.m[k] = BETA1 * self.m[k] + (1 - BETA1) * g
            self.v[k] = BETA2 * self.v[k] + (1 - BETA2) * g * g
            self.p[k] = self.p[k] - pace * self.m[k] / (np.sqrt(self.v[k]) * unbias + EPSILON)
        return float(value)

    def working_memory(self, xs: np.ndarray, ys: np.ndarray) -> int:
        return 0
