"""A minigrad function as a JAX function: its graph, evaluated by the table of rules. Loops, branches and calls stay what they are."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from functools import partial, update_wrapper
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ... import tree
from ...errors import GraphError, dtype_error, message, require_callable
from ...graph import dims
from ...graph.dims import Bind, Dim, Extent, Guards, Symbol
from ...graph.ir import Graph, Node
from ...graph.types import WIDE, TensorType, is_float
from ...ops.numbers import EXAMPLE, argument, stand_in
from ...passes.pipeline import optimize
from ...tensor import Tensor, abstract
from ...transforms.tracing import argument_names, trace_on
from .gradients import has_own, with_own
from .rules import RULES
from .trees import as_array, register

FIRST_HINT = 31  # the first size of a symbolic axis, and of others a little more: no decision rests on them, see _require

Sizes = Mapping[Symbol, Any]
Run = Callable[..., list[Any]]


def to_jax(f: Callable[..., Any]) -> Callable[..., Any]:
    """f as a function of trees of JAX arrays, for jax.jit, jax.grad, jax.vmap, jax.export: it is traced at each call, as JAX traces.

    Any function that mg.trace takes: a model, its gradient, a whole training step. Give models and states of optimisers as
    `mg.export.jax.arrays(tree)`. A number, or an array that JAX calls weakly typed, is a number in f; a key is uint64(2), so make it with
    `arrays` too. Dtypes are those of minigrad, also where the session of JAX is one of 32 bits. What f takes from outside is constant.

    The gradient that JAX takes of it is minigrad's, also at kinks; a gradient by minigrad inside f is faster, since its passes see it.
    JAX cannot raise for a value: an index out of bounds gives NaN (or the lowest integer) where it reads and adds nothing where it writes,
    and an integer that its dtype does not hold wraps.
    Where a size is symbolic (jax.export), a decision of f that depends on it is refused.
    """
    require_callable("to_jax", f)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        leaves, in_tree = tree.flatten((args, kwargs))
        names = argument_names(f, args, kwargs)
        narrow = jax.dtypes.canonicalize_dtype(WIDE) != WIDE  # a session of 32 bits
        with jax.enable_x64(True):
            given = [_array(leaf, name) for leaf, name in zip(leaves, names, strict=True)]
            sizes: dict[Symbol, Any] = {}
            params = [_param(a, name, sizes) for a, name in zip(given, names, strict=True)]
            with dims.deciding(Guards()) as guards:
                graph = _traced(f, params, in_tree, names, sizes)
                numbers = [a.astype(p.type.dtype) for a, p in zip(given, graph.params, strict=True)]
                traced, fast = (partial(_run, g, sizes=sizes, guards=guards) for g in (graph, optimize(graph)))
                found = (_of_64_bits if narrow and _is_wide(graph) else _of_two)(fast, traced)(numbers)
            _require(graph, guards, sizes)
        assert graph.out_tree is not None
        register(graph.out_tree)
        return tree.unflatten(graph.out_tree, found)

    return update_wrapper(wrapped, f, updated=())


# ---- evaluation


def evaluate(graph: Graph, args: Sequence[Any], sizes: Sizes) -> list[Any]:
    """The outputs of a graph for these arrays of JAX, with run-time sizes replaced by sizes of JAX."""
    found = dict(zip(graph.params, args, strict=True))
    for node in graph.nodes:
        found[node] = jnp.asarray(node.value) if node.is_constant else _applied(node, [found[a] for a in node.args], sizes)
    return [found[o] for o in graph.outputs]


def _applied(node: Node, args: Sequence[Any], sizes: Sizes) -> Any:
    name = node.op.name
    if name not in RULES:
        fix = "Write it with other functions, or give its result as an argument"
        raise GraphError(message("to_jax", f"the primitive {name} has no rule in JAX", fix, node.origin))
    attrs, run = {k: _resolved(v, sizes) for k, v in node.attrs.items()}, partial(evaluate, sizes=sizes)
    rule = partial(RULES[name], **attrs, run=run) if node.bodies else partial(RULES[name], **attrs)
    return with_own(node, rule, run)(*args) if has_own(node) else rule(*args)


def _resolved(value: Any, sizes: Sizes) -> Any:
    if isinstance(value, Dim):
        return dims.evaluate(value, sizes)
    return tuple(_resolved(v, sizes) for v in value) if isinstance(value, tuple) else value


def _is_wide(graph: Graph) -> bool:
    """Whether a graph computes in float64."""
    nodes = (*graph.params, *graph.nodes)
    return any(isinstance(n.type, TensorType) and n.type.dtype == WIDE for n in nodes) or any(map(_is_wide, graph.bodies))


def _run(graph: Graph, args: Sequence[Any], sizes: Sizes, guards: Guards) -> list[Any]:
    """The outputs, also where JAX asks for them after the call, to differentiate them."""
    with jax.enable_x64(True), dims.deciding(guards):
        return evaluate(graph, args, sizes)


def _of_two(fast: Run, traced: Run) -> Run:
    """A function with the value of one graph and the derivatives of another: the passes drop detach and gradients of the user's own."""
    own = jax.custom_jvp(fast)

    @own.defjvp
    def _(primals: Any, tangents: Any) -> Any:
        (args,), (moves,) = primals, tangents
        floats = [i for i, a in enumerate(args) if is_float(np.dtype(a.dtype))]

        def of_floats(*moved: Any) -> list[Any]:
            new = dict(zip(floats, moved, strict=True))
            return traced([new.get(i, a) for i, a in enumerate(args)])

        return jax.jvp(of_floats, [args[i] for i in floats], [moves[i] for i in floats])

    return own


def _of_64_bits(fast: Run, traced: Run) -> Run:
    """The same where the session has 32 bits, whose rules would truncate float64 in a transposed function. It has no forward mode."""
    own = jax.custom_vjp(fast)

    def backward(pull: Any, cts: Any) -> Any:
        with jax.enable_x64(True):
            return pull(cts)

    own.defvjp(partial(jax.vjp, traced), backward)
    return own


# ---- arguments


def _array(leaf: Any, name: str) -> Any:
    try:
        return as_array(leaf)
    except TypeError as error:
        fix = "Bind what is no array with functools.partial before to_jax"
        raise dtype_error("to_jax", f"{name} is {leaf!r}, which JAX takes for no array ({str(error).splitlines()[0]})", fix) from None


def _param(array: Any, name: str, sizes: dict[Symbol, Any]) -> Tensor:
    """The abstract tensor that stands for an array, with a run-time size for each symbolic one. A weakly typed number is a number."""
    dtype = np.dtype(array.dtype)
    if array.shape == () and jax.typeof(array).weak_type:
        return stand_in(argument(EXAMPLE[dtype.kind]), name)

    def length(n: Any) -> Extent:
        if isinstance(n, int):
            return n
        for symbol, known in sizes.items():
            if known is n or str(known) == str(n):
                return Dim.of(symbol)
        symbol = Symbol(str(n), FIRST_HINT + 10 * len(sizes))
        sizes[symbol] = n
        return Dim.of(symbol)

    return abstract(TensorType(tuple(map(length, array.shape)), dtype), name)


def _traced(f: Callable[..., Any], params: Sequence[Tensor], in_tree: tree.TreeDef, names: Sequence[str], sizes: Sizes) -> Graph:
    name = getattr(f, "__name__", type(f).__name__)
    try:
        return trace_on(f, params, in_tree, names, name)
    except Bind as found:
        problem = f"{name} asks for the number of the symbolic size {sizes.get(found.symbol, found.symbol.name)}"
        raise GraphError(message("to_jax", problem, "Give that axis as a number, or loop over it with mg.scan")) from None


# ---- decisions about sizes


def _require(graph: Graph, guards: Guards, sizes: Sizes) -> None:
    """Raises GraphError where f decided something by a symbolic size that JAX cannot decide in the same way for all sizes."""
    for test, a, b, outcome in guards.facts:
        left, right = dims.evaluate(a, sizes), dims.evaluate(b, sizes)
        if not _decided(test, left, right, outcome):
            problem = f"{graph.name} depends on whether {left} {dims.SIGNS[test]} {right}, which is not the same for all sizes"
            fix = "Give jax.export constraints that decide it, or one of the sizes as a number"
            raise GraphError(message("to_jax", problem, fix))


def _decided(test: dims.Test, a: Any, b: Any, outcome: bool) -> bool:
    """Whether the answer holds for all sizes. JAX says that sizes are unequal where it does not know: then one must be the larger."""
    if test is operator.eq and not outcome:
        return _holds(lambda: a > b) or _holds(lambda: b > a)
    return _holds(lambda: test(a, b) is outcome)


def _holds(question: Callable[[], bool]) -> bool:
    try:
        return question()
    except jax.errors.InconclusiveDimensionOperation:
        return False
