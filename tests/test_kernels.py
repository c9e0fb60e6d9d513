"""mg.kernel: a user's numba loops as an operation, eager and compiled."""

from __future__ import annotations

import threading
from typing import Any

import numba
import numpy as np
import pytest
from children import run

import minigrad as mg
from minigrad.compiler import run_python
from minigrad.compiler.lower.program import lower
from minigrad.errors import DTypeError, GraphError, KernelError, ShapeError
from minigrad.testing import check_grads


@numba.njit
def decay(x: Any, a: Any, out: Any) -> None:
    """out[t] = a·out[t-1] + x[t]."""
    for t in range(x.shape[0]):
        out[t] = x[t] + (a * out[t - 1] if t else 0.0)


@numba.njit
def decay_back(ct: Any, out: Any, a: Any, gx: Any, ga: Any) -> None:
    carried = 0.0
    for t in range(ct.shape[0] - 1, -1, -1):
        carried = ct[t] + a * carried
        gx[t] = carried
        if t:
            ga[()] += carried * out[t - 1]


back = mg.kernel(decay_back, type=lambda ct, out, a: [ct, a])
leaky: Any = mg.kernel(decay, type=lambda x, a: x, vjp=lambda ct, out, x, a: back(ct, out, a))


def by_scan(x: Any, a: Any) -> Any:
    def step(s: Any, x: Any) -> Any:
        s = a * s + x
        return s, s

    return mg.scan(step, mg.zeros((), dtype="float64"), x)[1]


def draw(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape)


A = np.array(0.5)


@pytest.fixture(scope="module")
def compiled() -> Any:
    return mg.jit(lambda x, a: leaky(2 * x, a) + 1)


@pytest.mark.parametrize("steps", [5, 1, 8, 3])
def test_a_kernel_is_the_same_eager_and_compiled_at_every_size(compiled: Any, steps: int) -> None:
    x = draw(steps)
    expected = by_scan(2 * x, A) + 1
    np.testing.assert_allclose(leaky(2 * x, A) + 1, expected, rtol=1e-15)
    np.testing.assert_allclose(compiled(x, A), expected, rtol=1e-15)


def test_no_steps_at_all() -> None:
    assert leaky(draw(0), A).shape == (0,)


def test_a_python_number_takes_the_dtype_of_the_tensors() -> None:
    np.testing.assert_array_equal(leaky(draw(4), 0.1), leaky(draw(4), np.array(0.1)))


def test_its_gradient_is_the_derivative() -> None:
    check_grads(leaky, draw(4), A, order=1, modes=["rev"])


def test_its_gradient_compiles_and_is_that_of_the_scan() -> None:
    def loss(f: Any) -> Any:
        return lambda x, a: mg.sum(mg.sin(f(x, a)))

    grad = mg.jit(mg.grad(loss(leaky), (0, 1)))
    for steps in (4, 7):
        expected = mg.grad(loss(by_scan), (0, 1))(draw(steps), A)
        for found, wanted in zip(grad(draw(steps), A), expected, strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-13)


def test_under_vmap_it_runs_for_each_element() -> None:
    xs = draw(3, 4)
    expected = np.stack([leaky(x, A) for x in xs])
    batch = mg.vmap(leaky, in_axes=(0, None))
    np.testing.assert_array_equal(batch(xs, A), expected)
    np.testing.assert_array_equal(mg.jit(batch)(xs, A), expected)
    grads = mg.grad(lambda xs: mg.sum(batch(xs, A) ** 2))(xs)
    np.testing.assert_allclose(grads, np.stack([mg.grad(lambda x: mg.sum(leaky(x, A) ** 2))(x) for x in xs]), rtol=1e-14)


def test_a_batch_rule_is_called_and_its_types_are_checked() -> None:
    given: list[Any] = []

    def rule(x: Any, a: Any) -> Any:
        given.append((x.shape, a.shape))
        return mg.zeros_like(x) + 7

    own = mg.kernel(decay, type=lambda x, a: x, batch=rule)
    np.testing.assert_array_equal(mg.vmap(own, in_axes=(0, None))(draw(3, 4), A), np.full((3, 4), 7.0))
    assert given == [((3, 4), (3,))]
    wrong = mg.kernel(decay, type=lambda x, a: x, batch=lambda x, a: x[0])
    with pytest.raises(ShapeError, match=r"decay: its batch gave float64\(4\), expected float64\(3, 4\)"):
        mg.vmap(wrong, in_axes=(0, None))(draw(3, 4), A)


def test_in_a_scan_with_its_gradient() -> None:
    def loss(f: Any) -> Any:
        def run(h: Any, xs: Any, a: Any) -> Any:
            return mg.sum(mg.scan(lambda h, x: (mg.tanh(f(h + x, a)), h[0]), h, xs)[0])

        return mg.value_and_grad(run, (0, 1, 2))

    own = mg.jit(loss(leaky))
    for steps in (2, 5):
        args = draw(4), draw(steps, 4), A
        for found, wanted in zip(mg.tree.leaves(own(*args)), mg.tree.leaves(loss(by_scan)(*args)), strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-12)


@numba.njit
def summed_up(x: Any, k: Any, rows: Any, positive: Any, total: Any) -> None:
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            rows[i] += k * x[i, j]
            positive[i] += x[i, j] > 0
            total[()] += x[i, j]


summary: Any = mg.kernel(summed_up, type=lambda x, k: [((x.shape[0],), x.dtype), ((x.shape[0],), "int64"), ((), x.dtype)])


def test_several_results_of_an_array_that_is_not_contiguous() -> None:
    f = mg.jit(lambda x, k: summary(mg.transpose(x)[::2], k))
    for x in (draw(3, 5), draw(2, 4)):
        part = x.T[::2]
        for found in (f(x, np.array(3)), summary(part, 3)):
            np.testing.assert_allclose(found[0], 3 * part.sum(1), rtol=1e-13)
            np.testing.assert_array_equal(found[1], (part > 0).sum(1))
            np.testing.assert_allclose(found[2], part.sum(), rtol=1e-13)
            assert found[2].shape == ()


def test_the_printed_loops_call_the_kernel() -> None:
    graph = mg.trace(lambda x: summary(x, 2), draw(3, 2))
    (phase,) = lower(graph).phases
    outs = {b.name: np.full(L, 9, b.dtype) for b, L in zip(phase.outputs, ((3,), (3,), ()), strict=True)}
    inputs = [draw(3, 2), *(c for c in lower(graph).constants)]
    assert run_python(phase, dict(zip((b.name for b in phase.inputs), inputs, strict=True)) | outs, {}) == (0, 0)
    for found, wanted in zip(outs.values(), summary(draw(3, 2), 2), strict=True):
        np.testing.assert_array_equal(found, wanted)


@numba.njit
def picky(x: Any, at: Any, out: Any) -> None:
    if at < 0:
        raise ValueError("a negative place")
    out[0] = x[at]


pick: Any = mg.kernel(picky, type=lambda x, at: ((1,), x.dtype))


def test_what_it_raises_is_an_error_that_names_it() -> None:
    f = mg.jit(lambda x, at: mg.scan(lambda c, i: (c, pick(x, at + i)), (), mg.arange(2))[1])
    np.testing.assert_array_equal(f(draw(4), np.array(1)), draw(4)[1:3, None])
    for at, kind in ((-1, "ValueError: a negative place"), (3, "IndexError: index is out of bounds")):
        with pytest.raises(KernelError, match=r"picky: the kernel raised an exception.*\n.*test_kernels.py"):
            f(draw(4), np.array(at))
        with pytest.raises(KernelError, match=rf"picky: the kernel raised {kind}"):
            pick(draw(4), at if at < 0 else 4)
    np.testing.assert_array_equal(f(draw(4), np.array(0)), draw(4)[:2, None])


def test_in_a_long_program_which_is_divided_into_functions() -> None:
    def many(x: Any, at: Any) -> Any:
        for i in range(12):
            x = leaky(x, 0.1 * i) + pick(mg.sin(x), at + i % 2)
        return x

    f = mg.jit(many)
    for steps in (5, 3):
        np.testing.assert_allclose(f(draw(steps), np.array(1)), many(draw(steps), np.array(1)), rtol=1e-12)
    with pytest.raises(KernelError, match=r"picky: the kernel raised an exception"):
        f(draw(3), np.array(2))


@numba.njit
def overwriting(x: Any, out: Any) -> None:
    x[0] = 1


@numba.njit
def returning(x: Any, out: Any) -> Any:
    return x[0]


@pytest.mark.parametrize(
    ("f", "type", "error", "match"),
    [
        (overwriting, lambda x: x, KernelError, r"overwriting: numba cannot compile it for \(float64\(4\)\) with results \(float64\(4\)\)"),
        (returning, lambda x: x, KernelError, "it returns float64, and must write its results into its last 1 arguments"),
        (decay, lambda x: x, KernelError, r"decay: numba cannot compile it"),  # an argument too few
        (summed_up, lambda x: [x, x, x], KernelError, "summed_up: numba cannot compile it"),
        (returning, lambda x: (x, x), DTypeError, r"returning: `type` must give \(shape, dtype\), or a list"),
        (returning, lambda x: x.shape, DTypeError, r"returning: `type` must give \(shape, dtype\), or a list"),
        (returning, lambda x: (x.shape, "complex128"), DTypeError, "returning: cannot make a tensor from dtype complex128"),
        (returning, lambda x: (x.shape, "float16"), DTypeError, "returning: numba has no float16"),
    ],
)
def test_a_kernel_that_does_not_fit_is_refused_when_it_is_traced(f: Any, type: Any, error: Any, match: str) -> None:
    with pytest.raises(error, match=match):
        mg.trace(mg.kernel(f, type=type), draw(4))


def test_what_is_no_kernel_is_refused() -> None:
    with pytest.raises(DTypeError, match=r"takes a function made with @numba\.njit, got <built-in"):
        mg.kernel(len, type=lambda x: x)
    with pytest.raises(DTypeError, match=r"<lambda> is made with parallel=True"):
        mg.kernel(numba.njit(parallel=True)(lambda x, out: None), type=lambda x: x)


def test_gradients_that_are_missing_or_wrong_are_refused_by_name() -> None:
    def gradient(vjp: Any) -> Any:
        return mg.grad(lambda x: mg.sum(mg.kernel(decay, type=lambda x, a: x, vjp=vjp)(x, A)))(draw(3))

    with pytest.raises(GraphError, match=r"decay: the kernel has no gradient. Give mg.kernel a vjp"):
        gradient(None)
    with pytest.raises(GraphError, match=r"decay: its vjp gave 1 gradients for 2 arguments"):
        gradient(lambda ct, out, x, a: ct)
    with pytest.raises(GraphError, match=r"decay: its vjp gave no gradient for argument 0, float64\(3\)"):
        gradient(lambda ct, out, x, a: (None, None))
    with pytest.raises(ShapeError, match=r"decay: its vjp gave float64\(2\) as the gradient of float64\(3\)"):
        gradient(lambda ct, out, x, a: (ct[1:], None))


def test_beside_work_that_two_threads_share_and_in_calls_from_several() -> None:
    f = mg.jit(lambda w, x: mg.sum(leaky(mg.sum(w @ w @ w, 0), A) * x))
    w, xs = draw(256, 256) / 16, [draw(256) * (i + 1) for i in range(4)]
    expected = [float(f(w, x)) for x in xs]
    found: dict[int, list[float]] = {}
    threads = [threading.Thread(target=lambda i=i, x=x: found.update({i: [float(f(w, x)) for _ in range(3)]})) for i, x in enumerate(xs)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert [found[i] for i in range(4)] == [[e] * 3 for e in expected]
    np.testing.assert_allclose(expected[0], np.sum(by_scan((w @ w @ w).sum(0), A).numpy() * xs[0]), rtol=1e-10)


CLOSURES = """
import numba, numpy as np, minigrad as mg

def times(k):
    def scaled(x, out):
        for i in range(x.shape[0]):
            out[i] = k * x[i]
    return mg.kernel(numba.njit(scaled), type=lambda x: x)

def total(first, second):
    return mg.jit(lambda x: first(x) + 10 * second(x))(np.ones(3)).numpy().tolist()
"""

LOADED = """
from minigrad.compiler.runtime import link

def assemble(units, plain=link.assemble_all):
    assert not any("mg_kernel" in u.text for u in units)
    return plain(units)

link.assemble_all = assemble
seven = times(7)
total(seven, seven)
print(total(times(5), seven))
"""


def test_a_compiled_program_on_disk_calls_the_kernels_of_the_process_that_loads_it(tmp_path: Any, monkeypatch: Any) -> None:
    """There, closures of the same code have other numbers; programs with kernels are loaded, not compiled."""
    monkeypatch.setenv("MINIGRAD_CACHE_DIR", str(tmp_path / "cache"))
    here: dict[str, Any] = {}
    exec(CLOSURES, here)
    two, three = here["times"](2), here["times"](3)
    assert here["total"](two, two) == [22.0] * 3
    assert [here["total"](two, three), here["total"](three, two)] == [[32.0] * 3, [23.0] * 3]
    assert run(CLOSURES + LOADED) == "[75.0, 75.0, 75.0]\n"
