"""Reverse mode: from the cotangents of outputs to those of what they were computed from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..errors import dtype_error
from ..graph.ir import Node, Operation, ancestors
from ..graph.nodes import item
from ..graph.types import TensorType
from ..origin import override
from ..primitives.elementwise import detach
from ..primitives.rows import plus
from ..tensor import Tensor, wrap

# Called with (consumer, position of the argument, cotangent) for each edge of the graph, before cotangents are summed.
EdgeWatch = Callable[[Node, int, Tensor], None]
ALONE = (True,)  # what an only argument needs


def pullback(
    outputs: Sequence[Tensor], cotangents: Sequence[Tensor | None], wrt: Sequence[Tensor], watch: EdgeWatch | None = None
) -> list[Tensor | None]:
    """Σ over outputs of ctᵀ·∂output/∂x for each x of `wrt`; None if no output depends on x. A cotangent of None is zero."""
    return reverse([o.node for o in outputs], cotangents, [x.node for x in wrt], vjp_of, plus, watch)


def reverse(
    outputs: Sequence[Node],
    cotangents: Sequence[Any],
    wrt: Sequence[Node],
    rule: Callable[[Node, list[Any], tuple[bool, ...]], Sequence[Any]],
    add: Callable[[Any, Any], Any],
    watch: EdgeWatch | None = None,
    order: Sequence[Node] | None = None,
) -> list[Any]:
    """Reverse mode with cotangents of any kind: `rule` gives those of a node's arguments, `add` sums two. `order` are the nodes on which
    the outputs depend, arguments first, where they are known."""
    targets = set(wrt)
    cts: dict[Node, list[Any]] = {}
    for out, ct in zip(outputs, cotangents, strict=True):
        if ct is not None:
            _deposit(cts, out, 0, ct, add)
    order = ancestors(list(cts), targets.__contains__) if order is None else order
    dependents, active = _dependents(order, targets)
    for node in reversed(dependents):
        held = cts.pop(node, None)
        if held is None:
            continue
        args = node.args
        if node.op is item:
            _deposit(cts, args[0], node.attrs["index"], held[0], add)
            continue
        needs = ALONE if len(args) == 1 else tuple([a in active for a in args])
        for position, ct in enumerate(rule(node, held, needs)):
            if ct is not None and needs[position]:
                if watch is not None:
                    watch(node, position, ct)
                arg = args[position]
                if arg not in cts and type(arg.type) is TensorType:
                    cts[arg] = [ct]
                else:
                    _deposit(cts, arg, 0, ct, add)
    return [cts[x][0] if x in cts else None for x in wrt]


def _dependents(order: Sequence[Node], targets: set[Node]) -> tuple[list[Node], set[Node]]:
    """The nodes that depend on a target, in order, and these with the targets."""
    active = {x for x in targets if _is_float(x)}
    found = []
    for node in order:
        args = node.args
        if args and not active.isdisjoint(args) and node not in targets and node.op is not detach and _is_float(node):
            active.add(node)
            found.append(node)
    return found, active


def _deposit(cts: dict[Node, list[Any]], node: Node, index: int, ct: Any, add: Callable[[Any, Any], Any]) -> None:
    held = cts.get(node)
    if held is not None:
        held[index] = ct if held[index] is None else add(held[index], ct)
    elif type(node.type) is TensorType:
        cts[node] = [ct]
    else:
        cts[node] = [ct if i == index else None for i in range(len(node.type))]


def _is_float(node: Node) -> bool:
    if node.signature is not None:
        return node.signature.is_float
    return type(node.type) is not TensorType or node.type.is_float


def gradient_rule(op: Operation) -> Callable[..., Sequence[Any]]:
    """The gradient rule of an operation. Raises DTypeError if it has none."""
    if op.vjp is None:
        raise dtype_error(op.name, "has no gradient", "Stop the gradient with mg.detach before it")
    return op.vjp


def vjp_of(node: Node, cts: list[Any], needs: tuple[bool, ...]) -> Sequence[Any]:
    """The cotangents of a node's arguments, as tensors."""
    rule = gradient_rule(node.op)
    with override(node):
        return rule(cts, wrap(node), [Tensor(a) for a in node.args], needs, **node.attrs)
