"""Steps that a Python loop wrote out become a loop again: with the same value to the last bit, the same gradient, and in compiled code."""

from __future__ import annotations

from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minigrad.models import NTM
from shares import examples, shared

import minigrad as mg
from minigrad import tree
from minigrad.control.scan import SCAN
from minigrad.graph.ir import Graph, check
from minigrad.passes.pipeline import size
from minigrad.passes.specialize import evaluate_graph
from minigrad.testing.programs import random_program
from minigrad.transforms import tracing
from tests import counting
from tests.loop_programs import loop_programs
from tests.loops import MEMORY, NETWORKS, B, N, cell, drawn, growing_attention, over, start, weights

FLAT = [n for n in NETWORKS if n != "own_arguments"]  # whose graph as a loop is of the same size for any number of steps


def arrays_of(args: Any) -> list[np.ndarray]:
    return [np.asarray(mg.tensor(a).numpy()) for a in tree.leaves((args, {}))]


def lengths(graph: Graph) -> list[Any]:
    return [n.attrs["length"] for n in graph.nodes if n.op is SCAN]


def keeps_every_bit(f: Any, args: Any) -> Graph:
    graph = mg.trace(f, *args)
    found = mg.reroll(graph)
    check(found)
    for got, want in zip(evaluate_graph(found, arrays_of(args)), evaluate_graph(graph, arrays_of(args)), strict=True):
        np.testing.assert_array_equal(got, want)
    return found


@pytest.fixture
def without_reroll(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Calls a function in which no loops are found."""

    def call(f: Any) -> Any:
        with monkeypatch.context() as patch:
            patch.setitem(tracing.loop_finder, "reroll", lambda outputs, *_: list(outputs))
            return f()

    return call


# ---- the graph


@pytest.mark.parametrize(("name", "steps"), shared(product(NETWORKS, (1, 2, 3, 5, 9))))
def test_the_value_stays_the_same_to_the_last_bit(name: str, steps: int) -> None:
    keeps_every_bit(*NETWORKS[name](max(steps, 2)))


@pytest.mark.parametrize("name", shared(FLAT, 1))
def test_the_graph_does_not_grow_with_the_number_of_steps(name: str) -> None:
    small, large = (mg.reroll(mg.trace(*_call(NETWORKS[name](steps)))) for steps in (20, 26))
    assert lengths(large)
    assert size(small) == size(large)


def _call(made: Any) -> Any:
    f, args = made
    return (f, *args)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(data=st.data())
@examples(15)
def test_random_loops_keep_every_bit(dtype: str, data: st.DataObject) -> None:
    f, args = data.draw(loop_programs(dtype))
    keeps_every_bit(f, args)


@pytest.mark.parametrize("seed", range(20))
def test_programs_without_loops_are_left_alone(seed: int) -> None:
    program = random_program(seed)
    graph = mg.trace(program, *program.inputs())
    assert str(mg.reroll(graph)) == str(mg.reroll(mg.reroll(graph)))
    assert not set(lengths(mg.reroll(graph))) - set(lengths(graph))


def test_attention_that_grows_is_left_alone() -> None:
    f, args = growing_attention(12)
    found = keeps_every_bit(f, args)
    assert not lengths(found)
    assert size(found) == size(mg.trace(f, *args))


@pytest.mark.parametrize("name", ["lstm", "gru", "ntm", "mann", "dnc"])
def test_an_unrolled_loop_becomes_the_loop_again(name: str) -> None:
    _, (model, xs, _) = NETWORKS[name](8)
    graph = mg.trace(lambda m, xs: m(xs), model, xs)
    again = mg.reroll(mg.unroll(graph))
    (loop,), (found,) = ([n for n in g.nodes if n.op is SCAN] for g in (graph, again))
    assert (found.attrs["length"], found.attrs["reverse"], found.attrs["body"].name) == (8, False, loop.attrs["body"].name)
    assert len(again.nodes) <= len(graph.nodes) + 12
    for got, want in zip(evaluate_graph(again, arrays_of((model, xs))), evaluate_graph(graph, arrays_of((model, xs))), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-13)


def test_a_loop_in_a_loop_is_a_loop_unless_it_is_short() -> None:
    f, args = NETWORKS["loop_in_a_loop"](6)
    (loop,) = [n for n in mg.reroll(mg.trace(f, *args)).nodes if n.op is SCAN]
    assert lengths(loop.attrs["body"]) == [20]
    model = NTM(N, 2, read_heads=4, write_heads=4, **MEMORY)
    assert not lengths(mg.reroll(mg.trace(lambda m, xs: m(xs), model, drawn(1, 6, B, N))).bodies[0])


def test_a_loop_that_goes_backwards_is_a_scan_in_reverse() -> None:
    def f(p: Any, xs: Any) -> Any:
        h = start()
        for t in reversed(range(8)):
            h = cell(p, xs[t], h)
        return h

    (loop,) = [n for n in keeps_every_bit(f, (weights("W", "U"), drawn(1, 8, B, N))).nodes if n.op is SCAN]
    assert loop.attrs["reverse"]


def test_steps_have_the_name_of_their_scope() -> None:
    def f(p: Any, xs: Any) -> Any:
        h = start()
        for t in range(8):
            with mg.scope("encoder", step=t), mg.scope("cell"):
                h = cell(p, xs[t], h)
        return h

    (loop,) = [n for n in mg.reroll(mg.trace(f, weights("W", "U"), drawn(1, 8, B, N))).nodes if n.op is SCAN]
    body = loop.attrs["body"]
    assert body.name == "encoder"
    assert {n.origin.scope for n in body.nodes if n.op.name == "matmul"} == {"cell"}


def test_what_a_step_gives_is_used_after_the_loop() -> None:
    """Single values of some steps, of the last two, and all of them."""

    def f(p: Any, xs: Any) -> Any:
        hs = [start()]
        for t in range(9):
            hs.append(cell(p, xs[t], hs[-1]))
        return hs[3], hs[-2], mg.stack(hs[1:], 1), hs[-1] @ hs[4].T

    assert lengths(keeps_every_bit(f, (weights("W", "U"), drawn(1, 9, B, N)))) == [9]


def test_steps_may_take_more_from_outside_than_there_are_operations() -> None:
    def f(xs: Any) -> Any:
        return sum(xs, mg.zeros((), "float64"))

    keeps_every_bit(f, ([drawn(i, N) for i in range(30)],))
    keeps_every_bit(lambda xs: [mg.where(a > b, a, b) for a, b in pairwise(xs)], (list(drawn(0, 40, N)),))


def test_weights_too_large_to_stack_stay_apart() -> None:
    large = [mg.tensor(drawn(i, 96, 96)) for i in range(6)]

    def f(ws: Any, x: Any) -> Any:
        for w in ws:
            x = mg.tanh(x @ w) + x * x - 1
        return x

    assert not lengths(keeps_every_bit(f, (large, drawn(0, 2, 96))))


def test_elementwise_work_on_separate_arrays_stays_apart() -> None:
    """An optimiser's: a loop would only copy the arrays to stack them. Steps that follow from each other are a loop all the same."""
    ws, gs, ms, vs = ([drawn(i + k, N) for i in range(8)] for k in (0, 8, 16, 24))

    def adam(*args: Any) -> Any:
        found = []
        for w, g, m, v in zip(*args, strict=True):
            m, v = 0.9 * m + 0.1 * g, 0.999 * mg.abs(v) + 0.001 * (g * g)
            found += [w - 0.01 * (m / 0.19) / (mg.sqrt(v / 0.002) + 1e-8), m, v]
        return found

    def chain(ws: Any, x: Any) -> Any:
        for w in ws:
            x = mg.tanh(x * w + 0.5) * 2 - x
        return x

    assert "concat" not in {n.op.name for n in keeps_every_bit(adam, (ws, gs, ms, vs)).nodes}
    assert lengths(keeps_every_bit(chain, (ws, gs[0])))


def test_a_slice_out_of_step_breaks_the_loop_and_no_value() -> None:
    """Every x but one comes in order."""

    def f(p: Any, xs: Any) -> Any:
        h = start()
        for t in range(16):
            h = cell(p, xs[3 if t == 9 else t], h)
        return h

    found = keeps_every_bit(f, (weights("W", "U"), drawn(1, 16, B, N)))
    assert sorted(lengths(found)) == [6, 9]


# ---- gradients


@pytest.mark.parametrize("name", shared(NETWORKS, 2))
def test_the_gradient_is_that_of_the_written_out_steps(name: str, without_reroll: Any) -> None:
    f, args = NETWORKS[name](6)
    floats = tuple(i for i, a in enumerate(args) if all(mg.tensor(x).type.is_float for x in tree.leaves(a)))
    both = mg.value_and_grad(f, floats)
    want = evaluate_graph(without_reroll(lambda: mg.trace(both, *args)), arrays_of(args))
    graph = mg.trace(both, *args)
    check(graph)
    got = evaluate_graph(graph, arrays_of(args))
    assert got[0] == want[0]
    for g, w in zip(got, want, strict=True):
        np.testing.assert_allclose(g, w, rtol=1e-9, atol=1e-12 * max(1, np.abs(w).max()))


def test_second_derivatives(without_reroll: Any) -> None:
    f, args = NETWORKS["list_of_losses"](8)

    def size_of_gradient(p: Any, xs: Any, ys: Any) -> Any:
        return sum(mg.sum(g * g) for g in tree.leaves(mg.grad(f)(p, xs, ys)))

    twice = mg.grad(size_of_gradient)
    want = evaluate_graph(without_reroll(lambda: mg.trace(twice, *args)), arrays_of(args))
    for g, w in zip(evaluate_graph(mg.trace(twice, *args), arrays_of(args)), want, strict=True):
        np.testing.assert_allclose(g, w, rtol=1e-9, atol=1e-12)


# ---- compiled


@pytest.mark.parametrize("name", ["lstm", "loop_in_a_loop", "dropout_keys"])
def test_compiled_gradients_of_loops(name: str) -> None:
    f, args = NETWORKS[name](6)
    fast = mg.jit(mg.value_and_grad(f))
    got, want = fast(*args), mg.value_and_grad(f)(*args)
    assert "loop found: 6 steps" in fast.explain()
    for g, w in zip(tree.leaves(got), tree.leaves(want), strict=True):
        np.testing.assert_allclose(g.numpy(), w.numpy(), rtol=1e-9, atol=1e-12)


def test_a_program_of_a_loop_serves_every_batch_and_the_number_of_steps_is_literal() -> None:
    def f(p: Any, xs: Any) -> Any:
        h = mg.zeros((xs.shape[1], N), "float64")
        for x in xs:
            h = cell(p, x, h)
        return mg.sum(h * h)

    fast, p = mg.jit(f), weights("W", "U")
    for steps, batch in ((6, 2), (6, 5), (8, 2)):
        xs = drawn(1, steps, batch, N)
        np.testing.assert_allclose(fast(p, xs).numpy(), f(p, mg.tensor(xs)).numpy(), rtol=1e-12)
    assert sum(map(len, fast.programs.values())) == 2
    assert "loop found: 8 steps" in fast.explain()


def test_a_function_without_a_gradient_compiles_as_a_loop_and_keeps_its_history() -> None:
    p, xs = {n: mg.parameter(drawn(ord(n), N, N)) for n in "WU"}, drawn(1, 7, B, N)

    def f(p: Any, xs: Any) -> Any:
        h = start()
        for t in range(7):
            h = cell(p, xs[t], h)
        return mg.sum(h * h)

    fast = mg.jit(f)
    gradient = mg.grad(fast)(p, xs)
    assert lengths(fast.graph) == [7]
    for n in "WU":
        np.testing.assert_allclose(gradient[n].numpy(), mg.grad(f)(p, xs)[n].numpy(), rtol=1e-9)


def test_explain_tells_what_broke_the_loop() -> None:
    def f(p: Any, xs: Any) -> Any:
        h = start()
        for t in range(16):
            h = cell(p, xs[t], h)
            if t == 7:
                h = mg.sin(h)  # here
        return mg.sum(h)

    fast = mg.jit(f)
    fast(weights("W", "U"), drawn(1, 16, B, N))
    assert "loop broken, in parts of 8 and 8 steps, by sin at test_reroll.py" in fast.explain()
    assert "h = mg.sin(h)  # here" in fast.explain()


def test_explain_tells_why_steps_are_no_loop() -> None:
    large = [mg.tensor(drawn(i, 96, 96)) for i in range(6)]

    def f(ws: Any, x: Any) -> Any:
        for w in ws:
            x = mg.tanh(x @ w) + x * x - 1
        return x

    fast = mg.jit(f)
    fast(large, drawn(0, 2, 96))
    assert "stand there 6 times, but argument 1 of matmul is a separate array at each step" in fast.explain()


def test_parameters_and_names_of_results_are_kept() -> None:
    def f(p: Any, xs: Any) -> Any:
        h = start()
        for t in range(7):
            h = cell(p, xs[t], h)
        return {"state": mg.parameter(h, name="state"), "again": h}

    out = mg.jit(f)(weights("W", "U"), drawn(1, 7, B, N))
    mg.sum(out["state"] * 2.0).backward()
    np.testing.assert_array_equal(out["state"].grad.numpy(), np.full((B, N), 2.0))
    assert out["again"].grad is None
    assert out["state"].name == "state"


# ---- the cost


def test_the_search_takes_time_in_proportion_to_the_steps() -> None:
    def work(steps: int) -> int:
        f, args = over(NETWORKS["gru"](1)[1][0], N, 2, True)(steps)
        graph = mg.trace(f, *args)
        return counting.calls(lambda: mg.reroll(graph))

    few, many = work(20), work(80)
    assert many < 4.4 * few


def test_a_step_more_is_soon_traced() -> None:
    def traced(steps: int) -> tuple[int, int]:
        f, args = over(NETWORKS["gru"](1)[1][0], N, 2, True)(steps)
        return counting.calls(lambda: mg.trace(f, *args)), len(mg.trace(f, *args).nodes)

    (few, short), (many, long) = traced(4), traced(12)
    assert many - few < 60 * (long - short)


def test_a_search_in_vain_is_cheap_beside_the_trace() -> None:
    """Six calls of functions for each node, where the trace makes about eighty (76 from Python 3.12 on, which inlines comprehensions)."""
    f, args = growing_attention(24)
    graph = mg.trace(f, *args)
    leaves, nodes = set(graph.params), len(graph.nodes)
    assert counting.calls(lambda: mg.trace(f, *args)) > 70 * nodes
    assert counting.calls(lambda: tracing.loop_finder["reroll"](list(graph.outputs), leaves)) < 6.4 * nodes
