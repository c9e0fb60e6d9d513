"""Words in a drawing: how wide they are, how they are made harmless, subscripts and shapes."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any

LIMIT = 40  # characters of a label that are shown
_SUBSCRIPTS = str.maketrans("0123456789-+t", "₀₁₂₃₄₅₆₇₈₉₋₊ₜ")
_LETTERS = dict(zip("aehijklmnoprstuvx0123456789", "ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ₀₁₂₃₄₅₆₇₈₉", strict=True))
_WIDTHS = {
    278: " !,./:;I[]ft\\",
    222: "'ijl|",
    333: "()-r`",
    355: '"',
    389: "*",
    556: "#$0123456789?L_abdeghnopqu",
    500: "Jckvsxyz",
    584: "+<=>~",
    667: "&ABEKPSVXY",
    722: "CDHNRUw",
    611: "FTZ",
    778: "GOQ",
    833: "Mm",
    944: "W",
    889: "%",
    1015: "@",
}
_WIDTH = {ord(c): w for w, chars in _WIDTHS.items() for c in chars}
_SMALL = {ord(c): 340 for c in "₀₁₂₃₄₅₆₇₈₉₋₊ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓᵀ′"}
_WIDTH |= _SMALL


def width(text: str, size: float) -> float:
    """The width of a label in points, a little generously: the reader's font is not known."""
    units = 0
    for c in text:
        units += _WIDTH.get(ord(c)) or (1000 if unicodedata.east_asian_width(c) in "WF" else 620)
    return units * size / 1000 * 1.08


def clean(text: Any, limit: int = LIMIT) -> str:
    """One line of visible text: control and direction-changing characters replaced, length capped."""
    raw = str(text)
    short = raw if len(raw) <= limit else raw[: limit - 1] + "…"
    if short.isascii() and short.isprintable():
        return short
    return "".join("�" if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") else c for c in short)


def ending(text: str, limit: int) -> str:
    """The end of a name, which says more than its start: …readout.b."""
    return clean(text if len(text) <= limit else "…" + text[1 - limit :], limit)


def xml(text: str) -> str:
    """Text inside an SVG element or a quoted attribute."""
    if text.isalnum():
        return text
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;").replace("'", "&#39;")


def subscript(n: int | str) -> str:
    return str(n).translate(_SUBSCRIPTS)


def pretty(name: str) -> str:
    """W_h as Wₕ, where the letters have subscripts."""
    stem, _, tail = name.rpartition("_")
    if not stem or not tail or stem.endswith("_") or any(c not in _LETTERS for c in tail):
        return name
    return stem + "".join(_LETTERS[c] for c in tail)


def indexed(name: str, step: int | str) -> str:
    """h₃; for names that end in a digit or are long, name[3]."""
    return f"{name}[{step}]" if len(name) > 8 or name[-1:].isdigit() or name[-1:] == "]" else name + subscript(step)


def shape(dims: Sequence[Any]) -> str:
    """3×4; nothing for a scalar."""
    return "×".join(str(getattr(n, "hint", n)) for n in dims)


def number(value: float) -> str:
    """A coordinate: at most one decimal, no '-0'."""
    short = round(value, 1)
    whole = int(short)
    return str(whole) if short == whole else str(short)


def constant(value: Any) -> str:
    """A number as it stands in a label."""
    item = value.item()
    return f"{item:.4g}" if isinstance(item, float) else str(item)
