"""Loss and measures of tasks whose outputs are numbers: outputs and targets (T, batch, n), mask (T, batch), True where they are scored."""

from __future__ import annotations

from typing import Any

import minigrad as mg
from minigrad import Tensor

from .metrics import mean


def loss(outputs: Any, targets: Any, mask: Any) -> Tensor:
    """The training loss, a scalar: the mean squared error over the scored outputs."""
    return mg.mean(measures(outputs, targets, mask)["error"])


def measures(outputs: Any, targets: Any, mask: Any) -> dict[str, Tensor]:
    """error: the mean squared error over the scored outputs, (batch,)."""
    y = mg.tensor(outputs)
    scored = mg.expand_dims(mg.tensor(mask), -1)
    return {"error": mean(mg.mean(mg.mse(y, mg.astype(targets, y.dtype), weights=scored, reduction="none"), -1), mask)}


def given(outputs: Any) -> Tensor:
    """The outputs as they are."""
    return mg.tensor(outputs)
