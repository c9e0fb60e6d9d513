"""particle: the place w of a charge for which a particle, by Euler's steps, crosses the x axis at 0. Modes as in saddle."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

import minigrad as mg

from ..descent import MODES, Function, Gradient, argmin
from ..task import Input, Task, array

STEP = 0.1
STEPS = 512  # that the particle may take to the axis. A w from which it takes more is no better than any


def crossing(w: Any, gradient: Gradient) -> Any:
    """The square of where it crosses. The force is the gradient of the potential."""
    charges = mg.tensor(np.array([[10.0, 10.0], [10.0, 0.0]])) - w * mg.tensor(np.array([[0.0, 1.0], [0.0, 0.0]]))

    def potential(x: Any) -> Any:
        return mg.sum(1 / mg.sqrt(mg.sum(mg.square(x - charges), 1)))

    force: Function = gradient(potential)

    def step(at: tuple[Any, Any, Any], _: None) -> tuple[tuple[Any, Any, Any], None]:
        x, v, going = at
        ahead = x + STEP * v
        going = going & (ahead[1] > 0)
        return (mg.where(going, ahead, x), mg.where(going, v - STEP * force(x), v), going), None

    start = mg.tensor(np.array([0.0, 8.0])), mg.tensor(np.array([0.75, 0.0])), mg.tensor(True)
    (x, v, going), _ = mg.scan(step, start, length=STEPS)
    return mg.where(going, mg.nan, mg.square(x[0] - x[1] / v[1] * v[0]))


def particle(outer: str, inner: str, input: Input) -> Task:
    def program(w: Any) -> Any:
        return argmin(lambda w: crossing(w[0], MODES[inner]), MODES[outer], w)

    return Task(program, (array([input["w"]]),), lambda w: float(np.asarray(w)[0]))


ff, fr, rf, rr = (partial(particle, outer, inner) for outer in MODES for inner in MODES)
