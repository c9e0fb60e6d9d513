"""A jaxpr as a graph, for drawings. What minigrad has no rule for is an operation of JAX's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from string import ascii_letters
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, DropVar, jaxprs_in_params

from ... import origin
from ...graph.ir import Graph
from ...graph.nodes import interning
from ...origin import Scope, located
from ...tensor import Tensor, abstract
from ..foreign import Call, apply, operation
from .jaxprs import Tensors, alone, is_variable, needed, read, type_of, unknown
from .places import argument_paths, function_name, is_library, steps_of, written_out


def graph(closed: ClosedJaxpr) -> Graph:
    """The graph of a jaxpr, jax.make_jaxpr(f)(*args), with the names, scopes and source lines that JAX keeps: minigrad.viz draws it.

    A primitive without a rule here is one operation with JAX's name, and so is a function of JAX's own library, such as
    jax.random.normal, in which there is one: JAX computes it where a drawing shows values, and differentiates it once. A key is the
    integers that it holds. The steps of a loop in Python are found by the lines that come again. What the function takes from outside are
    the last params, called a, b, … as JAX prints them. The graph is to look at, and is not compiled: from_jax gives a function.
    """
    names, title, jaxpr = argument_paths(closed.jaxpr), function_name(closed.jaxpr), _whole(closed).jaxpr
    lenient, timed = unknown.set(_of_jax), written_out.set(steps_of(needed(jaxpr)))
    try:
        with interning():
            params = [abstract(type_of(v.aval), name or f"arg{i}") for i, (v, name) in enumerate(zip(jaxpr.invars, names, strict=True))]
            captured = [abstract(type_of(v.aval), ascii_letters[i : i + 1] or f"constant{i}") for i, v in enumerate(jaxpr.constvars)]
            outs = read(jaxpr, captured, params)
    finally:
        unknown.reset(lenient)
        written_out.reset(timed)
    return Graph(tuple(p.node for p in (*params, *captured)), tuple(o.node for o in outs), title or "jaxpr")


def _whole(closed: ClosedJaxpr) -> ClosedJaxpr:
    """What a jaxpr calls, where it is no more than the call of a compiled function."""
    outer = closed.jaxpr
    if len(outer.eqns) != 1 or outer.eqns[0].primitive.name != "jit" or outer.constvars:
        return closed
    (call,) = outer.eqns
    same = list(call.invars) == list(outer.invars) and list(call.outvars) == list(outer.outvars)
    return _whole(call.params["jaxpr"]) if same else closed


def _of_jax(eqn: Any, args: Tensors) -> list[Tensor | None]:
    """The results of an equation, as an operation that JAX computes."""
    name = str(eqn.params.get("name") or eqn.primitive.name).lstrip("_")
    results = [v for v in eqn.outvars if not isinstance(v, DropVar)]
    call = Call(id(eqn), tuple(type_of(v.aval) for v in results), *_evaluated(eqn, results))
    place = located(origin.place())
    if place.scopes[-1:] == (Scope(name),):  # the operation is all of that scope
        place = place._replace(scopes=place.scopes[:-1])
    with origin.override(place):
        found = dict(zip(results, apply(operation("jax", name), call, args), strict=True))
    return [found.get(v) for v in eqn.outvars]


def _evaluated(eqn: Any, results: Sequence[Any]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """What an equation gives for arrays, and the gradients of its float arguments."""
    places = {v: i for i, v in enumerate(eqn.invars) if is_variable(v)}
    floats = [i for v, i in places.items() if type_of(v.aval).is_float]
    wanted = [i for i, v in enumerate(results) if type_of(v.aval).is_float]
    function = alone(eqn, places, results)

    def run(*arrays: np.ndarray) -> list[np.ndarray]:
        with jax.enable_x64(True):
            return [_numbers(r) for r in function(*(_of_type(v.aval, arrays[i]) for v, i in places.items()))]

    def pull(arrays: Sequence[np.ndarray], cts: Sequence[np.ndarray]) -> list[np.ndarray | None]:
        def of_floats(*moved: Any) -> Any:
            new = dict(zip(floats, moved, strict=True))
            found = function(*(new[i] if i in new else _of_type(v.aval, arrays[i]) for v, i in places.items()))
            return [found[i] for i in wanted]

        with jax.enable_x64(True):
            grads = jax.vjp(of_floats, *(arrays[i] for i in floats))[1]([cts[i] for i in wanted])
        return [np.asarray(grads[floats.index(i)]) if i in floats else None for i in range(len(arrays))]

    return run, pull


def _of_type(aval: Any, array: np.ndarray) -> Any:
    """An array as JAX takes it: integers as keys."""
    if not jax.dtypes.issubdtype(aval.dtype, jax.dtypes.prng_key):
        return array
    impl: list[Any] = []
    jax.eval_shape(lambda key: impl.append(jax.random.key_impl(key)), jax.ShapeDtypeStruct(aval.shape, aval.dtype))
    return jax.random.wrap_key_data(jnp.asarray(array), impl=impl[0])


def _numbers(array: Any) -> np.ndarray:
    return np.asarray(jax.random.key_data(array) if jax.dtypes.issubdtype(array.dtype, jax.dtypes.prng_key) else array)


def leaves(closed: ClosedJaxpr, args: Sequence[Any]) -> list[np.ndarray]:
    """Arrays for the params of the graph: the arguments of the function, and what it takes from outside."""
    return [*(_numbers(jnp.asarray(leaf)) for leaf in jax.tree.leaves(args)), *map(_numbers, _whole(closed).consts)]


def notes(closed: ClosedJaxpr) -> list[str]:
    """What the jaxpr computes and its graph does not have, in words."""
    names = Counter(_left_out(_whole(closed).jaxpr))
    shown = ", ".join(f"{name} ×{n}" if n > 1 else name for name, n in names.items())
    return [f"what no result needs is left out: {shown}"] if shown else []


def _left_out(jaxpr: Any) -> Iterator[str]:
    """The primitives whose results nothing reads, such as prints, in the functions of the user's."""
    kept = needed(jaxpr)
    yield from (eqn.primitive.name for eqn in jaxpr.eqns if not any(eqn is k for k in kept))
    for eqn in kept:
        for inner in jaxprs_in_params(eqn.params):
            if not is_library(inner):
                yield from _left_out(inner)
