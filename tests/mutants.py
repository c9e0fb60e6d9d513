"""Wrong gradients planted in the table one at a time: do the checks of a single entry find each? Run as a script for the score."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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


def _ones(ct: Any) -> Any:
    return None if ct is None else mg.ones_like(ct)


def _last_axis(change: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda g, x: change(g) if g.ndim and g.shape[-1] > 1 else g


MUTATIONS: dict[str, Callable[[Rule], Rule]] = {
    "sign": _each(lambda g, x: -g),
    "×1.001": _each(lambda g, x: g * 1.001),
    "×(1+1e-6)": _each(lambda g, x: g * (1 + 1e-6)),
    "×2 (counted twice)": _each(lambda g, x: g + g),
    "dropped": _first_only,
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
    "transposed": _each(lambda g, x: g.mT if g.ndim > 1 and g.shape[-1] == g.shape[-2] else mg.flip(g)),
}


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


def _try(f: Callable[[], Any]) -> Any:
    try:
        return f()
    except (MinigradError, ValueError, TypeError, IndexError, AttributeError):
        return None


def score() -> Iterator[tuple[str, str, bool]]:
    """(operation, mutation, killed) for each mutant that changes a first or second derivative in at least one case."""
    by_op: dict[str, list[Case]] = {}
    for case in DIFFERENTIABLE:
        by_op.setdefault(case.op.name, []).append(case)
    for name, cases in by_op.items():
        op, right = cases[0].op, [_gradients(c) for c in cases]
        for label, mutate in MUTATIONS.items():
            with mock.patch.dict(op.__dict__, vjp=mutate(op.vjp)):  # the entry itself is frozen, its dict is not
                wrong = [_try(lambda c=c: _gradients(c)) for c in cases]
                if not any(map(_differs, wrong, right)):
                    continue  # the mutant is the same function
                yield name, label, any(_killed(c) for c in cases)


def _killed(case: Case) -> bool:
    try:
        check_grads(case, *case.arrays)
        np.testing.assert_allclose(*second_order(case), rtol=1e-6, atol=1e-7)
    except (AssertionError, MinigradError, ValueError, TypeError, IndexError, AttributeError):
        return True
    return False


if __name__ == "__main__":
    found = list(score())
    for name, label, killed in found:
        if not killed:
            print(f"survived: {name}, {label}")
    print(f"{sum(k for *_, k in found)} of {len(found)} mutants killed, over {len({n for n, *_ in found})} operations")
