"""Cases for every primitive, from its entry in the table alone: an operation, its attributes, float arguments to vary, others fixed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np

import minigrad as mg
from minigrad.control.call import CALL
from minigrad.control.cond import COND
from minigrad.control.kernel import KERNEL
from minigrad.control.scan import SCAN
from minigrad.control.while_loop import WHILE
from minigrad.graph.types import TensorType
from minigrad.table import TABLE
from minigrad.tensor import Primitive


@numba.njit
def cube(x: Any, out: Any) -> None:
    for i in range(x.shape[0]):
        out[i] = x[i] ** 3


LEAVES = {"input", "constant", "parameter"}
FLOAT64 = np.dtype("float64")


@dataclass
class Case:
    op: Primitive
    arrays: list[np.ndarray]
    attrs: dict[str, Any]
    label: str = ""

    def __repr__(self) -> str:
        return self.label or f"{self.op.name}-{'-'.join(str(a.shape) for a in self.arrays)}-{self.attrs}".replace(" ", "")

    def __call__(self, *tensors: Any) -> Any:
        return self.op(*map(mg.tensor, tensors), **self.attrs)

    @property
    def types(self) -> list[TensorType]:
        return [TensorType(a.shape, a.dtype) for a in self.arrays]

    @property
    def floats(self) -> list[int]:
        return [i for i, a in enumerate(self.arrays) if a.dtype.kind == "f"]


def sample(shape: tuple[int, ...], domain: tuple[float, float], kinks: tuple[float, ...], rng: np.random.Generator) -> np.ndarray:
    """Uniform in the domain, a tenth away from every kink, no two elements equal."""
    x = np.asarray(rng.uniform(*domain, shape))
    for kink in kinks:
        near = np.abs(x - kink) < 0.1
        x = np.where(near, kink + 0.2 + 0.1 * rng.random(shape), x)
    return x


def _elementwise(op: Primitive, rng: np.random.Generator) -> Iterator[Case]:
    arity = len(op.domain)
    for shape in [(), (3,), (2, 3), (0, 2)]:
        arrays = [sample(shape, d, op.kinks, rng) for d in op.domain]
        if op.name == "where":
            arrays[0] = arrays[0] > 0
        yield Case(op, arrays[:arity], {})


def _loop(op: Primitive, rng: np.random.Generator) -> Iterator[Case]:
    """Operations that hold graphs, as their traced forms."""

    def found(f: Any, *args: Any) -> Case:
        graph = mg.trace(f, *args)
        node = next(n for n in graph.nodes if n.op is op)
        outside = dict(zip(graph.params, args, strict=True))
        return Case(op, [outside[a] if a in outside else np.asarray(a.value) for a in node.args], node.attrs, f"{op.name}-{f.__name__}")

    w, x, xs = rng.standard_normal((2, 2)), rng.standard_normal(2), rng.standard_normal((3, 2))
    if op is SCAN:

        def rnn(w: Any, h: Any, xs: Any) -> Any:
            return mg.scan(lambda h, x: (mg.tanh(h @ w + x), h * x), h, xs)

        def backwards(w: Any, h: Any, xs: Any) -> Any:
            return mg.scan(lambda h, x: (mg.sin(h @ w) * x, h), h, xs, reverse=True)

        yield found(rnn, w, x, xs)
        yield found(backwards, w, x, xs)
    elif op is COND:

        def choice(c: Any, x: Any, w: Any) -> Any:
            return mg.cond(c, lambda x: mg.tanh(x @ w), lambda x: x * x, x)

        for truth in (True, False):
            yield found(choice, np.array(truth), x, w)
    elif op is WHILE:

        def doubled(n: Any, step: Any) -> Any:  # of integers, for it has no gradient
            return mg.while_loop(lambda n: n < 20, lambda n: 2 * n + step, n)

        for start in (1, 20):
            yield found(doubled, np.array(start), np.array(3))
    elif op is CALL:

        def checkpointed(x: Any, w: Any) -> Any:
            return mg.checkpoint(lambda x, w: mg.tanh(x @ w))(x, w)

        yield found(checkpointed, x, w)
    elif op is KERNEL:
        yield found(mg.kernel(cube, type=lambda x: x, vjp=lambda ct, out, x: ct * 3 * x * x), x)


def cases(name: str) -> list[Case]:
    op, rng = TABLE[name], np.random.default_rng(sum(map(ord, name)))
    if op.examples:
        domain = op.domain[0]
        return [
            Case(op, [a if isinstance(a, np.ndarray) else sample(a, domain, op.kinks, rng) for a in shapes], attrs)
            for shapes, attrs in op.examples
        ]
    if op.elementwise:
        return list(_elementwise(op, rng))
    return list(_loop(op, rng))


NAMES = sorted(TABLE)
CASES = [c for name in NAMES for c in cases(name)]


def out_types(case: Case) -> tuple[TensorType, ...]:
    found = case.op.type(*case.types, **case.attrs)
    return (found,) if isinstance(found, TensorType) else tuple(found)


DIFFERENTIABLE = [c for c in CASES if c.op.vjp is not None and c.floats and any(t.is_float for t in out_types(c))]


def value(case: Case) -> list[np.ndarray]:
    found = case.op.numpy(*case.arrays, **case.attrs)
    return [np.asarray(v) for v in (found if isinstance(found, tuple) else (found,))]


def put(case: Case, xs: Any) -> list[Any]:
    """The case's arguments with its floats replaced."""
    full: list[Any] = list(case.arrays)
    for i, x in zip(case.floats, xs, strict=True):
        full[i] = x
    return full


def second_order(case: Case) -> tuple[float, float]:
    """uᵀ∂(gradient)v by reverse mode twice, and by central differences of the gradient, which know nothing of complex rules or barriers."""
    rng = np.random.default_rng(7)
    xs = [case.arrays[i] for i in case.floats]
    cts = [np.asarray(rng.standard_normal(t.shape)) for t in out_types(case)]
    us, vs = ([np.asarray(rng.standard_normal(x.shape)) for x in xs] for _ in range(2))

    def gradient(*xs: Any) -> Any:
        outs, pull = mg.vjp(lambda *xs: case(*put(case, xs)), *xs)
        return pull(tuple(cts) if isinstance(outs, tuple) else cts[0])

    def along(t: float) -> float:
        moved = gradient(*(x + t * v for x, v in zip(xs, vs, strict=True)))
        return sum(float(np.sum(u * g.numpy())) for u, g in zip(us, moved, strict=True))

    found = sum(float(np.sum(g.numpy() * v)) for g, v in zip(mg.vjp(gradient, *xs)[1](tuple(us)), vs, strict=True))
    step = 2.0**-11
    coarse, fine = ((along(h) - along(-h)) / (2 * h) for h in (step, step / 2))
    return found, (4 * fine - coarse) / 3
