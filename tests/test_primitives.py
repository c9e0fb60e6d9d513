"""Every primitive, driven by its entry in the table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import special
from table import CASES, DIFFERENTIABLE, NAMES, Case, cases, out_types, put, second_order, value

import minigrad as mg
from minigrad.graph import ir
from minigrad.table import TABLE
from minigrad.tensor import apply
from minigrad.testing import check_grads
from minigrad.transforms.interpret import run


def here(mask: np.ndarray, x: np.ndarray, axis: int) -> np.ndarray:
    """A mask of some axes of x, from `axis` on."""
    return np.broadcast_to(mask.reshape(mask.shape + (1,) * (x.ndim - axis - mask.ndim)), x.shape)


# What an operation means in plain NumPy and SciPy, where that says it otherwise than the entry does.
MEANING = {
    "neg": lambda x: -x,
    "expm1": lambda x: np.exp(x) - 1,
    "log1p": lambda x: np.log(1 + x),
    "sqrt": lambda x: x**0.5,
    "tanh": lambda x: (np.exp(2 * x) - 1) / (np.exp(2 * x) + 1),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "softplus": lambda x: np.log(1 + np.exp(x)),
    "erf": lambda x: 1 - special.erfc(x),
    "abs": lambda x: np.where(x < 0, -x, x),
    "sign": lambda x: (x > 0) * 1.0 - (x < 0),
    "floor": lambda x: x - x % 1,
    "exp": lambda x: np.sum([x**k / special.factorial(k) for k in range(40)], axis=0),
    "log": lambda x: 2 * np.arctanh((x - 1) / (x + 1)),
    "sin": lambda x: np.exp(1j * x).imag,
    "cos": lambda x: np.exp(1j * x).real,
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x * (1 / y),
    "floor_divide": lambda x, y: np.floor(x / y),
    "remainder": lambda x, y: x - y * np.floor(x / y),
    "pow": lambda x, y: np.exp(y * np.log(x)),
    "maximum": lambda x, y: np.where(x > y, x, y),
    "minimum": lambda x, y: np.where(x > y, y, x),
    "less": lambda x, y: x < y,
    "less_equal": lambda x, y: ~(x > y),
    "equal": lambda x, y: ~(x != y),
    "not_equal": lambda x, y: ~(x == y),
    "where": lambda c, x, y: c * x + ~c * y,
    "detach": lambda x: x,
    "alias": lambda x: x,
    "cast": lambda x, dtype: x.astype(dtype),
    "bitcast": lambda x, dtype: np.frombuffer(x.tobytes(), dtype).reshape(x.shape),
    "sum": lambda x, axes: np.add.reduce(x, axes),
    "prod": lambda x, axes: np.multiply.reduce(x, axes),
    "max": lambda x, axes: np.maximum.reduce(x, axes),
    "min": lambda x, axes: np.minimum.reduce(x, axes),
    "argmax": lambda x, axis: np.argsort(x, axis).take(-1, axis),
    "cumprod": lambda x, axis, reverse: np.cumprod(x[::-1], axis)[::-1] if reverse else np.multiply.accumulate(x, axis),
    "cumsum": lambda x, axis, reverse: np.cumsum(x[::-1], axis)[::-1] if reverse else np.add.accumulate(x, axis),
    "matmul": lambda x, y: np.einsum("...ij,...jk->...ik", x, y),
    "reshape": lambda x, shape: x.ravel().reshape(shape),
    "permute": lambda x, axes: np.einsum(x, list(range(x.ndim)), list(axes)),
    "broadcast": lambda x, shape: x + np.zeros(shape),
    "slice": lambda x, start, stop, step: x[tuple(map(slice, start, stop, step))],
    "flip": lambda x, axes: x[tuple(slice(None, None, -1 if a in axes else 1) for a in range(x.ndim))],
    "roll": lambda x, shift, axis: x.take((np.arange(x.shape[axis]) - shift) % x.shape[axis], axis),
    "concat": lambda *xs, axis: np.moveaxis(np.array([r for x in xs for r in np.moveaxis(x, axis, 0)]), 0, axis),
    "take": lambda x, index, axis: x[(slice(None),) * axis + (index,)],
    "scatter_max": lambda updates, index, axis, n: np.stack(
        [
            np.max(updates, tuple(range(axis, axis + index.ndim)), where=here(index % n == i, updates, axis), initial=-np.inf)
            for i in range(n)
        ],
        axis,
    ),
    "gather": lambda x, index, axis: np.take_along_axis(x, index, axis),
    "argsort": lambda x, axis, descending: np.argsort(-x if descending else x, axis, stable=True),
    "one_hot": lambda index, n, dtype: (np.arange(n) == index[..., None]).astype(dtype),
    "iota": lambda n, dtype: np.arange(n, dtype=dtype),
    "extent": lambda n: np.asarray(n),
}


def tensors(case: Case) -> list[mg.Tensor]:
    return [mg.tensor(a) for a in case.arrays]


@pytest.mark.parametrize("name", NAMES)
def test_entry_is_complete(name: str) -> None:
    """An entry has cases, a picture, and a vjp if its result is a float that depends on floats."""
    op = TABLE[name]
    assert op.name == name
    assert op.symbol
    if name in ("item",):
        return
    found = cases(name)
    assert found, f"{name} has neither examples nor an elementwise domain"
    for case in found:
        if case.floats and any(t.is_float for t in out_types(case)):
            assert op.vjp is not None, f"{name} maps floats to floats and has no vjp"


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_numpy_rule_has_the_type_of_the_type_rule(case: Case) -> None:
    found = value(case)
    assert [(v.shape, v.dtype) for v in found] == [tuple(t) for t in out_types(case)]
    eager = case(*case.arrays)
    assert [t.type for t in (eager if isinstance(eager, tuple) else (eager,))] == list(out_types(case))


@pytest.mark.parametrize("case", [c for c in CASES if len(c.floats) == len(c.arrays) and c.op.kind != "control"], ids=repr)
def test_float32_stays_float32(case: Case) -> None:
    single = Case(case.op, [a.astype("float32") for a in case.arrays], case.attrs)
    for v, t in zip(value(single), out_types(single), strict=True):
        assert v.dtype == t.dtype
        assert t.dtype != np.float64 or "dtype" in case.attrs
    for t in single(*single.arrays) if isinstance(single(*single.arrays), tuple) else [single(*single.arrays)]:
        if case.floats and t.type.is_float and "dtype" not in case.attrs:
            grads = mg.vjp(single, *single.arrays)[1](mg.ones_like(t))
            assert {g.dtype for g in grads} == {np.dtype("float32")}


@pytest.mark.parametrize("case", [c for c in CASES if c.op.name in MEANING], ids=repr)
def test_numpy_rule_means_what_numpy_says(case: Case) -> None:
    expected = MEANING[case.op.name](*case.arrays, **case.attrs)
    np.testing.assert_allclose(value(case)[0], expected, rtol=1e-13, atol=1e-14)


def test_scatters_add_in_a_loop() -> None:
    for case in cases("scatter"):
        updates, index, axis = *case.arrays, case.attrs["axis"]
        out = np.zeros(out_types(case)[0].shape)
        for at in np.ndindex(index.shape):
            here = (slice(None),) * axis
            out[(*here, index[at])] += updates[(*here, *at)]
        np.testing.assert_array_equal(value(case)[0], out)
    for case in cases("scatter_along"):
        updates, index, axis = *case.arrays, case.attrs["axis"]
        out = np.zeros(out_types(case)[0].shape)
        for at in np.ndindex(index.shape):
            out[(*at[:axis], index[at], *at[axis + 1 :])] += updates[at]
        np.testing.assert_array_equal(value(case)[0], out)


def test_pad_puts_zeros_around_and_between() -> None:
    found = TABLE["pad"](mg.tensor(np.array([[1.0, 2.0], [3.0, 4.0]])), low=(1, 0), high=(0, 2), interior=(0, 1))
    np.testing.assert_array_equal(found.numpy(), [[0, 0, 0, 0, 0], [1, 0, 2, 0, 0], [3, 0, 4, 0, 0]])


def test_random_is_philox() -> None:
    key = mg.random.key(3 + (4 << 64))
    expected = np.random.Philox(key=[3, 4], counter=[0, 0, 0, 0]).random_raw(6).reshape(2, 3)
    np.testing.assert_array_equal(mg.random._draw(key, 0, (2, 3), np.uint64, 0).numpy(), expected)


@pytest.mark.parametrize("case", DIFFERENTIABLE, ids=repr)
def test_gradient_is_the_derivative(case: Case) -> None:
    check_grads(case, *case.arrays, order=2)


@pytest.mark.parametrize("case", DIFFERENTIABLE, ids=repr)
def test_gradient_is_the_central_difference(case: Case) -> None:
    """Element by element, without the complex rules; a random cotangent for each result."""
    rng = np.random.default_rng(1)
    outs, pull = mg.vjp(lambda *xs: case(*put(case, xs)), *(case.arrays[i] for i in case.floats))
    single = not isinstance(outs, tuple)
    cts = [np.asarray(rng.standard_normal(t.shape)) for t in out_types(case)]
    found = pull(cts[0] if single else tuple(cts))

    def total(xs: list[np.ndarray]) -> float:
        with np.errstate(all="ignore"):
            return sum(float(np.sum(c * v)) for c, v in zip(cts, value(Case(case.op, put(case, xs), case.attrs)), strict=True))

    step = 2.0**-12
    for i, (x, g) in enumerate(zip([case.arrays[i] for i in case.floats], found, strict=True)):
        for at in np.ndindex(x.shape):

            def moved(by: float, i: int = i, at: tuple[int, ...] = at) -> float:
                xs = [case.arrays[k].copy() for k in case.floats]
                xs[i][at] += by
                return total(xs)

            # Richardson: the error is of fourth order
            coarse, fine = ((moved(h) - moved(-h)) / (2 * h) for h in (step, step / 2))
            expected = (4 * fine - coarse) / 3 if case.op.name != "detach" else 0.0
            np.testing.assert_allclose(g.numpy()[at], expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("case", DIFFERENTIABLE, ids=repr)
def test_second_derivative_is_the_central_difference_of_the_first(case: Case) -> None:
    found, expected = second_order(case)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    "case", [c for c in DIFFERENTIABLE if c.op.elementwise and len(c.arrays) >= 2 and c.arrays[0].shape == (2, 3)], ids=repr
)
def test_gradient_through_broadcasting(case: Case) -> None:
    small = [a[:1, :] if i == 0 else a[:, :1] for i, a in enumerate(case.arrays)]

    def f(*xs: mg.Tensor) -> mg.Tensor:
        return case.op(*(mg.broadcast_to(x, (2, 3)) for x in xs))

    check_grads(f, *small)


@pytest.mark.parametrize("case", [c for c in CASES if c.arrays and c.op.batch != "none"], ids=repr)
def test_batch_rule_is_a_loop(case: Case) -> None:
    """For every way to choose which arguments have the batch axis."""
    size, rng = 3, np.random.default_rng(2)
    if "random" in case.op.name:
        arrays = [np.stack([a + np.uint64(k) for k in range(size)]) for a in case.arrays]
    else:
        arrays = [
            np.stack([a + 0.01 * k * (np.asarray(rng.random(a.shape)) if a.dtype.kind == "f" else 0) for k in range(size)]).astype(a.dtype)
            for a in case.arrays
        ]
    if case.op.name in ("take", "gather", "one_hot"):
        arrays[-1] = arrays[-1].copy()
        arrays[-1][1:] = 0
    for mask in range(1, 2 ** len(arrays)):
        batched = [bool(mask >> i & 1) for i in range(len(arrays))]
        given = [a if b else a[0] for a, b in zip(arrays, batched, strict=True)]
        found = mg.vmap(case, in_axes=tuple(0 if b else None for b in batched))(*given)
        each = [case(*(g[k] if b else g for g, b in zip(given, batched, strict=True))) for k in range(size)]
        if not isinstance(found, tuple):
            found, each = (found,), [(e,) for e in each]
        for i, f in enumerate(found):
            np.testing.assert_allclose(f.numpy(), np.stack([e[i].numpy() for e in each]), rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_traced_graph_checks_and_means_the_same(case: Case) -> None:
    graph = mg.trace(case, *case.arrays)
    ir.check(graph)
    for a, b in zip(run(graph, case.arrays), value(case), strict=True):
        np.testing.assert_array_equal(a, b)
    assert case.op.name in str(graph) or case.op.name in ("iota", "extent")


@pytest.mark.parametrize("case", DIFFERENTIABLE, ids=repr)
def test_gradient_graph_checks(case: Case) -> None:
    def gradient(*xs: mg.Tensor) -> object:
        outs, pull = mg.vjp(lambda *xs: case(*put(case, xs)), *xs)
        return pull(mg.tree.map(mg.ones_like, outs))

    graph = mg.trace(gradient, *(case.arrays[i] for i in case.floats))
    ir.check(graph)
    assert graph.out_types == tuple(case.types[i] for i in case.floats)


def test_a_large_scatter_runs_jitted_and_adds_the_same():
    rng = np.random.default_rng(0)
    updates, index = rng.standard_normal((2, 50, 3, 80)), rng.integers(-7, 7, (50, 3))
    expected = np.zeros((2, 7, 80))
    np.add.at(expected, (slice(None), index), updates)
    np.testing.assert_allclose(TABLE["scatter"](mg.tensor(updates), mg.tensor(index), axis=1, n=7).numpy(), expected, rtol=1e-12)


F, D = mg.ones((2, 3)), mg.ones((2, 3), "float64")
BODY = mg.trace(lambda h, x: (h + x, h), np.ones(3, "float32"), np.ones(3, "float32"))
LOOP = {"body": BODY, "constants": 0, "carries": 1, "length": 4, "reverse": False, "save": ""}
GROWS = {**LOOP, "body": mg.trace(lambda h, x: (mg.concat([h, h]), h), np.ones(3, "float32"), np.ones(3, "float32"))}


@pytest.mark.parametrize(
    ("name", "args", "attrs", "message"),
    [
        ("add", [F, D], {}, "operands have dtypes float32 and float64"),
        ("add", [F, mg.ones(3)], {}, r"operands have shapes \(2, 3\) and \(3,\)"),
        ("sin", [mg.tensor(np.arange(3))], {}, r"takes floats, got int64\(3\)"),
        ("where", [mg.ones(3) > 0, F, F], {}, r"condition \(3,\) and values \(2, 3\) differ in shape"),
        ("matmul", [F, D.T], {}, "two tensors of one number dtype"),
        ("matmul", [F > 0, F.T > 0], {}, "two tensors of one number dtype"),
        ("matmul", [mg.ones((2, 2, 3)), mg.ones((4, 3, 2))], {}, r"the axes before the last two differ: x \(2, 2, 3\) @ y \(4, 3, 2\)"),
        ("slice", [F], {"start": (0, 1), "stop": (2, 4), "step": (1, 1)}, r"\(0, 1\) … \(2, 4\) is not inside \(2, 3\)"),
        ("slice", [F], {"start": (0, -1), "stop": (2, 3), "step": (1, 1)}, r"\(0, -1\) … \(2, 3\) is not inside \(2, 3\)"),
        ("scatter", [F, mg.tensor([0, 1])], {"axis": 1, "n": 4}, r"updates \(2, 3\) must have the indices' shape \(2,\) from axis 1 on"),
        ("scatter_along", [F, mg.tensor([[0], [1]])], {"axis": 1, "n": 4}, r"updates \(2, 3\) must have the indices' shape \(2, 1\)"),
        ("call", [F], {"graph": mg.trace(mg.sin, np.ones(3)), "rule": None}, r"takes float64\(3\), got float32\(2, 3\)"),
        ("scan", [mg.ones(3), mg.ones((5, 3))], LOOP, r"a sequence of 4 times float32\(3\) is needed, got float32\(5, 3\)"),
        ("scan", [mg.ones(2), mg.ones((4, 3))], LOOP, r"the body takes float32\(3\), got float32\(2\)"),
        ("scan", [mg.ones(3), mg.ones((4, 3))], GROWS, r"carry 0 is float32\(3\) before a step and float32\(6\) after it"),
    ],
)
def test_a_primitive_refuses_arguments_that_its_operator_would_have_adapted(name: str, args: Any, attrs: Any, message: str) -> None:
    """What check relies on after every pass: a graph put together wrongly does not type."""
    with pytest.raises(mg.errors.MinigradError, match=message):
        apply(TABLE[name], *args, **attrs)
