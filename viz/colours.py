"""The colours of nodes and edges: by kind, or by gradient norm."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np

from . import style, text
from .timeline import Item, Timeline


@dataclass
class Colours:
    """Colours by kind; with `gradient` colours by gradient norm, ‖∂L/∂·‖.

    norms   item -> the norm of its gradient
    edges   (item, argument) -> the norm of the cotangent along that edge
    lanes   (item, column) -> the norm of the part of an item's gradient that comes from one column
    scale   the exponents of the norms at the two ends of the colours
    parts   (item, part) -> the norm of what comes from one part of a step with a memory
    arrays  item with a name -> its gradient
    """

    gradient: bool = False
    norms: dict[int, float] = field(default_factory=dict)
    edges: dict[tuple[int, int], float] = field(default_factory=dict)
    lanes: dict[tuple[int, int], float] = field(default_factory=dict)
    scale: style.Scale = style.SCALE
    parts: dict[tuple[int, str], float] = field(default_factory=dict)
    arrays: dict[int, np.ndarray] = field(default_factory=dict)

    def all_norms(self) -> Iterator[float]:
        return chain(self.norms.values(), self.edges.values(), self.lanes.values())

    def of(self, norm: float | None) -> str:
        """The colour of a gradient norm."""
        return style.gradient_colour(norm, self.scale)

    def fill(self, item: Item) -> str | None:
        return self.of(self.norms.get(item.index)) if self.gradient else None

    def stroke(self, item: Item) -> str | None:
        if not self.gradient:
            return None
        norm = self.norms.get(item.index)
        return style.NOT_FINITE if norm is not None and not math.isfinite(norm) else "#59636B"

    def dashed(self, item: Item) -> bool:
        return self.gradient and self.norms.get(item.index) == 0

    def wire(self, item: int, position: int, plain: str = style.WIRE) -> str:
        """The colour of an edge into an item; `plain` is its colour by kind."""
        return self.of(self.edges.get((item, position))) if self.gradient else plain

    def value(self, item: int, plain: str = style.STATE) -> str:
        """The colour of an edge that shows a value as such."""
        return self.of(self.norms.get(item)) if self.gradient else plain

    def lane(self, item: int, column: int, plain: str = style.STATE) -> str:
        """The colour of a value's line to the operations of one column."""
        return self.of(self.lanes.get((item, column))) if self.gradient else plain

    def uses(self, weights: Iterable[int], column: int, plain: str) -> str:
        """The colour of the line from the bar of weights to a column: the norm of what comes from there to all these weights."""
        parts = [self.lanes[a, column] for a in weights if (a, column) in self.lanes]
        return self.of(math.hypot(*parts) if parts else None) if self.gradient else plain

    def through(self, values: Sequence[int], parts: Sequence[str], plain: str = style.WIRE) -> str:
        """The colour of a line by which values reach parts of a step."""
        return self.of(self.norm_through(values, parts)) if self.gradient else plain

    def norm_through(self, values: Sequence[int], parts: Sequence[str]) -> float | None:
        """The norm of the gradient that comes to values from parts of a step."""
        norms = [self.parts[a, p] for a in values for p in parts if (a, p) in self.parts]
        return math.hypot(*norms) if norms else None

    def exponent(self, item: int, column: int) -> str:
        """The label of a lane: log10 of its norm, or "" where it has none."""
        norm = self.lanes.get((item, column))
        if not self.gradient or norm is None or norm == 0:
            return ""
        return f"{math.log10(norm):.1f}" if math.isfinite(norm) else "NaN" if math.isnan(norm) else "∞"

    def alarm(self, timeline: Timeline) -> str:
        """A sentence that says where NaN or infinity enters the gradient; "" where all norms are finite."""
        bad = [i for i, norm in self.norms.items() if not math.isfinite(norm)]
        if not bad:
            return ""
        first = timeline.items[max(bad)]
        step = timeline.columns[first.column].label if first.column is not None and 0 <= first.column < timeline.end else ""
        where = ", ".join(w for w in (step, source_line(first)) if w)
        name = text.clean(first.called or first.label, 16)
        return text.clean(f"NaN or ∞ in the gradient of {len(bad):,} values; it begins at {name}" + (f" ({where})" if where else ""), 140)


def source_line(item: Item) -> str:
    """The user's file and line: train.py:41; "" where no line makes the value."""
    origin = item.node.origin
    return f"{os.path.basename(origin.code.co_filename)}:{origin.line}" if origin.code else ""


def describe(item: Item, timeline: Timeline, colours: Colours) -> str:
    """The tooltip of a node: operation and type, name, scope, gradient norm."""
    words = [f"{item.node.op.name} {item.node.type}"]
    if item.name:
        words.append(text.clean(item.called))
    if item.node.origin.scopes:
        words.append(text.clean(item.node.origin.scope, 80))
    if colours.gradient:
        norm = colours.norms.get(item.index)
        words.append("no gradient" if norm is None else f"‖∂L/∂·‖ = {norm:.3g}")
    return " · ".join(words)
