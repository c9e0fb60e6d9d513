"""What keeps the history of a computation alive, and what lets go of it. Reference counts alone must do it: the collector is off."""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from shares import swept

import minigrad as mg
from minigrad import program
from minigrad.passes.specialize import specialize

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
    w = mg.parameter(RNG.standard_normal((20, 20)))

    def step() -> None:
        nonlocal w
        mg.sum(mg.tanh(w @ w)).backward()
        assert w.grad is not None
        w = mg.parameter(w.numpy() - 0.01 * w.grad.numpy())

    assert growth(step, 2_000) < 500


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


@pytest.mark.parametrize("steps", [4_000, swept(20_000)])
def test_truncated_backpropagation_by_hand_is_flat(steps: int) -> None:
    w, state = mg.parameter(np.float64(0.5)), mg.tensor(np.float64(1))
    alive: weakref.WeakSet[object] = weakref.WeakSet()

    def step() -> None:
        nonlocal state
        state = mg.tanh(mg.detach(state) * w + 1)
        alive.add(state.node)

    assert growth(step, steps) < 200
    assert len(alive) == 1
    state.backward()


@pytest.mark.parametrize("steps", [4_000, swept(20_000)])
@pytest.mark.parametrize("stop", [mg.no_grad(), lambda step: lambda: mg.detach(step())], ids=["no_grad", "detach"])
def test_streaming_is_flat(stop: Any, steps: int) -> None:
    """The first state depends on parameters, so that every step has a history."""
    w = mg.parameter(W)
    fast, state = mg.jit(lambda w, state, x: mg.tanh(state @ w + x)), mg.tanh(w)
    assert state.node.args

    @stop
    def advance() -> Any:
        return fast(w, state, W)

    def step() -> None:
        nonlocal state
        state = advance()

    assert growth(step, steps) < 200
    assert state.node.args == ()


def test_a_recorded_call_specializes_its_program_once(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[object] = []
    monkeypatch.setattr(program, "specialize", lambda *args: found.append(args) or specialize(*args))
    fast, w = mg.jit(lambda h, x: mg.tanh(h + x)), mg.parameter(W) * 2
    for _ in range(3):
        w = fast(w, W)
    assert len(found) == 1
    mg.sum(w).backward()


def growth(step: Callable[[], None], times: int) -> int:
    """The blocks of memory by which Python's objects grow in the second half of the steps; an array or a node takes several."""
    for _ in range(times // 2):
        step()
    before = sys.getallocatedblocks()
    for _ in range(times // 2):
        step()
    return sys.getallocatedblocks() - before
