"""Calls of graphs: checkpoints, which recompute what the gradient needs, and functions with a custom gradient rule."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial, update_wrapper, wraps
from inspect import signature
from itertools import islice
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np

from .. import tree
from ..errors import GraphError, message, shape_error
from ..graph.ir import Graph
from ..graph.nodes import interning
from ..graph.types import TensorType, unify_shapes, unify_types
from ..ops import astype, sum
from ..ops.numbers import Number, argument, stand_in
from ..primitives.elementwise import alias
from ..primitives.rules import cotangent_type, no_gradient
from ..tensor import Primitive, Tensor, inline, tensor
from ..transforms.batching import lift, vmap
from ..transforms.interpret import Run, run
from ..transforms.reverse import pullback
from ..transforms.tracing import closed
from ..unchanged import Unchanged

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


def _as_call(f: Callable[..., Any], args: Sequence[Any], name: str, backward: Callable[..., Any] | None) -> Any:
    """f(*args) as a call of a graph. Leaves of the arguments that are no arrays are given to f as they are."""
    leaves, in_tree = tree.flatten(list(args))
    filled = _Filled(in_tree, tuple(None if _is_array(leaf) else leaf for leaf in leaves), tuple(map(_is_array, leaves)))
    given = [argument(leaf) for leaf in leaves if _is_array(leaf)]
    with interning(), Unchanged(name, f):
        params = [stand_in(t) for t in given]
        outs, out_tree = tree.flatten(f(*filled(params)))
        graph, captured = closed(params, [tensor(o) for o in outs], name)
    rule = None if backward is None else _Rule(backward, filled, out_tree, len(captured), [type(t) for t in given])
    return tree.unflatten(out_tree, CALL(*captured, *given, graph=graph, rule=rule))


def _is_array(leaf: Any) -> bool:
    return hasattr(leaf, "__array__")


class _Filled(NamedTuple):
    """The arguments of a function without their arrays."""

    in_tree: tree.TreeDef
    leaves: tuple[Any, ...]
    arrays: tuple[bool, ...]

    def __call__(self, arrays: Sequence[Any]) -> Any:
        """The arguments with these arrays."""
        found = iter(arrays)
        return tree.unflatten(self.in_tree, [next(found) if a else leaf for leaf, a in zip(self.leaves, self.arrays, strict=True)])


def checkpoint(f: Callable[..., Any]) -> Callable[..., Any]:
    """f, with intermediate values that the gradient recomputes instead of keeping. Saves memory and costs time.

    Numbers, texts and flags among the arguments are given to f as they are."""

    @wraps(f)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return _as_call(lambda given, named: f(*given, **named), (args, kwargs), getattr(f, "__name__", "checkpoint"), None)

    return wrapped


class _Rule:
    """A user's backward function as a gradient rule of `call`."""

    def __init__(self, backward: Callable[..., Any], filled: _Filled, out_tree: tree.TreeDef, captured: int, kinds: Sequence[type[Tensor]]):
        self.backward, self.filled, self.out_tree, self.captured, self.kinds = backward, filled, out_tree, captured, kinds
        # The backward function may tell 1 from True, and go through dicts.
        self.exact = tree.exact(filled.leaves), tree.orders(filled.in_tree), tree.orders(out_tree)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Rule) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash(self.backward)

    def __call__(
        self, cts: Sequence[Any], outs: Sequence[Tensor], args: Sequence[Tensor], needs: Sequence[bool], graph: Graph
    ) -> list[Any]:
        if any(needs[: self.captured]):
            problem = "the function takes a tensor from outside that is differentiated"
            raise GraphError(message("custom_vjp", problem, "Pass it as an argument, so that the backward rule can return its gradient"))
        full = [no_gradient(o) if ct is None else ct for ct, o in zip(cts, outs, strict=True)]
        out, ct = (tree.unflatten(self.out_tree, group) for group in (outs, full))
        given = [kind(x.node) for kind, x in zip(self.kinds, args[self.captured :], strict=True)]
        found = self.backward(ct, out, *self.filled(given))
        wanted = [x.type.is_float and (need or not isinstance(x, Number)) for x, need in zip(given, needs[self.captured :], strict=True)]
        grads = self._gradients(list(found) if isinstance(found, (tuple, list)) else [found], wanted)
        for x, g in zip(given, grads, strict=True):
            if g is not None and not unify_shapes(x.shape, tensor(g).shape):
                raise shape_error("custom_vjp", f"the backward rule gave {tensor(g).type} as the gradient of {x.type}")
        return [None] * self.captured + [
            None if g is None else astype(g, cotangent_type(x.type).dtype) for x, g in zip(given, grads, strict=True)
        ]

    def _gradients(self, found: list[Any], wanted_of: Sequence[bool]) -> list[Any]:
        """The gradient of each array of which one is wanted, else None. `found` has one for each argument, or for each with such arrays."""
        in_tree, given = self.filled.in_tree, iter(wanted_of)
        marks = [0 if a and next(given) else None for a in self.filled.arrays]
        wanted = tree.unflatten(in_tree, marks)  # None where there is no gradient
        live = [bool(tree.leaves(argument)) for argument in wanted]
        if len(found) == sum(live) < len(live):
            rest = iter(found)
            found = [next(rest) if alive else None for alive in live]
        if len(found) == len(live):
            parts = iter(marks)
            found = [_marked(g, t, list(islice(parts, t.leaves)), alive) for g, t, alive in zip(found, in_tree.children, live, strict=True)]
        leaves, structure = tree.flatten(found)
        if structure != tree.flatten(wanted)[1]:
            tree.require_same(in_tree, structure, "custom_vjp: gradients against arguments")
        rest = iter(leaves)
        grads = [None if mark is None else next(rest) for mark in marks]
        return [g for g, a in zip(grads, self.filled.arrays, strict=True) if a]


def _marked(gradient: Any, structure: tree.TreeDef, marks: list[Any], live: bool) -> Any:
    """The gradient of an argument with None where `marks` has None; as it is, where it has another structure."""
    leaves, found = tree.flatten(gradient)
    if not live:
        return tree.unflatten(structure, marks)
    return (
        tree.unflatten(structure, [m if m is None else g for g, m in zip(leaves, marks, strict=True)]) if found == structure else gradient
    )


class custom_vjp:
    """A function with a gradient rule of its own.

    @mg.custom_vjp
    def clipped(x, low, high): return x
    @clipped.defvjp
    def _(ct, out, x, low, high): return mg.clip(ct, low, high), None, None

    The rule gets the cotangent, the result and the arguments, defaults included, and returns one gradient per positional argument, None for
    what has none: integers, and numbers, texts and flags, which both functions get as they are. The gradients of those with float tensors
    alone will do as well.
    """

    def __init__(self, f: Callable[..., Any]):
        update_wrapper(self, f)
        self.f = f
        self.backward: Callable[..., Any] | None = None

    def defvjp(self, backward: Callable[..., Any]) -> Callable[..., Any]:
        self.backward = backward
        return backward

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.backward is None:
            raise GraphError(message("custom_vjp", "it has no backward rule yet", "Define one with @f.defvjp"))
        args, kwargs = _bound(self.f, args, kwargs)
        f, backward = (partial(g, **kwargs) if kwargs else g for g in (self.f, self.backward))
        return _as_call(f, args, getattr(self.f, "__name__", "custom"), backward)

    def __reduce__(self) -> Any:
        return importable(self) or super().__reduce__()


def _bound(f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """All arguments with a position, defaults included, and those that have a name alone."""
    try:
        found = signature(f)
    except ValueError:  # a builtin without one
        return args, kwargs
    bound = found.bind(*args, **kwargs)
    bound.apply_defaults()
    return bound.args, bound.kwargs


def importable(value: Any) -> str | None:
    """The name under which a decorated function stands in its module, or None. It is pickled by this name."""
    name = getattr(value, "__qualname__", "")
    try:
        return name if attrgetter(name)(sys.modules[value.__module__]) is value else None
    except (AttributeError, KeyError):
        return None
