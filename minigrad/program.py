"""A compiled program, with the sizes of one call, and what can be said about it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from . import checked, tree
from .captured import Captured
from .compiler.lower.program import lower
from .compiler.runtime import memory
from .compiler.runtime.executable import Executable
from .compiler.to_python import to_python
from .control.scan import SCAN
from .errors import NonFiniteError
from .graph import dims
from .graph.dims import Dim, Guards, Symbol
from .graph.ir import Graph
from .graph.types import TensorType
from .passes.specialize import specialize
from .tensor import Tensor
from .transforms import interpret


@dataclass
class Program:
    """One trace of a function, optimised and compiled. It is valid for all arguments that fit its types and guards."""

    graph: Graph
    guards: Guards
    optimized: Graph
    executable: Executable | None
    passes: list[str]
    why_not: str = ""
    captured: Captured | None = None
    resolved: dict[tuple[int, ...], Graph] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shapes = [p.type.shape for p in self.graph.params]
        self.literal = [(i, s) for i, s in enumerate(shapes) if not dims.symbols(s)]
        self.symbolic = [(i, s) for i, s in enumerate(shapes) if dims.symbols(s)]

    def outside(self, f: Callable[..., Any]) -> list[Tensor] | None:
        """The arguments that f takes from outside, or None if the program does not fit what f finds there."""
        return [] if self.captured is None else self.captured.read(f)

    @property
    def source(self) -> str:
        """The loops, as Python that runs."""
        with dims.deciding(self.guards):
            return "\n".join(map(to_python, lower(self.optimized, split=False).phases))

    def sizes(self, arrays: Sequence[np.ndarray]) -> dict[Symbol, int] | None:
        """The run-time sizes for these arguments, or None if they do not fit the program."""
        if any(arrays[i].shape != shape for i, shape in self.literal):
            return None
        found: dict[Symbol, int] = {}
        for i, shape in self.symbolic:
            for n, size in zip(shape, arrays[i].shape, strict=True):
                if not isinstance(n, Dim):
                    if n != size:
                        return None
                elif found.setdefault(n.symbols[0], size) != size or size == 0:
                    return None
        return found if self.guards.hold(found) else None

    def interpret(self, arrays: Sequence[np.ndarray], sizes: dict[Symbol, int]) -> list[np.ndarray]:
        """Run the optimised graph in the interpreter."""
        numbers = tuple(sizes.values())
        if numbers not in self.resolved:
            self.resolved[numbers] = specialize(self.optimized, sizes)
        return [np.asarray(v) for v in interpret.run(self.resolved[numbers], arrays)]

    def find_not_finite(self, arrays: Sequence[np.ndarray], sizes: dict[Symbol, int]) -> None:
        """Run the traced graph in the interpreter. Raises NonFiniteError at the first operation that gives NaN or infinity."""
        interpret.run(specialize(self.graph, sizes), arrays, interpret.nan_watch)
        raise NonFiniteError(f"{self.graph.name}: a result is not finite in compiled code, and is in the interpreter")


class Specialization:
    """A program with the sizes for arguments of given shapes."""

    def __init__(self, program: Program, sizes: dict[Symbol, int]):
        self.program, self.sizes = program, sizes
        self.numbers = program.executable.lowered.numbers(sizes) if program.executable else ()
        self.shapes = [tuple(dims.evaluate(n, sizes) for n in o.type.shape) for o in program.graph.outputs]
        found = (re.search(r"([a-zA-Z_]\w*)\W*$", path) for path in tree.paths(program.graph.out_tree))  # type: ignore[arg-type]
        own = (o.name if o.args else None for o in program.graph.outputs)  # a param has the name of its argument
        self.names = [m[1] if m else name for m, name in zip(found, own, strict=True)]
        self.types = [TensorType(s, o.type.dtype) for s, o in zip(self.shapes, program.graph.outputs, strict=True)]
        self.checks = checked.wanted()
        position = {p: i for i, p in enumerate(program.graph.params)}
        self.same = [position.get(o) for o in program.graph.outputs]  # for a result that is an argument, the position of that argument

    @cached_property
    def graph(self) -> Graph:
        """The traced graph for these sizes."""
        return specialize(self.program.graph, self.sizes)

    def run(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        if self.program.executable is None:
            return self.program.interpret(arrays, self.sizes)
        outputs = [memory.empty(s, t.dtype) for s, t in zip(self.shapes, self.types, strict=True)]
        if self.checks:
            checked.run_checked(self.program, self.sizes, self.numbers, arrays, outputs)
            self.checks = "" if self.checks == "1" else self.checks
        else:
            self.program.executable.run(arrays, outputs, self.numbers)
        return outputs


def explain(program: Program) -> str:
    """The text of Compiled.explain for one program."""
    graph = program.optimized
    sizes = {s: s.hint for s in dims.symbols(n for p in graph.params for n in p.type.shape)}
    lines = [f"{graph.name}: {len(graph.params)} arguments, {len(graph.outputs)} results"]
    lines += [f"  run-time size {s.name} (first {n})" for s, n in sizes.items()]
    lines += [f"  {line}" for line in program.passes]
    stacks = [t for n in graph.nodes if n.op is SCAN for t in n.type[n.attrs["carries"] :]]
    kept = sum(int(dims.evaluate(dims.product(t.shape), sizes)) * t.dtype.itemsize for t in stacks)
    lines.append(f"  loops over time stack {kept:,} bytes in {len(stacks)} sequences")
    if program.executable is None:
        return "\n".join([*lines, f"  interpreted: {program.why_not}"])
    lowered = program.executable.lowered
    for i, phase in enumerate(lowered.phases):
        lines.append(f"  phase {i}: {len(phase.body)} statements, {phase.shared} of them for several threads")
    for first in lowered.phases[:1]:  # all have the same buffers
        _, memory = first.layout({s.name: s.hint for s in program.executable.lowered.sizes})
        lines.append(f"  working memory {memory:,} bytes in {len(first.locals)} buffers")
    lines += [f"  loop nest: {c}" for c in lowered.clusters]
    return "\n".join(lines)
