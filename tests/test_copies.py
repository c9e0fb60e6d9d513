"""copy, deepcopy and pickle: of tensors, models, optimiser states, keys and compiled functions."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minigrad.models import LSTM, NTM

import minigrad as mg
from minigrad import tree
from minigrad.testing import tensors

X = np.arange(3.0)


def pickled(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


COPIES = {"copy": copy.copy, "deepcopy": copy.deepcopy, "pickle": pickled}
copies = pytest.mark.parametrize("duplicate", COPIES.values(), ids=COPIES)


@copies
@given(x=tensors(), learned=st.booleans(), name=st.sampled_from([None, "w"]))
def test_a_copy_has_value_dtype_name_and_kind_and_a_node_of_its_own(duplicate: Any, x: Any, learned: bool, name: str | None) -> None:
    t = (mg.parameter if learned else mg.tensor)(np.asarray(x), name=name)
    found = duplicate(t)
    np.testing.assert_array_equal(found.numpy(), t.numpy(), strict=True)
    assert (found.name, found.node.op, found.node is t.node) == (name, t.node.op, False)
    assert not found.numpy().flags.writeable


@copies
def test_a_copied_parameter_has_its_own_gradient(duplicate: Any) -> None:
    w = mg.parameter(X)
    mg.sum(w * 2).backward()
    other = duplicate(w)
    assert other.grad is None
    mg.sum(other * 3 + w).backward()
    np.testing.assert_array_equal(other.grad, np.full(3, 3.0))
    np.testing.assert_array_equal(w.grad, np.ones(3))


@pytest.mark.parametrize("duplicate", [copy.deepcopy, pickled], ids=["deepcopy", "pickle"])
@pytest.mark.parametrize("model", [LSTM(3, 4, key=0), NTM(inputs=3, outputs=2, hidden=5, memory=(6, 4), key=1)], ids=["lstm", "ntm"])
def test_a_copied_model_is_trained_apart(duplicate: Any, model: Any) -> None:
    found = duplicate(model)
    nodes = [{leaf.node for leaf in tree.leaves(m)} for m in (model, found)]
    assert not nodes[0] & nodes[1]
    assert tree.flatten(found)[1] == tree.flatten(model)[1]
    xs = np.ones((4, 2, 3), np.float32)
    mg.sum(tree.leaves(found(xs))[0]).backward()
    assert all(leaf.grad is not None for leaf in tree.leaves(found))
    assert all(leaf.grad is None for leaf in tree.leaves(model))


def test_a_tensor_in_two_places_is_one_in_the_copy() -> None:
    w = mg.parameter(X)
    for duplicate in (copy.deepcopy, pickled):
        a, b = duplicate([w, w])
        assert a is b
    a, b = copy.deepcopy([w, mg.Tensor(w.node)])
    assert a.node is b.node


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy], ids=["copy", "deepcopy"])
def test_gradients_pass_a_copied_result(duplicate: Any) -> None:
    w = mg.parameter(X)
    mg.sum(duplicate(w * w)).backward()
    np.testing.assert_array_equal(w.grad, 2 * X)
    np.testing.assert_array_equal(mg.grad(lambda x: mg.sum(duplicate(x) * x))(X), 2 * X)
    np.testing.assert_array_equal(mg.jit(mg.grad(lambda x: mg.sum(duplicate(x) * x)))(X), 2 * X)


def test_a_pickle_has_no_history() -> None:
    found = pickled(mg.parameter(X) * 2)
    assert (found.node.args, found.node.tracked) == ((), False)


def test_optimizers_states_and_keys_are_pickled() -> None:
    model, optimizer = LSTM(3, 4, key=0), mg.optim.Adam(mg.optim.Warmup(1e-3, 5), rates={"W_x": 1e-2})
    state = optimizer.init(model)
    assert pickled(optimizer) == optimizer
    assert tree.flatten(pickled(state))[1] == tree.flatten(state)[1]
    key = mg.random.key(7)
    np.testing.assert_array_equal(mg.random.uniform(pickled(key), 4), mg.random.uniform(key, 4))


def test_what_cannot_be_pickled_is_refused_by_name() -> None:
    with pytest.raises(mg.errors.AbstractValueError, match="needs its value"):
        mg.jit(lambda x: pickle.dumps(x))(X)
    graph = mg.trace(lambda x: x * 2, X)
    with pytest.raises(mg.errors.GraphError, match=r"a graph is not pickled\. Pickle the function"):
        pickle.dumps(graph)
    assert copy.deepcopy(graph) is graph


def test_another_process_gets_the_same_model() -> None:
    model, xs = LSTM(3, 4, key=0), np.ones((2, 1, 3), np.float32)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.apply(type(model).__call__, (model, xs))
    np.testing.assert_array_equal(found, model(xs))


def test_a_model_that_was_changed_is_flattened_anew() -> None:
    model = LSTM(3, 4, key=0)
    structure = tree.flatten(model)[1]
    model.extra = 3
    assert tree.flatten(model)[1] != structure
    del model.extra
    assert tree.flatten(model)[1] == structure
    model.b = mg.parameter(np.ones(16))
    assert any(leaf is model.b for leaf in tree.leaves(model))
    assert tree.flatten(copy.deepcopy(model))[1] == structure
