"""Eager operations: short ways give what the general way gives. Gradients of eager results: their graphs come when asked for."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import pytest
from counting import references_kept
from hypothesis import given
from hypothesis import strategies as st
from shares import examples

import minigrad as mg
from minigrad.graph import nodes
from minigrad.graph.ir import GAP, Graph, Node, ancestors, new_id
from minigrad.graph.nodes import machine_code
from minigrad.graph.structure import structure as graph_key
from minigrad.origin import Origin, place
from minigrad.primitives.rules import each
from minigrad.testing.strategies import graphs
from minigrad.transforms.interpret import run
from minigrad.transforms.straight import straight

RNG = np.random.default_rng(0)
X = RNG.standard_normal((3, 4))
SHAPES: list[tuple[int, ...]] = [(), (1,), (4,), (3, 1), (3, 4), (0, 4), (2, 1, 4)]


def bits(x: Any) -> tuple[Any, ...]:
    array = np.asarray(x)
    return array.dtype, array.shape, array.tobytes()


def structure(node: Node) -> Any:
    return node.op.name, node.attrs, [structure(a) for a in node.args]


def in_a_trace(f: Any, *arrays: np.ndarray) -> Any:
    """f of the arrays, and of their doubles, for which the trace knows what follows from their types."""
    return run(mg.trace(lambda *xs: (f(*xs), f(*[x * 2 for x in xs])), *arrays), arrays)


# ---- operations


@given(st.data())
def test_a_part_is_the_same_by_every_kind_of_index(data: Any) -> None:
    def entry(n: int) -> st.SearchStrategy[Any]:
        bound = st.none() | st.integers(-n - 2, n + 2)
        return st.integers(-n, n - 1) | st.builds(slice, bound, bound)

    def drawn() -> tuple[Any, ...]:
        some = tuple(data.draw(entry(n)) for n in X.shape[: data.draw(st.integers(0, 2))])
        return some + data.draw(st.sampled_from([(), (None,), (...,), (..., None)]))

    x, (index, other) = mg.parameter(X), (drawn(), drawn())
    found = x[index]
    general = x[tuple({int: np.int64, slice: lambda e: slice(e.start, e.stop, 1)}.get(type(e), lambda e: e)(e) for e in index)]
    assert bits(found) == bits(X[index])
    assert structure(found.node) == structure(general.node)
    expected = [bits(a[i]) for a in (X, 2 * X) for i in (index, other)]
    assert list(map(bits, in_a_trace(lambda x: (x[index], x[other]), X))) == expected


def test_an_integer_out_of_bounds_and_a_float_are_no_index_also_after_an_equal_one() -> None:
    x = mg.parameter(X)
    np.testing.assert_array_equal(x[1:3], X[1:3])
    for bad, error in (((3,), IndexError), ((0, -5), IndexError), ((1.0,), TypeError), ((slice(1.0, 3),), TypeError)):
        with pytest.raises(error):
            x[bad]


@pytest.mark.parametrize("number", [0.0, -0.0, 2, 2.5, -1, np.inf, np.nan])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
def test_a_number_beside_a_tensor_is_what_numpy_makes_of_it(number: Any, dtype: str) -> None:
    array = np.array([[-1, 0, 3]], dtype)
    for _ in range(2):  # the second time it is known
        for f in (np.multiply, np.copysign) if dtype != "int32" else (np.multiply,):
            common = np.float32 if dtype == "int32" and isinstance(number, float) else dtype
            expected = f(array.astype(common), np.array(number, common))
            np.testing.assert_array_equal(np.signbit(f(mg.tensor(array), number)), np.signbit(expected))
            assert bits(f(mg.tensor(array), number)) == bits(expected)
            doubled = f(2 * array.astype(common), np.array(number, common))
            assert list(map(bits, in_a_trace(lambda x, f=f: f(x, number), array))) == [bits(expected), bits(doubled)]


def test_a_number_that_does_not_fit_is_refused_also_after_one_that_does() -> None:
    for number, fits in ((1e38, True), (1e39, False), (10**38, True), (10**39, False)):
        if fits:
            mg.ones(3) * number
        else:
            with pytest.raises(mg.errors.RangeError):
                mg.ones(3) * number


@pytest.mark.parametrize("x", SHAPES)
@pytest.mark.parametrize("y", SHAPES)
def test_operands_of_every_pair_of_shapes_broadcast_as_in_numpy(x: tuple[int, ...], y: tuple[int, ...]) -> None:
    a, b = RNG.standard_normal(x), RNG.standard_normal(y[::-1])
    for _ in range(2):  # the second time the pair is known
        try:
            expected = a + b.T
        except ValueError:
            with pytest.raises(mg.errors.ShapeError, match=r"add: shapes .* do not broadcast"):
                mg.parameter(a) + mg.tensor(b).T
        else:
            assert bits(mg.parameter(a) + mg.tensor(b).T) == bits(expected)
            assert list(map(bits, in_a_trace(lambda x, y: x + y.T, a, b))) == [bits(expected), bits(2 * a + 2 * b.T)]


def test_an_origin_is_that_of_the_time_when_the_node_was_made() -> None:
    x = mg.parameter(X)
    with mg.scope("cell", step=3):
        y = (
            mg.tanh(x)
            * 2
        )  # fmt: skip
    z = y + 1
    assert (y.node.origin.scope, y.node.origin.step, z.node.origin.scope) == ("cell[3]", 3, "")
    first = test_an_origin_is_that_of_the_time_when_the_node_was_made.__code__.co_firstlineno
    assert [n.origin.line - first for n in (y.node.args[0], y.node, z.node)] == [4, 4, 7]


NATIVE = machine_code[0]()


def ways(f: Any) -> list[Any]:
    """What f gives where Python makes nodes, and where machine code does."""
    found = []
    for native in (None, NATIVE):
        with mock.patch.object(nodes, "_native", native):
            found.append(f())
    return found


def described(node: Node, seen: dict[Node, int]) -> Any:
    """All that a node is, but for its number."""
    if node in seen:
        return seen[node]
    seen[node] = len(seen)
    value = node.value if isinstance(node.value, tuple) else (node.value,)
    attrs = {k: graph_key(v) if isinstance(v, Graph) else v for k, v in node.attrs.items()}
    known = node.op, attrs, node.type, node.name, node.tracked, node.learned, node.origin, node.signature and node.signature.type
    return known, [(type(v), bits(v), v.flags.writeable) for v in value], [described(a, seen) for a in node.args]


@given(program=graphs(steps=6, inputs=2), trained=st.booleans(), paused=st.booleans())
def test_machine_code_makes_the_nodes_that_python_makes(program: Any, trained: bool, paused: bool) -> None:
    leaves = [(mg.parameter if trained else mg.tensor)(x) for x in program.inputs()]
    with mg.no_grad() if paused else nullcontext(), mg.scope("a", step=2):
        python, native = ways(lambda: described(program(*leaves).node, {leaf.node: i for i, leaf in enumerate(leaves)}))
    assert native == python


def test_what_numpy_raises_comes_through_also_from_machine_code() -> None:
    x = mg.parameter(X)

    def raised(f: Any) -> Any:
        with pytest.raises(Exception) as found:  # noqa: PT011
            f()
        return type(found.value), str(found.value)

    for f in (
        lambda: x + mg.parameter(np.ones((4, 3))),
        lambda: mg.take(x, np.array([9])),
        lambda: mg.zeros((2**30, 1)) + mg.zeros((1, 2**20)),
    ):
        python, native = ways(lambda f=f: raised(f))
        assert native == python


def test_warnings_are_the_users_after_each_operation_of_machine_code() -> None:
    with mock.patch.object(nodes, "_native", NATIVE), np.errstate(all="raise"):
        assert not np.isfinite((mg.parameter(X) / np.zeros(4)).numpy()).any()
        with pytest.raises(FloatingPointError):
            np.ones(1) / np.zeros(1)
    assert mg.concat([mg.parameter(X)] * 9).shape == (27, 4)  # more operands than machine code takes


def test_machine_code_reads_the_fields_of_nodes_alone() -> None:
    x, own, unknown = mg.parameter(X), mg.Primitive("own", lambda x: x, lambda x: x * 1), SimpleNamespace(node=object())
    for native in (None, NATIVE):
        with mock.patch.object(nodes, "_native", native):
            with pytest.raises(AttributeError, match="no attribute 'value'"):
                own(unknown)  # type: ignore[arg-type]
            assert bits(nodes.make(mg.tanh, [x.node], {}).value) == bits(np.tanh(X))  # type: ignore[arg-type]


def test_the_switch_of_compilation_is_that_of_eager_machine_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "_native", None)
    for setting, made in (("0", False), ("1", True)):
        monkeypatch.setenv("MINIGRAD_JIT", setting)
        nodes._use_machine_code()
        assert (nodes._native is not None) == made


def test_an_operation_may_be_the_first_function_of_a_thread() -> None:
    assert place(10**6) == Origin()  # so many frames there are not


def test_no_reference_is_lost_or_kept_by_an_operation() -> None:
    x, y = mg.parameter(X), mg.parameter(X[0])
    objects = [x.node, x.numpy(), y.node, mg.tanh, mg.Tensor, Node, nodes.CONSTANT, nodes.signature(mg.tanh, (x.type,), {}), X.dtype]

    def work() -> None:
        mg.sum(mg.tanh(x) + y)[None].numpy()
        with mg.no_grad():
            mg.tanh(x)
        with pytest.raises(MemoryError):
            mg.zeros((2**30, 1)) + mg.zeros((1, 2**20))

    with mock.patch.object(nodes, "_native", NATIVE):
        assert references_kept(work, objects) == [0] * len(objects)


# ---- gradients


@examples(40)
@given(program=graphs(steps=5, inputs=2))
def test_a_gradient_has_the_bits_of_its_graph(program: Any) -> None:
    leaves = [mg.parameter(x) for x in program.inputs()]
    loss = mg.sum(program(*leaves))
    if not any(n.op.name == "parameter" for n in ancestors([loss.node])):
        return
    loss.backward()
    for leaf in leaves:
        if leaf.grad is not None and leaf.grad.node.tracked:
            (made,) = leaf.grad.node.args
            assert bits(leaf.grad) == bits(made.value)
            below = ancestors([leaf.grad.node])
            assert all(a.id < n.id for n in below for a in n.args)
            assert len({n.id for n in below}) == len(below)


def test_a_gradient_of_rows_and_of_the_whole_has_the_bits_of_its_graph() -> None:
    b = mg.parameter(np.random.default_rng(0).standard_normal((1, 50)))
    mg.sum(mg.tanh(b[[0, 0, 0]]) + mg.sum(mg.sin(b))).backward()
    assert b.grad is not None
    assert bits(b.grad) == bits(b.grad.node.args[0].value)


def test_the_graph_of_a_gradient_is_built_when_it_is_asked_for() -> None:
    w = mg.parameter(X)
    loss = mg.sum(mg.tanh(w * w))
    for _ in range(20):
        loss = loss + mg.sum(mg.sin(w))

    loss.backward()  # once the rules are known
    start = new_id()
    loss.backward()
    assert (new_id() - start) / GAP <= 6  # the gradient, the cotangent of the loss, and the numbers of a graph that may be built
    assert w.grad is not None
    assert len(w.grad.node.args) == 1
    assert (new_id() - start) / GAP > 40


def test_gradients_of_gradients_of_backward_are_those_of_grad() -> None:
    def f(w: mg.Tensor) -> mg.Tensor:
        return mg.sum(mg.tanh(w @ w.T) * mg.exp(w[0, 0]))

    w = mg.parameter(X)
    f(w).backward()
    first = w.grad
    assert first is not None
    mg.sum(first * first).backward()
    expected = mg.grad(lambda w: mg.sum(mg.grad(f)(w) ** 2))(X)
    np.testing.assert_allclose(w.grad, expected, rtol=1e-12)
    mg.sum(first * w.grad).backward()
    np.testing.assert_allclose(
        w.grad, mg.grad(lambda w: mg.sum(mg.grad(f)(w) * mg.grad(lambda w: mg.sum(mg.grad(f)(w) ** 2))(w)))(X), rtol=1e-10
    )


def test_the_graph_of_a_gradient_is_the_same_inside_a_trace_and_inside_no_grad() -> None:
    w = mg.parameter(X)
    mg.sum(w**3).backward()
    gradient = w.grad
    assert gradient is not None
    with mg.no_grad():
        assert len(gradient.node.args) == 1
    other = mg.parameter(X)
    mg.sum(other**3).backward()
    inside = mg.trace(lambda x: x * other.grad, X)
    np.testing.assert_allclose(run(inside, [X])[0], X * 3 * X**2)
    assert structure(other.grad.node) == structure(gradient.node)


def test_a_rule_of_a_user_is_called_each_time_with_values() -> None:
    slopes = {True: 2.0, False: 3.0}
    rules = [
        lambda cts, out, args, needs: [cts[0] * slopes[bool(args[0].numpy()[0] > 0)]],
        each(lambda ct, out, x: ct * slopes[bool(x.numpy()[0] > 0)]),
    ]
    for rule in rules:
        op = mg.Primitive("looking", lambda x: x, lambda x: x * 1, vjp=rule)
        for slopes[True] in (2.0, 4.0):
            for sign in (1.0, -1.0):
                w = mg.parameter([sign])
                mg.sum(op(w)).backward()
                assert w.grad is not None
                assert w.grad.tolist() == [slopes[sign > 0]]


def test_an_operation_without_a_gradient_is_named_with_its_line() -> None:
    w = mg.parameter(X)
    op = mg.Primitive("opaque", lambda x: x, lambda x: x)
    loss = mg.sum(op(w * 2))
    with pytest.raises(mg.errors.DTypeError, match="opaque: has no gradient"):
        loss.backward()


@given(program=graphs(steps=6))
def test_straight_line_code_has_the_bits_of_the_interpreter(program: Any) -> None:
    xs = program.inputs()
    graph = mg.trace(program, *xs)
    with np.errstate(all="ignore"):
        found = straight(graph)(*xs)
    for a, b in zip(found, run(graph, xs), strict=True):
        assert bits(a) == bits(b)
