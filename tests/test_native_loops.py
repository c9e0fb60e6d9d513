"""mg.native_loops: eager loops as machine code, found again by their structure."""

from __future__ import annotations

from typing import Any
from unittest import mock

import numpy as np
import pytest

import minigrad as mg
from minigrad import compiled, eager_loops
from minigrad.graph.structure import structure

RNG = np.random.default_rng(0)
W, XS = 0.3 * RNG.standard_normal((4, 4)), RNG.standard_normal((7, 4))


def rnn(w: Any, xs: Any, scale: float = 1.0) -> mg.Tensor:
    def step(h: Any, x: Any) -> Any:
        h = mg.tanh(x + h @ w) * scale
        return h, h

    return mg.mean(mg.scan(step, mg.zeros(4, "float64"), xs)[1] ** 2)


def gradient(xs: np.ndarray, scale: float = 1.0) -> np.ndarray:
    w = mg.parameter(W)
    rnn(w, xs, scale).backward()
    assert w.grad is not None
    return w.grad.numpy()


def test_a_loop_is_compiled_once_for_all_lengths_and_agrees_with_the_interpreter() -> None:
    expected = [gradient(XS), gradient(XS[:3])]
    with mock.patch.object(compiled, "lower", wraps=compiled.lower) as lower, mg.native_loops():
        first = gradient(XS)
        count = lower.call_count
        again, other = gradient(XS), gradient(XS[:3])
        assert (count, lower.call_count) == (3, 3)  # the loop, the loop with what its gradient reads, and the gradient
    np.testing.assert_allclose([first, other], expected, rtol=1e-12)
    assert first.tobytes() == again.tobytes()
    assert gradient(XS).tobytes() == expected[0].tobytes()  # outside nothing has changed


def test_a_loop_that_cannot_be_compiled_runs_in_the_interpreter() -> None:
    def f() -> mg.Tensor:
        return mg.scan(lambda c, x: (c + x, c), mg.zeros((), "int8"), mg.zeros(3, "int8"))[1]

    with mg.native_loops(), pytest.warns(mg.CompileWarning, match="no loops for dtype int8"):
        np.testing.assert_array_equal(f(), np.zeros(3))


def test_the_structure_of_a_graph_is_that_of_its_values() -> None:
    def body(f: Any, x: np.ndarray = W) -> Any:
        return structure(mg.trace(f, x))

    rules = [mg.custom_vjp(lambda x: x * 2) for _ in range(2)]
    for rule in rules:
        rule.defvjp(lambda ct, out, x: ct)
    same: list[Any] = [lambda x: mg.sum(x * 2), lambda y: mg.sum(y * 2)]
    assert len({body(f) for f in same}) == 1
    assert len({body(rule) for rule in rules}) == 1
    others: list[Any] = [
        lambda x: mg.sum(x * 3), lambda x: mg.sum(x * 0.0), lambda x: mg.sum(x * -0.0), lambda x: mg.sum(x * 2, 0), lambda x: mg.sum(x + 2),
        lambda x: mg.sum(2 * x), lambda x: mg.scan(lambda c, _: (c * 2, c), x, length=2)[0],
        lambda x: mg.scan(lambda c, _: (c * 3, c), x, length=2)[0],
    ]  # fmt: skip
    assert len({*map(body, others), *map(body, same), body(same[0], W[:2]), body(same[0], W.astype("float32"))}) == len(others) + 3
    assert structure(mg.trace(lambda x: x * mg.tensor(np.ones((40, 40))), np.ones((40, 40)))) is None


def test_the_table_of_loops_is_bounded() -> None:
    def stub(*_: Any) -> Any:
        return lambda literal, sequences: [literal[0], mg.tensor(sequences[0])]

    with mock.patch.multiple(eager_loops, KEPT=2, _loop=stub, _loops={}), mg.native_loops():
        for n in range(1, 6):
            mg.scan(lambda c, x: (c + x, c), mg.zeros(n), mg.ones((3, n)))
            assert 1 <= len(eager_loops._loops) <= 2
