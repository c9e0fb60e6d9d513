"""vmap: batching of graphs. The batching rule of each operation gives its result a new first axis."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any

from .. import ops, tree
from ..errors import shape_error
from ..graph.dims import Extent, unify
from ..graph.ir import Graph, Node
from ..graph.nodes import interning, item
from ..graph.types import TensorType, normalize_axis
from ..ops.numbers import argument, stand_in
from ..primitives.rules import repeat
from ..tensor import Tensor, abstract, apply, tensor
from ..unchanged import Unchanged
from .tracing import closed, parameter_names


def vmap(f: Callable[..., Any], in_axes: Any = 0, out_axes: Any = 0) -> Callable[..., Any]:
    """f for every element of a batch. Each argument has the batch along an axis (None: all elements share it); out_axes is that of results.

    in_axes is one axis for all arguments, a tuple with one per positional argument, or a dict with those of arguments by name. Arguments
    without an entry, such as all others by name, have the batch along axis 0. The entry of a tree, and out_axes, is one axis for all its
    leaves or a tree of axes, which may stop above the leaves. Raises ShapeError if the batch sizes differ.
    """

    @wraps(f)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        leaves, in_tree = tree.flatten((args, kwargs))
        axes = _axes(f, in_axes, args, kwargs, in_tree)
        batched = [axis is not None for axis in axes]
        given: list[Tensor] = []
        for leaf, axis in zip(map(argument, leaves), axes, strict=True):
            given.append(leaf if axis is None else ops.moveaxis(leaf, normalize_axis("vmap", axis, leaf.ndim), 0))
        size = _size([t for t, b in zip(given, batched, strict=True) if b])
        with interning(), Unchanged("vmap", f):
            params = [abstract(_slice(t)) if b else stand_in(t) for t, b in zip(given, batched, strict=True)]
            positional, named = tree.unflatten(in_tree, params)
            outs, out_tree = tree.flatten(f(*positional, **named))
            graph, captured = closed(params, [tensor(o) for o in outs], getattr(f, "__name__", "vmap"))
        found = batch_graph(graph, size, [*captured, *given], [False] * len(captured) + batched)
        goals = tree.spread("vmap: out_axes", out_axes, out_tree)
        return tree.unflatten(out_tree, [ops.moveaxis(o, 0, normalize_axis("vmap", a, o.ndim)) for o, a in zip(found, goals, strict=True)])

    return wrapped


def _axes(f: Callable[..., Any], in_axes: Any, args: Sequence[Any], kwargs: Mapping[str, Any], in_tree: tree.TreeDef) -> list[int | None]:
    """The batch axis of each leaf of the arguments."""
    if isinstance(in_axes, dict):
        names = parameter_names(f, len(args))
        unknown = set(in_axes) - set(names[: len(args)]) - set(kwargs)
        if unknown:
            has = ", ".join((*names[: len(args)], *kwargs))
            raise shape_error("vmap", f"in_axes names {', '.join(map(str, sorted(unknown)))}, but the arguments are {has}")
        entries = [*(in_axes.get(n, 0) for n in names[: len(args)]), *(in_axes.get(n, 0) for n in in_tree.children[1].keys)]
    else:
        entries = list(in_axes) if isinstance(in_axes, (tuple, list)) else [in_axes] * len(args)
        if len(entries) != len(args):
            raise shape_error("vmap", f"in_axes has {len(entries)} entries for {len(args)} arguments")
        entries += [0] * len(kwargs)
    structures = (*in_tree.children[0].children, *in_tree.children[1].children)
    return [axis for entry, t in zip(entries, structures, strict=True) for axis in tree.spread("vmap: in_axes", entry, t)]


def _slice(t: Tensor) -> TensorType:
    return TensorType(t.shape[1:], t.dtype)


def _size(batched: Sequence[Tensor]) -> Extent:
    if not batched:
        raise shape_error("vmap", "no argument has a batch axis")
    for t in batched:
        if not unify(t.shape[0], batched[0].shape[0]):
            raise shape_error("vmap", f"batch sizes differ: {[t.shape[0] for t in batched]}")
    return batched[0].shape[0]


def batch_graph(graph: Graph, size: Extent, args: Sequence[Tensor], batched: Sequence[bool]) -> list[Tensor]:
    """The outputs of the graph for a batch. Their first axis is the batch."""
    found: dict[Node, tuple[Any, bool]] = {p: (a, b) for p, a, b in zip(graph.params, args, batched, strict=True)}
    for node in graph.nodes:
        if node.is_constant:
            found[node] = (Tensor(node), False)
            continue
        inputs, flags = zip(*(found[a] for a in node.args), strict=True) if node.args else ((), ())
        found[node] = (_batch(node, size, inputs, flags), True) if any(flags) else (_again(node, inputs), False)
    return [repeat(t, size, b) for t, b in (found[o] for o in graph.outputs)]


def _again(node: Node, inputs: Sequence[Any]) -> Any:
    return inputs[0][node.attrs["index"]] if node.op is item else apply(node.op, *inputs, **node.attrs)


def _batch(node: Node, size: Extent, inputs: Sequence[Any], flags: Sequence[bool]) -> Any:
    op, attrs = node.op, node.attrs
    if op is item:
        return inputs[0][attrs["index"]]
    if callable(op.batch):
        return op.batch(size, inputs, flags, **attrs)
    if isinstance(op.batch, str):
        axes = attrs[op.batch]
        return apply(op, *inputs, **{**attrs, op.batch: tuple(a + 1 for a in axes) if isinstance(axes, tuple) else axes + 1})
    return apply(op, *(repeat(t, size, b) for t, b in zip(inputs, flags, strict=True)), **attrs)


def lift(graph: Graph, size: Extent, batched: Sequence[bool]) -> Graph:
    """The graph for a batch. The params in `batched` and all outputs have the batch as a new first axis."""
    with interning():
        params = [
            abstract(TensorType((size, *p.type.shape), p.type.dtype) if b else p.type, p.name)
            for p, b in zip(graph.params, batched, strict=True)
        ]
        outs = batch_graph(graph, size, params, batched)
    return Graph(tuple(p.node for p in params), tuple(o.node for o in outs), graph.name)
