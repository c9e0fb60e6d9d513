"""check_grads: a gradient against an independent derivative, along a random direction, with a random cotangent, in float64."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from .. import tree
from ..errors import MinigradError, SettingError, dtype_error
from .report import Report, look
from .subject import EPS, VANISHING, Arrays, Subject, dot, is_rounding, reach, subject

Numbers = np.random.Generator
MODES = ("rev", "fwd")
VARIABLE = "MINIGRAD_GRADCHECK"


class GradientError(AssertionError, MinigradError):
    """A gradient that is not the derivative; `report` has the leaves, where they were looked at."""

    report: Report | None = None


class NondeterminismError(GradientError):
    """A function that gives two results for one argument."""


class KinkWarning(UserWarning):
    """A check that says little: most elements of the arguments are at kinks or jumps, where there is no derivative."""


@dataclass(frozen=True)
class Settings:
    """What check_grads does where it is not told, overridden by MINIGRAD_GRADCHECK, as in "order=1 modes=rev dtype=float32 key=7"."""

    order: int = 2
    modes: tuple[str, ...] = MODES
    dtype: str = "float64"
    key: int = 0

    def __post_init__(self) -> None:
        modes = self.modes and set(self.modes) <= set(MODES)
        if self.order not in (1, 2) or not modes or self.dtype not in ("float64", "float32") or self.key < 0:
            problem = f"order is 1 or 2, modes are among {MODES}, dtype is float64 or float32, key is at least 0, got {self}"
            raise SettingError(f"check_grads: {problem}")

    @classmethod
    def here(cls, **given: Any) -> Settings:
        """The settings given (None is not), those of the environment, and the defaults."""
        read: dict[str, Callable[[str], Any]] = {"order": int, "key": int, "modes": lambda s: tuple(s.split(","))}
        try:
            words = dict(word.split("=") for word in os.environ.get(VARIABLE, "").split())
            base = cls(**{k: read.get(k, str)(v) for k, v in words.items()})
        except (TypeError, ValueError) as error:
            raise SettingError(f"{VARIABLE}={os.environ[VARIABLE]!r}: {error}. Give {', '.join(f.name for f in fields(cls))}") from None
        return replace(base, **{k: v for k, v in given.items() if v is not None})


def check_grads(
    f: Callable[..., Any],
    *args: Any,
    order: int | None = None,
    modes: Sequence[str] | None = None,
    dtype: str | None = None,
    key: int | None = None,
    full: bool = False,
) -> Report:
    """Assert that the gradient of f at args is its derivative, and for order 2 (the default) the gradient's gradient as well.

    args are trees; their floats are taken as float64, their integers as constants. f may return a tree of any shapes.
    mg.detach counts as a constant at both orders. At a kink (relu at 0) any gradient between the slopes of the two sides will do;
    the report counts kinks and jumps, and a KinkWarning says so where they are more than half of all elements.

    modes    "rev" (vjp), "fwd" (jvp); both by default
    dtype    "float32" compares the gradient in float32 with that in float64 as well
    key      seed of the random cotangent and direction
    full     look at every element (the first 4,096), which otherwise happens only where a random direction finds something

    The tolerance is the rounding error as measured at args. A difference is repeated along another direction and, where f allows it, in
    long double: one that vanishes there is rounding. Where long double is no wider than double (Windows, Apple's ARM), rounding is measured
    by multiplying direction and cotangent by numbers.

    Raises GradientError naming leaf, worst element, both values and the likely cause; NondeterminismError for an f that gives two results;
    DTypeError where no argument or no result is a float.
    """
    settings = Settings.here(order=order, modes=None if modes is None else tuple(modes), dtype=dtype, key=key)
    snapshot = [np.array(x) for x in tree.leaves(args)]
    s = subject(f, args)
    rng = np.random.default_rng(settings.key)
    what = f"check_grads({s.name}, key={settings.key})"
    outs = _deterministic(s, what)
    cts = [np.asarray(rng.standard_normal(y.shape)) for y in outs]
    report = Report(s.name, settings.key, sum(x.size for x in s.xs))
    _check_linear(s, cts, rng, what)
    _check(s, cts, rng, settings.modes, f"{what}, the gradient", report, first=True, full=full)
    if settings.order > 1:
        second = [np.asarray(rng.standard_normal(x.shape)) for x in s.xs]
        _check(s.differentiated(cts), second, rng, settings.modes, f"{what}, the gradient's gradient", report)
    if settings.dtype == "float32":
        _check_float32(s, cts, f"{what}, the gradient in float32")
    for before, after in zip(snapshot, tree.leaves(args), strict=True):
        if not np.array_equal(before, np.asarray(after), equal_nan=before.dtype.kind == "f"):
            raise GradientError(f"{what}: the function changes its argument in place. Let it work on a copy")
    for name, count in zip(TOTALS, (1, report.elements, report.kinks), strict=True):
        TOTALS[name] += count
    if report.kinks > report.elements / 2:
        few = f"{report.kinks} of {report.elements} elements are at kinks or jumps, where there is no derivative to compare with"
        warnings.warn(f"{what}: {few}. Choose other arguments", KinkWarning, stacklevel=2)
    return report


TOTALS = {"checks": 0, "elements": 0, "kinks": 0}  # of this process, for the pytest plugin


def _deterministic(s: Subject, what: str) -> Arrays:
    first, again = (s.eager() for _ in range(2))
    if not first:
        raise dtype_error(
            what, "the function returns no float, so there is nothing to differentiate", "Did it forget to return its result?"
        )
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


def _check(
    s: Subject, cts: Arrays, rng: Numbers, modes: Sequence[str], what: str, report: Report, first: bool = False, full: bool = False
) -> None:
    """One order. The first counts kinks and goes into the report."""
    found = s.gradient(s.xs, cts)
    for x, g, path in zip(s.xs, found, s.paths, strict=True):
        if g.shape != x.shape or not np.isfinite(g).all():
            problem = f"has shape {g.shape}, the argument {x.shape}" if g.shape != x.shape else "is not finite, and the function is"
            raise GradientError(f"{what}: that of {path} {problem}")
    for _ in range(2):  # a failure must repeat along another direction
        vs = [np.asarray(rng.standard_normal(x.shape)) for x in s.xs]
        problem = _mismatch(s, found, cts, vs, modes)
        if not problem:
            break
    uneven = first and not s.in_float32() and bool(s.sides(vs, cts).kind)
    if not (problem or uneven or full):
        return
    leaves = look(s, found, cts)
    if first:
        report.leaves, report.kinks = leaves, sum(int(leaf.discarded.sum()) for leaf in leaves)
    wrong = [leaf for leaf in leaves if leaf.wrong.any()]
    if problem and not wrong and any(leaf.discarded.any() for leaf in leaves):
        smooth = [np.where(leaf.discarded, 0, rng.standard_normal(leaf.gradient.shape)) for leaf in leaves]
        problem = _mismatch(s, found, cts, smooth, modes)
    if problem or wrong:
        lines = [f"{what} is wrong", *(line for leaf in wrong for line in leaf.lines()), *([f"  {problem}"] if problem else [])]
        if s.in_float32():
            lines.append(
                "    likely: float32 noise. The function computes in float32 inside; give its constants dtype='float64' for the check"
            )
        error = GradientError("\n".join(lines))
        error.report = report
        raise error


def _mismatch(s: Subject, found: Arrays, cts: Arrays, vs: Arrays, modes: Sequence[str]) -> str:
    """Which mode's slope along v is not the derivative, or ''."""
    expected, error = s.derivative(vs, cts)
    top = max((float(np.abs(c).max()) for c in cts if c.size), default=0.0)
    floor = 4 * EPS * s.size(cts) / reach(s.xs, vs) + 1e-50 * top  # a rounding of the value; the error of the complex step
    terms = sum(float(np.sum(np.abs(g * v))) for g, v in zip(found, vs, strict=True)) + abs(expected)
    for mode in modes:
        slope = dot(found, vs) if mode == "rev" else dot(cts, s.tangents(vs))
        off, relative = abs(expected - slope), 1e-8 if error else 1e-10
        limit = relative * max(abs(expected), abs(slope)) + 20 * error + floor
        if off <= limit:
            continue
        pair = s.compared_in_long_double(vs, cts, mode)
        if pair is None:
            limit += 64 * EPS * terms + 32 * _noise(s, cts, vs, expected, dot(found, vs))
        if off > limit and not is_rounding(off, pair):
            more = f" (in long double {pair[0]:.15g} and {pair[1]:.15g})" if pair else ""
            return f"along a random direction {mode} mode gives {slope:.12g}, the derivative is {expected:.12g}{more}"
    return ""


def _noise(s: Subject, cts: Arrays, vs: Arrays, expected: float, slope: float) -> float:
    """How far the derivative and the gradient's slope move when the direction and the cotangent are multiplied by a number, and they
    divided by it: by rounding alone, for both are linear."""
    moves = [0.0]
    for factor in (3.0, 0.7, 1.1, -5.3):
        tangents = s.complex_step(s.xs, [v * factor for v in vs])
        if tangents is not None:
            moves.append(abs(dot(cts, tangents) / factor - expected))
        moves.append(abs(dot(s.gradient(s.xs, [c * factor for c in cts]), vs) / factor - slope))
    return max((m for m in moves if np.isfinite(m)), default=0.0)


def _check_float32(s: Subject, cts: Arrays, what: str) -> None:
    """The gradient in float32 is that in float64, up to what a rounding of the arguments changes and 16·eps·√n of the largest element."""
    eps, rng = float(np.finfo("float32").eps), np.random.default_rng(0)
    rounded = [x.astype("float32") for x in s.xs]
    exact = s.gradient([x.astype("float64") for x in rounded], cts)
    moved = [s.gradient([x * (1 + eps * rng.choice([-1, 1], x.shape)) for x in s.xs], cts) for _ in range(3)]
    for i, (path, g, e) in enumerate(zip(s.paths, s.gradient(rounded, cts), exact, strict=True)):
        if g.dtype != np.float32:
            raise GradientError(f"{what}: that of {path} is {g.dtype}. Look for float64 arrays in f")
        size = float(np.max(np.abs(e), initial=0))
        limit = 16 * eps * (1 + np.sqrt(e.size)) * size + 8 * max(float(np.max(np.abs(m[i] - e), initial=0)) for m in moved)
        if not np.all(np.abs(g - e) <= limit):
            at = np.unravel_index(int(np.argmax(np.abs(g - e))), g.shape)
            index = tuple(map(int, at))
            raise GradientError(f"{what}: {path} at {index}: {g[at]:.8g}, in float64 {e[at]:.8g}; rounding explains {limit:.2g}")


def _check_linear(s: Subject, cts: Arrays, rng: Numbers, what: str) -> None:
    """A vjp is linear in its cotangent, and 0 for 0."""
    other = [np.asarray(rng.standard_normal(c.shape)) for c in cts]
    factors = [cts, other, [c + d for c, d in zip(cts, other, strict=True)]]
    found = [s.gradient(s.xs, c) for c in factors]
    zero = s.gradient(s.xs, [0 * c for c in cts])
    for i, path in enumerate(s.paths):
        a, b, both = (g[i] for g in found)
        size = float(np.max(np.abs(a) + np.abs(b), initial=0))
        off = np.max(np.abs(a + b - both), initial=0)
        if not np.isfinite(both).all():
            continue
        if np.any(zero[i] != 0) or (off > 1e-5 * size + 1e-12 and not _only_by_rounding(s, factors, i, float(off))):
            raise GradientError(f"{what}: the gradient of {path} is not linear in the cotangent. Is the cotangent ignored or squared?")


def _only_by_rounding(s: Subject, factors: Sequence[Arrays], i: int, off: float) -> bool:
    """Whether the gradients of leaf i for three cotangents, the third the sum of the others, add up in long double."""
    found = [s.differentiated(c).in_long_double() for c in factors]
    if any(g is None for g in found):
        return False
    a, b, both = (g[i] for g in found if g is not None)
    return bool(np.max(np.abs(a + b - both), initial=0) <= off / VANISHING)
