"""Texts in a drawing: their width, their escaping, subscripts and numbers."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

LIMIT = 40  # the most characters of a label
_SUBSCRIPTS = str.maketrans("0123456789-+t", "₀₁₂₃₄₅₆₇₈₉₋₊ₜ")
_LETTERS = dict(zip("aehijklmnoprstuvx0123456789", "ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ₀₁₂₃₄₅₆₇₈₉", strict=True))
SIGNS = {
    "alpha": "α",
    "beta": "β",
    "gamma": "γ",
    "delta": "Δ",
    "eta": "η",
    "theta": "θ",
    "kappa": "κ",
    "sigma": "σ",
}  # how names of parameters are written
_FULL = {ord(small): c for c, small in _LETTERS.items()}
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
_NUMBERS = re.compile(r"\[\d+\]")


def width(text: str, size: float) -> float:
    """The width of a label in points, made a little larger: the font that the reader has is not known."""
    units = 0
    for c in text:
        units += _WIDTH.get(ord(c)) or (1000 if unicodedata.east_asian_width(c) in "WF" else 620)
    return units * size / 1000 * 1.08


def clean(text: Any, limit: int = LIMIT) -> str:
    """The text as one visible line of limited length. Control characters, and those that change the writing direction, are replaced."""
    raw = str(text)
    short = raw if len(raw) <= limit else raw[: limit - 1] + "…"
    if short.isascii() and short.isprintable():
        return short
    return "".join("�" if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") else c for c in short)


def ending(text: str, limit: int) -> str:
    """The end of a long name, which says more than its beginning, and the numbers before it: …readout.b, …[0].readout.b, ∂…[0].W."""
    if len(text) <= limit:
        return clean(text, limit)
    sign = "∂" if text[0] == "∂" else ""
    kept = limit - 1 - len(sign)
    numbers = "".join(_NUMBERS.findall(text[: len(text) - kept]))
    if len(numbers) > kept // 2:
        numbers = ""
    return clean(f"{sign}…{numbers}{text[len(text) - kept + len(numbers) :]}", limit)


def short(name: str, limit: int) -> str:
    """A name of limited length: of a path its end, with room for what tells it apart; of another its beginning."""
    return ending(name, limit + 10) if "." in name else clean(name, limit)


def wrapped(words: Sequence[str], room: float, size: float) -> list[str]:
    """The words with dots between them, in lines of this width; a line has one word at least."""
    lines: list[str] = []
    for word in words:
        longer = f"{lines[-1]}  ·  {word}" if lines else word
        if lines and width(longer, size) <= room:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def xml(text: str) -> str:
    """The text escaped for an SVG element or a quoted attribute."""
    if text.isalnum():
        return text
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;").replace("'", "&#39;")


def subscript(n: int | str) -> str:
    return str(n).translate(_SUBSCRIPTS)


def pretty(name: str) -> str:
    """W_h as Wₕ, where Unicode has these subscripts."""
    stem, _, tail = name.rpartition("_")
    if not stem or not tail or stem.endswith("_") or any(c not in _LETTERS for c in tail):
        return name
    return stem + "".join(_LETTERS[c] for c in tail)


def plain(name: str) -> str:
    """W_h for Wₕ: the name as it was before `pretty`."""
    stem = name.rstrip("".join(_LETTERS.values()))
    return f"{stem}_{name[len(stem) :].translate(_FULL)}" if stem and stem != name else name


def indexed(name: str, step: int | str) -> str:
    """The name with an index: h₃, or name[3] where it is long or ends in a digit."""
    return f"{name}[{step}]" if len(name) > 8 or name[-1:].isdigit() or name[-1:] == "]" else name + subscript(step)


def shape(dims: Sequence[Any]) -> str:
    """A shape as text: 3×4, and "" for a scalar."""
    return "×".join(str(getattr(n, "hint", n)) for n in dims)


def number(value: float) -> str:
    """A coordinate as text, with at most one decimal and without '-0'."""
    short = round(value, 1)
    whole = int(short)
    return str(whole) if short == whole else str(short)


def value(array: Any) -> str:
    """A value in few words: a number as it is, of an array its range."""
    if not array.size:
        return "of no elements"
    if array.size == 1:
        return constant(array.reshape(-1)[0])
    return f"{constant(array.min())} … {constant(array.max())}"


def constant(value: Any) -> str:
    """A number as text for a label."""
    item = value.item()
    return f"{item:.4g}" if isinstance(item, float) else str(item)


def brief(value: float) -> str:
    """A number in few characters: .98, 12, 1.3."""
    words = f"{value:.2f}" if abs(value) < 1 else f"{value:.1f}" if abs(value) < 10 else f"{value:.0f}"
    return words.replace("0.", ".", 1) if words.startswith(("0.", "-0.")) else words
