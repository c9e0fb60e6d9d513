"""A program of torch.export as a graph, for drawings. What has no rule is an operation that PyTorch computes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
from torch.export import ExportedProgram
from torch.fx import GraphModule, Node

from ... import origin, tree
from ...control.cond import cond
from ...control.scan import scan
from ...control.while_loop import while_loop
from ...errors import MinigradError
from ...graph.ir import Graph
from ...graph.nodes import interning
from ...graph.types import TensorType
from ...origin import Origin
from ...tensor import Tensor, abstract, tensor
from .. import steps
from ..foreign import Call, apply, operation
from . import nodes
from .arrays import as_array, as_torch
from .nodes import example_of, flat, mapped, picks, symbol, type_of
from .rules import KINDS, MOVES, RULES


def graph(program: ExportedProgram) -> Graph:
    """The graph of torch.export.export(module, args), with the names, modules and source lines that PyTorch keeps: minigrad.viz draws it.

    Parameters and buffers are its first params, named self.… as in the module. Common operations are minigrad's; any other is one operation
    with PyTorch's name, which PyTorch computes where a drawing shows values, and differentiates once. What changes in place is made
    functional first. The steps of a loop in Python, which torch.export wrote out, are found by the lines that come again. Sizes that are
    free in the program are those of its example. The graph is to look at, and is not compiled.
    """
    whole = program.run_decompositions({}) if any(map(nodes.mutates, program.graph.nodes)) else program
    names, title = nodes.names(whole), nodes.title(iter(whole.graph.nodes))
    with interning():
        params = [abstract(type_of(n.meta["val"]), names[n.name]) for n in whole.graph.find_nodes(op="placeholder")]
        outs = [tensor(o) for o in _Reader(whole.graph_module, title).outputs(params)]
    return Graph(tuple(p.node for p in params), tuple(o.node for o in outs), title)


def leaves(program: ExportedProgram, args: Sequence[Any]) -> list[np.ndarray]:
    """Arrays for the params of the graph: what the module holds, and the arguments, or those that it was exported with."""
    held = {**program.state_dict, **program.constants}
    given = tree.leaves(list(args or program.example_inputs or ()))
    found = [*(held[s.target] for s in program.graph_signature.input_specs if s.target is not None), *given]
    return [as_array(v) if isinstance(v, torch.Tensor) else np.asarray(v) for v in found]


def notes(program: ExportedProgram) -> list[str]:
    """What the program computes and its graph does not have, and which sizes are those of its example, in words."""
    every = list(program.graph.nodes)
    unread = Counter(symbol(n) for n in every if n.op == "call_function" and not (n.users or nodes.mutates(n) or picks(n)))
    shown = ", ".join(f"{name} ×{n}" if n > 1 else name for name, n in unread.items())
    free = ", ".join(f"{size} = {value}" for size, value in sorted(nodes.free_sizes(iter(every)).items()))
    return [f"what no result needs is left out: {shown}"] * bool(shown) + [f"sizes that are free are drawn as: {free}"] * bool(free)


class _Reader:
    """Reads the nodes of a module of torch.fx with minigrad's operations."""

    def __init__(self, module: GraphModule, title: str):
        self.module, self.title, self.nodes = module, title, list(module.graph.nodes)
        self.number = {n: i for i, n in enumerate(self.nodes)}
        self.steps = steps.steps(list(map(self._line, self.nodes)))
        self.found: dict[Any, Any] = {}

    def outputs(self, args: Sequence[Tensor]) -> list[Any]:
        given = iter(args)
        for node in self.nodes:
            if node.op == "placeholder":
                self.found[node] = next(given)
            elif node.op == "get_attr":
                self.found[node] = self._attribute(str(node.target))
            elif node.op == "call_function":
                with self._placed(node):
                    self.found[node] = self._result(node)
        return [v for v in flat(self._filled(self.nodes[-1].args)) if v is not None]

    def _filled(self, value: Any) -> Any:
        """Arguments of a node, with the tensors in the place of nodes."""
        return mapped(value, lambda v: self.found[v] if isinstance(v, Node) else example_of(v))

    def _attribute(self, path: str) -> Any:
        value: Any = self.module
        for name in path.split("."):
            value = getattr(value, name)
        return tensor(as_array(value)) if isinstance(value, torch.Tensor) else value

    def _result(self, node: Node) -> Any:
        """What a node gives: a tensor, a list of tensors, or a number for a size."""
        args, kwargs = self._filled(node.args), self._filled(node.kwargs)
        types = mapped(node.meta.get("val"), type_of)
        if picks(node):
            return args[0][args[1]]
        if not any(isinstance(t, TensorType) for t in flat(types)):
            return mapped(node.meta.get("val"), example_of)
        rule = RULES.get(symbol(node)) if nodes.is_aten(node) else None
        try:
            if rule is None and symbol(node) in CONTROL:
                return CONTROL[symbol(node)](self.body, *args)
            found = None if rule is None else rule(types, *args, **kwargs)
            if found is not None and [t.type for t in flat(found)] == list(flat(types)):
                return found
        except (MinigradError, TypeError):  # the rule does not know these arguments
            pass
        return _of_torch(node, types, args, kwargs)

    def body(self, module: GraphModule) -> Callable[..., list[Tensor]]:
        """A module that a node calls, as a function of tensors."""
        return lambda *args: [tensor(o) for o in _Reader(module, self.title).outputs(args)]

    def _placed(self, node: Node) -> AbstractContextManager[None]:
        lines, step = nodes.frames(node), self.steps.get(self.number[node])
        code, line = (nodes.code(str(lines[-1].function), lines[-1].name), lines[-1].line) if lines else (None, 0)
        loop = () if step is None else (step._replace(name=self.title) if step.name == "forward" else step,)
        return origin.override(Origin(code, line, (*loop, *nodes.modules(node))))

    def _line(self, node: Node) -> steps.Operation:
        what = symbol(node), nodes.modules(node), str(mapped(node.meta.get("val"), type_of))
        reads = [self.number[n] if n.op == "call_function" else n for n in node.all_input_nodes]
        moves = node.op != "call_function" or picks(node) or symbol(node) in MOVES
        return steps.Operation(what, nodes.frames(node), reads, moves)


# ---- calls, loops, branches

Body = Callable[[GraphModule], Callable[..., list[Tensor]]]


def _cond(body: Body, condition: Any, then: Any, otherwise: Any, args: Sequence[Any] = ()) -> Any:
    return cond(condition, body(then), body(otherwise), *args)


def _scan(body: Body, step: Any, init: Sequence[Tensor], xs: Sequence[Tensor], fixed: Sequence[Tensor] = ()) -> list[Tensor]:
    run = body(step)

    def stepped(carry: Any, x: Any) -> Any:
        found = run(*carry, *x, *fixed)
        return found[: len(init)], found[len(init) :]

    last, ys = scan(stepped, list(init), list(xs))
    return [*last, *ys]


def _while_loop(body: Body, test: Any, step: Any, start: Sequence[Tensor], fixed: Sequence[Tensor] = ()) -> list[Tensor]:
    condition, run = body(test), body(step)
    return while_loop(lambda carry: condition(*carry, *fixed)[0], lambda carry: run(*carry, *fixed), list(start))


CONTROL: dict[str, Callable[..., Any]] = {"cond": _cond, "scan": _scan, "while_loop": _while_loop}


# ---- PyTorch's own


class _Place(int):
    """The number of a tensor among the arguments of a call."""

    def __repr__(self) -> str:
        return f"<{int(self)}>"


def _of_torch(node: Node, types: Any, args: Any, kwargs: Any) -> Any:
    """What a node gives, as an operation that PyTorch computes."""
    tensors = [v for v in flat([args, kwargs]) if isinstance(v, Tensor)]
    places = iter(range(len(tensors)))
    form = mapped([args, kwargs], lambda v: _Place(next(places)) if isinstance(v, Tensor) else v)
    call = Call((str(node.target), repr(form)), tuple(t for t in flat(types) if t is not None), *_evaluated(node.target, form))
    random = torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ())
    found = iter(apply(operation("torch", symbol(node), nodes.kind_of(node, KINDS), random), call, tensors))
    return mapped(types, lambda t: None if t is None else next(found))


def _evaluated(target: Any, form: Any) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """What a call gives for arrays, and the gradients of its float arguments."""

    def call(given: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        args, kwargs = mapped(form, lambda v: given[v] if isinstance(v, _Place) else v)
        return [v for v in flat(target(*args, **kwargs)) if isinstance(v, torch.Tensor)]

    def run(*arrays: np.ndarray) -> list[np.ndarray]:
        with torch.no_grad():
            return [as_array(t) for t in call([as_torch(np.array(a)) for a in arrays])]

    def pull(arrays: Sequence[np.ndarray], cts: Sequence[np.ndarray]) -> list[np.ndarray | None]:
        given = [as_torch(np.array(a)) for a in arrays]
        floats = [t.requires_grad_() for t in given if t.is_floating_point()]
        with torch.enable_grad():
            outs = [(t, as_torch(np.array(ct))) for t, ct in zip(call(given), cts, strict=True) if t.requires_grad]
            grads = iter(torch.autograd.grad([t for t, _ in outs], floats, [ct for _, ct in outs], allow_unused=True))
        return [None if not t.requires_grad or (g := next(grads)) is None else as_array(g) for t in given]

    return run, pull
