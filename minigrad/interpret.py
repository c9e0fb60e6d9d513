"""The NumPy interpreter: it defines what a graph means."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from .dims import Dim, Symbol, evaluate, symbol_of
from .errors import GraphError, NonFiniteError, at
from .ir import Graph, Node
from .types import TensorType

# Called with every node, its value and the steps of the loops around it, outermost first.
Watch = Callable[[Node, Any, tuple[int, ...]], None]


class Instruction(NamedTuple):
    node: Node
    rule: Callable[..., Any]
    args: tuple[int, ...]
    attrs: dict[str, Any]
    out: int
    nested: bool
    dead: tuple[int, ...]


class Plan(NamedTuple):
    """A graph laid out for execution: which register each value has and when it can go."""

    size: int
    constants: list[tuple[int, np.ndarray]]
    instructions: list[Instruction]
    outputs: tuple[int, ...]


def plan(graph: Graph, complex: bool) -> Plan:
    if ("plan", complex) not in graph.cache:
        graph.cache["plan", complex] = _plan(graph, complex)
    return graph.cache["plan", complex]


def _plan(graph: Graph, complex: bool) -> Plan:
    register = {p: i for i, p in enumerate(graph.params)}
    constants, last_use, todo = [], {}, []
    for node in graph.nodes:
        register[node] = len(register)
        if node.is_constant:
            constants.append((register[node], node.value))
        else:
            todo.append(node)
            last_use.update(dict.fromkeys(node.args, node))
    kept = set(graph.outputs) | set(graph.params)
    instructions = []
    for node in todo:
        rule = node.op.complex if complex and node.op.complex else node.op.numpy
        dead = tuple(register[a] for a in dict.fromkeys(node.args) if last_use[a] is node and a not in kept and not a.is_constant)
        nested = any(isinstance(v, Graph) for v in node.attrs.values())
        args = tuple(register[a] for a in node.args)
        instructions.append(Instruction(node, rule, args, node.attrs, register[node], nested, dead))
    return Plan(len(register), constants, instructions, tuple(register[o] for o in graph.outputs))


def run(
    graph: Graph,
    args: Sequence[np.ndarray],
    watch: Watch | None = None,
    complex: bool = False,
    steps: tuple[int, ...] = (),
    step: int | None = None,
) -> list[Any]:
    """The outputs for these arrays. `watch` sees every value; `complex` follows analytic continuations (for the complex step)."""
    if step is not None:
        steps = (*steps, step)
    p = plan(graph, complex)
    values: list[Any] = [*args, *([None] * (p.size - len(args)))]
    for i, constant in p.constants:
        values[i] = constant
    if watch is not None:
        for node, value in zip(graph.params, args, strict=True):
            watch(node, value, steps)
    nested = partial(run, watch=watch, complex=complex, steps=steps) if watch is not None or complex else None
    with np.errstate(all="ignore"):
        for _node, rule, inputs, attrs, out, has_body, dead in p.instructions:
            found = [values[i] for i in inputs]
            value = rule(*found, **attrs, run=nested) if has_body and nested else rule(*found, **attrs)
            values[out] = value
            if watch is not None:
                watch(_node, value, steps)
            else:
                for i in dead:
                    values[i] = None
    return [values[i] for i in p.outputs]


def evaluate_graph(graph: Graph, args: Sequence[np.ndarray], watch: Watch | None = None) -> list[np.ndarray]:
    """Like run, for a graph that may have run-time sizes: they are read off the arguments."""
    sizes = bind(graph.in_types, [np.shape(a) for a in args])
    found = run(resolve(graph, sizes) if sizes else graph, args, watch)
    return [np.asarray(v) for v in found]


def bind(types: Sequence[TensorType], shapes: Sequence[tuple[int, ...]]) -> dict[Symbol, int]:
    """The value of each run-time size for arguments of these shapes. Raises GraphError where they contradict each other."""
    sizes: dict[Symbol, int] = {}
    for type_, shape in zip(types, shapes, strict=True):
        for n, size in zip(type_.shape, shape, strict=True):
            symbol = symbol_of(n)
            if symbol is not None:
                sizes.setdefault(symbol, size)
    for type_, shape in zip(types, shapes, strict=True):
        if tuple(evaluate(n, sizes) for n in type_.shape) != tuple(shape):
            raise GraphError(f"an argument of shape {shape} does not fit {type_}")
    return sizes


def resolve(graph: Graph, sizes: Mapping[Symbol, int]) -> Graph:
    """The graph with numbers for its run-time sizes."""
    new: dict[Node, Node] = {}
    for node in (*graph.params, *graph.nodes):
        if node.is_constant:
            new[node] = node
            continue
        attrs = {k: _resolved(v, sizes) for k, v in node.attrs.items()}
        new[node] = Node(node.op, tuple(new[a] for a in node.args), attrs, _resolved(node.type, sizes), node.value, node.name, node.origin)
    params, outputs = (tuple(new[n] for n in group) for group in (graph.params, graph.outputs))
    return Graph(params, outputs, graph.name, graph.in_tree, graph.out_tree)


def _resolved(value: Any, sizes: Mapping[Symbol, int]) -> Any:
    if isinstance(value, Dim):
        return evaluate(value, sizes)
    if isinstance(value, TensorType):
        return TensorType(_resolved(value.shape, sizes), value.dtype)
    if isinstance(value, tuple):
        return tuple(_resolved(v, sizes) for v in value)
    return resolve(value, sizes) if isinstance(value, Graph) else value


def nan_watch(node: Node, value: Any, steps: tuple[int, ...]) -> None:
    """A watch that raises NonFiniteError at the first value that is not finite, naming op, place, scope and step."""
    for array in value if isinstance(value, tuple) else (value,):
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            bad = np.argwhere(~np.isfinite(array))[0]
            where = tuple(map(int, bad))
            side = "the gradient" if node.origin.vjp_of is not None else "the forward pass"
            of = f" of {node.origin.vjp_of.op.name}" if node.origin.vjp_of is not None else ""
            time = f", at step {'.'.join(map(str, steps))}" if steps else ""
            raise NonFiniteError(
                f"{node.op.name}: {array[where]} at index {where} of {node.type} {node.name or ''}".rstrip()
                + f", in {side}{of}{time}"
                + at(node.origin)
            )
