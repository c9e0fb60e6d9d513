"""Short ways: for float operands, Python numbers beside them, and parts at integers and slices. All else takes the general way, which gives
the same nodes. What depends on types alone is worked out once: outside a trace in the process, else in the trace, since types hold run-time
sizes there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..errors import ShapeError
from ..graph.ir import Node, Signature
from ..graph.nodes import CONSTANT, NO_ATTRS, Table, make, make_eager, signature, table_of_trace
from ..graph.types import FLOAT, WIDE, TensorType, broadcast_shapes, identical
from ..primitives.movement import broadcast, reshape
from ..primitives.movement import slice as _slice
from ..primitives.rules import expand
from ..tensor import Tensor, operand, scalar

Pair = tuple[Node, Node]
General = Callable[[str, Any, Any], Sequence[Tensor]]
NUMBERS = frozenset((float, int, np.float32, np.float64))  # beside a float tensor they all take its dtype
LARGEST = float(np.finfo(FLOAT).max)
KEPT = 1024  # entries of each table
_numbers: dict[Any, np.ndarray] = {}  # repeated numbers, by number and type
_shapes: dict[Any, tuple[Expansion | None, Expansion | None]] = {}  # how two types are broadcast
_parts: dict[Any, Part] = {}  # by type and index
PLAIN = frozenset((int, type(None)))  # types of the bounds of a slice


def pair(what: str, x: Any, y: Any, general: General) -> Pair:
    """The nodes of `general(what, x, y)`, which are two operands of one type."""
    if type(y) is np.ndarray:
        y = operand(what, y)
    elif type(x) is np.ndarray:
        x = operand(what, x)
    if type(x) is Tensor:
        a = x.node
        s = a.type
        if s[1] is FLOAT or s[1] is WIDE:
            if type(y) is Tensor:
                b = y.node
                t = b.type
                known = a.value is not None and b.value is not None
                if s is t or (known and s == t):
                    return a, b
                if s[1] is t[1]:
                    table = table_of_trace()
                    if table is not None:
                        return _broadcast(table, what, a, b)
                    how = _expansions(s, t) if known else None
                    if how is not None:
                        return _expanded(a, how[0]), _expanded(b, how[1])
            elif type(y) in NUMBERS:
                number = _repeated(y, a)
                if number is not None:
                    return a, number
    elif type(y) is Tensor and type(x) in NUMBERS:
        b = y.node
        t = b.type
        if t[1] is FLOAT or t[1] is WIDE:
            number = _repeated(x, b)
            if number is not None:
                return number, b
    p, q = general(what, x, y)
    return p.node, q.node


def _broadcast(table: Table, what: str, a: Node, b: Node) -> Pair:
    """Two nodes of a trace, of one dtype, in one shape."""
    types = a.type, b.type

    def attributes() -> tuple[dict[str, Any] | None, ...]:
        s, t = (u.shape for u in types)
        shape = s if identical(s, t) else broadcast_shapes(what, s, t)
        return tuple([None if identical(u, shape) else {"shape": shape} for u in (s, t)])

    one, other = table.once((_broadcast,), types, attributes)
    return a if one is None else make(broadcast, (a,), one), b if other is None else make(broadcast, (b,), other)


def _repeated(number: float, beside: Node) -> Node | None:
    """The number repeated in the shape of a node, or None where that needs a closer look."""
    if not -LARGEST < number < LARGEST:
        return None
    t = beside.type
    same = number or str(number)  # 0.0 and −0.0 are equal, their texts are not
    table = table_of_trace()
    if table is not None:
        return table.once((_repeated, same), (t,), lambda: expand(scalar(number, t.dtype), t.shape).node)
    if beside.value is None:
        return None
    key = same, t
    value = _numbers.get(key)
    if value is None:
        one = np.array(number, t.dtype)
        if len(_numbers) >= KEPT:
            _numbers.clear()
        value = _numbers[key] = np.ndarray(t.shape, t.dtype, one, 0, (0,) * len(t.shape))
        value.setflags(write=False)
    return Node(CONSTANT, (), NO_ATTRS, t, value, None, None, False)


class Expansion(NamedTuple):
    """How an array broadcasts to a shape."""

    attrs: dict[str, Any]
    signature: Signature
    strides: tuple[int, ...]  # of a contiguous array


def _expansions(s: TensorType, t: TensorType) -> tuple[Expansion | None, Expansion | None] | None:
    """How tensors of these types are broadcast, None where one is not; None if they do not fit."""
    found = _shapes.get((s, t))
    if found is None:
        try:
            shape = broadcast_shapes("", s.shape, t.shape)
        except ShapeError:
            return None
        if len(_shapes) >= KEPT:
            _shapes.clear()
        found = _shapes[s, t] = _expansion(s, shape), _expansion(t, shape)
    return found


def _expansion(t: TensorType, shape: Any) -> Expansion | None:
    if t.shape == shape:
        return None
    attrs = {"shape": shape}
    return Expansion(attrs, signature(broadcast, (t,), attrs), np.broadcast_to(np.empty(t.shape, t.dtype), shape).strides)


def _expanded(node: Node, how: Expansion | None) -> Node:
    if how is None:
        return node
    x = node.value
    shape = how.attrs["shape"]
    value = np.ndarray(shape, x.dtype, x, 0, how.strides) if x.flags.c_contiguous else np.broadcast_to(x, shape)
    return make_eager(broadcast, node, how.attrs, how.signature, value)


# ---- parts


class Part(NamedTuple):
    """What an index of integers and slices takes of a tensor, as `getitem` makes it: a slice, then a reshape, where they are needed."""

    taken: tuple[Any, ...]
    slice_attrs: dict[str, Any]
    sliced: Signature | None
    reshape_attrs: dict[str, Any]
    reshaped: Signature | None


def plain(index: tuple[Any, ...]) -> list[Any] | None:
    """An index of integers, slices without a step, None and Ellipsis, as something that can be hashed; None for any other."""
    found: list[Any] = []
    for entry in index:
        if type(entry) is slice and type(entry.start) in PLAIN and type(entry.stop) in PLAIN and entry.step is None:
            found.append((entry.start, entry.stop))
        elif type(entry) is int or entry is None or entry is Ellipsis:
            found.append(entry)
        else:
            return None
    return found


def part(node: Node, index: tuple[Any, ...], entries: list[Any]) -> Node | None:
    """The part at integers and slices, `plain(index)`, of a tensor with a value outside a trace; None for any other index."""
    key = (node.type, *entries)
    found = _parts.get(key)
    if found is None:
        found = None if None in entries or Ellipsis in entries else _part(node.type, index)
        if found is None:
            return None
        if len(_parts) >= KEPT:
            _parts.clear()
        _parts[key] = found
    shape = found.reshape_attrs["shape"]
    last = found.reshaped or found.sliced
    if last is not None and not node.tracked:
        return make_eager(reshape, node, found.reshape_attrs, last, node.value[found.taken].reshape(shape))  # a constant
    if found.sliced is not None:
        node = make_eager(_slice, node, found.slice_attrs, found.sliced, node.value[found.taken])
    if found.reshaped is not None:
        node = make_eager(reshape, node, found.reshape_attrs, found.reshaped, node.value.reshape(shape))
    return node


def _part(t: TensorType, index: tuple[Any, ...]) -> Part | None:
    if len(index) > t.ndim or not all(-n <= e < n for e, n in zip(index, t.shape, strict=False) if type(e) is int):
        return None
    shape: Any = t.shape
    full = [*index, *(slice(None) for _ in shape[len(index) :])]
    spans = [range(n)[e] if type(e) is slice else range(n)[e % n : e % n + 1] for e, n in zip(full, shape, strict=True)]
    start, stop = tuple([s.start for s in spans]), tuple([max(s.start, s.stop) for s in spans])
    attrs = {"start": start, "stop": stop, "step": (1,) * t.ndim}
    sliced = None if stop == shape and not any(start) else signature(_slice, (t,), attrs)
    kept = {"shape": tuple([len(s) for s, e in zip(spans, full, strict=True) if type(e) is slice])}
    between = t if sliced is None else sliced.type
    reshaped = None if len(kept["shape"]) == t.ndim else signature(reshape, (between,), kept)
    return Part(tuple(map(slice, start, stop)), attrs, sliced, kept, reshaped)
