"""Key reassignment (Schlag et al. 2021, §6.1, setting 2): pairs of a key and a value, whose keys come again; give a key's last value.

Each of 2 · keys steps shows a key and a value, drawn independently, each as one channel of its own. The last step shows a key that was
there, with a signal that it is asked. A memory that only adds gives the sum of all values of a key; the delta rule replaces them.
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

import minigrad as mg
from minigrad import Tensor

from .classes import measures as of_classes
from .draw import Draw
from .metrics import mean
from .numbers import given

__all__ = ["baselines", "batch", "given", "loss", "measures", "sizes"]

DOMAIN = 36


def sizes(keys: int = 20, **_: Any) -> tuple[int, int]:
    """(inputs, outputs) of a model for this task."""
    return 2 * keys + 1, keys


def batch(
    seed: Any, step: int, batch: int, keys: Annotated[int, "different keys, and as many values; half as many as pairs"] = 20
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(inputs (T, batch, 2 · keys + 1), targets (T, batch), mask (T, batch)); only the last step is scored."""
    draw, pairs, rows = Draw(seed, step, DOMAIN), 2 * keys, np.arange(batch)
    shown, values = (draw.integers(0, keys - 1, (pairs, batch)) for _ in range(2))
    there = np.zeros((batch, keys), bool)
    there[rows, shown] = True
    order = draw.order(batch, keys)
    asked = order[rows, np.take_along_axis(there, order, 1).argmax(1)]
    last = pairs - 1 - (shown == asked)[::-1].argmax(0)
    inputs = np.zeros((pairs + 1, batch, 2 * keys + 1), np.float32)
    basis = np.eye(keys, dtype=np.float32)
    inputs[:-1, :, :keys], inputs[:-1, :, keys : 2 * keys] = basis[shown], basis[values]
    inputs[-1, :, :keys], inputs[-1, :, 2 * keys] = basis[asked], 1
    targets, mask = np.zeros((pairs + 1, batch), np.int64), np.zeros((pairs + 1, batch), bool)
    targets[-1], mask[-1] = values[last, rows], True
    return inputs, targets, mask


def loss(outputs: Any, targets: Any, mask: Any) -> Tensor:
    """The training loss, a scalar: half the squared distance from the value's vector."""
    return mg.mean(measures(outputs, targets, mask)["half-error"])


def measures(outputs: Any, targets: Any, mask: Any) -> dict[str, Tensor]:
    """half-error: half the squared distance of the output from the value's vector; accuracy: of its largest number. Each (batch,)."""
    y = mg.tensor(outputs)
    wanted = mg.astype(mg.equal(mg.expand_dims(mg.tensor(targets), -1), mg.arange(y.shape[-1])), y.dtype)
    scored = mg.expand_dims(mg.astype(mg.tensor(mask), "bool"), -1)
    distance = mg.sum(mg.mse(y, wanted, weights=scored, reduction="none"), -1)
    return {"half-error": mean(distance / 2, mask), "accuracy": of_classes(y, targets, mask)["accuracy"]}


def baselines(keys: int = 20, **_: Any) -> dict[str, float]:
    """Half the squared distance of the mean of all values from any of them, and of the value."""
    return {"chance": (1 - 1 / keys) / 2, "optimum": 0}
