"""Builds the site, both languages: `python -m docs.build`. It lies in site/html; open site/html/index.html.

Warnings of Sphinx are errors, and so is a link that leads nowhere. Nothing is fetched.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from . import chapters, links, reference
from .languages import LANGUAGES, with_code

DOCS = Path(__file__).parent
ROOT = DOCS.parent
SITE = ROOT / "site"
SOURCES, HTML = SITE / "sources", SITE / "html"


def results(folder: Path) -> None:
    """The recorded results as pages: their texts, below these their tables, and their pictures."""
    for page in sorted((ROOT / "examples" / "results").glob("*/README.md")):
        target = folder / page.parent.name
        shutil.copytree(page.parent, target, ignore=shutil.ignore_patterns("*.json", "*.txt", "table.md"))
        text = re.sub(r"\]\((\.\./[\w-]+)/\)", r"](\1/README.md)", page.read_text(encoding="utf-8"))
        table = page.with_name("table.md")
        more = "\n\n" + table.read_text(encoding="utf-8") if table.exists() else ""
        (target / page.name).write_text(text + more, encoding="utf-8")


def collect() -> None:
    """Put the sources of both languages together: what is written, the chapters with their results, and the reference."""
    shutil.rmtree(SOURCES, ignore_errors=True)
    for language in LANGUAGES:
        shutil.copytree(DOCS / language, SOURCES / language)
        for picture in DOCS.glob("*.svg"):
            shutil.copy(picture, SOURCES / language)
    for page in SOURCES.glob("zh/*/*.md"):
        original = SOURCES / "en" / page.relative_to(SOURCES / "zh")
        if original.exists():
            page.write_text(with_code(page.read_text(encoding="utf-8"), original.read_text(encoding="utf-8")), encoding="utf-8")
    chapters.write(SOURCES, SITE / "executed", chapters.names())
    for language in LANGUAGES:
        reference.write(SOURCES / language / "reference", language)
    results(SOURCES / "en" / "results")


def build() -> int:
    """Run Sphinx for each language at the same time; the number of those that failed."""
    shutil.rmtree(HTML, ignore_errors=True)
    running = []
    for language in LANGUAGES:
        folders = [str(SOURCES / language), str(HTML / language)]
        options = ["-b", "html", "-W", "--keep-going", "-q", "-t", language, "-c", str(DOCS), "-d", str(SITE / "doctrees" / language)]
        running.append(subprocess.Popen([sys.executable, "-m", "sphinx", *options, *folders]))
    return sum(process.wait() != 0 for process in running)


def main() -> int:
    collect()
    if build():
        return 1
    for notebook in SOURCES.rglob("*.ipynb"):
        shutil.copy(notebook, HTML / notebook.relative_to(SOURCES))
    shutil.copy(DOCS / "index.html", HTML)
    found = list(links.problems(HTML))
    print("\n".join(found) or f"Look at {HTML / 'index.html'}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
