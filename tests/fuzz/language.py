"""Programs as data, and the meaning of each operation in terms of a library (minigrad, NumPy, PyTorch, JAX)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Step:
    """One operation on earlier values, by number: inputs first, then the results of the steps. attrs may hold whole programs."""

    op: str
    args: tuple[int, ...]
    attrs: tuple[tuple[str, Any], ...] = ()

    def programs(self) -> Iterator[Program]:
        return (v for _, v in self.attrs if isinstance(v, Program))


@dataclass(frozen=True)
class Program:
    """A straight line of steps; loops, branches and calls hold programs. No step mentions a length: any size of the inputs will do."""

    seed: int
    inputs: tuple[tuple[Shape, str], ...]
    steps: tuple[Step, ...]
    outputs: tuple[int, ...]

    def evaluate(self, library: Any, inputs: Sequence[Any]) -> list[Any]:
        """The outputs, as `library` computes them."""
        values = list(inputs)
        for step in self.steps:
            values.append(OPS[step.op](library, *(values[i] for i in step.args), **dict(step.attrs)))
        return [values[i] for i in self.outputs]

    @property
    def lengths(self) -> list[int]:
        """The lengths of axes longer than 1: axes of one length must have one length whatever that is."""
        return sorted({n for shape, _ in self.inputs for n in shape if n > 1})

    def arrays(self, sizes: Mapping[int, int] = {}, batch: int | None = None) -> list[np.ndarray]:
        """Inputs to run it on, the same for the same seed: axes of a length in `sizes` have another; a batch axis comes first."""
        rng = np.random.default_rng([self.seed, *(n for pair in sorted(sizes.items()) for n in pair)])
        found = []
        for shape, dtype in self.inputs:
            full = tuple(sizes.get(n, n) for n in shape)
            full = full if batch is None else (batch, *full)
            found.append((rng.integers(-3, 4, full) if dtype == "int64" else rng.standard_normal(full)).astype(dtype))
        return found

    def all_steps(self) -> Iterator[Step]:
        """The steps, with those of programs inside."""
        for step in self.steps:
            yield step
            for inner in step.programs():
                yield from inner.all_steps()

    @property
    def floats(self) -> set[str]:
        """The float dtypes that it mentions."""
        found = {d for _, d in self.inputs} | {str(dict(s.attrs).get("dtype")) for s in self.all_steps()}
        return found & {"float32", "float64"}

    def without_chunks(self) -> Program:
        """The same with no loop checkpointed, which changes neither values nor gradients."""

        def plain(step: Step) -> Step:
            attrs = ((k, v.without_chunks() if isinstance(v, Program) else v) for k, v in step.attrs if k != "checkpoint")
            return dataclasses.replace(step, attrs=tuple(attrs))

        return dataclasses.replace(self, steps=tuple(map(plain, self.steps)))


def _scan(library: Any, *args: Any, body: Program, carries: int, sequences: int, along: tuple[int, int] | None = None, **how: Any) -> Any:
    """args: carries, sequences, constants. The body gives the next carries, then one output.

    along  (an argument, its axis) whose length is the number of steps
    """
    carry, xs, constants = args[:carries], args[carries : carries + sequences], args[carries + sequences :]
    if along is not None:
        how["length"] = args[along[0]].shape[along[1]]

    def step(carry: Any, xs: Any) -> Any:
        found = body.evaluate(library, [*carry, *xs, *constants])
        return tuple(found[:carries]), found[carries]

    last, ys = library.scan(step, tuple(carry), tuple(xs), **how)
    return (*last, ys)


def _called(library: Any, args: Sequence[Any], outside: int, *bodies: Program) -> list[Any]:
    """Each body as a function of the args but the last `outside`, which it takes from around it; then those args."""
    own = len(args) - outside
    return [*(lambda *given, b=b: b.evaluate(library, [*given, *args[own:]])[0] for b in bodies), *args[:own]]


def _checkpoint(library: Any, *args: Any, body: Program, outside: int = 0) -> Any:
    f, *given = _called(library, args, outside, body)
    return library.checkpoint(f)(*given)


def _to_threes(x: Any) -> tuple[tuple[Any, Any], ...]:
    """The padding after which the first length is a multiple of 3."""
    return ((0, -x.shape[0] % 3), *((0, 0),) * (x.ndim - 1))


def _along(axis: int, *index: Any) -> tuple[Any, ...]:
    return (slice(None),) * axis + index


def _merge(x: Any, axis: int) -> Shape:
    return (*x.shape[:axis], -1, *x.shape[axis + 2 :])


OPS: dict[str, Callable[..., Any]] = {
    # one float
    "tanh": lambda L, x: L.tanh(x),
    "sin": lambda L, x: L.sin(x),
    "cos": lambda L, x: L.cos(x),
    "sigmoid": lambda L, x: L.sigmoid(x),
    "softplus": lambda L, x: L.softplus(x),
    "erf": lambda L, x: L.erf(x),
    "relu": lambda L, x: L.relu(x),
    "abs": lambda L, x: L.abs(x),
    "square": lambda L, x: L.square(x),
    "negative": lambda L, x: -x,
    "sign": lambda L, x: L.sign(x),
    "floor": lambda L, x: L.floor(x),
    "detach": lambda L, x: L.detach(x),
    "exp": lambda L, x: L.exp(L.tanh(x)),
    "expm1": lambda L, x: L.expm1(L.tanh(x)),
    "log": lambda L, x: L.log(x * x + 1),
    "log1p": lambda L, x: L.log1p(x * x),
    "sqrt": lambda L, x: L.sqrt(x * x + 0.5),
    "cube": lambda L, x: x**3,
    "reciprocal": lambda L, x: 1 / (x * x + 1),
    "clip": lambda L, x: L.clip(x, -0.5, 0.5),
    "affine": lambda L, x, a, b: x * a + b,
    # two floats
    "add": lambda L, x, y: x + y,
    "subtract": lambda L, x, y: x - y,
    "multiply": lambda L, x, y: x * y,
    "divide": lambda L, x, y: x / (y * y + 1),
    "maximum": lambda L, x, y: L.maximum(x, y),
    "minimum": lambda L, x, y: L.minimum(x, y),
    "power": lambda L, x, y: L.power(x * x + 0.5, L.tanh(y)),
    # bools and integers
    "less": lambda L, x, y: x < y,
    "greater_equal": lambda L, x, y: x >= y,
    "equal": lambda L, x, y: x == y,
    "and": lambda L, x, y: x & y,
    "or": lambda L, x, y: x | y,
    "not": lambda L, x: ~x,
    "any": lambda L, x, axis, keepdims: L.any(x, axis, keepdims),
    "all": lambda L, x, axis, keepdims: L.all(x, axis, keepdims),
    "where": lambda L, c, x, y: L.where(c, x, y),
    "count": lambda L, x, axis: L.sum(L.astype(x, "int64"), axis, False),
    "astype": lambda L, x, dtype: L.astype(x, dtype),
    "argmax": lambda L, x, axis: L.argmax(x, axis),
    "argmin": lambda L, x, axis: L.argmin(x, axis),
    "argsort": lambda L, x, axis, descending: L.argsort(x, axis, descending),
    "integer": lambda L, x, a, b: x * a + b,
    "remainder": lambda L, x, n: x % n,
    "floor_divide": lambda L, x, n: x // n,
    "integer_maximum": lambda L, x, y: L.maximum(x, y),
    "one_hot": lambda L, i, n, dtype: L.astype(L.one_hot(i % n, n), dtype),
    "positions": lambda L, x: x * 0.5 + L.astype(L.arange(x.shape[-1]), x.dtype),
    "length": lambda L, x, axis: x * L.astype(L.extent(x.shape[axis]), x.dtype) * 0.25,
    # from a number, an axis, a shape
    "constant": lambda L, shape, value, dtype: L.full(shape, value, dtype),
    "full": lambda L, x, value, dtype: L.full(x.shape, value, dtype),
    "grid": lambda L, x, y, axes, value, dtype: L.full((x.shape[axes[0]], y.shape[axes[1]]), value, dtype),
    "iota": lambda L, x, axis, dtype: L.astype(L.arange(x.shape[axis]), dtype),
    "encode": lambda L, i, x, axis, dtype: L.astype(L.one_hot(i % L.extent(x.shape[axis]), x.shape[axis]), dtype),
    "broadcast": lambda L, x, y: L.broadcast_to(x, y.shape),
    "like_shape": lambda L, x, y: L.reshape(x, y.shape),
    # reductions
    "sum": lambda L, x, axis, keepdims: L.sum(x, axis, keepdims),
    "mean": lambda L, x, axis, keepdims: L.mean(x, axis, keepdims),
    "max": lambda L, x, axis, keepdims: L.max(x, axis, keepdims),
    "min": lambda L, x, axis, keepdims: L.min(x, axis, keepdims),
    "prod": lambda L, x, axis, keepdims: L.prod(x, axis, keepdims),
    "var": lambda L, x, axis: L.mean(L.square(x - L.mean(x, axis, True)), axis, True),
    "cumsum": lambda L, x, axis, reverse: L.cumsum(x, axis, reverse),
    "cumprod": lambda L, x, axis, reverse: L.cumprod(x, axis, reverse),
    "softmax": lambda L, x, axis: L.softmax(x, axis),
    "logsumexp": lambda L, x, axis: L.logsumexp(x, axis),
    # movement
    "transpose": lambda L, x, axes: L.permute_dims(x, axes),
    "swap": lambda L, x: L.mT(x),
    "flatten": lambda L, x: L.reshape(x, (-1,)),
    "merge": lambda L, x, axis: L.reshape(x, _merge(x, axis)),
    "expand": lambda L, x, axis: x[_along(axis, None)],
    "squeeze": lambda L, x, axis: x[_along(axis, 0)],
    "row": lambda L, x, axis, i: x[_along(axis, i)],
    "head": lambda L, x, axis: x[_along(axis, slice(0, -1))],
    "tail": lambda L, x, axis: x[_along(axis, slice(1, None))],
    "half": lambda L, x, axis: x[_along(axis, slice(None, None, 2))],
    "middle": lambda L, x, axis: x[_along(axis, slice(x.shape[axis] // 3, x.shape[axis] - x.shape[axis] // 4))],
    "chunks": lambda L, x: L.sum(L.reshape(L.pad(x, _to_threes(x)), (-(-x.shape[0] // 3), 3, *x.shape[1:])), 1, False),
    "backwards": lambda L, x, axis: L.backwards(x, axis),
    "prefix": lambda L, x, y, axes: x[_along(axes[0], slice(0, y.shape[axes[1]]))],
    "flip": lambda L, x, axis: L.flip(x, axis),
    "roll": lambda L, x, shift, axis: L.roll(x, shift, axis),
    "pad": lambda L, x, widths: L.pad(x, widths),
    "concat": lambda L, x, y, axis: L.concat([x, y], axis),
    "stack": lambda L, x, y, axis: L.stack([x, y], axis),
    "tril": lambda L, x, k: L.tril(x, k),
    # indexing
    "take": lambda L, x, index, axis: L.take(x, np.array(index), axis),
    "pick": lambda L, x, i, axis: L.take(x, i % L.extent(x.shape[axis]), axis),
    "along": lambda L, x, i, axis: L.take_along_axis(x, i % L.extent(x.shape[axis]), axis),
    "sort": lambda L, x, axis, descending: L.sort(x, axis, descending),
    # products
    "matmul": lambda L, x, y: x @ y,
    "gram": lambda L, x: x @ L.mT(x) / x.shape[-1],
    "outer": lambda L, x, y: L.reshape(x, (-1, 1)) * L.reshape(y, (1, -1)),
    "contract": lambda L, x, y: L.einsum("ij,kj->ki", x, y),
    # control
    "scan": _scan,
    "item": lambda L, x, index: x[index],
    "cond": lambda L, c, *args, then, otherwise, outside=0: L.cond(c, *_called(L, args, outside, then, otherwise)),
    "checkpoint": _checkpoint,
    "vmap": lambda L, *args, body, outside=0: L.vmap(*_called(L, args, outside, body)),
    "like": lambda L, x, y: L.tanh(L.mean(x, None, False) + y),
}
