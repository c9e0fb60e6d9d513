"""Tasks whose outputs are numbers: outputs and targets (T, batch, n), mask (T, batch) where they count."""

from __future__ import annotations

from typing import Any

import minigrad as mg
from minigrad import Tensor

from .metrics import mean


def loss(outputs: Any, targets: Any, mask: Any) -> Tensor:
    """The training loss: the mean squared error. A scalar."""
    return mg.mean(measures(outputs, targets, mask)["error"])


def measures(outputs: Any, targets: Any, mask: Any) -> dict[str, Tensor]:
    """error: the mean squared error over what counts, (batch,)."""
    y = mg.tensor(outputs)
    return {"error": mean(mg.mean(mg.square(y - mg.astype(mg.tensor(targets), y.dtype)), -1), mask)}


def given(outputs: Any) -> Tensor:
    """The outputs themselves."""
    return mg.tensor(outputs)
