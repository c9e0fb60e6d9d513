"""A function as check_grads sees it, and derivatives of it that know nothing of vjp rules.

The complex step, Im f(x + ihv) / h with h = 1e-30, or 1e-30·x for smaller x, is exact to rounding (Squire and Trapp 1998), by each
operation's own complex rule; where f cannot be traced it is Richardson's extrapolation of central differences.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from .. import tree
from ..errors import AbstractValueError, dtype_error
from ..graph.ir import Graph, Node
from ..passes.rewrite import apply_rules
from ..primitives.elementwise import detach
from ..tensor import Primitive, Tensor, tensor
from ..transforms import autodiff
from ..transforms.interpret import run
from ..transforms.tracing import trace

Arrays = list[np.ndarray]
STEP = 1e-30
EPS = float(np.finfo("float64").eps)
SIDE = 1e-5  # one-sided differences step this far
ULPS = (64, 8)  # where the derivative is exact, its changes are looked at this near
AROUND = 16  # points near a kink at which slopes are taken
LONG = np.longdouble if np.finfo(np.longdouble).nmant > np.finfo(float).nmant else None  # on Windows and Apple's ARM it is a double
VANISHING = 256  # a difference that is this much smaller in long double, which has 11 more bits, is rounding


class _Held(threading.local):
    """What this thread puts in the place of detached values while check_grads moves what they were made of."""

    replace: Callable[[np.ndarray], np.ndarray] = staticmethod(lambda x: x)


_held = _Held()
_eager = threading.RLock()  # whoever has it may change what `detach` computes


def _renew_lock() -> None:
    global _eager
    _eager = threading.RLock()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_renew_lock)  # another thread of the parent may have had it

held: Primitive = Primitive("held", lambda x: x, lambda x: _held.replace(x), complex=lambda z: _held.replace(z.real), elementwise=True)


def _hold(node: Node, args: Sequence[Tensor]) -> Any:
    """A rewrite rule: values that are detached are held."""
    return held(args[0]) if node.op is detach else None


class Sides(NamedTuple):
    """The slopes to the left and right along a direction: where they differ there is a kink, where they grow without end a jump."""

    kind: str  # "", "kink", "jump", or "edge" where f is not finite on one side
    low: float
    high: float


@dataclass
class Subject:
    """f as a function of its float leaves, giving its float results; by its graph where it has one."""

    name: str
    f: Callable[..., Any]
    xs: Arrays
    paths: list[str]
    graph: Graph | None

    def value(self, xs: Sequence[np.ndarray]) -> Arrays:
        return [np.asarray(y) for y in run(self.graph, list(xs))] if self.graph is not None else self.eager(xs)

    def eager(self, xs: Sequence[np.ndarray] | None = None) -> Arrays:
        """The value as f itself computes it."""
        return [y.numpy() for y in self.f(*map(tensor, self.xs if xs is None else xs))]

    def gradient(self, xs: Sequence[np.ndarray], cts: Sequence[np.ndarray]) -> Arrays:
        """ctᵀ·∂f in each x: reverse mode."""
        _, pull = autodiff.vjp(self.f, *map(np.asarray, xs))
        return [g.numpy() for g in pull(list(map(np.asarray, cts)))]

    def tangents(self, vs: Sequence[np.ndarray]) -> Arrays:
        """∂f·v: forward mode."""
        return [t.numpy() for t in autodiff.jvp(self.f, [np.asarray(x) for x in self.xs], [np.asarray(v) for v in vs])[1]]

    def pushed(self, vs: Sequence[np.ndarray]) -> Subject:
        """∂f·v in forward mode, as a function of the same leaves."""
        tangent = lambda *xs: list(autodiff.jvp(self.f, list(xs), list(map(tensor, vs)))[1])  # noqa: E731
        return subject_of(self.name, tangent, self.xs, self.paths)

    def differentiated(self, cts: Sequence[np.ndarray]) -> Subject:
        """The gradient for a cotangent, as a function of the same leaves."""

        def gradient(*xs: Any) -> list[Tensor]:
            _, pull = autodiff.vjp(self.f, *xs)
            return list(pull(list(map(tensor, cts))))

        return subject_of(self.name, gradient, self.xs, self.paths)

    def complex_step(self, xs: Sequence[np.ndarray], vs: Sequence[np.ndarray]) -> Arrays | None:
        """∂f·v by the complex step in the precision of xs, or None where f has no graph or an operation no complex rule."""
        if self.graph is None:
            return None
        step = STEP * min(1.0, reach(xs, vs))
        try:
            found = run(self.graph, [x + 1j * x.dtype.type(step) * v for x, v in zip(xs, vs, strict=True)], complex=True)
        except TypeError:
            return None
        return [np.imag(y) / step for y in found]

    @cached_property
    def detached(self) -> Arrays:
        """Every value that f detaches at xs, in the order in which it does."""
        found: Arrays = []
        with self._holding(lambda x: found.append(x) or x):  # type: ignore[func-returns-value]
            self.value(self.xs)
        return found

    def along(self, vs: Sequence[np.ndarray], cts: Sequence[np.ndarray], t: float) -> float:
        """ctᵀ·f(x + tv), where detached values stay what they are at x."""
        with self._detached_as_here():
            return dot(cts, self.value([x + t * v for x, v in zip(self.xs, vs, strict=True)]))

    def exact_slope(self, xs: Sequence[np.ndarray], vs: Sequence[np.ndarray], cts: Sequence[np.ndarray]) -> float | None:
        """ctᵀ·∂f·v at xs by the complex step, where detached values stay what they are at x; None where there is none."""
        with self._detached_as_here():
            tangents = self.complex_step(xs, vs)
        return None if tangents is None else float(dot(cts, tangents))

    def _detached_as_here(self) -> AbstractContextManager[None]:
        """For one evaluation of f, its detached values are those at x."""
        held = iter(self.detached)

        def same(x: np.ndarray) -> np.ndarray:
            value = next(held, x)
            return value if value.shape == x.shape else x  # where f branches, another one may be asked for

        return self._holding(same)

    @contextmanager
    def _holding(self, replace: Callable[[np.ndarray], np.ndarray]) -> Iterator[None]:
        """While it lasts, this thread's detached values are replaced: in the graph, or in f itself where it has none."""
        _held.replace = replace
        try:
            if self.graph is not None:
                yield
                return
            with _eager:
                rule = detach.numpy
                object.__setattr__(detach, "numpy", held.numpy)
                try:
                    yield
                finally:
                    object.__setattr__(detach, "numpy", rule)
        finally:
            del _held.replace

    def derivative(self, vs: Sequence[np.ndarray], cts: Sequence[np.ndarray]) -> tuple[float, float]:
        """ctᵀ·∂f·v and an estimate of its error."""
        tangents = self.complex_step(self.xs, vs)
        return (dot(cts, tangents), 0.0) if tangents is not None else self._richardson(vs, cts)

    def _richardson(self, vs: Sequence[np.ndarray], cts: Sequence[np.ndarray]) -> tuple[float, float]:
        """Central differences extrapolated, from a wide step and, for what a kink nearby spoils, a narrow one: the surer of the two."""
        best, error = 0.0, np.inf
        for widest in (4, 12):
            steps = [2.0**-k for k in range(widest, widest + 6)]
            table = [[(self.along(vs, cts, h) - self.along(vs, cts, -h)) / (2 * h)] for h in steps]
            for i in range(1, len(table)):
                for j in range(1, i + 1):
                    table[i].append(table[i][j - 1] + (table[i][j - 1] - table[i - 1][j - 1]) / (4**j - 1))
                change = abs(table[i][-1] - table[i - 1][-1])
                if change < error:
                    best, error = table[i][-1], change
        return best, min(error, 1e-4 * abs(best))

    def size(self, cts: Sequence[np.ndarray]) -> float:
        """Σ|ct·f|, of which a rounding is a part."""
        return sum(float(np.sum(np.abs(c * y))) for c, y in zip(cts, self.value(self.xs), strict=True))

    def in_long_double(self) -> Arrays | None:
        """The value in long double; None where that is double, f has no graph, or an operation no such rule."""
        try:
            return self.value([x.astype(LONG) for x in self.xs]) if LONG is not None and self.graph is not None else None
        except TypeError:
            return None

    def compared_in_long_double(self, vs: Sequence[np.ndarray], cts: Sequence[np.ndarray], mode: str = "rev") -> tuple[Any, Any] | None:
        """(slope by this mode, derivative), ctᵀ·∂f·v both, in long double; None where `in_long_double` is."""
        tangents = None if LONG is None else self.complex_step([x.astype(LONG) for x in self.xs], vs)
        values = (self.differentiated(cts) if mode == "rev" else self.pushed(vs)).in_long_double() if tangents is not None else None
        if tangents is None or values is None:
            return None
        return (dot(values, vs) if mode == "rev" else dot(cts, values)), dot(cts, tangents)

    def sides(self, vs: Sequence[np.ndarray], cts: Sequence[np.ndarray]) -> Sides:
        """What f does on either side. A smooth curve's slopes come together as the step shrinks, those at a kink do not."""
        here, size = dot(cts, self.value(self.xs)), self.size(cts)
        far = max(1.0, reach(self.xs, vs))
        steps = [SIDE * far / d for d in (1, 8)]
        wide, near = ([(self.along(vs, cts, s * h) - here) / (s * h) for s in (1, -1)] for h in steps)
        before, after, noise = abs(wide[0] - wide[1]), abs(near[0] - near[1]), 64 * EPS * size / steps[1]
        kind = ""
        if not np.isfinite([*wide, *near]).all():
            kind = "edge"
        elif max(map(abs, near)) > 4 * max(map(abs, wide)) + noise:  # also with f half-way, where both slopes are one
            kind = "jump"
        elif after > 1e-4 * max(1e-3, *map(abs, near)) + noise and after > before / 4:
            kind = "kink"
        return Sides("" if kind and self._is_smooth(vs, cts, far, here, size) else kind, *sorted(near))

    def _is_smooth(self, vs: Sequence[np.ndarray], cts: Sequence[np.ndarray], far: float, here: float, size: float) -> bool:
        """Whether value and exact slope go on smoothly within a few roundings of x, where differences over wider steps look like a kink."""
        found = []
        for ulps in ULPS:
            h = ulps * EPS * far
            right, left = (self.exact_slope([x + s * h * v for x, v in zip(self.xs, vs, strict=True)], vs, cts) for s in (1, -1))
            if right is None or left is None:
                return False
            found.append((right, left))
        steepest, moves = max(map(abs, found[1])), [self.along(vs, cts, s * h) - here for s in (1, -1)]
        if not np.isfinite([*moves, *found[0], *found[1]]).all() or max(map(abs, moves)) > 4 * h * steepest + 64 * EPS * size:
            return False
        wide, near = (abs(a - b) for a, b in found)
        return bool(near <= wide / 4 or near <= 1e-10 * steepest)

    def slopes_around(self, vs: Sequence[np.ndarray], cts: Sequence[np.ndarray]) -> list[float]:
        """Exact slopes along v at x and at points near it, in random directions and with rising and falling elements: those of the
        pieces of f that meet in x. None where f has no graph."""
        rng, step = np.random.default_rng(0), SIDE * max(1.0, reach(self.xs, vs))
        ramps = [[s * (1 + np.arange(x.size)).reshape(x.shape) / max(1, x.size) for x in self.xs] for s in (0, 1, -1)]
        directions = [*ramps, *([rng.uniform(-1, 1, x.shape) for x in self.xs] for _ in range(AROUND))]
        found = (self.exact_slope([x + step * d for x, d in zip(self.xs, ds, strict=True)], vs, cts) for ds in directions)
        return [slope for slope in found if slope is not None]

    def in_float32(self) -> bool:
        """Whether it computes in float32 inside, whatever its arguments are."""
        return self.graph is not None and any(str(getattr(n.type, "dtype", "")) == "float32" for n in self.graph.nodes)

    def units(self) -> Iterator[tuple[int, tuple[int, ...], Arrays]]:
        """Every element of every leaf: the leaf's number, the index, and the direction that moves it alone."""
        for i, x in enumerate(self.xs):
            for at in np.ndindex(x.shape):
                vs = [np.zeros_like(y) for y in self.xs]
                vs[i][at] = 1
                yield i, at, vs


def subject(f: Callable[..., Any], args: Sequence[Any]) -> Subject:
    """f of trees as a Subject: float leaves as float64, all others as they are. Raises DTypeError where no leaf is a float."""
    leaves, treedef = tree.flatten(list(args))
    values = [x.numpy() if isinstance(x, Tensor) else np.asarray(x) for x in leaves]
    floats = [i for i, (v, is_trained) in enumerate(zip(values, tree.trained(treedef), strict=True)) if is_trained and v.dtype.kind == "f"]
    if not floats:
        raise dtype_error("check_grads", "no argument is a float, so there is nothing to differentiate", "Pass floats, as in 3.0")

    def of_floats(*xs: Any) -> list[Tensor]:
        given: list[Any] = list(leaves)
        for i, x in zip(floats, xs, strict=True):
            given[i] = x
        outs = map(tensor, tree.leaves(f(*tree.unflatten(treedef, given))))
        return [y for y in outs if y.type.is_float]

    every, name = list(tree.paths(treedef)), getattr(f, "__name__", type(f).__name__)
    return subject_of(name, of_floats, [np.array(values[i], "float64") for i in floats], [f"args{every[i]}" for i in floats])


def subject_of(name: str, f: Callable[..., Any], xs: Arrays, paths: list[str]) -> Subject:
    try:
        graph = apply_rules(trace(f, *xs), (_hold,))
    except AbstractValueError:
        graph = None
    return Subject(name, f, xs, paths, graph)


def reach(xs: Sequence[np.ndarray], vs: Sequence[np.ndarray]) -> float:
    """The largest |x| among the elements that v moves; 1 where they are all 0."""
    return max((float(np.abs(x[v != 0]).max(initial=0)) for x, v in zip(xs, vs, strict=True)), default=0.0) or 1.0


def is_rounding(difference: float, in_long_double: tuple[Any, Any] | None) -> bool:
    """Whether a difference between a slope and the derivative vanishes in long double, as rounding does and a fault does not."""
    if in_long_double is None:
        return False
    slope, expected = in_long_double
    return bool(abs(expected - slope) <= max(1e-13 * abs(expected), difference / VANISHING))


def dot(a: Sequence[np.ndarray], b: Sequence[np.ndarray]) -> Any:
    return sum((np.sum(x * y) for x, y in zip(a, b, strict=True)), 0.0)
