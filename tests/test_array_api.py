"""The array API standard 2024.12: names, signatures, dtypes, operators and exchange, beside array-api-strict."""

from __future__ import annotations

import math
import operator
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from standard import EXCLUDED, FUNCTIONS, NAMES, NUMBERS, VERSION, parameters, peer, same, strict

import minigrad as mg
from minigrad.errors import DTypeError, SettingError
from minigrad.testing.strategies import dtypes, tensors

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

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
    with pytest.raises(BufferError, match="readonly"):
        mg.ones(2).__dlpack__(copy=False)
    with pytest.raises(SettingError, match="copy=False is impossible"):
        mg.from_dlpack(np.ones(2), copy=False)
    with pytest.raises(DTypeError, match=r"cannot read a builtins\.int"):
        mg.from_dlpack(3)
    with pytest.raises(SettingError, match="one device"):
        mg.from_dlpack(np.ones(2), device="cuda")


def test_dtypes_are_values() -> None:
    assert pickle.loads(pickle.dumps(mg.float32)) == mg.float32
    assert hash(mg.int8) == hash(np.dtype("int8"))
