"""Modular arithmetic (Beck et al. 2024; Grazzi et al. 2024): the value of an expression modulo m, asked at its sign of equality.

    3-4*2+1=        the value modulo 5 is 1
    ((4+2)-(-3))=   with brackets; 4

A string's length counts its answer, as the papers do: T = length − 1. Without brackets an even length is cut by one. The papers have
brackets with + and − alone.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Literal

import numpy as np

from minigrad.errors import SettingError

from .draw import Draw, Range, between
from .expressions import SIGNS, bracketed, bracketed_values, flat, flat_values, text
from .formal import given, longer, loss, measures

__all__ = ["baselines", "batch", "given", "harder", "loss", "measures", "read", "sizes"]

DOMAIN = 33
Operations = Literal["plus-minus-times", "plus-minus"]
Form = Literal["flat", "brackets"]


def sizes(modulus: int = 5, expressions: Form = "flat", **_: Any) -> tuple[int, int]:
    """(inputs, outputs) of a model for this task."""
    return modulus + (len(SIGNS) if expressions == "brackets" else SIGNS.index("(")), modulus


def batch(
    seed: Any,
    step: int,
    batch: int,
    lengths: Annotated[Range, "symbols of a string, its sign of equality and its answer"] = (3, 40),
    expressions: Annotated[Form, "without brackets, or with them"] = "flat",
    operations: Annotated[Operations, "in an expression"] = "plus-minus-times",
    modulus: Annotated[int, "of all numbers"] = 5,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(inputs (T, batch, symbols), targets (T, batch), mask (T, batch)) with one length for the batch; only the last step is scored."""
    if modulus < 2:
        raise SettingError(f"modulus={modulus}: with one number there is nothing to answer; take 2 or more")
    draw = Draw(seed, step, DOMAIN)
    length = int(draw.integers(*between(lengths, 3))) - 2
    write, length = (bracketed, length) if expressions == "brackets" else (flat, length - 1 + length % 2)
    symbols, values = write(draw, length, batch, modulus, operations == "plus-minus-times")
    symbols = np.concatenate([symbols, np.full((1, batch), modulus + SIGNS.index("="))])
    targets, mask = np.zeros(symbols.shape, np.int64), np.zeros(symbols.shape, bool)
    targets[-1], mask[-1] = values, True
    return np.eye(sizes(modulus, expressions)[0], dtype=np.float32)[symbols], targets, mask


def read(inputs: np.ndarray, modulus: int = 5, **_: Any) -> list[str]:
    """The string of each sequence of inputs (T, batch, symbols)."""
    return text(inputs.argmax(-1), modulus)


@cache
def baselines(
    lengths: Range = (3, 40), expressions: Form = "flat", operations: Operations = "plus-minus-times", modulus: int = 5
) -> dict[str, float]:
    """The accuracy of the best constant answer, 0 where there are products, and of calculating."""
    low, high = between(lengths, 3)
    values = bracketed_values if expressions == "brackets" else flat_values
    rates = values(high - 2, modulus, operations == "plus-minus-times")[low - 3 :]
    return {"chance": float(rates.mean(0).max()), "optimum": 1}


def harder(lengths: Range = (3, 40), **_: Any) -> dict[str, Any]:
    """Strings up to 6.4 times as long as the longest."""
    return {"lengths": longer(lengths)}
