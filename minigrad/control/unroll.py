"""Unrolling of loops, for drawings and for tests."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

from .. import ops
from ..graph.dims import Extent
from ..graph.ir import Graph, Node
from ..graph.nodes import interning, item, make
from ..graph.types import TensorType
from ..origin import Origin, Scope, override
from ..tensor import Tensor, abstract, wrap
from .call import CALL
from .scan import SCAN, split


def unroll(graph: Graph, steps: int | None = None, merge: bool = True) -> Graph:
    """The graph with every loop unrolled. Each step has its own scope: lstm[3], or lstm←[3] in reverse.

    `steps` limits the outer loops to their first steps; the results of later steps repeat the last one. For drawings and tests only:
    programs run and compile as loops. Without `merge`, an operation that two steps have in common stays in both. A gradient that a step
    of a loop takes of its own (a memory that learns) is part of that step, not of a backward pass.
    """
    with interning() if merge else nullcontext():
        params = [_param(p) for p in graph.params]
        outputs = _unrolled(graph, params, steps)
    return Graph(tuple(p.node for p in params), tuple(o.node for o in outputs), graph.name, graph.in_tree, graph.out_tree)


def _param(param: Node) -> Tensor:
    with override(param.place):
        return abstract(param.type, param.name)


def _unrolled(
    graph: Graph, args: Sequence[Tensor], steps: int | None, scopes: tuple[Scope, ...] = (), backwards: bool = True
) -> list[Tensor]:
    found: dict[Node, Any] = dict(zip(graph.params, args, strict=True))
    for node in graph.nodes:
        if node.is_constant:
            found[node] = Tensor(node)
            continue
        inputs = [found[a] for a in node.args]
        place = node.origin
        with override(Origin(place.code, place.line, scopes + place.scopes, place.vjp_of if backwards else None)):
            if node.op is SCAN:
                found[node] = _unrolled_scan(inputs, steps, scopes, backwards and place.vjp_of is not None, **node.attrs)
            elif node.op is item:
                found[node] = inputs[0][node.attrs["index"]]
            elif node.op is CALL:
                found[node] = _unrolled(node.attrs["graph"], inputs, steps, scopes, backwards)
            else:
                found[node] = wrap(make(node.op, tuple(t.node for t in inputs), node.attrs))
                if isinstance(found[node], Tensor) and node.name:
                    found[node].named(node.name)
    return [found[o] for o in graph.outputs]


def _unrolled_scan(
    args: Sequence[Tensor],
    steps: int | None,
    scopes: tuple[Scope, ...],
    backwards: bool,
    body: Graph,
    constants: int,
    carries: int,
    length: Extent,
    reverse: bool,
    save: str,
) -> list[Tensor]:
    parts = split(args, constants, carries)
    total = length.__index__()
    count = total if steps is None else min(total, steps)
    order = range(count)[::-1] if reverse else range(count)
    name = body.name + "←" if reverse else body.name
    carry: Sequence[Tensor] = parts.carries
    rows: dict[int, Sequence[Tensor]] = {}
    for t in order:
        found = _unrolled(body, [*parts.constants, *carry, *(x[t] for x in parts.sequences)], None, (*scopes, Scope(name, t)), backwards)
        carry, rows[t] = found[:carries], found[carries:]
    outs = enumerate(body.out_types[carries:])
    return [*carry, *(_stacked([rows[t][i] for t in range(count)], total, out) for i, out in outs)]


def _stacked(rows: Sequence[Tensor], total: int, type: TensorType) -> Tensor:
    """The stacked rows of a result, with the last row repeated up to `total`."""
    if not rows:
        return ops.zeros((total, *type.shape), type.dtype)
    whole = ops.stack(rows)
    rest = (total - len(rows), *type.shape)
    return ops.concat([whole, ops.broadcast_to(ops.expand_dims(rows[-1], 0), rest)]) if rest[0] else whole
