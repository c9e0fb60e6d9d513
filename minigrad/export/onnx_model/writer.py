"""The writer of ONNX graphs: nodes, constants, run-time sizes, checks, and graphs inside graphs."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from onnx import GraphProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from ...errors import GraphError, message
from ...graph import derived, dims
from ...graph.dims import Dim, Extent, Symbol
from ...graph.ir import Graph, Node
from ...graph.types import HALVES, INT, TensorType
from ...primitives.movement import broadcast
from ..refusal import Refusal

INT64 = TensorProto.INT64
Rule = Callable[..., Any]  # (writer, node, *names of its arguments, **attrs) -> the name of its value, or a list of several


_UINT64 = Refusal("uint64", "onnxruntime does not compute it in uint64", "Convert with .astype('int64')")
REFUSALS = {
    "erf": Refusal("float64", "onnxruntime has no erf in float64", "Convert with .astype('float32')"),
    "kernel": Refusal("", "a kernel of the user's (mg.kernel), which ONNX cannot call", "Write it with mg.scan"),
    **dict.fromkeys(("bitcast", "nextafter"), Refusal("", "ONNX has no view of the bits of a number", "Leave it out of what is exported")),
    "pow": Refusal("integers", "onnxruntime computes powers of integers in float64, which is not exact", "Multiply, or convert to a float"),
    **dict.fromkeys(("argmax", "argsort", "floor_divide", "max", "min", "remainder"), _UINT64),
}


def known_refusal(node: Node) -> GraphError:
    """The error of the table above for an operation."""
    _, why, fix = REFUSALS[node.op.name]
    return refused(node, why, fix)


def refused(node: Node, problem: str, fix: str = "") -> GraphError:
    """The error for an operation that has no ONNX form."""
    types = ", ".join(str(a.type) for a in node.args)
    return GraphError(message("export.onnx", f"{node.op.name}({types}): {problem}", fix, node.origin))


class Writer:
    """The nodes of one ONNX graph. A graph inside reads the names of those around it; constants and sizes are the outermost graph's."""

    def __init__(self, rules: Mapping[str, Rule], weights: Mapping[Node, str], root: Writer | None = None):
        self.rules, self.weights = rules, weights
        self.root: Writer = root or self
        self.nodes: list[NodeProto] = []
        if root is None:
            self.taken: set[str] = set()
            self.numbers = itertools.count()
            self.initializers: dict[Any, TensorProto] = {}
            self.sizes: dict[Any, str] = {}

    # ---- names and nodes

    def own(self, name: str) -> str:
        """This name if it is free, else with a number behind."""
        tries = (name if i == 0 else f"{name}_{i}" for i in itertools.count())
        found = next(t for t in tries if t not in self.root.taken)
        self.root.taken.add(found)
        return found

    def fresh(self, hint: str) -> str:
        return self.own(f"{hint}_{next(self.root.numbers)}")

    def op(self, kind: str, *inputs: Any, outputs: int = 1, name: str | None = None, of: str = "", **attrs: Any) -> Any:
        """Adds a node, whose inputs are names or values. Gives the name of its output, or a list of several. `of` names the node itself."""
        names = [self.fresh(name or kind) for _ in range(outputs)]
        given = [i if isinstance(i, str) else self.constant(i) for i in inputs]
        self.nodes.append(helper.make_node(kind, given, names, name=self.own(of) if of else names[0], **attrs))
        return names[0] if outputs == 1 else names

    def constant(self, value: Any) -> str:
        """A number or a small array; equal ones are one initialiser."""
        array = np.asarray(value)
        return self._initializer((array.dtype.str, array.shape, array.tobytes()), array, "c")

    def weight(self, node: Node) -> str:
        """A constant of the program, under the name of the parameter that it is."""
        if node not in self.weights and node.name is None:
            return self.constant(node.value)
        return self._initializer(node, np.asarray(node.value), self.weights.get(node) or node.name or "c")

    def _initializer(self, key: Any, array: np.ndarray, name: str) -> str:
        known = self.root.initializers
        if key not in known:
            found = self.own(name) if isinstance(key, Node) else self.fresh(name)
            known[key] = numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), found)
        return known[key].name

    def cast(self, x: str, dtype: Any) -> str:
        return self.op("Cast", x, to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    # ---- run-time sizes, which are computed once, in the outermost graph

    def extent(self, n: Extent) -> str:
        """int64(1)."""
        if not isinstance(n, Dim):
            return self.constant(np.array([n], INT))
        top = self.root
        if n not in top.sizes:
            total = ""
            for symbols, factor in n.terms:
                term = top.constant(np.array([factor], INT)) if factor != 1 or not symbols else ""
                for s in symbols:
                    term = top.op("Mul", term, top.symbol(s)) if term else top.symbol(s)
                total = top.op("Add", total, term) if total else term
            top.sizes[n] = total
        return top.sizes[n]

    def symbol(self, s: Symbol) -> str:
        """int64(1). A derived size is computed from those that it is derived from."""
        if s not in self.sizes:
            of = [self.extent(n) for n in s.of]
            self.sizes[s] = DERIVED[s.f](self, *of)
        return self.sizes[s]

    def vector(self, extents: Sequence[Extent]) -> str:
        """int64(n)."""
        key = tuple(extents)
        if not any(isinstance(n, Dim) for n in key):
            return self.constant(np.array(key, INT))
        top = self.root
        if key not in top.sizes:
            top.sizes[key] = top.op("Concat", *map(top.extent, key), axis=0)
        return top.sizes[key]

    def scalar(self, n: Extent) -> str:
        """int64()."""
        return self.op("Squeeze", self.extent(n), np.array([0])) if isinstance(n, Dim) else self.constant(np.array(n, INT))

    def iota(self, n: Extent) -> str:
        """0 … n−1, int64."""
        return self.op("Range", np.array(0), self.scalar(n), np.array(1))

    def reshape(self, x: str, shape: Sequence[Extent]) -> str:
        """x in a shape; if one size of it is a run-time size, it is left to be found."""
        free = [isinstance(n, Dim) for n in shape]
        if sum(free) != 1 or any(dims.identical(n, 0) for n in shape):
            return self.op("Reshape", x, self.vector(shape), allowzero=1)
        return self.op("Reshape", x, self.vector([-1 if f else n for n, f in zip(shape, free, strict=True)]))

    # ---- checks

    def failing(self, ok: str, text: str) -> str:
        """int64(), 0 where all of ok holds. Otherwise the runtime stops here, and its error has this text as the name of the node."""
        wrong = self.op("ReduceSum", self.op("Cast", self.op("Not", ok), to=INT64), keepdims=0)
        return self.op("Gather", np.zeros(1, INT), wrong, of=text)

    def after(self, check: str, x: str) -> str:
        """x, once the check has passed."""
        return self.op("Reshape", x, self.op("Add", self.op("Shape", x), check), allowzero=1)

    # ---- graphs

    def graph(self, graph: Graph, args: Sequence[Any]) -> list[Any]:
        """The graph's nodes, on the names of its arguments; the names of its outputs."""
        values = _Values(self, dict(zip(graph.params, args, strict=True)))
        for node in graph.nodes:
            if not (node.op is broadcast and not node.is_constant):
                values.add(node)
        return [values[o] for o in graph.outputs]

    def within(self) -> Writer:
        """The writer of a graph inside this one."""
        return Writer(self.rules, self.weights, self.root)

    def inside(self, graph: Graph, outer: Sequence[str], given: Sequence[str]) -> tuple[Writer, list[str]]:
        """The writer of a graph inside, and the names of its outputs, for the graph on names outside and then on names given inside."""
        inner = self.within()
        return inner, inner.as_outputs(inner.graph(graph, [*outer, *given]))

    def as_outputs(self, names: Sequence[str]) -> list[str]:
        """Names that may be outputs of this graph: each made by a node of it, and none twice."""
        made, found = {o for n in self.nodes for o in n.output}, list[str]()
        for name in names:
            found.append(name if name in made and name not in found else self.op("Identity", name))
        return found

    def finished(self, name: str, inputs: Sequence[ValueInfoProto], outputs: Sequence[ValueInfoProto]) -> GraphProto:
        return helper.make_graph(self.nodes, name, inputs, outputs, [*self.initializers.values()] if self.root is self else [])


class _Values:
    """The names of values of a graph. A broadcast is written when it is needed: operations on elements broadcast by themselves."""

    def __init__(self, writer: Writer, names: dict[Node, Any]):
        self.writer, self.names = writer, names

    def __getitem__(self, node: Node) -> Any:
        if node not in self.names:
            self.add(node)
        return self.names[node]

    def add(self, node: Node) -> None:
        w = self.writer
        _require_known(node)
        if node.is_constant:
            self.names[node] = w.weight(node)
            return
        if node.op.name not in w.rules:  # an operation of the user's
            raise refused(node, "it has no ONNX form", "Make it of operations of minigrad")
        self.names[node] = w.rules[node.op.name](w, node, *self._arguments(node), **node.attrs)

    def _arguments(self, node: Node) -> list[Any]:
        small = [a.op is broadcast and not a.is_constant for a in node.args]
        if not node.op.elementwise or all(small):
            return [self[a] for a in node.args]
        return [self[a.args[0] if s else a] for a, s in zip(node.args, small, strict=True)]


def _require_known(node: Node) -> None:
    for t in node.type if isinstance(node.type, tuple) and not isinstance(node.type, TensorType) else (node.type,):
        if t.dtype in HALVES:
            raise refused(node, f"{t.dtype} is not exported, for nothing is computed in it", "Convert with .astype('float32')")


def info(name: str, type_: TensorType) -> ValueInfoProto:
    """A name with its type; run-time sizes have their names."""
    shape = [repr(n) if isinstance(n, Dim) else n for n in type_.shape]
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(type_.dtype), shape)


def _quotient(w: Writer, n: str, m: str) -> str:
    return w.op("Div", w.op("Add", n, w.op("Sub", m, np.array([1]))), m)


def _root(w: Writer, n: str) -> str:
    """Exact: the square root of an integer below 2⁵³."""
    return w.cast(w.op("Ceil", w.op("Sqrt", w.cast(n, np.float64))), INT)


DERIVED: dict[Any, Rule] = {derived.quotient: _quotient, derived.least_root: _root}
