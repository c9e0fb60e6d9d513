from __future__ import annotations

import copy
import pickle
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad import tree
from minigrad.errors import GraphError


class Pair(NamedTuple):
    left: Any
    right: Any


@dataclass
class Cell:
    weight: Any
    bias: Any


class Net(mg.Module):
    def __init__(self, size: int):
        self.size = size
        self.layers = [mg.parameter(np.ones(size)), mg.parameter(np.zeros(2))]
        self.act = "tanh"


TREES = st.recursive(
    st.integers() | st.none(),
    lambda t: (
        st.lists(t, max_size=3)
        | st.tuples(t, t)
        | st.dictionaries(st.text(max_size=3), t, max_size=3)
        | st.builds(Pair, t, t)
        | st.builds(Cell, t, t)
    ),
    max_leaves=8,
)


@given(t=TREES)
def test_unflatten_undoes_flatten(t: Any) -> None:
    leaves, treedef = tree.flatten(t)
    assert tree.unflatten(treedef, leaves) == t
    assert treedef.leaves == len(leaves) == len(list(tree.paths(treedef)))
    assert tree.map(lambda x: x, t) == t
    assert tree.difference(treedef, tree.flatten(t)[1]) == ""
    assert hash(treedef) == hash(tree.flatten(t)[1])


def test_paths_read_like_python() -> None:
    t = {"a": [1, (2, Pair(3, 4))], "b": Cell(5, {"c": 6})}
    found = list(tree.paths(tree.flatten(t)[1]))
    assert found == ["['a'][0]", "['a'][1][0]", "['a'][1][1].left", "['a'][1][1].right", "['b'].weight", "['b'].bias['c']"]
    assert list(tree.paths(tree.flatten(1)[1])) == [""]


def test_keys_that_have_no_order_stay_as_they_come() -> None:
    given = {"b": 1, 3: 2}
    leaves, treedef = tree.flatten(given)
    assert leaves == [1, 2]
    assert tree.unflatten(treedef, leaves) == given


@pytest.mark.parametrize("keys", [("a", 1), ("b", "a"), (2, 1), (1.5, "z")], ids=str)
def test_functions_see_the_keys_of_a_dict_as_they_come(keys: Any) -> None:
    """Also compiled ones, that met the same keys in another order."""
    value = lambda d: [v * 10**i for i, v in enumerate(d.values())]  # noqa: E731
    compiled, within, outside = mg.jit(value), mg.jit(lambda d: value(d[0])), {}
    outer = mg.jit(lambda x: x * mg.stack(value(outside["d"])))
    for order in (keys, keys[::-1], keys):
        d = outside["d"] = {k: mg.tensor(1.0 + keys.index(k)) for k in order}
        expected = [float(v) for v in value(d)]
        for found in (compiled(d), within((d,)), outer(1.0), mg.jit(compiled)(d), mg.vmap(value)({k: v[None] for k, v in d.items()})):
            assert [v.item() for v in found] == expected
        gradient = mg.grad(lambda d: mg.sum(mg.stack(value(d))))(d)
        assert [v.item() for v in gradient.values()] == [1, 10]
        assert (
            list(gradient) == list(compiled(d) and mg.jit(lambda d: d)(d)) == list(mg.scan(lambda c, _: (c, 0), d, length=1)[0]) == [*order]
        )
    assert tree.flatten({"a": 1.0, 1: 2.0})[1] != tree.flatten({"a": 1.0, True: 2.0})[1]


def test_a_model_with_a_dict_of_layers_computes_the_same_after_an_update() -> None:
    class Layers(mg.Module):
        def __init__(self) -> None:
            self.layers = {k: mg.parameter(w) for k, w in (("input", 1.0), ("hidden", 2.0), ("output", 3.0))}

        def __call__(self, x: Any) -> Any:
            for w in self.layers.values():
                x = x * w + 1
            return x

    model, optimizer = Layers(), mg.optim.SGD(0.0)
    after, _ = optimizer.update(model, mg.grad(lambda m: m(1.0))(model), optimizer.init(model))
    outside = mg.jit(lambda x: model(x))
    assert model(1.0).item() == after(1.0).item() == copy.copy(model)(1.0).item() == outside(1.0).item() == 16
    model.layers = dict(reversed(model.layers.items()))
    assert model(1.0).item() == outside(1.0).item() == 10


def test_dicts_with_the_same_keys_have_the_same_structure() -> None:
    assert tree.flatten({"b": 1, "a": 2})[1] == tree.flatten({"a": 3, "b": 4})[1]
    assert tree.map(lambda x, y: (x, y), {"b": 1, "a": 2}, {"a": 3, "b": 4}) == {"a": (2, 3), "b": (1, 4)}


@pytest.mark.parametrize(
    ("a", "b", "words"),
    [
        ({"x": 1}, {"y": 1}, r"dict with \['x'\] against \['y'\]"),
        ([1, 2], [1], "list"),
        ((1, [2]), (1, 2), "at 1: list against a leaf"),
        ({"p": (1, None)}, {"p": (1, 2)}, "at 'p' 1: NoneType against a leaf"),
        (Net(2), Net(3), "Net with other settings"),
    ],
)
def test_differences_say_where(a: Any, b: Any, words: str) -> None:
    with pytest.raises(GraphError, match=words):
        tree.map(lambda x, y: x, a, b)


def test_modules_are_trees_of_their_parameters() -> None:
    net = Net(3)
    leaves, treedef = tree.flatten(net)
    assert [x.shape for x in leaves] == [(3,), (2,)]
    assert list(tree.paths(treedef)) == [".layers[0]", ".layers[1]"]
    doubled = tree.map(lambda x: x * 2, net)
    assert isinstance(doubled, Net)
    assert doubled.act == "tanh"
    assert doubled.layers[0].tolist() == [2, 2, 2]
    g = mg.grad(lambda m: mg.sum(m.layers[0] ** 2))(net)
    assert isinstance(g, Net)
    assert g.layers[0].tolist() == [2, 2, 2]
    assert g.layers[1].tolist() == [0, 0]
    assert "5 parameters" in repr(net)


class Named(mg.Module):
    """Attributes and methods with names that a base class might have used."""

    def __init__(self) -> None:
        self._parts = [mg.parameter(np.ones(2))]
        self._ties = mg.parameter(np.ones(3))
        self._split = self._settings = 2.0

    def _forget(self) -> float:
        return self._split

    def loss(self) -> mg.Tensor:
        return mg.sum(self._parts[0]) * self._forget() + mg.sum(self._ties)


def test_a_users_names_are_a_users_own() -> None:
    model = Named()
    assert list(tree.paths(tree.flatten(model)[1])) == ["._parts[0]", "._ties"]
    for f in (mg.grad(Named.loss), mg.jit(mg.grad(Named.loss))):
        gradient = f(model)
        assert gradient._parts[0].tolist() == [2, 2]
        assert gradient._ties.tolist() == [1, 1, 1]
    model._split = 3.0
    assert mg.jit(mg.grad(Named.loss))(model)._parts[0].tolist() == [3, 3]
    assert pickle.loads(pickle.dumps(model))._ties.tolist() == copy.deepcopy(model)._ties.tolist() == [1, 1, 1]
