"""Einstein summation, as matrix products."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import dtype_error, shape_error
from ..graph import dims
from ..graph.types import is_one
from ..tensor import Tensor, tensor
from .elementwise import Like
from .matrices import diagonal, matmul
from .reductions import sum
from .shaping import permute_dims, reshape

HIDDEN = 0xE000  # the letters of the axes of an ellipsis, from Unicode's private ones; the last axis has the first


def einsum(spec: str, *operands: Like) -> Tensor:
    """Einstein summation over matmul, from left to right: 'bij,bjk->bik'. A letter that an operand repeats takes its diagonal, an
    ellipsis stands for further axes, which are broadcast. Without -> the letters that occur once are kept, in alphabetical order.

    Raises ShapeError naming the letter whose lengths differ.
    """
    tensors = [tensor(t) for t in operands]
    inputs, output = _labels(spec, tensors)
    _require_lengths(inputs, tensors)
    pairs = [_without_ones(*_diagonals(t, letters), inputs, tensors) for t, letters in zip(tensors, inputs, strict=True)]
    have, letters = pairs[0]
    for i, (t, right) in enumerate(pairs[1:], 1):
        later = output + "".join(letters for _, letters in pairs[i + 1 :])
        have, letters = _contract(have, letters, t, right, later)
    have, letters = _drop(have, letters, output)
    return permute_dims(have, [letters.index(c) for c in output])


def _labels(spec: str, operands: Sequence[Tensor]) -> tuple[list[str], str]:
    """The letters of the operands' axes and of the result's, with the hidden ones of ellipses."""
    if not isinstance(spec, str):
        raise dtype_error("einsum", f"takes its letters first, as in 'ij,jk->ik', got {type(spec).__name__}")
    left, arrow, right = spec.replace(" ", "").partition("->")
    inputs = left.split(",")
    if len(inputs) != len(operands):
        raise shape_error("einsum", f"'{spec}' names {len(inputs)} operands, got {len(operands)}")
    found = [_named(letters, t) for letters, t in zip(inputs, operands, strict=True)]
    used = "".join(found)
    hidden = "".join(sorted({c for c in used if not c.isalpha()}, reverse=True))
    if not arrow:
        right = hidden + "".join(sorted(c for c in set(used) if c.isalpha() and used.count(c) == 1))
    elif hidden and "..." not in right:
        raise shape_error("einsum", f"'{spec}' has an ellipsis for axes of the operands, and none in the output", "Put ... after ->")
    output = right.replace("...", hidden, 1)
    if len(set(output)) < len(output) or not set(output) <= set(used):
        raise shape_error("einsum", f"the output '{right}' must name axes of the operands, each once")
    return found, output


def _named(letters: str, t: Tensor) -> str:
    """The letters of an operand's axes, hidden ones for those of its ellipsis."""
    before, dots, after = letters.partition("...")
    count = t.ndim - len(before + after)
    if not all(c.isalpha() for c in before + after) or count < 0 or (count and not dots):
        raise shape_error("einsum", f"'{letters}' must name the {t.ndim} axes of {t.shape}, each with a letter, or some with an ellipsis")
    return before + "".join(chr(HIDDEN + i) for i in reversed(range(count))) + after


def _require_lengths(inputs: Sequence[str], tensors: Sequence[Tensor]) -> None:
    lengths: dict[str, tuple[Any, int]] = {}
    for i, (letters, t) in enumerate(zip(inputs, tensors, strict=True)):
        for c, n in zip(letters, t.shape, strict=True):
            if not c.isalpha() and is_one(n):
                continue
            first, j = lengths.setdefault(c, (n, i))
            if not dims.unify(n, first):
                name = f"'{c}'" if c.isalpha() else "an axis of the ellipsis"
                raise shape_error("einsum", f"{name} is {first} in operand {j} {tensors[j].shape} but {n} in operand {i} {t.shape}")


def _diagonals(t: Tensor, letters: str) -> tuple[Tensor, str]:
    """The operand with one axis for each of its letters."""
    for c in dict.fromkeys(letters):
        while letters.count(c) > 1:
            i, j = letters.index(c), letters.rindex(c)
            t, letters = diagonal(t, 0, i, j), letters[:i] + letters[i + 1 : j] + letters[j + 1 :] + c
    return t, letters


def _without_ones(t: Tensor, letters: str, inputs: Sequence[str], tensors: Sequence[Tensor]) -> tuple[Tensor, str]:
    """The operand without axes of its ellipsis that have length 1 and are broadcast to those of others."""
    sizes = [(c, n) for letters, t in zip(inputs, tensors, strict=True) for c, n in zip(letters, t.shape, strict=True)]
    broadcast = {c for c, n in sizes if not c.isalpha() and not is_one(n)}
    gone = [c in broadcast and is_one(n) for c, n in zip(letters, t.shape, strict=True)]
    shape = tuple(n for n, g in zip(t.shape, gone, strict=True) if not g)
    return reshape(t, shape), "".join(c for c, g in zip(letters, gone, strict=True) if not g)


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
    x = reshape(permute_dims(a, [left.index(c) for c in batch + rows + inner]), (*shape, m, k))
    y = reshape(permute_dims(b, [right.index(c) for c in batch + inner + columns]), (*shape, k, n))
    kept = batch + rows + columns
    return reshape(matmul(x, y), tuple(size[c] for c in kept)), "".join(kept)


def _drop(t: Tensor, letters: str, wanted: str) -> tuple[Tensor, str]:
    """The sum over the axes of letters that are not wanted."""
    gone = tuple(i for i, c in enumerate(letters) if c not in wanted)
    return (sum(t, gone, dtype=t.dtype), "".join(c for c in letters if c in wanted)) if gone else (t, letters)
