"""Matrices: triangles, diagonals, products."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import shape_error
from ..graph import dims
from ..graph.nodes import NO_ATTRS, make
from ..graph.types import broadcast_shapes, normalize_axes, normalize_axis, unify_shapes, whole
from ..primitives import linalg as _l
from ..primitives import movement as _m
from ..primitives.rules import expand as _expand
from ..tensor import Tensor, operand, tensor
from .creation import arange, extent, which_diagonal
from .elementwise import Like, add, greater_equal, less_equal, multiply, subtract, where
from .indexing import take
from .numbers import operands
from .parts import roll
from .reductions import sum
from .shaping import broadcast_to, expand_dims, moveaxis, permute_dims, reshape


def tril(x: Like, k: int = 0) -> Tensor:
    """The lower triangle of the last two axes, with zeros above diagonal k."""
    return _triangle("tril", x, k, less_equal)


def triu(x: Like, k: int = 0) -> Tensor:
    """The upper triangle of the last two axes, with zeros below diagonal k."""
    return _triangle("triu", x, k, greater_equal)


def _triangle(what: str, x: Like, k: int, inside: Any) -> Tensor:
    t = tensor(x)
    if t.ndim < 2:
        raise shape_error(what, f"needs two axes, got {t.type}")
    keep = inside(arange(t.shape[-1])[None, :], arange(t.shape[-2])[:, None] + which_diagonal(what, k))
    return where(broadcast_to(keep, t.shape), t, False)  # 0 in every dtype


def diagonal(x: Like, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    """The diagonal of the matrices over two axes, as a new last axis; with offset > 0 one above the main diagonal."""
    t = tensor(x)
    if t.ndim < 2:
        raise shape_error("diagonal", f"needs two axes, got {t.type}")
    pair = [normalize_axis("diagonal", a, t.ndim) for a in (axis1, axis2)]
    normalize_axes("diagonal", pair, t.ndim)
    rest = [a for a in range(t.ndim) if a not in pair]
    k = which_diagonal("diagonal", offset)
    rows, columns = (t.shape[a] for a in pair)
    high, wide = (rows + k, columns) if k < 0 else (rows, columns - k)
    n = high if high <= wide else wide
    flat = reshape(permute_dims(t, rest + pair), (*(t.shape[a] for a in rest), rows * columns))
    first = extent(columns) * -k if k < 0 else k
    return take(flat, add(multiply(arange(n), extent(columns + 1)), first), -1)


def matrix_trace(x: Like, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None) -> Tensor:
    """The sum of the diagonal over two axes."""
    return sum(diagonal(x, offset, axis1, axis2), -1, dtype=dtype)


# ---- products


def matmul(x: Like, y: Like) -> Tensor:
    """The matrix product over the last two axes, broadcast over the others. A vector is used as a row or column.

    The rounding error of float32 is that of sums of 256 terms in compiled code, for any number of terms. Raises ShapeError naming both
    shapes.
    """
    x = operand("matmul", x) if type(x) is np.ndarray else x
    y = operand("matmul", y) if type(y) is np.ndarray else y
    if type(x) is Tensor and type(y) is Tensor:
        m, n = x.node.type, y.node.type
        if len(m[0]) == 2 == len(n[0]) and m[1] is n[1]:
            return Tensor(make(_l.matmul, (x.node, y.node), NO_ATTRS))
    a, b = operands("matmul", (x, y))
    if not a.ndim or not b.ndim:
        raise shape_error("matmul", f"takes no 0-d tensor: x {a.shape} @ y {b.shape}", "Use * to scale")
    row, column = a.ndim == 1, b.ndim == 1
    a = _m.reshape(a, shape=(1, *a.shape)) if row else a
    b = _m.reshape(b, shape=(*b.shape, 1)) if column else b
    y = _l.matmul(a, b) if a.ndim == b.ndim == 2 else _matmul(a, b)
    if row:
        y = _m.reshape(y, shape=(*y.shape[:-2], y.shape[-1]))
    return _m.reshape(y, shape=y.shape[:-1]) if column else y


def _matmul(a: Tensor, b: Tensor) -> Tensor:
    _l.require_inner(a.type, b.type)
    if b.ndim == 2 and a.ndim > 2:  # y is one matrix for the whole batch: one product of all rows
        rows = _l.matmul(_m.reshape(a, shape=(dims.product(a.shape[:-1]), a.shape[-1])), b)
        return _m.reshape(rows, shape=(*a.shape[:-1], b.shape[-1]))
    batch = broadcast_shapes("matmul", a.shape[:-2], b.shape[:-2])
    return _l.matmul(_expand(a, (*batch, *a.shape[-2:])), _expand(b, (*batch, *b.shape[-2:])))


def dot(x: Like, y: Like) -> Tensor:
    """NumPy's dot: x·y for numbers, else the sum over the last axis of x and the last but one of y, for all pairs of the other axes."""
    a, b = tensor(x), tensor(y)
    if not a.ndim or not b.ndim:
        return multiply(x, y)
    return tensordot(a, b, (-1, -2 if b.ndim > 1 else -1))


def inner(x: Like, y: Like) -> Tensor:
    """The sum over the last axes of x and y, for all pairs of their other axes; x·y for numbers."""
    a, b = tensor(x), tensor(y)
    return tensordot(a, b, (-1, -1)) if a.ndim and b.ndim else multiply(x, y)


def vecdot(x: Like, y: Like, axis: int = -1) -> Tensor:
    """Σ x·y over an axis, which both have; the other axes are broadcast."""
    a, b = tensor(x), tensor(y)
    a, b = (moveaxis(t, normalize_axis("vecdot", axis, t.ndim), -1) for t in (a, b))
    if not dims.unify(a.shape[-1], b.shape[-1]):
        raise shape_error("vecdot", f"axis {axis} has lengths {a.shape[-1]} and {b.shape[-1]}")
    products = multiply(a, b)
    return sum(products, -1, dtype=products.dtype)


def tensordot(x: Like, y: Like, axes: Any = 2) -> Tensor:
    """The product summed over axes of x and y: (axes of x, axes of y) in pairs, or the last `axes` axes of x and the first of y."""
    a, b = tensor(x), tensor(y)
    if isinstance(axes, (tuple, list)):
        left, right = (list(g) if isinstance(g, (tuple, list)) else [g] for g in axes)
        left, right = ([normalize_axis("tensordot", v, t.ndim) for v in g] for g, t in ((left, a), (right, b)))
        lengths = [tuple(t.shape[v] for v in g) for g, t in ((left, a), (right, b))]
        if not unify_shapes(*lengths):
            raise shape_error("tensordot", f"axes {left} of x {a.shape} and {right} of y {b.shape} have other lengths")
    else:
        count = whole("tensordot", axes, "axes")
        if not 0 <= count <= min(a.ndim, b.ndim) or not unify_shapes(a.shape[a.ndim - count :], b.shape[:count]):
            raise shape_error("tensordot", f"the last {count} axes of x {a.shape} must be the first {count} of y {b.shape}")
        left, right = list(range(a.ndim - count, a.ndim)), list(range(count))
    normalize_axes("tensordot", left, a.ndim)
    rows, columns = ([v for v in range(t.ndim) if v not in g] for t, g in ((a, left), (b, right)))
    kept = (*(a.shape[v] for v in rows), *(b.shape[v] for v in columns))
    summed = dims.product(a.shape[v] for v in left)
    p = reshape(permute_dims(a, rows + left), (dims.product(a.shape[v] for v in rows), summed))
    q = reshape(permute_dims(b, right + columns), (summed, dims.product(b.shape[v] for v in columns)))
    return reshape(matmul(p, q), kept)


def outer(x: Like, y: Like) -> Tensor:
    """x_i·y_j for two vectors."""
    a, b = tensor(x), tensor(y)
    if (a.ndim, b.ndim) != (1, 1):
        raise shape_error("outer", f"takes two vectors, got {a.type} and {b.type}", "For more axes use mg.einsum")
    return multiply(expand_dims(a, 1), expand_dims(b, 0))


def cross(x: Like, y: Like, axis: int = -1) -> Tensor:
    """The cross product of vectors of three numbers along an axis; the other axes are broadcast."""
    a, b = (moveaxis(t, normalize_axis("cross", axis, t.ndim), -1) for t in map(tensor, (x, y)))
    if not all(dims.unify(t.shape[-1], 3) for t in (a, b)):
        raise shape_error("cross", f"axis {axis} must have length 3, got {tensor(x).shape} and {tensor(y).shape}")
    y1, y2 = (roll(b, s, -1) for s in (-1, -2))
    return moveaxis(subtract(multiply(roll(a, -1, -1), y2), multiply(roll(a, -2, -1), y1)), -1, axis)
