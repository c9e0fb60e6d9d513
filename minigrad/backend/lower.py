"""From a graph to a program of loops, in phases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..graph.dims import TYPICAL, Symbol, symbols
from ..graph.ir import Graph, Node
from .block import Block
from .loops import SPLIT_FROM, Buffer, For, Function, Gemm, If, Index, Shared, Size, Stmt, as_index, evaluate
from .lower_ops import LOWER
from .program import DTYPES, Inline, Part, Program, Range, Unsupported, nest, note
from .storage import Stored, count, row_major

__all__ = ["Lowered", "Unsupported", "lower", "shared_work"]

SHARED_WORK = 2**16  # multiplications from which a loop nest is divided
ELEMENT = 4  # multiplications of a matrix product in the time of one elementwise statement


@dataclass(frozen=True)
class Lowered:
    """A program as phases that run one after the other on the same arguments: the graph's params, `constants`, outputs.

    Two threads may run a phase together."""

    phases: tuple[Function, ...]
    constants: tuple[np.ndarray, ...]
    sizes: tuple[Symbol, ...]
    checks: tuple[tuple[Node, Index], ...]
    clusters: tuple[str, ...]


def lower(graph: Graph, name: str = "program", split: bool = True) -> Lowered:
    """The loops of a graph: inputs are its params and then its constants; without `split` nothing is shared. Raises Unsupported."""
    program = Program(LOWER)
    inputs: list[Buffer] = []

    def argument(node: Node) -> Stored:
        found = _array(f"x{len(inputs)}", node)
        inputs.append(found.buffer)
        return found

    params: dict[Node, Stored | Inline] = {p: argument(p) for p in graph.params}
    constants = _constants(graph)
    program.constants.update((c, argument(c)) for c in constants)
    outputs = [_array(f"y{i}", o) for i, o in enumerate(graph.outputs)]
    targets = dict(reversed(list(zip(graph.outputs, outputs, strict=True))))
    found = symbols(n for p in graph.params for n in p.type.shape)
    main = Main(program, graph, params, targets)
    main.shares, main.typical = split, {s.name: TYPICAL for s in found}
    main.lower()
    for o, place in zip(graph.outputs, outputs, strict=True):
        if targets[o] is not place:
            main.copy(place, targets[o].load, note(o))
    main.finish()
    sizes = tuple(Size(s.name) for s in found)
    arguments = tuple(inputs), tuple(o.buffer for o in outputs), sizes, tuple(program.pool.buffers)
    phases = tuple(Function(f"{name}_{i}", *arguments, tuple(body)) for i, body in enumerate(main.phases))
    values = tuple(np.asarray(c.value, order="C") for c in constants)
    return Lowered(phases, values, found, tuple(program.checks), tuple(program.clusters))


class Main(Block):
    """The outermost block. Large loop nests are divided between threads; a loop over time is a phase of its own."""

    def __init__(self, *args: Any):
        super().__init__(*args)
        self.phases: list[list[Stmt]] = []
        self.typical: dict[str, int] = {}

    def emit(self, loops: Sequence[Range], body: Sequence[Stmt], free: Sequence[Range] = ()) -> None:
        divided = next((r for r in free if evaluate(r.extent, self.typical) >= SPLIT_FROM), None)
        if divided is None:
            super().emit(loops, body)
            return

        def part(low: Index, high: Index) -> Sequence[Stmt]:
            return nest([replace(r, extent=high - low, start=low) if r is divided else r for r in loops], body)

        self.share(divided.extent, part)

    def share(self, extent: Index, part: Part) -> None:
        low, high = self.program.loop_var(), self.program.loop_var()
        shared = Shared(extent, low, high, tuple(part(low, high)))
        if self.shares and work((shared,), self.typical) >= SHARED_WORK:
            self.out.append(shared)
        else:
            super().share(extent, part)

    def separate(self, stmt: Stmt) -> None:
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


def shared_work(body: tuple[Stmt, ...], sizes: Mapping[str, int]) -> int:
    """About how many multiplications of statements two threads would divide: the work of the shared ones with many positions."""
    total = 0
    for stmt in body:
        if isinstance(stmt, Shared):
            n = evaluate(stmt.extent, sizes)
            inside = {**sizes, stmt.low.name: 0, stmt.high.name: n}
            total += work((stmt,), sizes) if n >= SPLIT_FROM else shared_work(stmt.body, inside)
        elif isinstance(stmt, For):
            total += evaluate(stmt.extent, sizes) * shared_work(stmt.body, sizes)
    return total


def work(body: tuple[Stmt, ...], sizes: Mapping[str, int]) -> int:
    """The time of statements, roughly, in multiplications of a matrix product."""
    total = 0
    for stmt in body:
        match stmt:
            case For(_, extent, inner):
                total += evaluate(extent, sizes) * work(inner, sizes)
            case Shared(extent, low, high, inner):
                total += work(inner, {**sizes, low.name: 0, high.name: evaluate(extent, sizes)})
            case If(_, inner, otherwise):
                total += max(work(inner, sizes), work(otherwise, sizes))
            case Gemm(m, n, k):
                total += evaluate(m, sizes) * evaluate(n, sizes) * evaluate(k, sizes)
            case _:
                total += ELEMENT
    return total


def _array(name: str, node: Node) -> Stored:
    """An argument of the program that holds a node's value."""
    dtype, shape = str(node.type.dtype), node.type.shape
    if dtype not in DTYPES:
        raise Unsupported(f"dtype {dtype}")
    return Stored(Buffer(name, dtype, count(shape)), as_index(0), row_major(shape), shape)


def _constants(graph: Graph) -> list[Node]:
    """Arrays that stand in the graph and its bodies."""
    found = [n for n in graph.constants if n.type.shape or n.op.name == "parameter"]
    for body in graph.bodies():
        found += _constants(body)
    return list(dict.fromkeys(found))
