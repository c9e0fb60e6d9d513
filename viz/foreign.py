"""Graphs of other libraries: the jaxpr of jax.make_jaxpr, the program of torch.export. Drawing imports none of these libraries itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import minigrad as mg
from minigrad import Graph, Tensor, tree
from minigrad.graph.ir import Node
from minigrad.graph.types import TensorType, unify_types
from minigrad.ops.numbers import argument

from .errors import DrawingError

LIBRARIES = {"ClosedJaxpr": "jax", "Jaxpr": "jax", "ExportedProgram": "torch"}  # {the type of a graph: its library}


def bridge(what: Any) -> Any:
    """The bridge of minigrad.export that reads what is the graph of another library; None for anything else."""
    library = LIBRARIES.get(type(what).__name__)
    if library == "jax" and not hasattr(what, "consts"):  # before JAX 0.11 a Jaxpr is a part of a ClosedJaxpr
        return None
    return getattr(mg.export, library) if library and type(what).__module__.partition(".")[0] == library else None


def notes(what: Any) -> list[str]:
    """What the graph of another library computes that no drawing of it shows."""
    found = bridge(what)
    return [] if found is None else found.notes(what)


def leaves(what: Any, graph: Graph, args: Sequence[Any]) -> list[Tensor]:
    """The arguments as tensors, one for each param of the graph. Raises DrawingError where they do not fit."""
    library = bridge(what)
    found = [Tensor(argument(leaf).node) for leaf in (tree.leaves(list(args)) if library is None else library.leaves(what, args))]
    if len(found) != len(graph.params):
        raise DrawingError(f"drawing: {graph.name} takes {len(graph.params)} arrays, got {len(found)}: gradients need example arguments")
    for param, t in zip(graph.params, found, strict=True):
        if library is not None and not unify_types(param.type, t.type):
            raise DrawingError(f"drawing: {graph.name} takes {param.name}: {param.type}, got {t.type}; it was traced for these types")
    return found


def require_real(nodes: Iterable[Node]) -> None:
    """Raises DrawingError where a value is complex: a gradient would leave out what passes it."""
    for node in nodes:
        if isinstance(node.type, TensorType) and node.type.dtype.kind == "c":
            raise DrawingError(
                f"drawing: {node.op.symbol} is {node.type}, and there are no gradients of complex numbers here: draw it without"
            )
