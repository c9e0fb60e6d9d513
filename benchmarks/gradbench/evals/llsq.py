"""llsq: half the squared error of a polynomial that is to follow the sign of t, at n places from -1 to 1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import minigrad as mg

from ..task import Input, Task, array


def error(n: int) -> Callable[[Any], Any]:
    def function(x: Any) -> Any:
        t = -1 + mg.arange(n, dtype="float64") * 2 / (n - 1)
        polynomial, _ = mg.scan(lambda p, coefficient: (p * t + coefficient, None), mg.zeros_like(t), x, reverse=True)
        return 0.5 * mg.sum(mg.square(mg.sign(t) - polynomial))

    return function


def primal(input: Input) -> Task:
    return Task(error(input["n"]), (array(input["x"]),))


def gradient(input: Input) -> Task:
    return Task(mg.grad(error(input["n"])), (array(input["x"]),))
