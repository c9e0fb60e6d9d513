"""scan: a loop over time as one node, and its gradient, which is a scan again (backpropagation through time).

Arguments:  constants…, initial carries…, sequences…        Results: last carries…, stacked outputs…
Body:       constants…, carries…, one slice of each sequence… -> next carries…, outputs…
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..dims import Extent, typical
from ..errors import GraphError, shape_error
from ..ir import Graph, Node, Primitive, ancestors, substitute
from ..nodes import interning, item
from ..tensor import Tensor, abstract
from ..types import TensorType, same_shape, same_type
from .control import Run, default_run
from .rules import like


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
            if not t.shape or not same_shape(t.shape, (length, *p.shape)) or t.dtype != p.dtype:
                raise shape_error("scan", f"a sequence of {length} times {p} is needed, got {t}")
        elif not same_type(t, p):
            raise GraphError(f"scan: the body takes {p}, got {t}")
    for i, (before, after) in enumerate(zip(body.in_types[constants : constants + carries], body.out_types, strict=False)):
        if not same_type(before, after):
            raise GraphError(f"scan: carry {i} is {before} before a step and {after} after it")
    return (*body.out_types[:carries], *(TensorType((length, *t.shape), t.dtype) for t in body.out_types[carries:]))


def _numpy(
    *arrays: np.ndarray, body: Graph, constants: int, carries: int, length: int, reverse: bool, save: str, run: Run = default_run
) -> tuple[np.ndarray, ...]:
    fixed, carry, sequences = split(arrays, constants, carries)
    length = int(length)
    stacked: list[np.ndarray] | None = None
    for t in reversed(range(length)) if reverse else range(length):
        found = run(body, [*fixed, *carry, *(x[t] for x in sequences)], step=t)
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
    from ..ops import permute_dims
    from ..vmap import lift, repeat

    axes = [b or constants <= i < constants + carries for i, b in enumerate(batched)]
    given = []
    for i, (arg, b) in enumerate(zip(args, batched, strict=True)):
        if i >= constants + carries:
            given.append(permute_dims(arg, (1, 0, *range(2, arg.ndim))) if b else arg)
        else:
            given.append(repeat(arg, size, b) if axes[i] else arg)
    outs = scan(*given, body=lift(body, size, axes), constants=constants, carries=carries, **attrs)
    return tuple(o if i < carries else permute_dims(o, (1, 0, *range(2, o.ndim))) for i, o in enumerate(outs))


# ---- the gradient


def reaches(body: Graph, sources: set[Node]) -> list[bool]:
    """Whether each output depends on any of the sources."""
    hit = set(sources)
    for node in body.nodes:
        if any(a in hit for a in node.args):
            hit.add(node)
    return [o in hit for o in body.outputs]


def _varying(body: Graph, parts: Parts, needs: Parts) -> list[bool]:
    """The carries that depend on an argument to differentiate: by a fixpoint, since they feed each other."""
    sources = {p for p, need in zip(parts.constants + parts.sequences, needs.constants + needs.sequences, strict=True) if need}
    found = list(needs.carries)
    while True:
        hit = reaches(body, sources | {p for p, f in zip(parts.carries, found, strict=True) if f})
        new = [f or (h and p.type.is_float) for f, h, p in zip(found, hit, parts.carries, strict=False)]
        if new == found:
            return found
        found = new


def _used(body: Graph, parts: Parts, cts: Sequence[Any]) -> list[bool]:
    """The carries whose cotangent is not zero: they reach a result that has one, at this step or a later one."""
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


# What the gradient keeps of a step, by name: whether an operation is done again if what it is made of is kept, and whether only
# where that takes no more memory.
SAVE: dict[str, tuple[Callable[[Primitive], bool], bool]] = {
    "auto": (lambda op: op.cheap, True),
    "all": (lambda op: False, False),
    "matmuls": (lambda op: op.name not in ("matmul", "scan", "cond"), False),
    "nothing": (lambda op: True, False),
}


def _residuals(grads: Sequence[Node], body: Graph, carries: Sequence[Node], save: str) -> list[Node]:
    """What the backward step takes from the forward step: movement is done again rather than stored, and so is, the last first, what
    SAVE tells."""
    again, for_no_more = SAVE[save]
    forward = {*body.params, *(n for n in body.nodes if not n.is_constant)}

    def whole(node: Node) -> bool:
        if node.op is item:
            return node.args[0] in forward
        return node in forward and (node.op.name == "input" or node.op.look[0] != "move")

    def behind(nodes: Sequence[Node]) -> list[Node]:
        return [n for n in ancestors(nodes, lambda n: n.is_constant or whole(n)) if whole(n)]

    stacked = {p for p in body.params if p not in carries} | set(body.outputs)
    kept = set(behind(grads))
    todo = [(-n.id, n) for n in kept]
    heapq.heapify(todo)
    while todo:
        _, node = heapq.heappop(todo)
        op = node.args[0].op if node.op is item else node.op
        if not again(op) or node in stacked or node in body.params:
            continue
        sources = behind(node.args[0].args if node.op is item else node.args)
        fresh = [n for n in sources if n not in kept]
        if not for_no_more or sum(_bytes(n) for n in fresh if n not in stacked) <= _bytes(node):
            kept.remove(node)
            kept.update(fresh)
            for n in fresh:
                heapq.heappush(todo, (-n.id, n))
    return sorted(kept, key=lambda n: n.id)


def _step_vjp(body: Graph, params: Parts, wanted: Parts, live: Sequence[bool]) -> tuple[dict[int, Tensor], list[Tensor], list[Node]]:
    """The gradient of one step.

    Gives cotangents for its live outputs, by number; the constants' gradients so far; and what is made of them: cotangents of the wanted
    carries, the constants' gradients with this step's, those of the sequences' elements.
    """
    from ..autodiff import pullback

    with interning():
        seeds = {i: abstract(body.outputs[i].type) for i, alive in enumerate(live) if alive}
        constants, moving, elements = ([Tensor(p[i]) for i in some] for p, some in zip(params, wanted, strict=True))
        wrt = [*constants, *moving, *elements]
        found = pullback([Tensor(body.outputs[i]) for i in seeds], list(seeds.values()), wrt)
        totals = [abstract(c.type) for c in constants]
        sums = [t if g is None else t + g for t, g in zip(totals, found, strict=False)]
        grads = [like(t, 0) if g is None else g for t, g in zip(wrt, found, strict=True)][len(constants) :]
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

    residuals = _residuals(outputs, body, params.carries, save)
    loop = {"constants": constants, "carries": carries, "length": length, "reverse": reverse, "save": save}
    forward = _Forward(body, params, given, outs, residuals, loop)
    fixed = [i for i, p in enumerate(params.constants) if p in residuals]
    ys = [i for i in seeds if i >= carries]
    stand_in = {r: abstract(r.type, r.name).node for r in residuals}
    order = [
        *(stand_in[params.constants[i]] for i in fixed),
        *(seeds[i].node for i in wanted.carries),
        *(t.node for t in totals),
        *(seeds[i].node for i in ys),
        *(stand_in[r] for r in forward.order),
    ]
    results = scan(
        *(given.constants[i] for i in fixed),
        *(like(given.carries[i], 0) if cts[i] is None else cts[i] for i in wanted.carries),
        *(like(given.constants[i], 0) for i in wanted.constants),
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
    found = dict(zip(places, results, strict=True))
    return [found.get(i) if need else None for i, need in enumerate(needs)]


class _Forward:
    """Where the backward loop reads what the forward loop computed: sequences again, outputs already stacked, or stacked anew."""

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
            results = scan(*self.given.constants, *self.given.carries, *self.given.sequences, body=body, **self.attrs)
            source |= dict(zip(fresh, results[len(self.body.outputs) :], strict=True))
        return [source[r] for r in self.order]


scan: Primitive = Primitive("scan", _type, _numpy, vjp=_vjp, batch=_batch, look=("control", "scan"))
