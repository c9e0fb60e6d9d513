"""ONNX forms of loops and branches. A graph inside reads the names of those around it, so constants of a loop are not its inputs."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...control.scan import split
from ...graph.dims import Extent, identical
from ...graph.ir import Graph, Node
from ...graph.types import BOOL, INT, TensorType
from .writer import Rule, Writer, info


def _several(found: Any) -> list[str]:
    return found if isinstance(found, list) else [found]


def scan(
    w: Writer, node: Node, *args: str, body: Graph, constants: int, carries: int, length: Extent, reverse: bool, save: str
) -> list[str]:
    fixed, carry, xs = split(args, constants, carries)
    if identical(length, 0):  # the runtime refuses a Scan without steps
        empty = [w.op("Expand", np.zeros((), t.dtype), w.vector(t.shape)) for t in node.type[carries:]]
        return [*carry, *empty]
    params = body.params[constants:]
    names = [w.fresh(p.name or "x") for p in params]
    inner, outs = w.inside(body, fixed, names, body.name)
    inputs = [info(n, p.type) for n, p in zip(names, params, strict=True)]
    if not xs:  # from a sequence a Scan knows the number of steps
        xs = (w.iota(length),)
        inputs.append(info(w.fresh("t"), TensorType((), INT)))
    way, ys = [int(reverse)], len(node.type) - carries
    graph = inner.finished(body.name, inputs, [info(o, t) for o, t in zip(outs, body.out_types, strict=True)])
    directions = {"scan_input_directions": way * len(xs), "scan_output_directions": way * ys}
    return _several(w.op("Scan", *carry, *xs, outputs=len(node.type), body=graph, num_scan_inputs=len(xs), name=body.name, **directions))


def cond(w: Writer, node: Node, condition: str, *args: str, then: Graph, otherwise: Graph) -> list[str]:
    sides = {}
    for side, graph in (("then_branch", then), ("else_branch", otherwise)):
        inner, outs = w.inside(graph, args, [], graph.name)
        sides[side] = inner.finished(graph.name, [], [info(o, t) for o, t in zip(outs, graph.out_types, strict=True)])
    return _several(w.op("If", condition, outputs=len(node.type), **sides))


def while_loop(w: Writer, node: Node, *args: str, condition: Graph, body: Graph, constants: int) -> list[str]:
    fixed, carry = args[:constants], args[constants:]
    (going,) = w.graph(condition, args)
    params = body.params[constants:]
    names = [w.fresh(p.name or "carry") for p in params]
    inner, outs = w.inside(body, fixed, names, body.name)
    (again,) = inner.graph(condition, [*fixed, *outs])
    outs = [inner.op("Identity", again), *outs]
    flag = TensorType((), BOOL)
    inputs = [info(w.fresh("t"), TensorType((), INT)), info(w.fresh("going"), flag), *map(info, names, body.in_types[constants:])]
    graph = inner.finished(body.name, inputs, [info(o, t) for o, t in zip(outs, (flag, *body.out_types), strict=True)])
    return _several(w.op("Loop", "", going, *carry, outputs=len(node.type), body=graph, name=body.name))


def call(w: Writer, node: Node, *args: str, graph: Graph, rule: Any) -> list[str]:
    return w.graph(graph, args)


def item(w: Writer, node: Node, values: list[str], index: int) -> str:
    return values[index]


CONTROL: dict[str, Rule] = {"scan": scan, "cond": cond, "while_loop": while_loop, "call": call, "item": item}
