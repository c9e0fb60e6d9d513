"""Drawings of recurrent computations: time as columns, gradients as colours, memory as it is read and written."""

from __future__ import annotations

from .convert import engines
from .drawing import Drawing
from .errors import DrawingError
from .page import Page, page
from .plots import Plot, gradient_flow, memory
from .record import record
from .rolled import rolled
from .unrolled import unrolled

__all__ = ["Drawing", "DrawingError", "Page", "Plot", "engines", "gradient_flow", "memory", "page", "record", "rolled", "unrolled"]
