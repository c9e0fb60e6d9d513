"""Equal loop nests are one LLVM function, which is called with other pointers; a process compiles it once. No test measures time."""

import re
from contextlib import contextmanager
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minigrad.models import Transformer
from shares import examples

import minigrad as mg
from minigrad.compiler import loop_ir as L
from minigrad.compiler.llvm import to_llvm
from minigrad.compiler.llvm.form import form
from minigrad.compiler.lower.program import lower
from minigrad.compiler.lower.state import const
from minigrad.compiler.runtime import assemble, link
from minigrad.passes.pipeline import optimize
from minigrad.testing import graphs
from minigrad.transforms.tracing import trace

N, i = L.Size("n"), L.LoopVar("i")
X, Y, Z = (L.Buffer(name, "float32", N) for name in "xyz")
CALL = re.compile(r"call \w+ @(mg_[0-9a-f]{32})\((.*)\)")


def add(x, y, out, number=1.0, var=i):
    total = L.Binary("add", L.Load(x, var), L.Load(y, var))
    return L.For(var, N, (L.Store(out, var, L.Binary("mul", total, L.Const(out.dtype, number)), note=f"{x.name} + {y.name}"),))


def test_the_form_of_statements_leaves_out_names_and_notes():
    key, names = form((add(X, Y, Z),))
    assert names == ["i", "n", "z", "x", "y"]
    assert form((add(Y, X, Z),)) == (key, ["i", "n", "z", "y", "x"])
    assert form((add(Z, X, Y, var=L.LoopVar("k")),))[0] == key


D = [L.Buffer(name, "float64", N) for name in "xyz"]


@pytest.mark.parametrize(
    "other", [add(X, X, Z), add(X, Y, X), add(*D), add(X, Y, Z, 2.0), add(X, Y, Z, -1.0), add(X, Y, Z, 1), L.For(i, 3, add(X, Y, Z).body)]
)
def test_the_form_tells_apart_what_computes_something_else(other):
    assert form((other,))[0] != form((add(X, Y, Z),))[0]
    assert form((add(X, Y, Z, 0.0),)) != form((add(X, Y, Z, -0.0),))
    missing = np.array([0x7FF8 << 48, 0xFFF8 << 48, (0x7FF8 << 48) + 1], "uint64").view("float64")
    assert len({form((L.Store(D[0], i, const(x, x.dtype)),))[0] for x in missing}) == 3


def transformer(layers):
    """Layers of weights that are too large to be stacked: they stay written out."""
    model = Transformer(3, 3, width=64, heads=2, layers=layers, key=0)
    xs, ys = mg.ones((5, 2, 3)), mg.ones((5, 2, 3))
    graph = trace(lambda m, x, y: mg.value_and_grad(lambda m, x, y: mg.mse(m(x), y))(m, x, y), model, xs, ys)
    return to_llvm.to_llvm(lower(optimize(graph)).phases).units


def test_more_layers_have_no_more_functions_to_optimise():
    few, most = ([u for u in transformer(n) if not u.plain] for n in (3, 6))
    assert len(most) <= len(few)
    assert sum(len(u.text) for u in most) <= 1.2 * sum(len(u.text) for u in few)


@examples(20)
@given(program=graphs(steps=6), piece=st.integers(0, 6))
def test_no_call_passes_a_pointer_twice(program, piece):
    """The pointers of a function are `noalias`: they are of different buffers at every call."""
    with mock.patch.object(to_llvm, "PIECE", piece):
        units = to_llvm.to_llvm(lower(optimize(trace(program.gradient, *map(mg.tensor, program.inputs())))).phases).units
    calls = [call for u in units for call in CALL.findall(u.text)]
    assert {name for name, _ in calls} <= {u.name for u in units}
    for _, operands in calls:
        pointers = re.findall(r"ptr (%\S+?)(?:,|$)", operands)
        assert len(set(pointers)) == len(pointers)


@contextmanager
def compiled():
    """Yields the list of functions that LLVM compiles inside."""
    found = []
    with mock.patch.object(link, "assemble_all", lambda units: found.extend(units) or assemble.assemble_all(units)):
        yield found


def test_a_process_compiles_equal_functions_once(monkeypatch):
    monkeypatch.setenv("MINIGRAD_CACHE", "0")
    w, x = mg.parameter(np.ones((3, 3))), np.ones((4, 3))

    def loss(w, x):
        return mg.sum(mg.tanh(x @ w * 1.625) ** 2)

    with compiled() as first:
        mg.jit(mg.value_and_grad(loss))(w, x)
    with compiled() as again:
        mg.jit(mg.value_and_grad(lambda v, y: loss(v, y)))(w, x)
    assert first
    assert not again


def test_functions_that_are_not_inlined_are_compiled_once(monkeypatch):
    monkeypatch.setenv("MINIGRAD_CACHE", "0")
    with compiled() as found:
        for number in (0.375, 0.8125):
            mg.jit(lambda x, number=number: mg.sin(x) + number)(np.ones(3))
    assert len(found) >= 2
    assert "mg_sin_float64" in link._linked
    assert sum("double @mg_sin_float64(double %x)" in u.text for u in found) <= 1


def test_a_matrix_product_is_compiled_while_its_program_is_lowered(monkeypatch):
    monkeypatch.setenv("MINIGRAD_CACHE", "0")
    monkeypatch.setattr(assemble, "cores", lambda: 2)
    monkeypatch.setattr(link, "_begun", {})
    x = np.arange(6.0).reshape(2, 3)
    with mock.patch.dict(link._linked, clear=True), compiled() as found:  # as in another process
        seen: list[str] = []
        monkeypatch.setattr("minigrad.compiled.lower", lambda graph: seen.extend(link._begun) or lower(graph))
        y = mg.jit(lambda x: x @ x.T + 0.375)(x)
    np.testing.assert_array_equal(y.numpy(), x @ x.T + 0.375)
    assert seen == ["mg_gemm_float64"]
    assert "mg_gemm_float64" not in [u.name for u in found]
    assert not link._begun


@pytest.mark.parametrize("n", [300, 300 * 70])
def test_loops_over_arrays_of_other_lengths_are_one_function(n, monkeypatch):
    monkeypatch.setenv("MINIGRAD_CACHE", "0")

    def f(scale, xs):
        return [mg.tanh(x) * scale for x in xs]

    xs = [mg.tensor(np.linspace(-1, 1, n + 10 * k).reshape(10, -1)) for k in range(12)]
    with compiled() as found:
        ys = mg.jit(f)(mg.tensor(1.5, "float64"), xs)
    for y, eager in zip(ys, f(mg.tensor(1.5, "float64"), xs), strict=True):
        np.testing.assert_allclose(y.numpy(), eager.numpy(), rtol=1e-14)
    assert sum("@mg_tanh_float64(" in u.text for u in found) == 1


def test_code_does_not_depend_on_the_number_of_threads_that_compile(monkeypatch):
    units = transformer(1)[:12]
    alone = [assemble.assemble(u.text, u.plain) for u in units]
    monkeypatch.setattr(assemble, "THREADS_FROM", 0)
    monkeypatch.setattr(assemble, "cores", lambda: 3)
    assert assemble.assemble_all(units) == alone


def test_the_exception_of_a_thread_that_compiles_is_raised(monkeypatch):
    units = [*transformer(1)[:3], to_llvm.Unit("mg_bad", "define i64 @mg_bad( {", False)]
    monkeypatch.setattr(assemble, "THREADS_FROM", 0)
    monkeypatch.setattr(assemble, "cores", lambda: 2)
    with pytest.raises(RuntimeError, match="LLVM IR parsing error"):
        assemble.assemble_all(units)
