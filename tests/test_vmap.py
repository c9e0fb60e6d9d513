from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
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
