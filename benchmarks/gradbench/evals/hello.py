"""hello: the square of a number, and its derivative."""

from __future__ import annotations

from typing import Any

import minigrad as mg

from ..task import Task, array


def square(x: Any) -> Task:
    return Task(mg.square, (array(x),))


def double(x: Any) -> Task:
    return Task(mg.grad(mg.square), (array(x),))
