"""Docstrings as reStructuredText: paragraphs, rows of a name and its explanation, and blocks that stay as they are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROW = re.compile(r"(\S+(?: \S+)*) {2,}(\S.*)")


def blocks(lines: list[str]) -> Iterator[list[str]]:
    """The parts between blank lines."""
    part: list[str] = []
    for line in [*lines, ""]:
        if line.strip():
            part.append(line.rstrip())
        elif part:
            yield part
            part = []


def rows(block: list[str]) -> list[list[str]] | None:
    """[name, text] of each row of a block in two columns; None if it is no such block. Indented lines belong to the row above."""
    found: list[list[str]] = []
    for line in block:
        if row := ROW.fullmatch(line):
            found.append([row[1], row[2]])
        elif found and line.startswith("  "):
            found[-1][1] += " " + line.strip()
        else:
            return None
    return found


def escaped(text: str) -> str:
    """Text whose signs mean nothing to reStructuredText, but for `code`."""
    parts = re.split(r"`+([^`]+)`+", re.sub(r" {2,}", "\u2003", text))
    return "".join(f"``{p.strip()}``" if i % 2 else re.sub(r"([\\*`|_])", r"\\\1", p) for i, p in enumerate(parts))


def converted(lines: list[str]) -> Iterator[str]:
    for block in blocks(lines):
        if table := rows(block):
            for name, text in table:
                yield from (escaped(name), f"    {escaped(text)}", "")
        elif any(line.startswith(" ") for line in block):
            yield from ("::", "", *(f"    {line}" for line in block), "")
        else:
            yield from (escaped(" ".join(block)), "")


def process(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    lines[:] = list(converted(lines))


def setup(app: Sphinx) -> None:
    app.connect("autodoc-process-docstring", process)
