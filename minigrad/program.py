"""A compiled program, with the sizes of one call, and what can be said about it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from typing import Any

import numpy as np

from . import checked, tree
from .captured import Captured
from .compiler.loop_ir import ALIGNMENT
from .compiler.lower.program import lower
from .compiler.runtime import memory
from .compiler.runtime.executable import Executable
from .compiler.runtime.objects import Taken, allocator, taker, wrapper
from .compiler.runtime.scaling import Account, accounts
from .compiler.to_python import to_python
from .control.scan import SCAN
from .errors import NonFiniteError
from .graph import dims
from .graph.dims import Dim, Guards, Symbol
from .graph.ir import Graph, Node, Operation
from .graph.nodes import COMPILED, CONSTANT, PARAMETER
from .graph.types import TensorType
from .ops.numbers import Number, is_number, kind_of
from .origin import place
from .passes.specialize import specialize
from .tensor import Tensor
from .transforms import interpret
from .tree_code import are_leaves, loose_flattener, unflattener


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
        assert not any(n.of for _, s in self.symbolic for n in dims.symbols(s)), "an axis of an argument is a derived size"

    def outside(self, f: Callable[..., Any]) -> list[Tensor] | None:
        """The arguments that f takes from outside, or None if the program does not fit what f finds there."""
        return [] if self.captured is None else self.captured.read(f)

    @cached_property
    def unflatten(self) -> Callable[[Sequence[Any]], Any]:
        """Puts results into the tree that the function returns."""
        return unflattener(self.graph.out_tree)  # type: ignore[arg-type]

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


ARRAYS = frozenset((Tensor, np.ndarray))  # arguments of other types may be numbers


def numbers_among(leaves: Sequence[Any]) -> tuple[tuple[int, type[Tensor]], ...]:
    """The positions of numbers among the arguments, and whether they are Python's or NumPy's."""
    if ARRAYS.issuperset(map(type, leaves)):
        return ()
    return tuple([(i, kind_of(leaf)) for i, leaf in enumerate(leaves) if is_number(leaf)])


class Structure:
    """The tree of a call's arguments with the orders of its dicts, and which of its leaves are numbers. Raises TypeError if a setting in
    it is not hashable."""

    def __init__(self, treedef: tree.TreeDef, numbers: tuple[tuple[int, type[Tensor]], ...]):
        self.treedef, self.numbers = treedef, numbers
        self.hash = hash((treedef, numbers))

    def __hash__(self) -> int:
        return self.hash

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Structure):
            return NotImplemented
        return self is other or (self.numbers == other.numbers and tree.alike(self.treedef, other.treedef))

    def leaves(self, arguments: Any) -> list[Any] | None:
        """The leaves of arguments of this structure; None if it may be another one."""
        found = self.flatten(arguments)
        return None if found is None or not are_leaves(found) or numbers_among(found) != self.numbers else found

    @cached_property
    def flatten(self) -> Callable[[Any], list[Any] | None]:
        """Gives what stands in the places of the leaves; None for another structure."""
        return loose_flattener(self.treedef)


class Specialization:
    """A program with the sizes for arguments of a given structure and given shapes."""

    def __init__(self, program: Program, sizes: dict[Symbol, int], structure: Structure):
        self.program, self.sizes, self.structure = program, sizes, structure
        self.numbers = program.executable.lowered.numbers(sizes) if program.executable else ()
        self.shapes = [tuple(dims.evaluate(n, sizes) for n in o.type.shape) for o in program.graph.outputs]
        found = (re.search(r"([a-zA-Z_]\w*)\W*$", path) for path in tree.paths(program.graph.out_tree))  # type: ignore[arg-type]
        own = (o.name if o.args else None for o in program.graph.outputs)  # a param has the name of its argument
        self.names = [m[1] if m else name for m, name in zip(found, own, strict=True)]
        self.types = [TensorType(s, o.type.dtype) for s, o in zip(self.shapes, program.graph.outputs, strict=True)]
        self.checks = checked.wanted()
        position = {p: i for i, p in enumerate(program.graph.params)}
        # Of each result that is an argument, its position and that of the argument; and the operations of the results as nodes, if they do
        # not depend on parameters and if they do.
        self.same = [(k, position[o]) for k, o in enumerate(program.graph.outputs) if o in position and not o.learned]
        trained = tree.trained(program.graph.out_tree)  # type: ignore[arg-type]
        self.ops = [
            tuple(_as_result(o, t, other) for o, t in zip(program.graph.outputs, trained, strict=True)) for other in (CONSTANT, COMPILED)
        ]
        self.spare: list[Any] = []
        self.keep_none()
        self.memory, self.wrap = allocator(self.types, self.spare), wrapper(self.types, self.names)

    @cached_property
    def take(self) -> Callable[[list[Any]], Taken | None]:
        """Gives the arrays of a call's leaves, those from outside too; None if they do not fit."""
        params, kinds = self.program.graph.params, dict(self.structure.numbers)
        shapes = [tuple(dims.evaluate(n, self.sizes) for n in p.type.shape) for p in params]
        numbers = [_class_of(kinds[i], p.type.dtype) if i in kinds else None for i, p in enumerate(params)]
        return taker([(s, p.type.dtype) for s, p in zip(shapes, params, strict=True)], numbers)

    @cached_property
    def graph(self) -> Graph:
        """The traced graph for these sizes."""
        return specialize(self.program.graph, self.sizes)

    def accounts(self, executable: Executable, arrays: tuple[np.ndarray, ...], threads: Sequence[int]) -> list[Account]:
        """How a call with these arrays scales."""
        return accounts(executable, (*arrays, *executable.lowered.constants, *self.memory()), self.numbers, threads)

    def allocator(self, count: int | None = None) -> Callable[[], tuple[np.ndarray, ...]]:
        """Gives memory for the first results, and keeps none of it."""
        return allocator(self.types[:count])

    def keep_none(self) -> None:
        """Let go of the arrays that later results would use again."""
        self.spare[:] = [None] * (2 * len(self.types))  # in place, while another thread may be in a call

    def run(self, arrays: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
        outputs = self.memory()
        self.fill(arrays, outputs)
        return outputs

    def fill(self, arrays: Sequence[np.ndarray], outputs: Sequence[np.ndarray]) -> None:
        """Compute the results into arrays that the caller gives."""
        if self.program.executable is None:
            for out, found in zip(outputs, self.program.interpret(arrays, self.sizes), strict=True):
                out[...] = found
        elif self.checks:
            checked.run_checked(self.program, self.sizes, self.numbers, arrays, outputs)
            self.checks = "" if self.checks == "1" else self.checks
        else:
            self.program.executable.run(arrays, outputs, self.numbers)

    def results(self, leaves: Sequence[Any], outputs: tuple[np.ndarray, ...], trained: bool) -> list[Tensor]:
        """Results without history, with the names of their places in the result tree.

        A result that f made a parameter is a parameter, and a result that is an argument is that argument. Other results that depend on
        parameters, which are `trained`, have an operation for which `backward` raises.
        """
        ops = self.ops[trained]
        if self.same:
            found = list(ops)
            for result, position in self.same:
                leaf = leaves[position]
                found[result] = leaf.node.op if isinstance(leaf, Tensor) else CONSTANT
            ops = tuple(found)
        return self.wrap(ops, outputs, place(2))


class Layout:
    """Arrays of these types in one block of memory, each at the start of a cache line."""

    def __init__(self, types: Sequence[TensorType]):
        self.places: list[tuple[Any, np.dtype, int]]
        sizes = [math.prod(t.shape) * t.dtype.itemsize for t in types]
        starts = accumulate([-(-n // ALIGNMENT) * ALIGNMENT for n in sizes], initial=0)
        *offsets, self.bytes = starts
        self.places = [(t.shape, t.dtype, offset) for t, offset in zip(types, offsets, strict=True)]

    def empty(self) -> np.ndarray:
        """A block. Its memory is used again when nothing refers to it any more."""
        return memory.empty((self.bytes,), np.dtype(np.uint8))

    def arrays(self, block: np.ndarray) -> list[np.ndarray]:
        """The arrays of a block, which share its memory."""
        return [np.ndarray(shape, dtype, block, offset) for shape, dtype, offset in self.places]


def _as_result(output: Node, is_trained: bool, other: Operation) -> Operation:
    """The operation of a result as a node: buffers are constants, without a history."""
    if not is_trained or output.learned is False:
        return CONSTANT
    return PARAMETER if output.learned or output.op is PARAMETER else other


def _class_of(kind: type[Tensor], dtype: np.dtype) -> type:
    """The class of the numbers of a kind that are held as this dtype."""
    return {"f": float, "b": bool}.get(dtype.kind, int) if kind is Number else dtype.type


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
