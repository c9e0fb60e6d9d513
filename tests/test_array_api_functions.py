"""Every function of the array API standard 2024.12 gives what array-api-strict gives: shape, dtype and values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from standard import FUNCTIONS, NUMBERS, agree, parameters, peer, same, strict

import minigrad as mg
from minigrad.errors import AbstractValueError, SettingError, ShapeError
from minigrad.testing.strategies import axes, broadcastable_shapes, dtypes, shapes, tensors

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

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


def test_every_function_is_compared() -> None:
    """A name of the standard stands in these tests, or is found by its signature."""
    text = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_array_api*.py"))
    assert [name for name in FUNCTIONS if name not in UNARY + BINARY and f'"{name}"' not in text and f"mg.{name}(" not in text] == []
