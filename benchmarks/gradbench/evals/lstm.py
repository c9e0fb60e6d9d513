"""lstm: the mean loss of an LSTM with diagonal weights that predicts the next character's bits."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg

from ..task import Input, Task, array


def loss(parameters: tuple[Any, Any], state: Any, sequence: Any) -> Any:
    main, extra = parameters
    layers = mg.unstack(mg.reshape(main, (-1, 2, 4, sequence.shape[1])))
    states = mg.unstack(mg.reshape(state, (-1, 2, sequence.shape[1])))

    def predict(states: tuple[Any, ...], pair: tuple[Any, Any]) -> tuple[tuple[Any, ...], Any]:
        x, gold = pair
        x, after = x * extra[0], []
        for (weight, bias), (h, c) in zip(layers, states, strict=True):
            forget, out = mg.sigmoid(x * weight[0] + bias[0]), mg.sigmoid(x * weight[2] + bias[2])
            c = c * forget + mg.sigmoid(h * weight[1] + bias[1]) * mg.tanh(h * weight[3] + bias[3])
            x = out * mg.tanh(c)
            after.append((x, c))
        y = x * extra[1] + extra[2]
        return tuple(after), mg.sum(gold * (y - mg.log(mg.sum(mg.exp(y)) + 2)))

    _, likelihoods = mg.scan(predict, tuple((s[0], s[1]) for s in states), (sequence[:-1], sequence[1:]))
    return -mg.mean(likelihoods) / sequence.shape[1]


def prepared(input: Input) -> tuple[Any, ...]:
    main, extra, state, sequence = (array(input[name]) for name in ("main_params", "extra_params", "state", "sequence"))
    return (main, extra), state, sequence


def objective(input: Input) -> Task:
    return Task(loss, prepared(input))


def jacobian(input: Input) -> Task:
    return Task(mg.grad(loss), prepared(input), lambda grads: np.concatenate([np.ravel(g) for g in grads]).tolist())
