"""Rows that a step adds to a carry: in its memory where nobody reads the old rows later, and always with the interpreter's value."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from shares import shared

import minigrad as mg
from tests.counting import working_memory

RNG = np.random.default_rng(0)


def again(M: Any, N: Any, i: Any, v: Any) -> Any:
    return M.at[i].add(v).at[i[:1]].add(-v[0]), N, v


STEPS: dict[str, Any] = {  # (M, N, i, v) -> M, N, what a step gives
    "nothing else": lambda M, N, i, v: (M.at[i].add(v), N, mg.sum(v)),
    "read before": lambda M, N, i, v: (M.at[i].add(v), N, M[i]),
    "read after": lambda M, N, i, v: (M.at[i].add(mg.sin(M[i])), N, M.at[i].add(v)[i]),
    "the old one read later": lambda M, N, i, v: (M.at[i].add(v), N, mg.sum(mg.sin(M.at[i].add(v))) * mg.sum(mg.cos(M), 1)),
    "its own rows": lambda M, N, i, v: (M.at[i].add(M[i]), N.at[i].add(M[:3]), v),
    "its first rows": lambda M, N, i, v: (M.at[i].add(0.5 * v).at[i].add(0.1), N.at[i].add(N[:3]), v),
    "itself": lambda M, N, i, v: (M.at[::-1].add(M), N.at[mg.arange(N.shape[0] - 1, -1, -1)].add(N), v),
    "two times": again,
    "flat": lambda M, N, i, v: (mg.ravel(M).at[i].add(v[:, 0]).reshape(M.shape), N, v),
    "flipped": lambda M, N, i, v: (mg.flip(M.at[i].add(v), 0), N, v),
    "exchanged": lambda M, N, i, v: (N.at[i].add(v), M, v),
    "both from one": lambda M, N, i, v: (M.at[i].add(v), M.at[i].add(-v), v),
    "the same for both": lambda M, N, i, v: (M.at[i].add(v), M.at[i].add(v), v),
    "each step's result": lambda M, N, i, v: (M.at[i].add(v), N.at[i].add(v), M.at[i].add(v)),
    "each step's start": lambda M, N, i, v: (M.at[i].add(v), N, M),
    "to another value": lambda M, N, i, v: (mg.tanh(M).at[i].add(v), mg.sin(N).at[i].add(v) + 1, v),
}


def run(name: str, M: Any, N: Any, index: Any, values: Any) -> Any:
    def step(carry: Any, x: Any) -> Any:
        M, N, y = STEPS[name](*carry, *x)
        return (M, N), y

    return mg.scan(step, (M, N), (index, values))


def data(T: int, n: int, k: int = 3, width: int = 2) -> Any:
    return RNG.standard_normal((n, width)), RNG.standard_normal((n, width)), RNG.integers(-n, n, (T, k)), RNG.standard_normal((T, k, width))


def loss(name: str) -> Any:
    def f(M: Any, N: Any, index: Any, values: Any) -> Any:
        (M, N), ys = run(name, M, N, index, values)
        return mg.sum(mg.sin(M)) + mg.sum(mg.cos(N)) + mg.sum(ys**2)

    return f


@pytest.mark.parametrize("name", shared(STEPS))
def test_a_loop_that_adds_rows_is_the_interpreters(name: str) -> None:
    """Values and gradients, at sizes that it was not compiled at."""
    fast = mg.jit(mg.value_and_grad(loss(name), (0, 1, 3)))
    for T, n in ((4, 6), (1, 3), (7, 5)):
        given = data(T, n)
        expected = mg.value_and_grad(loss(name), (0, 1, 3))(*given)
        for a, b in zip(mg.tree.leaves(fast(*given)), mg.tree.leaves(expected), strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-11, atol=1e-11)


def test_a_history_that_is_returned_keeps_its_values() -> None:
    """The loop stores it where the program returns it, and rows are added to a copy."""

    def f(h: Any, xs: Any) -> Any:
        last, hs = mg.scan(lambda h, x: (mg.tanh(h + x), h), h, xs)
        return mg.concat([hs, last[None]]), hs.at[[0, 2]].add(1.0)

    given = RNG.standard_normal(3), RNG.standard_normal((4, 3))
    for found, expected in zip(mg.jit(f)(*given), f(*given), strict=True):
        np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-12)


def test_rows_that_nothing_is_added_to_keep_the_sign_of_their_zero() -> None:
    """As in NumPy, in the interpreter, compiled, and under vmap."""
    M, i, v = np.full((2, 5, 1), -0.0), np.array([[1, 1], [2, 0]]), np.array([[[1.0], [-1.0]], [[-0.0], [0.0]]])
    expected = M.copy()
    for b in (0, 1):
        np.add.at(expected[b], i[b], v[b])
    for f in (mg.vmap(mg.index_add), mg.vmap(lambda M, i, v: M.at[i].add(v)), mg.vmap(lambda M, i, v: M[:, 0].at[i].add(v[:, 0])[:, None])):
        for found in (f, mg.jit(f)):
            np.testing.assert_array_equal(np.signbit(found(M, i, v).numpy()), np.signbit(expected))


def working(name: str, n: int) -> int:
    """How many memories of n rows a loop needs."""
    fast = mg.jit(lambda *given: mg.sum(run(name, *given)[0][0][:2]))
    fast(*data(4, n))
    return working_memory(fast) // (2 * 8 * n)


def test_a_loop_that_adds_rows_needs_no_second_memory() -> None:
    assert working("nothing else", 10_000) == working("two times", 10_000) == working("flat", 10_000) == 1
    assert working("flipped", 10_000) > 1


def test_memories_of_a_loop_that_nobody_reads_after_it_serve_the_next() -> None:
    def f(M: Any, N: Any, index: Any, values: Any) -> Any:
        ys = run("read before", M, N, index, values)[1]
        return mg.sum(run("read before", M, N, index, ys)[1])

    fast = mg.jit(f)
    fast(*data(4, 10_000))
    assert working_memory(fast) < 2 * (2 * 8 * 10_000)
