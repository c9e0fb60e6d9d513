"""Arrays and PyTorch's tensors that share their memory."""

from __future__ import annotations

import numpy as np
import torch

from ...graph.types import BFLOAT16


def as_array(t: torch.Tensor) -> np.ndarray:
    """The memory of a PyTorch tensor as an array; a copy where it is not contiguous."""
    t = t.detach().contiguous()
    if t.dtype is torch.bfloat16:
        return t.view(torch.int16).numpy().view(BFLOAT16)
    return t.resolve_conj().resolve_neg().numpy()


def as_torch(array: np.ndarray) -> torch.Tensor:
    """The memory of an array as a PyTorch tensor."""
    if array.dtype == BFLOAT16:
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)
