"""Legends: the kinds of node, and the colour scale of gradient norms; and the scene that ends with one."""

from __future__ import annotations

import math
from collections.abc import Sequence

from . import heat, style, text
from .colours import Colours
from .scene import MARGIN, Bar, Heat, Part, Placed, Scene, Shape, Word
from .timeline import Timeline

WIDE, STRIPES = 300.0, 60  # of the colour scale


def kinds(present: Sequence[str], left: float, top: float, room: float) -> tuple[Part, float, float]:
    """(part, right end, lower end): one sample for each kind, in rows that fit into the room."""
    part = Part()
    x, y, widest = left, top + 8, left
    for i, kind in enumerate(present):
        look = style.LOOKS[kind]
        width = 30 + text.width(look.label, 9.5) + 16
        if x + width > max(room, left + 260) and x > left:
            x, y = left, y + 20
        part.shapes.append(Shape(f"k{i}", x + 11, y, 20, 12, kind, "", look.shape))
        part.words.append(Word(x + 27, y, look.label, 9.5, style.MUTED, "start", f"k{i}"))
        x += width
        widest = max(widest, x)
    return part, widest, y + 12


def heats(present: Sequence[str], left: float, top: float) -> tuple[list[Heat], list[Word], float, float]:
    """(scales, words, right end, lower end): the colour scales of heat maps, in one row."""
    marks, words, x, y = [], [], left, top + 8
    for scale in (s for s in heat.SCALES if s in present):
        fills = tuple(heat.mixed(scale, n / 12) for n in range(13))
        marks.append(Heat(f"c{scale}", x + 25, y, 50, 10, (fills,)))
        words.append(Word(x + 55, y, heat.WORDS[scale], 9.5, style.MUTED, "start"))
        x += 55 + text.width(heat.WORDS[scale], 9.5) + 26
    return marks, words, x, y + 12


def gradient(left: float, top: float, scale: style.Scale) -> tuple[Part, float, float]:
    """(part, right end, lower end): the colours between two exponents, and samples for no gradient, zero, and not finite."""
    part = Part()
    (low, high), x0, y = scale, left + 4, top + 16
    step, right = WIDE / STRIPES, x0 + WIDE
    for i in range(STRIPES):
        part.bars.append(Bar(x0 + i * step, y, step + 0.2, 10, style.colour_at((i + 0.5) / STRIPES)))
    for decade in range(math.ceil(low), math.floor(high) + 1, math.ceil((high - low) / 7)):
        part.words.append(Word(x0 + (decade - low) / (high - low) * WIDE, y + 18, "10" + _power(decade), 8.5, style.TEXT))
    part.words.append(Word(x0, y - 8, "← vanishing", 9, style.TEXT, "start"))
    part.words.append(Word((x0 + right) / 2, y - 8, "‖∂L/∂·‖₂", 9, style.TEXT))
    part.words.append(Word(right, y - 8, "exploding →", 9, style.TEXT, "end"))
    x = right + 20
    for fill, dashed, label in (
        (style.NO_GRADIENT, False, "none"),
        (style.NO_GRADIENT, True, "zero"),
        (style.NOT_FINITE, False, "NaN or ∞"),
    ):
        part.shapes.append(Shape(f"g{int(x)}", x + 8, y + 5, 16, 10, "move", "", "box", fill=fill, stroke="#59636B", dashed=dashed))
        part.words.append(Word(x + 21, y + 5, label, 9, style.TEXT, "start", f"g{int(x)}"))
        x += 36 + text.width(label, 9)
    return part, x, y + 28


def _power(n: int) -> str:
    return str(n).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def finished(placed: list[Placed], colours: Colours, right: float, bottom: float, timeline: Timeline, notes: list[str]) -> Scene:
    """The scene of these parts with a legend, and with a warning where a gradient is NaN or infinite."""
    alarm = colours.alarm(timeline)
    if alarm:
        wide = text.width(alarm, 12) * 1.12 + 24
        box = Shape(
            "alarm", MARGIN + wide / 2, bottom + 8, wide, 22.0, "loss", alarm, fill=style.NOT_FINITE, stroke=style.NOT_FINITE, size=12
        )
        placed = [*placed, Placed(Part(shapes=[box]))]
        notes, bottom, right = [alarm, *notes], bottom + 28, max(right, MARGIN + wide)
    found = {s.look for p in placed for s in p.part.shapes}
    present = [k for k in style.LOOKS if k in found and k not in ("elided", "chip")]
    part, width, bottom = gradient(MARGIN, bottom, colours.scale) if colours.gradient else kinds(present, MARGIN, bottom, right)
    scales = {h.scale for p in placed for h in p.part.heats if h.scale}
    if scales:
        part.heats, words, wide, bottom = heats(list(scales), MARGIN, bottom)
        part.words, width = part.words + words, max(width, wide)
    if timeline.key:
        part.words.append(Word(MARGIN, bottom + 10, timeline.key, 9.5, style.MUTED, "start"))
        bottom += 16
    return Scene(max(right, width + MARGIN), bottom + 8, [*placed, Placed(part)], text.clean(timeline.title, 60), notes)
