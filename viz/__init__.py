"""Drawings of recurrent computations: time as columns, gradients as colours, memory as it is read and written."""

from __future__ import annotations

from .drawing import Drawing, DrawingError
from .rolled import rolled
from .unrolled import unrolled

__all__ = ["Drawing", "DrawingError", "rolled", "unrolled"]
