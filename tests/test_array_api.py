"""The array API standard 2024.12: names, signatures and results, beside array-api-strict, another implementation of it."""

from __future__ import annotations

import inspect
import math
import operator
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import minigrad as mg
from minigrad.errors import AbstractValueError, DTypeError, SettingError, ShapeError
from minigrad.testing.strategies import axes, broadcastable_shapes, dtypes, shapes, tensors

strict = pytest.importorskip("array_api_strict")

VERSION = "2024.12"
COMPLEX = "minigrad has no complex dtypes"
EXCLUDED = {
    **dict.fromkeys(("complex64", "complex128", "conj", "imag", "real"), COMPLEX),
    **dict.fromkeys(("fft", "linalg"), "an extension, which is optional"),
    **dict.fromkeys(("isin", "broadcast_shapes"), "of a later version"),
    **dict.fromkeys(("Device", "__version__"), "of array-api-strict, not of the standard"),
    **{name: "a setting of array-api-strict" for name in strict.__all__ if "strict_flags" in name.lower() or "StrictFlags" in name},
}
NAMES = sorted(set(strict.__all__) - set(EXCLUDED))
FUNCTIONS = [name for name in NAMES if inspect.isfunction(getattr(strict, name))]


@pytest.fixture(autouse=True, scope="module")
def version() -> Iterator[None]:
    strict.set_array_api_strict_flags(api_version=VERSION)
    with np.errstate(all="ignore"):
        yield
    strict.reset_array_api_strict_flags()


# ---- the namespace


def test_every_public_name_is_there_or_excluded_with_a_reason() -> None:
    assert [name for name in NAMES if not hasattr(mg, name)] == []
    assert set(EXCLUDED) <= set(strict.__all__) | {"isin", "broadcast_shapes"}


def test_the_namespace_of_a_tensor_is_minigrad() -> None:
    x = mg.zeros(3)
    assert x.__array_namespace__() is mg
    assert x.__array_namespace__(api_version=VERSION) is mg
    assert mg.__array_api_version__ == VERSION
    with pytest.raises(SettingError, match="knows the versions"):
        x.__array_namespace__(api_version="1999.01")


def test_the_namespace_describes_itself() -> None:
    info, theirs = mg.__array_namespace_info__(), strict.__array_namespace_info__()
    assert info.capabilities().keys() == theirs.capabilities().keys()
    assert info.default_device() in info.devices()
    assert info.default_dtypes() == {"real floating": mg.float32, "integral": mg.int64, "indexing": mg.int64}
    for kind in ("bool", "signed integer", "unsigned integer", "integral", "real floating", ("bool", "integral"), ()):
        assert set(info.dtypes(kind=kind)) == {name for name in theirs.dtypes(kind=kind) if "complex" not in name}
    assert info.dtypes(kind="complex floating") == {}
    with pytest.raises(SettingError, match="one device"):
        info.dtypes(device="cuda")


def parameters(f: Any) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(f).parameters)


# Defaults that the standard leaves open, and take(axis=0), which is the only axis wherever the standard lets axis be left out.
DEFAULTS = {("take", "axis"), ("asarray", "copy"), ("from_dlpack", "device"), ("from_dlpack", "copy"), ("astype", "device")}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_signature_is_the_standards(name: str) -> None:
    ours, theirs = parameters(getattr(mg, name)), parameters(getattr(strict, name))
    order = list(ours.values())
    for i, (key, p) in enumerate(theirs.items()):
        if p.kind is p.VAR_POSITIONAL:
            assert order[i].kind is p.kind
        elif p.kind is p.POSITIONAL_ONLY:
            assert order[i].kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD), key
        else:
            assert key in ours
            assert ours[key].kind in (p.kind, p.POSITIONAL_OR_KEYWORD)
            assert p.kind is p.KEYWORD_ONLY or order[i].name == key
            if p.default is not p.empty and (name, key) not in DEFAULTS:
                assert ours[key].default == p.default or {ours[key].default, p.default} == {mg.float32, None}
    for key, p in list(ours.items())[len(theirs) :]:
        assert p.default is not p.empty or p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD), key


# ---- results


def peer(x: Any) -> Any:
    """The same value for array-api-strict."""
    if isinstance(x, mg.Tensor):
        return strict.asarray(x.numpy().copy())
    if isinstance(x, np.dtype):
        return getattr(strict, x.name)
    return type(x)(map(peer, x)) if isinstance(x, (list, tuple)) else x


def same(found: Any, expected: Any) -> None:
    """Equal in structure, type, shape and value, up to a few roundings."""
    if isinstance(expected, (list, tuple)):
        assert len(found) == len(expected)
        for a, b in zip(found, expected, strict=True):
            same(a, b)
        return
    assert isinstance(found, mg.Tensor)
    b = np.asarray(expected)
    assert (found.shape, found.dtype) == (b.shape, b.dtype)
    rtol = 8 * np.finfo(b.dtype).eps if b.dtype.kind == "f" else 0
    np.testing.assert_allclose(found.numpy(), b, rtol=rtol, atol=rtol * 8)


def agree(name: str, *args: Any, **options: Any) -> None:
    try:
        expected = getattr(strict, name)(*map(peer, args), **{k: peer(v) for k, v in options.items()})
    except TypeError:  # a dtype that the standard leaves out
        assume(False)
    same(getattr(mg, name)(*args, **options), expected)


SIMPLE = [n for n in FUNCTIONS if all(p.kind is p.POSITIONAL_ONLY for p in parameters(getattr(strict, n)).values())]
UNARY = [n for n in SIMPLE if list(parameters(getattr(strict, n))) == ["x"] and not n.startswith(("unique", "matrix", "nonzero"))]
BINARY = [n for n in SIMPLE if list(parameters(getattr(strict, n))) == ["x1", "x2"] and n != "matmul"]


def accepted(name: str) -> list[np.dtype]:
    """The dtypes for which the standard defines a function."""
    found = []
    for dtype in map(np.dtype, mg.__array_namespace_info__().dtypes().values()):
        x = strict.ones(1, dtype=getattr(strict, dtype.name))
        try:
            getattr(strict, name)(*[x] * (1 if name in UNARY else 2))
        except TypeError:
            continue
        found.append(dtype)
    return found


@pytest.mark.parametrize("name", UNARY)
@given(data=st.data())
def test_a_function_of_one_array(name: str, data: Any) -> None:
    dtype = data.draw(st.sampled_from(accepted(name)))
    agree(name, data.draw(tensors(dtype, special=True, min_side=0)))


@pytest.mark.parametrize("name", BINARY)
@given(data=st.data())
def test_a_function_of_two_arrays_which_broadcast(name: str, data: Any) -> None:
    first, second = (data.draw(st.sampled_from(accepted(name))) for _ in range(2))
    domain = (0, 9) if "shift" in name or (name == "pow" and "f" not in first.kind + second.kind) else (-3, 3)
    x, y = (
        data.draw(tensors(d, shape=s, domain=domain, special=True))
        for d, s in zip((first, second), data.draw(broadcastable_shapes()), strict=True)
    )
    agree(name, x, y)


NUMBERS = {"b": st.booleans(), "i": st.integers(-3, 3), "u": st.integers(0, 3), "f": st.integers(-9, 9).map(lambda n: n / 4)}


@pytest.mark.parametrize("name", BINARY)
@given(data=st.data())
def test_an_operand_may_be_a_number(name: str, data: Any) -> None:
    dtype = data.draw(st.sampled_from(accepted(name)))
    x, n = data.draw(tensors(dtype, domain=(1, 3))), data.draw(NUMBERS[dtype.kind])
    assume(n >= 0 or not ("shift" in name or (name == "pow" and dtype.kind == "i")))
    agree(name, *((x, n) if data.draw(st.booleans()) else (n, x)))


@given(x=tensors(special=True), dtype=dtypes("f"), copy=st.booleans())
def test_astype(x: mg.Tensor, dtype: Any, copy: bool) -> None:
    agree("astype", x, dtype, copy=copy)
    same(x.astype(dtype, copy=copy), strict.astype(peer(x), peer(dtype)))


@pytest.mark.parametrize("name", ["sum", "prod", "max", "min", "mean", "std", "var", "all", "any", "count_nonzero"])
@given(data=st.data())
def test_a_reduction(name: str, data: Any) -> None:
    dtype = data.draw(dtypes("f" if name in ("mean", "std", "var") else "iuf" if name in ("sum", "prod", "max", "min") else "biuf"))
    x = data.draw(tensors(dtype, special=name in ("max", "min", "all", "any", "count_nonzero")))
    agree(name, x, axis=data.draw(axes(x.ndim)), keepdims=data.draw(st.booleans()))


@pytest.mark.parametrize("name", ["sum", "prod", "cumulative_sum", "cumulative_prod"])
@given(data=st.data())
def test_the_dtype_of_a_sum(name: str, data: Any) -> None:
    x, dtype = data.draw(tensors(data.draw(dtypes("iu")), min_dims=1, max_dims=1)), data.draw(st.none() | dtypes("iu"))
    assume(dtype is None or np.can_cast(x.dtype, dtype))
    agree(name, x, dtype=dtype, axis=0)


@pytest.mark.parametrize("name", ["cumulative_sum", "cumulative_prod"])
@given(data=st.data(), initial=st.booleans())
def test_a_cumulative_function(name: str, data: Any, initial: bool) -> None:
    x = data.draw(tensors(data.draw(dtypes("iuf")), min_dims=1, min_side=0))
    agree(name, x, axis=data.draw(axes(x.ndim, many=False)), include_initial=initial)


@pytest.mark.parametrize("name", ["argmax", "argmin"])
@given(data=st.data(), keepdims=st.booleans())
def test_a_position(name: str, data: Any, keepdims: bool) -> None:
    x = data.draw(tensors(data.draw(dtypes("iuf"))))
    agree(name, x, axis=data.draw(st.none() | axes(x.ndim, many=False)), keepdims=keepdims)


@pytest.mark.parametrize("name", ["sort", "argsort"])
@given(data=st.data(), descending=st.booleans(), stable=st.booleans())
def test_an_order(name: str, data: Any, descending: bool, stable: bool) -> None:
    x = data.draw(tensors(data.draw(dtypes("iuf")), min_dims=1))
    agree(name, x, axis=data.draw(axes(x.ndim, many=False)), descending=descending, stable=stable or name == "argsort")


@given(data=st.data(), side=st.sampled_from(["left", "right"]))
def test_searchsorted(data: Any, side: Any) -> None:
    dtype = data.draw(dtypes("iuf"))
    agree("searchsorted", mg.sort(data.draw(tensors(dtype, min_dims=1, max_dims=1))), data.draw(tensors(dtype)), side=side)


@pytest.mark.parametrize("name", ["unique_all", "unique_counts", "unique_inverse", "unique_values", "nonzero"])
@given(data=st.data())
def test_a_function_whose_shape_depends_on_the_values(name: str, data: Any) -> None:
    x = data.draw(tensors(data.draw(dtypes()), min_dims=1, min_side=0, special=True))
    agree(name, x)
    with pytest.raises(AbstractValueError, match=rf"{name}: the shape of the result depends on the values"):
        mg.jit(getattr(mg, name))(x)


def test_a_value_that_occurs_twice_has_the_gradient_of_its_first_occurrence() -> None:
    found = mg.grad(lambda x: mg.sum(mg.unique_values(x) * np.array([10.0, 1.0])))(np.array([3.0, 2.0, 3.0]))
    assert found.tolist() == [1, 10, 0]
    with pytest.raises(ShapeError, match="0-d"):
        mg.nonzero(1.0)


@given(data=st.data())
def test_manipulation(data: Any) -> None:
    x = data.draw(tensors(data.draw(dtypes())))
    some, place = data.draw(axes(x.ndim)), data.draw(axes(x.ndim + 1, many=False))
    order = data.draw(st.permutations(range(x.ndim)))
    agree("flip", x, axis=some)
    agree("permute_dims", x, tuple(order))
    agree("moveaxis", x, tuple(range(x.ndim)), tuple(order))
    agree("expand_dims", x, axis=place)
    agree("squeeze", mg.expand_dims(x, axis=place), axis=place)
    agree("reshape", x, (-1,), copy=data.draw(st.sampled_from([None, True])))
    agree("roll", x, data.draw(st.integers(-5, 5)))
    agree("roll", x, (1, -1), axis=(0, -1)) if x.ndim else None
    agree("stack", [x, x], axis=place)
    agree("concat", [x, x], axis=None)
    agree("tile", x, data.draw(st.lists(st.integers(0, 2), max_size=4).map(tuple)))
    agree("repeat", x, 2)
    agree("broadcast_to", x, (2, *x.shape))
    agree("broadcast_arrays", x, mg.ones((2, *x.shape), dtype=x.dtype))


@given(data=st.data())
def test_manipulation_along_an_axis(data: Any) -> None:
    x = data.draw(tensors(data.draw(dtypes()), min_dims=1))
    axis = data.draw(axes(x.ndim, many=False))
    index = data.draw(tensors("int64", min_dims=1, max_dims=1, domain=(-x.shape[axis], x.shape[axis] - 1)))
    agree("unstack", x, axis=axis)
    agree("concat", [x, x], axis=axis)
    agree("roll", x, data.draw(st.integers(-5, 5)), axis=axis)
    agree("repeat", x, 3, axis=axis)
    agree("repeat", x, mg.arange(x.shape[axis]), axis=axis)
    agree("take", x, index, axis=axis)
    agree("take_along_axis", x, mg.zeros_like(x, dtype="int64"), axis=axis)
    if x.dtype.kind in "iuf":
        agree("diff", x, axis=axis, n=data.draw(st.integers(0, 2)))
        agree("diff", x, axis=axis, prepend=x, append=x)


@pytest.mark.parametrize("name", ["tril", "triu"])
@given(data=st.data(), k=st.integers(-3, 3))
def test_a_triangle(name: str, data: Any, k: int) -> None:
    agree(name, data.draw(tensors(data.draw(dtypes()), min_dims=2)), k=k)


@given(data=st.data(), dtype=dtypes("iuf"))
def test_products(data: Any, dtype: Any) -> None:
    n, m, k = (data.draw(st.integers(1, 3)) for _ in range(3))
    x, y = data.draw(tensors(dtype, shape=(2, n, m))), data.draw(tensors(dtype, shape=(2, m, k)))
    agree("matmul", x, y)
    agree("matmul", x, y[0, :, 0])
    agree("matrix_transpose", x)
    agree("tensordot", x[0], y[0], axes=1)
    agree("tensordot", x, y, axes=((0, 2), (0, 1)))
    agree("tensordot", x, x[0])
    agree("vecdot", x, x)
    agree("vecdot", x, x, axis=-2)


@given(data=st.data(), dtype=dtypes("iuf"))
def test_where_and_clip(data: Any, dtype: Any) -> None:
    x = data.draw(tensors(dtype, special=True))
    low, high = sorted((data.draw(NUMBERS[dtype.kind]), data.draw(NUMBERS[dtype.kind])))
    agree("where", x > mg.zeros_like(x), x, low)
    agree("where", x > mg.zeros_like(x), high, x)
    agree("clip", x, low, high)
    agree("clip", x, min=low)
    agree("clip", x, max=mg.full_like(x, high))


@given(shape=shapes(min_side=0), dtype=st.none() | dtypes(), n=st.integers(0, 4), m=st.none() | st.integers(0, 4), k=st.integers(-2, 2))
def test_creation(shape: Any, dtype: Any, n: int, m: int | None, k: int) -> None:
    dtype = mg.float32 if dtype is None else dtype
    for name in ("zeros", "ones"):
        agree(name, shape, dtype=dtype, device=None)
        agree(f"{name}_like", mg.zeros(shape), dtype=dtype)
        agree(f"{name}_like", mg.zeros(shape, dtype=dtype))
    agree("full", shape, 1, dtype=dtype)
    agree("full_like", mg.zeros(shape, dtype=dtype), 1)
    agree("eye", n, m, k=k, dtype=dtype)
    for found in (mg.empty(shape, dtype=dtype), mg.empty_like(mg.zeros(shape, dtype=dtype))):
        assert (found.shape, found.dtype) == (shape, dtype)
    agree("meshgrid", mg.arange(n), mg.arange(n + 1), indexing="ij" if k > 0 else "xy")


@given(start=st.integers(-5, 5), stop=st.none() | st.integers(-5, 5), step=st.sampled_from([-2, -1, 1, 3]), dtype=dtypes("f"))
def test_ranges(start: int, stop: int | None, step: int, dtype: Any) -> None:
    agree("arange", start, stop, step)
    agree("arange", start / 2, stop, step, dtype=dtype)
    agree("linspace", start, -start, abs(step) + 1, endpoint=step > 0, dtype=dtype)


def test_numbers_have_the_default_dtypes() -> None:
    for name, args in (
        ("zeros", (2,)),
        ("ones", (2,)),
        ("eye", (2,)),
        ("linspace", (0, 1, 3)),
        ("full", (2, 1.0)),
        ("asarray", (1.0,)),
        ("arange", (2.0,)),
    ):
        assert getattr(mg, name)(*args).dtype == mg.float32
    for name, args in (("full", (2, 1)), ("asarray", (1,)), ("arange", (2,))):
        assert getattr(mg, name)(*args).dtype == mg.int64
    assert mg.full(2, True).dtype == mg.asarray([True]).dtype == mg.bool


CREATION = ["zeros", "ones", "full", "eye", "arange", "linspace", "empty", "zeros_like", "ones_like", "full_like", "empty_like", "asarray"]


@pytest.mark.parametrize("name", [*CREATION, "astype"])
def test_there_is_one_device(name: str) -> None:
    args = {"full": (2, 1), "linspace": (0, 1, 3), "full_like": ([1], 1), "astype": ([1], "int64")}.get(
        name, ([2],) if name.endswith("like") else (2,)
    )
    same(getattr(mg, name)(*args, device="cpu"), getattr(mg, name)(*args).numpy())
    with pytest.raises(SettingError, match=r"there is one device, 'cpu', got 'cuda:0'"):
        getattr(mg, name)(*args, device="cuda:0")


# ---- dtypes


DTYPES = [mg.bool, mg.int8, mg.int16, mg.int32, mg.int64, mg.uint8, mg.uint16, mg.uint32, mg.uint64, mg.float32, mg.float64]
KINDS = ["bool", "signed integer", "unsigned integer", "integral", "real floating", "complex floating", "numeric"]


@given(first=dtypes(), second=dtypes(), kinds=st.lists(st.sampled_from(KINDS), max_size=3).map(tuple))
def test_questions_about_dtypes(first: Any, second: Any, kinds: tuple[str, ...]) -> None:
    assert mg.isdtype(first, kinds) == strict.isdtype(peer(first), kinds)
    assert mg.isdtype(first, second) == (first == second)
    assert mg.can_cast(first, second) == mg.can_cast(mg.zeros(1, dtype=first), second) == np.can_cast(first, second)
    try:
        expected = strict.result_type(peer(first), peer(second))
    except TypeError:
        return
    assert peer(mg.result_type(first, second)) == expected
    assert mg.result_type(mg.zeros(1, dtype=first), second) == mg.result_type(first, second)


@pytest.mark.parametrize("dtype", DTYPES)
def test_limits_of_dtypes(dtype: Any) -> None:
    with pytest.raises(DTypeError, match="is no"):
        (mg.iinfo if dtype.kind == "f" else mg.finfo)(dtype)
    if dtype.kind == "b":
        return
    name, keys = ("finfo", ("bits", "eps", "max", "min", "smallest_normal")) if dtype.kind == "f" else ("iinfo", ("bits", "max", "min"))
    found, expected = getattr(mg, name)(dtype), getattr(strict, name)(peer(dtype))
    assert [getattr(found, key) for key in keys] == [getattr(expected, key) for key in keys]
    assert {type(getattr(found, key)) for key in keys[1:]} == {float if dtype.kind == "f" else int}
    assert found.dtype == dtype
    assert getattr(mg, name)(mg.ones(2, dtype=dtype)) == found


def test_python_numbers_give_way_to_dtypes() -> None:
    assert mg.result_type(mg.float32, 1.0) == mg.result_type(mg.float32, 1) == mg.float32
    assert mg.result_type(mg.uint8, 300) == mg.uint8
    assert mg.result_type(mg.ones(1, dtype="float64"), 1.0) == mg.float64
    with pytest.raises(DTypeError, match="at least one"):
        mg.result_type()


def test_constants() -> None:
    assert (mg.e, mg.pi, mg.inf, mg.newaxis) == (math.e, math.pi, math.inf, None)
    assert math.isnan(mg.nan)


# ---- the array


OPERATORS: dict[str, Callable[..., Any]] = {
    **{f"__{n}__": getattr(operator, n) for n in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "lshift", "rshift", "xor")},
    **{f"__{n}__": getattr(operator, n) for n in ("lt", "le", "gt", "ge", "eq", "ne")},
    "__and__": operator.and_, "__or__": operator.or_,
}  # fmt: skip


@pytest.mark.parametrize("name", OPERATORS)
@given(data=st.data())
def test_an_operator_and_its_reflected_and_in_place_forms(name: str, data: Any) -> None:
    f = OPERATORS[name]
    dtype = data.draw(dtypes("iu" if "shift" in name else "biu" if name in ("__and__", "__or__", "__xor__") else "f"))
    x, y = (data.draw(tensors(dtype, shape=(2, 2), domain=(0, 3))) for _ in range(2))
    n = data.draw(NUMBERS["u" if dtype.kind == "i" else dtype.kind])
    same(f(x, y), f(peer(x), peer(y)))
    same(f(x, n), f(peer(x), n))
    same(f(n, x), f(n, peer(x)))
    changed = getattr(operator, "i" + name.strip("_"), None)
    if changed is not None:
        z = x
        same(changed(z, y), f(peer(x), peer(y)))
        same(x, peer(z))


def test_other_operators_and_attributes() -> None:
    x = mg.tensor([[1.5, -2.0, 3.0], [0.0, 4.0, 5.0]])
    for f in (operator.neg, operator.pos, operator.abs):
        same(f(x), f(peer(x)))
    same(x @ x.mT, peer(x) @ peer(x).mT)
    same(x.mT, peer(x).mT)
    same(x.T, peer(x).T)
    same(~mg.tensor([1, -1]), ~peer(mg.tensor([1, -1])))
    assert (x.ndim, x.size, x.shape, x.dtype, x.device) == (2, 6, (2, 3), mg.float32, "cpu")
    assert x.to_device("cpu") is x
    with pytest.raises(SettingError, match="one device"):
        x.to_device("cuda")
    with pytest.raises(SettingError, match="no streams"):
        x.to_device("cpu", stream=1)


def test_numbers_from_arrays() -> None:
    x = mg.tensor(2.0)
    assert (bool(x), int(x), float(x), complex(x)) == (True, 2, 2.0, 2 + 0j)
    assert operator.index(mg.tensor(3)) == 3
    with pytest.raises(DTypeError, match="not an index"):
        operator.index(x)


# ---- exchange


def test_asarray_copies_what_others_may_change() -> None:
    a = np.ones(2, "float32")
    t = mg.asarray(a)
    a[0] = 5
    assert t.tolist() == [1, 1]
    assert mg.asarray(t) is mg.asarray(t, copy=False) is t
    assert mg.asarray(t, copy=True) is not t
    assert mg.asarray([1, 2], dtype=mg.float64).dtype == mg.float64
    for value in (a, 1.0, [1.0]):
        with pytest.raises(SettingError, match="copy=False is impossible"):
            mg.asarray(value, copy=False)
    p = mg.parameter(1.0)
    assert mg.asarray(p, copy=True) is p


def test_arrays_are_exchanged_by_dlpack() -> None:
    t = mg.tensor([1.0, 2.0])
    assert t.__dlpack_device__() == (1, 0)
    given = np.from_dlpack(t)
    np.testing.assert_array_equal(given, [1, 2])
    for source in (np.arange(3.0), strict.asarray([1, 2]), t):
        same(mg.from_dlpack(source), np.from_dlpack(source))
    a = np.zeros(2)
    found = mg.from_dlpack(a)
    a[0] = 1
    assert found.tolist() == [0, 0]


def test_another_library_cannot_change_a_tensor() -> None:
    torch = pytest.importorskip("torch")
    t = mg.tensor([1.0, 2.0])
    given = torch.from_dlpack(t)
    given += 1
    assert t.tolist() == [1, 2]
    assert not np.from_dlpack(t, copy=False).flags.writeable
    assert mg.from_dlpack(torch.ones(2)).tolist() == [1, 1]


def test_refusals_of_the_exchange() -> None:
    with pytest.raises(DTypeError, match=r"would lose its gradient. Give it as \.detach\(\)"):
        np.from_dlpack(mg.parameter([1.0]))
    with pytest.raises(SettingError, match="copy=False is impossible"):
        mg.from_dlpack(np.ones(2), copy=False)
    with pytest.raises(DTypeError, match=r"cannot read a builtins\.int"):
        mg.from_dlpack(3)
    with pytest.raises(SettingError, match="one device"):
        mg.from_dlpack(np.ones(2), device="cuda")


def test_every_function_is_compared() -> None:
    """A name of the standard stands in this file, or is found by its signature."""
    text = inspect.getsource(inspect.getmodule(test_every_function_is_compared))  # type: ignore[arg-type]
    assert [name for name in FUNCTIONS if name not in UNARY + BINARY and f'"{name}"' not in text and f"mg.{name}(" not in text] == []


def test_dtypes_are_values() -> None:
    assert pickle.loads(pickle.dumps(mg.float32)) == mg.float32
    assert hash(mg.int8) == hash(np.dtype("int8"))
