"""Loops that Python wrote out, as steps of time: their operations are copied into scopes with a step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from operator import attrgetter
from types import CodeType
from typing import Any, NamedTuple

from minigrad.graph.ir import Node, ancestors
from minigrad.origin import Origin, Scope
from minigrad.passes.reroll.lines import Frame, Line, loops

from .leaves import is_hidden, shown


class Loop(NamedTuple):
    """A loop: the operations of each step, and its name."""

    steps: list[list[Node]]
    name: str


def with_steps(outputs: Sequence[Node]) -> tuple[dict[Node, Node], list[str]]:
    """What stands for each node below the outputs, with loops that Python wrote out as scopes with a step; and sentences about them.

    Operations that are in a step already, and gradients, make no loops; the gradient of a step belongs to that step.
    """
    nodes = ancestors(outputs)
    found = list(_loops(sorted(filter(_is_free, nodes), key=attrgetter("id"))))
    places = {node: _in_step(node, loop, t) for loop in found for t, step in enumerate(loop.steps) for node in step}
    new: dict[Node, Node] = {}
    for node in nodes if places else ():
        args = tuple(new[a] for a in node.args)
        place = places.get(node) or _of_gradient(node, new)
        new[node] = node if place is None and args == node.args else _copied(node, args, place or node.place)
    return new, [_told(loop) for loop in found]


def _is_free(node: Node) -> bool:
    origin = node.origin
    return bool(node.args) and not is_hidden(node) and origin.code is not None and origin.vjp_of is None and origin.step is None


def _copied(node: Node, args: tuple[Node, ...], place: Any) -> Node:
    copy = Node(node.op, args, node.attrs, node.type, node.value, node.name, place, node.tracked)
    copy.learned, copy.signature = node.learned, node.signature
    return copy


def _of_gradient(node: Node, new: Mapping[Node, Node]) -> Origin | None:
    """The origin of the gradient of an operation that stands elsewhere now."""
    origin = node.origin
    other = new.get(origin.vjp_of) if origin.vjp_of is not None else None
    return None if other is None or other is origin.vjp_of else other.origin._replace(vjp_of=other)


def _in_step(node: Node, loop: Loop, t: int) -> Origin:
    """The origin of an operation in a step of a loop: the step stands within the scopes that all operations of the loop share."""
    scopes = node.origin.scopes
    shared = next((k for k in range(len(scopes)) if any(n.origin.scopes[: k + 1] != scopes[: k + 1] for n in loop.steps[-1])), len(scopes))
    return node.origin._replace(scopes=(*scopes[:shared], Scope(loop.name, t), *scopes[shared:]))


def _told(loop: Loop) -> str:
    code = loop.steps[1][0].origin.code  # the first step may not be whole
    lines = sorted({n.origin.line for step in loop.steps for n in step if n.origin.code is code})
    where = f"line {lines[0]}" if len(lines) == 1 else f"lines {lines[0]} to {lines[-1]}"
    name = "" if code is None or code.co_name[0] == "<" else f" of {code.co_name}"
    return f"t counts how often {where}{name} ran; mg.scope(name, step=t) in the loop gives its steps a name and other numbers"


def _loops(ops: Sequence[Node]) -> Iterator[Loop]:
    """The loops among these operations, which are in order of creation."""
    number = {n: i for i, n in enumerate(ops)}
    for steps, name in loops([_line(n, number) for n in ops]):
        yield Loop([[ops[i] for i in step] for step in steps], name)


def _line(node: Node, number: Mapping[Node, int]) -> Line:
    code, read = node.origin.code, list(map(shown, node.args))
    assert code is not None
    return Line(
        (node.op.name, node.origin.scopes),
        (Frame(code, code.co_name, node.origin.line, _expression(code, node.origin.at)),),
        [number[a] for a in read if a in number],
        weights=frozenset(filter(_is_weight, read)),
        shared=frozenset(a for a in read if not a.args and a.op.name != "constant" and node.op.name != "slice"),
        apart=node.op.name in ("scan", "call") or any(a.origin.vjp_of is not None for a in read),  # it is drawn as it stands
        adds=node.op.name == "add",
    )


@lru_cache(4096)
def _expression(code: CodeType, at: int) -> int:
    """The first instruction of an expression: Python may be at any of them, as it makes instructions faster that run often."""
    positions = list(code.co_positions())
    first = at // 2
    while first and positions[first - 1] == positions[first]:
        first -= 1
    return first


def _is_weight(node: Node) -> bool:
    return node.op.name == "parameter" or (not node.args and "." in (node.name or ""))
