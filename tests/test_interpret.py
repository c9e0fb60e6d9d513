from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given

import minigrad as mg
from minigrad.errors import GraphError, NonFiniteError
from minigrad.graph import ir
from minigrad.graph.dims import Dim, Symbol
from minigrad.graph.types import TensorType
from minigrad.passes.specialize import evaluate_graph, specialize
from minigrad.tensor import abstract
from minigrad.testing import assert_same_graph_value, graphs
from minigrad.transforms.interpret import nan_watch, run
from minigrad.transforms.tracing import trace_on


@given(program=graphs())
def test_the_interpreter_gives_what_eager_execution_gives(program: Any) -> None:
    assert_same_graph_value(program, *program.inputs())
    graph = mg.trace(program, *program.inputs())
    before = [x.copy() for x in program.inputs()]
    xs = program.inputs()
    first = evaluate_graph(graph, xs)
    np.testing.assert_array_equal(first[0], evaluate_graph(graph, xs)[0])
    for x, b in zip(xs, before, strict=True):
        np.testing.assert_array_equal(x, b)


def _watched(f: Any, *args: Any) -> str:
    with pytest.raises(NonFiniteError) as caught:
        run(mg.trace(f, *args), [np.asarray(a) for a in args], watch=nan_watch)
    return str(caught.value)


def test_the_watch_names_op_index_line_and_scope() -> None:
    def f(x: Any) -> Any:
        with mg.scope("head", step=4):
            return mg.sum(mg.log(x))  # the bad line

    message = _watched(f, np.array([1.0, -1.0, 2.0]))
    assert message.startswith("log: nan at index (1,) of float64(3)")
    assert "in the forward pass" in message
    assert "the bad line" in message
    assert "test_interpret.py" in message
    assert "head[4]" in message


def test_the_watch_names_the_gradient_and_the_operation_it_is_of() -> None:
    def f(x: Any) -> Any:
        return mg.grad(lambda x: mg.sum(mg.sqrt(x)))(x)

    message = _watched(f, np.array([4.0, 0.0]))
    assert "div: inf at index (1,)" in message
    assert "in the gradient of sqrt" in message


def test_the_watch_names_the_step_of_the_loop() -> None:
    def f(xs: Any) -> Any:
        return mg.scan(lambda h, x: (h + mg.log(x), h), 0.0, xs)

    assert "at step 2" in _watched(f, np.array([1.0, 2.0, -1.0, 1.0], "float32"))

    def nested(xs: Any) -> Any:
        return mg.scan(lambda h, rows: mg.scan(lambda h, x: (h + mg.log(x), None), h, rows), 0.0, xs)

    assert "at step 1.0" in _watched(nested, np.array([[1.0, 2.0], [-1.0, 1.0]], "float32"))


def test_the_watch_of_the_backward_loop_names_its_step() -> None:
    def f(xs: Any) -> Any:
        return mg.grad(lambda xs: mg.sum(mg.scan(lambda h, x: (h + mg.sqrt(x), None), 0.0, xs)[0]))(xs)

    message = _watched(f, np.array([1.0, 0.0, 4.0], "float32"))
    assert "in the gradient of sqrt" in message
    assert "at step 1" in message


def test_complex_step_enters_a_loop_whose_start_is_constant() -> None:
    def f(x: Any) -> Any:
        return mg.scan(lambda h, x: (h * x + x, h), mg.ones((), "float64"), mg.stack([x, x, x]))[1]

    found = run(mg.trace(f, np.asarray(2.0)), [np.asarray(2.0 + 1e-30j)], complex=True)[0]
    np.testing.assert_allclose(np.imag(found) / 1e-30, [0, 2, 9], rtol=1e-12)


def test_check_refuses_a_wrong_type_a_free_input_and_a_repeated_param() -> None:
    graph = mg.trace(lambda x: mg.sin(x) * x, np.ones(3))
    ir.check(graph)
    with pytest.raises(GraphError, match="stands twice"):
        ir.check(ir.Graph(graph.params * 2, graph.outputs))
    with pytest.raises(GraphError, match="is an input but not a param"):
        ir.check(ir.Graph((), graph.outputs))
    node = graph.outputs[0]
    wrong = ir.Node(node.op, node.args, node.attrs, node.type._replace(dtype=np.dtype("float32")))
    with pytest.raises(GraphError, match="should have type float64"):
        ir.check(ir.Graph(graph.params, (wrong,)))
    early = ir.Node(node.op, node.args, node.attrs, node.type)
    early.id = -1
    with pytest.raises(GraphError, match="before its argument"):
        ir.check(ir.Graph(graph.params, (early,)))


def test_tracing_merges_equal_work_and_keeps_random_and_detach() -> None:
    graph = mg.trace(lambda x: mg.sin(x) * mg.sin(x) + mg.sin(x), np.ones(3))
    assert [n.op.name for n in graph.nodes].count("sin") == 1
    key = mg.random.key(0)
    graph = mg.trace(lambda x: x + mg.random.normal(key, (3,)), mg.zeros(3))
    assert len(graph.nodes) >= 1


def test_graph_text_has_types_scopes_names_and_bodies() -> None:
    def f(W: Any, xs: Any) -> Any:
        with mg.scope("cell"):
            return mg.scan(lambda h, x: (mg.tanh(h @ W + x), h), mg.zeros(2), xs)

    text = str(mg.trace(f, mg.zeros((2, 2)), mg.zeros((3, 2))))
    for part in ("f(W: float32(2, 2), xs: float32(3, 2)):", "scan(W, ", "<lambda>(W: float32(2, 2), carry: float32(2), x: float32(2)):",
                 "tanh(", "# cell", "return", "matmul("):  # fmt: skip
        assert part in text, text
    names = str(mg.trace(lambda p: p["w"] * p["b"] + 2.5, {"w": mg.zeros(2), "b": mg.zeros(2)}))
    assert "p['w']: float32(2)" in names
    assert "2.5" in names


def test_long_graphs_are_elided() -> None:
    def f(x: Any) -> Any:
        for _ in range(500):
            x = mg.sin(x)
        return x

    text = str(mg.trace(f, np.ones(2)))
    assert "… 300 more nodes …" in text
    assert text.count("sin(") == 200


def test_specialize_puts_numbers_for_run_time_sizes_and_keeps_constants() -> None:
    size = Symbol("T", 3)
    known = mg.sin(mg.tensor(np.ones(2)))  # a constant that was itself computed

    def f(x: Any) -> Any:
        return mg.sum(x * known, 0) / x.shape[0]

    _, in_tree = mg.tree.flatten(((0,), {}))
    graph = trace_on(f, [abstract(TensorType((Dim.of(size), 2), np.dtype("float64")))], in_tree, ["x"], "f")
    for n in (3, 5):
        x = np.random.default_rng(n).standard_normal((n, 2))
        ir.check(specialize(graph, {size: n}))
        np.testing.assert_allclose(evaluate_graph(graph, [x])[0], (x * known.numpy()).mean(0), rtol=1e-13)
    with pytest.raises(GraphError, match="does not fit"):
        evaluate_graph(graph, [np.ones((3, 4))])


def test_trace_keeps_trees_and_takes_keywords() -> None:
    graph = mg.trace(lambda a, *, b: {"y": a["x"] + b, "n": 2}, {"x": np.ones(2)}, b=np.ones(2))
    assert [p.name for p in graph.params] == ["a['x']", "b"]
    assert mg.tree.unflatten(graph.out_tree, range(2)) == {"n": 0, "y": 1}
