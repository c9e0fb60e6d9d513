"""Copy memory (Hochreiter and Schmidhuber 1997; as in Arjovsky et al. 2016, §5.1): output 10 symbols after a long delay.

Of T = delay + 20 steps, the first 10 show one of 8 symbols each; then come delay − 1 blanks, a cue and 10 blanks. The targets of the last
10 steps are the symbols in order, all others "blank". Every step is scored. Without memory the least cost is 10 ln 8 / T nats a step.
"""

from __future__ import annotations

import math
from typing import Annotated, Any

import numpy as np

import minigrad as mg
from minigrad import Tensor

from .classes import given, loss
from .classes import measures as every_step
from .draw import Draw, Range, between

__all__ = ["baselines", "batch", "given", "harder", "loss", "measures", "sizes"]

DOMAIN = 23
SYMBOLS, SHOWN = 8, 10
BLANK, CUE = SYMBOLS, SYMBOLS + 1


def sizes(**_: Any) -> tuple[int, int]:
    """(inputs, outputs) of a model for this task."""
    return SYMBOLS + 2, SYMBOLS + 1


def batch(
    seed: Any, step: int, batch: int, delay: Annotated[Range, "steps between the first symbol shown and the cue, less 10"] = 100
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(inputs (T, batch, 10), targets (T, batch), mask (T, batch)); every step is scored."""
    draw = Draw(seed, step, DOMAIN)
    wait = int(draw.integers(*between(delay)))
    symbols = draw.integers(0, SYMBOLS - 1, (SHOWN, batch))
    total = wait + 2 * SHOWN
    tokens, targets = np.full((total, batch), BLANK), np.full((total, batch), BLANK)
    tokens[:SHOWN] = symbols
    tokens[SHOWN + wait - 1] = CUE
    targets[-SHOWN:] = symbols
    return np.eye(SYMBOLS + 2, dtype=np.float32)[tokens], targets, np.ones((total, batch), bool)


def measures(logits: Any, targets: Any, mask: Any) -> dict[str, Tensor]:
    """nats: the mean −log p of a step; accuracy: the fraction of symbols that are right, without blanks. Each (batch,)."""
    symbols = mg.logical_and(mg.astype(mg.tensor(mask), "bool"), mg.not_equal(mg.tensor(targets), BLANK))
    return {"nats": every_step(logits, targets, mask)["nats"], "accuracy": every_step(logits, targets, symbols)["accuracy"]}


def baselines(delay: Range = 100) -> dict[str, float]:
    """The least cost in nats a step without memory, and with it."""
    low, high = between(delay)
    costs = SHOWN * math.log(SYMBOLS) / (np.arange(low, high + 1) + 2 * SHOWN)
    return {"chance": float(costs.mean()), "optimum": 0}


def harder(delay: Range = 100) -> dict[str, Any]:
    """Twice the greatest delay."""
    return {"delay": 2 * between(delay)[1]}
