"""A short way for the common eager operands: float tensors with values, and Python numbers beside them. All others take the general way,
which gives the same nodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..graph.ir import Node
from ..graph.nodes import CONSTANT, is_tracing, make
from ..graph.types import FLOAT, WIDE, Shape, TensorType, broadcast_shapes
from ..primitives.movement import broadcast
from ..tensor import Tensor

Pair = tuple[Node, Node]
General = Callable[[str, Any, Any], Sequence[Tensor]]
LARGEST = float(np.finfo(FLOAT).max)
KEPT = 1024  # entries of each table
_numbers: dict[Any, np.ndarray] = {}  # repeated numbers, by number and type
_shapes: dict[Any, Shape | None] = {}  # broadcast shapes, None where two do not broadcast


def pair(what: str, x: Any, y: Any, general: General) -> Pair:
    """The nodes of `general(what, x, y)`, which are two operands of one type."""
    if type(x) is Tensor:
        a = x.node
        s = a.type
        if a.value is not None and (s[1] is FLOAT or s[1] is WIDE):
            if type(y) is Tensor:
                b = y.node
                t = b.type
                if s is t or (b.value is not None and s == t):
                    return a, b
                if b.value is not None and s[1] is t[1]:
                    shape = _common(s[0], t[0])
                    if shape is not None:
                        return _expanded(a, shape), _expanded(b, shape)
            elif type(y) is float or type(y) is int:
                number = _repeated(y, s)
                if number is not None:
                    return a, number
    elif type(y) is Tensor and (type(x) is float or type(x) is int):
        b = y.node
        t = b.type
        if b.value is not None and (t[1] is FLOAT or t[1] is WIDE):
            number = _repeated(x, t)
            if number is not None:
                return number, b
    p, q = general(what, x, y)
    return p.node, q.node


def _repeated(number: float, t: TensorType) -> Node | None:
    """The number repeated, or None where that needs a closer look."""
    if is_tracing() or not -LARGEST < number < LARGEST:
        return None
    key = number or str(number), t  # 0.0 and −0.0 are equal, their texts are not
    value = _numbers.get(key)
    if value is None:
        one = np.array(number, t.dtype)
        if len(_numbers) >= KEPT:
            _numbers.clear()
        value = _numbers[key] = np.ndarray(t.shape, t.dtype, one, 0, (0,) * len(t.shape))
        value.setflags(write=False)
    return Node(CONSTANT, (), {}, t, value, None, None, False)


def _common(s: Shape, t: Shape) -> Shape | None:
    """The shape to which both broadcast, if they do."""
    if (s, t) not in _shapes:
        if len(_shapes) >= KEPT:
            _shapes.clear()
        try:
            _shapes[s, t] = broadcast_shapes("", s, t)
        except ShapeError:
            _shapes[s, t] = None
    return _shapes[s, t]


def _expanded(node: Node, shape: Shape) -> Node:
    return node if node.type[0] == shape else make(broadcast, (node,), {"shape": shape})
