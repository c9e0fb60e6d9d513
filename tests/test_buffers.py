"""Buffers: arrays and tensors of a Module that are no parameters go through everything, and nothing trains them."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shares import examples

import minigrad as mg
from minigrad import tree
from minigrad.testing import check_grads

X = np.array([[1.0, 2.0], [3.0, 4.0]])
COMPILE = pytest.mark.parametrize("compile", [lambda f: f, mg.jit], ids=["eager", "jit"])
# How a buffer may be given, and how a parameter: both hold these values.
BUFFERS = {
    "array": lambda: np.array([0.5, 2.0]),
    "tensor": lambda: mg.tensor(np.array([0.5, 2.0])),
    "buffer": lambda: mg.buffer(np.array([0.5, 2.0])),
    "integers": lambda: np.array([1, 2]),
}


class Part(mg.Module):
    """Named leaves in a dict, a list, and attributes; `inner` is a Module again."""

    def __init__(self, *values: Any, inner: Any = None):
        self.first, self.named, self.listed = values[0], {"a": values[1], "size": 2}, [values[2], (values[3],)]
        self.inner = inner

    def __call__(self, x: Any) -> Any:
        for v in (self.first, self.named["a"], self.listed[0], self.listed[1][0]):
            x = mg.tanh(x * v)
        return x if self.inner is None else self.inner(x)


class Norm(mg.Module):
    """A scale that is trained, behind a running mean that is not."""

    def __init__(self) -> None:
        self.scale, self.mean, self.steps = mg.parameter(np.ones(2)), mg.buffer(np.zeros(2)), np.array(0)

    def __call__(self, x: Any) -> Any:
        return (x - self.mean) * self.scale

    def seen(self, x: Any) -> Norm:
        new = copy.copy(self)
        new.mean, new.steps = 0.5 * self.mean + 0.5 * mg.mean(x, axis=0), self.steps + 1
        return new


def loss(model: Any, x: Any = X) -> Any:
    return mg.sum(model(x) ** 2)


kinds = st.lists(st.sampled_from(["parameter", *BUFFERS]), min_size=8, max_size=8).filter(lambda ks: "parameter" in ks)


def made(kinds: list[str]) -> Part:
    values = [mg.parameter(np.array([0.5, -1.5])) if k == "parameter" else BUFFERS[k]() for k in kinds]
    return Part(*values[:4], inner=Part(*values[4:]))


def roles(kinds: list[str]) -> list[bool]:
    """Whether each leaf of `made(kinds)` is trained: the dict has its size beside the tensor."""
    places = [[is_p[0], is_p[1], False, is_p[2], is_p[3]] for part in (kinds[:4], kinds[4:]) for is_p in [[k == "parameter" for k in part]]]
    return [*places[0], *places[1]]


@given(kinds=kinds)
def test_parameters_alone_have_gradients_and_the_others_zeros(kinds: list[str]) -> None:
    model, is_trained = made(kinds), roles(kinds)
    assert tree.trained(tree.flatten(model)[1]) == is_trained
    assert mg.module.count(model) == 2 * sum(is_trained)
    loss(model).backward()
    found = mg.grad(loss)(model)
    assert tree.flatten(found)[1] == tree.flatten(model)[1]
    for p, g, trained in zip(tree.leaves(model), tree.leaves(found), is_trained, strict=True):
        np.testing.assert_array_equal(g, p.grad if trained else np.zeros(np.shape(p)))
    check_grads(lambda m: loss(m), model)


@given(kinds=kinds, data=st.data())
def test_every_optimizer_leaves_buffers_and_their_values_decide_nothing_but_the_gradient(kinds: list[str], data: Any) -> None:
    rule = data.draw(st.sampled_from([mg.optim.SGD, mg.optim.Adam, mg.optim.AdamW, mg.optim.RMSProp, mg.optim.GravesRMSProp]))
    optimizer, model = rule(0.1, clip_norm=0.01, weight_decay=0.3), made(kinds)
    new, state = optimizer.update(model, mg.grad(loss)(model), optimizer.init(model))
    assert all(tree.flatten(t)[1] == tree.flatten(model)[1] for t in (new, *state.slots.values()))
    chosen = roles(kinds)
    plain = {str(i): p for i, (p, c) in enumerate(zip(tree.leaves(model), chosen, strict=True)) if c}
    gradients = dict(zip(plain, (g for g, c in zip(tree.leaves(mg.grad(loss)(model)), chosen, strict=True) if c), strict=True))
    expected, _ = optimizer.update(plain, gradients, optimizer.init(plain))
    for i, (before, after, c) in enumerate(zip(tree.leaves(model), tree.leaves(new), chosen, strict=True)):
        np.testing.assert_array_equal(after, expected[str(i)] if c else before)
    far = tree.unflatten(tree.flatten(model)[1], [p if c else 1e9 for p, c in zip(tree.leaves(model), chosen, strict=True)])
    assert mg.optim.global_norm(far).item() == mg.optim.global_norm(plain).item()


@given(kinds=kinds)
def test_copies_and_results_of_maps_and_files_keep_the_roles(kinds: list[str]) -> None:
    model = made(kinds)
    structure = tree.flatten(model)[1]
    copies = [copy.copy(model), copy.deepcopy(model), pickle.loads(pickle.dumps(model)), tree.map(lambda p: p * 1, model)]
    copies += [model.detached(), pickle.loads(pickle.dumps(copy.copy(model))), tree.map(lambda p: np.asarray(p), model)]
    assert all(tree.flatten(c)[1] == structure for c in copies)


@COMPILE
def test_a_step_trains_parameters_and_updates_statistics(compile: Any, tmp_path: Path) -> None:
    optimizer = mg.optim.Adam(0.1)

    def step(model: Norm, state: Any, x: Any) -> Any:
        grads = mg.grad(loss)(model, x)
        model, state = optimizer.update(model, grads, state)
        return model.seen(x), state

    fast, model = compile(step), Norm()
    state = optimizer.init(model)
    for n in range(3):
        np.testing.assert_allclose(model.mean, X.mean(0) * (1 - 0.5**n))
        assert int(model.steps) == n
        model, state = fast(model, state, X)
    assert not np.any(np.asarray(model.scale) == 1)
    loss(model).backward()  # a compiled step's statistics are constants, with no history
    assert model.scale.grad is not None
    assert model.mean.grad is None
    mg.io.save(tmp_path / "model.safetensors", model)
    again = mg.io.load(tmp_path / "model.safetensors", Norm())[0]
    assert tree.flatten(again)[1] == tree.flatten(Norm())[1]
    for a, b in zip(tree.leaves(again), tree.leaves(model), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_compiled_method_sees_statistics_that_change() -> None:
    model = Norm()
    fast = mg.jit(lambda x: model(x))
    for _ in range(3):
        np.testing.assert_allclose(fast(X), model(X).numpy())
        model = model.seen(X)


@COMPILE
def test_vmap_and_scan_carry_models_with_buffers(compile: Any) -> None:
    models = mg.vmap(lambda s: tree.map(lambda p: p + s, Norm()))(np.arange(3.0))
    grads = compile(mg.vmap(mg.grad(loss)))(models)
    assert tree.flatten(grads)[1] == tree.flatten(Norm())[1]
    np.testing.assert_array_equal(grads.mean, np.zeros((3, 2)))
    for i in range(3):
        np.testing.assert_allclose(grads.scale[i], mg.grad(loss)(tree.map(lambda p, i=i: p[i], models)).scale)

    def descended(model: Norm, x: Any) -> Any:
        new = tree.map(lambda p, g: p - 0.01 * g, model, mg.grad(loss)(model, x))
        new.steps = model.steps + 1
        return new, loss(model, x)

    last, _ = compile(lambda m: mg.scan(descended, m, np.stack([X, X])))(Norm())
    by_hand = descended(descended(Norm(), X)[0], X)[0]
    assert [int(last.steps), last.mean.tolist()] == [2, [0, 0]]
    np.testing.assert_allclose(last.scale, by_hand.scale)


def test_other_derivatives_take_buffers_as_constants() -> None:
    model = Norm()
    ones = tree.map(mg.ones_like, model)
    alone = Norm()
    alone.mean, alone.steps = np.zeros(2), np.array(0)

    def of_scale(scale: Any) -> Any:
        model = Norm()
        model.scale = scale
        return loss(model)

    np.testing.assert_allclose(mg.jvp(loss, (model,), (ones,))[1], mg.jvp(of_scale, (np.ones(2),), (np.ones(2),))[1])
    np.testing.assert_allclose(mg.hvp(loss, (model,), (ones,))[0].scale, mg.hvp(of_scale, (np.ones(2),), (np.ones(2),))[0])
    np.testing.assert_allclose(mg.jacobian(lambda m: m(X))(model).scale, mg.jacobian(lambda s: (X - 0) * s)(np.ones(2)))
    assert not np.any(mg.jacobian(lambda m: m(X))(model).mean)


def test_the_gradient_of_an_outer_function_goes_through_a_buffer() -> None:
    def after_a_step(mean: Any) -> Any:
        model = Norm()
        model.mean = mean
        return mg.sum(mg.grad(loss)(model).scale)

    check_grads(after_a_step, np.array([0.5, -0.25]))


def test_an_attribute_that_is_set_again_keeps_its_role() -> None:
    for model in (Norm(), copy.copy(Norm())):
        model.scale, model.mean = np.full(2, 3.0), model.mean + 1
        assert tree.trained(tree.flatten(model)[1]) == [True, False, False]
        model.scale, model.mean = mg.buffer(model.scale), mg.parameter(model.mean)
        assert tree.trained(tree.flatten(model)[1]) == [False, True, False]
        assert tree.trained(tree.flatten(copy.copy(model))[1]) == [False, True, False]
        model.scale, model.new = mg.parameter(model.scale), np.ones(2)
        assert tree.trained(tree.flatten(model)[1]) == [True, True, False, False]


def test_each_item_keeps_its_role_and_a_new_one_has_that_of_its_value() -> None:
    class Listed(mg.Module):
        def __init__(self) -> None:
            self.parts, self.named = [mg.parameter(X[0]), mg.buffer(X[1])], {"w": mg.parameter(X[0])}

    def trained(model: Any) -> list[bool]:
        return tree.trained(tree.flatten(model)[1])

    def updated(model: Any) -> Any:
        model.parts = [model.parts[0], mg.buffer(model.parts[1] + 1)]
        return model

    assert trained(updated(copy.copy(Listed()))) == trained(mg.jit(updated)(Listed())) == [True, False, True]
    for model in (Listed(), copy.copy(Listed())):
        assert trained(model) == [True, False, True]
        model.parts[0] = model.parts[0] * 2
        model.parts.append(mg.buffer(X[0]))
        model.named["z"] = mg.buffer(X[0])
        assert trained(model) == trained(copy.copy(model)) == [True, False, False, True, False]
        del model.parts[1:], model.named["z"]
        assert trained(model) == [True, True]
        model.parts.append(mg.parameter(X[0]))
        assert trained(model) == [True, True, True]


def test_a_model_that_a_compiled_function_makes_has_its_roles() -> None:
    class Twins(mg.Module):
        def __init__(self, x: Any) -> None:
            self.b, self.w, self.c, self.v = mg.zeros(2), mg.parameter(mg.zeros(2)), x + 1, mg.parameter(x + 1)

    twins = mg.jit(Twins)(X)
    assert tree.trained(tree.flatten(twins)[1]) == [False, True, False, True]
    assert [leaf.node.op.name for leaf in tree.leaves(twins)] == ["constant", "parameter", "constant", "parameter"]


def test_plain_trees_are_trained_whole() -> None:
    found = mg.grad(lambda p: mg.sum(p["w"] * p["net"][0]))({"w": X, "net": [mg.ones(2)]})
    np.testing.assert_array_equal(found["net"][0], X.sum(0))


def test_a_model_of_buffers_alone_has_no_gradient() -> None:
    class Constant(mg.Module):
        def __init__(self) -> None:
            self.w = np.ones(2)

        def __call__(self, x: Any) -> Any:
            return x * self.w

    with pytest.raises(mg.errors.GraphError, match=r"Constant.*buffers alone.*mg\.parameter"):
        mg.grad(loss)(Constant())
    with pytest.raises(mg.errors.SettingError, match="no parameters"):
        mg.optim.SGD(0.1).init(Constant())


def test_models_with_other_roles_have_other_structures() -> None:
    a, b = Norm(), Norm()
    b.scale = mg.buffer(b.scale)
    with pytest.raises(mg.errors.GraphError, match="buffers scale, mean, steps"):
        tree.map(lambda x, y: x, a, b)


class Roles(mg.Module):
    """A parameter, a buffer, a plain array, and a list with a parameter."""

    def __init__(self) -> None:
        self.w, self.b, self.c, self.listed = mg.parameter(X[0]), mg.buffer(X[1]), X[0] + 7, [mg.parameter(X[1]), X[0]]


SETTINGS: dict[str, Any] = {
    "b is w": lambda m: setattr(m, "b", m.w),
    "c is w": lambda m: setattr(m, "c", m.w),
    "w is b": lambda m: setattr(m, "w", m.b),
    "w is c": lambda m: setattr(m, "w", m.c),
    "w is computed": lambda m: setattr(m, "w", m.w * 2),
    "w becomes a buffer": lambda m: setattr(m, "w", mg.buffer(m.w)),
    "b becomes a parameter": lambda m: setattr(m, "b", mg.parameter(m.b + 1)),
    "b is in the list": lambda m: setattr(m, "b", m.listed[0]),
    "the list is b and w": lambda m: setattr(m, "listed", [m.b, m.w]),
    "b and w change places": lambda m: (lambda w, b: (setattr(m, "w", b), setattr(m, "b", w)))(m.w, m.b),
}
INSIDE: dict[str, Any] = {  # transformations that call f(model), which returns a number
    "jit": lambda f, m: mg.jit(f)(m),
    "grad": lambda f, m: mg.grad(f)(m),
    "jit of grad": lambda f, m: mg.jit(mg.grad(f))(m),
    "scan": lambda f, m: mg.scan(lambda c, _: (c, f(copy.copy(c))), m, length=1),
    "vmap": lambda f, m: mg.vmap(f)(tree.map(lambda p: mg.tensor(p)[None], m)),
    "cond": lambda f, m: mg.cond(mg.tensor(True), f, lambda m: mg.sum(m.w), m),
}


@examples(40)
@given(names=st.lists(st.sampled_from(list(SETTINGS)), min_size=1, max_size=3), inside=st.sampled_from(list(INSIDE)))
def test_what_is_set_has_one_role_in_a_transformation_and_outside(names: list[str], inside: str) -> None:
    seen = []

    def f(model: Roles) -> Any:
        for name in names:
            SETTINGS[name](model)
        seen.append(tree.flatten(model)[1])
        return mg.sum(model.w * model.b)

    f(Roles())
    INSIDE[inside](f, Roles())
    assert seen[0] == seen[-1]


def test_a_compiled_function_ties_and_trains_what_it_sets() -> None:
    def tied(model: Roles) -> Roles:
        model.b = model.w
        return model

    fast, slow = mg.jit(tied)(Roles()), tied(Roles())
    assert tree.flatten(fast)[1] == tree.flatten(slow)[1]
    mg.sum(fast.b * fast.w).backward()
    np.testing.assert_array_equal(fast.w.grad, 2 * X[0])
