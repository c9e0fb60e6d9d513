"""scan: a loop over time as one node. Its gradient is another scan (backpropagation through time).

Arguments:  constants…, initial carries…, sequences…        Results: last carries…, stacked outputs…
Body:       constants…, carries…, one slice of each sequence… -> next carries…, outputs…
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import ops, tree
from ..errors import GraphError, message, require_callable, shape_error
from ..graph.derived import ceil_divide
from ..graph.dims import Dim, Extent, identical, typical, unify
from ..graph.ir import Graph, Node, Operation, ancestors, substitute
from ..graph.nodes import INPUT, interning, item
from ..graph.types import WIDE, TensorType, unify_shapes, unify_types, whole
from ..ops.numbers import is_number, operands
from ..primitives.rows import plus
from ..primitives.rules import cotangent_type, no_gradient, repeat
from ..tensor import Primitive, Tensor, abstract, tensor
from ..transforms.batching import lift
from ..transforms.interpret import Run, run
from ..transforms.reverse import pullback
from ..transforms.straight import straight_again
from ..transforms.tracing import closed
from ..unchanged import Unchanged
from .call import checkpoint as _checkpoint
from .chunks import chunk_of, detached, starts


class Parts(NamedTuple):
    """The three groups of a scan's arguments, or of its body's params."""

    constants: tuple[Any, ...]
    carries: tuple[Any, ...]
    sequences: tuple[Any, ...]


def split(items: Sequence[Any], constants: int, carries: int) -> Parts:
    return Parts(tuple(items[:constants]), tuple(items[constants : constants + carries]), tuple(items[constants + carries :]))


def _type(
    *types: TensorType, body: Graph, constants: int, carries: int, length: Extent, reverse: bool, save: str
) -> tuple[TensorType, ...]:
    for i, (t, p) in enumerate(zip(types, body.in_types, strict=True)):
        if i >= constants + carries:
            if not t.shape or not unify_shapes(t.shape, (length, *p.shape)) or t.dtype != p.dtype:
                raise shape_error("scan", f"a sequence of {length} times {p} is needed, got {t}")
        elif not unify_types(t, p):
            raise GraphError(f"scan: the body takes {p}, got {t}")
    for i, (before, after) in enumerate(zip(body.in_types[constants : constants + carries], body.out_types, strict=False)):
        if not unify_types(before, after):
            raise GraphError(f"scan: carry {i} is {before} before a step and {after} after it")
    return (*body.out_types[:carries], *(TensorType((length, *t.shape), t.dtype) for t in body.out_types[carries:]))


_interpreted = run


def _numpy(
    *arrays: np.ndarray, body: Graph, constants: int, carries: int, length: int, reverse: bool, save: str, run: Run = run
) -> tuple[np.ndarray, ...]:
    fixed, carry, sequences = split(arrays, constants, carries)
    length = int(length)
    stacked: list[np.ndarray] | None = None
    step = straight_again(body) if run is _interpreted else None
    for t in reversed(range(length)) if reverse else range(length):
        given = [*fixed, *carry, *[x[t] for x in sequences]]
        found = run(body, given, step=t) if step is None else step(*given)
        carry, ys = tuple(found[:carries]), found[carries:]
        if stacked is None:
            stacked = [np.empty((length, *y.shape), y.dtype) for y in ys]
        for i, y in enumerate(ys):
            if y.dtype != stacked[i].dtype:  # the complex step enters the carry after the first step
                stacked[i] = stacked[i].astype(y.dtype)
            stacked[i][t] = y
    if stacked is None:
        stacked = [np.empty((0, *t.shape), t.dtype) for t in body.out_types[carries:]]
    return (*carry, *stacked)


def _batch(size: Extent, args: Sequence[Tensor], batched: Sequence[bool], body: Graph, constants: int, carries: int, **attrs: Any) -> Any:
    axes = [b or constants <= i < constants + carries for i, b in enumerate(batched)]
    given = []
    for i, (arg, b) in enumerate(zip(args, batched, strict=True)):
        if i >= constants + carries:
            given.append(ops.permute_dims(arg, (1, 0, *range(2, arg.ndim))) if b else arg)
        else:
            given.append(repeat(arg, size, b) if axes[i] else arg)
    outs = SCAN(*given, body=lift(body, size, axes), constants=constants, carries=carries, **attrs)
    return tuple(o if i < carries else ops.permute_dims(o, (1, 0, *range(2, o.ndim))) for i, o in enumerate(outs))


# ---- the gradient


def reaches(body: Graph, sources: set[Node]) -> list[bool]:
    """Whether each output depends on any of the sources."""
    hit = set(sources)
    for node in body.nodes:
        if any(a in hit for a in node.args):
            hit.add(node)
    return [o in hit for o in body.outputs]


def _varying(body: Graph, parts: Parts, needs: Parts) -> list[bool]:
    """The carries that depend on an argument to differentiate. Computed as a fixpoint, because a carry may depend on other carries."""
    sources = {p for p, need in zip(parts.constants + parts.sequences, needs.constants + needs.sequences, strict=True) if need}
    found = list(needs.carries)
    while True:
        hit = reaches(body, sources | {p for p, f in zip(parts.carries, found, strict=True) if f})
        new = [f or (h and p.type.is_float) for f, h, p in zip(found, hit, parts.carries, strict=False)]
        if new == found:
            return found
        found = new


def _used(body: Graph, parts: Parts, cts: Sequence[Any]) -> list[bool]:
    """The carries with a cotangent other than zero: a result that has a cotangent depends on them, in the same step or a later one."""
    n = len(parts.carries)
    live = [ct is not None for ct in cts]
    while True:
        kept = Graph(body.params, tuple(o for o, a in zip(body.outputs, live, strict=True) if a))
        below = set(ancestors(kept.outputs, lambda node: node.is_constant))
        new = [a or p in below for a, p in zip(live[:n], parts.carries, strict=True)] + live[n:]
        if new == live:
            return live[:n]
        live = new


def _bytes(node: Node) -> int:
    return math.prod(map(typical, node.type.shape)) * node.type.dtype.itemsize


# Policies of what the gradient saves of each step, by name: (whether an operation is recomputed from saved arguments, whether it is
# recomputed only if saving the arguments takes no more memory than saving the result).
SAVE: dict[str, tuple[Callable[[Operation], bool], bool]] = {
    "auto": (lambda op: op.cheap, True),
    "all": (lambda op: False, False),
    "matmuls": (lambda op: op.name not in ("matmul", "scan", "cond", "while_loop"), False),
    "nothing": (lambda op: True, False),
}


def residuals(grads: Sequence[Node], forward: Collection[Node], free: Collection[Node], save: str) -> list[Node]:
    """The residuals: the values of the forward nodes that the gradient reads; those in `free` take no memory of their own. Movements are
    recomputed, never saved. Other operations, the last ones first, are recomputed as the SAVE policy says."""
    again, for_no_more = SAVE[save]

    def whole(node: Node) -> bool:
        if node.op is item:
            return node.args[0] in forward
        return node in forward and (node.op is INPUT or node.op.kind != "move")

    def behind(nodes: Sequence[Node]) -> list[Node]:
        return [n for n in ancestors(nodes, lambda n: n.is_constant or whole(n)) if whole(n)]

    kept = set(behind(grads))
    todo = [(-n.id, n) for n in kept]
    heapq.heapify(todo)
    while todo:
        _, node = heapq.heappop(todo)
        op = node.args[0].op if node.op is item else node.op
        if not again(op) or node in free or node.op is INPUT:
            continue
        sources = behind(node.args[0].args if node.op is item else node.args)
        fresh = [n for n in sources if n not in kept]
        if not for_no_more or sum(_bytes(n) for n in fresh if n not in free) <= _bytes(node):
            kept.remove(node)
            kept.update(fresh)
            for n in fresh:
                heapq.heappush(todo, (-n.id, n))
    return sorted(kept, key=lambda n: n.id)


def _step_vjp(body: Graph, params: Parts, wanted: Parts, live: Sequence[bool]) -> tuple[dict[int, Tensor], list[Tensor], list[Node]]:
    """The backward step, as nodes of a graph.

    Returns its inputs and its outputs. Inputs: cotangents of the live outputs, by number; sums of the constants' gradients over the steps
    done before, in float64, so that they are right at any length. Outputs: cotangents of the wanted carries, the sums with this step's
    gradients added, gradients of the sequences' elements.
    """
    with interning():
        seeds = {i: abstract(cotangent_type(body.outputs[i].type)) for i, alive in enumerate(live) if alive}
        constants, moving, elements = ([Tensor(p[i]) for i in some] for p, some in zip(params, wanted, strict=True))
        wrt = [*constants, *moving, *elements]
        found = pullback([Tensor(body.outputs[i]) for i in seeds], list(seeds.values()), wrt)
        totals = [abstract(TensorType(c.shape, WIDE)) for c in constants]
        sums = [t if g is None else plus(t, g) for t, g in zip(totals, found, strict=False)]
        grads = [no_gradient(t) if g is None else g for t, g in zip(wrt, found, strict=True)][len(constants) :]
    return seeds, totals, [g.node for g in (*grads[: len(moving)], *sums, *grads[len(moving) :])]


def _vjp(
    cts: Sequence[Any],
    outs: Sequence[Tensor],
    args: Sequence[Tensor],
    needs: Sequence[bool],
    body: Graph,
    constants: int,
    carries: int,
    length: Extent,
    reverse: bool,
    save: str,
) -> list[Any]:
    params, given, need = (split(x, constants, carries) for x in (body.params, args, needs))
    active = [v and u for v, u in zip(_varying(body, params, need), _used(body, params, cts), strict=True)]
    wanted = Parts(*(tuple(i for i, some in enumerate(part) if some) for part in (need.constants, active, need.sequences)))
    seeds, totals, outputs = _step_vjp(body, params, wanted, [*active, *(ct is not None for ct in cts[carries:])])

    forward_nodes = {*body.params, *(n for n in body.nodes if not n.is_constant)}
    kept = residuals(outputs, forward_nodes, {*params.constants, *params.sequences, *body.outputs}, save)
    loop = {"constants": constants, "carries": carries, "length": length, "reverse": reverse, "save": save}
    forward = _Forward(body, params, given, outs, kept, loop)
    fixed = [i for i, p in enumerate(params.constants) if p in kept]
    ys = [i for i in seeds if i >= carries]
    stand_in = {r: abstract(r.type, r.name).node for r in kept}
    order = [
        *(stand_in[params.constants[i]] for i in fixed),
        *(seeds[i].node for i in wanted.carries),
        *(t.node for t in totals),
        *(seeds[i].node for i in ys),
        *(stand_in[r] for r in forward.order),
    ]
    results = SCAN(
        *(given.constants[i] for i in fixed),
        *(no_gradient(given.carries[i]) if cts[i] is None else cts[i] for i in wanted.carries),
        *(ops.zeros(t.shape, WIDE) for t in totals),
        *(cts[i] for i in ys),
        *forward.stacked(),
        body=substitute(Graph((), tuple(outputs), f"{body.name}.vjp"), stand_in, tuple(order)),
        constants=len(fixed),
        carries=len(wanted.carries) + len(totals),
        length=length,
        reverse=not reverse,
        save=save,
    )
    places = (*(constants + i for i in wanted.carries), *wanted.constants, *(constants + carries + i for i in wanted.sequences))
    found = {i: ops.astype(r, cotangent_type(args[i].type).dtype) for i, r in zip(places, results, strict=True)}
    return [found.get(i) if need else None for i, need in enumerate(needs)]


class _Forward:
    """The stacked residuals that the backward loop reads: sequences, outputs of the forward loop, and values that are no outputs. For these
    the forward loop gets new outputs."""

    def __init__(self, body: Graph, params: Parts, given: Parts, outs: Sequence[Tensor], residuals: list[Node], attrs: dict[str, Any]):
        self.body, self.params, self.given, self.outs, self.attrs = body, params, given, outs, attrs
        self.order = [r for r in residuals if r not in params.constants]

    def stacked(self) -> list[Tensor]:
        ys = self.body.outputs[len(self.params.carries) :]
        fresh = [r for r in self.order if r not in self.params.sequences and r not in ys]
        source: dict[Node, Tensor] = dict(zip(self.params.sequences, self.given.sequences, strict=True))
        source |= dict(zip(ys, self.outs[len(self.params.carries) :], strict=True))
        if fresh:
            body = Graph(self.body.params, (*self.body.outputs, *fresh), self.body.name)
            results = SCAN(*self.given.constants, *self.given.carries, *self.given.sequences, body=body, **self.attrs)
            source |= dict(zip(fresh, results[len(self.body.outputs) :], strict=True))
        return [source[r] for r in self.order]


SCAN: Primitive = Primitive("scan", _type, _numpy, vjp=_vjp, batch=_batch, kind="control", symbol="scan")


# ---- for users


def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: Extent | None = None,
    reverse: bool = False,
    truncate: int | None = None,
    checkpoint: bool | int = False,
    save: str = "auto",
) -> tuple[Any, Any]:
    """Loop over the first axis of xs: (carry, y) = f(carry, x), from carry = init. Gives (last carry, stacked ys).

    init, xs and ys are trees. f may use tensors from outside. The carry keeps its structure, shapes and dtypes. With `reverse` it goes
    from the last x to the first, and each y stands where its x stood. Without xs give `length`. No step at all gives (init, empty ys).

    truncate=k     the gradient does not pass from one chunk of k steps to the one before (truncated BPTT)
    checkpoint=k   only every k-th carry is kept for the gradient and the steps between are computed again; True takes k = ⌈√T⌉.
                   One compiled program serves all lengths
    save=          what the gradient keeps of each step beside the carry: "all" that it needs, "matmuls" (and inner loops), "nothing",
                   or by default all but what is cheap to do again where that takes no more memory

    A loop over training steps is a scan as well: the carry is (model, optimiser state), xs are the batches, and f is the training step.
    In mg.jit a whole epoch is one call. Its results differ by rounding from those of the step compiled alone.
    Eagerly the steps are NumPy's; inside `mg.native_loops` and `mg.jit` they are compiled.

    Raises GraphError explaining leaf by leaf where the carry changes, ShapeError for sequences of unequal length.
    """
    require_callable("scan", f)
    if save not in SAVE:
        raise GraphError(message("scan", f"save = {save!r} is unknown", f"Take one of {', '.join(SAVE)}"))
    start, carry_tree = tree.flatten(init)
    sequences, xs_tree = tree.flatten(xs)
    start, sequences = [tensor(c) for c in start], [tensor(x) for x in sequences]
    steps = _length(sequences, list(tree.paths(xs_tree)), length)
    if truncate:
        later = starts(steps, chunk_of(steps, truncate), reverse)
        return scan(detached(f), init, (later, xs), reverse=reverse, checkpoint=checkpoint, save=save)
    if checkpoint:
        return _checkpointed(f, init, xs, steps, reverse, chunk_of(steps, checkpoint), save)
    with interning(), Unchanged("scan", f):
        carry = [abstract(c.type, p or "carry") for c, p in zip(start, tree.paths(carry_tree), strict=True)]
        slices = [abstract(TensorType(x.shape[1:], x.dtype), p or "x") for x, p in zip(sequences, tree.paths(xs_tree), strict=True)]
        result = f(tree.unflatten(carry_tree, carry), tree.unflatten(xs_tree, slices))
        if not isinstance(result, tuple) or len(result) != 2:
            raise GraphError(message("scan", f"the step must return (carry, y), got {type(result).__name__}"))
        after = carry_after("scan", result[0], carry, carry_tree, "Return the carry as it came in, then y")
        leaves, ys_tree = tree.flatten(result[1])
        ys = [tensor(y) for y in leaves]
        body, captured = closed([*carry, *slices], [*after, *ys], getattr(f, "__name__", "step"))
    attrs = {"constants": len(captured), "carries": len(start), "length": steps, "reverse": reverse, "save": save}
    outs = SCAN(*captured, *start, *sequences, body=body, **attrs)
    return tree.unflatten(carry_tree, outs[: len(start)]), tree.unflatten(ys_tree, outs[len(start) :])


def _length(sequences: Sequence[Tensor], paths: Sequence[str], length: Extent | None) -> Extent:
    if length is not None and not isinstance(length, Dim):
        length = whole("scan", length, "length")
    for x, path in zip(sequences, paths, strict=True):
        if not x.shape:
            raise shape_error("scan", f"xs{path} is a 0-d tensor and has no steps")
        if length is not None and not unify(x.shape[0], length):
            raise shape_error("scan", f"xs{path} has {x.shape[0]} steps, expected {length}")
        length = x.shape[0]
    if length is None:
        raise GraphError(message("scan", "it has neither xs nor a length", "Give length=T"))
    if not isinstance(length, Dim) and length < 0:
        raise shape_error("scan", f"length must not be negative, got {length}")
    return length


def carry_after(what: str, result: Any, before: Sequence[Tensor], carry_tree: tree.TreeDef, fix: str) -> list[Tensor]:
    """The leaves of the next carry. Raises GraphError, which names every leaf whose type changed."""
    leaves, after_tree = tree.flatten(result)
    found = tree.difference(carry_tree, after_tree)
    if found:
        raise GraphError(message(what, f"the carry changes its structure: {found}", fix))
    after, wrong = [], []
    for path, old, new in zip(tree.paths(carry_tree), before, leaves, strict=True):
        new = _as_carry(what, new, old)
        if not unify_types(old.type, new.type):
            wrong.append(f"  carry{path}: {old.type} goes in, {new.type} comes out{_remedy(old.type, new.type)}")
        after.append(new)
    if wrong:
        raise GraphError(message(what, "the carry must keep its types:\n" + "\n".join(wrong)))
    return after


def _as_carry(what: str, value: Any, old: Tensor) -> Tensor:
    """The next value of a carry; a number takes the dtype of the carry where that may hold it."""
    return operands(what, (value, old))[0] if is_number(value) else tensor(value)


def _remedy(old: TensorType, new: TensorType) -> str:
    if old.dtype != new.dtype:
        return f"; start from a {new.dtype}, or end the step with .astype('{old.dtype}')"
    if len(old.shape) < len(new.shape):
        return f"; start from mg.zeros({new.shape})"
    return ""


def _checkpointed(f: Any, init: Any, xs: Any, steps: Extent, reverse: bool, chunk: Extent, save: str) -> tuple[Any, Any]:
    """A scan over chunks of steps, each a checkpoint, then a scan over the remaining steps."""
    if isinstance(steps, int):
        chunks: Extent = steps // chunk
    else:  # the last chunk, which may be shorter, stays for the second scan
        chunks = ceil_divide(steps, chunk) - 1 if steps > 0 else 0
    full = chunks * chunk
    rest, main = (slice(0, steps - full), slice(steps - full, steps)) if reverse else (slice(full, steps), slice(0, full))

    def inner(carry: Any, x: Any) -> Any:
        return scan(f, carry, x, length=chunk, reverse=reverse, save=save)

    parts = tree.map(lambda x: ops.reshape(tensor(x)[main], (chunks, chunk, *tensor(x).shape[1:])), xs)
    carry, ys = scan(_checkpoint(inner), init, parts, length=chunks, reverse=reverse)
    ys = tree.map(lambda y: ops.reshape(y, (full, *y.shape[2:])), ys)
    if identical(full, steps):
        return carry, ys
    carry, more = scan(f, carry, tree.map(lambda x: tensor(x)[rest], xs), length=steps - full, reverse=reverse, save=save)
    return carry, tree.map(lambda a, b: ops.concat([b, a] if reverse else [a, b]), ys, more)
