"""Control: calls of whole graphs, branches, and the barriers of differentiation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import GraphError, dtype_error
from ..ir import Graph, Primitive
from ..nodes import interning
from ..tensor import Tensor, abstract, inline
from ..types import BOOL, TensorType, same_type
from .rules import each, like

Run = Callable[..., list[np.ndarray]]


def default_run(graph: Graph, args: Sequence[np.ndarray], **_: Any) -> list[np.ndarray]:
    from ..interpret import run

    return run(graph, args)


# ---- barriers


# The identity, through which no gradient flows.
detach: Primitive = Primitive(
    "detach",
    lambda x: x,
    lambda x: x,
    vjp=each(lambda ct, y, x: None),
    complex=np.real,
    kind="control",
    symbol="detach",
    elementwise=True,
)

# The identity, but a node of its own: what a transformation differentiates with respect to, and what must not be merged.
alias: Primitive = Primitive(
    "alias", lambda x: x, lambda x: x, vjp=each(lambda ct, y, x: ct), kind="move", symbol="alias", elementwise=True, unique=True
)


# ---- call


def _call_type(*types: TensorType, graph: Graph, rule: Any) -> tuple[TensorType, ...]:
    for t, p in zip(types, graph.in_types, strict=True):
        if not same_type(t, p):
            raise GraphError(f"call of {graph.name}: takes {p}, got {t}")
    return graph.out_types


def _call_numpy(*arrays: np.ndarray, graph: Graph, rule: Any, run: Run = default_run) -> tuple[np.ndarray, ...]:
    return tuple(run(graph, arrays))


def _call_vjp(cts: Sequence[Any], outs: Any, args: Sequence[Tensor], needs: Sequence[bool], graph: Graph, rule: Any) -> Sequence[Any]:
    """A custom rule if there is one; else the graph is computed again (checkpointing) and differentiated."""
    if rule is not None:
        return rule(cts, outs, args, needs, graph)
    from ..autodiff import pullback

    again = [alias(a) for a in args]
    wrt = [a for a, need in zip(again, needs, strict=True) if need]
    found = iter(pullback(inline(graph, again), cts, wrt))
    return [next(found) if need else None for need in needs]


def rule_graph(rule: Callable[..., Any], graph: Graph) -> Graph:
    """What a custom rule of `graph` does, as a graph of cotangents, results and arguments."""
    with interning():
        args, outs = ([abstract(t) for t in types] for types in (graph.in_types, graph.out_types))
        cts = [abstract(t) for t in graph.out_types]
        needs = [t.is_float and i >= rule.captured for i, t in enumerate(graph.in_types)]  # type: ignore[attr-defined]
        found = rule(cts, outs, args, needs, graph)
    return Graph(tuple(t.node for t in (*cts, *outs, *args)), tuple(g.node for g in found if g is not None), f"{graph.name}.rule")


def _call_batch(size: Any, args: Sequence[Tensor], batched: Sequence[bool], graph: Graph, rule: Any) -> Any:
    from ..vmap import lift

    return call(*args, graph=lift(graph, size, batched), rule=rule and _batched_rule(rule, graph, batched))


def _batched_rule(rule: Callable[..., Any], graph: Graph, batched: Sequence[bool]) -> Callable[..., Any]:
    """The rule for every element of a batch; what all share gets the sum of its gradients."""

    def batched_rule(cts: Sequence[Any], outs: Sequence[Tensor], args: Sequence[Tensor], needs: Sequence[bool], _: Graph) -> list[Any]:
        from ..ops import sum
        from ..vmap import vmap

        n, wanted = len(outs), [i for i, need in enumerate(needs) if need]

        def one(*flat: Tensor) -> list[Any]:
            given = flat[2 * n :]
            found = rule(flat[:n], flat[n : 2 * n], given, needs, graph)
            return [like(given[i], 0) if found[i] is None else found[i] for i in wanted]

        full = [like(o, 0) if ct is None else ct for ct, o in zip(cts, outs, strict=True)]
        axes = (0,) * 2 * n + tuple(0 if b else None for b in batched)
        grads = dict(zip(wanted, vmap(one, in_axes=axes)(*full, *outs, *args), strict=True))
        return [g if g is None or batched[i] else sum(g, 0) for i, g in enumerate(map(grads.get, range(len(args))))]

    batched_rule.captured = rule.captured  # type: ignore[attr-defined]
    return batched_rule


call: Primitive = Primitive("call", _call_type, _call_numpy, vjp=_call_vjp, batch=_call_batch, kind="control", symbol="call")


# ---- cond


def _cond_type(condition: TensorType, *types: TensorType, then: Graph, otherwise: Graph) -> tuple[TensorType, ...]:
    if condition.dtype != BOOL or condition.shape:
        raise dtype_error("cond", f"the condition must be one bool, got {condition}", "For a choice per element use mg.where")
    return then.out_types


def _cond_numpy(
    condition: np.ndarray, *arrays: np.ndarray, then: Graph, otherwise: Graph, run: Run = default_run
) -> tuple[np.ndarray, ...]:
    return tuple(run(then if condition.real else otherwise, arrays))


def _cond_vjp(cts: Sequence[Any], outs: Any, args: Sequence[Tensor], needs: Sequence[bool], then: Graph, otherwise: Graph) -> Sequence[Any]:
    """A branch again: each side computes its values once more and differentiates them."""
    live = [i for i, ct in enumerate(cts) if ct is not None]
    wanted = [i for i, need in enumerate(needs) if need]
    branches = [_branch_vjp(g, live, [i - 1 for i in wanted]) for g in (then, otherwise)]
    found = iter(cond(*args, *(cts[i] for i in live), then=branches[0], otherwise=branches[1]))
    return [next(found) if need else None for need in needs]


def _branch_vjp(graph: Graph, live: Sequence[int], wanted: Sequence[int]) -> Graph:
    from ..autodiff import pullback

    with interning():
        args = [abstract(t) for t in graph.in_types]
        cts = [abstract(graph.out_types[i]) for i in live]
        outs = inline(graph, args)
        grads = pullback([outs[i] for i in live], cts, [args[i] for i in wanted])
        full = [like(args[i], 0) if g is None else g for i, g in zip(wanted, grads, strict=True)]
    return Graph(tuple(t.node for t in (*args, *cts)), tuple(g.node for g in full), f"{graph.name}.vjp")


def _cond_batch(size: Any, args: Sequence[Tensor], batched: Sequence[bool], then: Graph, otherwise: Graph) -> Any:
    """One condition for all chooses a batched branch; one for each computes both branches and selects."""
    from ..ops import where
    from ..vmap import batch_graph, lift

    if not batched[0]:
        return cond(*args, then=lift(then, size, batched[1:]), otherwise=lift(otherwise, size, batched[1:]))
    outs = [batch_graph(g, size, args[1:], batched[1:]) for g in (then, otherwise)]
    return tuple(where(args[0].reshape(size, *(1,) * (a.ndim - 1)), a, b) for a, b in zip(*outs, strict=True))


cond: Primitive = Primitive("cond", _cond_type, _cond_numpy, vjp=_cond_vjp, batch=_cond_batch, kind="control", symbol="cond")
