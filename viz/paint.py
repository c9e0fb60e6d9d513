"""How marks are coloured: by kind, or by the norm of the gradient that flows through them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from . import style
from .story import Item, Story


@dataclass
class Paint:
    """Colours by kind. `norms` holds ‖∂L/∂·‖ of items, `edges` that along (item, argument); only with `gradient`."""

    gradient: bool = False
    norms: dict[int, float] = field(default_factory=dict)
    edges: dict[tuple[int, int], float] = field(default_factory=dict)

    def fill(self, item: Item) -> str | None:
        return style.gradient_colour(self.norms.get(item.index)) if self.gradient else None

    def stroke(self, item: Item) -> str | None:
        if not self.gradient:
            return None
        norm = self.norms.get(item.index)
        return style.NOT_FINITE if norm is not None and not math.isfinite(norm) else "#59636B"

    def dashed(self, item: Item) -> bool:
        return self.gradient and self.norms.get(item.index) == 0

    def wire(self, item: int, position: int, plain: str = style.WIRE) -> str:
        return style.gradient_colour(self.edges.get((item, position))) if self.gradient else plain

    def value(self, item: int, plain: str = style.STATE) -> str:
        return style.gradient_colour(self.norms.get(item)) if self.gradient else plain

    def exponent(self, item: int) -> str:
        """log10 of the norm as a label, or nothing."""
        norm = self.norms.get(item)
        if not self.gradient or norm is None or norm == 0:
            return ""
        return f"{math.log10(norm):.1f}" if math.isfinite(norm) else "NaN" if math.isnan(norm) else "∞"


def describe(item: Item, story: Story, paint: Paint) -> str:
    """What is shown on hovering: type, name, place, gradient."""
    from . import text

    words = [f"{item.node.op.name} {item.node.type}"]
    if item.name:
        words.append(text.clean(item.name))
    if item.node.origin.scopes:
        words.append(text.clean(item.node.origin.scope, 80))
    if paint.gradient:
        norm = paint.norms.get(item.index)
        words.append("no gradient" if norm is None else f"‖∂L/∂·‖ = {norm:.3g}")
    return " · ".join(words)
