"""Carries of a loop that are stored where they were before a step, and values that stay in registers: the interpreter's, in less memory."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg
from tests.counting import working_memory

RNG = np.random.default_rng(0)

STEPS: dict[str, tuple[Any, int]] = {  # (M, N, x) -> M, N, what a step gives; and how many memories the two carries need
    "read at its place": (lambda M, N, x: (M * x + 1, N - M, mg.sum(M)), 2),
    "read in the same loops after it": (lambda M, N, x: ((m := M * x), N, mg.sum(m * M + mg.sin(M))), 1),
    "read after it": (lambda M, N, x: ((m := M * x), N, mg.sum(mg.sin(M + mg.sum(m)))), 2),
    "read at another place": (lambda M, N, x: (M * x + mg.flip(M, 0), N, x), 2),
    "moved": (lambda M, N, x: (mg.flip(M, 0), N, x), 3),
    "exchanged": (lambda M, N, x: (N + 0.5, M * 2, x), 2),
    "sums": (lambda M, N, x: (mg.tanh(M * mg.sum(M, 0)) + x, mg.sin(N * mg.max(N * M, 1, keepdims=True)), x), 2),
    "a branch": (lambda M, N, x: (mg.cond(x > 0, lambda m: m * 2, lambda m: m[::-1] + N, M), N + x, x), 3),
}


def run(name: str, M: Any, N: Any, xs: Any) -> Any:
    def step(carry: Any, x: Any) -> Any:
        M, N, y = STEPS[name][0](*carry, x)
        return (M, N), y

    return mg.scan(step, (M, N), xs)


def data(steps: int, n: int) -> Any:
    return RNG.standard_normal((n, 4)), RNG.standard_normal((n, 4)), RNG.standard_normal(steps)


def test_loops_whose_carries_are_renewed_are_the_interpreters() -> None:
    """At sizes that they were not compiled at."""
    every = lambda *given: {name: run(name, *given) for name in STEPS}  # noqa: E731
    fast = mg.jit(every)
    for steps, n in ((3, 5), (1, 3), (4, 18)):
        given = data(steps, n)
        for name, found in fast(*given).items():
            for a, b in zip(mg.tree.leaves(found), mg.tree.leaves(run(name, *given)), strict=True):
                np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-11, atol=1e-11, err_msg=name)


def test_a_carry_has_one_memory_if_nothing_reads_it_after_it_is_renewed() -> None:
    n = 10_000
    for name in ("read at its place", "moved", "exchanged"):
        fast = mg.jit(lambda *given, name=name: [mg.sum(c) for c in run(name, *given)[0]])
        fast(*data(3, n))
        assert working_memory(fast) // (4 * 8 * n) == STEPS[name][1], name


def test_a_value_that_one_later_loop_nest_reads_is_computed_there() -> None:
    def f(x: Any, w: Any) -> Any:
        outer = x[:, None] * w  # before the sum, with which it has nothing to do
        return mg.sum(outer * mg.sum(mg.tanh(w), 0))

    x, w = RNG.standard_normal(1000), RNG.standard_normal((1000, 50))
    fast = mg.jit(f)
    np.testing.assert_allclose(fast(x, w).numpy(), f(x, w).numpy(), rtol=1e-11)
    assert working_memory(fast) < 8 * 1000
