"""Which loops over time treat each row of the batch alone, so that threads may divide the rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.compiler.lower.batch import batch_of
from minigrad.control.scan import SCAN

XS = np.ones((5, 3, 4))
H = np.zeros((3, 4))


def batch(step: Any, *carry: Any) -> str | None:
    """The name of the batch of a compiled loop over XS whose carries are arguments."""
    fast = mg.jit(lambda xs, *carry: mg.scan(lambda c, x: (step(x, *c), ()), tuple(map(mg.tensor, carry)), xs)[0])
    fast(XS, *carry)
    (node,) = [n for n in fast.graph.nodes if n.op is SCAN]
    found = batch_of(node)
    return None if found is None else found.name


@pytest.mark.parametrize(
    "step",
    [
        lambda x, h: (mg.tanh(h + x),),
        lambda x, h: (mg.tanh(h @ np.eye(4) * x),),
        lambda x, h: (h + mg.cumsum(x, 1) - mg.max(h, 1, keepdims=True),),
        lambda x, h: (mg.cumprod(h, 1) + x,),
        lambda x, h: (mg.softmax(h) + mg.sort(x, 1),),
        lambda x, h: (mg.concat([h[:, 2:], x[:, :2]], 1),),
    ],
)
def test_rows_that_go_their_own_way_may_be_divided(step: Any) -> None:
    assert batch(step, H) in ("n0_1", "n1_0")


@pytest.mark.parametrize(
    "step",
    [
        lambda x, h: (mg.tanh(x + mg.sum(h, 0)),),
        lambda x, h: (mg.cumsum(h + x, 0),),
        lambda x, h: (mg.cumprod(h + x, 0),),
        lambda x, h: (h.at[0].set(x[1] * h[2]),),
        lambda x, h: (mg.tanh(h @ (h.T @ x)),),
        lambda x, h: (mg.flip(h, 0) + x,),
        lambda x, h: (mg.roll(h, 1, 0) + x,),
        lambda x, h: (mg.softmax(h, 0) + x,),
        lambda x, h: (mg.grad(lambda h: mg.sum(mg.take(h, np.array([0, -1]), 0) ** 2))(h) + x,),
        lambda x, h: (mg.grad(lambda h: mg.sum(h[1:] ** 2))(h) + x,),
        lambda x, h: (h + mg.concat([x[:1, :1] * h[1:], h[:1]]),),
    ],
)
def test_rows_that_meet_are_not_divided(step: Any) -> None:
    assert batch(step, H) is None


def test_a_carry_without_the_batch_keeps_the_loop_whole() -> None:
    assert batch(lambda x, h, n: (h + x, n + 1), H, np.zeros(())) is None
    assert batch(lambda x, w: (mg.tanh(w + mg.sum(x * w, 0)),), np.zeros(4)) is None


def test_a_loop_whose_outputs_are_not_all_rows_is_not_divided() -> None:
    """Two threads would both write the other outputs."""
    fast = mg.jit(lambda xs, h, ms: mg.scan(lambda h, a: (mg.tanh(h + a[0]), a[1]), h, (xs, ms)))
    fast(XS, H, np.ones((5, 2)))
    (node,) = [n for n in fast.graph.nodes if n.op is SCAN]
    assert batch_of(node) is None


def test_a_gradient_that_adds_to_all_rows_is_the_same_at_every_call() -> None:
    def gradient(h: Any, xs: Any) -> Any:
        def loss(h: Any) -> Any:
            last, ys = mg.scan(lambda h, x: (mg.tanh(h) * x, mg.take(h, np.array([0, -1]), 0)), h, xs)
            return mg.sum(last) + mg.sum(ys * ys)

        return mg.grad(loss)(h)

    rng, fast = np.random.default_rng(0), mg.jit(gradient)
    h, xs = rng.standard_normal((200, 300)), rng.standard_normal((300, 300))
    first = fast(h, xs).numpy()
    np.testing.assert_allclose(first, gradient(h, xs).numpy(), atol=1e-12)
    for _ in range(4):
        np.testing.assert_array_equal(fast(h, xs).numpy(), first)
