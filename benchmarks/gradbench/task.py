"""What an evaluation is made of: a program, its arguments, and its results as JSON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import minigrad as mg

Input = dict[str, Any]


def numbers(results: Any) -> Any:
    """A tree of tensors as one of numbers and lists."""
    return mg.tree.map(lambda x: np.asarray(x).tolist(), results)


@dataclass(frozen=True)
class Task:
    """`program` is compiled and timed; `answer` makes JSON of its results, untimed."""

    program: Callable[..., Any]
    arguments: tuple[Any, ...]
    answer: Callable[[Any], Any] = numbers


def array(x: Any) -> mg.Tensor:
    return mg.tensor(np.asarray(x, dtype=np.float64))
