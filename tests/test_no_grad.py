"""no_grad and detach of trees: what is computed inside is not differentiated, and differentiating inside works."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from minigrad.models import LSTM

import minigrad as mg
from minigrad import tree

X = np.array([0.5, -1.0, 2.0])
W = np.random.default_rng(2).standard_normal((3, 3))


def square(x: Any) -> Any:
    return x * x


def looped(x: Any) -> Any:
    return mg.scan(lambda c, _: (c * x, c), x, length=3)[0]


def beside_numbers(x: Any) -> Any:
    return 3 * x - mg.full(3, 0.5, "float64") * 2 + mg.where(x > 0, 1, x)


@pytest.mark.parametrize(
    "inner", [square, looped, beside_numbers, mg.checkpoint(square), mg.jit(square), lambda x: mg.grad(lambda v: mg.sum(v**3))(x)]
)
@pytest.mark.parametrize("stop", [mg.no_grad, lambda f: mg.no_grad()(f), lambda f: lambda x: mg.detach(f(x))])
def test_no_grad_is_a_detach_of_what_is_computed_inside(inner: Any, stop: Any) -> None:
    def f(x: Any) -> Any:
        return mg.sum(x * stop(inner)(x))

    expected = inner(X)
    for transform in (mg.grad(f), mg.jit(mg.grad(f)), mg.grad(mg.jit(f))):
        np.testing.assert_allclose(transform(X), expected, rtol=1e-12)


def test_results_inside_are_constants_and_the_same_program_serves_inside_and_outside() -> None:
    w, fast = mg.parameter(W), mg.jit(lambda w, x: mg.tanh(x @ w))
    with mg.no_grad():
        found = [mg.tanh(w @ w), mg.scan(lambda c, _: (c @ w, c), w, length=2), fast(w, X), fast(w * 2, X)]
    assert all((leaf.node.args, leaf.node.tracked) == ((), False) for leaf in tree.leaves(found))
    mg.sum(fast(w * 2, X)).backward()
    assert w.grad is not None
    assert sum(map(len, fast.programs.values())) == 1


def test_gradients_are_taken_inside_no_grad_and_keep_no_history() -> None:
    f = lambda x: mg.sum(mg.checkpoint(mg.tanh)(x) * x)  # noqa: E731
    w = mg.parameter(X)
    transforms = [mg.grad(f), mg.value_and_grad(f), lambda x: mg.vjp(f, x)[1](1.0), mg.hessian(f), lambda x: mg.hvp(f, [x], [X])]
    transforms += [lambda x: mg.jvp(f, [x], [X]), mg.jacobian(mg.grad(f)), mg.jit(mg.grad(f))]
    for transform in transforms:
        expected = tree.leaves(transform(X))
        with mg.no_grad():
            found = tree.leaves(transform(w))
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12)
            assert a.node.args == ()
    loss = f(w)
    with mg.no_grad():
        loss.backward()
    np.testing.assert_allclose(w.grad, mg.grad(f)(X), rtol=1e-12)
    assert w.grad.node.args == ()


def test_a_loss_computed_inside_has_no_parameter() -> None:
    with mg.no_grad():
        loss = mg.sum(mg.parameter(X) ** 2)
    with pytest.raises(mg.errors.GraphError, match="computed from no parameter"):
        loss.backward()


def test_it_nests_ends_with_an_error_and_refuses_a_generator() -> None:
    w = mg.parameter(X)
    with pytest.raises(ZeroDivisionError), mg.no_grad(), mg.no_grad():
        raise ZeroDivisionError
    assert (w * 2).node.tracked

    def steps() -> Any:
        yield w * 2

    with pytest.raises(mg.errors.DTypeError, match="steps is a generator or coroutine"):
        mg.no_grad(steps)


def test_trees_and_modules_are_detached() -> None:
    model = LSTM(3, 4, key=0)
    state = {"h": mg.parameter(X) * 2, "more": [mg.parameter(W), 1.0]}
    for found, whole in ((mg.detach(model), model), (model.detached(), model), (mg.detach(state), state)):
        assert tree.flatten(found)[1] == tree.flatten(whole)[1]
        assert all((leaf.node.args, leaf.node.tracked) == ((), False) for leaf in tree.leaves(found))
        for a, b in zip(tree.leaves(found), tree.leaves(whole), strict=True):
            np.testing.assert_array_equal(a, b)
    gradient = mg.grad(lambda m, x: mg.sum(m.detached()(x)))(model, np.ones((2, 1, 3), np.float32))
    assert not any(leaf.numpy().any() for leaf in tree.leaves(gradient))
