"""Concatenations: sums of parts become them, values are stored where they have them, and always with the interpreter's value."""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad.passes.parts import join_parts
from minigrad.transforms import interpret
from tests.counting import working_memory

RNG = np.random.default_rng(0)


def added_to(x: Any, y: Any) -> Any:
    v = mg.tanh(x)
    c = mg.concat([v, y])
    return mg.sum(mg.sin(c)) * c.at[[0, -1, 0]].add(2.0), v + mg.cos(v)


def shifted(x: Any, y: Any) -> Any:
    v = mg.tanh(x * y)
    return mg.concat([mg.ones_like(v[:1]), v[:-1]]) * v, mg.concat([v[2:], v[:1]])


def window(x: Any, y: Any) -> Any:
    def step(kept: Any, row: Any) -> Any:
        return mg.concat([kept[1:], mg.sin(row + kept[0])[None]]), mg.concat([mg.cos(row), kept[0] * row])

    return mg.scan(step, mg.tanh(x), y)


PROGRAMS: dict[str, Any] = {  # of x and y, both n × 3
    "side by side": lambda x, y: mg.concat([mg.tanh(x), x * y, y], -1),
    "one after the other": lambda x, y: mg.concat([mg.tanh(x), x[:1], mg.sin(y)]),
    "stacked": lambda x, y: (mg.stack([mg.tanh(x), x * y]), mg.stack([mg.sin(x), y / 2], -1)),
    "in each other": lambda x, y: mg.concat([mg.concat([mg.tanh(x), y * x], 1), mg.concat([mg.sin(x), y], 1)]),
    "twice": lambda x, y: mg.concat([v := mg.tanh(x), y * v, v]),
    "in two": lambda x, y: (mg.concat([v := mg.tanh(x), y]), mg.concat([y, v], 1)),
    "a result as well": lambda x, y: (mg.concat([v := mg.tanh(x), mg.sin(y)]), v),
    "products": lambda x, y: mg.concat([x.T @ y, mg.exp(x.T) @ x, mg.tanh(y.T @ y).T], 1),
    "sums": lambda x, y: mg.concat([mg.sum(x, 0), mg.max(y, 1), mg.ravel(mg.tanh(x))]),
    "transposed": lambda x, y: mg.concat([mg.tanh(x).T, mg.sin(x.T) * y.T]),
    "wide": lambda x, y: mg.concat([mg.tanh(x @ mg.ones((3, 20), "float64")), mg.sum(y, 1, keepdims=True), mg.sin(y)], 1),
    "added to": added_to,
    "shifted": shifted,
    "shifted in rows": lambda x, y: mg.concat([y[:, :1], mg.tanh(x)[:, :-1]], 1),
    "padded": lambda x, y: mg.pad(mg.pad(mg.tanh(x), ((1, 2), (0, 0))), ((1, 1), (1, 0))) * 2,
    "the last rows": window,
    "split": lambda x, y: reduce(mg.multiply, mg.split(mg.tanh(x), [1, 1, 1], 1)) * mg.sum(mg.split(y, 3, 1)[0]),
    "every row": lambda x, y: [mg.sum(mg.sin(v) * w) for v, w in zip(x.T, mg.split(y, 3, 1), strict=True)],
}


def loss(name: str) -> Any:
    return lambda x, y: mg.sum(mg.stack([mg.sum(mg.cos(r) * (1 + mg.cos(r))) for r in mg.tree.leaves(PROGRAMS[name](x, y))]))


@pytest.mark.parametrize("name", PROGRAMS)
def test_concatenations_and_their_gradients_are_the_interpreters(name: str) -> None:
    """At sizes that they were not compiled at."""
    both = lambda x, y: (PROGRAMS[name](x, y), mg.value_and_grad(loss(name), (0, 1))(x, y))  # noqa: E731
    fast = mg.jit(both)
    for n in (4, 3, 18):
        x, y = RNG.standard_normal((2, n, 3))
        for a, b in zip(mg.tree.leaves(fast(x, y)), mg.tree.leaves(both(x, y)), strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-11, atol=1e-11)


def copies(f: Any, *args: Any) -> int:
    """How many loops of a compiled function copy into a concatenation, or fill a part of it."""
    fast = mg.jit(f)
    fast(*args)
    return sum("# concat " in line for line in fast.source.splitlines())


def test_what_is_computed_for_a_concatenation_is_stored_there() -> None:
    x, y = RNG.standard_normal((2, 4, 32))
    assert copies(lambda x, y: mg.concat([mg.tanh(x), x @ y.T @ y, mg.concat([mg.sin(x), mg.cos(y)])]), x, y) == 0
    assert copies(lambda x, y: mg.concat([mg.tanh(x), y]), x, y) == 1
    assert copies(lambda x, y: mg.sum(mg.sin(mg.concat([mg.ones((1, 32), "float64"), mg.tanh(x)[:-1]]))), x, y) == 1


@pytest.mark.parametrize("take", [lambda z: mg.split(z, 4, 1), lambda z: [z[:, i : i + 20] for i in (0, 20, 60, 40)]])
def test_the_gradient_of_parts_is_their_gradients_beside_each_other(take: Any) -> None:
    def gates(z: Any) -> Any:
        i, f, g, o = take(z)
        return mg.sum(mg.sin(i) * mg.cos(f) * mg.tanh(g) + o * o)

    assert copies(mg.grad(gates), mg.tensor(RNG.standard_normal((5, 80)))) == 0


def test_a_concatenation_needs_no_second_memory() -> None:
    fast = mg.jit(lambda x: mg.sum(mg.sin(mg.cumsum(mg.concat([mg.tanh(x), mg.cos(x)]), 0))))
    fast(np.ones(10_000))
    assert working_memory(fast) < 4.5 * 8 * 10_000  # the concatenation, and its sums


NUMBERS = st.sampled_from([0.0, -0.0, 1.5, -2.25, np.inf, np.nan, 1e300])


@given(st.data())
def test_sums_of_parts_keep_each_bit(data: Any) -> None:
    """Parts at any places, also on each other, of one axis or another, in any order of sums."""
    shape, terms = (5, 4), []
    for _ in range(data.draw(st.integers(2, 6))):
        axis = data.draw(st.integers(0, 1))
        low = data.draw(st.integers(0, shape[axis]))
        length = data.draw(st.integers(0, shape[axis] - low))
        kept = tuple(length if a == axis else n for a, n in enumerate(shape))
        values = np.array(data.draw(st.lists(NUMBERS, min_size=20, max_size=20)))[: int(np.prod(kept))].reshape(kept)
        terms.append((values, [(low, shape[axis] - low - length) if a == axis else (0, 0) for a in range(2)]))
    if data.draw(st.booleans()):
        terms.append((np.full(shape, data.draw(NUMBERS)), [(0, 0), (0, 0)]))
    order = data.draw(st.permutations(range(len(terms))))

    def total(*values: Any) -> Any:
        padded = [mg.pad(values[n], terms[n][1]) for n in order]
        return reduce(mg.add, padded)

    arrays = [values for values, _ in terms]
    graph = mg.trace(total, *map(mg.tensor, arrays))
    joined = join_parts(graph)
    with np.errstate(all="ignore"):
        expected, found = (interpret.run(g, arrays)[0] for g in (graph, joined))
    np.testing.assert_allclose(found, expected, rtol=1e-15)
    if len(arrays) == sum(values.shape != shape for values in arrays):
        np.testing.assert_array_equal(np.signbit(found), np.signbit(expected))
