"""What has no gradient here is refused, never computed without one; ufuncs, and methods of NumPy's arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import minigrad as mg
from minigrad import numpy_protocol
from minigrad.errors import AbstractValueError, DTypeError
from minigrad.numpy_protocol import FUNCTIONS, WITHOUT_DERIVATIVE
from minigrad.numpy_protocol.table import find
from minigrad.testing import axes

MODULES = {"": np, "linalg.": np.linalg, "fft.": np.fft}


def public(kind: Callable[[Any], bool]) -> list[Any]:
    return [
        pytest.param(f, id=prefix + n) for prefix, module in MODULES.items() for n, f in vars(module).items() if n[0] != "_" and kind(f)
    ]


def is_dispatched(f: Any) -> bool:
    """Whether NumPy asks the arguments' types for their own function."""
    return hasattr(f, "_implementation")


def is_plain(f: Any) -> bool:
    return callable(f) and not isinstance(f, (type, np.ufunc)) and not is_dispatched(f)


@pytest.mark.parametrize("f", public(is_dispatched))
def test_a_function_of_numpy_is_ours_or_has_no_derivative_or_is_refused(f: Any) -> None:
    t = mg.parameter([1.0, 2.0])
    if f in FUNCTIONS or f in {find(n) for n in WITHOUT_DERIVATIVE}:
        return
    for value in (t, [t, np.ones(2)]):
        with pytest.raises(DTypeError, match=r"np\..*would lose the gradient of Tensor.*detach"):
            t.__array_function__(f, (mg.Tensor,), (value,), {})
    with pytest.raises(AbstractValueError, match=r"np\..*needs values"):
        mg.jit(lambda t: t.__array_function__(f, (mg.Tensor,), ([t],), {}))(np.ones(2))


def holds_floats(y: Any) -> bool:
    return isinstance(y, (float, np.floating)) or (isinstance(y, np.ndarray) and y.dtype.kind in "fcO")


OTHERS = ("get", "set", "show", "print", "test", "info", "load", "from", "tri")  # they take no arrays, or read files


@pytest.mark.parametrize("f", [p for p in public(is_plain) if not p.id.split(".")[-1].startswith(OTHERS)])
def test_no_function_of_numpy_turns_what_is_differentiated_into_an_array(f: Any) -> None:
    def loss(x: mg.Tensor) -> mg.Tensor:
        for args in ((x,), ([x[0], x[1]],), (x[0],), ([x[0], [x[1]]],)):
            try:
                found = f(*args)
            except (TypeError, ValueError, AttributeError, KeyError):
                continue
            assert not any(map(holds_floats, mg.tree.leaves(found)))
        return mg.sum(x)

    mg.grad(loss)(np.ones(2))


@pytest.mark.parametrize(
    "use",
    [
        np.asarray,
        np.array,
        np.mean,
        np.sum,
        lambda x: np.asarray([x[0], x[1]]),
        lambda x: np.mean([x[0], x[1]]),
        lambda x: np.add([x[0]], 1),
    ],
)  # fmt: skip
def test_a_tensor_becomes_an_array_inside_grad_only_by_name(use: Any) -> None:
    def loss(x: mg.Tensor) -> mg.Tensor:
        found = use(x)
        return mg.sum(found if isinstance(found, mg.Tensor) else mg.tensor(found))

    x = np.array([1.0, 2.0])
    for transformed in (mg.grad(loss), mg.value_and_grad(loss), lambda x: mg.vjp(loss, x), mg.jacobian(lambda x: loss(x)[None])):
        if use in (np.mean, np.sum):
            transformed(x)
        else:
            with pytest.raises(DTypeError, match=r"would lose the gradient.*detach\(\)\.numpy\(\)"):
                transformed(x)
    assert isinstance(np.asarray(mg.parameter(x)), np.ndarray)
    assert mg.grad(lambda x: x[0] * float(x[1]) * x[1].item() * x.numpy()[1])(x).tolist() == [8, 0]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda t: np.sum(t, where=[True, False]), "np.sum: takes no where="),
        (lambda t: np.sum(t, out=np.ones(())), "np.sum: takes no out="),
        (lambda t: np.sum(t, initial=3), "np.sum: takes no initial="),
        (lambda t: np.concatenate([t, t], dtype="int8", casting="unsafe"), "np.concatenate: takes no dtype="),
        (lambda t: np.sort(t, order="x"), "np.sort: takes no order="),
        (lambda t: np.take(t, [9], mode="wrap"), "np.take: takes no mode="),
        (lambda t: np.reshape(t, (2, 1), order="F"), "np.reshape: takes no order="),
        (lambda t: np.einsum("i->i", t, dtype="float32"), "np.einsum: takes no dtype="),
        (lambda t: np.einsum(t, [0]), "np.einsum: takes its subscripts as a string"),
        (lambda t: np.pad(t, 1, mode="edge"), "np.pad: pads a tensor with one number"),
        (lambda t: np.pad(t, 1, stat_length=3), "np.pad: takes no stat_length="),
        (lambda t: np.mean(t, dtype="float64"), "np.mean: takes no dtype="),
        (lambda t: np.exp(t, dtype="float32"), "np.exp: takes no dtype="),
        (lambda t: np.exp(t, where=[True, False]), "np.exp: takes no where="),
        (lambda t: np.add.reduce(t, initial=2), "np.add.reduce: takes no initial="),
        (lambda t: np.add.reduceat(t, [0]), r"np.add.reduceat"),
        (lambda t: np.add.at(t, 0, 1), r"np.add.at"),
        (lambda t: np.subtract.reduce(t), "np.subtract.reduce"),
        (lambda t: np.copyto(np.ones(2), t), "np.copyto: would lose"),
        (lambda t: np.median(t), "np.median: would lose"),
        (lambda t: np.fft.fft(t), "np.fft.fft: would lose"),
    ],
)  # fmt: skip
def test_what_ours_lacks_is_refused_by_name(call: Any, words: str) -> None:
    for t in (mg.parameter([1.0, 2.0]), mg.parameter([1.0, 2.0]) * 1):
        with pytest.raises(DTypeError, match=words):
            call(t)


def test_without_a_gradient_or_a_derivative_numpy_computes_on_the_values() -> None:
    plain, w = mg.tensor([3.0, 1.0]), mg.parameter([3.0, 1.0])
    assert type(np.median(plain)) is np.float32
    assert np.allclose(w, [3, 1])
    assert np.isclose(w, 3).tolist() == [True, False]
    assert np.array_equal(w, plain)
    assert np.count_nonzero(w) == 2
    assert np.where(w > 2)[0].tolist() == [0]
    assert np.searchsorted([2.0], w).tolist() == [1, 0]
    assert np.array_str(w) == "[3. 1.]"


# ---- ufuncs

UNARY = [f for f in numpy_protocol.UFUNCS if f.nin == 1 and f not in (np.invert, np.arccosh)]
BITS = (np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.left_shift, np.right_shift)
BETWEEN = st.integers(7, 57).map(lambda n: n / 64)  # 0.1 and 0.9
BINARY = [f for f in numpy_protocol.UFUNCS if f.nin == 2 and f.signature is None and f not in BITS]


@pytest.mark.parametrize("f", [*UNARY, *BINARY], ids=lambda f: f.__name__)
@given(x=hnp.arrays("float64", 3, elements=BETWEEN), y=hnp.arrays("float64", (2, 1), elements=BETWEEN))
def test_a_ufunc_has_numpys_value(f: np.ufunc, x: np.ndarray, y: np.ndarray) -> None:
    args = (x, y)[: f.nin]
    for found, expected in zip(mg.tree.leaves(f(*map(mg.tensor, args))), mg.tree.leaves(f(*args)), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-14)
        assert found.dtype == expected.dtype
    if f.nin == 2 and f.nout == 1:
        np.testing.assert_allclose(f.outer(mg.tensor(x), y), f.outer(x, y), rtol=1e-14)
        np.testing.assert_allclose(f(x, mg.tensor(y)), f(x, y), rtol=1e-14)


@pytest.mark.parametrize("f", numpy_protocol.REDUCTIONS, ids=lambda f: f.__name__)
@given(data=st.data(), keepdims=st.booleans())
def test_reductions_of_ufuncs(f: np.ufunc, data: Any, keepdims: bool) -> None:
    x = data.draw(hnp.arrays("float64", (2, 3), elements=st.integers(-3, 3)))
    axis = data.draw(axes(2))
    np.testing.assert_array_equal(f.reduce(mg.tensor(x)), f.reduce(x))
    np.testing.assert_array_equal(f.reduce(mg.tensor(x), axis=axis, keepdims=keepdims), f.reduce(x, axis=axis, keepdims=keepdims))
    np.testing.assert_array_equal(np.add.accumulate(mg.tensor(x)), np.add.accumulate(x))
    np.testing.assert_array_equal(np.add.accumulate(mg.tensor(x), axis=1), np.add.accumulate(x, axis=1))


def test_ufuncs_of_bools_and_of_matrices() -> None:
    x, y = np.array([True, False, True]), np.array([True, True, False])
    for f in (np.bitwise_and, np.bitwise_or, np.logical_and, np.logical_or):
        np.testing.assert_array_equal(f(mg.tensor(x), y), f(x, y))
    np.testing.assert_array_equal(np.invert(mg.tensor(x)), ~x)
    for f in BITS:
        np.testing.assert_array_equal(f(mg.tensor([5, 6]), 3), f(np.array([5, 6]), 3))
    np.testing.assert_array_equal(np.arccosh(mg.tensor(np.array([1.0, 2.0]))), np.arccosh([1.0, 2.0]))
    np.testing.assert_array_equal(np.multiply.accumulate(mg.tensor([2, 3, 4])), [2, 6, 24])
    np.testing.assert_array_equal(np.matmul(np.eye(3), mg.tensor(np.ones((3, 2)))), np.ones((3, 2)))


# ---- methods


@pytest.mark.parametrize(
    "call",
    [
        lambda a: a.squeeze(), lambda a: a.squeeze(1), lambda a: a.ravel(), lambda a: a.flatten(), lambda a: a.swapaxes(0, 2),
        lambda a: a.take([1, 0]), lambda a: a.take([1, 0], axis=0), lambda a: a.argsort(), lambda a: a.argsort(axis=0),
        lambda a: a.clip(-1, 0.5), lambda a: a.clip(max=0.5), lambda a: a.dot(np.ones((3, 2))), lambda a: a.prod(0),
        lambda a: a.any(), lambda a: a.all(axis=(0, 1), keepdims=True), lambda a: a.argmax(), lambda a: a.argmin(0), lambda a: a.cumsum(),
        lambda a: a.cumsum(axis=0), lambda a: a.var(), lambda a: a.std(0, ddof=1), lambda a: a.std((0, 2), keepdims=True),
    ],
)  # fmt: skip
def test_methods_are_those_of_numpys_arrays(call: Callable[[Any], Any]) -> None:
    a = np.random.default_rng(0).standard_normal((2, 1, 3))
    for found in (call(mg.tensor(a)), mg.jit(call)(a)):
        assert found.shape == call(a).shape
        np.testing.assert_allclose(found, call(a), rtol=1e-12)


def test_conversions_and_comparisons_of_tensors() -> None:
    w = mg.parameter([1.0])
    assert bool(w)
    assert float(w) == w.item() == 1
    assert [float(v) for v in w] == [1]
    assert (w is None, w in [w]) == (False, True)
    with pytest.raises(DTypeError):
        w == None  # noqa: B015, E711
