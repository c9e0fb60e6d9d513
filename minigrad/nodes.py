"""How nodes are made: found again while tracing, else typed and, where the values of all arguments are known, computed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from .compute import compute
from .dims import Shape
from .ir import Node, Primitive, uses_sizes
from .types import TensorType

_interned: ContextVar[dict[Any, Node] | None] = ContextVar("interned", default=None)


@contextmanager
def interning() -> Iterator[None]:
    """While tracing, the same operation on the same nodes is one node. Nested traces share the table."""
    if _interned.get() is not None:
        yield
        return
    token = _interned.set({})
    try:
        yield
    finally:
        _interned.reset(token)


def is_tracing() -> bool:
    return _interned.get() is not None


# ---- nodes without arguments


def _leaf(name: str, look: str) -> Primitive:
    return Primitive(name, type=lambda **_: None, numpy=lambda **_: None, look=(look, name), unique=True)


INPUT = _leaf("input", "input")
CONSTANT = _leaf("constant", "constant")
PARAMETER = _leaf("parameter", "parameter")
COMPILED = _leaf("compiled", "constant")  # a result of a compiled function of parameters


def known(op: Primitive, array: np.ndarray, name: str | None = None) -> Node:
    """A constant or a parameter, of this value."""
    return Node(op, (), {}, TensorType(array.shape, array.dtype), array, name, tracked=op is not CONSTANT)


def number(value: Any, dtype: np.dtype) -> Node:
    """A 0-d constant, one node per value while tracing."""
    table = _interned.get()
    array = np.array(value, dtype)
    array.flags.writeable = False
    if table is None:
        return known(CONSTANT, array)
    key = (CONSTANT, array.dtype, array.tobytes())
    if key not in table:
        table[key] = known(CONSTANT, array)
    return table[key]


# ---- operations

# A node with several results (a loop, a branch) is read through `item`, so that every argument is one tensor.
item = Primitive(
    "item",
    type=lambda types, index: types[index],
    numpy=lambda values, index: values[index],
    look=("index", "item"),
)


def make(op: Primitive, nodes: tuple[Node, ...], attrs: dict[str, Any]) -> Node:
    """The node for an operation on nodes: found again while tracing, else typed and, if it can be, computed."""
    table = _interned.get()
    if table is None:
        return _make_eager(op, nodes, attrs)
    key = None
    if not op.unique:
        key = (op, nodes, *sorted(attrs.items())) if attrs else (op, nodes)
        found = table.get(key)
        if found is not None:
            return found
    type_ = op.type(*[n.type for n in nodes], **attrs)
    if _gives_number(op, nodes):
        return _repeated(op, nodes, attrs, type_.shape)
    values = [n.value for n in nodes if n.value is not None]
    computed = len(values) == len(nodes) and not uses_sizes(attrs)
    node = Node(op, nodes, attrs, type_, compute(op, values, attrs) if computed else None)
    if key is not None:
        table[key] = node
    return node


def _make_eager(op: Primitive, nodes: tuple[Node, ...], attrs: dict[str, Any]) -> Node:
    values, tracked = [], op.unique
    for n in nodes:
        if n.value is not None:
            values.append(n.value)
        tracked = tracked or n.tracked
    type_ = op.type(*[n.type for n in nodes], **attrs)
    value = compute(op, values, attrs) if len(values) == len(nodes) else None
    return Node(op, nodes, attrs, type_, value) if tracked else Node(CONSTANT, (), {}, type_, value, tracked=False)


# ---- numbers, alone or repeated, are cheaper to make than to keep or to pass


def is_number(node: Node) -> bool:
    """Whether a node is a number, or a number repeated."""
    source = node.args[0] if node.op.name == "broadcast" else node
    return source.op is CONSTANT and not source.type.shape


def _gives_number(op: Primitive, nodes: tuple[Node, ...]) -> bool:
    """Whether an operation on repeated numbers gives a number, repeated."""
    moved = op.name in ("reshape", "permute", "slice", "flip") or (op.name == "broadcast" and bool(nodes[0].args))
    return bool(nodes) and (moved or op.elementwise) and not op.unique and all(map(is_number, nodes))


def _repeated(op: Primitive, nodes: tuple[Node, ...], attrs: dict[str, Any], shape: Shape) -> Node:
    from .primitives.movement import broadcast  # the primitives' rules are written with tensors, which are made here

    sources = [n.args[0] if n.args else n for n in nodes]
    source = sources[0]
    if op.elementwise:
        result = compute(op, [n.value for n in sources], attrs)
        source = number(result, result.dtype)
    return make(broadcast, (source,), {"shape": shape}) if shape else source
