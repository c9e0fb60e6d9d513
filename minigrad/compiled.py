"""mg.jit: compilation of a Python function. It is traced once, optimised, and compiled to one program for all batch sizes and lengths."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import update_wrapper
from types import MethodType
from typing import Any

import numpy as np

from . import tree
from .captured import Captured, find, is_model
from .compiler.lower.program import Unsupported, lower, products
from .compiler.runtime import eager_nodes
from .compiler.runtime.collector import collecting_later
from .compiler.runtime.executable import Executable
from .compiler.runtime.link import foresee
from .compiler.runtime.objects import RECORDED, TRAINED
from .compiler.runtime.scaling import Account
from .control.call import CALL, importable
from .errors import AbstractValueError, DTypeError, MinigradError, OutOfMemoryError, dtype_error, message, require_callable
from .graph import dims
from .graph.dims import Bind, Dim, Extent, Guards, Symbol
from .graph.ir import Graph, Node, check
from .graph.nodes import Outside, is_paused, is_tracing, machine_code, machine_code_is_off, table_of_trace
from .graph.types import OWN, TensorType, is_float
from .ops.numbers import argument, is_number, renewed, stand_in
from .passes.pipeline import optimize
from .passes.reroll.notes import noting
from .passes.specialize import with_sizes
from .program import Program, Specialization, Structure, explain, numbers_among
from .tensor import Tensor, abstract, wrap
from .transforms.tracing import argument_names, static_places, trace_on, with_static

KEPT_SPECIALIZATIONS = 1024  # specialisations that are cached
LATE = 1000  # operations, from which on a trace does not start again for a size that turns out to be a number
# A specialisation, the leaves of the arguments and of what stands outside, the arrays of these, and what stands among them.
Call = tuple[Specialization, list[Any], tuple[np.ndarray, ...], int]

machine_code.append(eager_nodes.maker)


class CompileWarning(UserWarning):
    """A graph could not be compiled and runs in the interpreter."""


class Compiled:
    """What mg.jit returns: a compiled function, called like the original. As the attribute of a class it is a method."""

    __name__: str

    def __init__(self, f: Callable[..., Any], finite: bool = False, static: frozenset[int | str] = frozenset()):
        require_callable("jit", f)
        update_wrapper(self, f, updated=())
        self.__name__ = getattr(f, "__name__", type(f).__name__)
        self.function, self.finite, self.static = f, finite, static
        self.programs: dict[Any, list[Program]] = {}
        self.specializations: dict[Any, Specialization] = {}
        self.latest: Specialization | None = None  # of the call before
        self.unbound = self  # of what bound_to makes, the first one
        self.newest: Program | None = None  # of the unbound one, the program that was made last

    @property
    def owner(self) -> Any:
        """The model that the function is, or whose method it is; else None."""
        found = getattr(self.function, "__self__", self.function)
        return found if is_model(found) else None

    def bound_to(self, owner: Any) -> Compiled:
        """The same compiled function of another model. It shares the programs."""
        f = MethodType(self.function.__func__, owner) if isinstance(self.function, MethodType) else owner
        made = Compiled(f, self.finite, self.static)
        made.programs, made.specializations, made.unbound = self.programs, self.specializations, self.unbound
        return made

    def __reduce__(self) -> Any:
        return importable(self) or (_remade, (), {"function": self.function, "finite": self.finite, "static": self.static})

    def __setstate__(self, state: dict[str, Any]) -> None:
        Compiled.__init__(self, state["function"], state["finite"], state["static"])

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None or isinstance(self.function, staticmethod) else MethodType(self, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if is_tracing():
            return self.function(*args, **kwargs)  # inside another trace it becomes part of that program
        given = args, kwargs
        if self.static:
            args, kwargs = with_static(self.static, args, kwargs)
        call = self._again((args, kwargs)) or self._looked_up(args, kwargs)
        if call is None:
            return self.function(*given[0], **given[1])
        specialization, leaves, arrays, among = call
        try:
            outputs = specialization.run(arrays)
        except MemoryError as error:
            fix = "Sum before you broadcast, or give it smaller batches"
            raise OutOfMemoryError(
                message(specialization.program.graph.name, f"its working memory is more than there is ({error})", fix)
            ) from None
        if self.finite and not all(not is_float(o.dtype) or np.isfinite(o).all() for o in outputs):
            specialization.program.find_not_finite(arrays, specialization.sizes)
        if among and is_paused():
            among = 0
        results = (
            _recorded(specialization, leaves, outputs) if among == RECORDED else specialization.results(leaves, outputs, among == TRAINED)
        )
        return specialization.program.unflatten(results)

    def _again(self, arguments: Any) -> Call | None:
        """The call with the specialisation of the call before, if these arguments fit it."""
        latest = self.latest
        leaves = None if latest is None else latest.structure.flatten(arguments)
        if latest is None or leaves is None:
            return None
        if latest.program.captured is not None:
            outside = latest.program.outside(self.function)
            if outside is None:
                return None
            leaves += outside
        taken = latest.take(leaves)
        return None if taken is None else (latest, leaves, *taken)

    def _looked_up(self, args: Any, kwargs: Any) -> Call | None:
        """The call with a known or a new specialisation; None if an argument is abstract."""
        latest = self.latest  # which another thread may forget
        structure = None if latest is None else latest.structure
        leaves = None if structure is None else structure.leaves((args, kwargs))
        if leaves is None:
            leaves, treedef = tree.flatten((args, kwargs))
            structure = None
        if any(leaf.node.value is None for leaf in leaves if isinstance(leaf, Tensor)):
            return None
        arrays = self._arrays(leaves, args, kwargs)
        structure = structure or structure_of(self.__name__, treedef, leaves)
        signature = (structure, *[(a.dtype, a.shape) for a in arrays])
        specialization = self.specializations.get(signature)
        outside = None if specialization is None else specialization.program.outside(self.function)
        if specialization is None or outside is None:
            if len(self.specializations) >= KEPT_SPECIALIZATIONS:
                self.forget()
            specialization, outside = self._specialization(args, kwargs, leaves, arrays, structure)
            self.specializations[signature] = specialization
        if latest is not None and latest is not specialization:
            latest.keep_none()
        self.latest = specialization
        leaves = [*leaves, *outside]
        return specialization, leaves, (*arrays, *map(as_array, outside)), _among(leaves)

    def forget(self) -> None:
        """Drop the specialisations; the programs stay."""
        self.specializations.clear()
        self.latest = None

    def _specialization(
        self, args: Any, kwargs: Any, leaves: list[Any], arrays: list[np.ndarray], structure: Structure
    ) -> tuple[Specialization, list[Tensor]]:
        """The specialisation for these arguments, of an existing program if they fit one, else of a new program; and what it takes from
        outside."""
        known = self.programs.setdefault((structure, tuple((a.dtype, a.ndim) for a in arrays)), [])
        for program in known:
            outside = program.outside(self.function)
            sizes = None if outside is None else program.sizes([*arrays, *map(as_array, outside)])
            if outside is not None and sizes is not None:
                return Specialization(program, sizes, structure), outside
        made = self._build(args, kwargs, leaves, arrays, structure.treedef, known)
        outside = made.outside(self.function)
        assert outside is not None
        sizes = made.sizes([*arrays, *map(as_array, outside)])
        assert sizes is not None
        known.insert(0, made)
        self.unbound.newest = made
        return Specialization(made, sizes, structure), outside

    def _arrays(self, leaves: Sequence[Any], args: Any, kwargs: Any) -> list[np.ndarray]:
        """The leaves of the arguments as arrays. Raises DTypeError, which names the argument, for what is none."""
        try:
            return [as_array(leaf) for leaf in leaves]
        except DTypeError as error:
            for leaf, name in zip(leaves, argument_names(self.function, args, kwargs), strict=True):
                if not hasattr(leaf, "__array__") and not isinstance(leaf, (int, float, complex)):
                    whole = re.split(r"[.\[]", name)[0]
                    fix = f"If it is no array, compile with mg.jit(f, static_argnames={whole!r}), or make it part of an mg.Module"
                    error.args = (f"{error}\n  in {name}, an argument of {self.__name__}. {fix}",)
                    break
            raise

    def _build(self, args: Any, kwargs: Any, leaves: list[Any], arrays: list[np.ndarray], in_tree: Any, known: list[Program]) -> Program:
        params = [symbolic(i, leaf, a, known) for i, (leaf, a) in enumerate(zip(leaves, arrays, strict=True))]
        names = argument_names(self.function, args, kwargs)
        wanted = {n for p in known if p.captured is not None for n in p.captured.changed(self.function)}
        with collecting_later():
            graph, guards, outside = traced(self.function, params, in_tree, names, wanted)
            return compile_graph(graph, guards, find(self.function, graph.name, [*outside.inputs], outside.constants))

    def specialized(self, *args: Any, **kwargs: Any) -> tuple[Specialization, tuple[np.ndarray, ...]]:
        """The program for these arguments at their sizes, and its arguments: the leaves, then what f takes from outside."""
        call = self._looked_up(*with_static(self.static, args, kwargs))
        if call is None:
            raise AbstractValueError(message(self.__name__, "the arguments have no values", "Give arrays"))
        return call[0], call[2]

    def explain(self) -> str:
        """What was compiled: run-time sizes, passes, phases, loop nests, memory, bytes kept for the gradient; for the newest program."""
        return "\n".join(explain(p) for p in self._newest()) or f"{self.__name__}: nothing compiled yet"

    def scaling(self, *args: Any, threads: Sequence[int] = (2, 4, 8, 16), **kwargs: Any) -> list[Account]:
        """How a call with these arguments scales with threads, by accounting: all parts are done and timed by one thread, so that the
        machine need not have as many cores. What waking threads and waiting for them costs is not in it."""
        call = self._looked_up(*with_static(self.static, args, kwargs))
        executable = None if call is None else call[0].program.executable
        if call is None or executable is None:
            raise MinigradError(
                message(f"{self.__name__}.scaling", "there is no compiled program", "Give values, and compile all operations")
            )
        return call[0].accounts(executable, call[2], threads)

    @property
    def source(self) -> str:
        """The loops of the newest program, as Python that runs."""
        return "\n".join(p.source for p in self._newest() if p.executable is not None)

    @property
    def graph(self) -> Graph:
        """The optimised graph of the newest program."""
        return next(iter(self._newest())).optimized

    def _newest(self) -> list[Program]:
        return [] if self.unbound.newest is None else [self.unbound.newest]


def _remade() -> Compiled:
    return object.__new__(Compiled)


def jit(
    f: Callable[..., Any],
    finite: bool = False,
    static_argnums: int | Iterable[int] = (),
    static_argnames: str | Iterable[str] = (),
) -> Compiled:
    """f compiled to machine code; its arguments are trees of tensors, arrays and numbers. A method is compiled as a function of self and
    the rest. A number stays a number in f (`graph.types`), and the same program serves all numbers of a kind.

    Arguments that are static, by position or by name, are given to f as they are: strings, flags, functions. For another value, or one of
    another type, f is traced and compiled again. A static argument is hashable, or a list, dict or set of hashable values.

    The lengths of a NumPy array's axes are run-time sizes: the same program runs for another batch size or sequence length. Those of
    tensors (parameters) are literal until one of them changes. The use of a size as a Python number (`range(x.shape[0])`) makes it literal.
    Tensors and models that f takes from outside (its closure, its `self`, its defaults, globals) are read anew at each call, with what was
    added to lists and dicts that hold them, and gradients reach them; a parameter that jit cannot find again there is refused. Other values
    from outside are constants, read in the first call. A program with an operation that cannot be compiled runs in the interpreter, with
    one CompileWarning. With `finite`, NaN or infinity in a result raises NonFiniteError, which names the first operation that gave one, its
    line, scope and step (the interpreter runs the same arguments again to find it).

    Environment variables: MINIGRAD_JIT=0 turns compilation off. MINIGRAD_THREADS is the number of threads that a call may use; without it,
    as many as the process has cores. The results are the same to the last bit. MINIGRAD_CHECK=1 compares the first call for each set of
    sizes (=all: every call) with the interpreter, and raises CheckError.
    """
    require_callable("jit", f)
    return Compiled(f, finite, static_places(f, static_argnums, static_argnames))


def structure_of(name: str, treedef: tree.TreeDef, leaves: list[Any]) -> Structure:
    """The structure of a call's arguments. Raises DTypeError, which names what is not hashable."""
    try:
        return Structure(treedef, numbers_among(leaves))
    except TypeError:
        fix = "Give arrays as ordinary arguments or parts of a Module, and all else as hashable values, such as frozen dataclasses"
        raise dtype_error(name, f"{tree.unhashable(treedef)}, which is not hashable", fix) from None


def as_array(leaf: Any) -> np.ndarray:
    """The array of an argument that is a tensor, an array or a number: its own memory where that may be."""
    if type(leaf) is Tensor:
        return np.asarray(leaf.node.value, order="C")
    if type(leaf) is np.ndarray and leaf.dtype in OWN:
        return np.asarray(leaf, order="C")
    if isinstance(leaf, (np.ndarray, int, float, np.generic)) and not isinstance(leaf, np.ma.MaskedArray):
        array = np.asarray(leaf, order="C")
        if array.dtype in OWN:
            return array
    return np.asarray(argument(leaf).numpy(), order="C")


def _among(leaves: Sequence[Any]) -> int:
    """What stands among the arguments of a call."""
    tracked = [leaf.node for leaf in leaves if isinstance(leaf, Tensor) and leaf.node.tracked]
    return RECORDED if any(n.args for n in tracked) else TRAINED if tracked else 0


def _recorded(specialization: Specialization, leaves: Sequence[Any], outputs: Sequence[np.ndarray]) -> list[Tensor]:
    """Results as one call of the graph, so that gradients outside can be taken through it."""
    graph = specialization.graph
    nodes = tuple(argument(leaf).node for leaf in leaves)
    called = Node(CALL, nodes, {"graph": graph, "rule": None}, graph.out_types, tuple(outputs))
    return list(wrap(called))


def compile_graph(graph: Graph, guards: Guards, captured: Captured | None = None) -> Program:
    """The graph as a program: compiled, or with a CompileWarning one that the interpreter runs."""
    passes: list[str] = [*graph.cache.get("loops", ())]
    with dims.deciding(guards):
        if not machine_code_is_off():
            foresee(products(graph))
        optimized = optimize(graph, passes.append)
        if machine_code_is_off():
            return Program(graph, guards, optimized, None, passes, "MINIGRAD_JIT=0", captured)
        try:
            return Program(graph, guards, optimized, Executable(lower(optimized)), passes, captured=captured)
        except Unsupported as reason:
            what = f"{graph.name} runs in the interpreter: the compiler has no loops for {reason}"
            warnings.warn(what, CompileWarning, stacklevel=4)
            return Program(graph, guards, optimized, None, passes, str(reason), captured)


def symbolic(position: int, leaf: Any, array: np.ndarray, known: Sequence[Program]) -> Tensor:
    """An abstract argument. An axis is a run-time size if the argument is data, or a tensor that had another length before."""

    def length(axis: int, n: int) -> Extent:
        earlier = [p.graph.params[position].type.shape[axis] for p in known]
        changes = any(isinstance(m, int) and m != n for m in earlier)
        if n == 0 or not (isinstance(leaf, np.ndarray) or changes):
            return n
        return Dim.of(Symbol(f"n{position}_{axis}", n))

    if is_number(leaf):
        return stand_in(argument(leaf))
    return abstract(TensorType(tuple(length(a, n) for a, n in enumerate(array.shape)), OWN[array.dtype]))


def traced(
    f: Callable[..., Any], params: list[Tensor], in_tree: Any, names: Sequence[str], wanted: Collection[Node]
) -> tuple[Graph, Guards, Outside]:
    """Trace f. When f or an operation needs the number of a run-time size, tracing starts again with that size fixed; where much was
    traced already, the size is replaced in the graph."""
    while True:
        outside, guards = Outside(wanted), Guards(late=_is_late)
        notes: list[str] = []
        try:
            with dims.deciding(guards), noting(notes):
                graph = trace_on(f, params, in_tree, names, getattr(f, "__name__", "function"), outside, True)
            graph, guards = _settled(graph, guards)
            graph.cache["loops"] = notes
            return graph, guards, outside
        except Exception as error:
            bound = error.added_to(guards.bound) if isinstance(error, Bind) else guards.bound
            if not bound:
                if isinstance(error, MinigradError):
                    error.args = (f"{error}{_sizes_named(str(error), [p.type for p in params], names)}",)
                raise
            types = [TensorType(tuple(dims.substitute(n, bound) for n in p.shape), p.node.type.dtype) for p in params]
            params = [renewed(p, abstract(t).node) for p, t in zip(params, types, strict=True)]


def _is_late() -> bool:
    """Whether so much was traced that starting again would cost more than putting sizes into the graph."""
    table = table_of_trace()
    return table is not None and len(table) > LATE


def _settled(graph: Graph, guards: Guards) -> tuple[Graph, Guards]:
    """The graph and its guards with the bound sizes replaced. Raises what is wrong with it then."""
    if not guards.bound:
        return graph, guards
    graph, rest = with_sizes(graph, lambda n: dims.substitute(n, guards.bound)), guards.settled()
    with dims.deciding(rest):
        check(graph)
    return graph, rest


def _sizes_named(text: str, types: Sequence[TensorType], names: Sequence[str]) -> str:
    """An explanation of the run-time sizes in a message: their numbers, and the arguments and axes they belong to."""
    axes = [(n, i, name) for t, name in zip(types, names, strict=True) for i, n in enumerate(t.shape) if isinstance(n, Dim)]
    named = {
        str(n): rf"(?<![a-zA-Z0-9]){n}(?![0-9])" for n, _, _ in axes
    }  # also in the name of a size that is derived from it: ceil_n0_0_2
    found = {str(n): f"{n} = {n.hint}, axis {i} of {name}" for n, i, name in reversed(axes) if re.search(named[str(n)], text)}
    return "".join(f"\n  where {found[n]}" for n in sorted(found))
