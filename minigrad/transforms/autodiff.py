"""Reverse-mode differentiation of graphs. The gradient is again a graph, which can be printed, drawn, compiled and differentiated."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from typing import Any

from .. import ops, tree
from ..errors import GraphError, dtype_error, message, require_callable, shape_error
from ..graph.ir import ancestors
from ..graph.nodes import COMPILED, PARAMETER, is_paused, pause, resume
from ..graph.types import unify_shapes, whole
from ..ops.numbers import Number, argument, is_number, renewed
from ..primitives.elementwise import alias, detach
from ..primitives.rules import cotangent_type, like
from ..tensor import Tensor, differentiating, leaf_tensor, reverse_mode, tensor
from .batching import vmap
from .eager import gradients
from .tracing import with_loops

# ---- without a gradient


def no_grad(f: Callable[..., Any] | None = None) -> Any:
    """`with mg.no_grad():` or a decorator: no history is recorded, so that results are constants and no gradient goes through them.

    Inside a traced or compiled function results are detached. What a transformation differentiates (mg.grad, vjp, jvp, …) is recorded
    inside as well, and its result is a constant.
    """
    if f is None:
        return _no_grad()
    require_callable("no_grad", f)
    if isgeneratorfunction(f) or iscoroutinefunction(f) or isasyncgenfunction(f):
        problem = f"{getattr(f, '__name__', 'the function')} is a generator or coroutine, whose body runs after the call"
        raise dtype_error("no_grad", problem, "Write `with mg.no_grad():` inside it")
    return _no_grad()(f)


@contextmanager
def _no_grad() -> Iterator[None]:
    with pause(detach):
        yield


def recorded(f: Callable[..., Any]) -> Callable[..., Any]:
    """f with its histories recorded. Inside no_grad its results are detached."""

    @wraps(f)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if not is_paused():
            return f(*args, **kwargs)
        with resume():
            found = f(*args, **kwargs)
        return tree.map(lambda leaf: ops.detach(leaf) if isinstance(leaf, Tensor) else leaf, found)

    return wrapped


# ---- the user's transformations


def _leaf(value: Any, path: str) -> Tensor:
    """A new node to differentiate with respect to, so that other uses of the same tensor are not differentiated."""
    t = argument(value)
    if type(t) is Number and not t.type.is_float:
        t = renewed(t, ops.astype(t, "float64").node)
    if not t.type.is_float:
        raise dtype_error(
            "grad", f"cannot differentiate with respect to {path or t.name or 'the argument'} ({t.type})", "Only floats have gradients"
        )
    found = renewed(t, alias(t).node)
    found.node.name = t.name or path.lstrip(".") or None
    return found


def _fresh(trees: Sequence[Any]) -> tuple[list[Tensor], list[Any]]:
    """The leaves of the trees and the trees themselves, with new nodes where a leaf is differentiated: everywhere but in buffers."""
    leaves, treedef = tree.flatten(list(trees))
    is_trained = tree.trained(treedef)
    if leaves and not any(is_trained):
        problem = f"cannot differentiate with respect to {', '.join(type(t).__name__ for t in trees)}: it has buffers alone"
        raise GraphError(message("grad", problem, "Make what is to be learned with mg.parameter"))
    found, inside = [], []
    for value, path, differentiated in zip(leaves, tree.paths(treedef), is_trained, strict=True):
        given = argument(value)
        found.append(_leaf(given, path.split("]", 1)[1]) if differentiated else renewed(given, alias(given).node))
        inside.append(found[-1] if differentiated else given)
        if differentiated and (given.node.op is PARAMETER or given.node.learned):
            found[-1].node.learned = True  # it is a parameter inside as well
    return found, tree.unflatten(treedef, inside)


def _zero_filled(found: Sequence[Tensor | None], leaves: Sequence[Tensor]) -> list[Tensor]:
    return [like(x, 0) if g is None else ops.astype(g, x.dtype) for g, x in zip(found, leaves, strict=True)]


def require_scalar(value: Any) -> Tensor:
    if not isinstance(value, Tensor):
        raise GraphError(
            message(
                "grad",
                f"the function must return one scalar tensor, got {type(value).__name__}",
                "With has_aux=True it returns (loss, anything)",
            )
        )
    if value.shape:
        raise shape_error("grad", f"needs a scalar loss, got {value.type}", "Use mg.sum or mg.mean, or vjp with a cotangent")
    if not value.type.is_float:
        raise dtype_error("grad", f"needs a float loss, got {value.type}")
    return value


def value_and_grad(f: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """A function that returns (f(*args), gradient). The gradient has the structure of the argument; for several argnums it is a tuple.

    f returns a float scalar, or with has_aux a pair (scalar, aux), which is then the value. The gradient of what does not influence the
    loss is 0, and so is that at the buffers of a Module. Raises ShapeError for a loss that is not a scalar, DTypeError for integer
    arguments.
    """
    require_callable("grad", f)
    positions = tuple(whole("grad", i, "argnums") for i in (argnums if isinstance(argnums, (tuple, list)) else (argnums,)))

    @recorded
    @wraps(f)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        _require_positions("grad", positions, args)
        if len({i % len(args) for i in positions}) < len(positions):
            raise GraphError(message("grad", f"argnums={argnums} names an argument twice", "Name each once"))
        leaves, fresh = _fresh([args[i] for i in positions])
        given = list(args)
        for i, value in zip(positions, fresh, strict=True):
            given[i] = value
        with differentiating():
            result = with_loops(f(*given, **kwargs), leaves)
        if has_aux and not (isinstance(result, tuple) and len(result) == 2):
            problem = f"with has_aux the function must return a pair (loss, anything), got {type(result).__name__}"
            raise GraphError(message("grad", problem, "Return loss, {} where there is nothing else"))
        if any(isinstance(x, Number) for x in leaves):
            result = tree.map(lambda v: tensor(v) if isinstance(v, Number) else v, result)
        loss = require_scalar(result[0] if has_aux else result)
        found = _zero_filled(gradients([loss], [ops.astype(like(loss, 1), cotangent_type(loss.type).dtype)], leaves), leaves)
        grads = tree.unflatten(tree.flatten(fresh)[1], found)
        return result, tuple(grads) if isinstance(argnums, (tuple, list)) else grads[0]

    return wrapped


def _require_positions(what: str, positions: Sequence[int], args: Sequence[Any]) -> None:
    if any(not -len(args) <= i < len(args) for i in positions):
        problem = f"argnums={', '.join(map(str, positions))}, but there are {len(args)} positional arguments"
        raise GraphError(message(what, problem, "It differentiates with respect to those alone"))


def grad(f: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """Like value_and_grad, but returns the gradient alone, or (gradient, aux) with has_aux."""
    both = value_and_grad(f, argnums, has_aux)

    @wraps(f)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        value, found = both(*args, **kwargs)
        return (found, value[1]) if has_aux else found

    return wrapped


@recorded
def vjp(f: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """(f(*args, **kwargs), pull) where pull(ct) = ctᵀ·∂f/∂args, one result per positional argument. ct has the structure, shapes and dtypes
    of the output. Arguments by name are not differentiated."""
    require_callable("vjp", f)
    leaves, fresh = _fresh(args)
    with differentiating():
        out = with_loops(f(*fresh, **kwargs), leaves)
    outs, out_tree = tree.flatten(out)
    outs = [tensor(o) for o in outs]

    @recorded
    def pull(cotangent: Any) -> tuple[Any, ...]:
        cts = cotangents_like(cotangent, outs, out_tree)
        found = _zero_filled(gradients(outs, cts, leaves), leaves)
        return tuple(tree.unflatten(tree.flatten(fresh)[1], found))

    return tree.unflatten(out_tree, outs), pull


def cotangents_like(cotangent: Any, outs: Sequence[Tensor], out_tree: tree.TreeDef) -> list[Tensor | None]:
    given, structure = tree.flatten(cotangent)
    tree.require_same(out_tree, structure, "cotangent")
    cts: list[Tensor | None] = []
    for out, ct in zip(outs, given, strict=True):
        ct = ops.astype(ct, cotangent_type(out.type).dtype) if is_number(ct) else tensor(ct)
        if not unify_shapes(ct.shape, out.shape):
            raise shape_error("cotangent", f"it is {ct.type}, the output is {out.type}")
        cts.append(ops.astype(ct, cotangent_type(out.type).dtype) if out.type.is_float else None)
    return cts


def jvp(f: Callable[..., Any], args: Sequence[Any], tangents: Sequence[Any], **kwargs: Any) -> tuple[Any, Any]:
    """(f(*args, **kwargs), ∂f/∂args · tangents), with 0 for results that are not floats.

    The jvp is computed as the vjp of the vjp, which is linear in its cotangent. So no separate rules are needed.
    """
    _require_one_each("jvp", args, tangents)
    out, pull = vjp(f, *args, **kwargs)
    outs, out_tree = tree.flatten(out)
    given = tuple(tree.map(_tangent, t, a) for t, a in zip(tangents, args, strict=True))
    zeros = [like(o, 0) for o in outs]
    floats = [i for i, o in enumerate(outs) if o.type.is_float]

    def linear(cts: Sequence[Tensor]) -> Any:
        return pull(tree.unflatten(out_tree, _replaced(zeros, floats, cts)))

    _, push = vjp(linear, [zeros[i] for i in floats])
    return out, tree.unflatten(out_tree, _replaced(zeros, floats, push(given)[0]))


def _require_one_each(what: str, args: Any, vectors: Any) -> None:
    for given in (args, vectors):
        if not isinstance(given, (tuple, list)):  # an array would be taken apart, row by row
            problem = f"takes tuples, with one entry for each argument of the function, got {type(given).__name__}"
            raise dtype_error(what, problem, "Give (x,) and (v,) for one argument")
    if len(args) != len(vectors):
        raise GraphError(message(what, f"{len(args)} arguments need as many tangents, got {len(vectors)}"))


def _tangent(v: Any, x: Any) -> Tensor:
    found, primal = tensor(v), tensor(x)
    if not unify_shapes(found.shape, primal.shape):
        raise shape_error("jvp", f"the tangent is {found.type}, its argument {primal.type}")
    return ops.astype(found, primal.dtype)


def _replaced(items: Sequence[Any], positions: Sequence[int], new: Sequence[Any]) -> list[Any]:
    """The items with those at `positions` replaced."""
    found = dict(zip(positions, new, strict=True))
    return [found.get(i, item) for i, item in enumerate(items)]


def hvp(f: Callable[..., Any], args: Sequence[Any], vectors: Sequence[Any]) -> Any:
    """The Hessian of a scalar f times vectors, one per argument; a tuple like args. Computed as a vjp of the gradient."""
    _require_one_each("hvp", args, vectors)
    _, pull = vjp(grad(f, tuple(range(len(args)))), *args)
    return pull(tuple(vectors))


def jacobian(f: Callable[..., Any], argnums: int = 0) -> Callable[..., Any]:
    """∂f/∂x, of shape f.shape + x.shape. For trees it has the structure of the output, with that of the argument at each leaf."""

    require_callable("jacobian", f)
    position = whole("jacobian", argnums, "argnums")

    @wraps(f)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        _require_positions("jacobian", [position], args)

        def of_x(x: Any) -> Any:
            given = list(args)
            given[position] = x
            return f(*given, **kwargs)

        out, pull = vjp(of_x, args[position])
        outs, out_tree = tree.flatten(out)

        def row(k: int) -> Any:
            size = outs[k].size
            basis = ops.reshape(ops.eye(size, dtype=outs[k].dtype), (size, *outs[k].shape))

            def one(ct: Tensor) -> Any:
                cts = [ct if i == k else like(o, 0) for i, o in enumerate(outs)]
                return pull(tree.unflatten(out_tree, cts))[0]

            return tree.map(lambda g: ops.reshape(g, (*outs[k].shape, *g.shape[1:])), vmap(one)(basis))

        return tree.unflatten(out_tree, [row(i) for i in range(len(outs))])

    return wrapped


def hessian(f: Callable[..., Any], argnums: int = 0) -> Callable[..., Any]:
    """The second derivatives of a scalar function, of shape x.shape + x.shape."""
    return jacobian(grad(f, argnums), argnums)


# ---- define-by-run


def backward(loss: Tensor, cotangent: Any = None) -> None:
    """Set `.grad` of every parameter that the loss was computed from."""
    if not loss.is_concrete:
        raise GraphError(message("backward", f"{loss!r} has no value yet", "Inside a traced function use mg.grad"))
    if cotangent is None:
        require_scalar(loss)
        cotangent = like(loss, 1)
    (ct,) = cotangents_like(cotangent, [loss], tree.LEAF)
    below = ancestors([loss.node])
    ends = [n for n in below if not n.args]
    if any(n.op is COMPILED for n in ends):
        fix = "Differentiate inside it, with mg.jit(mg.value_and_grad(f)), or use mg.grad outside"
        raise GraphError(message("backward", "the loss was computed through a compiled function, which keeps no history", fix))
    leaves = [Tensor(n) for n in ends if n.op is PARAMETER]
    if not leaves:
        raise GraphError(message("backward", "the loss was computed from no parameter", "Make what is to be learned with mg.parameter"))
    found = recorded(gradients)([loss], [ct], leaves, below)
    loss._reached = [leaf_tensor(t.node) if t.node.holder is None else t.node.holder for t in leaves]
    for leaf, gradient in zip(loss._reached, found, strict=True):
        leaf._gradient = like(leaf, 0) if gradient is None else ops.astype(gradient, leaf.dtype)


reverse_mode["backward"] = backward
