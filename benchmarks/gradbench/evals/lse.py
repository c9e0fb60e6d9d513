"""lse: log Σ exp x, shifted by the largest x."""

from __future__ import annotations

from typing import Any

import minigrad as mg

from ..task import Input, Task, array


def log_sum_exp(x: Any) -> Any:
    largest = mg.max(x)
    return largest + mg.log(mg.sum(mg.exp(x - largest)))


def primal(input: Input) -> Task:
    return Task(log_sum_exp, (array(input["x"]),))


def gradient(input: Input) -> Task:
    return Task(mg.grad(log_sum_exp), (array(input["x"]),))
