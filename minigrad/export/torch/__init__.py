"""Minigrad's functions and models inside PyTorch programs, and PyTorch's programs in drawings."""

from __future__ import annotations

import os as _os

from ... import origin as _origin
from .. import missing

try:
    import torch as _torch
except ModuleNotFoundError as error:
    raise missing("torch", error) from None

from .arrays import as_array, as_torch
from .drawn import graph, leaves, notes
from .function import Function, Wrapped, function, module

_origin.add_engine(_os.path.dirname(_torch.__file__))

__all__ = ["Function", "Wrapped", "as_array", "as_torch", "function", "graph", "leaves", "module", "notes"]
