"""One rule for dtypes: tensors and arrays decide, then NumPy scalars, Python numbers last; and so in every transformation."""

from __future__ import annotations

import copy
import operator
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import minigrad as mg
from minigrad.errors import DTypeError, RangeError
from minigrad.testing import dtypes

NUMBERS: dict[str, Callable[[Any], Any]] = {"bool": bool, "int": int, "float": float}
RANK = {"bool": 0, "int": 0, "float": 0, "scalar": 1, "0-d": 2, "array": 2, "list": 2, "nested": 2, "tensor": 2}
LISTS = {"list": [1.5, 2.5], "nested": [[2, 3]]}


def made(kind: str, dtype: np.dtype, value: Any = 3) -> Any:
    """An operand of a kind; a dtype is that of NumPy scalars, arrays and tensors."""
    if kind in NUMBERS:
        return NUMBERS[kind](value)
    if kind in LISTS:
        return LISTS[kind]
    if kind == "scalar":
        return dtype.type(value)
    array = np.full((), value, dtype) if kind == "0-d" else np.full(2, value, dtype)
    return mg.tensor(array) if kind == "tensor" else array


def of_one(kind: str, dtype: np.dtype) -> np.dtype:
    names = {"bool": "bool", "int": "int64", "float": "float32", "list": "float32", "nested": "int64"}
    return np.dtype(names[kind]) if kind in names else dtype


def ruled(operands: Sequence[tuple[str, np.dtype]]) -> np.dtype:
    """The rule, said again."""
    top = max(RANK[kind] for kind, _ in operands)
    decide = [of_one(*o) for o in operands if RANK[o[0]] == top]
    floats = [d for d in decide if d.kind == "f"]
    common = np.result_type(*(floats or decide))
    for kind in (of_one(*o).kind for o in operands if RANK[o[0]] < 2):
        if kind == "f" and common.kind != "f":
            common = np.dtype("float32")
        if kind in "iu" and common.kind == "b":
            common = np.dtype("int64")
    return common


OPERANDS = st.tuples(st.sampled_from(sorted(RANK)), dtypes())


@given(x=OPERANDS, y=OPERANDS)
@example(x=("scalar", np.dtype("float64")), y=("scalar", np.dtype("float64")))
@example(x=("scalar", np.dtype("float64")), y=("float", np.dtype("bool")))
@example(x=("0-d", np.dtype("uint64")), y=("scalar", np.dtype("bool")))
def test_a_function_of_two_operands_follows_the_rule(x: Any, y: Any) -> None:
    a, b, expected = made(*x), made(*y), ruled([x, y])
    assert mg.where(True, a, b).dtype == expected
    assert mg.maximum(a, b).dtype == expected
    assert mg.less(a, b).dtype == mg.equal(a, b).dtype == bool
    if expected.kind != "b":
        assert mg.add(a, b).dtype == mg.multiply(a, b).dtype == mg.subtract(a, b).dtype == expected
    assert mg.divide(a, b).dtype == (expected if expected.kind == "f" else np.dtype("float32"))


@given(x=OPERANDS, y=OPERANDS)
@example(x=("scalar", np.dtype("float64")), y=("0-d", np.dtype("float32")))
def test_joining_and_products_follow_the_rule(x: Any, y: Any) -> None:
    a, b = made(*x), made(*y)
    if np.shape(a) == np.shape(b):
        assert mg.stack([a, b]).dtype == ruled([x, y])
    if np.shape(a) == np.shape(b) == (2,):
        assert mg.concat([a, b]).dtype == ruled([x, y])
        if ruled([x, y]).kind != "b":
            assert mg.matmul(a, b).dtype == ruled([x, y])


@given(
    x=OPERANDS, name=st.sampled_from(["exp", "sqrt", "tanh", "floor", "negative", "abs", "square", "sum", "max", "mean", "relu", "reshape"])
)
def test_a_function_of_one_operand_keeps_its_dtype(x: Any, name: str) -> None:
    a, own = made(*x), of_one(*x)
    if own.kind == "b" and name in ("negative", "abs", "square", "max", "relu", "floor"):
        return
    given = (a, (-1,)) if name == "reshape" else (a,)
    to_float = name in ("exp", "sqrt", "tanh", "mean") and own.kind != "f"
    if name != "sum" or own.kind == "f":  # integers are summed as NumPy does
        assert getattr(mg, name)(*given).dtype == (np.dtype("float32") if to_float else own)


@pytest.mark.parametrize("exponent", [0.5, 2.0, 3.0, -2.0, np.float64(2)])
def test_an_integer_to_a_float_power_is_float32(exponent: Any) -> None:
    assert mg.pow(np.array([1, 2]), exponent).dtype == "float32"
    assert mg.pow(np.array([1.0, 2]), exponent).dtype == "float64"


def test_double_precision_of_numpy_scalars_is_kept() -> None:
    assert mg.add(np.float64(1), np.float64(1e-9)).item() == 1 + 1e-9
    assert mg.exp(np.float64(1)).dtype == mg.maximum(np.float64(1), 2).dtype == "float64"


def test_a_dtype_of_none_is_the_default() -> None:
    made = [
        mg.zeros(3, None), mg.ones(3, dtype=None), mg.full(3, 0.5, dtype=None), mg.eye(3, dtype=None), mg.one_hot([1], 3, dtype=None),
        mg.astype(np.arange(3), None), mg.tensor([1, 2]).astype(None), mg.tensor(0.5, None), mg.parameter(0.5, None),
        mg.random.uniform(mg.random.key(0), 3, dtype=None), mg.random.normal(mg.random.key(0), 3, dtype=None),
    ]  # fmt: skip
    assert {str(t.dtype) for t in made} == {"float32"}
    assert mg.arange(3, dtype=None).dtype == mg.tensor([1, 2], dtype=None).dtype == "int64"
    assert mg.tensor(np.ones(2), None).dtype == mg.zeros_like(np.ones(2)).dtype == "float64"


# ---- transformations: an argument that is a number stays one

Expression = Callable[..., Any]
LEAVES: list[Expression] = [lambda x, a, b: x, lambda x, a, b: a, lambda x, a, b: b]
BINARY: list[Callable[[Any, Any], Any]] = [operator.add, operator.sub, operator.mul, operator.mul, mg.maximum, mg.add]


def joined(parts: Any) -> st.SearchStrategy[Expression]:
    def binary(f: Any, p: Expression, q: Expression) -> Expression:
        return lambda *v: f(p(*v), q(*v))

    def unary(f: Any, p: Expression) -> Expression:
        return lambda *v: f(p(*v))

    def chosen(p: Expression, q: Expression, r: Expression) -> Expression:
        return lambda *v: mg.where(p(*v) < q(*v), q(*v), r(*v))

    return st.one_of(
        st.builds(binary, st.sampled_from(BINARY), parts, parts),
        st.builds(unary, st.sampled_from([operator.neg, abs, lambda x: x * 0.5, lambda x: 2 + x, lambda x: x / 4, mg.tanh]), parts),
        st.builds(chosen, parts, parts, parts),
    )


EXPRESSIONS = st.recursive(st.sampled_from(LEAVES), joined, max_leaves=5)
VALUES = st.sampled_from([-2, -1, 0.5, 1, 0.1, 3, 1.7])
ARGUMENTS = st.tuples(st.sampled_from(["int", "float", "scalar", "0-d"]), dtypes("if").filter(lambda d: d.itemsize > 2), VALUES)


def through(how: str, f: Expression, x: Any, a: Any, b: Any) -> Any:
    """f(x, a, b) through a transformation, where arrays are tensors and numbers are numbers."""
    match how:
        case "jit":
            return mg.jit(f)(x, a, b)
        case "vmap":
            return mg.vmap(f, in_axes=(0, None, None))(x, a, b)
        case "checkpoint":
            return mg.checkpoint(f)(x, a, b)
        case "cond":
            return mg.cond(True, f, f, x, a, b)
        case "custom_vjp":
            custom = mg.custom_vjp(f)
            custom.defvjp(lambda ct, out, x, a, b: (ct, ct, ct))
            return custom(x, a, b)
        case "vjp":
            return mg.vjp(lambda x: f(x, a, b), x)[0]
        case "jit of vjp":
            return mg.jit(lambda a, b: mg.vjp(lambda x: f(x, a, b), mg.tensor(x))[0])(a, b)
        case "scan":
            return mg.jit(lambda x, a, b: mg.scan(lambda c, row: (c, f(row, a, b)), 0, x)[1])(x, a, b)
    raise AssertionError(how)


WAYS = ["jit", "vmap", "checkpoint", "cond", "custom_vjp", "vjp", "jit of vjp", "scan"]


@given(f=EXPRESSIONS, dtype=dtypes("if").filter(lambda d: d.itemsize > 2), a=ARGUMENTS, b=ARGUMENTS, how=st.sampled_from(WAYS))
def test_numbers_stay_numbers_in_every_transformation(f: Expression, dtype: np.dtype, a: Any, b: Any, how: str) -> None:
    if dtype.kind == "i" and "vjp" in how and how != "custom_vjp":
        return
    x, a, b = mg.tensor(np.array([1, -3], dtype)), made(*a), made(*b)
    with warnings.catch_warnings(action="ignore"):
        try:
            expected = mg.tensor(f(x, *(mg.tensor(v) if isinstance(v, np.ndarray) else v for v in (a, b))))
        except DTypeError:
            return
        found = through(how, f, x, a, b)
    assert found.dtype == expected.dtype
    shape = found.shape if how in ("vmap", "scan") else expected.shape
    tolerance = 1e-5 if found.dtype == "float32" else 1e-12
    np.testing.assert_allclose(found.numpy(), np.broadcast_to(expected.numpy(), shape), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("how", WAYS)
def test_a_python_number_takes_the_dtype_of_an_array(how: str) -> None:
    for dtype, number in [("float64", 0.1), ("int32", 2), ("float32", np.float64(0.1)), ("uint8", 3), ("float32", np.int64(3))]:
        if dtype[0] != "f" and "vjp" in how and how != "custom_vjp":
            continue
        x = np.array([1, 3], dtype)
        found = through(how, lambda x, a, b: mg.tensor(x) * a + b, x, number, number)
        assert found.dtype == dtype
        np.testing.assert_array_equal(found.numpy(), (mg.tensor(x) * number + number).numpy())


def test_one_program_serves_all_numbers_of_a_kind() -> None:
    f = mg.jit(lambda x, a, n: x * a + n)
    x = np.array([1.0, 3.0])
    for a, n in [(0.1, 1), (0.2, 2), (-1e-30, 300)]:
        np.testing.assert_array_equal(f(x, a, n).numpy(), x * a + n)
    assert sum(map(len, f.programs.values())) == 1
    np.testing.assert_array_equal(f(x, 2, 0.5).numpy(), x * 2 + 0.5)
    assert f(x, np.float32(2), np.int8(1)).dtype == f(x, np.array(2.0), 1).dtype == "float64"
    assert f(x.astype("float32"), np.array(2.0), 1).dtype == "float64"
    assert f(x.astype("float32"), np.float64(2.0), 1).dtype == "float32"


def test_the_gradient_of_a_python_number_is_float32_and_computed_as_its_tensors() -> None:
    x = mg.tensor(np.array([1.0, 1e-9]))
    value, gradient = mg.value_and_grad(lambda a: mg.sum(x * a))(3)
    assert (value.dtype, gradient.dtype, float(gradient)) == ("float64", "float32", 1.0)
    assert mg.grad(lambda a: mg.sum(x * a))(np.float64(3)).item() == 1 + 1e-9
    loss, aux = mg.value_and_grad(lambda a: (a * a, a + 1), has_aux=True)(0.5)[0]
    assert type(loss) is type(aux) is mg.Tensor
    assert mg.hessian(lambda a: a**3)(2.0).dtype == "float32"
    assert mg.jvp(lambda a: x * a, (0.1,), (1.0,))[1].dtype == "float64"
    np.testing.assert_array_equal(mg.jit(mg.grad(lambda a: a * a * mg.sum(x)))(3.0).numpy(), np.float32(6))


@pytest.mark.parametrize("compiled", [False, True])
def test_a_custom_gradient_gets_numbers_as_numbers(compiled: bool) -> None:
    f = mg.custom_vjp(lambda x, a: mg.sum(x * a))
    f.defvjp(lambda ct, out, x, a: (mg.ones_like(x) * ct * a, ct * mg.sum(x)))
    for dtype in ("float32", "float64"):
        x = np.array([1, 1e-3], dtype)
        gradient = mg.grad(f, (0, 1))
        gx, ga = (mg.jit(gradient) if compiled else gradient)(x, 0.1)
        assert (gx.dtype, ga.dtype) == (dtype, "float32")
        np.testing.assert_array_equal(gx.numpy(), np.full(2, 0.1, dtype))
        np.testing.assert_allclose(ga.numpy(), 1.001, rtol=1e-6)


def test_a_number_is_an_index_a_condition_and_a_step_in_compiled_code() -> None:
    x = np.arange(3.0)
    np.testing.assert_array_equal(mg.jit(lambda x, i: x[i] + mg.take(x, i))(x, -1).numpy(), 4)
    np.testing.assert_array_equal(mg.jit(lambda x, c: mg.where(c, x, -x))(x, False).numpy(), -x)
    np.testing.assert_array_equal(mg.jit(lambda x, c: mg.cond(c, lambda x: x, lambda x: -x, x))(x, True).numpy(), x)
    np.testing.assert_array_equal(mg.jit(lambda i: mg.random.fold_in(mg.random.key(0), i))(3), mg.random.fold_in(mg.random.key(0), 3))


@pytest.mark.parametrize("dtype", ["uint8", "int32", "uint32", "uint64", "float32"])
def test_a_number_that_does_not_fit_is_refused_also_where_it_is_compiled(dtype: str) -> None:
    x = np.ones(3, dtype)
    number = 1e300 if dtype[0] == "f" else -1 if dtype[0] == "u" else 2**31
    f = mg.jit(lambda x, a: mg.tanh(x * a) + x)
    for call in (f, f.function, mg.checkpoint(f.function), mg.vmap(f.function, (0, None))):
        with pytest.raises(RangeError, match="does not fit"):
            call(mg.tensor(x), number)
    f(x, 1.0 if dtype[0] == "f" else 1)
    if dtype[0] == "f":
        assert np.isnan(f(x, float("nan")).numpy()).all()
        assert f(x, float("inf")).numpy()[0] == 2


def test_numbers_derived_from_arguments_are_checked_where_they_meet_a_tensor() -> None:
    f = mg.jit(lambda x, n: x + (n * 100 + 1))
    assert f(np.zeros(2, "uint8"), 2).numpy().tolist() == [201, 201]
    with pytest.raises(RangeError, match="number: 301 does not fit uint8"):
        f(np.zeros(2, "uint8"), 3)


def test_an_axis_length_is_a_number_in_compiled_code_too() -> None:
    def f(x: Any) -> Any:
        return x * x.shape[0] + x.shape[0]

    for dtype in ("uint8", "int32", "float32", "float64", "int64"):
        x = np.ones(3, dtype)
        assert mg.jit(f)(x).dtype == f(mg.tensor(x)).dtype == dtype
    assert mg.jit(f)(np.ones(3, "uint8")).numpy().tolist() == [6] * 3


def test_an_integer_power_whose_dtype_depends_on_its_value_is_refused() -> None:
    assert mg.jit(lambda n: n**3)(2).numpy() == 8
    assert mg.jit(lambda n: n**-1)(2).numpy() == 0.5
    assert mg.jit(lambda a, n: a**n)(2.0, 3).numpy() == 8
    with pytest.raises(DTypeError, match="depending on its value"):
        mg.jit(lambda a, n: a**n)(2, 3)


@pytest.mark.parametrize(
    "value",
    [np.ma.array([1.0, 2.0], mask=[0, 1]), np.ones(2, "longdouble"), np.ones(2, complex), np.array([None]), np.array(["a"]), "a", 2**70],
    ids=lambda v: str(getattr(v, "dtype", v)),
)
def test_jit_refuses_what_eager_refuses(value: Any) -> None:
    with pytest.raises(DTypeError) as eager:
        mg.tensor(value)
    for f in (mg.jit(lambda x: x), mg.vmap(lambda x: x), mg.checkpoint(lambda x: x), lambda x: mg.vjp(lambda x: x, x)):
        with pytest.raises(DTypeError) as found:
            f(value)
        assert str(found.value).splitlines()[0] == str(eager.value).splitlines()[0]


def test_gradients_go_through_a_compiled_function_of_numbers() -> None:
    x, f = mg.tensor(np.array([1.0, 3.0])), mg.jit(lambda x, a: x * a)
    np.testing.assert_array_equal(mg.grad(lambda x: mg.sum(f(x * 1, 0.1)))(x).numpy(), [0.1, 0.1])
    assert mg.grad(lambda a: mg.sum(f(x, a * 2)))(0.5).numpy() == 8
    pulled = mg.vjp(f, x, 0.1)[1](np.ones(2))
    assert [str(g.dtype) for g in pulled] == ["float64", "float32"]
    np.testing.assert_array_equal(pulled[0].numpy(), [0.1, 0.1])


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("rule", [
    lambda ct, out, x, a: (ct * a, None), lambda ct, out, x, a: ct * a, lambda ct, out, x, a: (ct * a, mg.sum(ct * x)),
])  # fmt: skip
def test_a_custom_gradient_may_leave_out_that_of_a_number(rule: Callable[..., Any], compiled: bool) -> None:
    f = mg.custom_vjp(lambda x, a: x * a)
    f.defvjp(rule)
    gradient = mg.grad(lambda x, a: mg.sum(f(x, a)))
    np.testing.assert_array_equal((mg.jit(gradient) if compiled else gradient)(np.ones(2), 0.1).numpy(), [0.1, 0.1])


@pytest.mark.parametrize(
    "f",
    [
        lambda x, a: x.at[0].set(a), lambda x, a: x.at[0].add(a), lambda x, a: mg.index_add(x, [1], a), lambda x, a: mg.pad(x, 1, a),
        lambda x, a: mg.full_like(x, a), lambda x, a: mg.linspace(a, x, 3), lambda x, a: mg.tensor([x[0], a]), lambda x, a: mg.clip(x, a),
        lambda x, a: mg.nan_to_num(x, nan=a), lambda x, a: copy.deepcopy(a) * x, lambda x, a: mg.diff(x, prepend=a),
        lambda x, a: divmod(x, a)[1], lambda x, a: np.hypot(x, a), lambda x, a: np.where(x > a, x, a),
    ],
)  # fmt: skip
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_array_functions_take_numbers_as_numbers_in_compiled_code(f: Callable[..., Any], dtype: str) -> None:
    x = mg.tensor(np.array([0.3, np.nan, 7], dtype))
    expected = f(x, 0.1)
    assert expected.dtype == dtype
    found = mg.jit(f)(x, 0.1)
    assert found.dtype == dtype
    np.testing.assert_allclose(found.numpy(), expected.numpy(), 4 * np.finfo(dtype).eps)


@pytest.mark.parametrize("f", [
    lambda n: np.divmod(n, 3), lambda n: divmod(np.int64(30), n), np.exp, lambda n: np.divide(n, 2), lambda n: np.arctan2(n, 2),
    lambda n: np.maximum(n, np.arange(9)), lambda n: np.left_shift(n, 2), lambda n: np.isfinite(n), lambda n: np.sqrt(np.float32(2)) * n,
])  # fmt: skip
def test_ufuncs_of_numbers_have_numpys_dtypes(f: Callable[..., Any]) -> None:
    expected = f(7)
    for ours, theirs in zip(mg.tree.leaves(mg.jit(f)(7)), mg.tree.leaves(expected), strict=True):
        assert ours.dtype == np.asarray(theirs).dtype
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-15)


@pytest.mark.parametrize("f", [lambda n: divmod(n, 3), lambda n: n ^ 5, lambda n: n << 2, lambda n: 100 >> n, lambda n: ~n])
def test_operators_among_integers_are_pythons(f: Callable[..., Any]) -> None:
    assert mg.tree.map(lambda t: t.item(), mg.jit(f)(7)) == f(7)
    assert all(t.dtype == "int64" for t in mg.tree.leaves(mg.jit(f)(7)))
