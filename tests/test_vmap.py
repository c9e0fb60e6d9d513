from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad.errors import AxisError, BoundsError, DTypeError, GraphError, ShapeError
from minigrad.testing import assert_same_graph_value, check_grads, graphs

RNG = np.random.default_rng(0)


def close(a: Any, b: Any) -> None:
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-11, atol=1e-12)


@given(program=graphs(steps=6), data=st.data())
def test_vmap_of_a_random_program_is_a_loop(program: Any, data: Any) -> None:
    size = 3
    axes = [data.draw(st.sampled_from([0, None, -1])) for _ in program.shapes]
    if not any(a is not None for a in axes):
        axes[0] = 0
    xs = [
        x if a is None else np.stack([x * (1 + k / 8) + k / 16 for k in range(size)], a)
        for x, a in zip(program.inputs(), axes, strict=True)
    ]
    found = mg.vmap(program, in_axes=tuple(axes))(*xs)
    each = [program(*(x if a is None else np.asarray(x.take(k, a)) for x, a in zip(xs, axes, strict=True))) for k in range(size)]
    close(found, np.stack([e.numpy() for e in each]))
    assert_same_graph_value(mg.vmap(program, in_axes=tuple(axes)), *xs, rtol=1e-11)


@given(program=graphs(steps=4))
def test_vmap_and_grad_commute(program: Any) -> None:
    xs = [np.stack([x, x + 0.25]) for x in program.inputs()]
    every = tuple(range(len(xs)))
    inner = mg.vmap(mg.grad(lambda *xs: mg.sum(program(*xs)), every))(*xs)
    outer = mg.grad(lambda *xs: mg.sum(mg.vmap(program)(*xs)), every)(*xs)
    for a, b in zip(inner, outer, strict=True):
        close(a, b)


def test_trees_out_axes_and_shared_results() -> None:
    x = RNG.standard_normal((4, 3))
    found = mg.vmap(lambda p, c: {"y": p["x"] * c, "c": c}, in_axes=(0, None), out_axes=1)({"x": x}, np.arange(3.0))
    close(found["y"], (x * np.arange(3.0)).T)
    close(found["c"], np.tile(np.arange(3.0), (4, 1)).T)
    close(mg.vmap(lambda r: mg.sum(r), in_axes=1)(x), x.sum(0))


def test_closures_are_shared() -> None:
    w, x = RNG.standard_normal((3, 2)), RNG.standard_normal((4, 3))
    close(mg.vmap(lambda r: r @ mg.tensor(w))(x), x @ w)
    check_grads(lambda w: mg.vmap(lambda r: mg.tanh(r @ w))(x), w)


def test_a_batch_of_one_matrix_is_one_product() -> None:
    """Shared weights must not be repeated for every row."""
    graph = mg.trace(lambda w, x: mg.vmap(lambda r: mg.expand_dims(r, 0) @ w)(x), np.ones((3, 2)), np.ones((5, 3)))
    assert not any(n.op.name == "broadcast" for n in graph.nodes)


def test_empty_batches() -> None:
    assert mg.vmap(mg.sin)(np.zeros((0, 3))).shape == (0, 3)
    assert mg.hessian(lambda x: mg.sum(x**3))(np.zeros(0)).shape == (0, 0)


# ---- keyword arguments and trees of axes


def test_arguments_by_name_have_the_batch_along_the_first_axis() -> None:
    x, a = RNG.standard_normal((4, 3)), RNG.standard_normal((4, 3))
    close(mg.vmap(lambda x, a, b=1.0: x * a + b)(x, a=a), x * a + 1)
    close(mg.vmap(lambda *, x, a: mg.sum(x * a))(a=a, x=x), (x * a).sum(1))
    close(mg.vmap(lambda x, p: x * p["a"], in_axes=1)(x.T, p={"a": a}), x * a)


@given(data=st.data())
def test_axes_of_trees_are_those_of_their_leaves(data: Any) -> None:
    values = {"a": RNG.standard_normal((2, 2)), "b": [RNG.standard_normal((2, 2)), {"c": RNG.standard_normal((2, 2))}]}
    axis = st.sampled_from([0, 1, -1, None])
    axes = data.draw(
        axis | st.fixed_dictionaries({"a": axis, "b": axis | st.tuples(axis, axis | st.fixed_dictionaries({"c": axis})).map(list)})
    )
    every = mg.tree.spread("axes", axes, mg.tree.flatten(values)[1])
    goal = data.draw(st.sampled_from([0, 1]))

    def f(p: Any, x: Any) -> Any:
        return {"out": p["a"] * x + mg.sum(p["b"][0]) * p["b"][1]["c"], "x": x}

    given = [np.stack([v, v + 1]) if a is None else v for v, a in zip(mg.tree.leaves(values), every, strict=True)]
    shared = mg.tree.unflatten(mg.tree.flatten(values)[1], [v[0] if a is None else v for v, a in zip(given, every, strict=True)])
    found = mg.vmap(f, in_axes=(axes, 0), out_axes={"out": goal, "x": 0})(shared, np.ones(2))
    rows = [[v[0] if a is None else v.take(k, a) for v, a in zip(given, every, strict=True)] for k in range(2)]
    want = [f(mg.tree.unflatten(mg.tree.flatten(values)[1], row), 1.0)["out"] for row in rows]
    close(found["out"], np.stack([w.numpy() for w in want], goal))


def test_axes_by_name_are_those_of_arguments() -> None:
    x, w = RNG.standard_normal((4, 3)), RNG.standard_normal(3)
    for call in (lambda f: f(x, w), lambda f: f(x, w=w), lambda f: f(w=w, x=x)):
        close(call(mg.vmap(lambda x, w: mg.sum(x * w), in_axes={"w": None})), x @ w)
    close(mg.vmap(lambda x, p: x * p["w"], in_axes={"x": 1, "p": {"w": None}})(x.T, p={"w": w}), x * w)


def test_a_module_may_be_shared_or_batched_leaf_by_leaf() -> None:
    class Scale(mg.Module):
        def __init__(self) -> None:
            self.w, self.sizes = mg.parameter(np.arange(3.0)), [1, 2]

    model, x = Scale(), RNG.standard_normal((4, 3))
    close(mg.vmap(lambda m, x: m.w * x, in_axes=(None, 0))(model, x), np.arange(3.0) * x)
    axes = mg.tree.map(lambda _: 0, model)
    close(mg.vmap(lambda m, x: m.w * x, in_axes=(axes, 0))(mg.tree.map(lambda w: mg.stack([w] * 4), model), x), np.arange(3.0) * x)


@pytest.mark.parametrize(
    ("axes", "out", "error", "words"),
    [
        ({"y": 0}, 0, ShapeError, "in_axes names y, but the arguments are d, x"),
        (({"b": 0}, 0), 0, GraphError, r"in_axes: {'b': 0} does not fit dict with \['a'\]"),
        (([0], 0), 0, GraphError, r"in_axes: \[0\] does not fit dict"),
        ((0, [0]), 0, GraphError, r"in_axes: \[0\] does not fit a leaf"),
        (("a", 0), 0, DTypeError, "vmap: axis must be an integer, got 'a'"),
        ((0, 5), 0, AxisError, "axis 5 out of range"),
        (0, [0, 0], GraphError, "out_axes"),
        (0, 3, AxisError, "vmap: axis 3"),
        (0, None, DTypeError, "axis must be an integer"),
        ((0,), 0, ShapeError, "1 entries for 2 arguments"),
    ],
)
def test_axes_that_do_not_fit_are_refused_by_name(axes: Any, out: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        mg.vmap(lambda d, x: d["a"] * x, axes, out)({"a": np.ones((2, 2))}, np.ones((2, 2)))


def test_vjp_jvp_and_checkpoint_take_arguments_by_name_and_trees() -> None:
    x, p = RNG.standard_normal(3), {"w": RNG.standard_normal(3)}

    def f(x: Any, *, p: Any, power: int = 2) -> Any:
        return {"y": x**power * p["w"]}

    out, pull = mg.vjp(f, x, p=p, power=3)
    close(out["y"], x**3 * p["w"])
    close(pull({"y": np.ones(3)})[0], 3 * x**2 * p["w"])
    close(mg.jvp(f, (x,), (np.ones(3),), p=p)[1]["y"], 2 * x * p["w"])
    both = mg.grad(lambda x, p: mg.sum(mg.checkpoint(f)(x, p=p)["y"]), (0, 1))(x, p)
    close(both[0], 2 * x * p["w"])
    close(both[1]["w"], x**2)
    check_grads(lambda x, w: mg.checkpoint(f)(x, p={"w": w})["y"], x, p["w"])


INDEXED: dict[str, Any] = {
    "index": (lambda x, i: x[i], "take"),
    "two indices": (lambda x, i: mg.stack([x, x])[mg.tensor([0, 1]), i], "index"),
    "take": (lambda x, i: mg.take(x, i, axis=0), "take"),
    "the gradient": (mg.grad(lambda x, i: mg.sum(x[i] * x[0])), "take"),
    "of shared rows": (lambda x, i: mg.tensor(np.arange(3.0))[i] * x[0], "take"),
}


@pytest.mark.parametrize("jitted", [False, True], ids=["eager", "jit"])
@pytest.mark.parametrize("name", INDEXED)
def test_an_index_out_of_bounds_in_a_batch_is_named_as_it_was_given(name: str, jitted: bool) -> None:
    f, op = INDEXED[name]
    batched = mg.jit(mg.vmap(f)) if jitted else mg.vmap(f)
    x = mg.tensor(RNG.standard_normal((9, 3)))
    for wrong in (7, 3, -4):
        index = np.tile(np.array([1, 0]), (9, 1)) if name == "two indices" else np.ones(9, "int64")
        good = np.stack([np.asarray(f(x[k], mg.tensor(index[k]))) for k in range(9)])
        close(batched(x, index), good)
        index.flat[5] = wrong
        with pytest.raises(BoundsError, match=rf"{op}: index {wrong} out of bounds for an axis of size 3"):
            batched(x, index)


def test_negative_indices_in_a_batch_count_from_the_end() -> None:
    x, i = RNG.standard_normal((4, 5, 3)), np.array([-1, 0, -5, 4])
    want = np.stack([x[k, i[k]] for k in range(4)])
    for way in (lambda f: f, mg.jit):
        close(way(mg.vmap(lambda x, i: x[i]))(x, i), want)
        close(way(mg.vmap(lambda x, i: mg.take(x, i.astype("int32"), axis=0)))(x, i), want)
