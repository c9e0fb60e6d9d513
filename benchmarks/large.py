"""Large memories and long times: the time and the working memory of a step, beside what the machine takes to move so many bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from .console import say
from .growth import exponent, together
from .machine import copy_rate
from .timing import interleaved
from .work import Work, layer, ntm

SWEEPS: dict[str, tuple[str, dict[int, Work]]] = {
    "N": ("NTM, T = 20, B = 1", {n: ntm(1, 20, n) for n in (1024, 16384, 65536)}),
    "T": ("LSTM, H = 128, B = 1", {n: replace(layer("lstm", 1), length=n) for n in (1000, 10_000, 50_000)}),
}
QUICK: dict[str, tuple[str, dict[int, Work]]] = {
    "N": ("NTM, T = 4, B = 1", {n: ntm(1, 4, n) for n in (64, 256)}),
    "T": ("LSTM, H = 16, B = 1", {n: replace(layer("lstm", 1, 16), length=n) for n in (20, 80)}),
}


def sweep(works: dict[int, Work], peers: Sequence[str], rounds: int, turn: float) -> dict[str, dict[str, dict[int, float]]]:
    """Seconds a step and bytes of working memory, of each contestant at each size."""
    found: dict[str, dict[str, dict[int, float]]] = {"seconds": {}, "bytes": {}}
    for size, work in works.items():
        engines = together(work, peers)
        for name, t in interleaved(engines, rounds, turn).items():
            found["seconds"].setdefault(name, {})[size] = t.median
            if bytes := engines[name].working_memory(*work.data()):
                found["bytes"].setdefault(name, {})[size] = bytes
    return found


def run(peers: Sequence[str], quick: bool) -> dict[str, Any]:
    """A working memory is moved once when all of it is written and read, at the rate of a large copy."""
    rate = copy_rate(16 if quick else 256)
    results: dict[str, Any] = {"rate": rate, "sweeps": {}}
    for axis, (title, works) in (QUICK if quick else SWEEPS).items():
        say(f"[bold]large {axis}[/], {title}")
        found = sweep(works, peers, *((1, 0.01) if quick else (6, 0.3)))
        moved = {n: 2 * b / rate for n, b in found["bytes"]["minigrad"].items()}
        fits = {e: exponent(list(t), list(t.values())) for e, t in found["seconds"].items()}
        for e, t in found["seconds"].items():
            say(f"  {e:10} {'  '.join(f'{n:,}: {1e3 * v:.4g}' for n, v in t.items())} ms   {axis}^{fits[e]:.2f}")
        results["sweeps"][axis] = {"title": title, **found, "moved": moved, "exponent": fits}
    return results
