"""The NumPy interpreter: it defines what a graph means."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..errors import NonFiniteError, at
from ..graph.ir import Graph, Node
from ..graph.types import is_float

# Called with every node, its value, and the current steps of the loops around it, the outermost loop first.
Watch = Callable[[Node, Any, tuple[int, ...]], None]

# The function with which an operation runs its bodies: (graph, arrays, step=…) -> arrays.
Run = Callable[..., list[Any]]


class Instruction(NamedTuple):
    node: Node
    rule: Callable[..., Any]
    args: tuple[int, ...]
    attrs: dict[str, Any]
    out: int
    nested: bool
    dead: tuple[int, ...]


class Plan(NamedTuple):
    """The execution plan of a graph: the register of each value, and when the value is no longer needed."""

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
    """The outputs for these arrays. `watch` is called with every value. With `complex`, operations use their rules for complex numbers
    (for complex-step differentiation)."""
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


def nan_watch(node: Node, value: Any, steps: tuple[int, ...]) -> None:
    """A watch that raises NonFiniteError at the first value that is not finite. The error names the operation, line, scope and step."""
    for array in value if isinstance(value, tuple) else (value,):
        if is_float(array.dtype) and not np.isfinite(array).all():
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
