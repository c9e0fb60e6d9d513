"""saddle: min over x of max over y of |x|² - |y|², by gradient descent in gradient descent. A letter says the outer mode, one the inner."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

import minigrad as mg

from ..descent import MODES, argmin, argmin_within
from ..task import Input, Task, array

INNER = 256  # steps that the inner ascent may take


def cost(x: Any, y: Any) -> Any:
    return mg.sum(mg.square(x)) - mg.sum(mg.square(y))


def saddle(outer: str, inner: str, input: Input) -> Task:
    def program(start: Any) -> Any:
        def highest(x: Any) -> Any:
            y, ended = argmin_within(lambda y: -cost(x, y), MODES[inner], start, INNER)
            return mg.where(ended, cost(x, y), mg.nan)

        x = argmin(highest, MODES[outer], start)
        y = argmin(lambda y: -cost(x, y), MODES[outer], start)
        return mg.concat([x, y])

    return Task(program, (array(input["start"]),), lambda found: np.asarray(found).tolist())


ff, fr, rf, rr = (partial(saddle, outer, inner) for outer in MODES for inner in MODES)
