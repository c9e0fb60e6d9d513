"""Gradient descent as GradBench's particle and saddle ask for it: the step doubles after ten successes and halves after a failure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import minigrad as mg

Function = Callable[[Any], Any]
Gradient = Callable[[Function], Function]

CLOSE = 1e-5  # a gradient this short, or a step this short, ends the descent


def reverse(f: Function) -> Function:
    return mg.grad(f)


def forward(f: Function) -> Function:
    """The gradient of f, of one vector, by a directional derivative along each axis."""

    def gradient(x: Any) -> Any:
        axes = mg.eye(x.shape[0], dtype="float64")
        return mg.vmap(lambda axis: mg.jvp(f, (x,), (axis,))[1])(axes)

    return gradient


MODES: dict[str, Gradient] = {"f": forward, "r": reverse}


class Descent(NamedTuple):
    x: Any
    value: Any
    slope: Any
    rate: Any
    successes: Any
    going: Any


def started(f: Function, gradient: Gradient, x: Any) -> Descent:
    return Descent(x, f(x), gradient(f)(x), *(mg.tensor(v) for v in (CLOSE, 0, True)))


def stepped(f: Function, gradient: Gradient, at: Descent) -> Descent:
    """One step: it ends, doubles the rate, moves, or halves the rate."""
    x = at.x - at.rate * at.slope
    value, doubles = f(x), at.successes == 10
    over = (mg.norm(at.slope) <= CLOSE) | (~doubles & (mg.norm(at.x - x) <= CLOSE))
    moves = ~over & ~doubles & (value < at.value)
    rate = mg.where(over | moves, at.rate, mg.where(doubles, 2 * at.rate, 0.5 * at.rate))
    slope = mg.where(moves, gradient(f)(x), at.slope)
    successes = mg.where(moves, at.successes + 1, 0)
    return Descent(mg.where(moves, x, at.x), mg.where(moves, value, at.value), slope, rate, successes, ~over)


def argmin(f: Function, gradient: Gradient, x: Any) -> Any:
    """Where the descent of f from x ends. It has no gradient."""
    return mg.while_loop(lambda at: at.going, lambda at: stepped(f, gradient, at), started(f, gradient, x)).x


def argmin_within(f: Function, gradient: Gradient, x: Any, steps: int) -> tuple[Any, Any]:
    """argmin that may be differentiated, and whether so many steps were enough."""

    def step(at: Descent, _: None) -> tuple[Descent, None]:
        after = stepped(f, gradient, at)
        return mg.tree.map(lambda new, old: mg.where(at.going, new, old), after, at), None

    last, _ = mg.scan(step, started(f, gradient, x), length=steps)
    return last.x, ~last.going
