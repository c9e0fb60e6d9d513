"""Arguments of custom_vjp and checkpoint that are no float tensors, and arguments by name."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad.testing import check_grads

X = np.array([1.0, -2.0, 3.0])
I = np.array([2, 0, 2])  # noqa: E741


def power(x: Any, n: int, kind: str = "sum", *, scale: float = 1.0) -> Any:
    """x·x·… n times, as a Python loop, which needs a number."""
    found = scale
    for _ in range(n):
        found = found * x
    return {"sum": mg.sum, "none": lambda v: v}[kind](found)


def power_rule(ct: Any, out: Any, x: Any, n: int, kind: str = "sum", *, scale: float = 1.0) -> Any:
    assert (type(n), type(kind)) == (int, str)
    return ct * n * scale * x ** (n - 1), None, None


@mg.custom_vjp
def ruled(x: Any, n: int, kind: str = "sum", *, scale: float = 1.0) -> Any:
    return power(x, n, kind, scale=scale)


ruled.defvjp(power_rule)
short = mg.custom_vjp(lambda x, n, kind: power(x, n, kind))
short.defvjp(lambda ct, out, x, n, kind: power_rule(ct, out, x, n, kind)[0])


@given(n=st.integers(1, 4), kind=st.sampled_from(["sum", "none"]))
@pytest.mark.parametrize("f", [ruled, short, mg.checkpoint(power)], ids=["one per argument", "the float alone", "checkpoint"])
def test_integers_and_texts_reach_the_function_and_the_rule_as_they_are(f: Any, n: int, kind: str) -> None:
    def loss(x: Any) -> Any:
        return mg.sum(mg.sin(f(x, n, kind)))

    check_grads(loss, X)
    expected = mg.grad(lambda x: mg.sum(mg.sin(power(x, n, kind))))(X)
    for gradient in (mg.grad(loss), mg.jit(mg.grad(loss)), lambda x: mg.vmap(mg.grad(loss))(x[None])[0]):
        np.testing.assert_allclose(gradient(X), expected, rtol=1e-12)


def test_arguments_by_name_are_those_by_position() -> None:
    for f in (ruled, mg.checkpoint(power)):
        for call in (lambda x, f=f: f(x=x, n=3), lambda x, f=f: f(n=3, kind="sum", x=x), lambda x, f=f: f(x, 3, scale=1.0)):
            np.testing.assert_allclose(mg.grad(call)(X), 3 * X**2, rtol=1e-12)
        np.testing.assert_allclose(mg.grad(lambda x, f=f: f(x, 3, scale=2.0))(X), 6 * X**2, rtol=1e-12)


def test_integer_tensors_and_trees_with_them() -> None:
    @mg.custom_vjp
    def pick(p: Any, index: Any) -> Any:
        return mg.take(p["w"], index) * p["n"]

    rules: list[Any] = [
        lambda ct, out, p, index: ({"w": p["n"] * (mg.one_hot(index, 3, "float64").T @ ct), "n": None}, None),
        lambda ct, out, p, index: {"w": p["n"] * (mg.one_hot(index, 3, "float64").T @ ct), "n": None},
        lambda ct, out, p, index: ({"w": p["n"] * (mg.one_hot(index, 3, "float64").T @ ct), "n": p["n"]}, index),
    ]
    for n in (2, np.int64(2), mg.tensor(2)):
        for rule in rules:
            pick.defvjp(rule)
            for gradient in (
                mg.grad(lambda w, n=n: mg.sum(pick({"w": w, "n": n}, I))),
                mg.jit(mg.grad(lambda w, n=n: mg.sum(pick({"w": w, "n": n}, I)))),
            ):
                np.testing.assert_array_equal(gradient(X), [2.0, 0.0, 4.0])


def test_a_rule_with_too_few_or_too_many_gradients_is_refused() -> None:
    f = mg.custom_vjp(lambda x, y, n: mg.sum(x * y) * n)
    for rule in (lambda ct, out, x, y, n: ct * y, lambda ct, out, x, y, n: (ct, ct, ct, ct), lambda ct, out, x, y, n: (ct * y, None)):
        f.defvjp(rule)
        with pytest.raises(mg.errors.GraphError, match="custom_vjp: gradients against arguments"):
            mg.grad(lambda x: f(x, x, 2))(X)


def test_a_decorated_function_is_pickled_by_its_name() -> None:
    for f in (ruled, compiled):
        assert pickle.loads(pickle.dumps(f)) is f
        assert copy.deepcopy(f) is f
    other = pickle.loads(pickle.dumps(mg.jit(power, static_argnames=("n", "kind"))))
    np.testing.assert_allclose(other(X, 2), np.sum(X**2))
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        pickle.dumps(mg.jit(lambda x: x))


@mg.jit
def compiled(x: Any) -> Any:
    return x * 2


def test_steps_whose_rules_differ_in_the_order_of_a_dict_or_in_the_kind_of_a_number_are_not_one_step() -> None:
    f = mg.custom_vjp(lambda d, k: mg.tanh(d["x"] * 2 + d["y"]) + k)
    f.defvjp(lambda ct, out, d, k: ({"x": ct * next(iter(d.values())), "y": ct * (2 if k is True else 1)}, None))

    def of_steps(x: Any, ys: Any) -> Any:
        for t in range(24):
            x = f({"x": x, "y": ys[t]} if t < 8 else {"y": ys[t], "x": x}, True if t < 16 else 1)
        return mg.sum(x)

    x, ys = np.linspace(-1, 1, 3), np.random.default_rng(0).uniform(1, 2, (24, 3))
    for found, expected in zip(mg.jit(mg.grad(of_steps, (0, 1)))(x, ys), mg.grad(of_steps, (0, 1))(x, ys), strict=True):
        np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-9)
