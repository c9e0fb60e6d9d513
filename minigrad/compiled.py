"""mg.jit: compilation of a Python function. It is traced once, optimised, and compiled to one program for all batch sizes and lengths."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import update_wrapper
from typing import Any

import numpy as np

from . import checked, tree
from .compiler.lower.program import Unsupported, lower
from .compiler.runtime import memory
from .compiler.runtime.executable import Executable
from .compiler.to_python import to_python
from .control.call import CALL
from .control.scan import SCAN
from .errors import MinigradError, NonFiniteError, OutOfMemoryError, message, require_callable
from .graph import dims
from .graph.dims import Bind, Dim, Extent, Guards, Symbol
from .graph.ir import Graph, Node
from .graph.nodes import COMPILED, CONSTANT, PARAMETER
from .graph.types import DTYPES, HALVES, TensorType
from .ops.creation import argument, is_number, kind_of, renewed, stand_in
from .origin import here
from .passes.pipeline import optimize
from .passes.specialize import specialize
from .tensor import Tensor, abstract, wrap
from .transforms import interpret
from .transforms.tracing import argument_names, trace_on

KEPT_SPECIALIZATIONS = 1024  # specialisations that are cached
ARRAYS = frozenset((Tensor, np.ndarray))  # arguments of other types may be numbers
NATIVE = frozenset(DTYPES) | HALVES


class CompileWarning(UserWarning):
    """A graph could not be compiled and runs in the interpreter."""


@dataclass
class Program:
    """One trace of a function, optimised and compiled. It is valid for all arguments that fit its types and guards."""

    graph: Graph
    guards: Guards
    optimized: Graph
    executable: Executable | None
    passes: list[str]
    why_not: str = ""
    resolved: dict[tuple[int, ...], Graph] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shapes = [p.type.shape for p in self.graph.params]
        self.literal = [(i, s) for i, s in enumerate(shapes) if not dims.symbols(s)]
        self.symbolic = [(i, s) for i, s in enumerate(shapes) if dims.symbols(s)]

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
        self.numbers = tuple(sizes[s] for s in program.executable.lowered.sizes) if program.executable else ()
        self.shapes = [tuple(dims.evaluate(n, sizes) for n in o.type.shape) for o in program.graph.outputs]
        found = (re.search(r"([a-zA-Z_]\w*)\W*$", path) for path in tree.paths(program.graph.out_tree))  # type: ignore[arg-type]
        own = (o.name if o.args else None for o in program.graph.outputs)  # a param has the name of its argument
        self.names = [m[1] if m else name for m, name in zip(found, own, strict=True)]
        self.types = [TensorType(s, o.type.dtype) for s, o in zip(self.shapes, program.graph.outputs, strict=True)]
        self.checks = checked.wanted()
        position = {p: i for i, p in enumerate(program.graph.params)}
        self.same = [position.get(o) for o in program.graph.outputs]  # for a result that is an argument, the position of that argument

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


class Compiled:
    """What mg.jit returns: a compiled function, called like the original."""

    __name__: str

    def __init__(self, f: Callable[..., Any], finite: bool = False):
        require_callable("jit", f)
        update_wrapper(self, f)
        self.function, self.finite = f, finite
        self.programs: dict[Any, list[Program]] = {}
        self.specializations: dict[Any, Specialization] = {}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        leaves, in_tree = tree.flatten((args, kwargs))
        nodes = [leaf.node for leaf in leaves if isinstance(leaf, Tensor)]
        if any(n.value is None for n in nodes):
            return self.function(*args, **kwargs)  # inside another trace it becomes part of that program
        arrays = [_array(leaf) for leaf in leaves]
        numbers = () if ARRAYS.issuperset(map(type, leaves)) else _numbers(leaves)
        signature = (in_tree, numbers, *[(a.dtype, a.shape) for a in arrays])
        specialization = self.specializations.get(signature)
        if specialization is None:
            if len(self.specializations) == KEPT_SPECIALIZATIONS:
                self.specializations.clear()
            specialization = self.specializations[signature] = self._specialization(args, kwargs, leaves, arrays, (in_tree, numbers))
        try:
            outputs = specialization.run(arrays)
        except MemoryError as error:
            fix = "Sum before you broadcast, or give it smaller batches"
            raise OutOfMemoryError(
                message(specialization.program.graph.name, f"its working memory is more than there is ({error})", fix)
            ) from None
        if self.finite and not all(o.dtype.kind != "f" or np.isfinite(o).all() for o in outputs):
            specialization.program.find_not_finite(arrays, specialization.sizes)
        history = any(n.tracked and n.args for n in nodes)
        results = _recorded(specialization, leaves, outputs) if history else _results(specialization, leaves, outputs)
        return tree.unflatten(specialization.program.graph.out_tree, results)  # type: ignore[arg-type]

    def _specialization(self, args: Any, kwargs: Any, leaves: list[Any], arrays: list[np.ndarray], structure: Any) -> Specialization:
        """The specialisation for these arguments, of an existing program if they fit one, else of a new program."""
        known = self.programs.setdefault((structure, tuple((a.dtype, a.ndim) for a in arrays)), [])
        for program in known:
            sizes = program.sizes(arrays)
            if sizes is not None:
                return Specialization(program, sizes)
        known.insert(0, self._build(args, kwargs, leaves, arrays, structure[0], known))
        sizes = known[0].sizes(arrays)
        assert sizes is not None
        return Specialization(known[0], sizes)

    def _build(self, args: Any, kwargs: Any, leaves: list[Any], arrays: list[np.ndarray], in_tree: Any, known: list[Program]) -> Program:
        params = [_symbolic(i, leaf, a, known) for i, (leaf, a) in enumerate(zip(leaves, arrays, strict=True))]
        names = argument_names(self.function, args, kwargs)
        graph, guards = _trace(self.function, params, in_tree, names)
        passes: list[str] = []
        with dims.deciding(guards):
            optimized = optimize(graph, passes.append)
            if os.environ.get("MINIGRAD_JIT") == "0":
                return Program(graph, guards, optimized, None, passes, "MINIGRAD_JIT=0")
            try:
                return Program(graph, guards, optimized, Executable(lower(optimized)), passes)
            except Unsupported as reason:
                what = f"{graph.name} runs in the interpreter: the compiler has no loops for {reason}"
                warnings.warn(what, CompileWarning, stacklevel=3)
                return Program(graph, guards, optimized, None, passes, str(reason))

    def explain(self) -> str:
        """What was compiled: run-time sizes, passes, phases, loop nests, memory, bytes kept for the gradient; for the newest program."""
        return "\n".join(explain(p) for p in self._newest()) or f"{self.__name__}: nothing compiled yet"

    @property
    def source(self) -> str:
        """The loops of the newest program, as Python that runs."""
        return "\n".join(p.source for p in self._newest() if p.executable is not None)

    @property
    def graph(self) -> Graph:
        """The optimised graph of the newest program."""
        return next(iter(self._newest())).optimized

    def _newest(self) -> list[Program]:
        found = [p for programs in self.programs.values() for p in programs]
        return found[-1:]


def jit(f: Callable[..., Any], finite: bool = False) -> Compiled:
    """f compiled to machine code; its arguments are trees of tensors, arrays and numbers. A number stays a number in f (`graph.types`), and
    the same program serves all numbers of a kind.

    The lengths of a NumPy array's axes are run-time sizes: the same program runs for another batch size or sequence length. Those of
    tensors (parameters) are literal until one of them changes. The use of a size as a Python number (`range(x.shape[0])`) makes it literal.
    Values that f takes from outside are constants, read in the first call. A program with an operation that cannot be compiled runs in the
    interpreter, with one CompileWarning. With `finite`, NaN or infinity in a result raises NonFiniteError, which names the first operation
    that gave one, its line, scope and step (the interpreter runs the same arguments again to find it).

    Environment variables: MINIGRAD_JIT=0 turns compilation off. MINIGRAD_THREADS=1 uses one thread; the results are the same to the last
    bit. MINIGRAD_CHECK=1 compares the first call for each set of sizes (=all: every call) with the interpreter, and raises CheckError.
    """
    return Compiled(f, finite)


def _array(leaf: Any) -> np.ndarray:
    if type(leaf) is Tensor:
        return np.asarray(leaf.node.value, order="C")
    if type(leaf) is np.ndarray and leaf.dtype in NATIVE:
        return np.asarray(leaf, order="C")
    if isinstance(leaf, (np.ndarray, int, float, np.generic)) and not isinstance(leaf, np.ma.MaskedArray):
        array = np.asarray(leaf, order="C")
        if array.dtype in NATIVE:
            return array
    return np.asarray(argument(leaf).numpy(), order="C")


def _numbers(leaves: Sequence[Any]) -> tuple[tuple[int, type[Tensor]], ...]:
    """The positions of numbers among the arguments, and whether they are Python's or NumPy's."""
    return tuple([(i, kind_of(leaf)) for i, leaf in enumerate(leaves) if is_number(leaf)])


def _results(specialization: Specialization, leaves: Sequence[Any], outputs: Sequence[np.ndarray]) -> list[Tensor]:
    """Results without history, with the names of their places in the result tree.

    A result that f made a parameter is a parameter, and a result that is an argument is that argument. Other results that depend on
    parameters have an operation for which `backward` raises.
    """
    ops = [leaf.node.op if isinstance(leaf, Tensor) else CONSTANT for leaf in leaves]
    other, place = COMPILED if PARAMETER in ops else CONSTANT, here()
    marked = zip(specialization.program.graph.outputs, specialization.same, strict=True)
    kinds = [PARAMETER if o.learned else other if i is None else ops[i] for o, i in marked]
    for value in outputs:
        value.flags.writeable = False
    found = zip(kinds, specialization.types, outputs, specialization.names, strict=True)
    return [Tensor(Node(op, (), {}, t, v, name, place, op is not CONSTANT)) for op, t, v, name in found]


def _recorded(specialization: Specialization, leaves: Sequence[Any], outputs: Sequence[np.ndarray]) -> list[Tensor]:
    """Results as one call of the graph, so that gradients outside can be taken through it."""
    graph = specialize(specialization.program.graph, specialization.sizes)
    for value in outputs:
        value.flags.writeable = False
    nodes = tuple(argument(leaf).node for leaf in leaves)
    called = Node(CALL, nodes, {"graph": graph, "rule": None}, graph.out_types, tuple(outputs))
    return list(wrap(called))


def _symbolic(position: int, leaf: Any, array: np.ndarray, known: Sequence[Program]) -> Tensor:
    """An abstract argument. An axis is a run-time size if the argument is data, or a tensor that had another length before."""

    def length(axis: int, n: int) -> Extent:
        earlier = [p.graph.params[position].type.shape[axis] for p in known]
        changes = any(isinstance(m, int) and m != n for m in earlier)
        if n == 0 or not (isinstance(leaf, np.ndarray) or changes):
            return n
        return Dim.of(Symbol(f"n{position}_{axis}", n))

    if is_number(leaf):
        return stand_in(argument(leaf))
    return abstract(TensorType(tuple(length(a, n) for a, n in enumerate(array.shape)), array.dtype))


def _trace(f: Callable[..., Any], params: list[Tensor], in_tree: Any, names: Sequence[str]) -> tuple[Graph, Guards]:
    """Trace f. When f or an operation needs the number of a run-time size, tracing starts again with that size fixed."""
    while True:
        try:
            with dims.deciding(Guards()) as guards:
                return trace_on(f, params, in_tree, names, getattr(f, "__name__", "function")), guards
        except Bind as found:
            types = [TensorType(tuple(_bound(n, found) for n in p.shape), p.node.type.dtype) for p in params]
            params = [renewed(p, abstract(t).node) for p, t in zip(params, types, strict=True)]
        except MinigradError as error:
            error.args = (f"{error}{_sizes_named(str(error), [p.type for p in params], names)}",)
            raise


def _sizes_named(text: str, types: Sequence[TensorType], names: Sequence[str]) -> str:
    """An explanation of the run-time sizes in a message: their numbers, and the arguments and axes they belong to."""
    axes = [(n, i, name) for t, name in zip(types, names, strict=True) for i, n in enumerate(t.shape) if isinstance(n, Dim)]
    found = {str(n): f"{n} = {n.hint}, axis {i} of {name}" for n, i, name in reversed(axes) if re.search(rf"\b{n}\b", text)}
    return "".join(f"\n  where {found[n]}" for n in sorted(found))


def _bound(n: Extent, found: Bind) -> Extent:
    return found.value if isinstance(n, Dim) and n.symbols[0] == found.symbol else n


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
        lines.append(f"  phase {i}: {len(phase.body)} statements, {phase.shared} of them for two threads")
    for first in lowered.phases[:1]:  # all have the same buffers
        _, memory = first.layout({s.name: n for s, n in sizes.items()})
        lines.append(f"  working memory {memory:,} bytes in {len(first.locals)} buffers")
    lines += [f"  loop nest: {c}" for c in lowered.clusters]
    return "\n".join(lines)
