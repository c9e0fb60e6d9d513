"""cond: a branch as one node, of whose two graphs one runs. Its gradient is another branch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import tree
from ..errors import GraphError, dtype_error, message, require_callable
from ..graph.ir import Graph
from ..graph.nodes import interning
from ..graph.types import BOOL, TensorType, unify_types
from ..ops import where
from ..ops.numbers import argument, stand_in
from ..primitives.rules import cotangent_type, no_gradient
from ..tensor import Primitive, Tensor, abstract, inline, tensor
from ..transforms.batching import batch_graph, lift
from ..transforms.interpret import Run, run
from ..transforms.reverse import pullback
from ..transforms.tracing import closed
from ..unchanged import Unchanged

# ---- the primitive


def _cond_type(condition: TensorType, *types: TensorType, then: Graph, otherwise: Graph) -> tuple[TensorType, ...]:
    if condition.dtype != BOOL or condition.shape:
        raise dtype_error("cond", f"the condition must be one bool, got {condition}", "For a choice per element use mg.where")
    return then.out_types


def _cond_numpy(condition: np.ndarray, *arrays: np.ndarray, then: Graph, otherwise: Graph, run: Run = run) -> tuple[np.ndarray, ...]:
    return tuple(run(then if condition.real else otherwise, arrays))


def _cond_vjp(cts: Sequence[Any], outs: Any, args: Sequence[Tensor], needs: Sequence[bool], then: Graph, otherwise: Graph) -> Sequence[Any]:
    """The gradient, which is another branch. Each side recomputes its values and differentiates them."""
    live = [i for i, ct in enumerate(cts) if ct is not None]
    wanted = [i for i, need in enumerate(needs) if need]
    branches = [_branch_vjp(g, live, [i - 1 for i in wanted]) for g in (then, otherwise)]
    found = iter(COND(*args, *(cts[i] for i in live), then=branches[0], otherwise=branches[1]))
    return [next(found) if need else None for need in needs]


def _branch_vjp(graph: Graph, live: Sequence[int], wanted: Sequence[int]) -> Graph:
    with interning():
        args = [abstract(t) for t in graph.in_types]
        cts = [abstract(cotangent_type(graph.out_types[i])) for i in live]
        outs = inline(graph, args)
        grads = pullback([outs[i] for i in live], cts, [args[i] for i in wanted])
        full = [no_gradient(args[i]) if g is None else g for i, g in zip(wanted, grads, strict=True)]
    return Graph(tuple(t.node for t in (*args, *cts)), tuple(g.node for g in full), f"{graph.name}.vjp")


def _cond_batch(size: Any, args: Sequence[Tensor], batched: Sequence[bool], then: Graph, otherwise: Graph) -> Any:
    """If all elements share the condition, a batched branch runs; else both branches are computed and the condition selects elements."""
    if not batched[0]:
        return COND(*args, then=lift(then, size, batched[1:]), otherwise=lift(otherwise, size, batched[1:]))
    outs = [batch_graph(g, size, args[1:], batched[1:]) for g in (then, otherwise)]
    return tuple(where(args[0].reshape(size, *(1,) * (a.ndim - 1)), a, b) for a, b in zip(*outs, strict=True))


COND: Primitive = Primitive("cond", _cond_type, _cond_numpy, vjp=_cond_vjp, batch=_cond_batch, kind="control", symbol="cond")


# ---- for users


def cond(condition: Any, then: Callable[..., Any], otherwise: Callable[..., Any], *args: Any) -> Any:
    """then(*args) if the condition (one bool) is true, else otherwise(*args). Only the chosen side runs.

    Both sides must return the same structure and types, or GraphError is raised. For a choice per element use mg.where.

    Under vmap, if each element has its own condition, both sides run for all elements and results are selected as by mg.where: an index
    that is out of bounds in the side not taken raises, and a 0·∞ in it makes the gradient of the batch NaN; that of mg.vmap(mg.grad(f))
    has none.
    """
    leaves, in_tree = tree.flatten(list(args))
    given = [argument(leaf) for leaf in leaves]
    graphs, outside, trees = [], [], []
    for f in (then, otherwise):
        require_callable("cond", f)
        with interning(), Unchanged("cond", f):
            params = [stand_in(t) for t in given]
            outs, out_tree = tree.flatten(f(*tree.unflatten(in_tree, params)))
            graph, captured = closed(params, [tensor(o) for o in outs], getattr(f, "__name__", "branch"))
        graphs.append(graph)
        outside.append(captured)
        trees.append(out_tree)
    tree.require_same(trees[0], trees[1], "cond: the two sides")
    for path, a, b in zip(tree.paths(trees[0]), graphs[0].out_types, graphs[1].out_types, strict=True):
        if not unify_types(a, b):
            raise GraphError(message("cond", f"the sides differ at result{path}: {a} against {b}"))
    n = len(given)
    sides = [_take_all(g, outside, i, n) for i, g in enumerate(graphs)]
    found = COND(tensor(condition), *outside[0], *outside[1], *given, then=sides[0], otherwise=sides[1])
    return tree.unflatten(trees[0], found)


def _take_all(graph: Graph, outside: Sequence[Sequence[Tensor]], side: int, n: int) -> Graph:
    """The branch with the captures of both branches as its first params."""
    own = graph.params[: len(graph.params) - n]
    other = tuple(abstract(t.type, t.name).node for t in outside[1 - side])
    first = own + other if side == 0 else other + own
    return Graph((*first, *graph.params[len(own) :]), graph.outputs, graph.name)
