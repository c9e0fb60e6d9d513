"""Minigrad's functions and models inside PyTorch programs, and PyTorch's programs in drawings."""

from __future__ import annotations

from .. import missing

try:
    import torch as _torch  # noqa: F401
except ModuleNotFoundError as error:
    raise missing("torch", error) from None

from .arrays import as_array, as_torch
from .drawn import graph, leaves, notes
from .function import Function, Wrapped, function, module

__all__ = ["Function", "Wrapped", "as_array", "as_torch", "function", "graph", "leaves", "module", "notes"]
