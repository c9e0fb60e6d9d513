"""The command line: minigrad train, eval, info, draw."""

from __future__ import annotations

import sys

try:
    from .commands import app
except ImportError as error:  # typer, rich or matplotlib
    missing = error.name

    def app() -> None:  # type: ignore[misc]
        """Say which extra the command line needs."""
        sys.exit(f"minigrad: the command line needs {missing}: pip install 'minigrad[cli]'")


if __name__ == "__main__":
    app()
