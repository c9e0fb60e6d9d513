"""What keeps the history of a computation alive, and what lets go of it. Reference counts alone must do it: the collector is off."""

from __future__ import annotations

import gc
import resource
import weakref
from collections.abc import Iterator

import numpy as np
import pytest

import minigrad as mg

RNG = np.random.default_rng(3)
W = RNG.standard_normal((4, 4))


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def test_a_parameter_its_gradient_and_the_graph_are_no_cycle() -> None:
    w = mg.parameter(W)
    hidden = mg.tanh(w @ w)
    mg.sum(hidden * hidden).backward()
    assert w.grad is not None
    found = [weakref.ref(n) for n in (w, w.node, w.grad, w.grad.node, hidden.node)]
    del w, hidden
    assert [r() for r in found] == [None] * 5


def test_a_gradient_is_there_as_long_as_its_parameter_and_any_tensor_of_the_node_reads_it() -> None:
    w = mg.parameter(W)
    mg.sum(w * w).backward()
    np.testing.assert_allclose(mg.Tensor(w.node).grad, 2 * W)
    mg.sum(w.grad * w.grad).backward()
    np.testing.assert_allclose(w.grad, 8 * W)


def test_training_with_backward_is_flat_in_memory() -> None:
    w = mg.parameter(RNG.standard_normal((400, 400)))
    peaks = []
    for _ in range(40):
        mg.sum(mg.tanh(w @ w)).backward()
        assert w.grad is not None
        w = mg.parameter(w.numpy() - 0.01 * w.grad.numpy())
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    assert peaks[-1] - peaks[9] < 4 * 400 * 400 * 8 / 1024  # kilobytes; each step makes more than six such arrays


def test_nothing_before_a_detach_is_reachable() -> None:
    w = mg.parameter(W)
    before = mg.tanh(w @ w)
    for after in (mg.detach(before), before.detach()):
        assert (after.node.args, after.node.tracked) == ((), False)
        np.testing.assert_array_equal(after, before)
    node = weakref.ref(before.node)
    later = mg.detach(before) * w
    del before
    assert node() is None
    mg.sum(later).backward()
    np.testing.assert_allclose(w.grad, np.tanh(W @ W))


def test_truncated_backpropagation_by_hand_is_flat_over_20_000_steps() -> None:
    w, state = mg.parameter(np.float64(0.5)), mg.tensor(np.float64(1))
    alive: list[weakref.ref[object]] = []
    for _ in range(20_000):
        state = mg.tanh(mg.detach(state) * w + 1)
        alive.append(weakref.ref(state.node))
    state.backward()
    assert sum(r() is not None for r in alive) == 1
