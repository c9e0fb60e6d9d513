"""Drawings of recurrent computations: time as columns, gradients as colours, memory as it is read and written."""

from __future__ import annotations

from .convert import engines
from .drawing import Drawing
from .errors import DrawingError
from .plots import Plot, gradient_flow, memory
from .record import record
from .rolled import rolled
from .unrolled import unrolled

__all__ = ["Drawing", "DrawingError", "Plot", "engines", "gradient_flow", "memory", "record", "rolled", "unrolled"]
