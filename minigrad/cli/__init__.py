"""The command line, one file a command: train, eval, info, inspect, draw, export, check, sweep, compare, cache. Needs the extra `cli`."""

from __future__ import annotations

import sys

try:
    from . import cache, check, compare, draw, export, inspect, measure, sweep, train  # noqa: F401  (each adds its command)
    from .shared import app
except ImportError as error:  # typer, rich or matplotlib
    missing = error.name

    def app() -> None:  # type: ignore[misc]
        """Say which extra the command line needs."""
        sys.exit(f"minigrad: the command line needs {missing}: pip install 'minigrad[cli]'")


__all__ = ["app"]
