"""What a compiled function takes from outside: tensors are arguments, read anew at each call, and gradients reach them."""

from __future__ import annotations

import copy
import functools
import pickle
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minigrad.models import LSTM

import minigrad as mg
from minigrad import tree
from minigrad.testing import check_grads, tensors

X = np.array([1.0, 2.0])
W = np.array([0.5, -1.5])
close = functools.partial(np.testing.assert_allclose, rtol=1e-12)


class Holder:
    """An object with a tensor, which is no tree."""

    def __init__(self, W: Any):
        self.W = W

    def __call__(self, x: Any) -> Any:
        return x * self.W

    def method(self, x: Any) -> Any:
        return x * self.W


class Pair(NamedTuple):
    W: Any
    b: Any


class Scale(mg.Module):
    def __init__(self, W: Any):
        self.W = W

    def __call__(self, x: Any) -> Any:
        return x * self.W


def via_default(W: Any) -> Any:
    def f(x: Any, w: Any = W) -> Any:
        return x * w

    return lambda x: f(x)


def named(W: Any) -> Any:
    def f(x: Any, *, w: Any = W) -> Any:
        return x * w

    return lambda x: f(x)


# Each makes, of W, a function that takes W from another place and gives x·W.
PLACES: dict[str, Any] = {
    "closure": lambda W: lambda x: x * W,
    "nested closure": lambda W: lambda x: sum(x * W for _ in range(1)),
    "inner function": lambda W: (lambda g: lambda x: g(x))(lambda x: x * W),
    "a result": lambda W: (lambda V: lambda x: x * V / 2)(W * 2),
    "default": via_default,
    "keyword default": named,
    "dict": lambda W: (lambda d: lambda x: x * d["a"]["W"])({"a": {"W": W}, "rest": [1, "text"]}),
    "list": lambda W: (lambda d: lambda x: x * d[1])([None, W]),
    "named tuple": lambda W: (lambda d: lambda x: x * d.W)(Pair(W, 3)),
    "object": lambda W: (lambda d: lambda x: d(x))(Holder(W)),
    "method": lambda W: Holder(W).method,
    "callable object": Holder,
    "partial": lambda W: functools.partial(lambda w, x: x * w, W),
    "partial by name": lambda W: functools.partial(lambda x, w: x * w, w=W),
    "model": Scale,
    "a model's method": lambda W: Scale(W).__call__,
    "a model in a closure": lambda W: (lambda m: lambda x: m(x))(Scale(W)),
    "wrapped": lambda W: functools.wraps(Scale)(lambda x: x * W),
    "cached": lambda W: functools.lru_cache(None)(lambda: 0) and (lambda x: x * W),
    "checkpoint": lambda W: mg.checkpoint(lambda x: x * W),
    "another compiled function": lambda W: mg.jit(lambda x: x * W),
    "scan": lambda W: lambda x: mg.scan(lambda c, _: (c * W, c), x, length=1)[0],
    "cond": lambda W: lambda x: mg.cond(mg.sum(x) > -9, lambda v: v * W, lambda v: v, x),
    "vmap": lambda W: lambda x: mg.vmap(lambda v, w: v * w, in_axes=(0, None))(x[None], W)[0],
    "itself": lambda W: lambda x: W + 0 * x if x.ndim == 0 else W * x,
}
places = pytest.mark.parametrize("make", PLACES.values(), ids=PLACES)


@places
def test_gradients_reach_what_a_compiled_function_takes_from_outside(make: Any) -> None:
    def loss(W: Any, x: Any) -> Any:
        return mg.sum(mg.jit(make(W))(x) ** 2)

    expected = 2 * X**2 * W, 2 * X * W**2
    for got, value in zip(mg.grad(loss, (0, 1))(W, X), expected, strict=True):
        close(got, value)
    close(mg.vjp(lambda W: mg.jit(make(W))(X), W)[1](np.ones(2))[0], X)
    close(mg.jvp(lambda W: mg.jit(make(W))(X), [W], [np.ones(2)])[1], X)
    close(mg.hvp(lambda W: loss(W, X), [W], [np.ones(2)])[0], 2 * X**2)
    close(mg.jit(mg.grad(loss))(W, X), expected[0])


@places
def test_a_compiled_function_has_the_parameters_of_now(make: Any) -> None:
    for learned in (mg.parameter, mg.tensor):
        fast = mg.jit(make(learned(W)))
        close(fast(X), X * W)
        close(fast(X + 1), (X + 1) * W)


@given(x=tensors(dtype="float64", max_dims=2))
def test_check_grads_through_a_closure(x: Any) -> None:
    check_grads(lambda w: mg.jit(lambda v: mg.tanh(w) * v + w)(mg.ones_like(w)), x)


def test_what_is_rebound_is_read_anew_without_compiling_again() -> None:
    w = mg.parameter(W)
    fast = mg.jit(lambda x: mg.sum(x * w))
    for i in range(4):
        w = mg.parameter(W + i)
        close(fast(X), np.sum(X * (W + i)))
    assert count(fast) == 1
    w = mg.parameter(np.ones(1))
    close(fast(X), 3)
    w = mg.tensor(W)
    close(fast(X), np.sum(X * W))
    assert count(fast) == 2


def test_a_constant_is_one_until_it_changes() -> None:
    c = mg.tensor(W)
    fast = mg.jit(lambda x: mg.sum(x * c))
    close(fast(X), np.sum(X * W))
    assert len(fast.graph.params) == 1
    for i in range(1, 4):
        c = mg.tensor(W + i)
        close(fast(X), np.sum(X * (W + i)))
    assert count(fast) == 2
    c = 3.0
    close(fast(X), 9)


def test_a_model_outside_is_read_with_its_settings() -> None:
    class Power(mg.Module):
        def __init__(self) -> None:
            self.W, self.n = mg.parameter(W), 1

        def __call__(self, x: Any) -> Any:
            return mg.sum((x * self.W) ** self.n)

    for pick in (lambda m: m, lambda m: m.__call__, lambda m: lambda x: m(x)):
        model = Power()
        fast = mg.jit(pick(model))
        for n in (1, 2, 3, 1):
            model.n = n
            close(fast(X), np.sum((X * W) ** n))
        assert count(fast) == 3


def test_one_tensor_at_two_places_may_become_two() -> None:
    a = b = mg.parameter(W)
    fast = mg.jit(lambda x: mg.sum(x * a + b))
    close(fast(X), np.sum(X * W + W))
    b = mg.parameter(W + 1)
    close(fast(X), np.sum(X * W + W + 1))
    a = mg.parameter(W + 2)
    close(fast(X), np.sum(X * (W + 2) + W + 1))
    assert count(fast) == 2


@pytest.mark.parametrize(
    ("make", "change"),
    [
        (lambda w: [w], lambda h, v: h.append(v)),
        (lambda w: [[w]], lambda h, v: h.append([v])),
        (lambda w: {"b": w}, lambda h, v: h.update(a=v)),
        (lambda w: [{"b": w}, [1]], lambda h, v: h[0].update(a=v)),
        (lambda w: [Scale(w)], lambda h, v: h.append(Scale(v))),
        (lambda w: [(w,)], lambda h, v: h.__setitem__(0, (*h[0], v))),
    ],
)
def test_what_is_added_to_a_list_or_dict_outside_is_read(make: Any, change: Any) -> None:
    held, unused = make(mg.parameter(W)), [mg.parameter(W)]
    fast = mg.jit(lambda x: sum(mg.sum(x * w) for w in tree.leaves(held)) if unused else x)
    close(fast(X), np.sum(X * W) + np.sum(X) * (len(tree.leaves(held)) - 1))
    unused.append(mg.parameter(W))
    fast(X)
    assert count(fast) == 1
    before = float(fast(X))
    change(held, mg.parameter(W + 1))
    close(fast(X), before + np.sum(X * (W + 1)))
    assert count(fast) == 2


def test_tensors_may_be_keys_of_a_dict_outside() -> None:
    old, new = mg.parameter(W), mg.parameter(W + 1)
    held = {old: old}
    fast = mg.jit(lambda x: mg.sum(x * next(iter(held.values()))))
    close(fast(X), np.sum(X * W))
    del held[old]
    held[new] = new
    close(fast(X), np.sum(X * (W + 1)))


class Shared:
    W = mg.parameter(W)

    def used(self, x: Any) -> Any:
        return x * Shared.W

    def own(self, x: Any) -> Any:
        return x * self.W


class Static:
    W = mg.parameter(W)

    @mg.jit
    @staticmethod
    def inner(x: Any) -> Any:
        return x * Static.W

    @staticmethod
    @mg.jit
    def outer(x: Any) -> Any:
        return x * Static.W


@pytest.mark.parametrize("f", [Static().inner, Static.inner, Static().outer], ids=["inner", "class", "outer"])
def test_compiled_methods_read_anew(f: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(3):
        monkeypatch.setattr(Static, "W", mg.parameter(W + i))
        close(f(X), X * (W + i))


everywhere = mg.parameter(W)


def from_globals(x: Any) -> Any:
    return x * everywhere


@pytest.mark.parametrize("f", [lambda x: from_globals(x), lambda x: Shared().used(x), Shared().used, Shared().own])
def test_globals_and_attributes_of_classes_are_read_anew(f: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fast = mg.jit(f)
    close(fast(X), X * W)
    monkeypatch.setitem(globals(), "everywhere", mg.parameter(W + 1))
    monkeypatch.setattr(Shared, "W", mg.parameter(W + 1))
    close(fast(X), X * (W + 1))
    assert count(fast) == 1


def test_a_parameter_that_cannot_be_found_again_is_refused_by_name() -> None:
    class Slots:
        __slots__ = ("hidden",)

    held = Slots()
    held.hidden = mg.parameter(W, name="hidden")
    with pytest.raises(mg.errors.GraphError, match=r"takes <hidden .*can't look at the next call\. Pass the tensor"):
        mg.jit(lambda x: x * held.hidden)(X)


def test_a_program_in_training_has_the_newest_model() -> None:
    optimizer = mg.optim.SGD(0.1)
    model, xs = LSTM(3, 4, key=0), np.ones((4, 2, 3), np.float32)
    state, predict = optimizer.init(model), mg.jit(lambda xs: model(xs)[0])
    for _ in range(3):
        close(predict(xs), model(xs)[0], rtol=1e-5)
        grads = mg.grad(lambda m: mg.sum(m(xs)[0] ** 2))(model)
        model, state = optimizer.update(model, grads, state)
    assert count(predict) == 1


def test_a_mixed_loss_is_refused_by_backward_and_differentiated_by_grad() -> None:
    w = mg.parameter(W)
    fast, again = mg.jit(lambda x: mg.sum(w * x)), mg.jit(lambda y: y * 2)
    for loss in (fast(X) + mg.sum(w), again(fast(X)) + mg.sum(w)):
        with pytest.raises(mg.errors.GraphError, match="keeps no history"):
            loss.backward()
        assert w.grad is None
    close(mg.grad(lambda w: mg.jit(lambda x: mg.sum(w * x))(X) + mg.sum(w))(W), X + 1)


def test_backward_reaches_what_was_computed_before_the_call() -> None:
    w = mg.parameter(W)
    hidden = w * 3
    mg.sum(mg.jit(lambda x: hidden * x)(X)).backward()
    close(w.grad, 3 * X)


class Net(mg.Module):
    """A model that keeps a compiled function of its part, or of itself."""

    def __init__(self, kept: str):
        self.scale = Scale(mg.parameter(W))
        if kept == "part":
            self.fast = mg.jit(self.scale)
        elif kept == "method":
            self.fast = mg.jit(self.slow)
        elif kept == "plain method":
            self.fast = self.slow
        elif kept == "closure":
            self.fast = mg.jit(lambda x: self.slow(x))

    def slow(self, x: Any) -> Any:
        return self.scale(x)

    def __call__(self, x: Any) -> Any:
        return mg.sum(self.fast(x) ** 2)


@pytest.mark.parametrize("kept", ["part", "method", "plain method"])
def test_a_model_may_keep_a_compiled_function_of_itself(kept: str) -> None:
    model = Net(kept)
    expected = 2 * X**2 * W
    for gradient in (mg.grad(lambda m: m(X)), mg.jit(mg.grad(lambda m: m(X)))):
        close(gradient(model).scale.W, expected)
    optimizer = mg.optim.SGD(0.1)
    after, _ = optimizer.update(model, mg.grad(lambda m: m(X))(model), optimizer.init(model))
    close(after(X), np.sum(((W - 0.1 * expected) * X) ** 2))
    close(model(X), np.sum((W * X) ** 2))
    assert tree.flatten(after)[1] == tree.flatten(model)[1]
    if kept != "plain method":
        assert count(after.fast) == count(model.fast) == 1
    for duplicate in (copy.copy, copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))):
        copied = duplicate(model)
        close(copied(X), model(X))
        copied.scale.W = mg.parameter(W * 2)
        close(copied(X), 4 * np.sum((W * X) ** 2))
        close(model(X), np.sum((W * X) ** 2))


def test_a_model_that_keeps_a_function_of_its_tensors_is_refused_by_name() -> None:
    with pytest.raises(mg.errors.GraphError, match=r"Net\.fast: a function that keeps tensors of the model"):
        mg.grad(lambda m: m(X))(Net("closure"))


def test_a_function_that_takes_nothing_from_outside_has_nothing_to_read() -> None:
    fast = mg.jit(lambda x: mg.tanh(x) * 2)
    fast(X)
    assert [p.captured for found in fast.programs.values() for p in found] == [None]


def test_inside_another_trace_constants_do_not_hide_what_is_outside() -> None:
    def f(w: Any) -> Any:
        return mg.sum(mg.jit(lambda x: w * x)(X))

    close(mg.jit(mg.grad(f))(W), X)
    close(mg.scan(lambda c, _: (c + mg.grad(f)(c), c), W, length=1)[0], W + X)
    close(mg.vmap(mg.grad(f))(np.stack([W, W])), np.stack([X, X]))


def count(fast: Any) -> int:
    return sum(map(len, fast.programs.values()))


@given(st.integers(1, 5), st.integers(1, 5))
def test_other_lengths_use_the_same_program(n: int, m: int) -> None:
    w = mg.parameter(np.ones(3))
    fast = mg.jit(lambda x: mg.sum(x @ w))
    for length in (n + 1, m + 1):
        close(fast(np.ones((length, 3))), 3 * length)


class Scaled(mg.Module):
    def __init__(self) -> None:
        self.table, self.weight, self.factor = np.ones(3), mg.parameter(np.ones(3)), 1

    def __call__(self, x: Any) -> Any:
        return mg.sum(x * self.table * self.weight) * self.factor


@pytest.mark.parametrize("used", [lambda model, x: mg.sum(x * model.table) * model.factor, lambda model, x: model(x)])
def test_arrays_and_settings_of_a_model_outside_are_read_anew(used: Any) -> None:
    """Also where f takes no tensor from it, and where an array is changed in place."""
    model, x = Scaled(), np.arange(1.0, 4.0)
    fast = mg.jit(lambda x: used(model, x))
    assert float(fast(x)) == 6
    model.table *= 2
    assert float(fast(x)) == 12
    model.table = np.full(3, 5.0)
    assert float(fast(x)) == 30
    model.factor = 2
    assert float(fast(x)) == 60
    model = Scaled()
    assert float(fast(x)) == 6
