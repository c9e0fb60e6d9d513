"""ONNX forms of operations on whole arrays: reductions, movements, indexing, sorting, matrix products, random numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from onnx import TensorProto

from ...graph import dims
from ...graph.dims import Extent, Shape, product
from ...graph.ir import Node
from ...graph.types import BOOL, INT, TensorType
from ...primitives.index import PHILOX_MULTIPLIERS, PHILOX_ROUNDS, PHILOX_WEYL, lowest
from .elementwise import UINT64, simple, wide
from .writer import Rule, Writer, info

# ---- reductions


def reduction(kind: str, of_integers: Callable[..., str] | None = None) -> Rule:
    def rule(w: Writer, node: Node, x: str, axes: Sequence[int]) -> str:
        if not axes:
            return x
        if of_integers is None or node.type.dtype.kind == "f":
            return w.op(kind, x, np.array(axes, INT), keepdims=0, name=node.name)
        shape = node.args[0].type.shape
        order = [*axes, *(a for a in range(len(shape)) if a not in axes)]
        n = product(shape[a] for a in axes)
        rows = w.reshape(w.op("Transpose", w.cast(x, INT), perm=order), (n, *node.type.shape))
        return w.cast(of_integers(w, node, rows, n), node.type.dtype)

    return rule


def _sum_of_integers(w: Writer, node: Node, rows: str, n: Extent) -> str:
    """The running sum's last row: the runtime sums integers in float64, which is not exact."""
    before = w.op("Concat", w.op("Expand", np.array(0), w.vector((1, *node.type.shape))), rows, axis=0)
    return w.op("Gather", w.op("CumSum", before, np.array(0)), np.array(-1))


def _product_of_integers(w: Writer, node: Node, rows: str, n: Extent) -> str:
    ones = w.op("Expand", np.array(1), w.vector(node.type.shape))
    return ones if dims.identical(n, 0) else _products(w, ones, rows, node.type.shape, INT)[0]


def extreme(kind: str) -> Rule:
    """NaN if there is one, which the runtime may pass over."""
    plain = reduction(kind)

    def rule(w: Writer, node: Node, x: str, axes: Sequence[int]) -> str:
        found = plain(w, node, x, axes)
        if node.type.dtype.kind != "f" or not axes:
            return found
        hit = w.op("ReduceMax", w.op("Cast", w.op("IsNaN", x), to=TensorProto.INT32), np.array(axes, INT), keepdims=0)
        return w.op("Where", w.cast(hit, BOOL), np.array(np.nan, node.type.dtype), found)

    return rule


def argmax(w: Writer, node: Node, x: str, axis: int) -> str:
    """The first NaN if there is one."""
    found = w.op("ArgMax", x, axis=axis, keepdims=0)
    if node.args[0].type.dtype.kind != "f":
        return found
    nan = w.op("Cast", w.op("IsNaN", x), to=TensorProto.INT32)
    first = w.op("ArgMax", nan, axis=axis, keepdims=0)
    return w.op("Where", w.cast(w.op("ReduceMax", nan, np.array([axis]), keepdims=0), BOOL), first, found)


def cumsum(w: Writer, node: Node, x: str, axis: int, reverse: bool) -> str:
    return w.op("CumSum", x, np.array(axis, INT), reverse=int(reverse))


def cumprod(w: Writer, node: Node, x: str, axis: int, reverse: bool) -> str:
    shape, dtype = node.type.shape, node.type.dtype
    if any(dims.identical(n, 0) for n in shape):
        return x
    rest = (*shape[:axis], *shape[axis + 1 :])
    return _products(w, w.op("Expand", np.ones((), dtype), w.vector(rest)), x, rest, dtype, axis, reverse)[1]


def _products(w: Writer, start: str, x: str, shape: Shape, dtype: np.dtype, axis: int = 0, reverse: bool = False) -> list[str]:
    """The product along an axis, and the products up to each element: a Scan."""
    inner, (total, factor), rest = w.within(), (w.fresh("total"), w.fresh("factor")), TensorType(shape, dtype)
    grown = inner.op("Mul", total, factor)
    outs = [grown, inner.op("Identity", grown)]
    body = inner.finished("products", [info(total, rest), info(factor, rest)], [info(o, rest) for o in outs])
    way: dict[str, Any] = {"scan_input_directions": [int(reverse)], "scan_output_directions": [int(reverse)]}
    return w.op("Scan", start, x, outputs=2, body=body, num_scan_inputs=1, scan_input_axes=[axis], scan_output_axes=[axis], **way)


# ---- movements


def broadcast(w: Writer, node: Node, x: str, shape: Sequence[Extent]) -> str:
    return w.op("Expand", x, w.vector(shape)) if shape else x


def permute(w: Writer, node: Node, x: str, axes: Sequence[int]) -> str:
    return w.op("Transpose", x, perm=list(axes)) if axes else x


def slice_(w: Writer, node: Node, x: str, start: Sequence[Extent], stop: Sequence[Extent], step: Sequence[int]) -> str:
    whole = zip(start, stop, step, node.args[0].type.shape, strict=True)
    cut = [a for a, (i, j, s, n) in enumerate(whole) if not (dims.identical(i, 0) and dims.identical(j, n) and s == 1)]
    if not cut:
        return x
    ends = [w.vector([v[a] for a in cut]) for v in (start, stop)]
    return w.op("Slice", x, *ends, np.array(cut, INT), np.array([step[a] for a in cut], INT))


def pad(w: Writer, node: Node, x: str, low: Sequence[Extent], high: Sequence[Extent], interior: Sequence[int]) -> str:
    """Between elements: a new axis behind theirs is padded and joined with it, and its end is cut off."""
    shape = list(node.args[0].type.shape)
    for a, gap in enumerate(interior):
        if gap and not dims.identical(shape[a], 0):
            pads = [0] * (len(shape) + 1) + [gap if b == a + 1 else 0 for b in range(len(shape) + 1)]
            spaced = w.op("Pad", w.op("Unsqueeze", x, np.array([a + 1])), np.array(pads))
            shape[a] = shape[a] * (gap + 1)
            x = w.op("Slice", w.reshape(spaced, shape), np.array([0]), np.array([-gap]), np.array([a]))
            shape[a] = shape[a] - gap
    return x if all(dims.identical(n, 0) for n in (*low, *high)) else w.op("Pad", x, w.vector([*low, *high]))


def flip(w: Writer, node: Node, x: str, axes: Sequence[int]) -> str:
    n = len(axes)
    return w.op("Slice", x, np.full(n, -1), np.full(n, -(2**63) + 1), np.array(axes, INT), np.full(n, -1)) if n else x


def roll(w: Writer, node: Node, x: str, shift: int, axis: int) -> str:
    n = node.type.shape[axis]
    if dims.identical(n, 0):
        return x
    return w.op("Gather", x, w.op("Mod", w.op("Sub", w.iota(n), np.array(shift)), w.extent(n)), axis=axis)


# ---- indexing: an index out of bounds stops the runtime


def as_index(w: Writer, node: Node, index: str) -> str:
    """An index as int64; one that int64 does not hold stays out of bounds."""
    dtype = node.type.dtype
    if dtype == UINT64:
        index = w.op("Min", index, np.array(2**63 - 1, UINT64))
    return index if dtype == INT else w.cast(index, INT)


def position(w: Writer, node: Node, index: str, n: Extent, what: str) -> str:
    return w.op("Gather", w.iota(n), as_index(w, node.args[0], index))


def take(w: Writer, node: Node, x: str, index: str, axis: int) -> str:
    return w.op("Gather", x, as_index(w, node.args[1], index), axis=axis, name=node.name)


def gather(w: Writer, node: Node, x: str, index: str, axis: int) -> str:
    return w.op("GatherElements", x, as_index(w, node.args[1], index), axis=axis)


def scatter(w: Writer, node: Node, updates: str, index: str, axis: int, n: Extent) -> str:
    return _scattered(w, node, "add", np.zeros((), node.type.dtype), updates, index, axis)


def add_at(w: Writer, node: Node, updates: str, index: str, x: str, axis: int) -> str:
    return w.op("Add", x, _scattered(w, node, "add", np.zeros((), node.type.dtype), updates, index, axis))


def scatter_max(w: Writer, node: Node, updates: str, index: str, axis: int, n: Extent) -> str:
    dtype = node.type.dtype
    found = _scattered(w, node, "max", np.array(lowest(dtype), dtype), updates, index, axis)
    if dtype.kind != "f":
        return found
    hit = _scattered(w, node, "max", np.zeros((), np.int32), w.cast(w.op("IsNaN", updates), np.int32), index, axis)
    return w.op("Where", w.cast(hit, BOOL), np.array(np.nan, dtype), found)


def _scattered(w: Writer, node: Node, reduction: str, start: np.ndarray, updates: str, index: str, axis: int) -> str:
    """ScatterND takes whole slices along the first axis."""
    shape, k, rank = node.type.shape, node.args[1].type.ndim, node.args[0].type.ndim
    front = [*range(axis, axis + k), *range(axis), *range(axis + k, rank)]
    rest = [s for a, s in enumerate(shape) if a != axis]
    target = w.op("Expand", start, w.vector([shape[axis], *rest]))
    rows = w.op("Unsqueeze", as_index(w, node.args[1], index), np.array([-1]))
    out = w.op("ScatterND", target, rows, w.op("Transpose", updates, perm=front) if axis else updates, reduction=reduction)
    return w.op("Transpose", out, perm=[*range(1, axis + 1), 0, *range(axis + 1, len(shape))]) if axis else out


def scatter_along(w: Writer, node: Node, updates: str, index: str, axis: int, n: Extent) -> str:
    zeros = w.op("Expand", np.zeros((), node.type.dtype), w.vector(node.type.shape))
    return w.op("ScatterElements", zeros, as_index(w, node.args[1], index), updates, axis=axis, reduction="add")


def argsort(w: Writer, node: Node, x: str, axis: int, descending: bool) -> str:
    """TopK of all, which is stable; then NaN last, by another."""
    source = node.args[0].type.dtype
    if source.kind != "f":
        return _order(w, node, w.cast(x, np.int32) if source == BOOL else x, axis, descending)
    nan = w.op("IsNaN", x)
    first = _order(w, node, w.op("Where", nan, np.zeros((), source), x), axis, descending)
    last = w.op("GatherElements", w.op("Cast", nan, to=TensorProto.INT32), first, axis=axis)
    return w.op("GatherElements", first, _order(w, node, last, axis, False), axis=axis)


def _order(w: Writer, node: Node, x: str, axis: int, descending: bool) -> str:
    return w.op("TopK", x, w.extent(node.type.shape[axis]), outputs=2, axis=axis, largest=int(descending))[1]


def one_hot(w: Writer, node: Node, index: str, n: Extent, dtype: np.dtype) -> str:
    """By comparison: ONNX's OneHot counts negative indices from the end."""
    column = w.op("Unsqueeze", as_index(w, node.args[0], index), np.array([-1]))
    return w.cast(w.op("Equal", column, w.iota(n)), dtype)


# ---- made from nothing


def iota(w: Writer, node: Node, n: Extent, dtype: np.dtype) -> str:
    return w.iota(n) if dtype == INT else w.cast(w.iota(n), dtype)


def extent(w: Writer, node: Node, n: Extent) -> str:
    return w.scalar(n)


def random(w: Writer, node: Node, key: str, stream: str, shape: Sequence[Extent], dtype: np.dtype, domain: int) -> str:
    """Philox 4x64-10: the bits that the interpreter gives, a row for each key; a float takes the leading 24 or 53."""
    u, column = np.uint64, np.array([-1, 1])
    count = w.extent(product(shape))
    blocks = w.op("Div", w.op("Add", count, np.array([3])), np.array([4]))
    first = w.op("Range", np.array(1), w.op("Add", w.op("Squeeze", blocks, np.array([0])), np.array(1)), np.array(1))
    keys = [w.op("Reshape", w.op("Gather", key, np.array(i), axis=-1), column) for i in (0, 1)]
    c: list[Any] = [w.cast(first, u), np.zeros(1, u), w.op("Reshape", stream, column), np.array([domain], u)]
    for r in range(PHILOX_ROUNDS):
        keys = [w.op("Add", k, np.array([v], u)) for k, v in zip(keys, PHILOX_WEYL, strict=True)] if r else keys
        (h0, l0), (h1, l1) = (_product(w, c[i], m) for i, m in zip((0, 2), PHILOX_MULTIPLIERS, strict=True))
        c = [w.op("BitwiseXor", w.op("BitwiseXor", h, c[i]), k) for h, i, k in ((h1, 1, keys[0]), (h0, 3, keys[1]))]
        c = [c[0], l1, c[1], l0]
    rows = w.op("Concat", w.op("Shape", keys[0], end=1), blocks, np.array([1]), axis=0)
    four = w.op("Concat", *(w.op("Expand", w.op("Unsqueeze", v, np.array([-1])), rows) for v in c), axis=2)
    flat = w.op("Reshape", four, np.array([0, -1]))
    bits = w.reshape(w.op("Slice", flat, np.array([0]), count, np.array([1])), node.type.shape)
    if dtype == UINT64:
        return bits
    kept = np.finfo(dtype).nmant + 1
    return w.op("Mul", w.cast(w.op("BitShift", bits, u(64 - kept), direction="RIGHT"), dtype), np.array(2.0**-kept, dtype))


def _product(w: Writer, a: Any, multiplier: int) -> tuple[str, str]:
    """The upper and the lower 64 bits of a product, from products of 32-bit halves."""
    half, mask, low, up = (np.array([v], UINT64) for v in (32, 0xFFFFFFFF, multiplier & 0xFFFFFFFF, multiplier >> 32))
    al, ah = w.op("BitwiseAnd", a, mask), w.op("BitShift", a, half, direction="RIGHT")
    middle = w.op("Add", w.op("Mul", ah, low), w.op("BitShift", w.op("Mul", al, low), half, direction="RIGHT"))
    cross = w.op("Add", w.op("Mul", al, up), w.op("BitwiseAnd", middle, mask))
    upper = [w.op("BitShift", v, half, direction="RIGHT") for v in (middle, cross)]
    return w.op("Add", w.op("Add", w.op("Mul", ah, up), upper[0]), upper[1]), w.op("Mul", a, np.array([multiplier], UINT64))


ARRAYS: dict[str, Rule] = {
    "sum": reduction("ReduceSum", _sum_of_integers), "prod": reduction("ReduceProd", _product_of_integers),
    "max": wide(extreme("ReduceMax")), "min": wide(extreme("ReduceMin")), "argmax": wide(argmax),
    "cumsum": wide(cumsum, "as int64"), "cumprod": cumprod,
    "reshape": lambda w, node, x, shape: w.reshape(x, shape), "broadcast": broadcast, "permute": permute, "slice": slice_,
    "pad": wide(pad, "own"), "flip": flip, "roll": roll, "concat": lambda w, node, *xs, axis: w.op("Concat", *xs, axis=axis),
    "matmul": wide(simple("MatMul"), "as int64"), "take": take, "gather": gather, "position": position,
    "scatter": scatter, "add_at": add_at, "scatter_max": scatter_max, "scatter_along": scatter_along, "argsort": wide(argsort),
    "one_hot": one_hot, "iota": iota, "extent": extent, "random": random,
}  # fmt: skip
