"""Lowering of a graph to phases, each a loop IR function."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...graph.dims import TYPICAL, Symbol, symbols
from ...graph.ir import Graph, Node
from ...graph.types import FLOAT, WIDE, TensorType, is_one
from ...primitives import linalg
from .. import loop_ir as L
from ..dtypes import name_of
from .block import Block
from .ops import LOWER
from .state import DTYPES, Build, Inline, Lowering, Note, Part, Range, Unsupported
from .storage import Stored, count, row_major

__all__ = ["Lowered", "Unsupported", "lower", "shared_work"]

SHARED_WORK = 2**16  # multiplications: a loop nest of at least so much work is shared
ELEMENT = 4  # the work of one elementwise statement, in multiplications of a matrix product


@dataclass(frozen=True)
class Lowered:
    """A lowered program: phases that run one after the other on the same arguments, which are the graph's params, `constants` and outputs.

    A phase may be a parallel region of several threads."""

    phases: tuple[L.Function, ...]
    constants: tuple[np.ndarray, ...]
    sizes: tuple[Symbol, ...]
    checks: tuple[tuple[Node, L.Index], ...]
    clusters: tuple[str, ...]

    def numbers(self, sizes: Mapping[Symbol, int]) -> tuple[int, ...]:
        """The value of each size of the phases, for these sizes of the arguments."""
        return tuple(s.value(sizes) for s in self.sizes)


def lower(graph: Graph, name: str = "program", split: bool = True) -> Lowered:
    """Lower a graph. Without `split` no statement is shared between threads. Raises Unsupported for an operation without a rule."""
    lowering = Lowering(LOWER)
    inputs = lowering.arguments

    def argument(node: Node) -> Stored:
        found = _array(f"x{len(inputs)}", node)
        inputs.append(found.buffer)
        return found

    params: dict[Node, Stored | Inline] = {p: argument(p) for p in graph.params}
    constants = _constants(graph)
    lowering.constants.update((c, argument(c)) for c in constants)
    outputs = [_array(f"y{i}", o) for i, o in enumerate(graph.outputs)]
    targets = dict(reversed(list(zip(graph.outputs, outputs, strict=True))))
    found = tuple(dict.fromkeys([*symbols(n for p in graph.params for n in p.type.shape), *_derived(graph)]))
    main = Main(lowering, graph, params, targets)
    main.shares, lowering.typical = split, {s.name: TYPICAL for s in found}
    main.lower()
    for o, place in zip(graph.outputs, outputs, strict=True):
        if targets[o] is not place:
            main.copy(place, targets[o].load, Note(o))
    main.finish()
    sizes = tuple(L.Size(s.name) for s in found)
    arguments = tuple(inputs), tuple(o.buffer for o in outputs), sizes, tuple(lowering.pool.buffers)
    phases = tuple(L.Function(f"{name}_{i}", *arguments, tuple(body)) for i, body in enumerate(main.phases))
    values = tuple(np.asarray(c.value, order="C") for c in constants)
    return Lowered(phases, values, found, tuple(lowering.checks), tuple(lowering.clusters))


class Main(Block):
    """The outermost block. Large loop nests are shared between threads; a loop over time is a phase of its own."""

    def __init__(self, *args: Any):
        super().__init__(*args)
        self.phases: list[list[L.Stmt]] = []

    def emit_nest(self, loops: Sequence[Range], build: Build, free: Sequence[Range]) -> None:
        divided = next((r for r in free if L.evaluate(r.extent, self.lowering.typical) >= L.SPLIT_FROM), None)
        if divided is None:
            super().emit_nest(loops, build, free)
            return

        def part(low: L.Index, high: L.Index) -> Sequence[L.Stmt]:
            return build([r.part(low, high - low) if r is divided else r for r in loops])

        self.share(divided.extent, part)

    def share(self, extent: L.Index, part: Part) -> None:
        low, high = self.lowering.loop_var(), self.lowering.loop_var()
        shared = L.Shared(extent, low, high, tuple(part(low, high)))
        if self.shares and work((shared,), self.lowering.typical) >= SHARED_WORK:
            self.out.append(shared)
        else:
            super().share(extent, part)

    def separate(self, stmt: L.Stmt) -> None:
        if not self.shares:
            super().separate(stmt)
            return
        self.finish()
        super().separate(stmt)
        self.finish()

    def finish(self) -> None:
        """End a phase."""
        if self.out:
            self.phases.append(self.out)
            self.out = []


def products(graph: Graph) -> set[str]:
    """The functions of matrix products that the loops of a graph will call."""
    found = (n for n in graph.nodes if n.op is linalg.matmul and not is_one(n.args[0].type.shape[-1]))
    return {f"mg_gemm_{n.type.dtype}" for n in found if n.type.dtype in (FLOAT, WIDE)}.union(*map(products, graph.bodies))


def shared_work(body: tuple[L.Stmt, ...], sizes: Mapping[str, int]) -> int:
    """An estimate of the work that threads would share, in multiplications: that of the shared statements that are divided."""
    total = 0
    for stmt in body:
        if isinstance(stmt, L.Shared):
            n = L.evaluate(stmt.extent, sizes)
            inside = {**sizes, stmt.low.name: 0, stmt.high.name: n}
            total += work((stmt,), sizes) if n >= L.SPLIT_FROM else shared_work(stmt.body, inside)
        elif isinstance(stmt, L.For):
            total += L.evaluate(stmt.extent, sizes) * shared_work(stmt.body, {**sizes, stmt.var.name: 0})
    return total


def work(body: tuple[L.Stmt, ...], sizes: Mapping[str, int]) -> int:
    """An estimate of the time of statements, in multiplications of a matrix product."""
    total = 0
    for stmt in body:
        match stmt:
            case L.For(var, extent, inner):
                total += L.evaluate(extent, sizes) * work(inner, {**sizes, var.name: 0})
            case L.While(head, _, inner):
                total += TYPICAL * work((*head, *inner), sizes)
            case L.Shared(extent, low, high, inner):
                total += work(inner, {**sizes, low.name: 0, high.name: L.evaluate(extent, sizes)})
            case L.If(_, inner, otherwise):
                total += max(work(inner, sizes), work(otherwise, sizes))
            case L.Gemm(m, n, k):
                total += L.evaluate(m, sizes) * L.evaluate(n, sizes) * L.evaluate(k, sizes)
            case _:
                total += ELEMENT
    return total


def _array(name: str, node: Node) -> Stored:
    """An argument of the program, which holds a node's value in row-major order."""
    dtype, shape = name_of(node.type.dtype), node.type.shape
    if dtype not in DTYPES:
        raise Unsupported(f"dtype {dtype}")
    return Stored(L.Buffer(name, dtype, count(shape)), L.as_index(0), row_major(shape), shape)


def _derived(graph: Graph) -> Iterator[Symbol]:
    """The derived sizes in a graph and its bodies."""
    for node in graph.nodes:
        types = [node.type] if isinstance(node.type, TensorType) else node.type
        extents = [n for t in types for n in t.shape]
        for v in node.attrs.values():
            extents += v if isinstance(v, tuple) else (v,)
        yield from (s for s in symbols(extents) if s.of)
    for body in graph.bodies:
        yield from _derived(body)


def _constants(graph: Graph) -> list[Node]:
    """The constants of a graph and its bodies that are passed as arguments: arrays and parameters."""
    found = [n for n in graph.constants if n.type.shape or n.op.name == "parameter"]
    for body in graph.bodies:
        found += _constants(body)
    return list(dict.fromkeys(found))
