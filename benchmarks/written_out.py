"""Networks as people write them, a Python loop over time, beside `scan`: the first call in a fresh process, nothing cached, and a step."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .console import say
from .fresh import Bench
from .work import WRITTEN_OUT, small, smaller

LENGTHS = (20, 50, 100, 200)
JAX_LENGTHS = {"lstm": 50, "gru": 50, "ntm": 20}  # beyond these its compiler takes minutes
REPEATS = 3


def run(peers: Sequence[str], quick: bool) -> list[dict[str, Any]]:
    """Seconds of the first step and of a later one, the least of some processes, for each work and engine."""
    rows = []
    for kind, longest in JAX_LENGTHS.items():
        for length in LENGTHS[:1] if quick else LENGTHS:
            work = smaller(small(kind, length)) if quick else small(kind, length)
            with tempfile.TemporaryDirectory() as folder:
                bench, row = Bench(work, Path(folder)), {"work": work.name, "first": {}, "step": {}}
                for engine in ("minigrad", *WRITTEN_OUT):
                    if "jax" in engine and (length > longest or "jax" not in peers):
                        continue
                    runs = [bench.run(engine, [work.length] * 6, f"cold{r}") for r in range(1 if quick else REPEATS)]
                    row["first"][engine] = min(r["first"] for r in runs)
                    row["step"][engine] = min(r["steady"] for r in runs)
            say(f"[bold]{work.name}[/] " + ", ".join(f"{e}: {t:.2f} s, {1e3 * row['step'][e]:.2f} ms" for e, t in row["first"].items()))
            rows.append(row)
    return rows
