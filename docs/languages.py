"""The link from a page to the same page in the other language, and from a chapter to its notebook; code that both pages share.

A page in Chinese has `<!-- code -->` where the English page of its name has a block of code: each block is written once.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

LANGUAGES = {"en": "English", "zh": "中文"}
MARK = "<!-- code -->"
BLOCK = re.compile(r"^```\w+\n.*?^```$", re.MULTILINE | re.DOTALL)


def with_code(page: str, english: str) -> str:
    """The page with the blocks of code of the English one in the places marked. Raises ValueError where there are more or fewer of them."""
    blocks = BLOCK.findall(english)
    if page.count(MARK) != len(blocks):
        raise ValueError(f"{page.partition(chr(10))[0]}: {page.count(MARK)} places for {len(blocks)} blocks of code")
    parts = page.split(MARK)
    return "".join(part + block for part, block in zip(parts, [*blocks, ""], strict=True))


def counterpart(page: str, sources: Path) -> str:
    """The page of this name among the sources of a language; if there is none, the index of its folder, or the first page."""
    folder = PurePosixPath(page).parent
    return next(p for p in (page, f"{folder}/index", "index") if any((sources / f"{p}.{s}").exists() for s in ("md", "rst", "ipynb")))


def links(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """What the templates need: the other language and the page in it, and the notebook's name."""
    sources = Path(app.srcdir)
    (other,) = set(LANGUAGES) - {sources.name}
    up = "../" * (page.count("/") + 1)
    context["other_language"], context["other_name"] = other, LANGUAGES[other]
    context["other_page"] = f"{up}{other}/{counterpart(page, sources.parent / other)}.html"
    context["notebook"] = f"{PurePosixPath(page).name}.ipynb" if (sources / f"{page}.ipynb").exists() else None


def setup(app: Sphinx) -> None:
    app.connect("html-page-context", links)
