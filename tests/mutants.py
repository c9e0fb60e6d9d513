"""Wrong gradients planted in the table one at a time: do the checks of a single entry find each? Run as a script for the score."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pkgutil import resolve_name
from typing import Any
from unittest import mock

import numpy as np
from table import DIFFERENTIABLE, Case, put, second_order

import minigrad as mg
from minigrad.errors import MinigradError
from minigrad.testing import check_grads

Rule = Callable[..., Sequence[Any]]


def _each(change: Callable[[Any, Any], Any]) -> Callable[[Rule], Rule]:
    """Change every cotangent that a rule gives; change(new cotangent, argument)."""

    def mutate(rule: Rule) -> Rule:
        def mutant(cts: Any, out: Any, args: Any, needs: Any, **attrs: Any) -> list[Any]:
            found = rule(cts, out, args, needs, **attrs)
            return [None if g is None else change(g, x) for g, x in zip(found, args, strict=True)]

        return mutant

    return mutate


def _with(change: Callable[..., tuple[Any, Any, Any]]) -> Callable[[Rule], Rule]:
    """Change what a rule is given."""
    return lambda rule: lambda cts, out, args, needs, **attrs: rule(*change(cts, out, args), needs, **attrs)


def _swap_results(rule: Rule) -> Rule:
    def mutant(cts: Any, out: Any, args: Any, needs: Any, **attrs: Any) -> list[Any]:
        found = list(rule(cts, out, args, needs, **attrs))
        for i in range(len(found) - 1):
            a, b = found[i], found[i + 1]
            if a is not None and b is not None and a.shape == b.shape:
                found[i], found[i + 1] = b, a
                break
        return found

    return mutant


def _first_only(rule: Rule) -> Rule:
    def mutant(cts: Any, out: Any, args: Any, needs: Any, **attrs: Any) -> list[Any]:
        found = list(rule(cts, out, args, needs, **attrs))
        last = max((i for i, g in enumerate(found) if g is not None), default=None)
        return [None if i == last else g for i, g in enumerate(found)]

    return mutant


def _leaking(rule: Rule) -> Rule:
    """The cotangent goes through where none should."""

    def mutant(cts: Any, out: Any, args: Any, needs: Any, **attrs: Any) -> list[Any]:
        found = rule(cts, out, args, needs, **attrs)
        through = [
            need and g is None and cts[0] is not None and cts[0].type == x.type for g, need, x in zip(found, needs, args, strict=True)
        ]
        return [cts[0] if leaks else g for g, leaks in zip(found, through, strict=True)]

    return mutant


def _ones(ct: Any) -> Any:
    return None if ct is None else mg.ones_like(ct)


def _last_axis(change: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda g, x: change(g) if g.ndim and g.shape[-1] > 1 else g


def _rows(change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Change a float tensor that has several rows, or each of a tuple; nothing else."""

    def changed(t: Any) -> Any:
        if t is None or isinstance(t, tuple):
            return t and tuple(map(changed, t))
        return change(t) if t.type.is_float and t.ndim and t.shape[0] > 1 else t

    return changed


def _residuals(change: Callable[[Any], Any]) -> Callable[[Rule], Rule]:
    """Change what a rule kept from the forward pass."""
    return _with(lambda cts, out, args: (cts, change(out), [change(a) for a in args]))


def _overwritten(cts: Any, out: Any, args: Any) -> tuple[Any, Any, Any]:
    """The result's memory used again for the first argument of its type."""
    return cts, next((a for a in args if not isinstance(out, tuple) and a.type == out.type), out), args


def _other_axis(rule: Rule) -> Rule:
    def mutant(cts: Any, out: Any, args: Any, needs: Any, **attrs: Any) -> list[Any]:
        n = args[0].ndim
        if "axis" in attrs:
            attrs["axis"] = (attrs["axis"] + 1) % n
        if "axes" in attrs:
            attrs["axes"] = tuple(sorted((a + 1) % n for a in attrs["axes"]))
        return list(rule(cts, out, args, needs, **attrs))

    return mutant


_stale = _rows(lambda t: mg.roll(t, 1, 0))
_constant = _rows(mg.detach)
_summed = _rows(lambda t: mg.broadcast_to(mg.sum(t, 0, keepdims=True), t.shape))
_cut = _rows(lambda t: mg.concat([t[:-1], mg.zeros_like(t[-1:])]))

MUTATIONS: dict[str, Callable[[Rule], Rule]] = {
    "sign": _each(lambda g, x: -g),
    "×1.001": _each(lambda g, x: g * 1.001),
    "×(1+1e-6)": _each(lambda g, x: g * (1 + 1e-6)),
    "×2 (counted twice)": _each(lambda g, x: g + g),
    "dropped": _first_only,
    "leaked": _leaking,
    "detached": _each(lambda g, x: mg.detach(g)),
    "float32": _each(lambda g, x: g.astype("float32").astype(g.dtype)),
    "reversed axis": _each(_last_axis(lambda g: mg.flip(g, -1))),
    "shifted axis": _each(_last_axis(lambda g: mg.roll(g, 1))),
    "averaged axis": _each(_last_axis(lambda g: mg.broadcast_to(mg.mean(g, -1, keepdims=True), g.shape))),
    "zeroed element": _each(_last_axis(lambda g: mg.pad(g[..., 1:], [(0, 0)] * (g.ndim - 1) + [(1, 0)]))),
    "swapped results": _swap_results,
    "ignored cotangent": _with(lambda cts, out, args: ([_ones(c) for c in cts], out, args)),
    "squared cotangent": _with(lambda cts, out, args: ([None if c is None else c * c for c in cts], out, args)),
    "swapped operands": _with(lambda cts, out, args: (cts, out, list(args)[::-1])),
    "× its argument": _each(lambda g, x: g * x if x.shape == g.shape else g * 2),
    "stale residuals": _residuals(_stale),
    "constant residuals": _residuals(_constant),
    "overwritten result": _with(_overwritten),
    "wrong un-broadcast": _each(lambda g, x: _summed(g)),
    "cotangent summed over rows": _with(lambda cts, out, args: (list(map(_summed, cts)), out, args)),
    "last row of the cotangent lost": _with(lambda cts, out, args: (list(map(_cut, cts)), out, args)),
    "wrong axis": _other_axis,
    "transposed": _each(lambda g, x: g.mT if g.ndim > 1 and g.shape[-1] == g.shape[-2] else mg.flip(g)),
}


def _overwrite(cts: Any, node: Any, index: int, ct: Any, add: Any) -> None:
    held = cts.setdefault(node, [None] * (len(node.type) if isinstance(node.type, tuple) and not hasattr(node.type, "dtype") else 1))
    held[index] = ct


# Faults of the engine around the rules: what is patched, and with what, given the original.
ENGINE: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "fan-out overwritten": ("minigrad.transforms.reverse._deposit", lambda f: _overwrite),
    "fan-out counted twice": ("minigrad.transforms.reverse._deposit", lambda f: lambda *a: f(*a) or (a[1] in a[0] and f(*a))),
    "residuals of the step before": (
        "minigrad.control.scan._Forward.stacked",
        lambda f: lambda self: [mg.roll(t, 1, 0) for t in f(self)],
    ),
    "carries taken for constants": ("minigrad.control.scan._varying", lambda f: lambda *a: [False for _ in f(*a)]),
    "carries taken for unused": ("minigrad.control.scan._used", lambda f: lambda *a: [False for _ in f(*a)]),
    "nothing kept": ("minigrad.control.scan.residuals", lambda f: lambda *a: []),
    "cotangents of integers": ("minigrad.transforms.reverse._is_float", lambda f: lambda node: False),
}


def _recurrent(w: Any, xs: Any) -> Any:
    """A loop whose carry, constant and sequence all matter, with fan-out before and after it."""
    last, ys = mg.scan(lambda h, x: (mg.tanh(h @ w + x * h), h * x), xs[0], mg.sin(xs))
    return mg.sum(ys, 0) * last + last


def engine_score() -> Iterator[tuple[str, str, bool]]:
    """The same for faults around the rules."""
    rng = np.random.default_rng(0)
    args = rng.standard_normal((2, 2)), rng.standard_normal((3, 2))
    check_grads(_recurrent, *args)
    for label, (target, change) in ENGINE.items():
        place, name = target.rsplit(".", 1)
        original = getattr(resolve_name(place), name)
        with mock.patch(target, change(original)):
            yield "engine", label, not _passes(lambda: check_grads(_recurrent, *args))


def _gradients(case: Case) -> list[np.ndarray]:
    rng = np.random.default_rng(5)
    varied = [case.arrays[i] for i in case.floats]

    def f(*xs: Any) -> Any:
        return case(*put(case, xs))

    def first(*xs: Any) -> Any:
        outs, pull = mg.vjp(f, *xs)
        return pull(mg.tree.map(lambda o: mg.tensor(np.asarray(np.random.default_rng(3).standard_normal(o.shape))), outs))

    found, pull = mg.vjp(first, *varied)
    second = pull(mg.tree.map(lambda g: np.asarray(rng.standard_normal(g.shape)), found))
    return [t.numpy() for t in (*found, *second)]


def _differs(a: list[np.ndarray] | None, b: list[np.ndarray]) -> bool:
    return a is None or any(x.shape != y.shape or not np.allclose(x, y, rtol=1e-9, atol=1e-12) for x, y in zip(a, b, strict=True))


FAILURES = (AssertionError, MinigradError, ValueError, TypeError, IndexError, AttributeError, KeyError)


def _try(f: Callable[[], Any]) -> Any:
    try:
        return f()
    except FAILURES:
        return None


def _passes(f: Callable[[], Any]) -> bool:
    try:
        f()
    except FAILURES:
        return False
    return True


def score(every: int = 1) -> Iterator[tuple[str, str, bool]]:
    """(operation, mutation, killed) for each mutant that changes a first or second derivative in at least one case, or for every n-th."""
    number = count()
    by_op: dict[str, list[Case]] = {}
    for case in DIFFERENTIABLE:
        by_op.setdefault(case.op.name, []).append(case)
    for name, cases in by_op.items():
        op = cases[0].op
        chosen = {label: mutate for label, mutate in MUTATIONS.items() if next(number) % every == 0}
        right = [_gradients(c) for c in cases] if chosen else []
        for label, mutate in chosen.items():
            with mock.patch.dict(op.__dict__, vjp=mutate(op.vjp)):  # the entry itself is frozen, its dict is not
                wrong = [_try(lambda c=c: _gradients(c)) for c in cases]
                if not any(map(_differs, wrong, right)):
                    continue  # the mutant is the same function
                yield name, label, any(_killed(c) for c in cases)


def _killed(case: Case) -> bool:
    def check() -> None:
        check_grads(case, *case.arrays)
        np.testing.assert_allclose(*second_order(case), rtol=1e-6, atol=1e-7)

    return not _passes(check)


if __name__ == "__main__":
    found = [*score(), *engine_score()]
    for name, label, killed in found:
        if not killed:
            print(f"survived: {name}, {label}")
    print(f"{sum(k for *_, k in found)} of {len(found)} mutants killed, over {len({n for n, *_ in found}) - 1} operations and the engine")
