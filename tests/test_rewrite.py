"""Every pass keeps the interpreter's value and leaves a well-typed graph; the ones on loops do what they are for."""

from typing import Any

import numpy as np
import pytest
from minigrad.models import GRU, LSTM, MANN, NTM, RNN

import minigrad as mg
from minigrad import tree
from minigrad.control.scan import SCAN
from minigrad.graph.ir import Graph, check
from minigrad.passes.columns import by_columns
from minigrad.passes.hoist import defer, hoist, sink
from minigrad.passes.loops import drop_unused, merge_loops
from minigrad.passes.parts import join_parts
from minigrad.passes.pipeline import optimize
from minigrad.passes.rewrite import apply_rules
from minigrad.passes.rules import CLEANUP, outer_products, transpose_products
from minigrad.primitives import linalg
from minigrad.tensor import tensor
from minigrad.testing.programs import random_program
from minigrad.transforms import interpret


def cleanup(graph: Graph) -> Graph:
    return apply_rules(graph, CLEANUP)


PASSES = [cleanup, merge_loops, drop_unused, defer, hoist, sink, join_parts, by_columns, transpose_products, outer_products]
RNG = np.random.default_rng(0)
XS = RNG.standard_normal((4, 2, 3))
MODELS = [m(3, 4, outputs=2, dtype="float64") for m in (RNN, LSTM, GRU)] + [
    m(3, 2, hidden=4, memory=(16, 3), dtype="float64") for m in (NTM, MANN)
]


def gradient(f: Any, *args: Any) -> tuple[Graph, list[np.ndarray]]:
    arrays = [np.asarray(tensor(x).numpy()) for x in tree.leaves(args)]
    return mg.trace(mg.value_and_grad(f, tuple(range(len(args)))), *args), arrays


def keeps_its_value(graph: Graph, arrays: list[np.ndarray]) -> None:
    expected = interpret.run(graph, arrays)
    for passes in (*([p] for p in PASSES), PASSES):
        found = graph
        for one in passes:
            found = one(found)
            check(found)
        for got, want in zip(interpret.run(found, arrays), expected, strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-11, atol=1e-11 * (1 + np.abs(want).max(initial=0)))


@pytest.mark.parametrize("seed", range(40))
def test_passes_keep_the_value_and_types_of_random_programs(seed: int) -> None:
    program = random_program(seed)
    keeps_its_value(*gradient(lambda *xs: mg.sum(mg.sin(program(*xs))), *program.inputs()))


@pytest.mark.parametrize("model", MODELS, ids=lambda m: type(m).__name__)
def test_passes_keep_the_value_and_types_of_models(model: Any) -> None:
    keeps_its_value(*gradient(lambda m, xs: mg.sum(m(xs) ** 2), model, XS))


@pytest.mark.parametrize("kwargs", [{"checkpoint": 2}, {"truncate": 3}, {"reverse": True}])
def test_passes_keep_the_value_and_types_of_loops_in_loops(kwargs: dict[str, Any]) -> None:
    keeps_its_value(*gradient(lambda m, xs: mg.sum(m(xs, **kwargs) ** 2), MODELS[1], XS))


@pytest.mark.parametrize("only", PASSES[1:])
def test_a_pass_without_work_returns_the_graph_itself(only: Any) -> None:
    graph = mg.trace(lambda x: mg.cond(mg.sum(x) > 0, lambda x: mg.tanh(x @ x), lambda x: x * x, x), XS[:3, 0])
    assert only(graph) is graph


def loops(graph: Graph) -> list[Any]:
    return [n for n in graph.nodes if n.op is SCAN]


def products(graph: Graph) -> int:
    return sum(n.op is linalg.matmul for n in graph.nodes)


def test_a_gradient_runs_the_forward_loop_once() -> None:
    graph, _ = gradient(lambda m, xs: mg.sum(m(xs) ** 2), MODELS[1], XS)
    assert len(loops(graph)) == 3
    assert len(loops(merge_loops(graph))) == 2


@pytest.mark.parametrize("kwargs", [{}, {"reverse": True}, {"checkpoint": True}])
def test_a_loop_of_one_step_is_its_step(kwargs: dict[str, Any]) -> None:
    def f(w: Any, xs: Any) -> Any:
        last, ys = mg.scan(lambda h, x: (mg.tanh(h * w + x), (h, x * w)), mg.zeros((2, 3), "float64"), xs, **kwargs)
        return mg.sum(last * ys[0] + ys[1] ** 2)

    graph, arrays = gradient(f, RNG.standard_normal(3), XS[:1])
    assert loops(graph)
    assert not loops(cleanup(graph))
    keeps_its_value(graph, arrays)


def test_only_products_with_the_state_stay_in_the_loops() -> None:
    graph, _ = gradient(lambda m, xs: mg.sum(m(xs) ** 2), MODELS[1], XS)
    forward, backward = loops(optimize(graph))
    assert products(forward.attrs["body"]) == 1
    assert products(backward.attrs["body"]) == 1
    assert backward.attrs["carries"] == 2


def test_unused_outputs_and_carries_leave_the_loop() -> None:
    def f(xs: Any) -> Any:
        def step(carry: Any, x: Any) -> Any:
            used, unused = carry
            return (used + x, unused * x), (used * x, x)

        (last, _), (ys, _) = mg.scan(step, (mg.zeros((2, 3), "float64"), mg.ones((2, 3), "float64")), xs)
        return last, ys

    (only,) = loops(drop_unused(mg.trace(f, XS)))
    assert only.attrs["carries"] == 1
    assert len(only.type) == 2


def test_cleanup_is_exact_where_it_says_so() -> None:
    graph = cleanup(mg.trace(lambda x: -(-(x * 1 / 1 - 0)).reshape(3, 2).reshape(2, 3).T.T, np.ones((2, 3))))
    assert [n.op.name for n in graph.nodes] == ["neg"] or not graph.nodes


@pytest.mark.parametrize("op", [mg.add, mg.subtract, mg.multiply, mg.divide, mg.pow])
def test_cleanup_keeps_the_sign_of_zero(op: Any) -> None:
    x = np.array([0.0, -0.0, 1.5, -2.0, np.inf, -np.inf])
    for c in np.array([0.0, -0.0, 1.0, -1.0, 2.0]):
        for f in (lambda x, c=c: op(x, c), lambda x, c=c: op(c, x)):
            (found,) = interpret.run(cleanup(mg.trace(f, x)), [x])
            expected = f(mg.tensor(x)).numpy()
            np.testing.assert_array_equal(found, expected)
            np.testing.assert_array_equal(np.signbit(found), np.signbit(expected))


def test_a_running_total_that_is_also_an_output_stays_in_the_loop() -> None:
    def f(w: Any, xs: Any) -> Any:
        def step(total: Any, x: Any) -> Any:
            total = total + x.T @ x
            return total, total @ w

        return mg.sum(mg.scan(step, mg.zeros((3, 3), "float64"), xs)[1] ** 2)

    keeps_its_value(*gradient(f, RNG.standard_normal((3, 3)), XS))


ROWS, COLUMNS = RNG.standard_normal((4, 2, 3)), RNG.standard_normal((4, 3, 5))


@pytest.mark.parametrize(
    ("shape", "term", "left"),
    [
        ((3, 3), lambda x, y: x.T @ x, 0),
        ((2, 5), lambda x, y: x @ y, 0),
        ((5, 2), lambda x, y: (x @ y).T, 0),
        ((10,), lambda x, y: mg.reshape(x @ y, (10,)), 0),
        ((2, 3), lambda x, y: x, 0),
        ((3, 2), lambda x, y: x.T, 0),
        ((3,), lambda x, y: mg.sum(x, 0), 0),
        ((1, 3), lambda x, y: mg.expand_dims(mg.sum(x, 0), 0), 0),
        ((2, 5), lambda x, y: x @ y + mg.sort(x @ y, -1), 1),
        ((2, 5), lambda x, y: mg.cumsum(x @ y, -1) @ np.eye(5), 1),
    ],
)
def test_running_totals_of_what_is_linear_are_summed_after_the_loop(shape: Any, term: Any, left: int) -> None:
    """`left` carries remain: what is not linear in something stacked is added step by step."""

    def f(x: Any, y: Any) -> Any:
        return mg.scan(lambda total, given: (total + term(*given), ()), mg.zeros(shape, "float64"), (x, y))[0]

    graph = mg.trace(f, ROWS, COLUMNS)
    keeps_its_value(graph, [ROWS, COLUMNS])
    assert sum(n.attrs["carries"] for n in loops(drop_unused(sink(graph)))) == left
    expected = sum(term(mg.tensor(x), mg.tensor(y)).numpy() for x, y in zip(ROWS, COLUMNS, strict=True))
    np.testing.assert_allclose(interpret.run(sink(graph), [ROWS, COLUMNS])[0], expected, rtol=1e-12)


def test_a_product_that_is_only_read_transposed_is_made_so() -> None:
    x, y = RNG.standard_normal((2, 3, 4)), RNG.standard_normal((2, 4, 5))
    graph = transpose_products(mg.trace(lambda x, y: mg.exp((x @ y).mT), x, y))
    (product,) = [n for n in graph.nodes if n.op is linalg.matmul]
    assert product.type.shape == (2, 5, 3)
    assert product is graph.outputs[0].args[0]
    np.testing.assert_allclose(interpret.run(graph, [x, y])[0], np.exp(np.swapaxes(x @ y, 1, 2)), rtol=1e-12)


def test_a_product_that_is_read_both_ways_is_made_once() -> None:
    graph = transpose_products(mg.trace(lambda x: (x @ x, (x @ x).T), RNG.standard_normal((3, 3))))
    assert sum(n.op is linalg.matmul for n in graph.nodes) == 1


def test_what_is_scattered_is_added_to_its_rows_alone() -> None:
    """By a user, and in gradients."""
    graph, _ = gradient(lambda M, v: mg.sum(M[[0, 3]] ** 2 + mg.sin(M.at[[1, 1]].add(v)[[0, 1]])), np.ones((5, 2)), np.ones((2, 2)))
    names = [n.op.name for n in graph.nodes]
    assert (names.count("add_at"), names.count("scatter")) == (2, 1)


def test_a_product_with_one_term_is_elementwise_after_the_sum_over_time_has_left_the_loop() -> None:
    """At a batch of 1 the gradient of a weight is a sum of such products."""
    xs = RNG.standard_normal((4, 1, 3))
    graph, _ = gradient(lambda m, xs: mg.sum(m(xs) ** 2), MODELS[0], mg.tensor(xs))
    assert products(outer_products(sink(graph))) == products(sink(graph))
    outer = outer_products(mg.trace(lambda x, y: mg.sum(x @ y, 0), RNG.standard_normal((2, 3, 1)), RNG.standard_normal((2, 1, 4))))
    assert products(outer) == 0


def recalled(M: Any, keys: Any, rows: Any = None) -> Any:
    """The sum of what a memory holds and of what is read from it, where M holds it before the first step."""

    def step(M: Any, k: Any) -> Any:
        w = mg.softmax(k @ M.mT)
        M = M * (1 - w.mT) + w.mT @ mg.sin(k)
        read = w @ M if rows is None else mg.take(M, rows, 1)
        return M, mg.sum(read**2, -1) + mg.max(mg.sum(M * M, -1), -1, keepdims=True) * mg.sum(M, (1, 2))[:, None]

    M, found = mg.scan(step, mg.broadcast_to(M, (keys.shape[1], *M.shape)), keys)
    return mg.sum(found) + mg.sum(mg.sin(M))


@pytest.mark.parametrize(("memory", "kept"), [((16, 3), (3, 16)), ((5, 3), (5, 3)), ((32, 16), (32, 16)), ((16, 17), (16, 17))])
def test_a_loop_keeps_a_matrix_transposed_if_its_columns_fill_vectors_and_its_rows_do_not(memory: Any, kept: Any) -> None:
    graph, arrays = gradient(recalled, RNG.standard_normal(memory), RNG.standard_normal((4, 2, 1, memory[1])))
    keeps_its_value(graph, arrays)
    found = optimize(graph)
    shapes = {p.type.shape for loop in loops(found) for p in loop.attrs["body"].params if set(memory) <= {*p.type.shape[1:]}}
    assert shapes == {(2, *kept)}
    assert (by_columns(graph) is graph) == (memory == kept)


def test_a_loop_that_takes_rows_of_its_matrix_keeps_the_rows_together() -> None:
    graph = mg.trace(lambda M, keys: recalled(M, keys, [0, 5]), RNG.standard_normal((16, 3)), RNG.standard_normal((4, 2, 1, 3)))
    assert by_columns(graph) is graph


def test_a_loop_whose_matrices_of_all_steps_are_results_keeps_them_as_they_are() -> None:
    """To transpose them all takes as long as the loop gains: so in the two programs of a function and its gradient."""
    graph = mg.trace(lambda M, xs: mg.scan(lambda M, x: (mg.tanh(M * x), M), M, xs), RNG.standard_normal((2, 16, 3)), np.ones(4))
    assert by_columns(graph) is graph


def test_matrices_kept_transposed_are_right_at_sizes_that_coincide_with_theirs() -> None:
    fast, M = mg.jit(mg.value_and_grad(recalled)), mg.parameter(RNG.standard_normal((16, 3)))
    for steps, batch in ((4, 2), (3, 16), (16, 3), (1, 1)):
        keys = RNG.standard_normal((steps, batch, 1, 3))
        for got, want in zip(fast(M, keys), mg.value_and_grad(recalled)(M, keys), strict=True):
            np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-10, atol=1e-12)
    (program,) = [p for found in fast.programs.values() for p in found]
    assert any(p.type.shape[1:] == (3, 16) for loop in loops(program.optimized) for p in loop.attrs["body"].params)
