"""Writing elements: new tensors that have other elements at an index."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import dtype_error, shape_error
from ..graph.dims import Extent, product
from ..graph.types import BOOL, broadcast_shapes, normalize_axis, unify_shapes
from ..primitives import index as _i
from ..primitives.rows import add_at
from ..tensor import Tensor, operand, tensor
from .creation import arange
from .elementwise import Like, astype, greater_equal, maximum, where
from .indexing import getitem, is_array, take
from .numbers import Number, kind_of
from .reductions import reversed_order
from .shaping import broadcast_to, ravel, reshape


class At:
    """`t.at`; `t.at[index]` is a place of t, for every index that `t[index]` takes."""

    __slots__ = ("x",)

    def __init__(self, x: Tensor):
        self.x = x

    def __getitem__(self, index: Any) -> Place:
        return Place(self.x, index)


class Place:
    """The elements of a tensor at an index. Its methods return a new tensor; values are broadcast to the shape of `x[index]`.

    An index may name an element more than once. Values are taken in row-major order of `x[index]`.
    Raises IndexError out of bounds, ShapeError, and DTypeError for values that the dtype of x does not hold.
    """

    __slots__ = ("rest", "rows", "x")

    def __init__(self, x: Tensor, index: Any):
        used = _axes_used(index, x.ndim)
        lead, self.rest = x.shape[:used], x.shape[used:]
        # The elements are rows of x with its first axes, those that the index names, as one axis.
        self.x, self.rows = x, getitem(reshape(arange(product(lead)), lead), index)

    def set(self, values: Like) -> Tensor:
        """x with other elements. Of several values for one element the last counts, and the others have gradient 0."""
        v = self._values("set", values)
        if not v.shape[0] > 0:
            return self.x
        last = self._scattered(_i.scatter_max, arange(v.shape[0]))
        some = reshape(greater_equal(last, 0), (*last.shape, *(1,) * len(self.rest)))
        return self._whole(where(some, take(v, maximum(last, 0)), reshape(self.x, (*last.shape, *self.rest))))

    def add(self, values: Like) -> Tensor:
        """x with values added to elements, in order."""
        v = self._numbers("add", values)
        return self._whole(add_at(v, ravel(self.rows), reshape(self.x, (self._length(), *self.rest)), axis=0))

    def max(self, values: Like) -> Tensor:
        """x with the maximum of elements and values. Values at a tie share the gradient equally."""
        return maximum(self.x, self._whole(self._scattered(_i.scatter_max, self._numbers("max", values))))

    def min(self, values: Like) -> Tensor:
        """x with the minimum of elements and values. Values at a tie share the gradient equally."""
        v = reversed_order(self._values("min", values))
        return reversed_order(maximum(reversed_order(self.x), self._whole(self._scattered(_i.scatter_max, v))))

    def _numbers(self, name: str, values: Like) -> Tensor:
        v = self._values(name, values)
        if v.dtype == BOOL:
            raise dtype_error(f"at[…].{name}", f"takes numbers, got {self.x.type}", "Take .set, or convert with .astype('int64')")
        return v

    def _scattered(self, scatter: Any, v: Tensor) -> Tensor:
        return scatter(v, ravel(self.rows), axis=0, n=self._length())

    def _length(self) -> Extent:
        """The number of rows of x that the index may name."""
        return product(self.x.shape[: self.x.ndim - len(self.rest)])

    def _whole(self, v: Tensor) -> Tensor:
        return reshape(v, self.x.shape)

    def _values(self, name: str, values: Like) -> Tensor:
        """The values as one row for each row of x that the index names, in the dtype of x."""
        v = _held(f"at[…].{name}", values, self.x.dtype)
        return reshape(broadcast_to(v, (*self.rows.shape, *self.rest)), (product(self.rows.shape), *self.rest))


def _axes_used(index: Any, ndim: int) -> int:
    """How many first axes an index names; all with an Ellipsis."""
    count = 0
    for entry in index if isinstance(index, tuple) else (index,):
        if entry is Ellipsis:
            return ndim
        mask = tensor(entry) if is_array(entry) else None
        count += 0 if entry is None else mask.ndim if mask is not None and mask.dtype == BOOL else 1
    return count


def _held(what: str, values: Like, dtype: np.dtype) -> Tensor:
    """Values in the dtype of what they are written into, by NumPy's rule for assignments within one kind of number."""
    v = operand(what, values)
    weak = kind_of(values) is Number
    exact = weak and v.dtype.kind + dtype.kind == "iu"  # a Python integer: its size decides
    if not exact and not np.can_cast(v.dtype, dtype, "same_kind"):
        raise dtype_error(what, f"{dtype} does not hold {v.type}", f"Convert the values with .astype('{dtype}')")
    return tensor(values, dtype) if weak else astype(v, dtype)


def index_add(x: Like, index: Like, updates: Like, axis: int = 0) -> Tensor:
    """x with each slice of updates added to the slice of x at its index of an axis, in order; negative indices count from the end.

    `index` is a vector, or has more axes, which updates has in the place of that axis. Raises IndexError out of bounds, ShapeError.
    """
    t, i = tensor(x), tensor(index)
    u = _held("index_add", updates, t.dtype)
    a = normalize_axis("index_add", axis, t.ndim)
    shape = (*t.shape[:a], *i.shape, *t.shape[a + 1 :])
    if not unify_shapes(broadcast_shapes("index_add", u.shape, shape), shape):
        raise shape_error("index_add", f"updates {u.shape} do not broadcast to {shape}, the shape of x at the index")
    return add_at(broadcast_to(u, shape), i, t, axis=a)
