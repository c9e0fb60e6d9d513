"""The table of rules: what each primitive is in JAX. A rule takes JAX's arrays and the attributes of the node, sizes as numbers or JAX's.

Rules of loops, branches and calls also take `run`, which evaluates a graph.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ...control.scan import split
from ...errors import GraphError, message
from ...graph.ir import Graph
from ...graph.types import HALVES, is_float
from ...primitives.index import lowest
from ..refusal import Refusal
from .philox import philox

Array = Any  # jax.Array, or a tracer
Arrays = Sequence[Any]
Run = Callable[..., list[Any]]

FAR = 2**62  # an index that stays out of bounds when the offset of a row is added to it


# ---- elementwise


def absolute(x: Array) -> Array:
    """|x|, whose gradient at 0 is 0; that of lax.abs is 1."""
    return x * lax.stop_gradient(lax.sign(x))


def copysign(x: Array, y: Array) -> Array:
    return absolute(x) * lax.stop_gradient(jnp.copysign(jnp.ones_like(x), y))


def floor_divide(x: Array, y: Array) -> Array:
    """As NumPy: by zero an integer gives 0, a float infinity or NaN."""
    zero = y == 0
    found = jnp.floor_divide(x, jnp.where(zero, jnp.ones_like(y), y))
    return jnp.where(zero, lax.div(x, y) if is_float(y.dtype) else jnp.zeros_like(x), found)


def remainder(x: Array, y: Array) -> Array:
    """As NumPy: by zero an integer gives 0, a float NaN."""
    if is_float(y.dtype):
        return jnp.remainder(x, y)
    zero = y == 0
    return jnp.where(zero, jnp.zeros_like(x), jnp.remainder(x, jnp.where(zero, jnp.ones_like(y), y)))


def power(x: Array, y: Array) -> Array:
    """x ** y, where the gradients of 0⁰ are 0. An integer to a negative power is rounded towards zero, and 0 for x = 0."""
    if is_float(x.dtype):
        return lax.pow(jnp.where((x == 0) & (y == 0), jnp.ones_like(x), x), y)
    if x.dtype.kind == "u":
        return jnp.power(x, y)
    inverse = jnp.where(jnp.abs(x) == 1, jnp.where(y & 1 == 1, x, jnp.ones_like(x)), jnp.zeros_like(x))
    return jnp.where(y >= 0, jnp.power(x, jnp.maximum(y, 0)), inverse)


def cast(x: Array, dtype: np.dtype) -> Array:
    """x in another dtype, rounded once. A float becomes the nearest integer towards zero that the dtype holds; NaN becomes 0."""
    if is_float(x.dtype) and dtype.kind in "iu":
        return _whole(x.astype("float32") if x.dtype in HALVES else x, dtype)
    if dtype in HALVES and x.dtype == np.float64:
        x = _to_odd(x)
    return x.astype(dtype)


def _whole(x: Array, dtype: np.dtype) -> Array:
    info = np.iinfo(dtype)
    low, high = x < info.min, x >= 2.0**info.bits / (2 if dtype.kind == "i" else 1)
    kept = jnp.where(low | high | jnp.isnan(x), 0, x).astype(dtype)
    return jnp.where(low, np.array(info.min, dtype), jnp.where(high, np.array(info.max, dtype), kept))


def _to_odd(x: Array) -> Array:
    """float64 as float32 whose last bit is 1 where bits were lost, so that rounding it to a half is rounding x."""
    found = x.astype("float32")
    exact = found.astype("float64")
    bits = lax.bitcast_convert_type(found, np.uint32)
    cut = jnp.where(jnp.abs(exact) > jnp.abs(x), bits - np.uint32(1), bits)
    odd = jnp.where((exact == x) | jnp.isnan(x), bits, cut | np.uint32(1))
    return lax.bitcast_convert_type(odd, np.float32)


def shift_right(x: Array, y: Array) -> Array:
    return (lax.shift_right_logical if x.dtype.kind == "u" else lax.shift_right_arithmetic)(x, y)


# ---- movement


def concat(*xs: Array, axis: int) -> Array:
    return lax.concatenate(xs, axis)


def pad(x: Array, low: Any, high: Any, interior: Any) -> Array:
    return lax.pad(x, jnp.zeros((), x.dtype), list(zip(low, high, interior, strict=True)))


# ---- indices: JAX cannot raise, so what is out of bounds gives NaN (or the lowest integer), and adds nothing


def _inside(index: Array, n: Any, outside: Any) -> Array:
    """An index as a number from 0 to n − 1, or `outside` where it is out of bounds."""
    n = jnp.asarray(n, "int64")
    index = (jnp.minimum(index, np.uint64(2**63 - 1)) if index.dtype == np.uint64 else index).astype("int64")
    return jnp.where((index >= -n) & (index < n), jnp.where(index < 0, index + n, index), outside)


def position(index: Array, n: Any, what: str) -> Array:
    return _inside(index, n, FAR)


def _index(index: Array, n: Any) -> Array:
    """The index for JAX, which takes its lower 32 bits where the axis is short: n is out of bounds, FAR would be 0."""
    return _inside(index, n, jnp.asarray(n, "int64"))


def take(x: Array, index: Array, axis: int) -> Array:
    return jnp.take(x, _index(index, x.shape[axis]), axis, mode="fill")


def gather(x: Array, index: Array, axis: int) -> Array:
    return jnp.take_along_axis(x, _index(index, x.shape[axis]), axis, mode="fill")


def _start(updates: Array, axis: int, behind: int, n: Any, value: Any) -> Array:
    return jnp.full((*updates.shape[:axis], n, *updates.shape[behind:]), value, updates.dtype)


def scatter(updates: Array, index: Array, axis: int, n: Any) -> Array:
    at = (*(slice(None),) * axis, _index(index, n))
    return _start(updates, axis, axis + index.ndim, n, 0).at[at].add(updates, mode="drop")


def add_at(updates: Array, index: Array, x: Array, axis: int) -> Array:
    return x.at[(*(slice(None),) * axis, _index(index, x.shape[axis]))].add(updates, mode="drop")


def scatter_max(updates: Array, index: Array, axis: int, n: Any) -> Array:
    at = (*(slice(None),) * axis, _index(index, n))
    return _start(updates, axis, axis + index.ndim, n, lowest(updates.dtype)).at[at].max(updates, mode="drop")


def scatter_along(updates: Array, index: Array, axis: int, n: Any) -> Array:
    at = [lax.broadcasted_iota("int64", index.shape, a) for a in range(index.ndim)]
    at[axis] = _index(index, n)
    return _start(updates, axis, axis + 1, n, 0).at[tuple(at)].add(updates, mode="drop")


def argsort(x: Array, axis: int, descending: bool) -> Array:
    key = (-x if is_float(x.dtype) else ~x) if descending else x
    return jnp.argsort(key, axis, stable=True).astype("int64")


def one_hot(index: Array, n: Any, dtype: np.dtype) -> Array:
    numbers = lax.broadcasted_iota("int64", (*index.shape, n), index.ndim)
    return (index.astype("int64")[..., None] == numbers).astype(dtype)


def random(key: Array, stream: Array, shape: tuple[Any, ...], dtype: np.dtype, domain: int) -> Array:
    """The bits of minigrad.random, and as floats their leading bits."""
    if not all(isinstance(n, int) for n in shape):
        _, why, fix = REFUSALS["random"]
        raise GraphError(message("to_jax", f"random numbers of the symbolic shape {shape}: {why}", fix))
    lead, count = key.shape[:-1], math.prod(shape)
    bits = philox(key, jnp.broadcast_to(stream, lead), count, domain).reshape((*lead, *shape))
    if dtype == np.uint64:
        return bits
    kept = np.finfo(dtype).nmant + 1
    return (bits >> np.uint64(64 - kept)).astype(dtype) * np.array(2.0**-kept, dtype)


# ---- loops, branches, calls


def scan(*args: Array, body: Graph, constants: int, carries: int, length: Any, reverse: bool, save: str, run: Run) -> Arrays:
    """`save` is JAX's own business: minigrad's gradient is in the graph, and JAX's keeps what it needs."""
    fixed, carry, sequences = split(args, constants, carries)

    def step(carry: Any, xs: Any) -> tuple[Any, Any]:
        found = run(body, (*fixed, *carry, *xs))
        return tuple(found[:carries]), tuple(found[carries:])

    # A symbolic length is read off the sequences alone
    last, ys = lax.scan(step, carry, sequences, length=None if sequences else length, reverse=reverse)
    return (*last, *ys)


def cond(condition: Array, *args: Array, then: Graph, otherwise: Graph, run: Run) -> Arrays:
    return lax.cond(condition, lambda *given: tuple(run(then, given)), lambda *given: tuple(run(otherwise, given)), *args)


def while_loop(*args: Array, condition: Graph, body: Graph, constants: int, run: Run) -> Arrays:
    fixed, start = args[:constants], args[constants:]
    return lax.while_loop(lambda carry: run(condition, (*fixed, *carry))[0], lambda carry: tuple(run(body, (*fixed, *carry))), start)


def call(*args: Array, graph: Graph, rule: Any, run: Run) -> Arrays:
    """A checkpoint; or the value of a function whose gradient is its own (`gradients.py`)."""

    def called(*args: Array) -> Arrays:
        return tuple(run(graph, args))

    return called(*args) if rule is not None else jax.checkpoint(called)(*args)


# ---- the table


def kernel(*args: Array, own: Any) -> Arrays:
    _, why, fix = REFUSALS["kernel"]
    raise GraphError(message("to_jax", f"{own.name} is {why}", fix))


REFUSALS = {
    "kernel": Refusal(
        "", "a kernel of the user's (mg.kernel), which JAX cannot call",
        "Write it with mg.scan, or give its result as an argument",
    ),
    "random": Refusal(
        "symbolic shapes", "they would need a counter of unknown length",
        "Draw them outside and give them as an argument, or export for fixed sizes",
    ),
}  # fmt: skip

RULES: dict[str, Callable[..., Any]] = {
    "item": lambda values, index: values[index],
    # of one operand
    "abs": absolute,
    "acos": lax.acos,
    "acosh": lax.acosh,
    "alias": lambda x: x,
    "asin": lax.asin,
    "asinh": lax.asinh,
    "atan": lax.atan,
    "atanh": lax.atanh,
    "bitcast": lambda x, dtype: lax.bitcast_convert_type(x, dtype),
    "cast": cast,
    "ceil": lax.ceil,
    "cos": lax.cos,
    "cosh": lax.cosh,
    "detach": lax.stop_gradient,
    "erf": lax.erf,
    "exp": lax.exp,
    "exp2": jnp.exp2,
    "expm1": lax.expm1,
    "fit": cast,
    "floor": lax.floor,
    "log": lax.log,
    "log10": jnp.log10,
    "log1p": lax.log1p,
    "log2": jnp.log2,
    "neg": lax.neg,
    "not": lax.bitwise_not,
    "round": lambda x: lax.round(x, lax.RoundingMethod.TO_NEAREST_EVEN),
    "sigmoid": lax.logistic,
    "sign": lax.sign,
    "signbit": jnp.signbit,
    "sin": lax.sin,
    "sinh": lax.sinh,
    "softplus": lambda x: jnp.logaddexp(x, jnp.zeros_like(x)),
    "sqrt": lax.sqrt,
    "tan": lax.tan,
    "tanh": lax.tanh,
    "trunc": jnp.trunc,
    # of several operands
    "add": lax.add,
    "and": lax.bitwise_and,
    "atan2": lax.atan2,
    "copysign": copysign,
    "div": lax.div,
    "equal": lax.eq,
    "floor_divide": floor_divide,
    "hypot": jnp.hypot,
    "less": lax.lt,
    "less_equal": lax.le,
    "logaddexp": jnp.logaddexp,
    "maximum": lax.max,
    "minimum": lax.min,
    "mul": lax.mul,
    "nextafter": lax.nextafter,
    "not_equal": lax.ne,
    "or": lax.bitwise_or,
    "pow": power,
    "remainder": remainder,
    "shl": lax.shift_left,
    "shr": shift_right,
    "sub": lax.sub,
    "where": lax.select,
    "xor": lax.bitwise_xor,
    # movement
    "broadcast": lambda x, shape: jnp.broadcast_to(x, shape),
    "concat": concat,
    "flip": lambda x, axes: lax.rev(x, axes),
    "pad": pad,
    "permute": lambda x, axes: lax.transpose(x, axes),
    "reshape": lambda x, shape: jnp.reshape(x, shape),
    "roll": lambda x, shift, axis: jnp.roll(x, shift, axis),
    "slice": lambda x, start, stop, step: lax.slice(x, start, stop, step),
    # reductions, products
    "argmax": lambda x, axis: lax.argmax(x, axis, np.int32).astype("int64"),
    "cumprod": lambda x, axis, reverse: lax.cumprod(x, axis, reverse=reverse),
    "cumsum": lambda x, axis, reverse: lax.cumsum(x, axis, reverse=reverse),
    "matmul": lambda x, y: jnp.matmul(x, y, precision="highest"),
    "max": lambda x, axes: jnp.max(x, axes),
    "min": lambda x, axes: jnp.min(x, axes),
    "prod": lambda x, axes: jnp.prod(x, axes, dtype=x.dtype),
    "sum": lambda x, axes: jnp.sum(x, axes, dtype=x.dtype),
    # indices
    "add_at": add_at,
    "argsort": argsort,
    "gather": gather,
    "one_hot": one_hot,
    "position": position,
    "scatter": scatter,
    "scatter_along": scatter_along,
    "scatter_max": scatter_max,
    "take": take,
    # without array arguments
    "extent": lambda n: jnp.asarray(n, "int64"),
    "iota": lambda n, dtype: lax.broadcasted_iota(dtype, (n,), 0),
    "random": random,
    # control
    "call": call,
    "cond": cond,
    "kernel": kernel,
    "scan": scan,
    "while_loop": while_loop,
}
