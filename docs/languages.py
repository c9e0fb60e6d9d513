"""The link from a page to the same page in the other language, and from a chapter to its notebook."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

LANGUAGES = {"en": "English", "zh": "中文"}


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
