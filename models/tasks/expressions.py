"""Arithmetic expressions modulo m, with their values: without brackets (Delétang et al. 2022, appendix A), and with them.

Symbols are numbers: the digits 0 … m − 1, then those of SIGNS in order.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .draw import Draw

SIGNS = "+-*=()"


def flat(draw: Draw, length: int, batch: int, modulus: int, times: bool) -> tuple[np.ndarray, np.ndarray]:
    """Digits and operators in turn, products first: (symbols (length, batch), values (batch,)). The length is odd."""
    symbols = draw.integers(0, modulus - 1, (length, batch))
    operators = symbols[1::2] = modulus + draw.integers(0, 1 + times, (length // 2, batch))
    total, term = np.zeros(batch, np.int64), symbols[0].copy()
    for operator, digit in zip(operators - modulus, symbols[2::2], strict=True):
        product = operator == SIGNS.index("*")
        total = np.where(product, total, total + term) % modulus
        term = np.where(product, term * digit, np.where(operator == SIGNS.index("-"), -digit, digit)) % modulus
    return symbols, (total + term) % modulus


def bracketed(draw: Draw, length: int, batch: int, modulus: int, times: bool) -> tuple[np.ndarray, np.ndarray]:
    """Expressions d, −d, (d), (−d) and (left operator right), of any length: (symbols (length, batch), values (batch,)).

    The length of the left side is uniform.
    """
    numbers = draw.uniform((batch, length + 1))
    found = [_expression(row.tolist(), length, modulus, SIGNS[: 2 + times]) for row in numbers]
    return np.array([symbols for symbols, _ in found], np.int64).T.reshape(length, batch), np.array([value for _, value in found])


def _expression(numbers: list[float], length: int, modulus: int, operators: str) -> tuple[list[int], int]:
    """One expression of this length and its value. Each choice takes one of the random numbers."""
    symbols: list[int] = []
    values: list[int] = []  # of the expressions that are complete
    todo: list[int | str] = [length]  # lengths of expressions to write, signs to write, "d" a digit, and actions on the values

    def pick(n: int) -> int:
        return int(numbers.pop() * n)

    while todo:
        item = todo.pop()
        if isinstance(item, int):
            todo.extend(reversed(_parts(item, pick, operators)))
        elif item == "d":
            values.append(pick(modulus))
            symbols.append(values[-1])
        elif item == "negate":
            values.append(-values.pop())
        elif item.startswith("apply"):
            right, left = values.pop(), values.pop()
            values.append({"+": left + right, "-": left - right, "*": left * right}[item[-1]] % modulus)
        else:
            symbols.append(modulus + SIGNS.index(item))
    return symbols, values[0] % modulus


def _parts(length: int, pick: Callable[[int], int], operators: str) -> list[int | str]:
    """What an expression of this length is made of, in order."""
    short: dict[int, list[int | str]] = {1: ["d"], 2: ["-", "d", "negate"], 3: ["(", "d", ")"], 4: ["(", "-", "d", "negate", ")"]}
    if length in short:
        return short[length]
    left, operator = 1 + pick(length - 4), operators[pick(len(operators))]
    return ["(", left, operator, length - 3 - left, f"apply {operator}", ")"]


def flat_values(longest: int, modulus: int, times: bool) -> np.ndarray:
    """(longest, modulus) the probabilities of the values of `flat`, at each length from 1; an even length is cut by one."""
    fresh = np.full(modulus, 1 / modulus)
    held = np.outer(np.arange(modulus) == 0, fresh)  # of a total, and of the term that is not yet added to it
    found = []
    for _ in range(0, longest, 2):
        found += 2 * [_spread(held, np.add)]
        added = np.outer(found[-1], fresh)
        multiplied = np.array([_spread(np.outer(row, fresh), np.multiply) for row in held])
        held = (2 * added + multiplied) / 3 if times else added
    return np.array(found[:longest])


def bracketed_values(longest: int, modulus: int, times: bool) -> np.ndarray:
    """(longest, modulus) the probabilities of the values of `bracketed`, at each length from 1."""
    found = np.full((max(longest, 4), modulus), 1 / modulus)
    for i in range(4, longest):
        sides = found[: i - 3].T @ found[i - 4 :: -1] / (i - 3)
        found[i] = np.mean([_spread(sides, apply) for apply in (np.add, np.subtract, np.multiply)[: 2 + times]], 0)
    return found[:longest]


def _spread(pairs: np.ndarray, apply: np.ufunc) -> np.ndarray:
    """The probabilities of a operation b modulo m, from those of the pairs (a, b)."""
    numbers = np.arange(len(pairs))
    return np.bincount((apply.outer(numbers, numbers) % len(pairs)).ravel(), pairs.ravel(), len(pairs))


def text(symbols: np.ndarray, modulus: int, signs: str = SIGNS) -> list[str]:
    """The strings of symbols (T, batch)."""
    letters = [*map(str, range(modulus)), *signs]
    return ["".join(letters[s] for s in column) for column in symbols.T]
