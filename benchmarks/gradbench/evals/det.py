"""det: a determinant by expansion along the first row, where each minor is computed once.

The minors of the last m rows are all choices of m columns. So there are 2^ℓ of them, where the plain recursion meets ℓ! in all.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np

import minigrad as mg

from ..task import Input, Task, array


def determinant(A: Any) -> Any:
    size = A.shape[0]
    minors, places = mg.ones(1, dtype="float64"), {(): 0}
    for m in range(1, size + 1):
        choices = list(combinations(range(size), m))
        rest = np.array([[places[c[:j] + c[j + 1 :]] for j in range(m)] for c in choices])
        minors = mg.sum(mg.take(A[size - m], np.array(choices)) * (-1.0) ** np.arange(m) * mg.take(minors, rest), 1)
        places = {choice: i for i, choice in enumerate(choices)}
    return minors[0]


def prepared(input: Input) -> tuple[mg.Tensor]:
    return (array(np.reshape(input["A"], (input["ell"], input["ell"]))),)


def primal(input: Input) -> Task:
    return Task(determinant, prepared(input))


def gradient(input: Input) -> Task:
    return Task(mg.grad(determinant), prepared(input), lambda g: np.ravel(g).tolist())
