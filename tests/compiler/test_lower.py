"""What a loop over time keeps at hand: a matrix is copied before it where products of many steps read the copy faster."""

from itertools import product

import numpy as np
import pytest
from minigrad.models import LSTM
from shares import shared

import minigrad as mg
from minigrad import tree
from minigrad.compiler.llvm.gemm import DOT_ROWS
from minigrad.compiler.lower import copies
from minigrad.compiler.lower.copies import FEW_ROWS, STEPS
from minigrad.compiler.lower.program import lower, shared_work
from minigrad.compiler.to_python import to_python

NOTE = "in the order it is read"
gradient = mg.value_and_grad(lambda model, xs: mg.mean(model(xs) ** 2))


def source_of(fast):
    return "\n".join(to_python(phase) for phase in lower(fast.graph).phases)


@pytest.mark.parametrize(
    ("steps", "batch"), shared(product((1, STEPS, STEPS + 1), (1, FEW_ROWS, FEW_ROWS + 1, 2 * DOT_ROWS, 2 * DOT_ROWS + 1, 40)), of=5)
)
def test_a_loop_that_copies_its_matrices_agrees_with_the_interpreter_on_both_sides_of_the_thresholds(batch, steps):
    model, xs = LSTM(3, 65, key=0, dtype="float64"), np.random.default_rng(0).standard_normal((steps, batch, 3))
    for got, want in zip(tree.leaves(mg.jit(gradient)(model, xs)), tree.leaves(gradient(model, xs)), strict=True):
        np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-9, atol=1e-12)


def test_a_large_matrix_that_a_loop_reads_transposed_or_across_cache_lines_is_copied_and_a_small_one_is_not():
    """Both loops read the copy whose rows begin on cache lines; the backward one alone reads the transposed one."""
    xs = np.zeros((2, 2, 3))
    for hidden, count in ((64, 1), (65, 2), (8, 0)):
        fast = mg.jit(gradient)
        fast(LSTM(3, hidden, key=0, dtype="float64"), xs)
        assert source_of(fast).count(NOTE) == count


def test_loops_share_no_copy_of_a_matrix_whose_memory_is_used_again():
    def loss(W, xs):
        changed = mg.tanh(W)
        first = mg.scan(lambda h, x: (mg.tanh(x + h @ changed), None), mg.zeros(xs.shape[1:], "float64"), xs)[0]
        return mg.sum(mg.scan(lambda h, x: (mg.tanh(x + h @ changed), None), first, xs)[0] ** 2)

    rng = np.random.default_rng(0)
    W, xs = mg.parameter(rng.standard_normal((65, 65)) / 8), rng.standard_normal((STEPS + 1, 1, 65))
    fast = mg.jit(mg.value_and_grad(loss))
    for got, want in zip(fast(W, xs), mg.value_and_grad(loss)(W, xs), strict=True):
        np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-9, atol=1e-12)
    assert source_of(fast).count(NOTE) == 6  # two of them for each of the two backward loops


@pytest.mark.parametrize("matrix", [lambda xs: mg.broadcast_to(mg.arange(33, dtype="float64"), (33, 33)), lambda xs: xs[:0]])
def test_a_matrix_that_is_not_stored_before_the_loop_or_has_no_elements_is_not_copied(matrix):
    def f(xs):
        W = matrix(xs)
        return mg.scan(lambda h, x: (mg.tanh(x + h[: W.shape[0]] @ W / 99), None), mg.zeros(xs.shape[1], "float64"), xs)[0]

    xs = np.random.default_rng(0).standard_normal((STEPS + 1, 33))
    fast = mg.jit(f)
    np.testing.assert_allclose(fast(xs).numpy(), f(xs).numpy(), rtol=1e-12)
    assert NOTE not in source_of(fast)


def test_a_product_that_reads_a_matrix_or_its_copy_is_counted_once(monkeypatch):
    """What is divided between threads does the one or the other."""
    fast = mg.jit(gradient)
    fast(LSTM(3, 64, key=0, dtype="float64"), np.zeros((20, 40, 3)))

    def work():
        lowered = lower(fast.graph)
        assert [s.hint for s in lowered.sizes] == [20, 40]
        return [shared_work(phase.body, {s.name: s.hint for s in lowered.sizes}) for phase in lowered.phases]

    with_copy = work()
    assert NOTE in source_of(fast)
    monkeypatch.setattr(copies, "TRANSPOSED_FROM", 2**30)
    assert with_copy == work()


def test_a_loop_may_take_a_number_that_a_call_gave_while_tracing():
    one = mg.full((), 1.0, "float64")

    def f(c, xs):
        return mg.scan(lambda c, x: (mg.tanh(c), mg.checkpoint(mg.sign)(one) + x), c, xs)

    for found, expected in zip(mg.jit(f)(np.ones(3), np.ones(4)), f(np.ones(3), np.ones(4)), strict=True):
        np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-14)


def stacked(reverse, returned):
    """A loop whose carry and another value are stacked; what is returned of them."""

    def f(h, xs):
        last, (befores, ys) = mg.scan(lambda h, x: (mg.tanh(h + x), (h, h * x)), h, xs, reverse=reverse)
        last = mg.expand_dims(last, 0)
        return {"ys": ys, "history": mg.concat([last, befores] if reverse else [befores, last])}[returned]

    return f


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("returned", ["ys", "history"])
def test_a_loop_stores_its_results_where_the_program_returns_them(reverse, returned):
    fast, plain = mg.jit(stacked(reverse, returned)), stacked(reverse, returned)
    for steps, batch in ((4, 3), (1, 1), (7, 2)):
        h, xs = np.full((batch, 2), 0.5), np.random.default_rng(0).standard_normal((steps, batch, 2))
        np.testing.assert_allclose(fast(h, xs).numpy(), plain(h, xs).numpy(), rtol=1e-12)
    (phase,) = lower(fast.graph, split=False).phases
    stacks = [buffer for buffer in phase.locals if "n1_0" in str(buffer.size)]
    assert stacks == []


def test_a_history_that_is_read_again_and_returned_twice_is_right():
    def f(h, xs):
        last, befores = mg.scan(lambda h, x: (mg.tanh(h + x), h), h, xs)
        history = mg.concat([befores, mg.expand_dims(last, 0)])
        return history, befores, mg.sum(history), history, last

    h, xs = np.full(2, 0.5), np.random.default_rng(0).standard_normal((5, 2))
    for a, b in zip(mg.jit(f)(h, xs), f(h, xs), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12)
