"""The HTML file of a page: markup, style sheet, script and data in one.

Its content security policy allows only this script and this style sheet, and forbids all requests.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from hashlib import sha256
from importlib.resources import files
from typing import Any

from .. import heat, style, text

SCRIPTS = (
    "tools.js", "values.js", "primitives.js", "arrays.js", "evaluate.js", "live.js", "edits.js", "graph.js", "cards.js", "folds.js",
    "strips.js", "details.js", "entries.js", "loss.js", "pointing.js", "provenance.js", "similar.js", "panes.js", "address.js", "main.js",
)  # fmt: skip
_DARK = "#171C21"


def document(data: dict[str, Any]) -> str:
    """The HTML text. Text of users stands only in the data, where `<` is escaped, and in the title, where it is escaped as text."""
    here = files(__package__)
    script = "'use strict';\n(() => {\n" + "\n".join((here / name).read_text("utf-8") for name in SCRIPTS) + "})();\n"
    css = _colours() + (here / "page.css").read_text("utf-8")
    policy = f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(css)}'; base-uri 'none'; form-action 'none'"
    colours = {"stops": style.STOPS, "none": style.NO_GRADIENT, "bad": style.NOT_FINITE, "scales": heat.SCALES, "cycle": style.CYCLE}
    whole = {**data, **colours, "looks": _looks(data)}
    parts = {
        "policy": policy,
        "title": text.xml(data["title"]),
        "style": css,
        "data": json.dumps(whole, ensure_ascii=False, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c"),
        "script": script,
    }
    pieces = re.split("@([a-z]+)@", (here / "page.html").read_text("utf-8"))
    return "".join(parts[piece] if i % 2 else piece for i, piece in enumerate(pieces))


def _hash(content: str) -> str:
    return "sha256-" + b64encode(sha256(content.encode()).digest()).decode()


def _looks(data: dict[str, Any]) -> list[list[str]]:
    """The entries of the legend: (kind, its label) for each kind in the data."""
    found = {shape[5] for t in data["templates"] for shape in t["open"]["shapes"]} | {"input", "output", "parameter"}
    return [[name, look.label] for name, look in style.LOOKS.items() if name in found and name not in ("chip", "elided", "delay", "cell")]


# ---- colours of kinds, on a light and on a dark background


def _colours() -> str:
    """The CSS variables --kind and --kind-line for each kind. On a dark background a fill is the line's colour, darkened."""
    light = "".join(f"--{k}:{v.fill};--{k}-line:{v.stroke};" for k, v in style.LOOKS.items())
    dark = "".join(f"--{k}:{_mix(v.stroke, _DARK, 0.34)};--{k}-line:{_mix(v.stroke, '#FFFFFF', 0.8)};" for k, v in style.LOOKS.items())
    rules = "".join(f".{k}{{fill:var(--{k});stroke:var(--{k}-line)}}" for k in style.LOOKS)
    scale = ",".join(f"{colour} {100 * (at + 8) / 12:.1f}%" for at, colour in style.STOPS)
    return (
        f":root{{{light}--scale:linear-gradient(to right,{scale})}}@media screen{{:root[data-theme=dark]{{{dark}}}}}"
        f"@media screen and (prefers-color-scheme:dark){{:root:not([data-theme=light]){{{dark}}}}}{rules}\n"
    )


def _mix(colour: str, other: str, share: float) -> str:
    a, b = ([int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in (colour, other))
    return "#" + "".join(f"{round(share * x + (1 - share) * y):02X}" for x, y in zip(a, b, strict=True))
