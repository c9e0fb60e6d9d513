"""Priority sort (Graves et al. 2014, §4.5): read vectors with priorities, output those of highest priority in descending order.

Of T = items + 1 + best steps, the first `items` show a vector on channels 0 … bits − 1 and its priority, uniform in [−1, 1), on the next.
One step shows the delimiter on the last channel. In the last `best` steps the input is 0; only these are scored.
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from minigrad.errors import SettingError

from .bits import given, loss, measures
from .draw import Draw

__all__ = ["baselines", "batch", "given", "loss", "measures", "sizes"]

DOMAIN = 20


def sizes(bits: int = 8, **_: Any) -> tuple[int, int]:
    """(inputs, outputs) of a model for this task."""
    return bits + 2, bits


def batch(
    seed: Any,
    step: int,
    batch: int,
    items: Annotated[int, "vectors in a sequence"] = 20,
    best: Annotated[int, "how many are given back"] = 16,
    bits: Annotated[int, "bits in a vector"] = 8,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(inputs (T, batch, bits + 2), targets (T, batch, bits), mask (T, batch))."""
    if not 1 <= best <= items:
        raise SettingError(f"best={best} of items={items}: take 1 ≤ best ≤ items")
    draw = Draw(seed, step, DOMAIN)
    vectors, priority = draw.bits((items, batch, bits)), (2 * draw.uniform((items, batch)) - 1).astype(np.float32)
    total = items + 1 + best
    inputs, targets = np.zeros((total, batch, bits + 2), np.float32), np.zeros((total, batch, bits), np.float32)
    inputs[:items, :, :bits], inputs[:items, :, bits] = vectors, priority
    inputs[items, :, bits + 1] = 1
    order = np.argsort(-priority, axis=0, kind="stable")[:best]
    targets[-best:] = np.take_along_axis(vectors, order[..., None], 0)
    mask = np.broadcast_to(np.arange(total)[:, None] > items, (total, batch)).copy()
    return inputs, targets, mask


def baselines(best: int = 16, bits: int = 8, **_: Any) -> dict[str, float]:
    """The cost of guessing in bits a sequence, and of a correct order."""
    return {"chance": best * bits, "optimum": 0}
