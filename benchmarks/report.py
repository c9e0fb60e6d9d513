"""Results as tables: on the screen and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from .console import console


def milliseconds(t: dict[str, Any]) -> str:
    return f"{1e3 * t['median']:.3g} [{1e3 * t['p10']:.3g}–{1e3 * t['p90']:.3g}]"


def best_peer(row: dict[str, Any]) -> tuple[str, float] | None:
    """The fastest of the others and how many times longer it takes."""
    times = {k: t["median"] for k, t in row["times"].items() if k != "minigrad"}
    if not times:
        return None
    name = min(times, key=lambda k: times[k])
    return name, times[name] / row["times"]["minigrad"]["median"]


def step_rows(rows: Sequence[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    names = list(dict.fromkeys(name for row in rows for name in row["times"]))
    body = []
    for row in rows:
        best = best_peer(row)
        ratio, met = (f"{best[1]:.2f}", "yes" if best[1] >= row["bar"] else "no") if best else ("–", "–")
        times = [milliseconds(row["times"][n]) if n in row["times"] else "–" for n in names]
        body.append([row["work"], *times, ratio, f"≥ {row['bar']:g}", met])
    return ["training step, ms", *names, "best peer / minigrad", "bar", "met"], body


def show(results: dict[str, Any]) -> None:
    head, body = step_rows(results["steps"])
    table = Table(*head)
    for line in body:
        table.add_row(*line)
    console.print(table)
