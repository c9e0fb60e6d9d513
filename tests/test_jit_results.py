"""What leaves a compiled function: gradients go through it, parameters stay parameters, and nothing drags a history along."""

import numpy as np
import pytest
from minigrad.models import LSTM

import minigrad as mg
from minigrad import tree

RNG = np.random.default_rng(5)
W, XS = RNG.standard_normal((3, 3)), RNG.standard_normal((4, 2, 3))


def test_a_gradient_goes_through_a_compiled_function():
    fast = mg.jit(lambda w, xs: mg.tanh(xs @ w) ** 2)
    for length in (4, 3):
        got = mg.grad(lambda w, xs: mg.sum(fast(w * 2, xs)))(W, XS[:length])
        expected = mg.grad(lambda w, xs: mg.sum(mg.tanh(xs @ (w * 2)) ** 2))(W, XS[:length])
        np.testing.assert_allclose(got.numpy(), expected.numpy(), rtol=1e-12)


def test_backward_refuses_a_loss_from_a_compiled_function_of_parameters():
    w = mg.parameter(W)
    loss = mg.jit(lambda w: mg.sum(w * w))(w)
    with pytest.raises(mg.errors.GraphError, match="compiled function, which keeps no history"):
        (loss + mg.sum(w)).backward()


def test_parameters_come_back_as_parameters():
    """What the function makes a parameter, what an optimiser makes of one, and an argument that is returned as it is."""
    w, x = mg.parameter(W, name="w"), mg.tensor(XS)
    same = mg.jit(lambda w, x: {"w": w, "x": x, "sum": mg.sum(w)})
    found = same(w, x)
    mg.sum(found["w"] * 2).backward()
    np.testing.assert_array_equal(found["w"].grad, np.full(W.shape, 2.0))
    with pytest.raises(mg.errors.GraphError, match="no parameter"):
        mg.sum(found["x"]).backward()
    with pytest.raises(mg.errors.GraphError, match="keeps no history"):
        found["sum"].backward()
    with pytest.raises(mg.errors.GraphError, match="no parameter"):  # the same program, of an argument that is none
        mg.sum(same(mg.tensor(W), x)["w"]).backward()
    made = mg.jit(lambda x: mg.parameter(2 * x, "float32", name="v"))(XS)
    mg.sum(made).backward()
    assert (made.node.name, made.dtype, made.grad.dtype) == ("v", np.float32, np.float32)
    with pytest.raises(mg.errors.DTypeError, match="it has dtype int64, which has no gradient"):
        mg.jit(mg.parameter)(np.arange(3))


def test_a_trained_model_is_one_of_parameters_step_after_step():
    optimizer = mg.optim.Adam(0.1)

    @mg.jit
    def step(model, state):
        loss, grads = mg.value_and_grad(lambda m: mg.sum(m["w"] ** 2))(model)
        return *optimizer.update(model, grads, state), loss

    model = {"w": mg.parameter(W, name="w")}
    state = optimizer.init(model)
    for _ in range(3):
        model, state, loss = step(model, state)
        mg.sum(model["w"] * 3).backward()
        np.testing.assert_array_equal(model["w"].grad, np.full(W.shape, 3.0))
        with pytest.raises(mg.errors.GraphError, match="keeps no history"):
            loss.backward()
        with pytest.raises(mg.errors.GraphError, match="keeps no history"):
            mg.sum(state.slots["mean"]["w"]).backward()


def test_training_leaves_no_history():
    w, step = W, mg.jit(lambda w: w - 0.1 * mg.grad(lambda v: mg.sum(v * v))(w))
    for _ in range(3):
        w = step(w)
    assert w.node.args == ()
    v = mg.tensor(W)
    for _ in range(3):
        v = v * 0.9 + 0.1
    assert v.node.args == ()


def test_results_have_the_names_of_their_places():
    double = mg.jit(lambda m, x: (mg.tree.map(lambda leaf: leaf * 2, m), {"total": mg.sum(x)}))
    model = LSTM(3, 4, key=0)
    twice, found = double(model, XS)
    assert [leaf.node.name for leaf in tree.leaves(twice)] == [leaf.node.name for leaf in tree.leaves(model)]
    assert found["total"].node.name == "total"
    assert mg.jit(lambda x: (x, x))(XS)[0].node.name is None


def test_a_function_that_computes_nothing_is_compiled_to_nothing():
    fast = mg.jit(lambda x: ())
    assert fast(np.ones(3)) == ()
    assert fast.source == ""
    assert "1 arguments, 0 results" in fast.explain()


def test_the_program_that_is_explained_is_the_newest() -> None:
    fast = mg.jit(lambda x: x * 2)
    assert "nothing compiled" in fast.explain()
    fast(mg.ones(3))
    assert "run-time size" not in fast.explain()
    fast(mg.ones((2, 2)))
    assert fast.graph.params[0].type.ndim == 2
    fast(mg.ones(5))  # of the first kind again: another length is a run-time size
    assert fast.graph.params[0].type.ndim == 1
    assert "run-time size" in fast.explain()


@pytest.mark.parametrize("setting", ["0", "1"])
def test_results_have_memory_of_their_own(monkeypatch: pytest.MonkeyPatch, setting: str) -> None:
    """Also where the interpreter runs the program."""
    monkeypatch.setenv("MINIGRAD_JIT", setting)
    x = XS.copy()
    found = mg.jit(lambda x: (x, x[1:]))(x)
    x[...] = 0
    np.testing.assert_array_equal(found[0], XS)
    np.testing.assert_array_equal(found[1], XS[1:])
