"""A JAX function as a minigrad function: its jaxpr, read with minigrad's operations, one rule for each of JAX's primitives."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextvars import ContextVar
from functools import update_wrapper
from inspect import signature
from operator import index
from typing import Any

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, DebugInfo, DropVar, Jaxpr, Literal, jaxpr_as_fun, jaxprs_in_params

from ... import ops, tree
from ...control.call import checkpoint, custom_vjp
from ...control.cond import cond
from ...control.scan import scan
from ...control.while_loop import while_loop
from ...errors import GraphError, MinigradError, dtype_error, message, require_callable
from ...graph.types import BOOL, TensorType
from ...ops.numbers import Number, argument
from ...tensor import Tensor, tensor
from ...transforms.tracing import argument_names
from . import indexing, reading
from .places import argument_paths, function_name, is_library, placed
from .trees import register

Tensors = Sequence[Tensor]


def from_jax(f: Callable[..., Any]) -> Callable[..., Any]:
    """f, a function of trees of JAX arrays, as a function of trees of tensors: to differentiate, compile and draw it here.

    JAX traces it at each call, for the shapes and dtypes of the arguments: a function of minigrad that calls it is compiled again for other
    sizes. Dtypes are those of the session of JAX. Loops, branches and checkpoints stay what they are. A gradient that JAX defines by a rule
    (jax.nn.relu, jax.custom_vjp) is that gradient; at other kinks it is minigrad's. GraphError names a primitive of JAX that has no rule.
    """
    require_callable("from_jax", f)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        leaves, in_tree = tree.flatten((args, kwargs))
        given = [argument(leaf) for leaf in leaves]
        register(in_tree)

        def on_leaves(*arrays: Any) -> Any:
            args, kwargs = tree.unflatten(in_tree, arrays)
            return f(*args, **kwargs)

        specs = [_spec(t, name) for t, name in zip(given, argument_names(f, args, kwargs), strict=True)]
        closed, shapes = jax.make_jaxpr(on_leaves, return_shape=True)(*specs)
        tensors = [ops.astype(t, s.dtype) if isinstance(t, Number) else t for t, s in zip(given, specs, strict=True)]
        return jax.tree.unflatten(jax.tree.structure(shapes), read(closed.jaxpr, closed.consts, tensors))

    return update_wrapper(wrapped, f, updated=())


def _spec(t: Tensor, name: str) -> jax.ShapeDtypeStruct:
    dtype = jax.dtypes.canonicalize_dtype(t.dtype)
    if isinstance(t, Number):
        return jax.ShapeDtypeStruct((), dtype, weak_type=True)
    if dtype != t.dtype:
        problem = f"{name} is {t.type}, and the session of JAX has 32 bits"
        raise dtype_error("from_jax", problem, f"Convert with .astype('{dtype}'), or turn on jax_enable_x64")
    return jax.ShapeDtypeStruct(tuple(map(index, t.shape)), dtype)


# ---- evaluation

# What reads an equation that has no rule: (equation, arguments) -> results. None: it is refused.
unknown: ContextVar[Callable[[Any, Tensors], list[Any]] | None] = ContextVar("unknown", default=None)


def read(jaxpr: Any, consts: Sequence[Any], args: Tensors) -> list[Tensor]:
    """The outputs of a jaxpr for these tensors. They come from the lines and scopes of the user's JAX program."""
    found: dict[Any, Tensor] = dict(zip(jaxpr.constvars, map(_constant, consts), strict=True))
    found |= dict(zip(jaxpr.invars, args, strict=True))
    library = is_library(jaxpr)

    def look(v: Any) -> Tensor:
        return tensor(np.asarray(v.val, v.aval.dtype)) if isinstance(v, Literal) else found[v]  # type: ignore[attr-defined]

    for eqn in needed(jaxpr):
        given = [look(v) for v in eqn.invars]
        with placed(eqn, library, given):
            results = _results(eqn, given)
        found.update(zip(eqn.outvars, results, strict=True))
    return [look(v) for v in jaxpr.outvars]


def _results(eqn: Any, args: Tensors) -> list[Any]:
    """The results of an equation. Where something reads what has no rule, a call of JAX's own library has rules for all of it, or none."""
    otherwise = unknown.get()
    if otherwise is None:
        return _applied(eqn, args)
    token = unknown.set(None if any(map(is_library, jaxprs_in_params(eqn.params))) else otherwise)
    try:
        return _applied(eqn, args)
    except MinigradError:
        return otherwise(eqn, args)
    finally:
        unknown.reset(token)


def needed(jaxpr: Any) -> list[Any]:
    """The equations on which the outputs depend. Those that JAX leaves behind beside them may have types that are nobody's."""
    read, found = set(filter(is_variable, jaxpr.outvars)), []
    for eqn in reversed(jaxpr.eqns):
        if not read.isdisjoint(eqn.outvars):
            found.append(eqn)
            read.update(filter(is_variable, eqn.invars))
    return found[::-1]


def is_variable(v: Any) -> bool:
    return not isinstance(v, Literal)


def _constant(value: Any) -> Tensor:
    return value if isinstance(value, Tensor) else tensor(np.asarray(value))


def _applied(eqn: Any, args: Tensors) -> list[Tensor]:
    """The results of an equation, which must have the types that JAX gives them."""
    found = _with_own_gradient(eqn, args) if eqn.primitive.name in OWN_GRADIENT else _by_rule(eqn, args)
    results = found if eqn.primitive.multiple_results else [found]
    return [_of_type(eqn.primitive.name, result, v.aval) for v, result in zip(eqn.outvars, results, strict=True)]


def _by_rule(eqn: Any, args: Tensors) -> Any:
    name = eqn.primitive.name
    params = {k: _plain(v) for k, v in eqn.params.items() if k not in WITHOUT_MEANING}
    rule = RULES.get(name)
    strange = any(not _is_number(v.aval.dtype) for v in (*eqn.invars, *eqn.outvars)) and not any(jaxprs_in_params(eqn.params))
    if rule is None or strange:
        shown = ", ".join(str(v.aval) for v in eqn.invars)
        random = name.startswith(("random_", "rng_", "threefry"))
        fix = "Draw with minigrad.random and give the numbers as an argument" if random else APART
        raise GraphError(message("from_jax", f"JAX's primitive {name}({shown}) has no rule in minigrad", fix))
    try:
        signature(rule).bind(*args, **params)
    except TypeError:
        shown = ", ".join(f"{k}={v}" for k, v in params.items())
        raise GraphError(message("from_jax", f"the rule of {name} does not know all of its parameters {shown}", APART)) from None
    return rule(*args, **params)


def _plain(value: Any) -> Any:
    """A parameter with Python's integers in the place of NumPy's, which `jnp.pad` and others leave in it."""
    if type(value) in (tuple, list):
        return tuple(map(_plain, value))
    return int(value) if isinstance(value, np.integer) else value


def _is_number(dtype: Any) -> bool:
    """Whether minigrad computes in a dtype; not keys, not complex numbers."""
    return isinstance(dtype, np.dtype) and dtype.kind != "c"


APART = "Take that part out of the function and give its result as an argument, or write the part with minigrad"

# Parameters that say nothing of the values: hints, places, names, and dtypes, since the type of each result is checked.
WITHOUT_MEANING = {
    *("accuracy", "compiler_options_kvs", "context_mesh", "copy_semantics", "ctx_mesh", "devices", "differentiated", "donated_invars"),
    *("in_layouts", "in_shardings", "indices_are_sorted", "inline", "is_stable", "keep_unused", "layout", "linear"),
    *("memory_space", "name", "out_dtype", "out_layouts", "out_sharding", "out_shardings", "policy", "precision"),
    *("prevent_cse", "sharding", "srcs", "unconstrained_dims", "unique_indices", "unroll", "update_consts", "weak_type"),
    "_split_transpose",
}


def type_of(aval: Any) -> TensorType:
    """The type of a variable. Of keys, that of the integers that they hold."""
    if jax.dtypes.issubdtype(aval.dtype, jax.dtypes.prng_key):
        aval = jax.eval_shape(jax.random.key_data, jax.ShapeDtypeStruct(aval.shape, aval.dtype))
    return TensorType(tuple(aval.shape), np.dtype(aval.dtype))


def _of_type(name: str, t: Tensor, aval: Any) -> Tensor:
    """The result, if it has the type that JAX gives it."""
    if not isinstance(t, Tensor) or t.type != type_of(aval):
        problem = f"the rule of {name} gave {getattr(t, 'type', t)}, JAX {aval}"
        raise GraphError(message("from_jax", problem, "This is a fault of minigrad"))
    return t


# ---- calls, loops, branches


def _closed(closed: Any, args: Tensors) -> list[Tensor]:
    return read(closed.jaxpr, closed.consts, args) if hasattr(closed, "consts") else read(closed, (), args)


def _call(*args: Tensor, jaxpr: Any = None, call_jaxpr: Any = None) -> list[Tensor]:
    return _closed(call_jaxpr if jaxpr is None else jaxpr, args)


def _checkpoint(*args: Tensor, jaxpr: Any) -> list[Tensor]:
    return checkpoint(lambda *given: read(jaxpr, (), given))(*args)


def _scan(
    *args: Tensor, jaxpr: Any, length: int, reverse: bool, num_consts: int = 0, num_carry: int = 0, ft_in: Any = None, ft_out: Any = None
) -> list[Tensor]:
    if ft_in is not None:  # from JAX 0.11 on: the trees of the constants, of the carry, and of the sequences
        num_consts, num_carry, _ = map(len, ft_in.unpack())
    fixed, carry, xs = args[:num_consts], list(args[num_consts : num_consts + num_carry]), list(args[num_consts + num_carry :])

    def step(carry: Any, x: Any) -> Any:
        for t, name in zip((*carry, *x), argument_paths(jaxpr.jaxpr)[num_consts:], strict=False):
            t.node.name = name
        found = _closed(jaxpr, (*fixed, *carry, *x))
        return found[:num_carry], found[num_carry:]

    step.__name__ = function_name(jaxpr.jaxpr) or "step"
    last, ys = scan(step, carry, xs, length=length, reverse=reverse)
    return [*last, *ys]


def _while(*args: Tensor, cond_jaxpr: Any, body_jaxpr: Any, cond_nconsts: int, body_nconsts: int) -> list[Tensor]:
    test, fixed, start = args[:cond_nconsts], args[cond_nconsts:][:body_nconsts], list(args[cond_nconsts + body_nconsts :])

    def condition(carry: Any) -> Tensor:
        return _closed(cond_jaxpr, (*test, *carry))[0]

    def body(carry: Any) -> list[Tensor]:
        return _closed(body_jaxpr, (*fixed, *carry))

    return while_loop(condition, body, start)


def _cond(which: Tensor, *args: Tensor, branches: Sequence[Any]) -> list[Tensor]:
    if len(branches) == 1:
        return _closed(branches[0], args)
    first, second, *others = branches
    if not others:
        chosen = which.node.args[0] if which.node.op.name == "cast" and which.node.args[0].type.dtype == BOOL else None
        return cond(ops.greater(which, 0) if chosen is None else Tensor(chosen), _branch(second), _branch(first), *args)
    later = ops.subtract(ops.astype(which, "int64"), 1)

    def rest(later: Tensor, *given: Tensor) -> list[Tensor]:
        return _cond(later, *given, branches=(second, *others))

    return cond(ops.less_equal(later, -1), lambda later, *given: _closed(first, given), rest, later, *args)


def _branch(closed: Any) -> Callable[..., list[Tensor]]:
    def branch(*given: Tensor) -> list[Tensor]:
        return _closed(closed, given)

    branch.__name__ = function_name(closed.jaxpr) or "branch"
    return branch


def alone(eqn: Any, variables: Collection[Any], results: Sequence[Any]) -> Callable[..., Any]:
    """An equation as a function of JAX's arrays, from these variables to these results."""
    info = DebugInfo("from_jax", eqn.primitive.name, ("",) * len(variables), ("",) * len(results))
    return jaxpr_as_fun(ClosedJaxpr(Jaxpr((), tuple(variables), list(results), [eqn], debug_info=info), ()))


OWN_GRADIENT = {"custom_jvp_call", "custom_vjp_call"}


def _with_own_gradient(eqn: Any, args: Tensors) -> list[Tensor]:
    """A function with a gradient rule in JAX: its value is read, and so is the gradient that JAX derives from the rule."""
    places = {v: i for i, v in enumerate(eqn.invars) if not isinstance(v, Literal)}  # of each argument, once
    outside = eqn.params["num_consts"]  # the first arguments are values that the function closes over
    args = [*map(_without_gradient, args[:outside]), *args[outside:]]
    floats = [i for i in places.values() if args[i].type.is_float and i >= outside]
    active = [i for i, v in enumerate(eqn.outvars) if not isinstance(v, DropVar) and np.dtype(v.aval.dtype).kind == "f"]
    function = alone(eqn, places, [eqn.outvars[i] for i in active])

    def gradient(cts: Any, given: Any) -> Any:
        def of_floats(*moved: Any) -> Any:
            new = {**given, **dict(zip(floats, moved, strict=True))}
            return function(*(new[i] for i in places.values()))

        return jax.vjp(of_floats, *(given[i] for i in floats))[1](cts)

    def backward(ct: Any, out: Any, *given: Tensor) -> Any:
        found = dict(zip(floats, from_jax(gradient)([ct[i] for i in active], {i: given[i] for i in places.values()}), strict=True))
        return tuple(found.get(i, ops.zeros_like(t) if t.type.is_float else None) for i, t in enumerate(given))

    def value(*given: Tensor) -> list[Tensor]:
        return _closed(eqn.params["call_jaxpr"], given)

    if not floats or not active:
        return value(*args)
    own = custom_vjp(value)
    own.defvjp(backward)
    return own(*args)


def _without_gradient(t: Tensor) -> Tensor:
    """A value that a function with a gradient rule closes over. Its gradient is refused, as in JAX: the rule does not give it."""

    def refuse(*_: Any) -> Any:
        problem = "a function with a gradient rule closes over a value whose gradient is asked for, and the rule does not give it"
        raise GraphError(message("from_jax", problem, "Make the value an argument of the function"))

    own = custom_vjp(lambda t: t)
    own.defvjp(refuse)
    return own(t) if t.type.is_float else t


RULES: dict[str, Callable[..., Any]] = {
    **reading.RULES,
    **indexing.RULES,
    "closed_call": _call,
    "core_call": _call,
    "jit": _call,
    "pjit": _call,
    "checkpoint": _checkpoint,
    "remat2": _checkpoint,
    "cond": _cond,
    "scan": _scan,
    "while": _while,
}
