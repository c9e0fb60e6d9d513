"""A minigrad function as an ONNX file: loops are Scan, branches If, run-time sizes stay free, parameters are initialisers by name."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from .. import missing

try:
    from onnx import ModelProto, checker, helper, save_model
except ModuleNotFoundError as error:
    raise missing("onnx", error) from None

from ... import tree
from ...captured import reachable
from ...errors import GraphError, message, require_callable, setting_error
from ...graph import dims
from ...graph.dims import Bind, Dim, Extent, Guards, Symbol
from ...graph.ir import Graph, Node
from ...graph.types import HALVES, TensorType
from ...ops.numbers import argument, is_number, stand_in
from ...passes.pipeline import optimize
from ...tensor import Tensor, abstract
from ...transforms.tracing import argument_names, trace_on
from .arrays import ARRAYS
from .control import CONTROL
from .elementwise import ELEMENTWISE
from .writer import Rule, Writer, info

__all__ = ["OPSET", "RULES", "onnx"]

OPSET = 18  # the first with the axes of every reduction as inputs; read by onnxruntime from 1.14 (2023) on
IR_VERSION = 8  # of the same time
LARGEST = 2**31 - 2**24  # bytes of weights in the file itself, which holds 2 GiB with its nodes

RULES: dict[str, Rule] = {**ELEMENTWISE, **ARRAYS, **CONTROL}

Axes = Mapping[str, Sequence[str | None]]
WHAT = "export.onnx"


def onnx(f: Callable[..., Any], args: Any, path: str | os.PathLike[str], axes: Axes | None = None) -> ModelProto:
    """Write f for arguments like these as an ONNX file, and return the model.

    args  the example's arguments, a tuple; or the only one
    axes  {argument: names of its first axes}. An axis with a name has any length of at least 1 when the file runs, the same for all axes of
          that name; all other axes keep their lengths. An argument that is a tree stands for its leaves; None leaves an axis fixed.

        mg.export.onnx(model, xs, "model.onnx", axes={"xs": ("T", "B")})

    Inputs, outputs and initialisers have the paths of their places as names ("xs", "state.h", "cell.W_x"); an output that would have the
    name of an input has "_out" behind it. What the function takes from outside, as a model its parameters, are initialisers. The metadata
    hold minigrad's version and a digest of the program. Weights of 2 GiB and more stand in a second file, {path}.data, which belongs to it;
    the model that is returned has references to it in their place.

    In onnxruntime the file gives minigrad's numbers, or stops with an error that names the size or index that is wrong. What would not is
    refused here: GraphError names the operation and the line.
    """
    require_callable(WHAT, f)
    graph, guards = _traced(f, args if type(args) is tuple else (args,), axes or {})
    with dims.deciding(guards):
        model = _model(optimize(graph), guards, _weights(f))
    helper.set_model_props(model, {"minigrad.version": version("minigrad"), "minigrad.digest": _digest(graph)})
    _save(model, Path(path))
    return model


def _save(model: ModelProto, path: Path) -> None:
    """Write the file, with the weights in a file beside it where they are too many for one."""
    if sum(len(t.raw_data) for t in model.graph.initializer) <= LARGEST:
        checker.check_model(model, full_check=True)
        path.write_bytes(model.SerializeToString())
        return
    beside = path.with_name(f"{path.name}.data")
    beside.unlink(missing_ok=True)  # what is there would be kept, and be written after
    save_model(model, path, save_as_external_data=True, location=beside.name)
    checker.check_model(str(path), full_check=True)


# ---- the trace


def _traced(f: Callable[..., Any], args: tuple[Any, ...], axes: Axes) -> tuple[Graph, Guards]:
    leaves, in_tree = tree.flatten((args, {}))
    names = argument_names(f, args, {})
    found = _sizes([leaf if is_number(leaf) else argument(leaf) for leaf in leaves], names, axes)
    try:
        with dims.deciding(Guards()) as guards:
            return trace_on(f, found, in_tree, names, getattr(f, "__name__", type(f).__name__)), guards
    except Bind as bound:
        problem = f"the function needs the size {bound.symbol.name} as {bound.value!r}, so that it cannot be free"
        raise setting_error(WHAT, problem, "Leave it out of axes, or give axes that must be equal one name") from None


def _sizes(leaves: list[Any], names: list[str], axes: Axes) -> list[Tensor]:
    """The arguments as abstract tensors, with a symbol for each axis that has a name."""
    unknown = [a for a in axes if not any(map(_is_at(a), names))]
    if unknown:
        raise setting_error(WHAT, f"axes names {', '.join(map(repr, unknown))}, but the arguments are {', '.join(names)}")
    lengths: dict[str, int] = {}
    found = []
    for leaf, name in zip(leaves, names, strict=True):
        if is_number(leaf):
            found.append(stand_in(argument(leaf)))
            continue
        given = [axes[a] for a in sorted(axes, key=len) if _is_at(a)(name)]
        free: list[str | None] = list(given[-1]) if given else []
        if len(free) > leaf.ndim:
            raise setting_error(WHAT, f"axes gives {name} the names {free}, but it has {leaf.ndim} axes")
        shape = tuple(_size(lengths, a, n, name) for a, n in zip([*free, *[None] * leaf.ndim], leaf.shape, strict=False))
        found.append(abstract(TensorType(shape, leaf.dtype)))
    return found


def _is_at(place: str) -> Callable[[str], bool]:
    """Whether a path is this place or below it."""
    return lambda name: name == place or (name.startswith(place) and name[len(place)] in ".[")


def _size(lengths: dict[str, int], name: str | None, n: int, where: str) -> Extent:
    if name is None:
        return n
    known = lengths.setdefault(name, n)
    if n != known or n == 0:
        problem = "is empty" if n == 0 else f"is {n} in {where} and {known} before"
        raise setting_error(WHAT, f"the axis {name} {problem}", "Give an example whose axes of one name have one length of at least 1")
    return Dim.of(Symbol(name, n))


def _weights(f: Callable[..., Any]) -> dict[Node, str]:
    """The paths of the tensors that f takes from outside."""
    found: dict[Node, str] = {}
    for _, value in reachable(f):
        leaves, structure = tree.flatten(value)
        for leaf, path in zip(leaves, tree.paths(structure), strict=True):
            if isinstance(leaf, Tensor) and path:
                found.setdefault(leaf.node, path.removeprefix("."))
    return found


def _digest(graph: Graph) -> str:
    return hashlib.sha256(str(graph).encode()).hexdigest()


# ---- the model


def _model(graph: Graph, guards: Guards, weights: Mapping[Node, str]) -> ModelProto:
    w = Writer(RULES, weights)
    inputs = [w.own(p.name or f"x{i}") for i, p in enumerate(graph.params)]
    wanted = [w.own(f"{name}_out" if name in inputs else name) for name in _output_names(graph)]
    for p, name in zip(graph.params, inputs, strict=True):
        if p.type.dtype in HALVES:
            raise GraphError(message(WHAT, f"{name} is {p.type}, and {p.type.dtype} is not exported", "Convert with .astype('float32')"))
    outs = w.graph(graph, _checked(w, graph.params, inputs, guards))
    for name, out in zip(wanted, outs, strict=True):
        w.nodes.append(helper.make_node("Identity", [out], [name], name=name))
    ends = [[info(n, t) for n, t in zip(side, types, strict=True)] for side, types in ((inputs, graph.in_types), (wanted, graph.out_types))]
    opset = helper.make_opsetid("", OPSET)
    body = w.finished(graph.name, *ends)
    return helper.make_model(
        body, opset_imports=[opset], ir_version=IR_VERSION, producer_name="minigrad", producer_version=version("minigrad")
    )


def _output_names(graph: Graph) -> list[str]:
    """The paths of the results, without the brackets of a first key; of a single result its own name."""
    paths = tree.paths(graph.out_tree) if graph.out_tree is not None else [""] * len(graph.outputs)
    names = [re.sub(r"^\['(\w+)'\]", r"\1", path).removeprefix(".") for path in paths]
    return [name or (o.name if o.args else None) or "y" for name, o in zip(names, graph.outputs, strict=True)]


def _checked(w: Writer, params: Sequence[Node], names: Sequence[str], guards: Guards) -> list[str]:
    """The arguments once their sizes are known to be those that the program is for: at least 1, equal where they have one name, and as the
    trace decided about them."""
    checks: list[str] = []
    for p, name in zip(params, names, strict=True):
        for a, n in enumerate(p.type.shape):
            if isinstance(n, Dim):
                found, symbol = w.op("Shape", name, start=a, end=a + 1, name=str(n)), n.symbols[0]
                if symbol in w.sizes:
                    checks.append(w.failing(w.op("Equal", found, w.sizes[symbol]), f"{n} is one size in {name} and before"))
                else:
                    w.sizes[symbol] = found
                    checks.append(w.failing(w.op("GreaterOrEqual", found, np.array([1])), f"{n} is at least 1"))
    if not checks:
        return list(names)
    given = dict(w.sizes)
    for test, left, right, outcome in guards.facts:
        ok = w.op(COMPARISONS[dims.SIGNS[test]], w.extent(left), w.extent(right))
        checks.append(w.failing(ok if outcome else w.op("Not", ok), f"{left} {dims.SIGNS[test]} {right} is {outcome}"))
    every = w.op("Max", *checks)
    w.sizes = {symbol: w.op("Add", size, every, name=symbol.name) for symbol, size in given.items()}
    return [w.after(every, name) if dims.symbols(p.type.shape) else name for p, name in zip(params, names, strict=True)]


COMPARISONS = {"==": "Equal", ">": "Greater", ">=": "GreaterOrEqual"}
