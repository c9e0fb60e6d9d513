"""Prints a graph as text: one line per node, bodies indented, the middle of a long graph left out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from .types import TensorType

if TYPE_CHECKING:
    from .ir import Graph, Node

LIMIT = 200
NAMES = "abcdefghijklmnopqrstuvwxyz"


def show(graph: Graph, limit: int = LIMIT) -> str:
    """The graph as text. Of more than `limit` nodes the middle is left out, with a line that says how many."""
    return "\n".join(_lines(graph, {}, "", limit))


def _lines(graph: Graph, names: dict[Node, str], indent: str, limit: int) -> Iterator[str]:
    own = dict(names)
    for p in graph.params:
        own[p] = _fresh(own, p.name)
    params = ", ".join(f"{own[p]}: {p.type}" for p in graph.params)
    yield f"{indent}{graph.name}({params}):"
    nodes = [n for n in graph.nodes if not _inlined(n)]
    for i, node in enumerate(nodes):
        own[node] = _fresh(own, node.name)
        if len(nodes) > limit and limit // 2 <= i < len(nodes) - limit // 2:
            if i == limit // 2:
                yield f"{indent}  … {len(nodes) - limit} more nodes …"
            continue
        yield f"{indent}  {own[node]}: {_type(node)} = {_expression(node, own)}{_scope(node)}"
        for body in node.bodies:
            yield from _lines(body, {}, indent + "    ", limit)
    yield f"{indent}  return {', '.join(_reference(o, own) for o in graph.outputs)}"


def _fresh(names: dict[Node, str], wanted: str | None) -> str:
    """A name that no other node has: the node's own, or one made of the next of a, b, …, z, a1, b1, …"""
    n = len(names)
    plain = NAMES[n % 26] + (str(n // 26) if n >= 26 else "")
    if wanted is None:
        return "%" + plain
    return wanted if wanted not in names.values() else f"{wanted}%{plain}"


def _inlined(node: Node) -> bool:
    """Whether a node is a number, which prints where it is used."""
    return node.is_constant and isinstance(node.type, TensorType) and not node.type.shape and node.name is None


def _reference(node: Node, names: dict[Node, str]) -> str:
    return (
        f"{node.value.item():.6g}"
        if _inlined(node) and node.value.dtype.kind == "f"
        else str(node.value)
        if _inlined(node)
        else names[node]
    )


def _expression(node: Node, names: dict[Node, str]) -> str:
    if node.is_constant:
        text = np.array2string(np.asarray(node.value), threshold=4, edgeitems=1, precision=3).replace("\n", "")
        return f"{node.op.name if not node.args else 'constant'} {text if len(text) < 40 else '[…]'}"
    words = [_reference(a, names) for a in node.args]
    bodies = node.bodies
    words += [f"{k}={v.name if any(v is b for b in bodies) else v}" for k, v in node.attrs.items()]
    return f"{node.op.name}({', '.join(words)})"


def _type(node: Node) -> str:
    return str(node.type) if isinstance(node.type, TensorType) else f"({', '.join(map(str, node.type))})"


def _scope(node: Node) -> str:
    return f"    # {node.origin.scope}" if node.origin.scopes else ""
