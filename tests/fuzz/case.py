"""A program with inputs, what is computed of it, and how results are compared."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

import minigrad as mg
from minigrad.graph import ir
from minigrad.transforms import interpret

from .language import Program
from .libraries import OURS

Arrays = list[np.ndarray]
DOUBLE, SINGLE = 1e-8, 1e-3  # of the largest element; rounding alone is far below, a wrong rule far above


class Mismatch(AssertionError):
    """Two ways to compute one thing that differ."""


class Skip(Exception):
    """A leg that does not apply to a program, with the reason."""


@dataclass(frozen=True)
class Case:
    """A program with inputs, and what is to be computed of it.

    nudge  moves the float inputs a little, to see whether they are special
    even   weighs the elements of a result alike, so that the same can be computed for other sizes
    sizes  other lengths for those of the program's inputs
    """

    program: Program
    nudge: float = 0.0
    even: bool = False
    sizes: Mapping[int, int] = field(default_factory=dict)

    @cached_property
    def arrays(self) -> Arrays:
        nudged = (a * a.dtype.type(1 + self.nudge) if a.dtype.kind == "f" else a for a in self.program.arrays(self.sizes))
        return [np.asarray(a) for a in nudged]  # a product of an array without axes is a number of NumPy's, which counts less

    @cached_property
    def floats(self) -> tuple[int, ...]:
        return tuple(i for i, (_, dtype) in enumerate(self.program.inputs) if dtype.startswith("float"))

    @cached_property
    def limit(self) -> float:
        return SINGLE if "float32" in self.program.floats else DOUBLE

    def weights(self, outs: Sequence[Any]) -> list[Any]:
        """A fixed cotangent for each float result, irregular and of both signs, None for the others."""
        found: list[Any] = []
        for k, o in enumerate(outs):
            dtype, shape = str(o.dtype).removeprefix("torch."), () if self.even else tuple(o.shape)
            w = np.cos(k + 1 + 1.7 * np.arange(math.prod(shape))).reshape(shape).astype(dtype)
            found.append(w if dtype.startswith("float") else None)
        return found

    def total(self, outs: Sequence[Any]) -> Any:
        """The weighted sum of the float results; where they are weighed alike, of every second one's squares."""
        weights = self.weights(outs)
        squared = [self.even and (self.program.seed + k) % 2 == 0 and w is not None for k, w in enumerate(weights)]
        return weighted(mg.sum, weights, [o * o if s else o for o, s in zip(outs, squared, strict=True)])

    def directions(self) -> Arrays:
        """A fixed random direction for each float input."""
        rng = np.random.default_rng([self.program.seed, 2])
        return [rng.standard_normal(self.arrays[i].shape).astype(self.arrays[i].dtype) for i in self.floats]

    def first(self, *args: Any) -> list[Any]:
        """Outputs, then gradients of their weighted sum."""

        def loss(*args: Any) -> Any:
            outs = self.program.evaluate(OURS, args)
            return self.total(outs), outs

        (_, outs), grads = mg.value_and_grad(loss, self.floats, has_aux=True)(*args)
        return [*outs, *grads]

    def second(self, *args: Any) -> list[Any]:
        """Gradients of the gradients' sum along fixed directions, or of the sum that `even` takes."""

        def slope(*args: Any) -> Any:
            grads = self.first(*args)[-len(self.floats) :]
            return self.total(grads) if self.even else sum(mg.sum(g * v) for g, v in zip(grads, self.directions(), strict=True))

        return list(mg.grad(slope, self.floats)(*args))

    @cached_property
    def graph(self) -> ir.Graph:
        return mg.trace(self.first, *self.arrays)

    @cached_property
    def expected(self) -> Arrays:
        """Outputs and gradients as the interpreter gives them."""
        return run(self.graph, self.arrays)

    @cached_property
    def second_graph(self) -> ir.Graph:
        return mg.trace(self.second, *self.arrays)

    @cached_property
    def second_expected(self) -> Arrays:
        return run(self.second_graph, self.arrays)


def weighted(total: Any, weights: Sequence[Any], outs: Sequence[Any]) -> Any:
    return sum(total(o * w) for o, w in zip(outs, weights, strict=True) if w is not None)


def run(graph: ir.Graph, arrays: Sequence[np.ndarray]) -> Arrays:
    return [np.asarray(y) for y in interpret.run(graph, arrays)]


def agree(found: Sequence[Any], expected: Sequence[Any], limit: float, exact: bool = False) -> None:
    """Raises Mismatch where results differ in shape, in dtype, or by more than `limit` of the largest element."""
    if len(found) != len(expected):
        raise Mismatch(f"{len(found)} results, expected {len(expected)}")
    for k, (a, b) in enumerate(zip(map(np.asarray, found), map(np.asarray, expected), strict=True)):
        if (a.shape, a.dtype) != (b.shape, b.dtype):
            raise Mismatch(f"result {k} is {a.dtype}{a.shape}, expected {b.dtype}{b.shape}")
        scale = max(1.0, float(np.max(np.abs(b), initial=0, where=np.isfinite(b)))) if b.dtype.kind == "f" else 0.0
        if not np.allclose(a, b, rtol=0 if exact else limit, atol=0 if exact else limit * scale, equal_nan=True):
            raise Mismatch(f"result {k} is\n{a}\nexpected\n{b}")
