"""Minigrad functions and models as differentiable parts of a PyTorch program."""

from __future__ import annotations

from . import missing

try:
    import torch
except ModuleNotFoundError as error:
    raise missing("torch", error) from None

__all__: list[str] = []
