"""The lowering rule of kernels: a call of the user's machine code."""

from __future__ import annotations

from ...graph.ir import Node
from ...graph.nodes import item
from ...graph.types import TensorType
from .. import loop_ir as L
from .block import Block
from .state import Note, const
from .storage import Stored, extent


def kernel(block: Block, node: Node) -> None:
    """A call with contiguous arrays. The results are zeros before it."""
    entry = node.attrs["own"].entry([a.type for a in node.args], node.type)
    inputs = [_contiguous(block, a, node) for a in node.args]
    results = block.values[node] = [_result(block, node, i) for i in range(len(node.type))]
    for found, type in zip(results, node.type, strict=True):
        _clear(block, found, type, Note(node))
    block.lowering.checks.append((node, L.Literal(0)))
    call = L.Extern(entry, _arrays(inputs), _arrays(results), len(block.lowering.checks), note=f"{node.attrs['own'].name}: {Note(node)}")
    block.out.append(call)


def _arrays(views: list[Stored]) -> tuple[L.Array, ...]:
    return tuple(L.Array(v.buffer, v.offset, tuple(map(extent, v.shape))) for v in views)


def _clear(block: Block, target: Stored, type: TensorType, text: object) -> None:
    block.copy(target, lambda i: const(0, type.dtype), text)


def _contiguous(block: Block, arg: Node, owner: Node) -> Stored:
    found = block.memory(arg, owner)
    if found.is_dense:
        return found
    dense = block.temporary(arg.type, owner)
    block.copy(dense, found.load, Note(arg))
    return dense


def _result(block: Block, node: Node, index: int) -> Stored:
    """Where a result goes: to the target of an output of the block, if it is one and contiguous."""
    for output, target in block.targets.items():
        if output.op is item and output.args[0] is node and output.attrs["index"] == index and target.is_dense:
            block.values[output] = target
            return target
    return block.temporary(node.type[index], node)
