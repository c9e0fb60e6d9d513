"""From a graph to a program of loops, in phases."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..dims import Shape, Symbol, symbols
from ..ir import Graph, Node
from .block import DTYPES, HI, LO, Inline, Main, Program, Unsupported, note
from .loops import Buffer, Function, Index, Size, as_index
from .storage import Stored, count, row_major

__all__ = ["Lowered", "Phase", "Unsupported", "lower"]


@dataclass(frozen=True)
class Phase:
    """A part of a program. With an extent it may run as shards, each doing its rows lo … hi of 0 … extent."""

    function: Function
    extent: Index | None


@dataclass(frozen=True)
class Lowered:
    """A program as phases that run one after the other on the same arguments: the graph's params, `constants`, outputs."""

    phases: tuple[Phase, ...]
    constants: tuple[np.ndarray, ...]
    sizes: tuple[Symbol, ...]
    checks: tuple[tuple[Node, str], ...]
    clusters: tuple[str, ...]


def lower(graph: Graph, name: str = "program", split: bool = True) -> Lowered:
    """The loops of a graph: inputs are its params and then its constants; without `split` all in one phase. Raises Unsupported."""
    program = Program(split=split)
    inputs: list[Buffer] = []

    def argument(node: Node) -> Stored:
        dtype = str(node.type.dtype)
        if dtype not in DTYPES:
            raise Unsupported(f"dtype {dtype}")
        inputs.append(Buffer(f"x{len(inputs)}", dtype, count(node.type.shape)))
        return _whole(inputs[-1], node.type.shape)

    params: dict[Node, Stored | Inline] = {p: argument(p) for p in graph.params}
    constants = _constants(graph)
    program.constants.update((c, argument(c)) for c in constants)
    outputs = [_whole(Buffer(f"y{i}", str(o.type.dtype), count(o.type.shape)), o.type.shape) for i, o in enumerate(graph.outputs)]
    targets = dict(reversed(list(zip(graph.outputs, outputs, strict=True))))
    main = Main(program, graph, params, targets)
    main.lower()
    for o, place in zip(graph.outputs, outputs, strict=True):
        if targets[o] is not place:
            main.copy(place, targets[o].load, note(o))
    main.finish()
    found = symbols(n for p in graph.params for n in p.type.shape)
    sizes = (*(Size(s.name) for s in found), LO, HI)
    arguments = tuple(inputs), tuple(o.buffer for o in outputs), sizes, tuple(program.pool.buffers)
    phases = tuple(Phase(Function(f"{name}_{i}", *arguments, tuple(body)), rows) for i, (body, rows) in enumerate(program.phases))
    values = tuple(np.asarray(c.value, order="C") for c in constants)
    return Lowered(phases, values, found, tuple(program.checks), tuple(program.clusters))


def _whole(buffer: Buffer, shape: Shape) -> Stored:
    return Stored(buffer, as_index(0), row_major(shape), shape)


def _constants(graph: Graph) -> list[Node]:
    """Arrays that stand in the graph and its bodies."""
    found = [n for n in graph.constants if n.type.shape or n.op.name == "parameter"]
    for body in graph.bodies():
        found += _constants(body)
    return list(dict.fromkeys(found))
