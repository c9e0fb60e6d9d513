"""Random small programs, and assertions that different ways to run a program agree."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import functional, ops, tree
from ..interpret import evaluate_graph
from ..ir import Graph, check
from ..scan import scan, unroll
from ..tensor import Tensor, tensor
from ..trace import trace

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Step:
    """One operation on earlier values, by number: inputs first, then the results of the steps."""

    op: str
    args: tuple[int, ...]
    attrs: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True)
class Program:
    """A straight line of steps, some of which may be loops. Calling it gives its last value; `seed` makes it again."""

    seed: int
    shapes: tuple[Shape, ...]
    steps: tuple[Step, ...]

    def __call__(self, *inputs: Any) -> Tensor:
        return self.evaluate(FUNCTIONS, [tensor(x) for x in inputs])

    def evaluate(self, functions: Mapping[str, Callable[..., Any]], inputs: Sequence[Any]) -> Any:
        """The value with another library's functions of these names (as FUNCTIONS has them)."""
        values = list(inputs)
        for step in self.steps:
            values.append(functions[step.op](*(values[i] for i in step.args), **dict(step.attrs)))
        return values[-1]

    def inputs(self, dtype: Any = "float64") -> list[np.ndarray]:
        """Arrays to run it on, the same for the same seed."""
        rng = np.random.default_rng(self.seed)
        return [rng.standard_normal(s).astype(dtype) for s in self.shapes]


def _recurrence(h: Any, w: Any, xs: Any) -> Any:
    """A loop with a carry, a constant from outside and a sequence: h ← tanh(h·w + x)."""

    def step(h: Any, x: Any) -> Any:
        h = ops.tanh(h * w + x)
        return h, h * x

    last, ys = scan(step, h, xs)
    return last + ops.sum(ys, 0)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "add": ops.add,
    "subtract": ops.subtract,
    "multiply": ops.multiply,
    "divide": lambda x, y: x / (y * y + 1.0),
    "maximum": ops.maximum,
    "minimum": ops.minimum,
    "where": lambda c, x, y: ops.where(c > 0, x, y),
    "tanh": ops.tanh,
    "sin": ops.sin,
    "cos": ops.cos,
    "exp": lambda x: ops.exp(ops.tanh(x)),
    "log": lambda x: ops.log(x * x + 1.0),
    "log1p": lambda x: ops.log1p(x * x),
    "sqrt": lambda x: ops.sqrt(x * x + 0.5),
    "sigmoid": ops.sigmoid,
    "softplus": ops.softplus,
    "erf": ops.erf,
    "abs": ops.abs,
    "relu": ops.relu,
    "square": ops.square,
    "detach": ops.detach,
    "softmax": lambda x: functional.softmax(x, -1),
    "logsumexp": lambda x: functional.logsumexp(x, -1, keepdims=True),
    "sum": lambda x, axis: ops.sum(x, axis, keepdims=True),
    "mean": lambda x, axis: ops.mean(x, axis, keepdims=True),
    "max": lambda x, axis: ops.max(x, axis, keepdims=True),
    "prod": lambda x, axis: ops.prod(x, axis, keepdims=True),
    "cumsum": lambda x, axis: ops.cumsum(x, axis),
    "sort": lambda x, axis: ops.sort(x, axis),
    "flip": lambda x, axis: ops.flip(x, axis),
    "roll": lambda x, axis: ops.roll(x, 1, axis),
    "concat": lambda x, y, axis: ops.concat([x, y], axis),
    "half": lambda x, axis: x[(slice(None),) * axis + (slice(0, None, 2),)],
    "take": lambda x, index, axis: ops.take(x, np.array(index), axis),
    "transpose": lambda x, axes: ops.permute_dims(x, axes),
    "reshape": lambda x, shape: ops.reshape(x, shape),
    "gram": lambda x: ops.matmul(x, ops.matrix_transpose(x)) / x.shape[-1],
    "recurrence": _recurrence,
}
ONE = ("tanh", "sin", "cos", "exp", "log", "log1p", "sqrt", "sigmoid", "softplus", "erf", "abs", "relu", "square", "detach")
TWO = ("add", "subtract", "multiply", "divide", "maximum", "minimum")
ALONG = ("sum", "mean", "max", "prod", "cumsum", "sort", "flip", "roll", "concat", "half", "take")


def random_program(seed: int, steps: int = 8, inputs: int = 2, scans: bool = True) -> Program:
    """The program of a seed. Every value stays bounded; operands are shared; the last value depends on all inputs."""
    rng = np.random.default_rng(seed)
    base = tuple(int(n) for n in rng.integers(1, 4, rng.integers(0, 4)))
    shapes = tuple(_thinned(base, rng) for _ in range(inputs))
    known: list[Shape] = list(shapes)
    found: list[Step] = []

    def put(op: str, *args: int, **attrs: Any) -> int:
        found.append(Step(op, args, tuple(attrs.items())))
        values = [np.full(s, 0.5) for s in known]
        known.append(tuple(FUNCTIONS[op](*(tensor(values[i]) for i in args), **attrs).shape))
        return len(known) - 1

    for _ in range(steps):
        i = int(rng.integers(max(0, len(known) - 4), len(known)))
        _random_step(rng, known, i, put, scans)
    total = put("tanh", len(known) - 1)
    for i in range(inputs):  # 0-d, so that it broadcasts with anything
        flat = put("reshape", i, shape=(int(np.prod(shapes[i])),))
        total = put("add", total, put("reshape", put("sum", put("sin", flat), axis=0), shape=()))
    return Program(seed, shapes, tuple(found))


def _thinned(shape: Shape, rng: np.random.Generator) -> Shape:
    """A shape that broadcasts with `shape`."""
    kept = tuple(1 if rng.random() < 0.2 else n for n in shape)
    return kept[int(rng.integers(0, len(kept) + 1)) :] if rng.random() < 0.3 else kept


def _random_step(rng: np.random.Generator, known: list[Shape], i: int, put: Callable[..., int], scans: bool) -> None:
    shape = known[i]
    alike = [j for j, s in enumerate(known) if _broadcasts(s, shape)]
    other, third = (int(rng.choice(alike)) for _ in range(2))
    kind = rng.random()
    if kind < 0.3:
        put(str(rng.choice(ONE)), i)
    elif kind < 0.55 or not shape:
        put("tanh", put(str(rng.choice(TWO)), i, other))
    elif kind < 0.62 and _broadcasts(known[third], known[other]):
        put("where", i, other, third)
    elif kind < 0.66:
        put(str(rng.choice(["softmax", "logsumexp"])), i)
    elif kind < 0.70 and len(shape) >= 2:
        put("gram", i)
    elif kind < 0.76 and len(shape) >= 2:
        put("transpose", i, axes=tuple(int(a) for a in rng.permutation(len(shape))))
    elif kind < 0.80:
        put("reshape", i, shape=(int(np.prod(shape)),))
    elif kind < 0.88 and scans:
        row = put("take", i, index=0, axis=0)
        put("recurrence", put("tanh", row), row, i)
    else:
        op, axis = str(rng.choice(ALONG)), int(rng.integers(len(shape)))
        if op == "concat":
            put(op, i, i, axis=axis)
        elif op == "take":
            put(op, i, index=tuple(int(n) for n in rng.integers(0, shape[axis], 3)), axis=axis)
        else:
            put("tanh", put(op, i, axis=axis))


def _broadcasts(a: Shape, b: Shape) -> bool:
    try:
        np.broadcast_shapes(a, b)
    except ValueError:
        return False
    return True


# ---- assertions


def assert_same_graph_value(f: Callable[..., Any], *args: Any, rtol: float = 1e-12) -> Graph:
    """f computes eagerly what the interpreter computes from its graph, and the graph type-checks. Returns the graph."""
    graph = trace(f, *args)
    check(graph)
    arrays = [tensor(x).numpy() for x in tree.leaves(args)]
    _close(evaluate_graph(graph, arrays), [tensor(y).numpy() for y in tree.leaves(f(*args))], rtol, "the interpreter and eager execution")
    return graph


def assert_scan_equals_unrolled(f: Callable[..., Any], *args: Any, rtol: float = 1e-12) -> None:
    """The graph of f with its loops, and with every step written out, have the same value."""
    graph = trace(f, *args)
    flat = unroll(graph)
    check(flat)
    arrays = [tensor(x).numpy() for x in tree.leaves(args)]
    _close(evaluate_graph(flat, arrays), evaluate_graph(graph, arrays), rtol, "the unrolled graph and the loop")


def assert_jit_equals_interpreter(f: Callable[..., Any], *args: Any, rtol: float = 1e-10) -> None:
    """mg.jit(f) gives what the interpreter gives."""
    from ..jit import jit

    arrays = [tensor(x).numpy() for x in tree.leaves(args)]
    compiled = [tensor(y).numpy() for y in tree.leaves(jit(f)(*args))]
    _close(compiled, evaluate_graph(trace(f, *args), arrays), rtol, "the compiled function and the interpreter")


def _close(found: Sequence[np.ndarray], expected: Sequence[np.ndarray], rtol: float, who: str) -> None:
    assert len(found) == len(expected), f"{who} give {len(found)} and {len(expected)} results"
    for i, (a, b) in enumerate(zip(found, expected, strict=True)):
        assert a.shape == b.shape, f"{who} differ in result {i}: shapes {a.shape} and {b.shape}"
        assert a.dtype == b.dtype, f"{who} differ in result {i}: dtypes {a.dtype} and {b.dtype}"
        scale = float(np.max(np.abs(b), initial=0)) if b.dtype.kind == "f" else 0.0
        atol = rtol * (scale if np.isfinite(scale) else 1.0)
        np.testing.assert_allclose(a, b, rtol=rtol, atol=atol, err_msg=f"{who} differ in result {i}")
