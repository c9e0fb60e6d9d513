"""Helper functions for the rules of primitives: type rules, gradients, batching."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..errors import dtype_error, shape_error
from ..graph.dims import Extent, Shape
from ..graph.ir import Node, Operation
from ..graph.nodes import compute, is_number, make, number
from ..graph.types import FLOAT, HALVES, TensorType, check_computed, identical, unify_shapes
from ..tensor import Tensor, scalar


def same_operands(name: str, *types: TensorType) -> TensorType:
    """The type rule of elementwise primitives: all operands have the same shape and dtype."""
    first = types[0]
    for other in types[1:]:
        if other.dtype != first.dtype:
            raise dtype_error(name, f"operands have dtypes {first.dtype} and {other.dtype}")
        if not unify_shapes(first.shape, other.shape):
            raise shape_error(name, f"operands have shapes {first.shape} and {other.shape}")
    return first


def require_float(name: str, type: TensorType) -> None:
    check_computed(name, type.dtype)
    if not type.is_float:
        raise dtype_error(name, f"takes floats, got {type}", "Convert with .astype('float32')")


def each(*rules: Callable[..., Any]) -> Callable[..., Sequence[Any]]:
    """A vjp made of one rule per argument, `(ct, out, *args, **attrs)`. Only the rules of needed arguments run."""

    def vjp(cts: Sequence[Any], out: Any, args: Sequence[Tensor], needs: Sequence[bool], **attrs: Any) -> list[Any]:
        ct = cts[0]
        return [rule(ct, out, *args, **attrs) if need else None for rule, need in zip(rules, needs, strict=True)]

    vjp.rules = rules  # type: ignore[attr-defined]
    return vjp


def fold_number(op: Operation, nodes: Sequence[Node], attrs: dict[str, Any], type: TensorType) -> Node | None:
    """The fold rule of operations that give a broadcast number for arguments that are broadcast numbers."""
    if not all(map(is_number, nodes)):
        return None
    from .movement import broadcast  # whose rules are made with these

    sources = [n.args[0] if n.args else n for n in nodes]
    source = sources[0]
    if op.elementwise:
        result = compute(op, [n.value for n in sources], attrs)
        source = number(result, result.dtype)
    return make(broadcast, (source,), {"shape": type.shape}) if type.shape else source


def like(t: Tensor, value: float) -> Tensor:
    """A number broadcast to the shape of t, with the dtype of t."""
    return expand(scalar(value, t.dtype), t.shape)


def cotangent_type(type: TensorType) -> TensorType:
    """The type of the cotangent of a float tensor: float16 and bfloat16 have float32 ones."""
    return TensorType(type.shape, FLOAT) if type.dtype in HALVES else type


def no_gradient(t: Tensor) -> Tensor:
    """A cotangent of zeros for t."""
    return expand(scalar(0, cotangent_type(t.type).dtype), t.shape)


def expand(t: Tensor, shape: Shape) -> Tensor:
    """t broadcast to a shape; t itself if it has that shape."""
    if identical(t.shape, shape):
        return t
    from .movement import broadcast  # whose rules are made with these

    return broadcast(t, shape=shape)


def repeat(t: Tensor, size: Extent, batched: bool) -> Tensor:
    """An argument with the batch as its first axis; one without a batch is broadcast."""
    return t if batched else expand(t, (size, *t.shape))
