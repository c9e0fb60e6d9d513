"""Where progress is printed."""

from __future__ import annotations

from rich.console import Console

console = Console(highlight=False)
say = console.print
