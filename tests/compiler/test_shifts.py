"""Shifts: all but the last or first elements of a value beside others. They stay in registers, and are the interpreter's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.compiler.lower import program as lowering
from minigrad.compiler.runtime import executable

RNG = np.random.default_rng(0)


def up(x: Any, edge: Any) -> Any:
    return mg.concat([edge, x[..., : -edge.shape[-1]]], -1)


def down(x: Any, edge: Any) -> Any:
    return mg.concat([x[..., edge.shape[-1] :], edge], -1)


def runge_kutta(x: Any, y: Any) -> Any:
    def slope(v: Any) -> Any:
        return x * up(v, mg.ones(1, "float64"))

    k1 = slope(y)
    k2 = slope(y + k1 / 2)
    return y + (k1 + 2 * k2 + slope(y + k2)) / 6


SHIFTS: dict[str, Any] = {  # of x and y, both of n elements, n ≥ 4
    "stages": lambda x, y: mg.scan(lambda y, _: (runge_kutta(x, y), None), y, length=3)[0],
    "stages alone": runge_kutta,
    "down": lambda x, y: down(v := mg.tanh(x) * y, v[:1] + 1) * down(y, mg.zeros(2, "float64")),
    "by each length": lambda x, y: [y * f(x * y, x[:k]) for f in (up, down) for k in (1, 2, 3, 4)],
    "both ways": lambda x, y: down(v := up(mg.sin(x), y[:1]), x[-1:]) + up(v, x[:1]) + down(mg.sin(x), y[:2]),
    "in rows": lambda x, y: up(v := x[:, None] * y, mg.sum(v, 1, keepdims=True)) * mg.transpose(down(v, v[:, :2])),
    "in short rows": lambda x, y: [up(v := x[:, None] * y[:n], v[:, :1]) + down(v + 1, v[:, :1]) for n in (2, 3, 4)],
    "sums": lambda x, y: (mg.sum(v := up(x * y, x[:1])), mg.max(v + mg.sum(v)), mg.cumsum(v, 0)),
    "chosen": lambda x, y: mg.where(up(x > 0, mg.tensor([True])), up(mg.astype(y * 9, "int64"), mg.tensor([3, 4])), 1),
    "in a branch": lambda x, y: mg.cond(x[0] > y[0], lambda: up(x, y[:1]) * x, lambda: down(x, y[:1])),
    "carried": lambda x, y: mg.scan(lambda c, a: ((up(c[0], c[1][:1]), down(c[1], a[None])), c[0] * c[1]), (x, y), x),
    "repeated": lambda x, y: up(mg.broadcast_to(x[:1], y.shape), y[:1]) * up(mg.arange(y.shape[0], dtype="float64"), x[:1]) + x,
}


@pytest.fixture(scope="module")
def fast() -> Any:
    return mg.jit(every)


def every(x: Any, y: Any) -> Any:
    def loss(x: Any, y: Any) -> Any:
        results = mg.tree.leaves([SHIFTS[name](x, y) for name in ("stages", "down", "in rows")])
        return mg.sum(mg.stack([mg.sum(mg.cos(r)) for r in results]))

    return {name: f(x, y) for name, f in SHIFTS.items()}, mg.grad(loss, (0, 1))(x, y)


@pytest.mark.parametrize("n", [21, 4, 5, 8, 70])
def test_shifts_and_their_gradients_are_the_interpreters(n: int, fast: Any) -> None:
    """At sizes that they were not compiled at, but for the first: at 4 nothing is left of the longest shift."""
    x, y = RNG.standard_normal((2, n))
    (found, grads), (expected, slopes) = fast(x, y), every(x, y)
    for name in SHIFTS:
        for a, b in zip(mg.tree.leaves(found[name]), mg.tree.leaves(expected[name]), strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-11, atol=1e-11, err_msg=name)
    for a, b in zip(grads, slopes, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-9, atol=1e-9)


def test_each_thread_runs_up_to_its_part(fast: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bits are those of one thread."""
    x, y = RNG.standard_normal((2, 50))
    monkeypatch.setattr(lowering, "SHARED_WORK", 1)
    monkeypatch.setattr(executable, "THREAD_WORK", 1)
    shared, found = mg.jit(lambda x, y: [SHIFTS[name](x, y) for name in ("stages alone", "down", "by each length", "in rows")]), []
    for threads in (1, 2, 3, 8):
        monkeypatch.setenv("MINIGRAD_THREADS", str(threads))
        found.append([r.numpy().tobytes() for r in mg.tree.leaves(shared(x, y))])
    assert found == found[:1] * 4
    assert "for several threads" in shared.explain()


def test_a_step_of_stages_is_one_loop_and_its_gradient_two_more() -> None:
    def last(x: Any) -> Any:
        return SHIFTS["stages"](x, mg.zeros_like(x))[-1]

    def loops(f: Any) -> int:
        fast = mg.jit(f)
        fast(mg.tensor(RNG.standard_normal(40)))
        return fast.source.count("        for ")

    assert (loops(last), loops(mg.grad(last))) == (1, 3)
