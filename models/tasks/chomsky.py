"""The Chomsky hierarchy (Delétang et al. 2022): read a string, then write what a language of one of three levels answers to it.

Which level needs which memory: regular languages a finite state, context-free ones a stack, context-sensitive ones a tape. Of T = length +
answer steps, the first show a symbol each; in the others a blank, on the last channel, asks for the next symbol of the answer. Only these
are scored, up to the end of the answer. Between the two there may be steps to compute in, which show nothing (the published code has them
as an option). The score is the mean accuracy at lengths that were not trained.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np

from .classes import given, loss, measures
from .draw import Draw, Range, between
from .languages import LANGUAGES

__all__ = ["baselines", "batch", "given", "harder", "loss", "measures", "sizes"]

DOMAIN = 35
Name = Literal[
    "even-pairs", "modular-arithmetic", "parity-check", "cycle-navigation",
    "stack-manipulation", "reverse-string", "modular-arithmetic-brackets", "solve-equation",
    "duplicate-string", "missing-duplicate-string", "odds-first", "binary-addition", "binary-multiplication", "compute-sqrt", "bucket-sort",
]  # fmt: skip


def sizes(language: Name = "reverse-string", **_: Any) -> tuple[int, int]:
    """(inputs, outputs) of a model for this task."""
    return LANGUAGES[language].symbols + 1, LANGUAGES[language].answers


def batch(
    seed: Any,
    step: int,
    batch: int,
    language: Annotated[Name, "what is asked: four regular ones, four context-free, seven context-sensitive"] = "reverse-string",
    lengths: Annotated[Range, "symbols of a string; a length that the language does not have is cut to one that it has"] = (1, 20),
    pause: Annotated[int, "steps to compute in before the answer, for each symbol of the string"] = 0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(inputs (T, batch, symbols + 1), targets (T, batch), mask (T, batch)) with one length for the batch."""
    draw, known = Draw(seed, step, DOMAIN), LANGUAGES[language]
    length = known.fits(int(draw.integers(*between(lengths))))
    x, y = known.write(draw, length, batch)
    nothing = np.full((pause * len(x), batch), known.symbols + 1)
    tokens = np.concatenate([x, nothing, np.full(y.shape, known.symbols)])
    targets = np.concatenate([np.full(x.shape, -1), np.full(nothing.shape, -1), y])
    return np.eye(known.symbols + 2, known.symbols + 1, dtype=np.float32)[tokens], np.maximum(targets, 0), targets >= 0


def classes(language: Name = "reverse-string", **_: Any) -> list[str]:
    """The symbols of an answer."""
    known = LANGUAGES[language]
    return [*map(str, range(known.guess)), *["end"] * (known.answers - known.guess)]


def baselines(language: Name = "reverse-string", **_: Any) -> dict[str, float]:
    """The accuracy of guessing each symbol, the end of the answer left out, as the paper states it, and of the language.

    At lengths 1–20 one symbol as every answer gets more in even-pairs (52 %), cycle-navigation (23), modular-arithmetic-brackets (25) and
    compute-sqrt (55).
    """
    return {"chance": 1 / LANGUAGES[language].guess, "optimum": 1}


def harder(lengths: Range = (1, 20), **_: Any) -> dict[str, Any]:
    """Strings that are longer than the longest, up to five times."""
    high = between(lengths)[1]
    return {"lengths": (high + 1, 5 * high)}
