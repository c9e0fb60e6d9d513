"""Chapters as notebooks in each language, from one source a chapter: examples/chapters/N_name.py, in jupytext's percent format.

A cell of prose belongs to a language, `# %% [markdown] lang="zh"`; all others are in both. `en` and `zh` of a code cell are the captions of
its picture. A chapter is run once, so both languages show the same results, and not again until its code or minigrad's has changed.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import jupytext
import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode
from traitlets.config import Config

from .languages import LANGUAGES

ROOT = Path(__file__).parent.parent
SOURCES = ROOT / "examples" / "chapters"
WIDE = r"[\u2e80-\u9fff\uff00-\uffef\u3000-\u303f“”‘’…—]"


def names() -> list[str]:
    """Of the chapters, in their order."""
    return sorted(p.stem for p in SOURCES.glob("[0-9]_*.py"))


def digest(source: Path) -> str:
    """Of a chapter and of all code that it may run."""
    code = [p for folder in ("minigrad", "models", "viz") for p in sorted((ROOT / folder).rglob("*.py"))]
    return hashlib.sha256(b"\0".join(p.read_bytes() for p in [source, *code])).hexdigest()[:16]


def executed(name: str, kept: Path) -> NotebookNode:
    """The notebook with its results; from the folder `kept` if they are still those of the code. Raises CellExecutionError."""
    source = SOURCES / f"{name}.py"
    path = kept / f"{name}-{digest(source)}.ipynb"
    if not path.exists():
        notebook = jupytext.read(source)
        with TemporaryDirectory() as folder:
            sockets = {} if sys.platform == "win32" else {"transport": "ipc", "ip": str(Path(folder) / "kernel")}  # no port for others
            given = {"resources": {"metadata": {"path": str(ROOT)}}, "config": Config({"KernelManager": sockets})}
            NotebookClient(notebook, timeout=600, kernel_name="python3", coalesce_streams=True, **given).execute()
        kept.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, path)
    return nbformat.read(path, as_version=4)


def unwrapped(text: str) -> str:
    """Text without the line breaks between Chinese characters, which would be shown as spaces."""
    return re.sub(rf"(?<={WIDE})\n(?={WIDE})", "", text)


def in_language(notebook: NotebookNode, language: str) -> NotebookNode:
    """The notebook with the prose and the captions of one language."""
    cells = []
    for number, cell in enumerate(notebook.cells):
        metadata = cell.metadata
        if metadata.get("lang", language) != language:
            continue
        shown = {"tags": metadata["tags"]} if "tags" in metadata else {}
        if caption := metadata.get(language):
            drawn = any(o.get("data", {}).get("text/plain", "").startswith("<Drawing") for o in cell.outputs)
            image = {"alt": caption.replace("$", ""), **({"classes": "drawing"} if drawn else {})}
            shown["mystnb"] = {"figure": {"caption": caption}, "image": image}
        text = unwrapped(cell.source) if cell.cell_type == "markdown" else cell.source
        new = nbformat.v4.new_markdown_cell if cell.cell_type == "markdown" else nbformat.v4.new_code_cell
        found = new(text, metadata=shown, id=f"cell-{number}")
        if cell.cell_type == "code":
            found.outputs, found.execution_count = cell.outputs, cell.execution_count
        cells.append(found)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}})


def write(sources: Path, kept: Path, wanted: Iterable[str]) -> None:
    """Write sources/LANGUAGE/chapters/NAME.ipynb of each chapter; two run at a time."""
    with ThreadPoolExecutor(2) as pool:
        for name, notebook in zip(wanted, pool.map(lambda name: executed(name, kept), wanted), strict=True):
            for language in LANGUAGES:
                path = sources / language / "chapters" / f"{name}.ipynb"
                path.parent.mkdir(parents=True, exist_ok=True)
                nbformat.write(in_language(notebook, language), path)
