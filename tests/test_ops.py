from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import minigrad as mg
from minigrad.testing import assert_same_graph_value, axes, broadcastable_shapes, check_grads, dtypes, shapes, tensors

BINARY = {
    "add": np.add, "subtract": np.subtract, "multiply": np.multiply, "maximum": np.maximum, "minimum": np.minimum,
    "less": np.less, "less_equal": np.less_equal, "greater": np.greater, "greater_equal": np.greater_equal,
    "equal": np.equal, "not_equal": np.not_equal,
}  # fmt: skip
OPERATORS = {
    "+": (lambda a, b: a + b, "f"), "-": (lambda a, b: a - b, "f"), "*": (lambda a, b: a * b, "f"), "/": (lambda a, b: a / b, "f"),
    "**": (lambda a, b: abs(a) ** b, "f"), "@": (lambda a, b: a @ b, "m"), "<": (lambda a, b: a < b, "f"), ">=": (lambda a, b: a >= b, "f"),
    "==": (lambda a, b: a == b, "f"), "!=": (lambda a, b: a != b, "f"), "//": (lambda a, b: a // b, "f"), "%": (lambda a, b: a % b, "f"),
}  # fmt: skip
REDUCTIONS = {"sum": np.sum, "prod": np.prod, "max": np.max, "min": np.min, "mean": np.mean, "any": np.any, "all": np.all}


def same(found: mg.Tensor, expected: Any, rtol: float = 1e-12) -> None:
    assert found.shape == np.shape(expected)
    np.testing.assert_allclose(found.numpy(), expected, rtol=rtol, atol=1e-13)


# ---- elementwise


@pytest.mark.parametrize("name", BINARY)
@given(data=st.data(), pair=broadcastable_shapes())
def test_binary_functions_broadcast_as_numpys(name: str, data: Any, pair: Any) -> None:
    x, y = (data.draw(tensors(shape=s)) for s in pair)
    found = getattr(mg, name)(x, y)
    same(found, BINARY[name](x.numpy(), y.numpy()))
    assert_same_graph_value(getattr(mg, name), x, y)


@given(data=st.data(), pair=broadcastable_shapes())
def test_gradients_through_broadcasting(data: Any, pair: Any) -> None:
    x, y = (data.draw(tensors(shape=s)) for s in pair)
    check_grads(lambda x, y: mg.sin(x * y) + x / (y * y + 1), x, y)


@pytest.mark.parametrize("sign", OPERATORS)
@given(data=st.data())
def test_operators_with_numpy_on_either_side(sign: str, data: Any) -> None:
    f, _ = OPERATORS[sign]
    x, y = (data.draw(tensors(shape=(2, 2), domain=(0.25, 3))) for _ in range(2))
    expected = f(x.numpy(), y.numpy())
    for found in (f(x, y), f(x.numpy(), y), f(x, y.numpy())):
        assert isinstance(found, mg.Tensor)
        if sign not in "//%":  # ours is floor(x / y), whose rounding may differ at whole quotients
            same(found, expected)
    assert isinstance(f(2.0, y) if sign != "@" else f([[1.0, 2.0]], y), mg.Tensor)


def test_scalars_on_the_left() -> None:
    x = mg.tensor(np.array([1.0, 2.0, 4.0]))
    same(3 - x, [2, 1, -1])
    same(8 / x, [8, 4, 2])
    same(2**x, [2, 4, 16])
    same(7 // x, [7, 3, 1])
    same(7 % x, [0, 1, 3])
    same(np.float64(3) - x, [2, 1, -1])
    assert (x < 3).tolist() == [True, True, False]


@given(x=tensors(dtype="int64", shape=(4,), domain=(-9, 9)), y=tensors(dtype="int64", shape=(4,), domain=(1, 9)))
def test_integer_division_rounds_down(x: mg.Tensor, y: mg.Tensor) -> None:
    for b in (y, -y):
        same(x // b, x.numpy() // b.numpy())
        same(x % b, x.numpy() % b.numpy())


@pytest.mark.parametrize("dtype", ["int64", "int8", "uint8", "float32", "bool"])
def test_argmin_and_argmax_in_every_dtype(dtype: str) -> None:
    values = np.array([3, 0, 100, 0, 100]).astype(dtype)
    if dtype == "bool":
        return
    assert int(mg.argmin(values)) == 1
    assert int(mg.argmax(values)) == 2
    if dtype == "int8":
        assert int(mg.argmin(np.array([0, -128, 127], "int8"))) == 1


@given(x=tensors(dtype="int32", max_dims=1, domain=(-5, 5)))
def test_integer_powers_are_exact(x: mg.Tensor) -> None:
    for k in (1, 2, 3, 5):
        assert (x**k).dtype == np.int32
        same(x**k, x.numpy() ** k)


def test_powers_at_zero() -> None:
    x = np.array([0.0, 2.0, -3.0])
    for k in (0, 1, 2, 3, 2.0, 3.0):
        same(mg.tensor(x) ** k, x**k)
        expected = k * x ** (k - 1) if k else np.zeros(3)
        same(mg.grad(lambda t, k=k: mg.sum(t**k))(x), expected)
    check_grads(lambda t: t**3, x)
    same(mg.grad(lambda y: mg.sum(mg.tensor(np.zeros(2)) ** y))(np.array([0.0, 2.0])), [0, 0])


@given(x=tensors(dtype="float64", max_dims=2, domain=(1 / 64, 4)))
def test_roots_and_reciprocals_are_powers(x: mg.Tensor) -> None:
    same(x**0.5, np.sqrt(x.numpy()), rtol=1e-15)
    same(x**-1, 1 / x.numpy(), rtol=1e-15)
    check_grads(lambda t: t**0.5 + t**-1, x)


@pytest.mark.parametrize("dtype", ["int32", "uint8"])
def test_any_integer_to_the_power_0_is_1_of_its_dtype(dtype: str) -> None:
    found = mg.tensor(np.arange(3, dtype=dtype)) ** 0
    assert (found.dtype, found.tolist()) == (np.dtype(dtype), [1, 1, 1])


def test_transpose_reverses_the_axes_unless_it_is_told_their_order() -> None:
    x = np.arange(24.0).reshape(2, 3, 4)
    same(mg.transpose(x), x.transpose())
    same(mg.transpose(x, (1, 2, 0)), x.transpose(1, 2, 0))


def test_a_tensor_is_converted_as_an_array() -> None:
    t = mg.tensor(np.array([1.5, -2.5]))
    assert np.asarray(t, dtype="int32").tolist() == [1, -2]
    copied = np.array(t, copy=True)
    copied[0] = 9
    assert t.tolist() == [1.5, -2.5]


def test_logic_is_for_bools() -> None:
    a, b = mg.tensor([True, True, False]), mg.tensor([True, False, False])
    assert (a & b).tolist() == [True, False, False]
    assert (a | b).tolist() == [True, True, False]
    assert (~a).tolist() == [False, False, True]
    assert mg.logical_and(mg.tensor([2.0, 0.0]), True).tolist() == [True, False]


@given(x=tensors(shape=(3,)))
def test_ufuncs_of_tensors_are_ours(x: mg.Tensor) -> None:
    for ufunc in (np.sin, np.tanh, np.exp, np.negative, np.absolute, np.square, np.sign, np.floor):
        found = ufunc(x)
        assert isinstance(found, mg.Tensor)
        same(found, ufunc(x.numpy()))
    assert isinstance(np.add(x.numpy(), x), mg.Tensor)
    same(mg.grad(lambda t: mg.sum(np.sin(t)))(x), np.cos(x.numpy()))


@given(data=st.data(), pair=st.tuples(dtypes(), dtypes()))
def test_promotion_is_numpys_except_that_integers_take_the_floats(data: Any, pair: Any) -> None:
    a, b = pair
    assume("f" not in (a.kind + b.kind) or a.kind == b.kind)
    assume(not (a == b == np.bool_))
    assert (mg.zeros(2, a) + mg.zeros(2, b)).dtype == np.result_type(a, b)


@pytest.mark.parametrize("integer", ["bool", "int8", "int64", "uint64"])
@pytest.mark.parametrize("real", ["float32", "float64"])
def test_an_integer_beside_a_float_takes_its_dtype(integer: str, real: str) -> None:
    for f in (mg.add, mg.multiply, mg.maximum, lambda x, y: mg.where(True, x, y)):
        assert f(mg.ones(2, integer), mg.ones(2, real)).dtype == real
    assert (mg.ones(2, real) * np.float64(2)).dtype == real
    assert (mg.ones(2, real) * 2).dtype == real
    assert (mg.ones(2, real) + True).dtype == real
    assert (mg.ones(2, integer) * 0.5).dtype == np.float32
    assert mg.sin(mg.ones(2, integer)).dtype == np.float32
    assert (mg.ones(2, integer) / 2).dtype == np.float32


def test_numbers_that_do_not_fit_are_refused() -> None:
    with pytest.raises(OverflowError, match="add: 300 does not fit uint8"):
        mg.ones(2, "uint8") + 300
    with pytest.raises(OverflowError, match="-1 does not fit uint8"):
        mg.ones(2, "uint8") * -1
    with pytest.raises(OverflowError, match=r"multiply: 1e\+300 does not fit float32.*float64"):
        mg.ones(2) * 1e300
    assert np.isinf((mg.ones(2) * float("inf")).numpy()).all()
    assert np.isnan((mg.ones(2) * float("nan")).numpy()).all()
    assert (mg.ones(2, "float64") * 1e300).tolist() == [1e300, 1e300]


def test_where_and_clip_and_relu_keep_nan_where_it_belongs() -> None:
    x = mg.tensor(np.array([np.nan, -1.0, 2.0]))
    np.testing.assert_array_equal(mg.relu(x).numpy(), [np.nan, 0, 2])
    np.testing.assert_array_equal(mg.clip(x, -0.5, 1).numpy(), [np.nan, -0.5, 1])
    np.testing.assert_array_equal(mg.clip(x, max=1).numpy(), [np.nan, -1, 1])
    np.testing.assert_array_equal(mg.maximum(x, 0).numpy(), [np.nan, 0, 2])
    assert mg.isnan(x).tolist() == [True, False, False]
    assert mg.isfinite(mg.tensor([np.inf, 1.0, np.nan])).tolist() == [False, True, False]
    assert mg.isfinite(mg.tensor([True, False])).tolist() == [True, True]


# ---- reductions


@pytest.mark.parametrize("name", REDUCTIONS)
@given(data=st.data(), keepdims=st.booleans())
def test_reductions_are_numpys_over_any_axes(name: str, data: Any, keepdims: bool) -> None:
    x = data.draw(tensors(max_dims=3, min_side=0))
    axis = data.draw(axes(x.ndim))
    over = range(x.ndim) if axis is None else np.atleast_1d(np.array(axis, int))
    if name in ("max", "min", "mean") and 0 in [x.shape[a] for a in over]:
        with pytest.raises(ValueError, match="value"):
            getattr(mg, name)(x, axis, keepdims)
        return
    same(getattr(mg, name)(x, axis, keepdims), REDUCTIONS[name](x.numpy(), axis=axis, keepdims=keepdims))


@pytest.mark.parametrize("name", ["sum", "prod", "max", "min", "mean"])
@given(data=st.data(), keepdims=st.booleans())
def test_gradients_of_reductions(name: str, data: Any, keepdims: bool) -> None:
    x = data.draw(tensors(max_dims=3, max_side=3))
    axis = data.draw(axes(x.ndim))
    check_grads(lambda x: getattr(mg, name)(x, axis, keepdims), x, order=1)


@pytest.mark.parametrize("name", ["max", "min", "mean", "argmax", "argmin"])
def test_reductions_without_identity_refuse_nothing(name: str) -> None:
    with pytest.raises(ValueError, match="value"):
        getattr(mg, name)(mg.zeros((2, 0)), axis=1)


def test_sums_of_nothing() -> None:
    assert mg.sum(mg.zeros((2, 0)), 1).tolist() == [0, 0]
    assert mg.prod(mg.zeros((2, 0)), 1).tolist() == [1, 1]
    assert mg.sum(mg.tensor([True, True])).dtype == np.int64


@given(data=st.data(), reverse=st.booleans())
def test_cumsum_sort_argsort_and_top_k_are_numpys(data: Any, reverse: bool) -> None:
    x = data.draw(tensors(min_dims=1))
    axis = data.draw(axes(x.ndim, many=False))
    v = x.numpy()
    expected = np.flip(np.cumsum(np.flip(v, axis), axis), axis) if reverse else np.cumsum(v, axis)
    same(mg.cumsum(x, axis, reverse), expected)
    order = np.argsort(-v if reverse else v, axis, stable=True)
    same(mg.argsort(x, axis, descending=reverse), order)
    same(mg.sort(x, axis, descending=reverse), np.take_along_axis(v, order, axis))
    values, found = mg.top_k(x, 1, axis)
    same(values, v.max(axis, keepdims=True))
    same(found, v.argmax(axis, keepdims=True))
    same(mg.argmax(x, axis), v.argmax(axis))
    same(mg.argmin(x, axis), v.argmin(axis))
    check_grads(lambda x: mg.sort(x, axis) * mg.cumsum(x, axis, reverse), np.unique(v)[:4], order=1) if axis == 0 else None


def test_argsort_is_stable_and_puts_nan_last() -> None:
    x = mg.tensor(np.array([2.0, np.nan, 1.0, 2.0]))
    assert mg.argsort(x).tolist() == [2, 0, 3, 1]
    assert mg.argsort(x, descending=True).tolist() == [0, 3, 2, 1]
    assert mg.argsort(np.array([1, 3, 3, 0], "uint8"), descending=True).tolist() == [1, 2, 0, 3]


# ---- movement and products


@given(data=st.data(), x=tensors(max_dims=3, min_side=0))
def test_movement_is_numpys(data: Any, x: mg.Tensor) -> None:
    v = x.numpy()
    order = data.draw(st.permutations(range(x.ndim)))
    same(mg.permute_dims(x, order), np.transpose(v, order))
    same(x.T, v.T)
    same(mg.reshape(x, (v.size,)), v.ravel())
    same(mg.flip(x), np.flip(v))
    at = data.draw(st.integers(-x.ndim - 1, x.ndim))
    same(mg.expand_dims(x, at), np.expand_dims(v, at))
    same(mg.squeeze(mg.expand_dims(x, at), at), v)
    same(mg.stack([x, x], at), np.stack([v, v], at))
    if x.ndim:
        axis = data.draw(axes(x.ndim, many=False))
        shift = data.draw(st.integers(-5, 5))
        same(mg.roll(x, shift, axis), np.roll(v, shift, axis))
        same(mg.concat([x, x[:0] if axis in (0, -x.ndim) else x], axis), np.concatenate([v, v[:0] if axis in (0, -x.ndim) else v], axis))
        same(mg.moveaxis(x, axis, 0), np.moveaxis(v, axis, 0))
        same(mg.concat(mg.split(x, [v.shape[axis]], axis), axis), v)
    widths = [(data.draw(st.integers(0, 2)), data.draw(st.integers(0, 2))) for _ in range(x.ndim)]
    same(mg.pad(x, widths), np.pad(v, widths) if x.ndim else v)
    check_grads(lambda x: mg.roll(mg.pad(mg.permute_dims(x, order), widths), 1, 0) if x.ndim else x, x, order=1)


def test_pad_puts_the_zero_that_is_asked_for() -> None:
    for value in (0, 0.0, -0.0, 2.5):
        found = mg.pad(np.array([-1.0, 0.0]), (1, 2), value).numpy()
        expected = np.pad([-1.0, 0.0], (1, 2), constant_values=value)
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(np.signbit(found), np.signbit(expected))


MATMUL = [((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((2, 3), (3, 4)), ((5, 2, 3), (3, 4)), ((2, 3), (5, 3, 4)),
          ((5, 1, 2, 3), (4, 3, 2)),
          ((3,), (5, 3, 2)), ((0, 3), (3, 2)), ((2, 0), (0, 3)), ((2, 0, 3), (3, 2))]  # fmt: skip


@pytest.mark.parametrize(("a", "b"), MATMUL)
def test_matmul_is_numpys(a: Any, b: Any) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal(a), rng.standard_normal(b)
    same(mg.tensor(x) @ y, x @ y)
    check_grads(mg.matmul, x, y)
    if len(a) > 1 and len(b) > 1:
        same(mg.tensordot(x, y[(0,) * (len(b) - 2)], 1), np.tensordot(x, y[(0,) * (len(b) - 2)], 1))


@given(shape=shapes(min_dims=2, max_dims=3), k=st.integers(-3, 3))
def test_tril_eye_outer_and_full(shape: Any, k: int) -> None:
    x = np.random.default_rng(0).standard_normal(shape)
    same(mg.tril(x, k), np.tril(x, k))
    same(mg.eye(shape[0]), np.eye(shape[0]))
    same(mg.outer(x[..., 0].ravel(), x[..., 0].ravel()), np.outer(x[..., 0], x[..., 0]))
    same(mg.full(shape, 2.5), np.full(shape, 2.5))
    same(mg.arange(shape[0]), np.arange(shape[0]))
    same(mg.one_hot(mg.arange(3), 2), np.eye(3)[:, :2])


def test_names_of_functions_do_not_lie() -> None:
    """Every public function has a docstring and its own name."""
    for name in mg.ops.__all__:
        f = getattr(mg, name)
        if isinstance(f, np.dtype) or name in ("__array_api_version__", "e", "inf", "nan", "newaxis", "pi"):
            continue
        assert callable(f)
        assert f.__doc__ or name.endswith("_like"), name


def test_stack_and_concat_take_what_a_generator_gives() -> None:
    w = mg.parameter([1.0, 2.0])
    for join in (mg.stack, mg.concat):
        made = join(w * i for i in range(3))
        np.testing.assert_array_equal(made, join([w * i for i in range(3)]))
        assert mg.grad(lambda w, join=join: mg.sum(join(w * i for i in range(3))))(w).tolist() == [3, 3]
        with pytest.raises(mg.errors.ShapeError, match="needs at least one tensor"):
            join(iter(()))
