"""while_loop: a loop as one node that ends when a condition is false. It has no gradient.

Arguments:  constants…, initial carries…        Results: last carries…
Condition:  constants…, carries… -> one bool     Body:    constants…, carries… -> next carries…
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import ops, tree
from ..errors import GraphError, dtype_error, message, require_callable
from ..graph.dims import Extent
from ..graph.ir import Graph
from ..graph.nodes import interning
from ..graph.types import BOOL, TensorType, unify_types
from ..primitives.rules import repeat
from ..tensor import Primitive, Tensor, abstract, inline, tensor
from ..transforms.batching import lift
from ..transforms.interpret import Run, run
from ..transforms.tracing import closed
from ..unchanged import Unchanged
from .scan import carry_after

# ---- the primitive


def _type(*types: TensorType, condition: Graph, body: Graph, constants: int) -> tuple[TensorType, ...]:
    for t, p in zip(types, body.in_types, strict=True):
        if not unify_types(t, p):
            raise GraphError(f"while_loop: the body takes {p}, got {t}")
    for i, (before, after) in enumerate(zip(body.in_types[constants:], body.out_types, strict=True)):
        if not unify_types(before, after):
            raise GraphError(f"while_loop: carry {i} is {before} before a step and {after} after it")
    return body.out_types


def _numpy(*arrays: np.ndarray, condition: Graph, body: Graph, constants: int, run: Run = run) -> tuple[np.ndarray, ...]:
    fixed, carry, t = arrays[:constants], arrays[constants:], 0
    while run(condition, [*fixed, *carry], step=t)[0].real:
        carry = tuple(run(body, [*fixed, *carry], step=t))
        t += 1
    return tuple(carry)


def _vjp(*_: Any, **attrs: Any) -> Sequence[Any]:
    problem = "it has no gradient, since the values of an unknown number of steps would have to be kept"
    raise GraphError(message("while_loop", problem, "Use mg.scan with a bound on the steps, or mg.detach on the result"))


def _batch(size: Extent, args: Sequence[Tensor], batched: Sequence[bool], condition: Graph, body: Graph, constants: int) -> Any:
    """The loop runs until the condition is false for all elements. Where it is false, the carry stays as it is."""
    axes = [b or i >= constants for i, b in enumerate(batched)]
    given = [repeat(a, size, b) if axis else a for a, b, axis in zip(args, batched, axes, strict=True)]
    test, step = lift(condition, size, axes), lift(body, size, axes)
    with interning():
        params = [abstract(p.type, p.name) for p in step.params]
        (going,) = inline(test, params)
        after = inline(step, params)
        kept = [
            ops.where(ops.reshape(going, (size, *(1,) * (new.ndim - 1))), new, old)
            for new, old in zip(after, params[constants:], strict=True)
        ]
        some = ops.any(going)
    nodes = tuple(p.node for p in params)
    graphs = Graph(nodes, (some.node,), condition.name), Graph(nodes, tuple(k.node for k in kept), body.name)
    return WHILE(*given, condition=graphs[0], body=graphs[1], constants=constants)


WHILE: Primitive = Primitive("while_loop", _type, _numpy, vjp=_vjp, batch=_batch, kind="control", symbol="while")


# ---- for users


def while_loop(condition: Callable[[Any], Any], step: Callable[[Any], Any], init: Any) -> Any:
    """carry = step(carry), from carry = init, as long as condition(carry), one bool, is true. Gives the last carry.

    init is a tree. Both functions may use tensors from outside. The carry keeps its structure, shapes and dtypes. Under vmap the loop runs
    until all elements are done; those that are done keep their carry, but step is computed for them too, and raises if an index in it is
    out of bounds. There is no gradient: GraphError. A loop whose number of steps has a bound is differentiated as mg.scan.
    """
    require_callable("while_loop", condition)
    require_callable("while_loop", step)
    leaves, carry_tree = tree.flatten(init)
    start = [tensor(c) for c in leaves]
    with interning(), Unchanged("while_loop", condition), Unchanged("while_loop", step):
        carry = [abstract(c.type, p or "carry") for c, p in zip(start, tree.paths(carry_tree), strict=True)]
        given = tree.unflatten(carry_tree, carry)
        going = tensor(condition(given))
        if going.dtype != BOOL or going.shape:
            raise dtype_error("while_loop", f"the condition must give one bool, got {going.type}", "Use mg.all or mg.any")
        after = carry_after("while_loop", step(given), carry, carry_tree, "Return the carry as it came in")
        both, captured = closed(carry, [going, *after], getattr(step, "__name__", "step"))
    graphs = {"condition": Graph(both.params, both.outputs[:1], both.name), "body": Graph(both.params, both.outputs[1:], both.name)}
    return tree.unflatten(carry_tree, WHILE(*captured, *start, **graphs, constants=len(captured)))
