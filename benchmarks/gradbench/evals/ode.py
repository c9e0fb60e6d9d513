"""ode: yᵢ' = xᵢ yᵢ₋₁, with 1 before y₀, from 0 to time 2, by s steps of Runge and Kutta."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import minigrad as mg

from ..task import Input, Task, array


def solution(s: int) -> Callable[[Any], Any]:
    h = 2 / s

    def function(x: Any) -> Any:
        def slope(y: Any) -> Any:
            return x * mg.concat([mg.ones(1, dtype="float64"), y[:-1]])

        def step(y: Any, _: None) -> tuple[Any, None]:
            k1 = slope(y)
            k2 = slope(y + h / 2 * k1)
            k3 = slope(y + h / 2 * k2)
            k4 = slope(y + h * k3)
            return y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4), None

        return mg.scan(step, mg.zeros_like(x), length=s)[0]

    return function


def primal(input: Input) -> Task:
    return Task(solution(input["s"]), (array(input["x"]),))


def gradient(input: Input) -> Task:
    last = solution(input["s"])
    return Task(mg.grad(lambda x: last(x)[-1]), (array(input["x"]),))
