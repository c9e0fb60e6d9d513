"""check_grads: a gradient against an independent derivative, along a random direction, with a random cotangent, in float64.

The independent derivative is the complex step, Im f(x + ihv) / h with h = 1e-30, exact to rounding, by each operation's own complex rule;
where f cannot be traced it is Richardson's extrapolation of central differences.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import autodiff, tree
from ..errors import AbstractValueError, MinigradError, dtype_error
from ..interpret import run
from ..ir import Graph
from ..tensor import Tensor, tensor
from ..trace import trace
from .report import localised

Arrays = list[np.ndarray]
STEP = 1e-30
EPS = float(np.finfo("float64").eps)
LOCALISED = 4096  # elements looked at one by one when a check has failed


class GradientError(AssertionError, MinigradError):
    """A gradient that is not the derivative."""


class NondeterminismError(GradientError):
    """A function that gives two results for one argument."""


@dataclass
class Subject:
    """f as a function of its float leaves, giving its float results; by its graph where it has one."""

    name: str
    f: Callable[..., Any]
    xs: Arrays
    paths: list[str]
    graph: Graph | None

    def value(self, xs: Sequence[np.ndarray]) -> Arrays:
        if self.graph is not None:
            return [np.asarray(y) for y in run(self.graph, list(xs))]
        return [y.numpy() for y in self.f(*map(tensor, xs))]

    def gradient(self, xs: Sequence[np.ndarray], cts: Sequence[np.ndarray]) -> Arrays:
        _, pull = autodiff.vjp(self.f, *map(np.asarray, xs))
        return [g.numpy() for g in pull(list(map(np.asarray, cts)))]

    def complex_step(self, xs: Sequence[np.ndarray], vs: Sequence[np.ndarray]) -> Arrays | None:
        """∂f·v by the complex step, or None where f has no graph or an operation no complex rule."""
        if self.graph is None:
            return None
        try:
            found = run(self.graph, [x + 1j * STEP * v for x, v in zip(xs, vs, strict=True)], complex=True)
        except TypeError:
            return None
        return [np.imag(y) / STEP for y in found]

    def along(self, xs: Sequence[np.ndarray], vs: Sequence[np.ndarray], cts: Sequence[np.ndarray], t: float) -> float:
        return _dot(cts, self.value([x + t * v for x, v in zip(xs, vs, strict=True)]))


def check_grads(f: Callable[..., Any], *args: Any, order: int = 2, key: int = 0) -> None:
    """Assert that the gradient of f at args is its derivative, and for order 2 the gradient's gradient as well.

    args are trees; their floats are taken as float64, their integers as constants. f may return a tree of any shapes.
    mg.detach counts as a constant at both orders. At a kink (relu at 0) any subgradient between the one-sided derivatives will do.
    `key` is the seed of the random cotangent and direction.

    Raises GradientError naming leaf, worst element, both values and the likely cause; NondeterminismError for an f that gives two results;
    DTypeError where there is nothing to differentiate.
    """
    snapshot = [np.array(x) for x in tree.leaves(args)]
    subject = _subject(f, args)
    rng = np.random.default_rng(key)
    what = f"check_grads({subject.name}, key={key})"
    outs = _deterministic(subject, what)
    cts = [np.asarray(rng.standard_normal(y.shape)) for y in outs]
    _check_linear(subject, cts, rng, what)
    _check_first(subject, cts, rng, what + ", the gradient")
    if order > 1:
        second = [np.asarray(rng.standard_normal(x.shape)) for x in subject.xs]
        _check_first(_gradient_of(subject, cts), second, rng, what + ", the gradient's gradient")
    for before, after in zip(snapshot, tree.leaves(args), strict=True):
        if not np.array_equal(before, np.asarray(after), equal_nan=before.dtype.kind == "f"):
            raise GradientError(f"{what}: the function changes its argument in place")


def _subject(f: Callable[..., Any], args: Sequence[Any]) -> Subject:
    leaves, treedef = tree.flatten(list(args))
    values = [x.numpy() if isinstance(x, Tensor) else np.asarray(x) for x in leaves]
    floats = [i for i, v in enumerate(values) if v.dtype.kind == "f"]
    if not floats:
        raise dtype_error("check_grads", "no argument is a float, so there is nothing to differentiate")

    def of_floats(*xs: Any) -> list[Tensor]:
        given: list[Any] = list(leaves)
        for i, x in zip(floats, xs, strict=True):
            given[i] = x
        outs = map(tensor, tree.leaves(f(*tree.unflatten(treedef, given))))
        return [y for y in outs if y.type.is_float]

    every, name = list(tree.paths(treedef)), getattr(f, "__name__", "function")
    return _make(name, of_floats, [np.array(values[i], "float64") for i in floats], [every[i] for i in floats])


def _make(name: str, f: Callable[..., Any], xs: Arrays, paths: list[str]) -> Subject:
    try:
        graph = trace(f, *xs)
    except AbstractValueError:
        graph = None
    return Subject(name, f, xs, paths, graph)


def _gradient_of(subject: Subject, cts: Arrays) -> Subject:
    def gradient(*xs: Any) -> list[Tensor]:
        _, pull = autodiff.vjp(subject.f, *xs)
        return list(pull(list(map(tensor, cts))))

    return _make(subject.name, gradient, subject.xs, subject.paths)


def _deterministic(subject: Subject, what: str) -> Arrays:
    def eager() -> Arrays:
        return [y.numpy() for y in subject.f(*map(tensor, subject.xs))]

    first, again = eager(), eager()
    for i, (a, b) in enumerate(zip(first, again, strict=True)):
        if a.shape != b.shape:
            raise NondeterminismError(f"{what}: two runs give result {i} the shapes {a.shape} and {b.shape}")
        differs = ~((a == b) | (np.isnan(a) & np.isnan(b)))
        if differs.any():
            at = tuple(map(int, np.argwhere(differs)[0]))
            raise NondeterminismError(f"{what}: two runs differ in result {i} at {at}: {a[at]} and {b[at]}. Pass a key, and draw from it")
        if not np.isfinite(a).all():
            at = tuple(map(int, np.argwhere(~np.isfinite(a))[0]))
            raise GradientError(f"{what}: result {i} is {a[at]} at {at}: there is no derivative to compare with. Choose other arguments")
    return first


def _dot(a: Sequence[np.ndarray], b: Sequence[np.ndarray]) -> float:
    return float(sum(np.sum(x * y) for x, y in zip(a, b, strict=True)))


def _check_first(subject: Subject, cts: Arrays, rng: np.random.Generator, what: str) -> None:
    found = subject.gradient(subject.xs, cts)
    for x, g, path in zip(subject.xs, found, subject.paths, strict=True):
        if g.shape != x.shape or not np.isfinite(g).all():
            problem = f"has shape {g.shape}, the argument {x.shape}" if g.shape != x.shape else "is not finite, and the function is"
            raise GradientError(f"{what}: that of args{path} {problem}")
    for _ in range(2):  # a failure must repeat along another direction
        vs = [rng.standard_normal(x.shape) for x in subject.xs]
        if _agrees(subject, found, cts, vs):
            return
    raise GradientError(f"{what} is wrong\n" + _locate(subject, found, cts))


def _agrees(subject: Subject, found: Arrays, cts: Arrays, vs: Arrays) -> bool:
    xs, right = subject.xs, _dot(found, vs)
    tangents = subject.complex_step(xs, vs)
    left, error = (_dot(cts, tangents), 0.0) if tangents is not None else _richardson(subject, xs, vs, cts)
    top = max((float(np.abs(c).max()) for c in cts if c.size), default=0.0)
    terms = sum(float(np.sum(np.abs(g * v))) for g, v in zip(found, vs, strict=True))
    terms += sum(float(np.sum(np.abs(c * d))) for c, d in zip(cts, tangents or [], strict=tangents is not None))
    relative = 1e-10 if tangents is not None else 1e-8
    limit = relative * max(abs(left), abs(right)) + 64 * EPS * terms + 1e-13 * top + 20 * error
    if abs(left - right) <= limit:
        return True
    if abs(left - right) <= limit + 32 * _noise(subject, cts, vs, left, right):
        return True
    return _is_subgradient(subject, right, cts, vs)


def _noise(subject: Subject, cts: Arrays, vs: Arrays, left: float, right: float) -> float:
    """How far both sides move when the argument moves by one rounding."""
    moves = [0.0]
    for factor in (1 + EPS, 1 - EPS):
        xs = [x * factor for x in subject.xs]
        tangents = subject.complex_step(xs, vs)
        if tangents is not None:
            moves.append(abs(_dot(cts, tangents) - left))
        moves.append(abs(_dot(subject.gradient(xs, cts), vs) - right))
    return max((m for m in moves if np.isfinite(m)), default=0.0)


def _richardson(subject: Subject, xs: Arrays, vs: Arrays, cts: Arrays) -> tuple[float, float]:
    """Central differences with steps 2^-4 … 2^-9 times 1, extrapolated; and an estimate of the error."""
    table = [[(subject.along(xs, vs, cts, h) - subject.along(xs, vs, cts, -h)) / (2 * h)] for h in (2.0**-k for k in range(4, 10))]
    best, error = table[0][0], np.inf
    for i in range(1, len(table)):
        for j in range(1, i + 1):
            table[i].append(table[i][j - 1] + (table[i][j - 1] - table[i - 1][j - 1]) / (4**j - 1))
        change = abs(table[i][-1] - table[i - 1][-1])
        if change < error:
            best, error = table[i][-1], change
    return best, min(error, 1e-4 * abs(best))


def _is_subgradient(subject: Subject, right: float, cts: Arrays, vs: Arrays) -> bool:
    """At a kink along v, whether the gradient's slope lies between those of the two sides."""
    here = _dot(cts, subject.value(subject.xs))
    gaps, sides = [], [0.0, 0.0]
    for h in (1e-5, 1e-5 / 8):
        sides = [(subject.along(subject.xs, vs, cts, s * h) - here) / (s * h) for s in (1, -1)]
        gaps.append(abs(sides[0] - sides[1]))
    scale = max(1e-3, *map(abs, sides))
    is_kink = gaps[1] > 1e-4 * scale and gaps[1] > gaps[0] / 4  # a curve's gap shrinks with h, a kink's stays
    return is_kink and min(sides) - 1e-4 * scale <= right <= max(sides) + 1e-4 * scale


def _locate(subject: Subject, found: Arrays, cts: Arrays) -> str:
    """The derivative with respect to every element, beside what was found."""
    lines, left = [], LOCALISED
    for i, (path, x, g) in enumerate(zip(subject.paths, subject.xs, found, strict=True)):
        expected = np.full(x.shape, np.nan)
        for at in np.ndindex(x.shape):
            if not left:
                break
            left -= 1
            vs = [np.zeros_like(y) for y in subject.xs]
            vs[i][at] = 1
            tangents = subject.complex_step(subject.xs, vs)
            expected[at] = _dot(cts, tangents) if tangents is not None else _richardson(subject, subject.xs, vs, cts)[0]
        lines += localised(f"args{path}", g, expected)
    if subject.graph is not None and any(str(getattr(n.type, "dtype", "")) == "float32" for n in subject.graph.nodes):
        lines.append("  the function computes in float32 inside: give its constants dtype='float64' for the check")
    return "\n".join(lines)


def _check_linear(subject: Subject, cts: Arrays, rng: np.random.Generator, what: str) -> None:
    """A vjp is linear in its cotangent, and 0 for 0."""
    other = [rng.standard_normal(c.shape) for c in cts]
    a, b = subject.gradient(subject.xs, cts), subject.gradient(subject.xs, other)
    both = subject.gradient(subject.xs, [c + d for c, d in zip(cts, other, strict=True)])
    zero = subject.gradient(subject.xs, [0 * c for c in cts])
    for path, p, q, total, z in zip(subject.paths, a, b, both, zero, strict=True):
        size = float(np.max(np.abs(p) + np.abs(q), initial=0))
        if np.isfinite(total).all() and (np.any(np.abs(p + q - total) > 1e-5 * size + 1e-12) or np.any(z != 0)):
            raise GradientError(f"{what}: the gradient of args{path} is not linear in the cotangent. Is the cotangent ignored or squared?")
