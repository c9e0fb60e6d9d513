"""Drawings of recurrent computations: time as columns, gradients as colours, memory as it is read and written.

How a drawing is made, file by file:

unrolling                       unrolls the loops of a graph; `loops` finds those that Python wrote out
builder -> timeline             selects the visible operations and sorts them into columns of time; `rows` splits it by direction of time,
                                `names` and `captions` say what stands on them
wiring                          decides how each value reaches the steps that read it
steps -> layout                 gives each step a layout: `layered` computes one, `cells` has those of known cells, `memory_cell` that of a
                                step with a memory, whose `parts` are found by scopes and names, `value_cell` that of a step of one of
                                `families`, whose `named_parts` are its values with names; `heat` colours values
tiles, row, aligned -> scene    put the steps beside each other as a scene: shapes, lines and words with positions and colours; a row
                                that is too wide goes on below (`lines`)
panels -> over_time             values over time as panels, and panels below each other as a scene; the page shows the same panels
svg, dot, pdf                   write a scene; `logical` writes a timeline as a graph, `page` as an interactive HTML file
"""

from __future__ import annotations

from . import notebook as notebook  # it tells tensors how to draw themselves
from .compare import compare
from .convert import engines
from .drawing import Drawing
from .errors import DrawingError
from .maps import attention_map, connectivity, spectral_norms
from .over_time import memory
from .page import Page, page
from .plots import Plot, gradient_flow
from .record import record
from .rolled import rolled
from .unrolled import unrolled

__all__ = [
    "Drawing", "DrawingError", "Page", "Plot", "attention_map", "compare", "connectivity", "engines", "gradient_flow", "memory", "page",
    "record", "rolled", "spectral_norms", "unrolled",
]  # fmt: skip
