"""Methods of NumPy's arrays that tensors have: `t.f(…)` is `np.f(t, …)`, with NumPy's arguments. numpy_protocol computes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy

if TYPE_CHECKING:
    from .tensor import Tensor

np: Any = numpy  # its types know no other arrays than its own
Axis = int | Sequence[int] | None


class ArrayMethods:
    """A tensor's methods that are functions of NumPy."""

    __slots__ = ()

    def squeeze(self, axis: Axis = None) -> Tensor:
        return np.squeeze(self, axis)

    def ravel(self) -> Tensor:
        return np.ravel(self)

    def flatten(self) -> Tensor:
        return np.ravel(self)

    def swapaxes(self, axis1: int, axis2: int) -> Tensor:
        return np.swapaxes(self, axis1, axis2)

    def repeat(self, repeats: Any, axis: int | None = None) -> Tensor:
        return np.repeat(self, repeats, axis)

    def take(self, indices: Any, axis: int | None = None) -> Tensor:
        return np.take(self, indices, axis)

    def argsort(self, axis: int | None = -1) -> Tensor:
        return np.argsort(self, axis)

    def clip(self, min: Any = None, max: Any = None) -> Tensor:
        return np.clip(self, min, max)

    def dot(self, other: Any) -> Tensor:
        return np.dot(self, other)

    def prod(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        return np.prod(self, axis, keepdims=keepdims)

    def any(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        return np.any(self, axis, keepdims=keepdims)

    def all(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        return np.all(self, axis, keepdims=keepdims)

    def argmax(self, axis: int | None = None) -> Tensor:
        return np.argmax(self, axis)

    def argmin(self, axis: int | None = None) -> Tensor:
        return np.argmin(self, axis)

    def cumsum(self, axis: int | None = None) -> Tensor:
        return np.cumsum(self, axis)

    def var(self, axis: Axis = None, ddof: float = 0, keepdims: bool = False) -> Tensor:
        return np.var(self, axis, ddof=ddof, keepdims=keepdims)

    def std(self, axis: Axis = None, ddof: float = 0, keepdims: bool = False) -> Tensor:
        return np.std(self, axis, ddof=ddof, keepdims=keepdims)
