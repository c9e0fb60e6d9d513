"""The fifteen languages of Delétang et al. (2022), one generator each: strings x and their answers y, as numbers of symbols.

A generator (draw, length, batch) gives x (length, batch) and y (answer, batch), −1 in y where nothing is asked. An answer of varying length
ends with an end symbol, the last of `answers`. Where the paper and its published code differ, this is the code: odds_first begins with
what the paper counts as even places, compute_sqrt has the highest bit first, equations have no products.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .draw import Draw
from .expressions import SIGNS, bracketed, flat

Strings = tuple[np.ndarray, np.ndarray]
MODULUS = 5
PLACE = 2  # the symbol for a bit left out
POP, PUSH = 2, 3  # actions on a stack of bits: PUSH and PUSH + 1
OPERATOR = 2  # the symbol between two binary numbers
END = 2
X = MODULUS + SIGNS.index("*")  # the unknown of an equation, which has no products


class Language(NamedTuple):
    """A generator and what it needs.

    symbols   different symbols of x
    answers   different symbols of y
    guess     those that are guessed among, without an end symbol
    least     the length of the shortest string; longer ones have this and a multiple of `unit` more
    """

    write: Callable[[Draw, int, int], Strings]
    level: str
    symbols: int
    answers: int
    guess: int
    least: int = 1
    unit: int = 1

    def fits(self, length: int) -> int:
        """The greatest length of a string that is no greater, or the least."""
        return max(self.least, length - (length - self.least) % self.unit)


# ---- regular


def even_pairs(draw: Draw, length: int, batch: int) -> Strings:
    """Whether ab and ba together are odd in number, so whether the first and the last symbol differ."""
    x = draw.bits((length, batch), np.int64)
    return x, x[:1] ^ x[-1:]


def modular_arithmetic(draw: Draw, length: int, batch: int) -> Strings:
    """The value of an expression modulo 5."""
    x, value = flat(draw, length, batch, MODULUS, times=True)
    return x, value[None]


def parity_check(draw: Draw, length: int, batch: int) -> Strings:
    """Whether the number of ones is odd."""
    x = draw.bits((length, batch), np.int64)
    return x, x.sum(0, keepdims=True) % 2


def cycle_navigation(draw: Draw, length: int, batch: int) -> Strings:
    """Where one is on a cycle of five places after steps back (0), none (1) and forth (2)."""
    x = draw.integers(0, 2, (length, batch))
    return x, (x - 1).sum(0, keepdims=True) % MODULUS


# ---- deterministic context-free


def stack_manipulation(draw: Draw, length: int, batch: int) -> Strings:
    """A stack, lowest bit first, and actions on it; the stack afterwards, highest bit first, and the end. An empty one stays so."""
    x, filled = draw.bits((length, batch), np.int64), draw.integers(1, max(1, length - 1), (batch,))
    action = POP + draw.integers(0, 2, (length, batch))
    x = np.where(np.arange(length)[:, None] < filled, x, action)
    stack, height, columns = np.zeros((length, batch), np.int64), np.zeros(batch, np.int64), np.arange(batch)
    for symbol in x:
        pushes = symbol != POP
        stack[height[pushes], columns[pushes]] = (symbol % PUSH)[pushes]
        height = np.maximum(height + np.where(pushes, 1, -1), 0)
    y = np.full((length + 1, batch), -1)
    for column, n in enumerate(height):
        y[:n, column] = stack[:n, column][::-1]
    y[height, columns] = END
    return x, y


def reverse_string(draw: Draw, length: int, batch: int) -> Strings:
    """The bits in reverse order."""
    x = draw.bits((length, batch), np.int64)
    return x, x[::-1]


def modular_arithmetic_brackets(draw: Draw, length: int, batch: int) -> Strings:
    """The value of an expression with brackets modulo 5."""
    x, value = bracketed(draw, length, batch, MODULUS, times=True)
    return x, value[None]


def solve_equation(draw: Draw, length: int, batch: int) -> Strings:
    """The digit that was replaced by an unknown in expression = value, modulo 5."""
    x, value = bracketed(draw, length - 2, batch, MODULUS, times=False)
    digits = x < MODULUS
    at = np.argmax(np.where(digits, draw.uniform(x.shape), -1), 0), np.arange(batch)
    y = x[at]
    x[at] = X
    return np.concatenate([x, np.full((1, batch), MODULUS + SIGNS.index("=")), value[None]]), y[None]


# ---- context-sensitive


def duplicate_string(draw: Draw, length: int, batch: int) -> Strings:
    """The bits twice."""
    x = draw.bits((length, batch), np.int64)
    return x, np.concatenate([x, x])


def missing_duplicate_string(draw: Draw, length: int, batch: int) -> Strings:
    """The bit that was left out of a string written twice."""
    half = draw.bits((length // 2, batch), np.int64)
    x = np.concatenate([half, half])
    at = draw.integers(0, length - 1, (batch,)), np.arange(batch)
    y = x[at]
    x[at] = PLACE
    return x, y[None]


def odds_first(draw: Draw, length: int, batch: int) -> Strings:
    """The second bit, the fourth, …, then the first, the third, … ."""
    x = draw.bits((length, batch), np.int64)
    return x, np.concatenate([x[1::2], x[::2]])


def binary_addition(draw: Draw, length: int, batch: int) -> Strings:
    """The sum of two binary numbers, lowest bits first, and the end."""
    return _calculated(draw, length, batch, lambda a, b: a + b)


def binary_multiplication(draw: Draw, length: int, batch: int) -> Strings:
    """The product of two binary numbers, lowest bits first, and the end."""
    return _calculated(draw, length, batch, lambda a, b: a * b)


def _calculated(draw: Draw, length: int, batch: int, operation: Callable[[int, int], int]) -> Strings:
    x, at = draw.bits((length, batch), np.int64), draw.integers(1, length - 2, (batch,))
    x[at, np.arange(batch)] = OPERATOR
    y = np.full((length, batch), -1)
    for column, n in enumerate(at):
        digits = f"{operation(_number(x[:n, column][::-1]), _number(x[n + 1 :, column][::-1])):b}"[::-1]
        y[: len(digits) + 1, column] = [*map(int, digits), END]
    return x, y


def compute_sqrt(draw: Draw, length: int, batch: int) -> Strings:
    """The root of a binary number, rounded down, in half as many bits, highest bits first."""
    x, places = draw.bits((length, batch), np.int64), -(-length // 2)
    roots = [f"{math.isqrt(_number(column)):0{places}b}" for column in x.T]
    return x, np.array([[int(bit) for bit in root] for root in roots]).T


def _number(bits: np.ndarray) -> int:
    """Of any size, highest bit first."""
    return int("".join(map(str, bits.tolist())), 2)


def bucket_sort(draw: Draw, length: int, batch: int) -> Strings:
    """The digits, of which there are five, in ascending order."""
    x = draw.integers(0, MODULUS - 1, (length, batch))
    return x, np.sort(x, 0)


LANGUAGES = {
    "even-pairs": Language(even_pairs, "regular", 2, 2, 2),
    "modular-arithmetic": Language(modular_arithmetic, "regular", MODULUS + 3, MODULUS, MODULUS, unit=2),
    "parity-check": Language(parity_check, "regular", 2, 2, 2),
    "cycle-navigation": Language(cycle_navigation, "regular", 3, MODULUS, MODULUS),
    "stack-manipulation": Language(stack_manipulation, "context-free", PUSH + 2, 3, 2),
    "reverse-string": Language(reverse_string, "context-free", 2, 2, 2),
    "modular-arithmetic-brackets": Language(modular_arithmetic_brackets, "context-free", MODULUS + len(SIGNS), MODULUS, MODULUS),
    "solve-equation": Language(solve_equation, "context-free", MODULUS + len(SIGNS), MODULUS, MODULUS, least=3),
    "duplicate-string": Language(duplicate_string, "context-sensitive", 2, 2, 2),
    "missing-duplicate-string": Language(missing_duplicate_string, "context-sensitive", 3, 2, 2, least=2, unit=2),
    "odds-first": Language(odds_first, "context-sensitive", 2, 2, 2),
    "binary-addition": Language(binary_addition, "context-sensitive", 3, 3, 2, least=3),
    "binary-multiplication": Language(binary_multiplication, "context-sensitive", 3, 3, 2, least=3),
    "compute-sqrt": Language(compute_sqrt, "context-sensitive", 2, 2, 2),
    "bucket-sort": Language(bucket_sort, "context-sensitive", MODULUS, MODULUS, MODULUS),
}
