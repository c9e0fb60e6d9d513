"""A parameter at two places of a Module: one leaf, one gradient, one state, one entry in a file, and it stays one."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import tree

X = np.array([[1.0, 2.0], [3.0, 4.0]])
W = np.array([[0.5, -1.0], [0.25, 1.5]])


class Layer(mg.Module):
    def __init__(self, W: Any):
        self.W, self.b = W, mg.parameter(np.zeros(2))

    def __call__(self, x: Any) -> Any:
        return mg.tanh(x @ self.W + self.b)


class Tied(mg.Module):
    def __init__(self) -> None:
        self.encoder, self.layers = Layer(mg.parameter(W)), [Layer(mg.parameter(W)), Layer(mg.parameter(W))]
        self.layers[1].W = self.out = self.encoder.W

    def __call__(self, x: Any) -> Any:
        return self.layers[1](self.layers[0](self.encoder(x))) @ self.out


def loss(model: Any, x: Any = X) -> Any:
    return mg.sum(model(x) ** 2)


def is_tied(model: Any) -> bool:
    return model.out is model.encoder.W is model.layers[1].W is not model.layers[0].W


def test_a_tied_parameter_is_one_leaf() -> None:
    model = Tied()
    leaves, treedef = tree.flatten(model)
    assert (len(leaves), treedef.leaves, mg.module.count(model)) == (5, 5, 14)
    assert list(tree.paths(treedef)) == [".encoder.W", ".encoder.b", ".layers[0].W", ".layers[0].b", ".layers[1].b"]
    assert is_tied(tree.unflatten(treedef, leaves))
    assert is_tied(tree.map(lambda p: p * 2, model))
    assert is_tied(tree.map(lambda p, q: p * q, model, tree.map(lambda p: p.numpy(), model)))
    assert tree.flatten(tree.map(lambda p: p.numpy(), model))[1] == treedef


def test_its_gradient_is_the_sum_over_its_places() -> None:
    def apart(w: Any, v: Any, u: Any) -> Any:
        model = Tied()
        model.encoder.W, model.layers[1].W, model.out = w, v, u
        return loss(model)

    expected = sum(g.numpy() for g in mg.grad(apart, (0, 1, 2))(W, W, W))
    model = Tied()
    loss(model).backward()
    found = [mg.grad(loss)(model), mg.jit(mg.grad(loss))(model), mg.grad(mg.jit(loss))(model)]
    for gradient in (model.out.grad, *(g.encoder.W for g in found), *(g.out for g in found)):
        np.testing.assert_allclose(gradient, expected, rtol=1e-12)
    assert all(map(is_tied, found))


@pytest.mark.parametrize("compile", [lambda f: f, mg.jit], ids=["eager", "jit"])
@pytest.mark.parametrize("optimizer", [mg.optim.SGD(0.1, momentum=0.9), mg.optim.Adam(0.1, clip_norm=1.0)], ids=["sgd", "adam"])
def test_training_keeps_it_tied(compile: Any, optimizer: Any) -> None:
    def step(model: Any, state: Any) -> Any:
        return optimizer.update(model, mg.grad(loss)(model), state)

    fast, model = compile(step), Tied()
    state = optimizer.init(model)
    w = {"w": mg.parameter(W), "rest": [leaf for leaf in tree.leaves(model) if leaf is not model.out]}

    def same_loss(p: Any) -> Any:
        made = Tied()
        made.encoder.W = made.layers[1].W = made.out = p["w"]
        made.encoder.b, made.layers[0].W, made.layers[0].b, made.layers[1].b = p["rest"]
        return loss(made)

    apart = optimizer.init(w)
    for _ in range(3):
        model, state = fast(model, state)
        w, apart = optimizer.update(w, mg.grad(same_loss)(w), apart)
        assert is_tied(model)
    np.testing.assert_allclose(model.out, w["w"], rtol=1e-10)
    assert len(tree.leaves(state.slots)) == 5 * len(optimizer.names)


def test_files_copies_and_pickles_keep_it_tied(tmp_path: Path) -> None:
    model = Tied()
    mg.io.save(tmp_path / "model", model)
    entries, _ = mg.io.load(tmp_path / "model")
    assert sorted(entries) == ["encoder.W", "encoder.b", "layers.0.W", "layers.0.b", "layers.1.b"]
    loaded, _ = mg.io.load(tmp_path / "model", like=Tied())
    for found in (loaded, copy.deepcopy(model), pickle.loads(pickle.dumps(model)), mg.jit(lambda m: m)(model)):
        assert is_tied(found)
        assert tree.flatten(found)[1] == tree.flatten(model)[1]


def test_a_tie_may_be_made_and_undone_later() -> None:
    optimizer = mg.optim.SGD(0.1)
    model, _ = optimizer.update(Tied(), mg.grad(loss)(Tied()), optimizer.init(Tied()))
    model.layers[1].W = mg.parameter(W)
    assert len(tree.leaves(model)) == 6
    assert model.out is model.encoder.W
    with pytest.raises(mg.errors.GraphError, match=r"layers\[1\]\.W = encoder\.W.* tied against"):
        tree.map(lambda a, b: a, Tied(), model)
    model.layers[1].W = model.encoder.W
    assert len(tree.leaves(model)) == 5


def test_equal_gradients_of_two_parameters_are_not_tied() -> None:
    class Two(mg.Module):
        def __init__(self) -> None:
            self.a, self.b = mg.parameter(W), mg.parameter(W)

    def f(m: Any) -> Any:
        return mg.sum(m.a + m.b)

    optimizer, model = mg.optim.SGD(0.1, momentum=0.5), Two()
    for gradient in (mg.grad(f)(model), mg.jit(mg.grad(f))(model)):
        assert len(tree.leaves(gradient)) == 2
        after, _ = optimizer.update(model, gradient, optimizer.init(model))
        assert len(tree.leaves(after)) == 2
    same = mg.tensor(W)
    assert len(tree.leaves(tree.map(lambda p: same, model))) == 2


def test_a_tensor_given_twice_outside_a_module_is_two_arguments() -> None:
    w = mg.parameter(W)
    for gradient in mg.grad(lambda a, b: mg.sum(a * b), (0, 1))(w, w):
        np.testing.assert_array_equal(gradient, W)
    with pytest.raises(mg.errors.SettingError, match="are the same tensor; keep it in one place or in a Module"):
        mg.optim.SGD(0.1).init([w, w])
