"""Comparison of compiled results with the interpreter's (MINIGRAD_CHECK), and a search for the first operation that differs.

Compiled code sums in another order and has its own elementwise functions, so results differ by rounding. A tie or a discontinuity can
turn a rounding difference into a large one. So the interpreter runs again with perturbed values: every value that compiled code may
round differently changes by a few units in the last place (ulps). A result that differs far more than the perturbed ones is a fault.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import tree
from .compiler.lower.program import Unsupported, lower
from .compiler.runtime import memory
from .compiler.runtime.executable import Executable
from .compiler.runtime.guarded import run_guarded
from .errors import BoundsError, CheckError, MemoryFault, SettingError, at
from .graph.dims import Dim, Symbol, evaluate
from .graph.ir import Graph, Node, Operation
from .graph.nodes import item
from .graph.types import FLOAT, HALVES, TensorType
from .passes.rewrite import apply_rules
from .passes.rules import stable
from .passes.specialize import specialize
from .primitives import elementwise, index, linalg, reduce, trigonometry
from .primitives.rows import add_at
from .transforms import interpret

if TYPE_CHECKING:
    from .program import Program

Arrays = Sequence[np.ndarray]
Sizes = dict[Symbol, int]

PERTURBATIONS = (2, 8, 32) * 8  # the size of the perturbation of each run, in ulps
SLACK = 8  # a difference may be so many times that of a perturbed run
NOISE = 64  # ulps of 1
SUMS = {  # each term is perturbed
    reduce.sum, reduce.prod, reduce.cumsum, reduce.cumprod, linalg.matmul, index.scatter, index.scatter_along, add_at,
}  # fmt: skip
ROUNDED = {  # not + − × ÷ √
    *SUMS, elementwise.pow, trigonometry.hypot, trigonometry.atan2, trigonometry.logaddexp,
    *(getattr(module, name) for module in (elementwise, trigonometry) for name in module.__all__ if name != "sqrt"),
}  # fmt: skip


class Precision(NamedTuple):
    """The tolerance of a result, relative to its largest element. Rounding alone is far below it, a wrong operation far above."""

    limit: float
    format: Any


SINGLE, DOUBLE = Precision(1e-3, np.finfo("float32")), Precision(1e-8, np.finfo("float64"))
HALF = Precision(2**-6, np.finfo("float32"))  # two roundings to bfloat16
ADVICE = "This is a fault of minigrad: please report it, with this message. MINIGRAD_JIT=0 runs the program in the interpreter"


def wanted() -> str:
    """The setting of MINIGRAD_CHECK: '' checks nothing, '1' the first call for each set of sizes, 'all' every call."""
    found = os.environ.get("MINIGRAD_CHECK", "")
    if found not in ("", "0", "1", "all"):
        raise SettingError(f"MINIGRAD_CHECK={found!r}: expected 0, 1 (the first call with each set of sizes) or all (every call)")
    return found.replace("0", "")


def run_checked(program: Program, sizes: Sizes, numbers: tuple[int, ...], arrays: Arrays, outputs: Arrays) -> None:
    """Fill the outputs and compare them with what the interpreter gives for the traced graph. Raises CheckError or MemoryFault."""
    graph = program.graph
    assert program.executable is not None
    try:
        run_guarded(program.executable, arrays, outputs, numbers)
    except MemoryFault as fault:
        raise MemoryFault("\n  ".join([f"{graph.name}: {fault}", *_named(graph, sizes), ADVICE])) from None
    found = difference(outputs, specialize(graph, sizes), arrays)
    if found is None:
        return
    where = list(tree.paths(graph.out_tree, "result"))[found.result]  # type: ignore[arg-type]
    behind = _behind(program.optimized, sizes, arrays, found.result)
    raise CheckError("\n  ".join([f"{graph.name}: {where} differs in compiled code, {found}", behind, *_named(graph, sizes), ADVICE]))


def _named(graph: Graph, sizes: Sizes) -> list[str]:
    """'where n = 3, axis 0 of x' for each run-time size."""
    found: dict[Symbol, str] = {}
    for p in graph.params:
        for axis, n in enumerate(p.type.shape):
            if isinstance(n, Dim):
                found.setdefault(n.symbols[0], f"where {n} = {evaluate(n, sizes)}, axis {axis} of {p.name}")
    return list(found.values())


# ---- comparing


@dataclass(frozen=True)
class Difference:
    """An element of a compiled result that differs from the interpreter's."""

    result: int
    type: TensorType
    index: tuple[int, ...]
    found: Any
    expected: Any

    def __str__(self) -> str:
        return f"{self.found} where the interpreter has {self.expected}, at index {self.index} of {self.type}"


def difference(found: Arrays, graph: Graph, arrays: Arrays) -> Difference | None:
    """The first result that differs from the interpreter's by more than rounding, at the element that differs most; None if none does."""
    found = [_comparable(a) for a in found]
    expected = [_comparable(y) for y in interpret.run(graph, arrays)]
    precision = HALF if any(_has(graph, d) for d in HALVES) else SINGLE if _has(graph, FLOAT) else DOUBLE
    gaps = [_gap(a, b) for a, b in zip(found, expected, strict=True)]
    wrong = [g > _allowed(b, precision) for g, b in zip(gaps, expected, strict=True)]
    if not any(map(np.any, wrong)):
        return None
    finite = map(_comparable, interpret.run(apply_rules(graph, (stable,)), arrays))
    wrong = [w & (_gap(a, b) > _allowed(b, precision)) for w, a, b in zip(wrong, found, finite, strict=True)]
    for moved in Perturbed(graph).runs(arrays):
        if not any(map(np.any, wrong)):
            return None
        wrong = [w & (g > SLACK * _explained(m, b, precision)) for w, g, m, b in zip(wrong, gaps, moved, expected, strict=True)]
    for k, (w, gap) in enumerate(zip(wrong, gaps, strict=True)):
        if np.any(w):
            place = np.unravel_index(np.argmax(np.where(w, gap, -1)), w.shape)
            a, b = found[k], expected[k]
            return Difference(k, TensorType(b.shape, b.dtype), tuple(map(int, place)), a[place], b[place])
    return None


def _gap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The distance of elements: 1 for integers that differ; infinite if only one is NaN, or one is infinite and the other is not equal."""
    if b.dtype.kind != "f":
        return (a != b).astype("float64")
    with np.errstate(all="ignore"):
        gap = np.abs(a.astype("float64") - b)
    return np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.where(np.isnan(gap), np.inf, gap))


def _allowed(b: np.ndarray, precision: Precision) -> float:
    """The tolerance for the distance of elements."""
    if b.dtype.kind != "f":
        return 0.0
    return precision.limit * float(np.max(np.abs(b), initial=0, where=np.isfinite(b))) + float(precision.format.tiny)


def _explained(moved: np.ndarray, b: np.ndarray, precision: Precision) -> np.ndarray:
    """The change of each element by a perturbation. For an element that did not change, the largest change of the result, at most NOISE."""
    gap = _gap(moved, b)
    return gap if b.dtype.kind != "f" else np.maximum(gap, min(np.max(gap, initial=0), NOISE * precision.format.eps))


def _has(graph: Graph, dtype: np.dtype) -> bool:
    """Whether any value in a graph has this dtype."""
    types = (getattr(n.type, "dtype", None) for n in (*graph.params, *graph.nodes))
    return dtype in types or any(_has(g, dtype) for g in graph.bodies)


def _comparable(x: Any) -> np.ndarray:
    return np.asarray(x, FLOAT if x.dtype in HALVES else None)


class Perturbed:
    """Runs a graph in the interpreter with random perturbations, up to `ulps`, of the values that compiled code may round differently."""

    def __init__(self, graph: Graph, seed: int = 0):
        self.rng, self.ulps = np.random.default_rng(seed), 0
        self.graph = self._graph(graph)

    def run(self, arrays: Arrays, ulps: int) -> list[np.ndarray]:
        self.ulps = ulps
        return [_comparable(y) for y in interpret.run(self.graph, arrays)]

    def runs(self, arrays: Arrays) -> Iterator[list[np.ndarray]]:
        """The results of several runs, with small and larger perturbations. Runs where an index is out of bounds are left out."""
        for ulps in PERTURBATIONS:
            with suppress(BoundsError):
                yield self.run(arrays, ulps)

    def _graph(self, graph: Graph) -> Graph:
        new = {p: p for p in graph.params}
        for node in graph.nodes:
            if node.is_constant:
                new[node] = node
                continue
            attrs = {k: self._graph(v) if isinstance(v, Graph) else v for k, v in node.attrs.items()}
            new[node] = Node(self._operation(node.op), tuple(new[a] for a in node.args), attrs, node.type, node.value, origin=node.origin)
        return Graph(graph.params, tuple(new[o] for o in graph.outputs), graph.name)

    def _operation(self, op: Operation) -> Operation:
        def numpy(*args: Any, **attrs: Any) -> Any:
            return self._perturbed(op.numpy(*(map(self._perturbed, args) if op in SUMS else args), **attrs))

        return replace(op, numpy=numpy) if op in ROUNDED else op

    def _perturbed(self, x: Any) -> Any:
        if x.dtype.kind != "f":
            return x
        step = self.ulps * np.finfo(x.dtype).eps
        return x * (1 + self.rng.uniform(-step, step, x.shape)).astype(x.dtype)


# ---- the first operation that differs


def _behind(graph: Graph, sizes: Sizes, arrays: Arrays, result: int) -> str:
    """The first operation of an optimised graph that differs when compared alone; if none does, the one that computed the result."""
    try:
        Search().first(graph, sizes, arrays)
    except WrongOperation as found:
        time = f" at step {'.'.join(map(str, found.steps))}" if found.steps else ""
        return f"the first operation that differs{time} is {found.node.op.name}: {found.problem}{at(found.node.origin)}"
    except (Unsupported, MemoryFault, BoundsError) as reason:
        known = f"the search for the operation ended with: {reason}"
    else:
        known = "no operation differs by itself"
    node = graph.outputs[result]
    return f"{known}; this result is made by {node.op.name}{at(node.origin)}"


@dataclass(eq=False)
class WrongOperation(Exception):
    """An operation that differs when compared alone, and the current steps of the loops around it."""

    node: Node
    steps: tuple[int, ...]
    problem: Difference


class Search:
    """Compares the result of every operation of a graph; inside loops and branches, of every operation at every step."""

    def __init__(self) -> None:
        self.executables: dict[Graph, Executable] = {}

    def first(self, graph: Graph, sizes: Sizes, arrays: Arrays, steps: tuple[int, ...] = ()) -> None:
        """Raises WrongOperation for the first operation that differs."""
        tensors = tuple(n for n in graph.nodes if isinstance(n.type, TensorType) and not n.is_constant)
        every = Graph(graph.params, tensors, graph.name)
        concrete = specialize(every, sizes)
        found = difference(self.compiled(graph, every, sizes, concrete.out_types, arrays), concrete, arrays)
        if found is None:
            return
        node = concrete.outputs[found.result]
        if node.op is item:
            node = node.args[0]
            self.inside(concrete, node, arrays, steps)
        raise WrongOperation(node, steps, found)

    def inside(self, graph: Graph, node: Node, arrays: Arrays, steps: tuple[int, ...]) -> None:
        """Compares the operations in the bodies of a loop or branch, for the arguments that the interpreter computes."""

        def run(body: Graph, args: Arrays, step: int | None = None) -> list[Any]:
            given = [np.asarray(a, order="C") for a in args]
            self.first(body, {}, given, steps if step is None else (*steps, step))
            return interpret.run(body, given)

        node.op.numpy(*interpret.run(Graph(graph.params, node.args), arrays), **node.attrs, run=run)

    def compiled(self, graph: Graph, every: Graph, sizes: Sizes, types: Sequence[TensorType], arrays: Arrays) -> list[np.ndarray]:
        if graph not in self.executables:
            self.executables[graph] = Executable(lower(every))
        executable, outputs = self.executables[graph], [memory.empty(tuple(evaluate(n, {}) for n in t.shape), t.dtype) for t in types]
        run_guarded(executable, arrays, outputs, executable.lowered.numbers(sizes))
        return outputs
