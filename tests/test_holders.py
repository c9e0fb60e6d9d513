"""Where parameters may stand: in a Module they are trained and saved, or refused; outside a compiled function reads them anew."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest

import minigrad as mg
from minigrad import tree

X = np.array([1.0, 2.0])


class Pair(NamedTuple):
    w: Any


@dataclass
class Plain:
    w: Any


@dataclass
class Several:
    w: list[Any] = field(default_factory=list)


@dataclass(frozen=True)
class Frozen:
    inner: Plain
    size: int = 3


class Object:
    def __init__(self, w: Any):
        self.w = w


class Model(mg.Module):
    def __init__(self, held: Any):
        self.held, self.bias = held, mg.parameter(np.zeros(2))


def closed(w: Any) -> Any:
    return lambda x: x * w


# How a value is kept, and how it is found there.
TRAINED = {
    "list": (lambda w: [w], lambda h: h[0]),
    "tuple": (lambda w: (1.0, w), lambda h: h[1]),
    "dict": (lambda w: {"w": w}, lambda h: h["w"]),
    "named tuple": (Pair, lambda h: h.w),
    "dataclass": (Plain, lambda h: h.w),
    "frozen": (lambda w: Frozen(Plain(w)), lambda h: h.inner.w),
    "nested": (lambda w: [{"a": (Plain([w]), 0.5)}], lambda h: h[0]["a"][0].w[0]),
}
READ = {
    "set": (lambda w: {w}, lambda h: next(iter(h))),
    "frozenset": (lambda w: frozenset([w]), lambda h: next(iter(h))),
    "deque": (lambda w: deque([w]), lambda h: h[0]),
    "ordered": (lambda w: OrderedDict(w=w), lambda h: h["w"]),
    "default": (lambda w: defaultdict(list, w=w), lambda h: h["w"]),
    "object": (Object, lambda h: h.w),
    "objects": (lambda w: [Object(w)], lambda h: h[0].w),
    "partial": (lambda w: partial(mg.multiply, w), lambda h: h(1.0)),
    "closure": (closed, lambda h: h(1.0)),
}
REFUSED = {**READ, "namespace": (lambda w: SimpleNamespace(w=[w]), lambda h: h.w[0])}


@pytest.mark.parametrize("kind", TRAINED)
def test_what_a_container_holds_is_trained_and_saved(kind: str, tmp_path: Path) -> None:
    make, get = TRAINED[kind]
    model, optimizer = Model(make(mg.parameter(X))), mg.optim.SGD(0.5)
    for differentiate in (mg.grad, lambda f: mg.jit(mg.grad(f))):
        gradient = differentiate(lambda m: mg.sum(get(m.held) ** 2 + m.bias))(model)
        assert get(gradient.held).tolist() == (2 * X).tolist()
        after, _ = optimizer.update(model, gradient, optimizer.init(model))
        assert get(after.held).tolist() == [0, 0]
    saved = mg.io.load(mg.io.save(tmp_path / "m", model), Model(make(mg.parameter(0 * X))))[0]
    assert get(saved.held).tolist() == X.tolist()
    buffers = Model(make(mg.tensor(X)))
    assert get(mg.grad(lambda m: mg.sum(get(m.held) * m.bias))(buffers).held).tolist() == [0, 0]


def test_what_is_added_to_a_dataclass_in_a_model_is_trained() -> None:
    model = Model(Several([mg.parameter(X)]))
    assert len(tree.leaves(model)) == 2
    model.held.w.append(mg.parameter(X))
    assert [g.tolist() for g in mg.grad(lambda m: mg.sum(sum(m.held.w)))(model).held.w] == [[1, 1]] * 2


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("w", [mg.parameter(X), Model(mg.parameter(X))], ids=["tensor", "model"])
def test_parameters_that_nothing_would_reach_are_refused_by_name(kind: str, w: Any, tmp_path: Path) -> None:
    model = Model(REFUSED[kind][0](w))
    for door in (
        mg.grad(lambda m: mg.sum(m.bias)),
        mg.jit(lambda m: m.bias),
        mg.optim.SGD(0.1).init,
        lambda m: mg.io.save(tmp_path / "m", m),
        repr,
    ):
        with pytest.raises(mg.errors.GraphError, match=r"Model\.held: this \w+ holds the parameter float64\(2\) where it would be neither"):
            door(model)


@pytest.mark.parametrize("kind", REFUSED)
def test_constants_and_functions_without_tensors_are_settings(kind: str) -> None:
    make, get = REFUSED[kind]
    model = Model(make(mg.detach(mg.parameter(X))))
    assert mg.grad(lambda m: mg.sum(get(m.held) * m.bias))(model).bias.tolist() == X.tolist()


@pytest.mark.parametrize("kind", READ)
def test_a_compiled_function_reads_anew_what_stands_outside(kind: str) -> None:
    make, get = READ[kind]
    held = make(mg.parameter(X))
    fast = mg.jit(lambda x: mg.sum(x * get(held)))
    assert [float(fast(mg.ones(2))), mg.grad(fast)(mg.ones(2, dtype="float64")).tolist()] == [3, X.tolist()]
    held = make(mg.parameter(3 * X))
    assert float(fast(mg.ones(2))) == 9


@pytest.mark.parametrize("make", [set, deque])
def test_what_is_added_to_a_set_outside_is_read(make: Any) -> None:
    held = make([mg.parameter(X)])
    fast = mg.jit(lambda x: sum(mg.sum(x * w) for w in held))
    assert float(fast(mg.ones(2))) == 3
    (held.add if make is set else held.append)(mg.parameter(10 * X))
    assert float(fast(mg.ones(2))) == 33


def test_the_text_of_a_model_says_what_is_not_trained() -> None:
    model = Model([mg.tensor(X), mg.parameter(X)])
    assert repr(model).splitlines()[1:] == ["  held[0]: float64(2), not trained", "  held[1]: float64(2)", "  bias: float64(2)"]


@pytest.mark.parametrize(("kind", "times"), [(set, 1), (deque, 0)])
def test_a_call_lists_the_items_of_a_set_once(kind: Any, times: int) -> None:
    class Counted(kind):
        listed = 0

        def __iter__(self) -> Any:
            type(self).listed += 1
            return super().__iter__()

        __hash__ = object.__hash__

    held = Counted([mg.parameter(X) for _ in range(20)])
    f = mg.jit(lambda x: x * sum(mg.sum(w) for w in held))
    f(X)
    Counted.listed = 0
    f(X)
    assert Counted.listed == times
