"""What depends on a fresh process: compiling with empty caches, starting with full ones, many lengths, peak memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from .console import say
from .contestants import first_weights
from .work import Work, ntm, smaller, stacked

REPEATS = 5
LENGTHS = [2 * int(n) + 1 for n in np.random.default_rng(0).integers(1, 21, 100)]  # of copy: the sequence, a mark, the sequence again
DEPTHS = [stacked(kind, n) for kind in ("transformer", "lstm") for n in (1, 4, 8)]
Found = dict[str, dict[str, Any]]


class Bench:
    """Runs probes of one work, each engine with a cache folder of its own."""

    def __init__(self, work: Work, folder: Path):
        self.work, self.folder = work, folder
        self.weights = folder / "weights.npz"
        weights: dict[str, Any] = dict(first_weights(work))
        np.savez(self.weights, **weights)

    def run(self, engine: str, lengths: Sequence[int], cache: str, memory: bool = False) -> dict[str, Any]:
        caches = self.folder / cache / engine
        caches.mkdir(parents=True, exist_ok=True, mode=0o700)
        settings = {
            "MINIGRAD_CACHE_DIR": str(caches), "JAX_COMPILATION_CACHE_DIR": str(caches), "TORCHINDUCTOR_CACHE_DIR": str(caches),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0", "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
            "PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(self.folder / "bytecode"),  # as after an installation
        }  # fmt: skip
        asked = {"engine": engine, "work": asdict(self.work), "lengths": list(lengths), "weights": str(self.weights), "memory": memory}
        command = [sys.executable, "-m", "benchmarks.probe", json.dumps(asked | {"started": time.time()})]
        done = subprocess.run(command, env=os.environ | settings, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"the probe of {engine} failed:\n{done.stderr[-2000:]}")
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return answer


def median(answers: Sequence[dict[str, Any]], of: str) -> float:
    return float(np.median([a[of] for a in answers]))


def cold(bench: Bench, engines: Sequence[str], repeats: int) -> Found:
    """Seconds of the first step beyond a later one, and to the end of the first step from the start of the process; nothing cached."""
    found: Found = {}
    for r in range(repeats):
        for e in engines:
            found.setdefault(e, {}).setdefault("runs", []).append(bench.run(e, [bench.work.length] * 4, f"cold{r}"))
    for f in found.values():
        f["compile"] = float(np.median([a["first"] - a["steady"] for a in f["runs"]]))
        f["first_done"] = median(f["runs"], "first_done")
    return found


def warm(bench: Bench, engines: Sequence[str], repeats: int) -> Found:
    """The same after the caches have been filled."""
    found: Found = {}
    for e in engines:
        bench.run(e, [bench.work.length] * 2, "warm")
    for _ in range(repeats):
        for e in engines:
            found.setdefault(e, {}).setdefault("runs", []).append(bench.run(e, [bench.work.length] * 4, "warm"))
    for f in found.values():
        f["first_done"], f["built"] = median(f["runs"], "first_done"), median(f["runs"], "built")
    return found


def lengths(bench: Bench, engines: Sequence[str], which: Sequence[int]) -> Found:
    """A hundred steps, each on a sequence of another length, from nothing."""
    return {e: bench.run(e, which, "lengths") for e in engines}


def peak(bench: Bench, engines: Sequence[str], repeats: int) -> Found:
    """Peak memory of a few steps, compiled code from the caches, so that a compiler's own memory is not in it."""
    found: Found = {}
    for e in engines:
        bench.run(e, [bench.work.length] * 2, "peak")
        runs = [bench.run(e, [bench.work.length] * 3, "peak", memory=True) for _ in range(repeats)]
        grown = float(np.median([a["rss_peak"] - a["rss_before"] for a in runs]))
        found[e] = {"rss_peak": median(runs, "rss_peak"), "rss_growth": grown, "working": runs[0]["working"], "runs": runs}
    return found


def run(peers: Sequence[str], quick: bool) -> dict[str, Found]:
    engines = ["minigrad", *(p for p in peers if p in ("jax", "torch"))]
    repeats = 1 if quick else REPEATS

    def bench(work: Work, name: str) -> Bench:
        (folder / name).mkdir()
        return Bench(smaller(work) if quick else work, folder / name)

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        one, long = bench(ntm(1), "one"), bench(ntm(16, 100), "long")
        found = {}
        say("[bold]NTM in fresh processes[/]: cold")
        found["cold"] = cold(one, engines, repeats)
        say("  warm")
        found["warm"] = warm(one, engines, repeats)
        say("  100 steps of other lengths")
        found["lengths"] = lengths(one, engines, LENGTHS[:6] if quick else LENGTHS)
        say("  peak memory")
        found["peak"] = peak(long, engines, min(repeats, 3))
    return found


def depths(peers: Sequence[str], quick: bool) -> dict[str, Found]:
    """Cold compilation of more and more layers."""
    engines = ["minigrad", *(p for p in peers if p == "jax")]
    found = {}
    with tempfile.TemporaryDirectory() as temporary:
        for number, work in enumerate(DEPTHS[1:2] if quick else DEPTHS):
            say(f"[bold]{work.name} in fresh processes[/]")
            folder = Path(temporary) / str(number)
            folder.mkdir()
            found[work.name] = cold(Bench(smaller(work) if quick else work, folder), engines, 1 if quick else 3)
    return found
