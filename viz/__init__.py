"""Drawings of recurrent computations: time as columns, gradients as colours, memory as it is read and written."""

from __future__ import annotations

from .compare import compare
from .convert import engines
from .drawing import Drawing
from .errors import DrawingError
from .maps import attention_map, connectivity, spectral_norms
from .page import Page, page
from .plots import Plot, gradient_flow, memory
from .record import record
from .rolled import rolled
from .unrolled import unrolled

__all__ = [
    "Drawing", "DrawingError", "Page", "Plot", "attention_map", "compare", "connectivity", "engines", "gradient_flow", "memory", "page",
    "record", "rolled", "spectral_norms", "unrolled",
]  # fmt: skip
