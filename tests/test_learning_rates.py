"""Learning rates that are tensors: one compiled step serves every rate, and has a gradient in it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import minigrad as mg
from minigrad import optim
from minigrad.testing import check_grads
from tests.test_optim import PAIRS, problem

EVERY = [*(p[0] for p in PAIRS), optim.GravesRMSProp(0.01)]


@pytest.mark.parametrize("rates", [False, True], ids=["lr", "rates"])
@pytest.mark.parametrize("optimizer", EVERY, ids=lambda o: type(o).__name__)
def test_a_rate_may_change_at_every_call_of_one_compiled_step(optimizer, rates):
    params, grads = problem()

    def step(params, grads, state, lr):
        changed = {"rates": {"W": lr}} if rates else {"lr": lr}
        return dataclasses.replace(optimizer, **changed).update(params, grads, state)

    compiled = mg.jit(step)
    start = {k: mg.parameter(v, name=k) for k, v in params.items()}
    eager = ours = start, optimizer.init(start)
    for i, g in enumerate(grads):
        lr = 0.1 / (i + 1)
        eager, ours = step(eager[0], g, eager[1], lr), compiled(*ours[:1], g, ours[1], np.float64(lr))
    for k, v in eager[0].items():
        np.testing.assert_allclose(ours[0][k].numpy(), v.numpy(), rtol=1e-12, atol=1e-14)
    assert len({id(p) for programs in compiled.programs.values() for p in programs}) == 1


@pytest.mark.parametrize(
    "schedule",
    [optim.Constant, lambda lr: optim.Cosine(lr, 8, 0.01), lambda lr: optim.Exponential(lr, 0.9, 2), lambda lr: optim.Warmup(lr, 4),
     lambda lr: optim.Delayed(lr, 2), lambda lr: lambda step: lr * mg.exp(-step.astype("float64")), lambda lr: lr],
    ids=["constant", "cosine", "exponential", "warmup", "delayed", "function", "number"],
)  # fmt: skip
def test_a_schedule_of_a_traced_rate_is_that_of_its_number(schedule):
    def moved(lr, step):
        state = optim.State(mg.tensor(step), {"velocity": np.zeros(2)})
        return optim.SGD(schedule(lr)).update(np.ones(2), np.ones(2), state)[0]

    for step in (0, 3, 9):
        np.testing.assert_allclose(mg.jit(lambda lr, s=step: moved(lr, s))(np.float64(0.3)), moved(0.3, step), rtol=1e-14)
        np.testing.assert_allclose(moved(mg.tensor(0.3, "float64"), step), moved(0.3, step), rtol=1e-14)


@pytest.mark.parametrize("optimizer", EVERY, ids=lambda o: type(o).__name__)
def test_the_loss_after_a_step_has_a_gradient_in_the_rate(optimizer):
    p, g = np.array([1.0, -2.0]), np.array([0.5, 0.25])

    def after(lr):
        new, _ = dataclasses.replace(optimizer, lr=lr).update(mg.tensor(p), mg.tensor(g), optimizer.init(mg.tensor(p)))
        return mg.sum(new * new)

    check_grads(lambda lr: mg.jit(after)(lr), np.array(0.1))
    slope = mg.jit(mg.grad(after))(np.array(0.1)).item()
    assert slope == pytest.approx((after(0.1 + 1e-6).item() - after(0.1 - 1e-6).item()) / 2e-6, rel=1e-6)


@pytest.mark.parametrize("make", [optim.SGD, optim.Constant, lambda v: optim.Cosine(v, 3), lambda v: optim.SGD(rates={"W": v})])
def test_a_rate_that_is_no_number_is_refused(make):
    with pytest.raises(optim.OptimizerError, match=r"must be one number, got float32\(3\)"):
        make(mg.ones(3))
    with pytest.raises(optim.OptimizerError, match="must be a finite number"):
        make(mg.tensor(-1.0))
