"""Loops over time, branches, and their unrolling."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

from . import ops, tree
from .autodiff import checkpoint as _checkpoint
from .dims import Dim, Extent, same
from .errors import GraphError, message, shape_error
from .ir import Graph, Node
from .nodes import interning, item, make
from .origin import Origin, Scope, override
from .primitives import control, loop
from .tensor import Tensor, abstract, scalar, tensor, wrap
from .trace import closed
from .types import TensorType, same_type, whole


def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    truncate: int | None = None,
    checkpoint: bool | int = False,
    save: str = "auto",
) -> tuple[Any, Any]:
    """Loop over the first axis of xs: (carry, y) = f(carry, x), from carry = init. Gives (last carry, stacked ys).

    init, xs and ys are trees. f may use tensors from outside. The carry keeps its structure, shapes and dtypes. With `reverse` it goes
    from the last x to the first, and each y stands where its x stood. Without xs give `length`. No step at all gives (init, empty ys).

    truncate=k     the gradient does not pass from one chunk of k steps to the one before (truncated BPTT)
    checkpoint=k   only every k-th carry is kept for the gradient and the steps between are computed again; True takes k = ⌈√T⌉
    save=          what the gradient keeps of each step beside the carry: "all" that it needs, "matmuls" (and inner loops), "nothing",
                   or by default all but what is cheap to do again where that takes no more memory

    Raises GraphError explaining leaf by leaf where the carry changes, ShapeError for sequences of unequal length.
    """
    if save not in loop.SAVE:
        raise GraphError(message("scan", f"save = {save!r} is unknown", f"Take one of {', '.join(loop.SAVE)}"))
    start, carry_tree = tree.flatten(init)
    sequences, xs_tree = tree.flatten(xs)
    start, sequences = [tensor(c) for c in start], [tensor(x) for x in sequences]
    steps = _length(sequences, list(tree.paths(xs_tree)), length)
    root = math.isqrt(max(steps.__index__() - 1, 0)) + 1 if checkpoint is True else checkpoint
    chunk = whole("scan", truncate or root, "truncate or checkpoint")
    if chunk:
        return _chunked(f, init, xs, steps.__index__(), reverse, chunk, bool(truncate), save)
    with interning():
        carry = [abstract(c.type, p or "carry") for c, p in zip(start, tree.paths(carry_tree), strict=True)]
        slices = [abstract(TensorType(x.shape[1:], x.dtype), p or "x") for x, p in zip(sequences, tree.paths(xs_tree), strict=True)]
        result = f(tree.unflatten(carry_tree, carry), tree.unflatten(xs_tree, slices))
        if not isinstance(result, tuple) or len(result) != 2:
            raise GraphError(message("scan", f"the step must return (carry, y), got {type(result).__name__}"))
        after, ys_tree = _carry_after(result[0], carry, carry_tree), tree.flatten(result[1])[1]
        ys = [tensor(y) for y in tree.leaves(result[1])]
        body, captured = closed([*carry, *slices], [*after, *ys], getattr(f, "__name__", "step"))
    attrs = {"constants": len(captured), "carries": len(start), "length": steps, "reverse": reverse, "save": save}
    outs = loop.scan(*captured, *start, *sequences, body=body, **attrs)
    return tree.unflatten(carry_tree, outs[: len(start)]), tree.unflatten(ys_tree, outs[len(start) :])


def _length(sequences: Sequence[Tensor], paths: Sequence[str], length: Extent | None) -> Extent:
    for x, path in zip(sequences, paths, strict=True):
        if not x.shape:
            raise shape_error("scan", f"xs{path} is a 0-d tensor and has no steps")
        if length is not None and not same(x.shape[0], length):
            raise shape_error("scan", f"xs{path} has {x.shape[0]} steps, expected {length}")
        length = x.shape[0]
    if length is None:
        raise GraphError(message("scan", "it has neither xs nor a length", "Give length=T"))
    if not isinstance(length, Dim) and whole("scan", length, "length") < 0:
        raise shape_error("scan", f"length must not be negative, got {length}")
    return length


def _carry_after(result: Any, before: Sequence[Tensor], carry_tree: tree.TreeDef) -> list[Tensor]:
    """The leaves of the next carry, or an error that names every leaf that changed."""
    leaves, after_tree = tree.flatten(result)
    found = tree.difference(carry_tree, after_tree)
    if found:
        raise GraphError(message("scan", f"the carry changes its structure: {found}", "Return the carry as it came in, then y"))
    after, wrong = [], []
    for path, old, new in zip(tree.paths(carry_tree), before, map(_weak(before), leaves, before), strict=True):
        if not same_type(old.type, new.type):
            wrong.append(f"  carry{path}: {old.type} goes in, {new.type} comes out{_remedy(old.type, new.type)}")
        after.append(new)
    if wrong:
        raise GraphError(message("scan", "the carry must keep its types:\n" + "\n".join(wrong)))
    return after


def _weak(_: Any) -> Callable[[Any, Tensor], Tensor]:
    """Python numbers take the dtype of the carry they replace."""
    return lambda value, old: scalar(value, old.dtype) if isinstance(value, (int, float)) else tensor(value)


def _remedy(old: TensorType, new: TensorType) -> str:
    if old.dtype != new.dtype:
        return f"; start from a {new.dtype}, or end the step with .astype('{old.dtype}')"
    if len(old.shape) < len(new.shape):
        return f"; start from mg.zeros({new.shape})"
    return ""


def _chunked(f: Any, init: Any, xs: Any, steps: int, reverse: bool, chunk: int, detach: bool, save: str) -> tuple[Any, Any]:
    """A scan over chunks of steps, and one over what is left; both transforms of the gradient are made of existing parts."""
    if chunk < 1:
        raise shape_error("scan", f"chunks must have at least one step, got {chunk}")
    whole = steps // chunk * chunk
    rest = slice(0, steps - whole) if reverse else slice(whole, steps)
    main = slice(steps - whole, steps) if reverse else slice(0, whole)

    def inner(carry: Any, x: Any) -> Any:
        return scan(f, carry, x, length=chunk, reverse=reverse, save=save)

    def after_detach(carry: Any, indexed: Any) -> Any:
        later, x = indexed
        return inner(tree.map(lambda c: ops.where(later, ops.detach(c), c), carry), x)

    parts = tree.map(lambda x: ops.reshape(tensor(x)[main], (steps // chunk, chunk, *tensor(x).shape[1:])), xs)
    if detach:
        later = ops.arange(steps // chunk) < steps // chunk - 1 if reverse else ops.arange(steps // chunk) > 0
        carry, ys = scan(after_detach, init, (later, parts), length=steps // chunk, reverse=reverse)
    else:
        carry, ys = scan(_checkpoint(inner), init, parts, length=steps // chunk, reverse=reverse)
    ys = tree.map(lambda y: ops.reshape(y, (whole, *y.shape[2:])), ys)
    if whole == steps:
        return carry, ys
    tail = tree.map(lambda x: tensor(x)[rest], xs)
    carry = tree.map(ops.detach, carry) if detach and whole else carry
    carry, more = scan(f, carry, tail, length=steps - whole, reverse=reverse, save=save)
    order = (lambda a, b: ops.concat([b, a])) if reverse else (lambda a, b: ops.concat([a, b]))
    return carry, tree.map(order, ys, more)


def cond(condition: Any, then: Callable[..., Any], otherwise: Callable[..., Any], *args: Any) -> Any:
    """then(*args) if the condition (one bool) holds, else otherwise(*args); only the chosen side runs.

    Both sides give the same structure and types. Raises GraphError where they do not. For a choice per element use mg.where.
    """
    leaves, in_tree = tree.flatten(list(args))
    given = [tensor(leaf) for leaf in leaves]
    graphs, outside, trees = [], [], []
    for f in (then, otherwise):
        with interning():
            params = [abstract(t.type, t.name) for t in given]
            outs, out_tree = tree.flatten(f(*tree.unflatten(in_tree, params)))
            graph, captured = closed(params, [tensor(o) for o in outs], getattr(f, "__name__", "branch"))
        graphs.append(graph)
        outside.append(captured)
        trees.append(out_tree)
    tree.require_same(trees[0], trees[1], "cond: the two sides")
    for path, a, b in zip(tree.paths(trees[0]), graphs[0].out_types, graphs[1].out_types, strict=True):
        if not same_type(a, b):
            raise GraphError(message("cond", f"the sides differ at result{path}: {a} against {b}"))
    n = len(given)
    sides = [_take_all(g, outside, i, n) for i, g in enumerate(graphs)]
    found = control.cond(tensor(condition), *outside[0], *outside[1], *given, then=sides[0], otherwise=sides[1])
    return tree.unflatten(trees[0], found)


def _take_all(graph: Graph, outside: Sequence[Sequence[Tensor]], side: int, n: int) -> Graph:
    """The branch as a function of what both branches take from outside."""
    own = graph.params[: len(graph.params) - n]
    other = tuple(abstract(t.type, t.name).node for t in outside[1 - side])
    first = own + other if side == 0 else other + own
    return Graph((*first, *graph.params[len(own) :]), graph.outputs, graph.name)


def unroll(graph: Graph, steps: int | None = None, merge: bool = True) -> Graph:
    """The graph with every loop written out, each step in its own scope, lstm[3] or, in reverse, lstm←[3].

    `steps` limits the outer loops to their first elements; from there on their results stay as they are. For eyes and for tests: programs
    run and compile as loops. Without `merge`, what two steps compute alike stays in both.
    """
    with interning() if merge else nullcontext():
        params = [abstract(p.type, p.name) for p in graph.params]
        outputs = _unrolled(graph, params, steps)
    return Graph(tuple(p.node for p in params), tuple(o.node for o in outputs), graph.name, graph.in_tree, graph.out_tree)


def _unrolled(graph: Graph, args: Sequence[Tensor], steps: int | None, scopes: tuple[Scope, ...] = ()) -> list[Tensor]:
    found: dict[Node, Any] = dict(zip(graph.params, args, strict=True))
    for node in graph.nodes:
        if node.is_constant:
            found[node] = Tensor(node)
            continue
        inputs = [found[a] for a in node.args]
        place = node.origin
        with override(Origin(place.code, place.line, scopes + place.scopes, place.vjp_of)):
            if node.op is loop.scan:
                found[node] = _unrolled_scan(inputs, steps, scopes, **node.attrs)
            elif node.op is item:
                found[node] = inputs[0][node.attrs["index"]]
            elif node.op is control.call:
                found[node] = _unrolled(node.attrs["graph"], inputs, steps, scopes)
            else:
                found[node] = wrap(make(node.op, tuple(t.node for t in inputs), node.attrs))
                if isinstance(found[node], Tensor) and node.name:
                    found[node].named(node.name)
    return [found[o] for o in graph.outputs]


def _unrolled_scan(
    args: Sequence[Tensor],
    steps: int | None,
    scopes: tuple[Scope, ...],
    body: Graph,
    constants: int,
    carries: int,
    length: Extent,
    reverse: bool,
    save: str,
) -> list[Tensor]:
    parts = loop.split(args, constants, carries)
    total = length.__index__()
    count = total if steps is None else min(total, steps)
    order = range(count)[::-1] if reverse else range(count)
    name = body.name + "←" if reverse else body.name
    carry: Sequence[Tensor] = parts.carries
    rows: dict[int, Sequence[Tensor]] = {}
    for t in order:
        found = _unrolled(body, [*parts.constants, *carry, *(x[t] for x in parts.sequences)], None, (*scopes, Scope(name, t)))
        carry, rows[t] = found[:carries], found[carries:]
    outs = enumerate(body.out_types[carries:])
    return [*carry, *(_stacked([rows[t][i] for t in range(count)], total, out) for i, out in outs)]


def _stacked(rows: Sequence[Tensor], total: int, type: TensorType) -> Tensor:
    """The rows of a result one after another, the last of them repeated up to `total`."""
    if not rows:
        return ops.zeros((total, *type.shape), type.dtype)
    whole = ops.stack(rows)
    rest = (total - len(rows), *type.shape)
    return ops.concat([whole, ops.broadcast_to(ops.expand_dims(rows[-1], 0), rest)]) if rest[0] else whole
