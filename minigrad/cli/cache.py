"""minigrad cache: the compiled programs on disk."""

from __future__ import annotations

from typing import Annotated

import typer

from ..compiler.runtime import cache
from .shared import app, console, plainly


@app.command(name="cache")
@plainly
def compiled(
    clear: Annotated[bool, typer.Option("--clear", help="delete every entry")] = False,
) -> None:
    """Where compiled programs are kept, how many there are, and how large they are."""
    found = cache.entries()
    bytes_kept = sum(path.stat().st_size for path in found)
    console.print(f"{cache.directory() or 'no cache'}: {len(found)} entries, {bytes_kept / 1e6:.1f} MB", soft_wrap=True)
    if clear:
        cache.clear()
        console.print("Cleared. The next run of each program compiles it again.")
