"""The import contracts of pyproject.toml, checked over the packages as they are installed, models and viz inside minigrad.

python -m tests.contracts     exits 1 where one is broken
"""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
import tomllib
from pathlib import Path

from importlinter.cli import lint_imports

CONFIG = Path(__file__).parent.parent / "pyproject.toml"


def install(folder: Path) -> None:
    """Copy every package to where its name puts it."""
    places = tomllib.loads(CONFIG.read_text())["tool"]["setuptools"]["package-dir"]
    for package, source in sorted(places.items()):  # a package before those inside it
        target = folder.joinpath(*package.split("."))
        shutil.copytree(CONFIG.parent / source, target, ignore=shutil.ignore_patterns("__pycache__"))


def main() -> int:
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        install(Path(folder))
        sys.path.insert(0, folder)
        return lint_imports(config_filename=str(CONFIG), no_cache=True, no_logo=True)


if __name__ == "__main__":
    sys.exit(main())
