"""A graph as straight-line Python: one call of NumPy an operation. It computes what the interpreter does, to the last bit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..graph.ir import Graph, Node
from ..graph.nodes import item
from ..graph.structure import structure

KEPT = 256
_known: dict[Any, Callable[..., tuple[Any, ...]]] = {}


def straight_again(graph: Graph) -> Callable[..., tuple[Any, ...]]:
    """`straight` of a graph that may have been seen before: an eager loop makes its body anew at each call."""
    key = structure(graph)
    found = _known.get(key)
    if found is None:
        found = straight(graph)
        if key is not None:
            if len(_known) >= KEPT:
                _known.clear()
            _known[key] = found
    return found


def straight(graph: Graph, wanted: Sequence[bool] | None = None) -> Callable[..., tuple[Any, ...]]:
    """The function (*arrays) -> outputs of a graph without run-time sizes. An array is dropped after its last use.

    The outputs stand where `wanted` is true, with None in the other places."""
    names: dict[Node, str] = {p: f"p{i}" for i, p in enumerate(graph.params)}
    space: dict[str, Any] = {"__name__": __name__}

    def constant(value: Any) -> str:
        name = f"c{len(space)}"
        space[name] = value
        return name

    steps = [n for n in graph.nodes if n.value is None]
    for node in graph.nodes:
        names[node] = constant(node.value) if node.value is not None else f"v{len(names)}"
    last = {a: node for node in steps for a in node.args}
    lines = []
    for node in steps:
        args = [names[a] for a in node.args]
        if node.op is item:
            lines.append(f"{names[node]} = {args[0]}[{node.attrs['index']}]")
        else:
            args += [f"{key}={constant(value)}" for key, value in node.attrs.items()]
            lines.append(f"{names[node]} = {constant(node.op)}.numpy({', '.join(args)})")
        dead = [names[a] for a in dict.fromkeys(node.args) if last[a] is node and a.value is None and a not in graph.outputs]
        lines += [f"del {', '.join(dead)}"] if dead else []
    outputs = iter(graph.outputs)
    results = "".join(f"{names[next(outputs)] if here else None}, " for here in wanted or [True] * len(graph.outputs))
    text = "\n    ".join([f"def run({', '.join(names[p] for p in graph.params)}):", *lines, f"return ({results})"])
    exec(compile(text, f"{__file__}:{graph.name}", "exec"), space)  # a file of the engine: errors name the user's line
    return space["run"]
