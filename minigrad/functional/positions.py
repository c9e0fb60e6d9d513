"""Integers that count from 0, such as classes: unlike an index of an array, −1 is none of them."""

from __future__ import annotations

from .. import ops
from ..errors import BoundsError, dtype_error, message
from ..graph.dims import Extent
from ..graph.types import INT
from ..tensor import Tensor


def integers(what: str, name: str, t: Tensor) -> Tensor:
    """The integers as int64. Raises DTypeError for others, among them bools."""
    if t.dtype.kind not in "iu":
        raise dtype_error(what, f"{name} must be an integer, got {t.type}", "Convert with .astype('int64')")
    return ops.astype(t, INT)


def counted(what: str, name: str, t: Tensor, n: Extent) -> Tensor:
    """The integers as an index into n places. One outside 0 … n − 1 raises BoundsError, here where it is known, else where it is used."""
    t = integers(what, name, t)
    if t.is_concrete and isinstance(n, int):
        bad = t.numpy()[(t.numpy() < 0) | (t.numpy() >= n)]
        if bad.size:
            raise BoundsError(message(what, f"{name} is {bad.flat[0]}, but must be one of 0 … {n - 1}"))
        return t
    return ops.where(t < 0, ops.extent(n), t)
