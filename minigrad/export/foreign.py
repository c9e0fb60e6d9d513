"""Operations of another library in a graph: what has no rule here is computed, and differentiated once, by that library. For drawings."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

import numpy as np

from ..errors import GraphError, message
from ..graph.types import TensorType
from ..primitives.rules import cotangent_type, no_gradient
from ..tensor import Primitive, Tensor

Arrays = Sequence[np.ndarray]


@dataclass(frozen=True)
class Call:
    """One call. Calls with equal keys compute the same.

    run    (*arrays) -> results;  pull   (arrays, cotangents of the results) -> gradients of the float arrays, None for others
    """

    key: Hashable
    results: tuple[TensorType, ...]
    run: Callable[..., Arrays] = field(compare=False)
    pull: Callable[[Arrays, Arrays], Sequence[np.ndarray | None]] | None = field(default=None, compare=False)

    def __repr__(self) -> str:
        return f"<{len(self.results)} results>" if len(self.results) != 1 else "<call>"


@cache
def operation(library: str, symbol: str, kind: str = "foreign", unique: bool = False) -> Primitive:
    """The operation of a library, drawn with this symbol. Its attribute is the call. `unique`: two equal calls give different numbers."""
    name = f"{library}.{symbol}"
    return Primitive(name, _type, _numpy, vjp=partial(_vjp, library, symbol), kind=kind, symbol=symbol, unique=unique)


def apply(op: Primitive, call: Call, args: Sequence[Tensor]) -> list[Tensor]:
    """The results of a call."""
    found = op(*args, call=call)
    return [found] if len(call.results) == 1 else list(found)


def _type(*types: TensorType, call: Call) -> Any:
    return call.results[0] if len(call.results) == 1 else call.results


def _numpy(*arrays: np.ndarray, call: Call) -> Any:
    found = tuple(np.asarray(a) for a in call.run(*arrays))
    return found[0] if len(found) == 1 else found


def _vjp(
    library: str, symbol: str, cts: Sequence[Any], outs: Any, args: Sequence[Tensor], needs: Sequence[bool], call: Call
) -> Sequence[Any]:
    if call.pull is None:
        fix = "Draw it without gradients, or differentiate the function with its own library and draw that"
        raise GraphError(message(f"{library}.{symbol}", "an operation of another library is differentiated only once", fix))
    outs = [outs] if len(call.results) == 1 else outs
    live = [no_gradient(out) if ct is None else ct for ct, out in zip(cts, outs, strict=True) if out.type.is_float]
    wanted, pull = [i for i, need in enumerate(needs) if need], call.pull
    types = tuple(cotangent_type(args[i].type) for i in wanted)

    def run(*arrays: np.ndarray) -> list[np.ndarray]:
        given, rest = arrays[: len(args)], iter(arrays[len(args) :])
        grads = pull(given, [(next(rest) if t.is_float else np.zeros(t.shape)).astype(t.dtype) for t in call.results])
        return [np.zeros(t.shape, t.dtype) if (g := grads[i]) is None else g.astype(t.dtype) for i, t in zip(wanted, types, strict=True)]

    found = iter(apply(operation(library, f"∂ {symbol}"), Call((call, tuple(wanted)), types, run), [*args, *live]))
    return [next(found) if need else None for need in needs]
