from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad.errors import AxisError, ShapeError
from minigrad.graph.types import OWN, broadcast_shapes, normalize_axes, normalize_axis, promote
from minigrad.testing import dtypes, shapes


@given(a=shapes(min_side=0), c=shapes(min_side=0))
def test_broadcasting_is_numpys(a: Any, c: Any) -> None:
    try:
        expected = np.broadcast_shapes(a, c)
    except ValueError:
        with pytest.raises(ShapeError, match="do not broadcast"):
            broadcast_shapes("add", a, c)
        return
    assert broadcast_shapes("add", a, c) == expected


@given(found=st.lists(dtypes(), min_size=1, max_size=3))
def test_promotion_does_not_depend_on_the_order(found: list[np.dtype]) -> None:
    assert promote(found) == promote(found[::-1])
    floats = [d for d in found if d.kind == "f"]
    assert promote(found) == (max(floats) if floats else np.result_type(*found))


@given(ndim=st.integers(1, 4), axis=st.integers(-6, 6))
def test_axes_count_from_either_end(ndim: int, axis: int) -> None:
    if -ndim <= axis < ndim:
        assert normalize_axis("sum", axis, ndim) == range(ndim)[axis]
        assert normalize_axes("sum", (axis,), ndim) == (range(ndim)[axis],)
    else:
        with pytest.raises(AxisError, match=f"axis {axis} out of range"):
            normalize_axis("sum", axis, ndim)


@pytest.mark.parametrize("dtype", OWN, ids=str)
def test_a_tensor_has_the_one_object_of_its_dtype(dtype: np.dtype) -> None:
    equal = dtype.newbyteorder("=")  # NumPy makes another object
    array = np.zeros(2, equal)
    assert array.dtype is not dtype
    for t in (mg.tensor(array), mg.tensor([0, 1], equal), mg.zeros(2).astype(equal)):
        assert t.dtype is dtype
