"""Einstein summation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import ops
from ..errors import dtype_error, shape_error
from ..graph import dims
from ..ops.elementwise import Like
from ..tensor import Tensor, tensor


def _labels(what: str, spec: str, operands: Sequence[Tensor]) -> tuple[list[str], str]:
    if not isinstance(spec, str):
        raise dtype_error(what, f"takes its letters first, as in 'ij,jk->ik', got {type(spec).__name__}")
    if "." in spec:
        raise shape_error(what, f"'{spec}' has an ellipsis, which is not taken", "Name every axis with a letter")
    left, arrow, right = spec.replace(" ", "").partition("->")
    inputs = left.split(",")
    if len(inputs) != len(operands):
        raise shape_error(what, f"'{spec}' names {len(inputs)} operands, got {len(operands)}")
    for letters, t in zip(inputs, operands, strict=True):
        if len(letters) != t.ndim or len(set(letters)) < len(letters) or not all(c.isalpha() for c in letters):
            raise shape_error(what, f"'{letters}' must name the {t.ndim} axes of {t.shape}, each with its own letter")
    found = "".join(inputs)
    output = right if arrow else "".join(sorted(c for c in set(found) if found.count(c) == 1))
    if len(set(output)) < len(output) or not set(output) <= set(found):
        raise shape_error(what, f"the output '{output}' must name axes of the operands, each once")
    return inputs, output


def einsum(spec: str, *operands: Like) -> Tensor:
    """Einstein summation over matmul, from left to right: 'bij,bjk->bik'. No repeated letter in an operand, no ellipsis.

    Raises ShapeError naming the letter whose lengths differ.
    """
    tensors = [tensor(t) for t in operands]
    inputs, output = _labels("einsum", spec, tensors)
    lengths: dict[str, tuple[Any, int]] = {}
    for i, (letters, t) in enumerate(zip(inputs, tensors, strict=True)):
        for c, n in zip(letters, t.shape, strict=True):
            first, j = lengths.setdefault(c, (n, i))
            if not dims.unify(n, first):
                raise shape_error("einsum", f"'{c}' is {first} in operand {j} {tensors[j].shape} but {n} in operand {i} {t.shape}")
    have, letters = tensors[0], inputs[0]
    for i, t in enumerate(tensors[1:], 1):
        later = output + "".join(inputs[i + 1 :])
        have, letters = _contract(have, letters, t, inputs[i], later)
    gone = tuple(i for i, c in enumerate(letters) if c not in output)
    have, letters = ops.sum(have, gone), "".join(c for c in letters if c in output)
    return ops.permute_dims(have, [letters.index(c) for c in output])


def _contract(a: Tensor, left: str, b: Tensor, right: str, later: str) -> tuple[Tensor, str]:
    """Two operands as one batched matrix product: shared and kept | only in a | shared and summed | only in b."""
    a, left = _drop(a, left, right + later)
    b, right = _drop(b, right, left + later)
    batch = [c for c in left if c in right and c in later]
    inner = [c for c in left if c in right and c not in later]
    rows, columns = [c for c in left if c not in right], [c for c in right if c not in left]
    size = {**dict(zip(left, a.shape, strict=True)), **dict(zip(right, b.shape, strict=True))}
    shape = tuple(size[c] for c in batch)
    m, k, n = (dims.product(size[c] for c in group) for group in (rows, inner, columns))
    x = ops.reshape(ops.permute_dims(a, [left.index(c) for c in batch + rows + inner]), (*shape, m, k))
    y = ops.reshape(ops.permute_dims(b, [right.index(c) for c in batch + inner + columns]), (*shape, k, n))
    kept = batch + rows + columns
    return ops.reshape(ops.matmul(x, y), tuple(size[c] for c in kept)), "".join(kept)


def _drop(t: Tensor, letters: str, wanted: str) -> tuple[Tensor, str]:
    gone = tuple(i for i, c in enumerate(letters) if c not in wanted)
    return (ops.sum(t, gone), "".join(c for c in letters if c in wanted)) if gone else (t, letters)
