"""Compiled programs equal the interpreter, one program serves every batch size and length, and nothing is silently wrong."""

import importlib
import warnings

import numpy as np
import pytest
from minigrad.models import GRU, LSTM, MANN, NTM, RNN, DeltaNet
from shares import shared

import minigrad as mg
from minigrad import tree
from minigrad.compiler import run_python
from minigrad.compiler.lower.program import lower
from minigrad.graph.ir import check
from minigrad.passes.pipeline import optimize
from minigrad.table import TABLE
from minigrad.tensor import tensor
from minigrad.transforms import interpret

SHAPES = ((2, 3), (), (0, 3), (2, 1, 5), (1, 1))


def cases():
    for name, op in TABLE.items():
        examples = op.examples or ([((s,) * len(op.domain), {}) for s in SHAPES] if op.elementwise else [])
        for i, (shapes, attrs) in enumerate(examples):
            yield pytest.param(op, shapes, attrs, id=f"{name}-{i}")


def arguments(op, shapes, rng):
    def draw(i, shape):
        return shape if isinstance(shape, np.ndarray) else rng.uniform(*op.domain[min(i, len(op.domain) - 1)], shape)

    args = [np.asarray(draw(i, s)) for i, s in enumerate(shapes)]
    return [args[0] > 0, *args[1:]] if op.name == "where" else args


def sum_of_squares(outputs):
    return sum(mg.sum(o * o) for o in tree.leaves(outputs))


@pytest.mark.parametrize(("op", "shapes", "attrs"), shared(cases()))
def test_every_primitive_compiles_to_its_numpy_rule(op, shapes, attrs):
    args = arguments(op, shapes, np.random.default_rng(0))

    def f(*xs):
        return op(*map(tensor, xs), **attrs)

    compiled = mg.jit(f)
    expected, got = f(*args).numpy(), compiled(*args).numpy()
    assert got.dtype == expected.dtype
    np.testing.assert_allclose(got, expected, rtol=1e-13, atol=1e-14, strict=True)
    assert compiled.source


@pytest.mark.parametrize(("op", "shapes", "attrs"), shared((c for c in cases() if c.values[0].vjp), 1))
def test_every_gradient_compiles(op, shapes, attrs):
    rng = np.random.default_rng(1)
    args = arguments(op, shapes, rng)
    floats = tuple(i for i, a in enumerate(args) if a.dtype.kind == "f")
    out = op(*map(tensor, args), **attrs)
    if not floats or not out.type.is_float:
        return
    ct = rng.standard_normal(out.shape)
    gradient = mg.grad(lambda *xs: mg.sum(op(*map(tensor, xs), **attrs) * ct), floats)
    for got, expected in zip(mg.jit(gradient)(*args), gradient(*args), strict=True):
        np.testing.assert_allclose(got.numpy(), expected.numpy(), rtol=1e-12, atol=1e-13, strict=True)


def three_legs(f, *args, rtol=1e-12):
    """Interpreter, the printed source run by Python, and native code agree; so do the passes."""
    graph = mg.trace(f, *args)
    arrays = [np.asarray(tensor(x).numpy(), order="C") for x in tree.leaves(args)]
    expected = interpret.run(graph, arrays)
    optimized = optimize(graph)
    check(optimized)
    lowered = lower(optimized, split=False)
    function = lowered.phases[0]
    given = dict(zip([b.name for b in function.inputs], [*arrays, *lowered.constants], strict=True))
    outs = {b.name: np.empty(o.type.shape, o.type.dtype) for b, o in zip(function.outputs, graph.outputs, strict=True)}
    assert run_python(function, given | outs, {}) == (0, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        native = tree.leaves(mg.jit(f)(*args))
    for want, passed, source, fast in zip(expected, interpret.run(optimized, arrays), outs.values(), native, strict=True):
        for got in (passed, source, fast.numpy()):
            np.testing.assert_allclose(got, want, rtol=rtol, atol=rtol)


RNG = np.random.default_rng(2)
XS, W = RNG.standard_normal((4, 2, 3)), RNG.standard_normal((3, 3))


def recurrent(w, xs, **kwargs):
    def step(h, x):
        h = mg.tanh(x @ w + h @ w * 0.5)
        return h, h

    last, hs = mg.scan(step, mg.zeros((2, 3), "float64"), xs, **kwargs)
    return mg.sum(hs**3) + mg.sum(last)


@pytest.mark.parametrize("kwargs", [{}, {"reverse": True}, {"checkpoint": 2}, {"truncate": 3}, {"reverse": True, "checkpoint": 3}])
def test_a_loop_and_its_gradient_agree_on_three_legs(kwargs):
    three_legs(mg.value_and_grad(lambda w, xs: recurrent(w, xs, **kwargs), (0, 1)), W, XS)


def test_second_gradients_agree_on_three_legs():
    three_legs(mg.grad(lambda w: mg.sum(mg.grad(lambda v: recurrent(v, XS))(w) * W)), W, rtol=1e-11)


def test_nested_loops_integer_carries_and_branches_agree_on_three_legs():
    def f(w, xs):
        def inner(c, row):
            total, n = c
            total = mg.cond(n < 2, lambda t: mg.tanh(t + row @ w), lambda t: t * 0.5, total)
            return (total, n + 1), n

        def outer(h, x):
            (h, n), ns = mg.scan(inner, (h, mg.tensor(0)), mg.stack([x, x * 2, x + 1]))
            return h, (h[0], ns, n)

        h, (tops, ns, n) = mg.scan(outer, mg.zeros((2, 3), "float64"), xs)
        return mg.sum(h**2) + mg.sum(tops) + mg.sum(ns * n[:, None])

    three_legs(mg.value_and_grad(f, (0, 1)), W, XS)


def test_zero_and_one_steps_compile():
    for n in (0, 1):
        three_legs(mg.value_and_grad(recurrent), W, XS[:n])


MODELS = [
    RNN(3, 4, outputs=2, key=0),
    LSTM(3, 4, outputs=2, key=0),
    GRU(3, 4, outputs=2, key=0),
    NTM(inputs=3, outputs=2, controller="lstm", hidden=5, memory=(6, 4), key=0),
    NTM(inputs=3, outputs=2, controller="ff", hidden=5, memory=(6, 4), key=0),
    MANN(inputs=3, outputs=2, hidden=5, memory=(6, 4), key=0),
    DeltaNet(3, 4, outputs=2, key=0),
]


@pytest.mark.parametrize("model", shared(MODELS), ids=lambda m: type(m).__name__)
def test_models_and_their_gradients_agree_on_three_legs(model):
    model = tree.map(lambda p: p.astype("float64"), model)
    three_legs(mg.value_and_grad(lambda m, xs: sum_of_squares(m(xs))), model, XS, rtol=1e-10)


def test_a_new_batch_size_or_length_takes_the_same_program():
    model = LSTM(3, 4, outputs=2, key=0)
    fast = mg.jit(mg.value_and_grad(lambda m, xs: sum_of_squares(m(xs))))
    for batch in (1, 4, 2):
        for length in range(1, 21):
            xs = RNG.standard_normal((length, batch, 3)).astype("float32")
            got = tree.leaves(fast(model, xs))
            expected = tree.leaves(mg.value_and_grad(lambda m, xs: sum_of_squares(m(xs)))(model, xs))
            for a, b in zip(got, expected, strict=True):
                np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=2e-4, atol=2e-4)
    assert sum(map(len, fast.programs.values())) == 1


@pytest.mark.parametrize("model", shared(MODELS, 1), ids=lambda m: type(m).__name__)
def test_a_batch_split_over_threads_equals_its_rows_and_repeats_its_bits(model, monkeypatch):
    fast = mg.jit(lambda m, xs: m(xs))
    xs = RNG.standard_normal((5, 19, 3)).astype("float32")
    whole = fast(model, xs).numpy()
    for row in range(19):
        np.testing.assert_allclose(whole[:, row : row + 1], fast(model, xs[:, row : row + 1]).numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(whole, fast(model, xs).numpy())
    monkeypatch.setenv("MINIGRAD_THREADS", "1")
    monkeypatch.setattr("minigrad.compiler.runtime.executable.submit", lambda job: pytest.fail("a second thread"))
    np.testing.assert_array_equal(whole, fast(model, xs).numpy())


@pytest.mark.parametrize("model", shared(MODELS, 2), ids=lambda m: type(m).__name__)
def test_the_machine_code_does_not_depend_on_the_sizes_seen_first(model):
    def code(*shape):
        fast = mg.jit(mg.value_and_grad(lambda m, xs: sum_of_squares(m(xs))))
        fast(model, np.ones((*shape, 3), "float32"))
        (program,) = fast._newest()
        return [kernel.code for kernel in program.executable.kernels]

    assert code(2, 3) == code(100, 200)


def test_python_that_depends_on_a_size_gets_a_program_of_its_own():
    def f(x):
        return mg.sum(x) if x.shape[0] > 2 else mg.sum(x) * 10

    fast = mg.jit(f)
    assert [fast(np.ones(n)).item() for n in (1, 2, 3, 4)] == [10, 20, 3, 4]
    assert sum(map(len, fast.programs.values())) == 2


def test_a_size_asked_for_its_number_becomes_literal():
    fast = mg.jit(lambda x: sum(x[i] * i for i in range(x.shape[0])))
    assert [fast(np.ones(n)).item() for n in (2, 3, 3)] == [1, 3, 3]


def test_axes_of_tensors_become_run_time_sizes_once_they_change():
    fast = mg.jit(lambda x: mg.sum(x * x))
    for n in (3, 4, 5, 6, 7):
        assert fast(mg.ones(n)).item() == n
    assert sum(map(len, fast.programs.values())) == 2


def test_equal_axes_may_differ_later():
    fast = mg.jit(lambda x, y: mg.sum(x) + mg.sum(y))
    assert fast(np.ones(3), np.ones(3)).item() == 6
    assert fast(np.ones(3), np.ones(5)).item() == 8


def test_an_axis_of_one_broadcasts_only_where_it_is_one():
    fast = mg.jit(lambda x, y: x + y)
    for n in (4, 1, 4, 1):
        assert fast(np.ones((n, 3)), np.ones((4, 3))).shape == (4, 3)


def test_an_axis_that_must_be_one_less_than_another_becomes_literal():
    f = mg.jit(lambda x, z: x / mg.min(z[:, 1:], -1))
    for n in (3, 4):
        x, z = np.ones((1, 3, n - 1)), np.arange(1.0, 2 * n + 1).reshape(1, n, 2)
        np.testing.assert_array_equal(f(x, z), x / z[:, 1:].min(-1))


def test_a_cotangent_of_literal_shape_makes_the_size_literal():
    f = mg.jit(lambda x: mg.vjp(mg.square, x)[1](np.ones(3))[0])
    np.testing.assert_array_equal(f(np.arange(3.0)), 2 * np.arange(3.0))


def test_empty_axes_run():
    fast = mg.jit(lambda x: mg.sum(x * 2, axis=0))
    assert fast(np.ones((2, 3))).tolist() == [4, 4, 4]
    assert fast(np.ones((0, 3))).tolist() == [0, 0, 0]


def test_an_index_out_of_bounds_in_compiled_code_names_the_op_the_size_and_the_line():
    fast = mg.jit(lambda x, i: mg.take(x, i))
    assert fast(np.arange(3.0), np.array([-1])).tolist() == [2]
    for n in (3, 5):  # a run-time size
        with pytest.raises(IndexError, match=rf"take: index 7 out of bounds for an axis of size {n}\n[\s\S]*test_jit.py"):
            fast(np.arange(float(n)), np.array([0, 7]))


def test_an_error_inside_says_what_its_run_time_sizes_are():
    with pytest.raises(mg.errors.ShapeError, match="axis 1 is n0_1 vs n1_0") as caught:
        mg.jit(lambda x, w: x + w["b"])(np.ones((3, 5)), {"b": np.ones(4)})
    lines = str(caught.value).splitlines()[2:]
    assert lines == ["  where n0_0 = 3, axis 0 of x", "  where n0_1 = 5, axis 1 of x", "  where n1_0 = 4, axis 0 of w['b']"]
    with pytest.raises(mg.errors.ShapeError, match=r"\(2, 3\) and \(4,\)") as caught:
        mg.jit(lambda x: mg.ones((2, 3)) + mg.ones(4) + x)(np.ones(3))
    assert "where" not in str(caught.value)  # none is named


def test_what_is_kept_of_each_length_is_bounded():
    fast = mg.jit(lambda x: mg.sum(x * 2))
    for n in range(1, 400):
        assert float(fast(np.ones(n))) == 2 * n
    (program,) = next(iter(fast.programs.values()))
    assert len(program.executable.arenas) <= 5
    assert program.executable.known.cache_info().currsize < 300


def test_what_cannot_be_compiled_runs_in_the_interpreter_with_one_warning():
    fast = mg.jit(lambda x: x @ x)
    x = RNG.integers(0, 9, (3, 3))
    with pytest.warns(mg.CompileWarning, match="matmul of int64"):
        np.testing.assert_array_equal(fast(x).numpy(), x @ x)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fast(x)


def test_sorting_along_any_axis_agrees_on_three_legs():
    x = RNG.integers(0, 4, (3, 40, 5)) / 2
    for axis in range(3):
        three_legs(lambda x, axis=axis: mg.sort(x, axis=axis, descending=True), x)
        three_legs(lambda x, axis=axis: mg.top_k(x, 3, axis), x)
        three_legs(lambda x, axis=axis: mg.take(mg.argsort(x, axis), np.array([0, 2]), axis), x)
        three_legs(lambda x, axis=axis: (mg.top_k(x, 2, axis)[1], mg.top_k(x, 3, axis)[1]), x)


def test_minigrad_jit_0_interprets(monkeypatch):
    monkeypatch.setenv("MINIGRAD_JIT", "0")
    fast = mg.jit(lambda x: mg.tanh(x))
    np.testing.assert_array_equal(fast(XS).numpy(), np.tanh(XS))
    assert fast.source == ""


def test_inside_a_trace_a_compiled_function_is_part_of_it():
    inner = mg.jit(lambda x: x * x)
    assert mg.jit(lambda x: mg.grad(lambda y: mg.sum(inner(y)))(x))(np.ones(3)).tolist() == [2, 2, 2]


def test_results_do_not_alias_arguments():
    x = np.ones(3)
    y = mg.jit(lambda x: x)(x)
    x[0] = 5
    assert y.tolist() == [1, 1, 1]


def test_random_numbers_are_the_interpreters():
    def f(key):
        a, b = mg.random.split(key)
        return mg.random.uniform(a, (7,)), mg.random.permutation(b, 9), mg.vmap(lambda k: mg.random.uniform(k, (3,)))(mg.random.split(b, 2))

    for got, expected in zip(mg.jit(f)(mg.random.key(3)), f(mg.random.key(3)), strict=True):
        np.testing.assert_array_equal(got.numpy(), expected.numpy())


def test_log_of_sigmoid_is_finite_where_sigmoid_underflows():
    assert mg.jit(lambda x: mg.log(mg.sigmoid(x)))(np.array([-1000.0])).tolist() == [-1000.0]


def test_explain_tells_sizes_passes_phases_and_memory():
    fast = mg.jit(mg.value_and_grad(lambda m, xs: sum_of_squares(m(xs))))
    assert "nothing compiled" in fast.explain()
    fast(RNN(3, 4, key=0), XS)
    for word in (
        "run-time size",
        "hoist",
        "phase 1: 1 statements, 1 of them for several threads",
        "working memory",
        "loop nest: ",
        "bytes in 3 sequences",
    ):
        assert word in fast.explain()


def test_what_is_interpreted_says_why_and_can_be_read_as_a_graph():
    fast = mg.jit(lambda x: x @ x)
    with pytest.warns(mg.CompileWarning):
        fast(np.ones((2, 2), int))
    assert "interpreted: matmul of int64" in fast.explain()
    assert fast.source == ""
    assert [n.op.name for n in fast.graph.nodes] == ["matmul"]


@pytest.mark.parametrize("dtype", ["int8", "uint16"])
def test_a_dtype_without_machine_code_is_interpreted(dtype):
    x = np.arange(5.0)
    for f, given in (
        (lambda x: mg.astype(x, dtype), x),
        (lambda x: mg.astype(mg.cumsum(mg.astype(x, dtype)) * 2, "float64"), x),
        (mg.sum, x.astype(dtype)),
    ):
        with pytest.warns(mg.CompileWarning, match=f"no loops for dtype {dtype}"):
            found = mg.jit(f)(given)
        np.testing.assert_array_equal(found.numpy(), f(given).numpy(), strict=True)


def test_a_function_that_computes_nothing_runs():
    assert mg.jit(lambda x: ())(np.ones(3)) == ()
    assert mg.jit(lambda x: {"none": mg.zeros((0, 2))})(np.ones(3))["none"].shape == (0, 2)


def test_what_is_finite_for_the_interpreter_is_told_as_such():
    """Machine code and the interpreter disagree: not the user's fault, and said so."""
    fast = mg.jit(lambda x: mg.sum(x), finite=True)
    fast(np.ones(3))
    (program,) = next(iter(fast.programs.values()))
    with pytest.raises(mg.errors.NonFiniteError, match="not finite in compiled code, and is in the interpreter"):
        program.find_not_finite([np.ones(3)], program.sizes([np.ones(3)]))


def test_more_shapes_than_are_remembered_still_take_one_program(monkeypatch):
    monkeypatch.setattr(importlib.import_module("minigrad.compiled"), "KEPT_SPECIALIZATIONS", 3)
    fast = mg.jit(lambda x: mg.sum(x * x))
    for n in (1, 2, 3, 4, 5, 2, 1):
        assert float(fast(np.ones(n))) == n
    assert len(fast.specializations) <= 3
    assert sum(map(len, fast.programs.values())) == 1


def test_a_movement_of_memory_is_read_where_it_lies():
    x, w = RNG.standard_normal((4, 6)), RNG.standard_normal((6, 3))
    three_legs(lambda x, w: mg.flip(x, 1) @ mg.flip(w, 0), x, w)
    three_legs(lambda x, w: mg.flip(x, 0)[:, ::2] @ w[::2], x, w)
    three_legs(lambda x, w: mg.take(mg.flip(x, (0, 1)), np.array([2, 0])) @ w, x, w)


def test_a_value_that_is_not_finite_is_found_with_op_line_step_and_direction():
    def f(w, xs):
        def step(h, x):
            with mg.scope("cell"):
                return mg.log(h + x), h

        return mg.scan(step, w, xs)[0]

    fast = mg.jit(f, finite=True)
    assert np.isfinite(fast(np.float64(3.0), np.ones(2)).numpy())
    with pytest.raises(mg.errors.NonFiniteError, match=r"log: nan[\s\S]*forward pass, at step 1[\s\S]*test_jit.py[\s\S]*in cell"):
        fast(np.float64(3.0), np.array([1.0, -9.0, 1.0]))
    with pytest.raises(mg.errors.NonFiniteError, match=r"in the gradient of sqrt"):
        mg.jit(mg.grad(lambda x: mg.sum(mg.sqrt(x))), finite=True)(np.zeros(2))
