"""Chunks of the steps of a loop, for truncated gradients and checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import ops, tree
from ..errors import shape_error
from ..graph.derived import root
from ..graph.dims import Extent
from ..graph.types import whole
from ..tensor import Tensor


def chunk_of(steps: Extent, given: int | bool) -> Extent:
    """The number of steps of a chunk: the given one, or ⌈√steps⌉."""
    if given is True:
        return root(steps)
    chunk = whole("scan", given, "truncate or checkpoint")
    if chunk < 1:
        raise shape_error("scan", f"chunks must have at least one step, got {chunk}")
    return chunk


def starts(steps: Extent, chunk: Extent, reverse: bool) -> Tensor:
    """For each step whether a chunk starts there, the first one left out."""
    done = ops.arange(steps)
    done = ops.flip(done, 0) if reverse else done
    return ops.logical_and(done > 0, done % chunk == 0)


def detached(f: Callable[[Any, Any], tuple[Any, Any]]) -> Callable[[Any, Any], tuple[Any, Any]]:
    """The step of a truncated loop, which gets with x whether a chunk starts: then no gradient passes to the step before."""

    def step(carry: Any, indexed: Any) -> Any:
        later, x = indexed
        return f(tree.map(lambda c: ops.where(later, ops.detach(c), c) if c.type.is_float else c, carry), x)

    step.__name__ = getattr(f, "__name__", "step")
    return step
