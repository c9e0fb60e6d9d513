"""Where parameters may stand: in a Module they are trained and saved, or refused; outside a compiled function reads them anew."""

from __future__ import annotations

import copy
from collections import OrderedDict, defaultdict, deque
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest

import minigrad as mg
from minigrad import captured, module, tree

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
    inner: Any
    size: int = 3


class Attributes(dict[str, Any]):
    __getattr__ = dict.__getitem__


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
    "nested": (lambda w: [{"a": (Pair([w]), 0.5)}], lambda h: h[0]["a"][0].w[0]),
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
    "dataclass": (Plain, lambda h: h.w),
    "frozen": (lambda w: Frozen(Plain(w)), lambda h: h.inner.w),
    "dataclasses": (lambda w: [(Plain([w]), 0.5)], lambda h: h[0][0].w[0]),
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
    changed = tree.map(lambda t: 2 * t, model)
    assert [len(tree.leaves(changed)), changed.held] == [1, model.held]


def test_a_parameter_in_a_dataclass_asks_for_a_module() -> None:
    with pytest.raises(mg.errors.GraphError, match=r"neither trained nor saved\. Make Plain an mg\.Module"):
        tree.flatten(Model(Plain(mg.parameter(X))))


def new(model: Model) -> Model:
    return model


@pytest.mark.parametrize("of", [new, copy.copy])
@pytest.mark.parametrize("kind", [*TRAINED, "dataclass", "frozen", "dataclasses"])
def test_buffers_that_replace_a_buffer_are_not_trained(kind: str, of: Any) -> None:
    make, get = {**TRAINED, **REFUSED}[kind]
    whole, item = of(Model(mg.tensor(X))), of(Model([mg.tensor(X), mg.tensor(X)]))
    tree.flatten(whole), tree.flatten(item)
    whole.held = item.held[0] = make(mg.tensor(X))
    for model, find in (whole, get), (item, lambda h: get(h[0])):
        leaves, treedef = tree.flatten(model)
        assert [leaf for leaf, is_trained in zip(leaves, tree.trained(treedef), strict=True) if is_trained] == [model.bias]
        gradient = mg.grad(lambda m, find=find: mg.sum(find(m.held) * m.bias + find(m.held)))(model)
        after, _ = mg.optim.SGD(0.5).update(model, gradient, mg.optim.SGD(0.5).init(model))
        assert [find(after.held).tolist(), after.bias.tolist()] == [X.tolist(), (-0.5 * X).tolist()]


# Settings without tensors, and what puts one into them.
LATER = {
    "list": (list, lambda h, w: h.append(w)),
    "dict": (dict, lambda h, w: h.update(w=w)),
    "set": (set, lambda h, w: h.add(w)),
    "tuple": (lambda: ([],), lambda h, w: h[0].append(w)),
    "dataclass": (Several, lambda h, w: h.w.append(w)),
    "field": (lambda: Plain(1), lambda h, w: setattr(h, "w", w)),
    "attribute": (lambda: Plain(1), lambda h, w: setattr(h, "other", w)),
    "frozen": (lambda: Frozen(Plain(1)), lambda h, w: setattr(h.inner, "w", w)),
    "frozen with a list": (lambda: Frozen(([],)), lambda h, w: h.inner[0].append(w)),
    "tuple of dataclasses": (lambda: (Plain(1), 2), lambda h, w: setattr(h[0], "w", w)),
    "list of dataclasses": (lambda: [Several()], lambda h, w: h[0].w.append(w)),
}


@pytest.mark.parametrize("of", [new, copy.copy])
@pytest.mark.parametrize("kind", LATER)
def test_a_parameter_that_is_added_later_is_trained_or_refused(kind: str, of: Any) -> None:
    make, add = LATER[kind]
    model = Model(make())
    tree.flatten(model)
    model = of(model)
    add(model.held, mg.parameter(X))
    if kind in ("list", "dict", "tuple"):
        assert tree.trained(tree.flatten(model)[1]) == [True, True]
    else:
        with pytest.raises(mg.errors.GraphError, match="where it would be neither trained nor saved"):
            tree.flatten(model)


@pytest.mark.parametrize("before", [mg.tensor(X), [mg.tensor(X)]], ids=["attribute", "item"])
def test_a_parameter_that_is_added_to_a_dataclass_in_the_place_of_a_tensor_is_refused(before: Any) -> None:
    model = copy.copy(Model(before))
    held = Plain(mg.tensor(X))
    model.held = [held] if isinstance(before, list) else held
    assert tree.trained(tree.flatten(model)[1]) == [False, True]
    held.w = mg.parameter(X)
    with pytest.raises(mg.errors.GraphError, match="this Plain holds the parameter"):
        tree.flatten(model)


def test_numbers_of_a_dataclass_beside_a_parameter_are_not_trained() -> None:
    assert tree.trained(tree.flatten(Model([mg.parameter(X), Plain(2.0)]))[1]) == [True, False, True]


@pytest.mark.parametrize("kind", REFUSED)
def test_a_model_in_an_object_is_searched_for_parameters(kind: str) -> None:
    model = Model(SimpleNamespace(model=Model(REFUSED[kind][0](mg.parameter(X)))))
    model.held.model.bias = mg.tensor(X)
    with pytest.raises(mg.errors.GraphError, match=r"Model\.held: this SimpleNamespace holds the parameter"):
        tree.flatten(model)


@pytest.mark.parametrize("find", [lambda m: m, lambda m: m.bias, lambda m: m.inner], ids=["model", "tensor", "part"])
def test_an_object_that_keeps_its_model_or_a_part_of_it_is_refused(find: Any) -> None:
    model = Model(Object(None))
    model.inner = Model(1)
    model.held.w = find(model)
    with pytest.raises(mg.errors.GraphError, match=r"Model\.held: this Object keeps tensors of the model, and would keep them when"):
        tree.flatten(model)


def test_a_setting_may_answer_every_attribute() -> None:
    model = Model(Attributes(size=1))
    assert mg.grad(lambda m: mg.sum(m.bias * m.held.size))(model).bias.tolist() == [1, 1]


def test_an_object_without_tensors_is_looked_at_once_until_an_attribute_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at = []
    monkeypatch.setattr(module, "reachable", lambda value, **how: looked_at.append(value) or captured.reachable(value, **how))
    objects = [Object(i) for i in range(3)]
    model = Model([objects[0], 1, {"a": (objects[1], "b")}])
    model.sizes, model.more = [1, 2], (objects[2],)
    for _ in range(2):
        again = model
        for _ in range(3):
            again = copy.copy(again)
            tree.flatten(model)
        assert looked_at == objects
        model.sizes, looked_at[:] = [3], []


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
