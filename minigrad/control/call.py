"""Calls of graphs: checkpoints, which recompute what the gradient needs, and functions with a custom gradient rule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import update_wrapper, wraps
from typing import Any

import numpy as np

from .. import tree
from ..errors import GraphError, message, shape_error
from ..graph.ir import Graph
from ..graph.nodes import interning
from ..graph.types import TensorType, unify_shapes, unify_types
from ..ops import astype, sum
from ..ops.creation import argument, stand_in
from ..primitives.elementwise import alias
from ..primitives.rules import cotangent_type, no_gradient
from ..tensor import Primitive, Tensor, inline, tensor
from ..transforms.autodiff import pullback
from ..transforms.batching import lift, vmap
from ..transforms.interpret import Run, run
from ..transforms.tracing import closed

# ---- the primitive


def _call_type(*types: TensorType, graph: Graph, rule: Any) -> tuple[TensorType, ...]:
    for t, p in zip(types, graph.in_types, strict=True):
        if not unify_types(t, p):
            raise GraphError(f"call of {graph.name}: takes {p}, got {t}")
    return graph.out_types


def _call_numpy(*arrays: np.ndarray, graph: Graph, rule: Any, run: Run = run) -> tuple[np.ndarray, ...]:
    return tuple(run(graph, arrays))


def _call_vjp(cts: Sequence[Any], outs: Any, args: Sequence[Tensor], needs: Sequence[bool], graph: Graph, rule: Any) -> Sequence[Any]:
    """The gradient by the custom rule, if there is one; else the graph is recomputed (checkpointing) and differentiated."""
    if rule is not None:
        return rule(cts, outs, args, needs, graph)
    again = [alias(a) for a in args]
    wrt = [a for a, need in zip(again, needs, strict=True) if need]
    found = iter(pullback(inline(graph, again), cts, wrt))
    return [next(found) if need else None for need in needs]


def _call_batch(size: Any, args: Sequence[Tensor], batched: Sequence[bool], graph: Graph, rule: Any) -> Any:
    return CALL(*args, graph=lift(graph, size, batched), rule=rule and _batched_rule(rule, graph, batched))


def _batched_rule(rule: Callable[..., Any], graph: Graph, batched: Sequence[bool]) -> Callable[..., Any]:
    """The rule applied to every element of a batch. An argument that all elements share gets the sum of their gradients."""

    def batched_rule(cts: Sequence[Any], outs: Sequence[Tensor], args: Sequence[Tensor], needs: Sequence[bool], _: Graph) -> list[Any]:
        n, wanted = len(outs), [i for i, need in enumerate(needs) if need]

        def one(*flat: Tensor) -> list[Any]:
            given = flat[2 * n :]
            found = rule(flat[:n], flat[n : 2 * n], given, needs, graph)
            return [no_gradient(given[i]) if found[i] is None else found[i] for i in wanted]

        full = [no_gradient(o) if ct is None else ct for ct, o in zip(cts, outs, strict=True)]
        axes = (0,) * 2 * n + tuple(0 if b else None for b in batched)
        grads = dict(zip(wanted, vmap(one, in_axes=axes)(*full, *outs, *args), strict=True))
        return [g if g is None or batched[i] else sum(g, 0) for i, g in enumerate(map(grads.get, range(len(args))))]

    batched_rule.captured = rule.captured  # type: ignore[attr-defined]
    return batched_rule


CALL: Primitive = Primitive("call", _call_type, _call_numpy, vjp=_call_vjp, batch=_call_batch, kind="control", symbol="call")


# ---- for users


def _as_call(f: Callable[..., Any], args: Sequence[Any], name: str, rule: Callable[..., Any] | None) -> Any:
    leaves, in_tree = tree.flatten(list(args))
    given = [argument(leaf) for leaf in leaves]
    with interning():
        params = [stand_in(t) for t in given]
        outs, out_tree = tree.flatten(f(*tree.unflatten(in_tree, params)))
        graph, captured = closed(params, [tensor(o) for o in outs], name)
    found_rule = None if rule is None else _Rule(rule, in_tree, out_tree, len(captured), given)
    return tree.unflatten(out_tree, CALL(*captured, *given, graph=graph, rule=found_rule))


def checkpoint(f: Callable[..., Any]) -> Callable[..., Any]:
    """f, with intermediate values that the gradient recomputes instead of keeping. Saves memory and costs time."""

    @wraps(f)
    def wrapped(*args: Any) -> Any:
        return _as_call(f, args, getattr(f, "__name__", "checkpoint"), None)

    return wrapped


class _Rule:
    """A user's backward function as a gradient rule of `call`."""

    def __init__(self, backward: Callable[..., Any], in_tree: tree.TreeDef, out_tree: tree.TreeDef, captured: int, given: Sequence[Tensor]):
        self.backward, self.in_tree, self.out_tree, self.captured = backward, in_tree, out_tree, captured
        self.kinds = [type(t) for t in given]

    def __call__(
        self, cts: Sequence[Any], outs: Sequence[Tensor], args: Sequence[Tensor], needs: Sequence[bool], graph: Graph
    ) -> list[Any]:
        if any(needs[: self.captured]):
            problem = "the function takes a tensor from outside that is differentiated"
            raise GraphError(message("custom_vjp", problem, "Pass it as an argument, so that the backward rule can return its gradient"))
        full = [no_gradient(o) if ct is None else ct for ct, o in zip(cts, outs, strict=True)]
        out, ct = (tree.unflatten(self.out_tree, group) for group in (outs, full))
        given = [kind(x.node) for kind, x in zip(self.kinds, args[self.captured :], strict=True)]
        found = self.backward(ct, out, *tree.unflatten(self.in_tree, given))
        leaves, treedef = tree.flatten(list(found) if isinstance(found, (tuple, list)) else [found])
        tree.require_same(self.in_tree, treedef, "custom_vjp: gradients against arguments")
        for x, g in zip(args[self.captured :], leaves, strict=True):
            if not unify_shapes(x.shape, tensor(g).shape):
                raise shape_error("custom_vjp", f"the backward rule gave {tensor(g).type} as the gradient of {x.type}")
        return [None] * self.captured + [
            astype(g, cotangent_type(x.type).dtype) for x, g in zip(args[self.captured :], leaves, strict=True)
        ]


class custom_vjp:
    """A function with a gradient rule of its own.

    @mg.custom_vjp
    def clipped(x): return x
    @clipped.defvjp
    def _(ct, out, x): return mg.clip(ct, -1, 1)      # one gradient per argument, in a tuple if there are several
    """

    def __init__(self, f: Callable[..., Any]):
        update_wrapper(self, f)
        self.f = f
        self.backward: Callable[..., Any] | None = None

    def defvjp(self, backward: Callable[..., Any]) -> Callable[..., Any]:
        self.backward = backward
        return backward

    def __call__(self, *args: Any) -> Any:
        if self.backward is None:
            raise GraphError(message("custom_vjp", "it has no backward rule yet", "Define one with @f.defvjp"))
        return _as_call(self.f, args, getattr(self.f, "__name__", "custom"), self.backward)
