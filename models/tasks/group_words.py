"""Group words (Merrill et al. 2024; Grazzi et al. 2024): read permutations, and output at every step the product of all so far.

The product means: first the first permutation, then the second, … . A state must be able to take all the group's values: one Householder
matrix a step swaps two of n things, so swaps alone can be followed by one layer, a cycle of three takes two matrices or two layers.
"""

from __future__ import annotations

from functools import cache
from itertools import permutations
from typing import Annotated, Any, Literal

import numpy as np

from minigrad.errors import SettingError

from .classes import given, loss, measures
from .draw import Draw, Range, between

__all__ = ["baselines", "batch", "elements", "given", "harder", "letters", "loss", "measures", "sizes"]

DOMAIN = 34
Group = Literal["S3", "A5", "S5"]
Words = Literal["all", "swaps", "3-cycles"]
MOVED = {"swaps": 2, "3-cycles": 3}  # the most things that a permutation of these words moves


@cache
def elements(name: str) -> np.ndarray:
    """The permutations of a group (elements, n): all of n things, S, or the even ones, A; the identity comes first."""
    kind, n = name[0], int(name[1:])
    every = [p for p in permutations(range(n)) if kind == "S" or _is_even(p)]
    return np.array(every)


def _is_even(p: tuple[int, ...]) -> bool:
    return sum(p[i] > p[j] for j in range(len(p)) for i in range(j)) % 2 == 0


@cache
def letters(name: str, words: str) -> np.ndarray:
    """The numbers of the elements that words are made of: of all, or of those that move at most two or three things."""
    moved = (elements(name) != elements(name)[0]).sum(1)
    found = np.flatnonzero(moved <= MOVED.get(words, moved.max()))
    if len(found) < 2:
        raise SettingError(f"words={words!r}: {name} has even permutations only, and a swap is odd; take 3-cycles or all, or S5")
    return found


def sizes(group: Group = "S3", **_: Any) -> tuple[int, int]:
    """(inputs, outputs) of a model for this task."""
    return len(elements(group)), len(elements(group))


def batch(
    seed: Any,
    step: int,
    batch: int,
    lengths: Annotated[Range, "permutations in a word"] = 20,
    group: Annotated[Group, "all permutations of 3 or 5 things, or the even ones"] = "S3",
    words: Annotated[Words, "of all permutations, or of those that move at most 2 or 3 things"] = "all",
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(inputs (T, batch, elements), targets (T, batch), mask (T, batch)) with one length for the batch; every step is scored."""
    draw = Draw(seed, step, DOMAIN)
    length = int(draw.integers(*between(lengths)))
    usable, known = letters(group, words), elements(group)
    word = usable[draw.integers(0, len(usable) - 1, (length, batch))]
    targets = np.empty((length, batch), np.int64)
    n = known.shape[1]
    place = n ** np.arange(n)
    number = np.zeros(n**n, np.int64)
    number[known @ place] = np.arange(len(known))
    product = np.broadcast_to(np.arange(n), (batch, n))
    for t, p in enumerate(known[word]):
        product = np.take_along_axis(p, product, 1)
        targets[t] = number[product @ place]
    return np.eye(len(known), dtype=np.float32)[word], targets, np.ones((length, batch), bool)


def baselines(group: Group = "S3", **_: Any) -> dict[str, float]:
    """The accuracy of guessing among all elements, and of the products."""
    return {"chance": 1 / len(elements(group)), "optimum": 1}


def harder(lengths: Range = 20, **_: Any) -> dict[str, Any]:
    """Five times the greatest length."""
    return {"lengths": 5 * between(lengths)[1]}
