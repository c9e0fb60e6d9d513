"""What the nodes of a program of torch.export say of themselves: names, types, modules, lines."""

from __future__ import annotations

import operator
import os
import re
from collections.abc import Callable, Iterator
from functools import cache
from types import CodeType
from typing import Any

import torch
from torch.export import ExportedProgram
from torch.fx import Node

from ...graph.types import BFLOAT16, TensorType
from ...origin import Scope
from ...passes.reroll.lines import Frame

_FRAME = re.compile(r'File "(.*)", line (\d+), in (.*)')
_TORCH = os.path.dirname(os.path.abspath(torch.__file__)) + os.sep


def mapped(value: Any, f: Callable[[Any], Any]) -> Any:
    """Nested lists, tuples and dicts with f of their leaves."""
    if isinstance(value, (list, tuple)) and not isinstance(value, TensorType):
        return [mapped(v, f) for v in value]
    if isinstance(value, dict):
        return {key: mapped(v, f) for key, v in value.items()}
    return slice(f(value.start), f(value.stop), f(value.step)) if isinstance(value, slice) else f(value)


def flat(value: Any) -> Iterator[Any]:
    """The leaves of nested lists, tuples and dicts."""
    if isinstance(value, (list, tuple, dict)) and not isinstance(value, TensorType):
        for v in value.values() if isinstance(value, dict) else value:
            yield from flat(v)
    else:
        yield value


def example_of(value: Any) -> Any:
    """A number for a size that is free in the program: the one of its example."""
    return value.node.hint if isinstance(value, (torch.SymInt, torch.SymFloat, torch.SymBool)) else value


def type_of(value: Any) -> Any:
    """The type of a tensor; None for what is no tensor."""
    if not isinstance(value, torch.Tensor):
        return None
    dtype = BFLOAT16 if value.dtype is torch.bfloat16 else torch.empty(0, dtype=value.dtype).numpy().dtype
    return TensorType(tuple(int(example_of(n)) for n in value.shape), dtype)


def symbol(node: Node) -> str:
    """The name of what a node calls, without its library and variant: linear for aten.linear.default."""
    if isinstance(node.target, torch._ops.OpOverload):
        return str(node.target._schema.name).rpartition("::")[2]
    return str(getattr(node.target, "__name__", node.target))


def is_aten(node: Node) -> bool:
    return isinstance(node.target, torch._ops.OpOverload) and node.target.namespace == "aten"


def picks(node: Node) -> bool:
    """Whether a node takes one of several results."""
    return node.target is operator.getitem


def mutates(node: Node) -> bool:
    return isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable


def kind_of(node: Node, kinds: dict[str, str]) -> str:
    """How a node is drawn: by its name, or by what PyTorch says of it."""
    tags = getattr(node.target, "tags", ())
    known = "pointwise" if torch.Tag.pointwise in tags else "reduce" if torch.Tag.reduction in tags else "foreign"
    return kinds.get(symbol(node), known)


def modules(node: Node) -> tuple[Scope, ...]:
    """The modules in which a node stands, without the whole."""
    found, outer = [], ""
    for path, _ in node.meta.get("nn_module_stack", {}).values():
        name = path.removeprefix(f"{outer}.")
        if name and path != outer:
            found.append(Scope(name))
        outer = path
    return tuple(found)


def title(nodes: Iterator[Node]) -> str:
    """The class of the whole module."""
    stacks = (node.meta.get("nn_module_stack") for node in nodes)
    first = next((next(iter(s.values())) for s in stacks if s), ("", "program"))
    return str(first[1]).rpartition(".")[2]


def frames(node: Node) -> tuple[Frame, ...]:
    """The lines of the user's from which a node comes, the outermost first; PyTorch's own where there is no other."""
    found = [Frame(file, name, int(line), int(line)) for file, line, name in _FRAME.findall(node.meta.get("stack_trace") or "")]
    own = [f for f in found if not str(f.function).startswith(_TORCH)]
    return tuple(own or found)


@cache
def code(file: str, name: str) -> CodeType:
    """An empty function of this name in a file, for origins."""
    return compile("", file, "exec").replace(co_name=name)


def names(program: ExportedProgram) -> dict[str, str]:
    """{placeholder: name} of the arguments: self.cell.weight for what the module holds."""
    return {s.arg.name: s.arg.name if s.target is None else f"self.{s.target}" for s in program.graph_signature.input_specs}


def free_sizes(nodes: Iterator[Node]) -> dict[str, Any]:
    """{name: value in the example} of the sizes that are free."""
    values: Iterator[Any] = (n for node in nodes for v in flat(node.meta.get("val")) if isinstance(v, torch.Tensor) for n in v.shape)
    return {str(n.node.expr): example_of(n) for n in values if isinstance(n, torch.SymInt) and n.node.expr.is_symbol}
