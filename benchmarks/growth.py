"""How the time of a step grows with T, B, N and H, and the memory of a step with T."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .console import say
from .contestants import first_weights, make
from .timing import interleaved
from .work import Contestant, Skip, Work, layer, ntm

SWEEPS: dict[str, tuple[str, dict[int, Work]]] = {
    "T": ("NTM, B = 4", {n: ntm(4, n) for n in (20, 40, 80, 160, 320)}),
    "B": ("NTM, T = 41", {n: ntm(n) for n in (1, 2, 4, 8, 16, 32, 64)}),
    "N": ("NTM, T = 41, B = 4", {n: ntm(4, slots=n) for n in (64, 128, 256, 512, 1024)}),
    "H": ("LSTM, T = 100, B = 16", {n: layer("lstm", 16, n) for n in (32, 64, 128, 256, 512)}),
}
MEMORY = (50, 200, 800)


def exponent(sizes: Sequence[int], values: Sequence[float]) -> float:
    """p of values ~ sizesᵖ, by least squares on logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def together(work: Work, peers: Sequence[str]) -> dict[str, Contestant]:
    """minigrad and the peers that have such a model, from the same weights on."""
    weights, engines = first_weights(work), {}
    for name in ("minigrad", *peers):
        try:
            engines[name] = make(name, work, weights)
        except Skip:
            continue
    return engines


def times(works: dict[int, Work], peers: Sequence[str], rounds: int, turn: float) -> dict[str, dict[int, float]]:
    found: dict[str, dict[int, float]] = {}
    for size, work in works.items():
        for name, t in interleaved(together(work, peers), rounds, turn).items():
            found.setdefault(name, {})[size] = t.median
    return found


def memory(lengths: Sequence[int]) -> dict[str, dict[int, int]]:
    """Working bytes of the NTM's step at B = 1, all kept for the gradient, and with a checkpoint every √T steps."""
    from .with_minigrad import Minigrad

    found: dict[str, dict[int, int]] = {"all kept": {}, "checkpoints": {}}
    for n in lengths:
        for name, checkpoint in (("all kept", False), ("checkpoints", True)):
            contestant = Minigrad(ntm(1, n), checkpoint=checkpoint)
            contestant.step()
            found[name][n] = contestant.working_memory(contestant.xs, contestant.ys)
    return found


def run(peers: Sequence[str], quick: bool) -> dict[str, Any]:
    results: dict[str, Any] = {"times": {}}
    for axis, (title, works) in SWEEPS.items():
        say(f"[bold]growth in {axis}[/], {title}")
        some = dict(list(works.items())[:3]) if quick else works
        found = times(some, peers, *((1, 0.01) if quick else (4, 0.15)))
        fits = {e: exponent(list(t), list(t.values())) for e, t in found.items()}
        tails = {e: exponent(list(t)[-3:], list(t.values())[-3:]) for e, t in found.items()}
        for e, t in found.items():
            line = "  ".join(f"{n}: {1e3 * v:.2f}" for n, v in t.items())
            say(f"  {e:10} {line} ms   {axis}^{fits[e]:.2f}, at the end {tails[e]:.2f}")
        results["times"][axis] = {"title": title, "seconds": found, "exponent": fits, "tail": tails}
    kept = memory(MEMORY[:2] if quick else MEMORY)
    results["memory"] = {"bytes": kept, "exponent": {k: exponent(list(v), list(v.values())) for k, v in kept.items()}}
    return results
