"""Rewrite rules: identities that are exact for floats, movements without effect, a stable log of sigmoid; a pass for products."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..control.call import CALL
from ..control.scan import SCAN, split
from ..graph.ir import Graph, Node
from ..graph.nodes import behind_broadcast, item, make, remake
from ..graph.types import WIDE, TensorType, identical, is_one
from ..primitives import elementwise, linalg, movement, reduce
from ..primitives.elementwise import alias, detach
from ..primitives.rules import expand
from ..tensor import Tensor, inline
from .rewrite import Rule, apply_rules, in_bodies, rebuilt


def inline_calls(node: Node, args: Sequence[Tensor]) -> Any:
    """A call is replaced by the operations of its graph, a loop of one step by those of the step, alias and detach by their argument."""
    if node.op is item and node.args[0].op is CALL:
        called = node.args[0]
        return inline(called.attrs["graph"], [Tensor(a) for a in called.args])[node.attrs["index"]]
    if node.op is item and node.args[0].op is SCAN and is_one(node.args[0].attrs["length"]):
        return _one_step(node.args[0], node.attrs["index"])
    if node.op in (alias, detach):
        return args[0]
    return None


def _one_step(loop: Node, index: int) -> Tensor:
    """A result of a loop of one step."""
    given = split([Tensor(a) for a in loop.args], loop.attrs["constants"], loop.attrs["carries"])
    rows = [movement.reshape(x, shape=x.shape[1:]) for x in given.sequences]
    found = inline(loop.attrs["body"], [*given.constants, *given.carries, *rows])[index]
    return found if index < loop.attrs["carries"] else movement.reshape(found, shape=(1, *found.shape))


def filled_with(t: Tensor, value: float) -> bool:
    """Whether t is this number ≥ 0, or the number broadcast. −0 is not 0."""
    node = behind_broadcast(t.node)
    known = node.is_constant and isinstance(node.type, TensorType) and not node.type.shape
    return known and bool(node.value == value) and not np.signbit(node.value)


def identities(node: Node, args: Sequence[Tensor]) -> Any:
    """x·1, 1·x, x/1, x−0, −−x, x¹ and where(c, x, x) are replaced by x, x² by x·x, and casts to float64 and back
    removed: all are exact."""
    op = node.op
    if op is elementwise.mul:
        for one, other in (args, args[::-1]):
            if filled_with(one, 1):
                return other
    if (op is elementwise.div and filled_with(args[1], 1)) or (op is elementwise.sub and filled_with(args[1], 0)):
        return args[0]
    if op is elementwise.neg and args[0].node.op is elementwise.neg:
        return Tensor(args[0].node.args[0])
    if op is elementwise.where:
        if args[1].node is args[2].node or filled_with(args[0], True):
            return args[1]
        if filled_with(args[0], False):
            return args[2]
    if op is elementwise.pow and filled_with(args[1], 2):
        return args[0] * args[0]
    if op is elementwise.pow and filled_with(args[1], 1):
        return args[0]
    if op is elementwise.cast:
        narrow = Tensor(args[0].node.args[0]) if args[0].node.op is elementwise.cast and args[0].dtype == WIDE else None
        if narrow is not None and narrow.dtype == node.type.dtype and narrow.type.is_float:
            return narrow
        return args[0] if args[0].dtype == node.type.dtype else None
    return None


def movements(node: Node, args: Sequence[Tensor]) -> Any:
    """Two reshapes or permutes in a row become one; movements without effect, such as the concatenation of one array, are removed."""
    op, attrs = node.op, node.attrs
    if op is movement.concat and len(args) == 1:
        return args[0]
    if op not in (movement.reshape, movement.permute, movement.broadcast, movement.slice, movement.flip, reduce.sum):
        return None
    x = args[0]
    inner = x.node
    below = Tensor(inner.args[0]) if inner.args and not inner.is_constant else None
    if op in (movement.reshape, movement.broadcast, movement.slice) and identical(node.type.shape, x.shape):
        return x
    if op is movement.reshape and below is not None and inner.op is movement.reshape:
        return movement.reshape(below, shape=attrs["shape"])
    if op is movement.permute:
        if attrs["axes"] == tuple(range(x.ndim)):
            return x
        if below is not None and inner.op is movement.permute:
            return movement.permute(below, axes=tuple(inner.attrs["axes"][a] for a in attrs["axes"]))
    if op is movement.broadcast and below is not None and inner.op is movement.broadcast:
        return movement.broadcast(below, shape=attrs["shape"])
    if op in (reduce.sum, movement.flip) and not attrs["axes"]:
        return x
    if op is reduce.sum and below is not None and inner.op is reduce.sum:
        kept = [a for a in range(below.ndim) if a not in inner.attrs["axes"]]
        return reduce.sum(below, axes=tuple(sorted((*inner.attrs["axes"], *(kept[a] for a in attrs["axes"])))))
    if op is reduce.sum and all(is_one(x.shape[a]) for a in attrs["axes"]):
        return movement.reshape(x, shape=node.type.shape)
    return None


def stable(node: Node, args: Sequence[Tensor]) -> Any:
    """log(sigmoid(x)) is replaced by −softplus(−x), which is finite where sigmoid underflows."""
    if node.op is elementwise.log and args[0].node.op is elementwise.sigmoid:
        return elementwise.neg(elementwise.softplus(elementwise.neg(Tensor(args[0].node.args[0]))))
    return None


CLEANUP: tuple[Rule, ...] = (inline_calls, identities, movements, stable)


# ---- passes of their own


def transpose_products(graph: Graph) -> Graph:
    """Products that are only read transposed are made so: (x y)ᵀ = yᵀ xᵀ."""
    graph = in_bodies(graph, transpose_products)
    readers = Counter(a for n in graph.nodes for a in n.args) + Counter(graph.outputs)

    def is_product_read_transposed(node: Node) -> bool:
        found = node.op is movement.permute and node.args[0].op is linalg.matmul and readers[node.args[0]] == 1
        return found and node.attrs["axes"] == linalg.swapped(node.type.ndim)

    def construct(node: Node, args: tuple[Node, ...]) -> Node:
        if not is_product_read_transposed(node):
            return remake(node, args)
        x, y = (make(movement.permute, (a,), node.attrs) for a in args[0].args)
        return make(linalg.matmul, (y, x), {})

    return rebuilt(graph, construct) if any(map(is_product_read_transposed, graph.nodes)) else graph


def outer_products(graph: Graph) -> Graph:
    """Matrix products whose sums have one term are elementwise products."""
    graph = in_bodies(graph, outer_products)
    return apply_rules(graph, (_outer_product,)) if any(map(_has_one_term, graph.nodes)) else graph


def _has_one_term(node: Node) -> bool:
    return node.op is linalg.matmul and is_one(node.args[0].type.shape[-1])


def _outer_product(node: Node, args: Sequence[Tensor]) -> Any:
    if not _has_one_term(node):
        return None
    return elementwise.mul(*(expand(x, node.type.shape) for x in args))
