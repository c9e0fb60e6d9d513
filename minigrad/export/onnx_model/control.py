"""ONNX forms of loops and branches. A graph inside reads the names of those around it, so constants of a loop are not its inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...control.scan import split
from ...graph.dims import Extent, identical
from ...graph.ir import Graph, Node
from ...graph.types import BOOL, INT, TensorType
from .writer import Rule, Writer, info, known_refusal

Side = Callable[[Writer], list[str]]


def _several(found: Any) -> list[str]:
    return found if isinstance(found, list) else [found]


def scan(
    w: Writer, node: Node, *args: str, body: Graph, constants: int, carries: int, length: Extent, reverse: bool, save: str
) -> list[str]:
    """A Scan, which the runtime refuses without steps: then the carries as they are."""
    fixed, carry, xs = split(args, constants, carries)

    def steps(w: Writer) -> list[str]:
        return _scan(w, node, fixed, carry, xs)

    def none(w: Writer) -> list[str]:
        return [*carry, *(w.op("Expand", np.zeros((), t.dtype), w.vector(t.shape)) for t in node.type[carries:])]

    if identical(length, 0):
        return none(w)
    if isinstance(length, int) or (length.lower or 0) > 0:
        return steps(w)
    some = w.op("Squeeze", w.op("Greater", w.extent(length), np.array([0])), np.array([0]))
    return _branch(w, some, steps, none, node.type, body.name)


def _scan(w: Writer, node: Node, fixed: Sequence[str], carry: Sequence[str], xs: Sequence[str]) -> list[str]:
    body, ways = node.attrs["body"], [int(node.attrs["reverse"])]
    params = body.params[len(fixed) :]
    names = [w.fresh(p.name or "x") for p in params]
    inner, outs = w.inside(body, fixed, names)
    inputs = [info(n, p.type) for n, p in zip(names, params, strict=True)]
    if not xs:  # from a sequence a Scan knows the number of steps
        xs = (w.iota(node.attrs["length"]),)
        inputs.append(info(w.fresh("t"), TensorType((), INT)))
    ys = len(node.type) - len(carry)
    graph = inner.finished(body.name, inputs, [info(o, t) for o, t in zip(outs, body.out_types, strict=True)])
    directions: dict[str, Any] = {"scan_input_directions": ways * len(xs), **({"scan_output_directions": ways * ys} if ys else {})}
    return _several(w.op("Scan", *carry, *xs, outputs=len(node.type), body=graph, num_scan_inputs=len(xs), name=body.name, **directions))


def _branch(w: Writer, condition: str, then: Side, otherwise: Side, types: Sequence[TensorType], name: str) -> list[str]:
    """An If; each side writes its nodes and gives the names of its results."""
    graphs = []
    for side in (then, otherwise):
        inner = w.within()
        outs = inner.as_outputs(side(inner))
        graphs.append(inner.finished(name, [], [info(o, t) for o, t in zip(outs, types, strict=True)]))
    return _several(w.op("If", condition, outputs=len(types), then_branch=graphs[0], else_branch=graphs[1]))


def cond(w: Writer, node: Node, condition: str, *args: str, then: Graph, otherwise: Graph) -> list[str]:
    return _branch(w, condition, lambda w: w.graph(then, args), lambda w: w.graph(otherwise, args), node.type, then.name)


def while_loop(w: Writer, node: Node, *args: str, condition: Graph, body: Graph, constants: int) -> list[str]:
    fixed, carry = args[:constants], args[constants:]
    (going,) = w.graph(condition, args)
    params = body.params[constants:]
    names = [w.fresh(p.name or "carry") for p in params]
    inner, outs = w.inside(body, fixed, names)
    outs = inner.as_outputs([*inner.graph(condition, [*fixed, *outs]), *outs])
    flag = TensorType((), BOOL)
    inputs = [info(w.fresh("t"), TensorType((), INT)), info(w.fresh("going"), flag), *map(info, names, body.in_types[constants:])]
    graph = inner.finished(body.name, inputs, [info(o, t) for o, t in zip(outs, (flag, *body.out_types), strict=True)])
    return _several(w.op("Loop", "", going, *carry, outputs=len(node.type), body=graph, name=body.name))


def call(w: Writer, node: Node, *args: str, graph: Graph, rule: Any) -> list[str]:
    return w.graph(graph, args)


def kernel(w: Writer, node: Node, *args: str, own: Any) -> list[str]:
    raise known_refusal(node)


def item(w: Writer, node: Node, values: list[str], index: int) -> str:
    return values[index]


CONTROL: dict[str, Rule] = {"scan": scan, "cond": cond, "while_loop": while_loop, "call": call, "kernel": kernel, "item": item}
