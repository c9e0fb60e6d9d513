"""Operations whose gradient in JAX is minigrad's own rule, since JAX has none or another one at kinks, or since a user wrote it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from ...errors import GraphError, message
from ...graph.ir import Graph, Node, substitute
from ...graph.nodes import INPUT, interning
from ...graph.types import TensorType
from ...primitives.rules import cotangent_type, no_gradient
from ...tensor import Tensor, abstract
from ...transforms.tracing import closed

Rule = Callable[..., Any]

OWN = {"hypot", "logaddexp", "nextafter", "scatter_max"}


def has_own(node: Node) -> bool:
    """Whether the gradient of a node is minigrad's rule; that of others is JAX's, of the same function."""
    return node.op.name in OWN or node.attrs.get("rule") is not None


def with_own(node: Node, rule: Rule, run: Callable[..., list[Any]]) -> Rule:
    """The rule of a node as a JAX function with minigrad's gradient. It has no forward mode (jax.jvp), as no custom_vjp has."""
    several = not isinstance(node.type, TensorType)
    results = node.type if several else (node.type,)
    captured = getattr(node.attrs.get("rule"), "captured", 0)
    wanted = [i for i, a in enumerate(node.args) if a.type.is_float and i >= captured]
    graph = _gradient(node, results, wanted)

    def value(*args: Any) -> tuple[Any, ...]:
        found = rule(*args)
        return tuple(found) if several else (found,)

    def forward(*primals: Any) -> tuple[Any, Any]:
        if any(p.perturbed and node.args[i].type.is_float for i, p in enumerate(primals[:captured])):
            problem = "the function takes a tensor from outside that is differentiated"
            raise GraphError(message("custom_vjp", problem, "Pass it as an argument, so that the backward rule can return its gradient"))
        args = tuple(p.value for p in primals)
        outs = value(*args)
        return outs, (args, outs)

    def backward(kept: Any, cts: Sequence[Any]) -> tuple[Any, ...]:
        args, outs = kept
        given = [_dense(ct, o, cotangent_type(t).dtype) for ct, o, t in zip(cts, outs, results, strict=True) if t.is_float]
        found = dict(zip(wanted, run(graph, (*given, *outs, *args)), strict=True))
        return tuple(found[i].astype(a.dtype) if i in found else None for i, a in enumerate(args))

    own = jax.custom_vjp(value)
    own.defvjp(forward, backward, symbolic_zeros=True)
    return own if several else lambda *args: own(*args)[0]


def _dense(ct: Any, out: Any, dtype: Any) -> Any:
    return jnp.zeros(out.shape, dtype) if isinstance(ct, jax.custom_derivatives.SymbolicZero) else ct.astype(dtype)


def _gradient(node: Node, results: Sequence[TensorType], wanted: Sequence[int]) -> Graph:
    """The gradient rule of a node as a graph: cotangents of the float results, results, arguments -> gradients of the wanted arguments."""
    with interning():
        cts = [abstract(cotangent_type(t)) if t.is_float else None for t in results]
        outs, args = [abstract(t) for t in results], [abstract(a.type, a.name) for a in node.args]
        needs = [i in wanted for i in range(len(args))]
        out: Any = outs[0] if isinstance(node.type, TensorType) else outs
        assert node.op.vjp is not None
        found = node.op.vjp(cts, out, args, needs, **node.attrs)
        grads = [no_gradient(args[i]) if found[i] is None else found[i] for i in wanted]
        params = [*(ct for ct in cts if ct is not None), *outs, *args]
        graph, outside = closed(params, grads, f"{node.op.name}.vjp")
    return graph if not outside else _filled(graph, outside)


def _filled(graph: Graph, outside: Sequence[Tensor]) -> Graph:
    """The graph with constants for what it takes from outside."""
    for t in outside:
        if t.node.op is INPUT or t.node.value is None:
            problem = f"the backward rule takes {t!r} from outside, an abstract tensor of another trace"
            raise GraphError(message("custom_vjp", problem, "Pass it as an argument of the function"))
    params = graph.params[len(outside) :]
    mapping = {**dict(zip(graph.params, (t.node for t in outside), strict=False)), **{p: p for p in params}}
    return substitute(graph, mapping, params)
