"""A pass for memories: matrices that a loop carries, one for each sequence, with short rows that fill no vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..control.scan import SCAN, split
from ..graph.ir import Graph, Node, rebuild
from ..graph.nodes import behind_broadcast, remake
from ..graph.types import TensorType, is_one
from ..primitives import linalg, movement, reduce
from ..tensor import Tensor, abstract
from .rewrite import replace_loops

VECTOR = 16  # elements
REDUCTIONS = (reduce.sum, reduce.prod, reduce.max, reduce.min)
Shapes = set[tuple[Any, ...]]


def by_columns(graph: Graph) -> Graph:
    """Matrices that a loop carries are kept transposed where their rows fill no vectors, but their columns do."""
    shapes = {shape for n in graph.nodes if n.op is SCAN for shape in _shapes(n)}
    given = [n.type for n in (*graph.params, *graph.outputs) if isinstance(n.type, TensorType)]
    if not shapes or any(t.ndim == 4 and t.shape[2:] in shapes for t in given):  # all steps' matrices would be copied: what loops gain
        return graph
    return replace_loops(graph, _by_columns)


def _shapes(loop: Node) -> Shapes:
    """The shapes of matrices that a loop is to keep transposed."""
    body, attrs = loop.attrs["body"], loop.attrs
    carries = split(body.params, attrs["constants"], attrs["carries"]).carries
    found = {p.type.shape[1:] for p in carries if _fills_by_columns(p.type)}
    return found if found and all(_has_rule(n, found) for n in body.nodes) else set()


def _by_columns(loop: Node) -> dict[int, Tensor] | None:
    body, attrs, shapes = loop.attrs["body"], loop.attrs, _shapes(loop)
    constants = attrs["constants"]
    if not shapes:
        return None
    transposed = [i >= constants and _is_one_of(p, shapes) for i, p in enumerate(body.params)]
    params = [abstract(_swapped_type(p.type), p.name).node if t else p for p, t in zip(body.params, transposed, strict=True)]
    mapping = {p: _swap(new) if t else p for p, new, t in zip(body.params, params, transposed, strict=True)}
    new = rebuild(body.outputs, mapping, lambda node, args: _transposed(node, args, shapes))
    outputs = [_swap(new[o]) if _is_one_of(o, shapes) else new[o] for o in body.outputs]
    given = [Tensor(_swap(a) if t else a) for a, t in zip(loop.args, transposed, strict=True)]
    results = SCAN(*given, **{**attrs, "body": Graph(tuple(params), tuple(outputs), body.name)})
    return {i: Tensor(_swap(r.node)) if _is_one_of(o, shapes) else r for i, (o, r) in enumerate(zip(body.outputs, results, strict=True))}


def _fills_by_columns(t: TensorType) -> bool:
    if t.ndim != 3 or not isinstance(t.shape[1], int) or not isinstance(t.shape[2], int):
        return False
    rows, columns = t.shape[1:]
    return rows % VECTOR == 0 and columns % VECTOR != 0 and 1 < columns < rows


def _is_one_of(node: Node, shapes: Shapes) -> bool:
    return isinstance(node.type, TensorType) and node.type.ndim == 3 and node.type.shape[1:] in shapes


def _has_rule(node: Node, shapes: Shapes) -> bool:
    """Whether a node that takes or gives such matrices does so as fast if they are transposed."""
    if node.is_constant or not any(_is_one_of(n, shapes) for n in (node, *node.args)):
        return True
    return node.op.elementwise or node.op in (*REDUCTIONS, linalg.matmul, movement.permute, movement.broadcast)


def _transposed(node: Node, args: tuple[Node, ...], shapes: Shapes) -> Node:
    """The node on new arguments, computed from transposed matrices."""
    if node.op in REDUCTIONS and _is_one_of(node.args[0], shapes) and {1, 2} & set(node.attrs["axes"]):
        axes = tuple(sorted({1: 2, 2: 1}.get(a, a) for a in node.attrs["axes"]))
        return node.op(Tensor(_swap(args[0])), axes=axes).node  # type: ignore[no-any-return]
    if not _is_one_of(node, shapes) or not (node.op.elementwise or node.op is linalg.matmul):
        return remake(node, args)
    x: Sequence[Node] = [_swap(a) for a in args]
    return _swap(remake(node, tuple(x[::-1] if node.op is linalg.matmul else x)))


def _swap(node: Node) -> Node:
    """The node with its last two axes exchanged."""
    if node.op is movement.permute and node.attrs["axes"] == linalg.swapped(node.type.ndim):
        return node.args[0]
    number = behind_broadcast(node)
    if number is not node and all(map(is_one, number.type.shape)):
        return movement.broadcast(Tensor(number), shape=_swapped_type(node.type).shape).node
    return linalg.swap(Tensor(node)).node


def _swapped_type(t: TensorType) -> TensorType:
    return TensorType((*t.shape[:-2], t.shape[-1], t.shape[-2]), t.dtype)
