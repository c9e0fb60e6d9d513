"""The models learn: a plain Adam, written out here, takes the loss of copy down."""

from __future__ import annotations

import numpy as np
import pytest
from minigrad.models import LSTM, NTM
from minigrad.models.tasks import copy

import minigrad as mg


def train(model, steps, batch=8, rate=3e-3, clip=10.0, **task):
    """(model, losses in bits a sequence)."""

    def loss(model, *data):
        inputs, *rest = data
        return copy.loss(model(inputs), *rest)

    @mg.jit
    def step(model, first, second, n, *data):
        value, grads = mg.value_and_grad(loss)(model, *data)
        norm = mg.sqrt(sum(mg.sum(g * g) for g in mg.tree.leaves(grads)))
        grads = mg.tree.map(lambda g: g * mg.minimum(1.0, clip / (norm + 1e-12)), grads)
        first = mg.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, grads)
        second = mg.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, grads)
        rates = rate / (1 - 0.9**n), 1 / (1 - 0.999**n)
        model = mg.tree.map(lambda p, m, v: p - rates[0] * m / (mg.sqrt(v * rates[1]) + 1e-8), model, first, second)
        return model, first, second, value

    first = second = mg.tree.map(lambda p: mg.zeros(p.shape), model)
    losses = []
    for n in range(steps):
        model, first, second, value = step(model, first, second, np.float32(n + 1), *copy.batch(0, n, batch, **task))
        losses.append(float(value) / np.log(2))
    return model, np.array(losses)


@pytest.mark.sweep
def test_ntm_loss_falls():
    """2,000 sequences of the full task, lengths 1–20, with a small memory: chance is 84 bits, an LSTM is still above 60."""
    _, losses = train(NTM(*copy.sizes(), hidden=48, memory=(24, 16)), 1000, batch=2, rate=1e-2)
    assert losses[:50].mean() > 70
    assert losses[-100:].mean() < 30


@pytest.mark.slow
@pytest.mark.parametrize("controller", ["lstm", "feedforward"])
def test_ntm_solves_copy(controller):
    """The settings of the paper: below 0.5 bits a sequence of 160, and right at twice the length."""
    model, _ = train(NTM(*copy.sizes(), controller, hidden=100, memory=(128, 20)), 3000, batch=4)
    inputs, targets, mask = copy.batch(1, 0, 100, lengths=20)
    assert np.mean(copy.measures(model(inputs), targets, mask)["bits"].numpy()) < 0.5
    inputs, targets, mask = copy.batch(1, 1, 100, lengths=40)
    assert np.mean(copy.measures(model(inputs), targets, mask)["wrong"].numpy()) < 1


@pytest.mark.slow
def test_lstm_learns_short_copies():
    _, losses = train(LSTM(9, 100, 8), 2000, batch=16, lengths=(1, 5))
    assert losses[-50:].mean() < 4
